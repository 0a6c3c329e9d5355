//! CANCEL in both directions and its races with the final response (RFC 3261 §9).

use std::time::Instant;

use super::CallTimer;
use super::call::{Cancel, Stage};
use crate::endpoint::{CallId, EndReason, Endpoint, Event, ServerTransactionId};
use crate::message::{Reason, Request};
use crate::transaction::layer::ServerUser;

impl Endpoint {
    /// Sends the CANCEL that is wanted, if the INVITE has had a provisional response.
    pub(crate) fn send_wanted_cancel(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(outgoing) = &mut call.outgoing else { return };
        let Cancel::Wanted(reason) = &outgoing.cancel else { return };
        let reason = reason.as_ref().map(ToString::to_string);
        if self.layer.cancel_client(now, outgoing.transaction, reason.as_deref()) {
            outgoing.cancel = Cancel::Sent;
            let limit = now + self.config.timers.transaction_timeout();
            self.call_timers.set((id, CallTimer::CancelGuard), limit);
        }
    }

    /// A cancelled INVITE without final response is forgotten after 64·T1 (RFC 3261 §9.1).
    pub(crate) fn cancel_unanswered(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        if let Some(outgoing) = call.outgoing.as_ref().filter(|_| call.dialog.is_none()) {
            self.layer.abandon_client(outgoing.transaction);
        } else if let Some(transaction) = call.change.as_ref().and_then(|c| c.transaction) {
            self.layer.abandon_client(transaction);
            self.terminate(
                now,
                id,
                EndReason::DialogLost(None),
                Some(Reason::sip(408, "No answer")),
            );
        }
    }

    /// Nobody picked up in the time given.
    pub(crate) fn ring_timeout(&mut self, now: Instant, id: CallId) {
        match self.calls.get(&id).map(|call| call.stage) {
            Some(Stage::Inviting) => {
                let reason = Some(Reason::sip(408, "No answer"));
                self.give_up_invite(now, id, EndReason::NoAnswer, reason);
            }
            Some(Stage::Ringing) => {
                self.refuse(now, id, 480, "", &[]);
                self.end_told(id, EndReason::NoAnswer);
            }
            _ => {}
        }
    }

    /// The peer's CANCEL.
    pub(crate) fn cancel_received(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        cancel: &Request,
    ) {
        let Some((invite, user)) = self.layer.cancelled(cancel) else {
            let _ = self.respond_status(now, transaction, 481, "");
            return;
        };
        self.layer.share_to_tag(invite, transaction);
        let _ = self.respond_status(now, transaction, 200, "");
        let ServerUser::Call(id) = user else { return };
        let Some(call) = self.calls.get(&id) else { return };
        if call.stage == Stage::Ringing && call.incoming == Some(invite) {
            self.refuse(now, id, 487, "", &[]);
            let reason = cancel.headers.reason();
            self.last_event(id, Event::Cancelled { call: id, reason });
        } else if call.offered.as_ref().is_some_and(|offered| offered.transaction == invite) {
            self.refuse_offered(now, id, 487);
            self.emit(Event::ReinviteCancelled { call: id });
        }
        // Else the final response has crossed the CANCEL, which then has no effect (§9.2).
    }
}
