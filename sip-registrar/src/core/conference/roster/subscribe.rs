//! SUBSCRIBE with `Event: conference` (RFC 4575 §3, RFC 6665 §4.2.1).

use std::time::{Duration, Instant};

use sip_stack::dialog::DialogId;
use sip_stack::endpoint::{CallId, ServerTransactionId};
use sip_stack::flow::Flow;
use sip_stack::message::{NameAddr, Request, Uri, Value};

use super::list::Listing;
use super::pace::Pace;
use super::subscription::{Subscription, SubscriptionId, Topic, Way};
use super::table::{Full, Room};
use crate::core::conference::door::Place;
use crate::core::conference::{Actor, Focus, Member, MemberRole};
use crate::core::identity::Identity;
use crate::core::register::bad_request;
use crate::core::registrar::{Registrar, Role};
use crate::core::reject::Reject;
use crate::core::route::Resource;

/// How long a subscription lasts if the subscriber does not say (RFC 4575 §3.4), and the longest given.
const EXPIRES: u32 = 3600;

/// The shortest one taken: refreshing more often is work for both.
const MIN_EXPIRES: u32 = 60;

/// The longest `id` of Event that is given back.
const MAX_EVENT_ID: usize = 64;

/// The events that can be subscribed to.
pub(crate) const EVENTS: &str = "conference, refer";

impl Registrar {
    /// SUBSCRIBE, in the dialog of the member `call` or outside of any call.
    pub(crate) fn on_subscribe(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
        flow: &Flow,
        call: Option<CallId>,
    ) -> Result<(), Reject> {
        let event = request.headers.event().map_err(bad_request)?;
        match event {
            Some(event) if event.is("conference") => {
                self.subscribe_conference(now, transaction, request, flow, call, &event)
            }
            Some(event) if event.is("refer") => self.subscribe(now, transaction, request, call),
            _ => Err(Reject::new(489).with("Allow-Events", EVENTS)),
        }
    }

    fn subscribe_conference(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
        flow: &Flow,
        call: Option<CallId>,
        event: &Value,
    ) -> Result<(), Reject> {
        let event_id = event.params.get("id").filter(|id| id.len() <= MAX_EVENT_ID);
        let known = match (call, DialogId::of_request(request)) {
            (Some(call), _) => self.rosters.by_call(call, event_id),
            (None, Some(dialog)) => {
                let known = self.rosters.by_dialog(&dialog);
                Some(known.ok_or_else(|| Reject::new(481))?)
            }
            (None, None) => None,
        };
        let expires = request.headers.expires().map_err(bad_request)?.unwrap_or(EXPIRES);
        if (1..MIN_EXPIRES).contains(&expires) {
            return Err(Reject::new(423).with("Min-Expires", MIN_EXPIRES.to_string()));
        }
        let expires = expires.min(EXPIRES);
        if let Some(id) = known {
            return self.refresh_subscription(now, transaction, request, flow, id, expires);
        }
        let by = self.subscriber(now, request, flow, call)?;
        let topic = self.topic(now, request, flow, call, &by)?;
        let is_list = matches!(topic, Topic::List(_));
        self.rosters.has_room(&by, is_list).map_err(|full| match full {
            Full::Table => Reject::busy("there are too many subscriptions"),
            Full::Subscriber => Reject::busy("you have too many subscriptions"),
        })?;
        let contact = match (&topic, call.and_then(|call| self.member_mut(call))) {
            (_, Some(member)) => member.contact.clone(),
            (Topic::Conference { name, .. }, None) => {
                self.conference_contact(name, &request.uri, flow)
            }
            (Topic::List(_), None) => {
                self.contact(request.uri.user_text().as_deref(), &request.uri, flow)
            }
        };
        let way = match call {
            Some(call) => Way::InCall(call),
            None => {
                let notifier = self.endpoint.notifier(transaction, *flow, contact.clone());
                Way::Outside(Box::new(notifier.ok_or_else(|| Reject::new(400).because("Contact"))?))
            }
        };
        if let Topic::Conference { name, .. } = &topic {
            let focus = self.directory.get(name).ok_or_else(|| Reject::new(404))?;
            let room = Room {
                id: focus.id().to_owned(),
                now: self.roster(focus, None),
                watchers: std::collections::BTreeSet::new(),
            };
            self.rosters.open_room(name, || room);
        }
        self.accept_subscription(now, transaction, expires, &contact, is_list);
        let id = self.rosters.add(Subscription {
            by,
            way,
            event_id: event_id.map(str::to_owned),
            known_as: Uri::sip(
                request.uri.user_text().as_deref(),
                request.uri.host.clone(),
                request.uri.port,
            ),
            expires: now + Duration::from_secs(expires.into()),
            pace: Pace::new(now),
            version: first_version(request, is_list),
            due: true,
            awaiting: false,
            silenced: false,
            timer: None,
            topic,
        });
        self.answer_with_all(now, id, expires);
        Ok(())
    }

