//! Looking at a conference, or at the list of them, once or for as long as is wanted.

use std::time::{Duration, Instant};

use sip_stack::endpoint::Event as StackEvent;
use sip_stack::message::{Method, Uri};

use super::{Desk, Event, refused, unreachable};
use crate::core::outcome::Outcome;
use crate::core::subscription::{Notice, Subscription, SubscriptionConfig};

/// A subscription.
#[derive(Debug)]
pub(super) struct Looking {
    subscription: Subscription,
    live: bool,
    /// Something was told.
    told: bool,
    /// Until then the first document must be here (RFC 6665 §4.1.2.4, timer N), and the last of those that
    /// are asked for once.
    until: Option<Instant>,
}

/// 64·T1: who subscribed and was told nothing for so long has no subscription.
const FIRST_NOTIFY: Duration = Duration::from_secs(32);

/// The kinds of documents we read: one conference, or a list of them (RFC 4575 §3.5, RFC 4662 §5.1).
const ACCEPT: &str = "application/conference-info+xml, application/rlmi+xml, multipart/related";

impl Looking {
    pub(super) fn new(desk: &mut Desk, uri: Uri, live: bool) -> Self {
        let mut headers = desk.proofs();
        headers.push(("Accept".to_owned(), ACCEPT.to_owned()));
        headers.push(("Supported".to_owned(), "eventlist".to_owned()));
        let config = SubscriptionConfig {
            uri,
            from: desk.from.clone(),
            contact: desk.contact.clone(),
            target: desk.target.clone(),
            credentials: desk.credentials.take(),
            headers,
            live,
        };
        Looking { subscription: Subscription::new(config), live, told: false, until: None }
    }

    pub(super) fn start(&mut self, now: Instant, desk: &mut Desk) {
        self.until = Some(now + FIRST_NOTIFY);
        let notice = self.subscription.start(now, &mut desk.endpoint);
        self.noticed(desk, notice);
    }

    pub(super) fn refresh(&mut self, now: Instant, desk: &mut Desk) {
        let notice = self.subscription.refresh(now, &mut desk.endpoint);
        self.noticed(desk, notice);
    }

    pub(super) fn end(&mut self, now: Instant, desk: &mut Desk) {
        self.subscription.end(now, &mut desk.endpoint);
    }

    pub(super) fn handle(&mut self, now: Instant, desk: &mut Desk, event: StackEvent) {
        let Desk { endpoint, .. } = desk;
        match event {
            StackEvent::Response { transaction, response } => {
                let notice =
                    self.subscription.handle_response(now, endpoint, transaction, &response);
                self.noticed(desk, notice);
            }
            StackEvent::RequestFailed { transaction, failure } => {
                let notice = self.subscription.handle_failure(now, transaction, failure);
                self.noticed(desk, notice);
            }
            StackEvent::Request { transaction, request, flow } => {
                let taken = (request.method == Method::Notify)
                    .then(|| {
                        self.subscription.handle_notify(now, endpoint, transaction, &request, flow)
                    })
                    .flatten();
                match taken {
                    Some(notices) => self.noticed(desk, notices),
                    None => {
                        let _gone = endpoint.respond_status(now, transaction, 481, "");
                    }
                }
            }
            StackEvent::IncomingCall { call, .. } => {
                let _gone = endpoint.reject(now, call, 486, "", &[]);
            }
            _ => {}
        }
    }

    fn noticed(&mut self, desk: &mut Desk, notices: impl IntoIterator<Item = Notice>) {
        for notice in notices {
            match notice {
                Notice::State(request) => {
                    desk.event(Event::State(request));
                    self.told = true;
                    if self.live {
                        self.until = None;
                    }
                }
                // What is asked once may come in portions: the last one says that it is.
                Notice::Over { .. } if self.told && !self.live => desk.over(Outcome::Left),
                Notice::Over { reason } => desk.over(Outcome::HungUp { reason }),
                Notice::Refused(response) => desk.over(refused(&response)),
                Notice::Failed(failure) => desk.over(unreachable(failure)),
                Notice::Local(what) => desk.over(Outcome::Local(what)),
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, desk: &mut Desk) {
        let notice = self.subscription.handle_timeout(now, &mut desk.endpoint);
        self.noticed(desk, notice);
        if self.until.take_if(|until| *until <= now).is_some() {
            desk.over(Outcome::Unreachable("the server tells nothing".to_owned()));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.subscription.poll_timeout().into_iter().chain(self.until).min()
    }
}
