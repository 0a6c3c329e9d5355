//! A member of whom the mixer hears nothing: is it muted, or gone?

use std::time::Instant;

use sip_stack::endpoint::{CallId, SessionError};
use sip_stack::message::{Method, Reason, Response};

use crate::core::call::Relayed;
use crate::core::registrar::Registrar;

impl Registrar {
    /// Asks a silent member for a sign of life in its dialog. Muted clients exist that send neither
    /// RTCP nor keep-alives, but every client answers OPTIONS (RFC 3261 §11).
    ///
    /// The mixer reports the silence again while it lasts, and then this asks again.
    pub(crate) fn probe(&mut self, now: Instant, call: CallId) {
        let Some(member) = self.member_mut(call) else { return };
        if member.probing {
            return;
        }
        let accept = [("Accept".to_owned(), "application/sdp".to_owned())];
        match self.endpoint.request(now, call, Method::Options, &accept, None) {
            Ok(transaction) => {
                self.relayed.insert(transaction, Relayed::Probe(call));
                if let Some(member) = self.member_mut(call) {
                    member.probing = true;
                }
            }
            // Our own want of room says nothing about the member: the next report asks.
            Err(SessionError::TooMany) => {}
            // No established dialog to ask in.
            Err(_) => self.end_silent(now, call, 408),
        }
    }

    /// The OPTIONS has its final answer, or will get none. Whatever the answer says, somebody gave
    /// it who knows the dialog, except for 408 and 481: those and no answer at all end the dialog
    /// (RFC 3261 §12.2.1.2).
    pub(crate) fn on_probed(&mut self, now: Instant, call: CallId, response: Option<&Response>) {
        let Some(member) = self.member_mut(call) else { return };
        member.probing = false;
        let status = response.map_or(408, |response| response.status);
        if matches!(status, 408 | 481) {
            self.end_silent(now, call, status);
        }
    }

    fn end_silent(&mut self, now: Instant, call: CallId, cause: u16) {
        self.end_call(now, call, Reason::sip(cause.into(), "no media from you any more"));
    }
}
