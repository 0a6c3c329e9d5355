//! The end of a call: BYE in both directions (RFC 3261 §15), and how a call is forgotten.

use std::time::Instant;

use super::CallTimer;
use super::call::{ByeWanted, Cancel, Stage};
use crate::endpoint::{CallId, EndReason, Endpoint, Event, ServerTransactionId, SessionError};
use crate::message::{Method, Reason, Request};
use crate::transaction::layer::{Act, ClientUser};

impl Endpoint {
    /// Ends a call in whatever state: by BYE, by CANCEL, or by a refusal with the `cause` of a SIP
    /// `reason` from 300 up, else 480. [`Event::Ended`] with [`EndReason::Local`] comes at once; the
    /// rest happens inside, also the waiting for an ACK before BYE and the BYE for a call that was
    /// answered while it was cancelled.
    ///
    /// # Errors
    /// [`SessionError::UnknownCall`].
    pub fn bye(
        &mut self,
        now: Instant,
        call: CallId,
        reason: Option<Reason>,
    ) -> Result<(), SessionError> {
        self.live_call(call)?;
        self.terminate(now, call, EndReason::Local, reason);
        Ok(())
    }

    /// Ends a call from our side in whatever state.
    pub(crate) fn terminate(
        &mut self,
        now: Instant,
        id: CallId,
        told: EndReason,
        reason: Option<Reason>,
    ) {
        match self.calls.get(&id).map(|call| call.stage) {
            Some(Stage::Ringing) => {
                let cause = reason.as_ref().filter(|reason| reason.protocol == "SIP");
                let cause = cause.and_then(|reason| u16::try_from(reason.cause?).ok());
                let status = cause.filter(|cause| (300..700).contains(cause)).unwrap_or(480);
                self.refuse(now, id, status, "", &[]);
                self.end_told(id, told);
            }
            Some(Stage::Inviting) => {
                self.refuse_offered(now, id, 487);
                self.give_up_invite(now, id, told, reason);
            }
            Some(Stage::Established | Stage::Ended) => self.hang_up(now, id, told, reason),
            None => {}
        }
    }

    /// Gives up an INVITE of ours that has no final response.
    pub(crate) fn give_up_invite(
        &mut self,
        now: Instant,
        id: CallId,
        told: EndReason,
        reason: Option<Reason>,
    ) {
        if let Some(outgoing) = self.calls.get_mut(&id).and_then(|call| call.outgoing.as_mut()) {
            outgoing.cancel = Cancel::Wanted(reason);
        }
        self.end_told(id, told);
        self.send_wanted_cancel(now, id);
    }

    /// Ends an established call from our side.
    fn hang_up(&mut self, now: Instant, id: CallId, told: EndReason, reason: Option<Reason>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Some(unanswered) = call.unanswered.take() {
            // The peer's offer stays unanswered, but its 2xx must be acknowledged.
            self.send_ack(id, unanswered.transaction, None);
        }
        self.refuse_offered(now, id, 487);
        self.limit_change(now, id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let unacked = call.unacked.take_if(|unacked| call.incoming != Some(unacked.transaction));
        if unacked.is_none() && call.unacked.is_some() {
            // The called side must not send BYE before the ACK has come (RFC 3261 §15). In a
            // re-INVITE it may: the dialog was confirmed before.
            call.bye_wanted = Some(ByeWanted(reason));
            self.end_told_but_unacked(id, told);
            return;
        }
        self.send_bye(now, id, reason);
        self.end_told(id, told);
    }

    /// The call ends while a re-INVITE of ours is unanswered. The peer should still answer it
    /// (RFC 3261 §15.1.2), but its 2xx may have been on the way and lost, and after a BYE nobody
    /// repeats that.
    fn limit_change(&mut self, now: Instant, id: CallId) {
        let change = self.calls.get(&id).and_then(|call| call.change.as_ref());
        if let Some(transaction) = change.and_then(|change| change.transaction) {
            self.layer.limit_client(now, transaction);
        }
    }

    /// Sends the BYE; its outcome changes nothing.
    pub(crate) fn send_bye(&mut self, now: Instant, id: CallId, reason: Option<Reason>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(mut dialog) = call.dialog.take() else { return };
        let mut bye = dialog.request(Method::Bye);
        let target = call.target(&dialog);
        let fallback = call.fallback(&dialog, &target);
        call.dialog = Some(dialog);
        if let Some(reason) = reason {
            bye.headers.push("Reason", reason);
        }
        if !self.config.user_agent.is_empty() {
            bye.headers.push("User-Agent", &self.config.user_agent);
        }
        if let Some(credentials) = &mut call.credentials {
            credentials.authorize(&mut bye, &mut self.tokens);
        }
        call.clients += 1;
        let user = ClientUser::Call(id, Act::Bye);
        self.layer.start_client(now, bye, target, fallback, user, &mut self.tokens);
    }

    /// The peer's BYE.
    pub(crate) fn bye_received(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ServerTransactionId,
        bye: &Request,
    ) {
        let _ = self.respond_status(now, transaction, 200, "");
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.stage == Stage::Ringing {
            // The caller may end an early dialog by BYE (RFC 3261 §15); the INVITE needs its final
            // response all the same (§15.1.2).
            self.refuse(now, id, 487, "", &[]);
        } else {
            self.refuse_offered(now, id, 487);
            self.limit_change(now, id);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.unacked = None;
            call.bye_wanted = None;
        }
        self.end_told(id, EndReason::Remote(bye.headers.reason()));
    }

    /// Tells the owner the end, if that has not happened, and forgets what can be forgotten.
    pub(crate) fn end_told(&mut self, id: CallId, reason: EndReason) {
        self.last_event(id, Event::Ended { call: id, reason });
    }

    fn end_told_but_unacked(&mut self, id: CallId, reason: EndReason) {
        for timer in CallTimer::ALL {
            if !matches!(timer, CallTimer::Resend | CallTimer::NoAck) {
                self.call_timers.stop((id, timer));
            }
        }
        if let Some(call) = self.calls.get_mut(&id)
            && call.stage != Stage::Ended
        {
            call.stage = Stage::Ended;
            self.emit(Event::Ended { call: id, reason });
        }
    }

    /// Gives the last event of a call, unless it has been given.
    pub(crate) fn last_event(&mut self, id: CallId, event: Event) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let told = call.stage == Stage::Ended;
        call.stage = Stage::Ended;
        call.change = None;
        call.offered = None;
        call.unanswered = None;
        let waits_for_cancel =
            call.outgoing.as_ref().is_some_and(|outgoing| outgoing.cancel == Cancel::Sent);
        if !waits_for_cancel && call.unacked.is_none() {
            self.stop_call_timers(id);
        }
        if !told {
            self.emit(event);
        }
        self.forget_if_over(id);
    }

    pub(crate) fn stop_call_timers(&mut self, id: CallId) {
        for timer in CallTimer::ALL {
            self.call_timers.stop((id, timer));
        }
    }

    /// Forgets a call of which nothing can come any more.
    pub(crate) fn forget_if_over(&mut self, id: CallId) {
        if !self.calls.get(&id).is_some_and(super::Call::is_over) {
            return;
        }
        self.stop_call_timers(id);
        self.close_early_dialogs(id);
        let Some(call) = self.calls.remove(&id) else { return };
        if let Some(own) = &call.own_id {
            self.own_invites.remove(own);
        }
        if let Some(dialog) = &call.dialog {
            self.dialogs.remove(&dialog.id);
        }
        if let Some(connection) = call.flow.and_then(|flow| flow.connection) {
            self.connections.remove(&(connection, id));
        }
    }
}
