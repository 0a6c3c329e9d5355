//! The subscription to the conference that we are in (RFC 4575, RFC 4579 §5.2).

use std::time::{Duration, Instant};

use conference_info::MEDIA_TYPE;
use sip_stack::auth::Credentials;
use sip_stack::endpoint::ServerTransactionId;
use sip_stack::flow::Flow;
use sip_stack::message::{Method, Request, Uri};

use super::{Event, Phone, State};
use crate::core::listing::Taken;
use crate::core::roster::Roster;
use crate::core::subscription::{Notice, Subscription, SubscriptionConfig};

/// Who may not see the roster yet asks again after this.
const AGAIN: Duration = Duration::from_secs(3);

impl Phone {
    /// Who is in the conference; unknown until the focus has told.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The conference that we are in.
    #[must_use]
    pub fn conference(&self) -> Option<&Uri> {
        self.chat.room.as_ref()
    }

    /// Subscribes, if the far end is a focus.
    pub(super) fn watch(&mut self, now: Instant) {
        let Some(room) = &self.chat.room else { return };
        let mut headers = self.proofs();
        headers.push(("Accept".to_owned(), MEDIA_TYPE.to_owned()));
        let mut subscription = Subscription::new(SubscriptionConfig {
            uri: room.clone(),
            from: self.from.clone(),
            contact: self.contact.clone(),
            target: self.target.clone(),
            credentials: self.account.as_ref().map(|(user, pass)| Credentials::new(user, pass)),
            headers,
            live: true,
        });
        let notice = subscription.start(now, &mut self.endpoint);
        self.subscription = Some(subscription);
        self.noticed(now, notice);
    }

    /// A request outside of the call that is no MESSAGE.
    pub(super) fn notified_outside(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
        flow: Flow,
    ) {
        if request.method != Method::Notify {
            self.answer_request(now, transaction, request);
            return;
        }
        let endpoint = &mut self.endpoint;
        let taken = self.subscription.as_mut().and_then(|subscription| {
            subscription.handle_notify(now, endpoint, transaction, request, flow)
        });
        match taken {
            Some(notices) => self.noticed(now, notices),
            None => {
                let _gone = self.endpoint.respond_status(now, transaction, 481, "");
            }
        }
    }

    pub(super) fn noticed(&mut self, now: Instant, notices: impl IntoIterator<Item = Notice>) {
        for notice in notices {
            match notice {
                Notice::State(request) => {
                    let (taken, changes) = self.roster.take(&request);
                    match taken {
                        Taken::Done => self.event(Event::Roster(changes)),
                        Taken::Nothing => {}
                        Taken::Gap => self.watch_again(now),
                    }
                }
                // not for who waits in front of the door; that may change
                Notice::Refused(response) if response.status == 403 => {
                    self.subscription = None;
                    self.watch_at = Some(now + AGAIN);
                }
                // the call goes on without a roster
                Notice::Over { .. } | Notice::Refused(_) | Notice::Failed(_) | Notice::Local(_) => {
                    self.subscription = None
                }
            }
        }
    }

    /// Time has passed.
    pub(super) fn watch_in_time(&mut self, now: Instant) {
        let due = self.watch_at.take_if(|at| *at <= now).is_some();
        if due && matches!(self.state, State::Talking(_)) {
            self.watch(now);
        }
        if let Some(subscription) = &mut self.subscription {
            let notice = subscription.handle_timeout(now, &mut self.endpoint);
            self.noticed(now, notice);
        }
    }

    fn watch_again(&mut self, now: Instant) {
        if let Some(subscription) = &mut self.subscription
            && subscription.refresh(now, &mut self.endpoint).is_some()
        {
            self.subscription = None;
        }
    }
}
