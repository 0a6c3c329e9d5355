//! Telling a conference something: REFER outside of any dialog, and the NOTIFYs about what becomes of it
//! (RFC 3515, RFC 4488, RFC 4579 §5.5).

use std::time::{Duration, Instant};

use sip_stack::endpoint::Event as StackEvent;
use sip_stack::message::{Headers, Method, NameAddr, Request, Uri};

use super::{Desk, Event, refused, unreachable};
use crate::core::exchange::Exchange;
use crate::core::order::Order;
use crate::core::outcome::Outcome;
use crate::core::sipfrag::{self, Fragment};

/// How long somebody who is called in may ring; the focus gives up before.
const PATIENCE: Duration = Duration::from_secs(120);

/// One REFER.
#[derive(Debug)]
pub(super) struct Ordering {
    conference: Uri,
    order: Order,
    exchange: Option<Exchange>,
    /// Call-ID and our tag, when NOTIFYs are awaited.
    awaited: Option<(String, String)>,
    until: Option<Instant>,
}

impl Ordering {
    pub(super) fn new(conference: Uri, order: Order) -> Self {
        Ordering { conference, order, exchange: None, awaited: None, until: None }
    }

    pub(super) fn start(&mut self, now: Instant, desk: &mut Desk) {
        let to = NameAddr::new(self.conference.clone());
        let uri = self.conference.clone();
        let mut request = desk.endpoint.new_request(Method::Refer, uri, desk.from.clone(), to);
        let headers = &mut request.headers;
        headers.push("Contact", &desk.contact);
        headers.push("Refer-To", self.order.refer_to(&self.conference));
        headers.push("Referred-By", NameAddr::new(desk.from.uri.clone()));
        if self.order.takes_time() {
            self.awaited = names_of(headers);
            self.until = Some(now + PATIENCE);
        } else {
            headers.push("Refer-Sub", "false");
        }
        for (name, value) in desk.proofs() {
            request.headers.push(&name, value);
        }
        let target = desk.target.clone();
        let target =
            target.unwrap_or_else(|| sip_stack::endpoint::Endpoint::target_of(&self.conference));
        match Exchange::send(now, &mut desk.endpoint, request, target) {
            Ok(exchange) => self.exchange = Some(exchange),
            Err(error) => desk.over(Outcome::Local(error.to_string())),
        }
    }

    pub(super) fn handle(&mut self, now: Instant, desk: &mut Desk, event: StackEvent) {
        match event {
            StackEvent::Response { transaction, response } => {
                let exchange = self.exchange.as_mut().filter(|exchange| exchange.is(transaction));
                let Some(exchange) = exchange else { return };
                let credentials = desk.credentials.as_mut();
                if !exchange.handle_response(now, &mut desk.endpoint, credentials, &response) {
                    return;
                }
                self.exchange = None;
                if !response.is_success() {
                    desk.over(refused(&response));
                    return;
                }
                desk.event(Event::Progress(self.order.done()));
                let unsubscribed = response.headers.list_has("Refer-Sub", "false");
                if self.awaited.is_none() || unsubscribed {
                    desk.over(Outcome::Left);
                }
            }
            StackEvent::RequestFailed { failure, .. } => desk.over(unreachable(failure)),
            StackEvent::Request { transaction, request, .. } => {
                let status = if self.is_awaited(&request) { 200 } else { 481 };
                let _gone = desk.endpoint.respond_status(now, transaction, status, "");
                if status == 200 {
                    self.told(desk, &request);
                }
            }
            StackEvent::IncomingCall { call, .. } => {
                let _gone = desk.endpoint.reject(now, call, 486, "", &[]);
            }
            _ => {}
        }
    }

    fn is_awaited(&self, notify: &Request) -> bool {
        let headers = &notify.headers;
        let (Some((call_id, tag)), Ok(to)) = (&self.awaited, headers.to()) else { return false };
        notify.method == Method::Notify
            && headers.call_id().is_ok_and(|id| id == call_id)
            && to.tag() == Some(tag)
    }

    fn told(&self, desk: &mut Desk, notify: &Request) {
        match sipfrag::read(notify) {
            Some(Fragment { status: 100, .. }) | None => {}
            Some(Fragment { status: 101..=199, phrase }) => desk.event(Event::Progress(phrase)),
            Some(Fragment { status: 200..=299, .. }) => {
                desk.event(Event::Progress("joined".to_owned()));
                desk.over(Outcome::Left);
            }
            Some(Fragment { status, phrase }) => {
                desk.over(Outcome::from_status(status, &phrase, None, None));
            }
        }
        let state = notify.headers.subscription_state().ok().flatten();
        if state.is_some_and(|state| state.is("terminated")) {
            desk.over(Outcome::Left);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, desk: &mut Desk) {
        if self.until.take_if(|until| *until <= now).is_some() {
            desk.over(Outcome::Unreachable("nobody says what became of it".to_owned()));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.until
    }
}

/// What of the dialog of a request is known before it is answered: Call-ID and our tag.
fn names_of(headers: &Headers) -> Option<(String, String)> {
    let tag = headers.from().ok()?.tag()?.to_owned();
    Some((headers.call_id().ok()?.to_owned(), tag))
}
