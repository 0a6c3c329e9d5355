//! NOTIFY: what has changed is told to those who subscribe to it.

use std::time::{Duration, Instant};

use conference_info::{ConferenceInfo, difference};
use sip_stack::endpoint::{Body, ClientTransactionId, SessionError};
use sip_stack::message::{Method, Response};

use super::document::in_portions;
use super::subscription::{Subscription, SubscriptionId, Topic, Way};
use crate::core::call::Relayed;
use crate::core::conference::ConferenceName;
use crate::core::registrar::Registrar;

/// When a notification could not be sent, for there is too much to do, it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

impl Registrar {
    /// Something about a conference has changed: those who subscribe to it, or to the list, are told.
    /// Whatever goes through [`Directory::get_mut`](crate::core::conference::Directory) is noticed without.
    pub(crate) fn conference_changed(&mut self, name: &ConferenceName) {
        self.directory.touch(name);
    }

    /// Tells what has changed since the last time.
    pub(crate) fn tell_rosters(&mut self, now: Instant) {
        for name in self.directory.take_touched() {
            self.tell_room(now, &name);
            for id in self.rosters.lists() {
                if let Some(subscription) = self.rosters.get_mut(id)
                    && let Topic::List(listing) = &mut subscription.topic
                {
                    listing.note(&name);
                    subscription.due = true;
                    self.notify(now, id);
                }
            }
        }
    }

    /// Tells those who subscribe to one conference.
    fn tell_room(&mut self, now: Instant, name: &ConferenceName) {
        let Some(room) = self.rosters.room(name) else { return };
        let focus = self.directory.get(name).filter(|focus| focus.id() == room.id);
        let Some(focus) = focus else {
            for id in self.rosters.watchers(name) {
                self.end_subscription(now, id, "noresource");
            }
            return;
        };
        let shared = self.roster(focus, Some(&room.now));
        if shared == room.now {
            return;
        }
        let barred = room.watchers.iter().copied();
        let barred: Vec<SubscriptionId> = barred
            .filter(|id| self.rosters.get(*id).is_some_and(|held| !focus.may_watch(&held.by)))
            .collect();
        if let Some(room) = self.rosters.room_mut(name) {
            room.now = shared;
        }
        for id in barred {
            self.end_subscription(now, id, "rejected");
        }
        for id in self.rosters.watchers(name) {
            if let Some(subscription) = self.rosters.get_mut(id) {
                subscription.due = true;
            }
            self.notify(now, id);
        }
    }

    /// Looks after the subscriptions whose time has come.
    pub(crate) fn on_roster_timeout(&mut self, now: Instant) {
        while let Some(id) = self.rosters.pop_timer(now) {
            let expired = self.rosters.get(id).is_some_and(|held| held.expires <= now);
            if expired {
                self.end_subscription(now, id, "timeout");
            } else {
                self.notify(now, id);
            }
        }
    }

    /// Sends what is to be told, if that may be now.
    pub(super) fn notify(&mut self, now: Instant, id: SubscriptionId) {
        let Some(subscription) = self.rosters.get_mut(id) else { return };
        let next = subscription.pace.next(now);
        if !subscription.due || subscription.awaiting || subscription.silenced {
            self.rosters.set_timer(id, None);
            return;
        }
        if next > now {
            self.rosters.set_timer(id, Some(next));
            return;
        }
        // Out of the table while it is worked on: the document is made of the rest of the registrar.
        let Some(mut subscription) = self.rosters.lend(id) else { return };
        let rest = subscription.expires.saturating_duration_since(now).as_secs();
        let state = format!("active;expires={rest}");
        let sent = match self.news(&mut subscription) {
            Some(body) => {
                subscription.pace.take();
                let sent = self.send_notify(now, &mut subscription, &state, Some(body));
                subscription.awaiting = sent.is_ok();
                Some(sent)
            }
            None => None,
        };
        let failed = matches!(sent, Some(Err(_)));
        if failed {
            subscription.forget_told();
        }
        self.rosters.put_back(id, subscription);
        if let Some(Ok(transaction)) = sent {
            self.relayed.insert(transaction, Relayed::Roster(id));
        }
        self.rosters.set_timer(id, failed.then(|| now + AGAIN));
    }