    /// Who subscribes: the member in whose call it comes, or who proves it.
    fn subscriber(
        &mut self,
        now: Instant,
        request: &Request,
        flow: &Flow,
        call: Option<CallId>,
    ) -> Result<Actor, Reject> {
        let identity = match call {
            Some(call) => self.member_mut(call).ok_or_else(|| Reject::new(481))?.identity.clone(),
            None => {
                let from = request.headers.from().map_err(bad_request)?;
                self.identify(now, request, &from, flow)?
            }
        };
        Ok(identity.actor(&request.headers))
    }

    /// What is subscribed to, if this subscriber may.
    fn topic(
        &self,
        now: Instant,
        request: &Request,
        flow: &Flow,
        call: Option<CallId>,
        by: &Actor,
    ) -> Result<Topic, Reject> {
        let resource = match call.and_then(|call| self.roles.get(&call)) {
            Some(Role::Member(name)) => Resource::Conference(name.clone()),
            _ => self.resource(&request.uri, flow)?,
        };
        match resource {
            Resource::Conference(name) => {
                let Some(focus) = self.directory.get(&name) else {
                    let gone = self.gone.has(self.clock.unix(now), &name);
                    return Err(Reject::new(if gone { 410 } else { 404 }));
                };
                if !focus.may_watch(by) {
                    return Err(Reject::new(403).because("only its members may see who is in it"));
                }
                Ok(Topic::Conference { name, told: None })
            }
            Resource::Meetings | Resource::Factory => {
                if !request.headers.list_has("Supported", "eventlist") {
                    // RFC 4662 §4.1: there is no other way to tell it.
                    return Err(Reject::new(421).with("Require", "eventlist"));
                }
                Ok(Topic::List(Listing::default()))
            }
            Resource::Server | Resource::Account(_) => {
                Err(Reject::new(404).because("only conferences and the list of them tell anything"))
            }
        }
    }

    /// SUBSCRIBE in the dialog of a subscription: it lasts longer, or ends.
    fn refresh_subscription(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
        flow: &Flow,
        id: SubscriptionId,
        expires: u32,
    ) -> Result<(), Reject> {
        let Some(subscription) = self.rosters.get_mut(id) else { return Err(Reject::new(481)) };
        if let Way::Outside(notifier) = &mut subscription.way
            && !notifier.take(request, *flow)
        {
            return Err(Reject::new(500).because("a newer request was here before"));
        }
        subscription.expires = now + Duration::from_secs(expires.into());
        // RFC 4575 §3.3, RFC 4662 §4.5: who asks again is told all.
        subscription.forget_told();
        let known_as = subscription.known_as.clone();
        let (contact, is_list) = match (&subscription.topic, &subscription.way) {
            (_, Way::InCall(call)) => {
                let call = *call;
                let member = self.member_mut(call).ok_or_else(|| Reject::new(481))?;
                (member.contact.clone(), false)
            }
            (Topic::Conference { name, .. }, _) => {
                let name = name.clone();
                (self.conference_contact(&name, &known_as, flow), false)
            }
            (Topic::List(_), _) => {
                (self.contact(known_as.user_text().as_deref(), &known_as, flow), true)
            }
        };
        self.accept_subscription(now, transaction, expires, &contact, is_list);
        self.answer_with_all(now, id, expires);
        Ok(())
    }

    fn accept_subscription(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        expires: u32,
        contact: &NameAddr,
        is_list: bool,
    ) {
        let Ok(mut response) = self.endpoint.response(transaction, 200, "") else { return };
        response.headers.push("Expires", expires);
        response.headers.push("Contact", contact);
        response.headers.push("Allow-Events", EVENTS);
        if is_list {
            response.headers.push("Require", "eventlist");
        }
        let _ = self.endpoint.respond(now, transaction, response);
    }

    /// The notification that follows a SUBSCRIBE at once; the last one if it asked for no time.
    fn answer_with_all(&mut self, now: Instant, id: SubscriptionId, expires: u32) {
        if expires == 0 {
            self.end_subscription(now, id, "timeout");
        } else {
            self.notify(now, id);
        }
    }
}

impl Focus {
    /// Whether somebody may see who is in this conference: who is in it, or on the way in (Linphone asks
    /// before its ACK), and who runs it.
    pub(crate) fn may_watch(&self, by: &Actor) -> bool {
        let identity = Identity::of_actor(by);
        let is_in = |member: &Member| {
            member.place == Place::Inside && Some(&member.identity) == identity.as_ref()
        };
        self.role_of(by) >= MemberRole::Moderator || self.members().any(|(_, member)| is_in(member))
    }
}

/// The number of the first document. A list begins with 0 (RFC 4662 §5.2). Linphone says which document
/// of a conference it had last, and passes over what is not newer.
fn first_version(request: &Request, is_list: bool) -> u32 {
    if is_list {
        return 0;
    }
    let last = request.headers.get("Last-Notify-Version");
    let last: u32 = last.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    last.checked_add(1).unwrap_or(1)
}
