//! Moderation in the dialog of the call: REFER, and the NOTIFYs about it (RFC 3515, RFC 4579 §5.5).

use std::time::Instant;

use sip_stack::endpoint::{ClientTransactionId, ServerTransactionId};
use sip_stack::message::{Method, Request, Response};

use super::{Event, Phone, State};
use crate::core::order::Order;
use crate::core::outcome::warning_text;
use crate::core::sipfrag::{self, Fragment};

/// Orders under way; more nobody gives at a time.
const MOST: usize = 32;

impl Phone {
    /// Tells the conference something. What becomes of it is told by [`Event::Done`] or
    /// [`Event::NotDone`].
    pub fn order(&mut self, now: Instant, order: Order) {
        if let Err(why) = self.send_order(now, order) {
            self.event(Event::NotDone(why));
        }
        self.drain(now);
    }

    fn send_order(&mut self, now: Instant, order: Order) -> Result<(), String> {
        let (State::Talking(call), Some(room)) = (self.state, &self.chat.room) else {
            return Err("this is no conference".to_owned());
        };
        if self.orders.len() >= MOST {
            return Err("too many orders at a time".to_owned());
        }
        let mut headers = vec![("Refer-To".to_owned(), order.refer_to(room).to_string())];
        if !order.takes_time() {
            headers.push(("Refer-Sub".to_owned(), "false".to_owned()));
        }
        headers.extend(self.proofs());
        let sent = self.endpoint.request(now, call, Method::Refer, &headers, None);
        let transaction = sent.map_err(|error| error.to_string())?;
        self.orders.push((transaction, order));
        Ok(())
    }

    /// An order was answered, or `None`: nobody did. False if the request was another.
    pub(super) fn order_answered(
        &mut self,
        transaction: ClientTransactionId,
        response: Option<&Response>,
    ) -> bool {
        let found = self.orders.iter().position(|(sent, _)| *sent == transaction);
        let Some(index) = found else { return false };
        let (_, order) = self.orders.remove(index);
        let event = match response {
            // the roster will tell, to everybody
            Some(response) if response.is_success() && self.roster.will_tell(&order) => {
                return true;
            }
            Some(response) if response.is_success() => Event::Done(order.done()),
            Some(response) => {
                let warning = response.headers.get("Warning").and_then(warning_text);
                let phrase = warning.unwrap_or(&response.reason);
                Event::NotDone(format!("{} {phrase}", response.status))
            }
            None => Event::NotDone("no answer".to_owned()),
        };
        self.event(event);
        true
    }

    /// A NOTIFY in the call: how somebody who is called in takes it.
    pub(super) fn notified(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
    ) {
        let event = request.headers.event().ok().flatten();
        if !event.is_some_and(|event| event.is("refer")) {
            let _gone = self.endpoint.respond_status(now, transaction, 489, "");
            return;
        }
        let _gone = self.endpoint.respond_status(now, transaction, 200, "");
        match sipfrag::read(request) {
            Some(Fragment { status: 101..=199, phrase }) => self.event(Event::Done(phrase)),
            Some(Fragment { status, phrase }) if status >= 300 => {
                self.event(Event::NotDone(format!("{status} {phrase}")));
            }
            // that somebody came is seen in the roster
            _ => {}
        }
    }
}