    /// The document with what a subscriber does not know; it is taken for told.
    fn news(&self, subscription: &mut Subscription) -> Option<Body> {
        subscription.due = false;
        if let Topic::List(_) = &subscription.topic {
            let list = self.list_notification(subscription)?;
            subscription.due = list.cut;
            return Some(Body { content_type: list.content_type, bytes: list.body.into() });
        }
        let Topic::Conference { name, told } = &mut subscription.topic else { return None };
        let room = self.rosters.room(name)?;
        let focus = self.directory.get(name)?;
        let all = self.roster_for(&room.now, focus, &subscription.by, &subscription.known_as);
        let (info, cut) = in_portions(told.as_deref(), all);
        let update = match told {
            Some(told) => difference(told, &info)?,
            None => info.clone(),
        };
        *told = Some(Box::new(info));
        subscription.due = cut;
        let update = ConferenceInfo { version: Some(subscription.next_version()), ..update };
        Some(Body {
            content_type: conference_info::MEDIA_TYPE.to_owned(),
            bytes: update.to_xml().into(),
        })
    }

    fn send_notify(
        &mut self,
        now: Instant,
        subscription: &mut Subscription,
        state: &str,
        body: Option<Body>,
    ) -> Result<ClientTransactionId, SessionError> {
        let mut headers = vec![
            ("Event".to_owned(), subscription.event()),
            ("Subscription-State".to_owned(), state.to_owned()),
        ];
        if matches!(subscription.topic, Topic::List(_)) {
            headers.push(("Require".to_owned(), "eventlist".to_owned()));
        }
        match &mut subscription.way {
            Way::Outside(notifier) => self.endpoint.notify(now, notifier, &headers, body),
            Way::InCall(call) => self.endpoint.request(now, *call, Method::Notify, &headers, body),
        }
    }

    /// The subscriber has answered a notification, or has not.
    pub(crate) fn on_told(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        response: Option<&Response>,
    ) {
        let Some(subscription) = self.rosters.get_mut(id) else { return };
        subscription.awaiting = false;
        match response.map(|response| response.status) {
            Some(200..300) => self.notify(now, id),
            // Something else was under way there: once more, with all.
            Some(491 | 500 | 503) => {
                subscription.forget_told();
                self.rosters.set_timer(id, Some(now + AGAIN));
            }
            // RFC 6665 §4.2.2: it does not want to know, or is not there any more.
            status => {
                tracing::debug!(?status, "a subscription has ended: NOTIFY failed");
                self.rosters.remove(id);
            }
        }
    }

    /// Ends a subscription with a last notification that says why (RFC 6665 §4.1.3).
    pub(super) fn end_subscription(&mut self, now: Instant, id: SubscriptionId, reason: &str) {
        if self.rosters.get(id).is_some_and(|held| held.silenced) {
            self.rosters.remove(id);
            return;
        }
        let Some(mut subscription) = self.rosters.lend(id) else { return };
        // Who only asks once (§4.4.3), or does not want to hear more, is told how it stands.
        let mut body = if reason == "timeout" { self.news(&mut subscription) } else { None };
        while subscription.due && body.is_some() {
            // It did not fit into one document.
            let _ = self.send_notify(now, &mut subscription, "active;expires=0", body.take());
            body = self.news(&mut subscription);
        }
        let state = format!("terminated;reason={reason}");
        // It is over whatever is answered.
        let _ = self.send_notify(now, &mut subscription, &state, body);
        self.rosters.put_back(id, subscription);
        self.rosters.remove(id);
    }

    /// The server ends: who subscribes may try again later.
    pub(crate) fn end_subscriptions(&mut self, now: Instant) {
        for id in self.rosters.ids() {
            self.end_subscription(now, id, "probation;retry-after=30");
        }
    }

    /// A call has ended, and with it the subscriptions in its dialog.
    pub(crate) fn end_subscriptions_of(&mut self, call: sip_stack::endpoint::CallId) {
        for id in self.rosters.of_call(call) {
            self.rosters.remove(id);
        }
    }
}
