//! ACK for a 2xx, which belongs to the dialog and not to the transaction: sending it, sending it
//! again, and sending our own 2xx again until it comes (RFC 3261 §13.2.2.4, §13.3.1.4).

use std::time::Instant;

use super::CallTimer;
use super::call::{Call, SentAck, Stage, Unacked, Unanswered};
use super::id::DialogId;
use super::state::Dialog;
use crate::endpoint::{
    Body, CallId, ClientTransactionId, EndReason, Endpoint, Event, Origin, ServerTransactionId,
    SessionError, Transmit, TransmitId,
};
use crate::flow::Flow;
use crate::message::{Method, Reason, Request, Response};
use crate::transaction::layer::ClientUser;

/// The most forks of one INVITE that are acknowledged and hung up; a stranger cannot make us send
/// more.
const MAX_FORKS: usize = 16;

impl Endpoint {
    /// Answers the offer that came in a 2xx, in the ACK (late offer, RFC 3261 §13.2.1). Due after
    /// [`Event::Answered`] or [`Event::ReinviteAnswered`] if the INVITE had no body and the 2xx has
    /// one; within 32 s, else the call ends.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] if no offer waits.
    pub fn acknowledge(
        &mut self,
        now: Instant,
        call: CallId,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        let state = self.live_call(call)?;
        let Some(unanswered) = state.unanswered.take() else {
            return Err(SessionError::WrongState);
        };
        if body.is_some() {
            state.local_body.clone_from(&body);
        }
        self.call_timers.stop((call, CallTimer::NoAnswer));
        self.send_ack(call, unanswered.transaction, body.as_ref());
        self.restart_session_timer(now, call);
        Ok(())
    }

    /// Acknowledges a 2xx now, or lets the owner answer its offer first.
    pub(crate) fn acknowledge_or_wait(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ClientTransactionId,
        wants_offer: bool,
        response: &Response,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if wants_offer && !response.body.is_empty() {
            call.unanswered = Some(Unanswered { transaction });
            let limit = now + self.config.timers.transaction_timeout();
            self.call_timers.set((id, CallTimer::NoAnswer), limit);
        } else {
            self.send_ack(id, transaction, None);
        }
    }

    /// Sends the ACK for the 2xx to our INVITE `transaction`.
    pub(crate) fn send_ack(
        &mut self,
        id: CallId,
        transaction: ClientTransactionId,
        body: Option<&Body>,
    ) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(dialog) = call.dialog.clone() else { return };
        self.ack_in(id, &dialog, transaction, body);
    }

    fn ack_in(
        &mut self,
        id: CallId,
        dialog: &Dialog,
        transaction: ClientTransactionId,
        body: Option<&Body>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(invite) = self.layer.client_request(transaction) else { return };
        let Ok(cseq) = invite.headers.cseq() else { return };
        let mut ack = dialog.ack(cseq.number);
        for name in ["Authorization", "Proxy-Authorization"] {
            for value in invite.headers.get_all(name) {
                ack.headers.push(name, value);
            }
        }
        if let Some(body) = body {
            ack.set_body(&body.content_type, body.bytes.clone());
        }
        let target = call.target(dialog);
        let (target, bytes) = self.layer.ack_bytes(ack.clone(), target, &mut self.tokens);
        let remote_tag = dialog.id.remote_tag.clone();
        call.acks.push(SentAck { transaction, remote_tag, request: ack, target, bytes });
        let sent = call.acks.last();
        if let Some(transmit) = sent.map(|ack| transmit(id, ack)) {
            self.layer.push_transmit(transmit);
        }
    }

    /// The 2xx came again, so our ACK was lost.
    pub(crate) fn acknowledge_again(
        &mut self,
        transaction: ClientTransactionId,
        id: CallId,
        remote_tag: &str,
    ) {
        let Some(call) = self.calls.get(&id) else { return };
        let sent = find_ack(call, transaction, remote_tag);
        if let Some(transmit) = sent.map(|ack| transmit(id, ack)) {
            self.layer.push_transmit(transmit);
        }
    }

    /// The last ACK could not be sent: once more, on the other way to the peer.
    pub(crate) fn ack_send_failed(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let (Some(ack), Some(dialog)) = (call.acks.last(), &call.dialog) else { return };
        let Some(target) = call.fallback(dialog, &ack.target) else { return };
        let Some(ack) = call.acks.last_mut() else { return };
        let request = ack.request.clone();
        (ack.target, ack.bytes) = self.layer.ack_bytes(request, target, &mut self.tokens);
        let transmit = Transmit { id: TransmitId(Origin::Nobody), ..transmit(id, ack) };
        self.layer.push_transmit(transmit);
    }

    /// A 2xx from a second phone to our INVITE: acknowledge it and hang up.
    pub(crate) fn drop_fork(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ClientTransactionId,
        request: &Request,
        response: &Response,
    ) {
        let Some(tag) = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned))
        else {
            return;
        };
        let Some(call) = self.calls.get_mut(&id) else { return };
        if find_ack(call, transaction, &tag).is_some() {
            self.acknowledge_again(transaction, id, &tag);
            return;
        }
        if call.acks.len() >= MAX_FORKS {
            return;
        }
        let Some((mut dialog, _)) = call.confirmed_by(request, response) else { return };
        self.ack_in(id, &dialog, transaction, None);
        let mut bye = dialog.request(Method::Bye);
        bye.headers.push("Reason", Reason::sip(200, "Call completed elsewhere"));
        let Some(call) = self.calls.get(&id) else { return };
        let target = call.target(&dialog);
        let user = ClientUser::Nobody;
        self.layer.start_client(now, bye, target, None, user, &mut self.tokens);
    }

    /// An ACK arrived that is not for a failure response.
    pub(crate) fn ack_received(&mut self, now: Instant, ack: &Request, flow: &Flow) {
        let Some(id) = DialogId::of_request(ack).and_then(|id| self.dialogs.get(&id).copied())
        else {
            tracing::trace!("stray ACK dropped");
            return;
        };
        let Ok(cseq) = ack.headers.cseq() else { return };
        self.note_flow(id, *flow);
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.unacked.as_ref().is_none_or(|unacked| unacked.cseq != cseq.number) {
            return;
        }
        self.confirm(now, id, Body::of(&ack.headers, &ack.body));
    }

    /// Our 2xx has been received, as its ACK or a later request shows.
    pub(crate) fn confirm(&mut self, now: Instant, id: CallId, body: Option<Body>) {
        self.call_timers.stop((id, CallTimer::Resend));
        self.call_timers.stop((id, CallTimer::NoAck));
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.unacked = None;
        if let Some(wanted) = call.bye_wanted.take() {
            self.send_bye(now, id, wanted.0);
            return;
        }
        if call.stage == Stage::Established {
            self.emit(Event::Ack { call: id, body });
        }
    }

    /// Begins to wait for the ACK of the 2xx just sent.
    pub(crate) fn await_ack(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ServerTransactionId,
        offers: bool,
    ) {
        let cseq = self.layer.server_request(transaction).and_then(|r| r.headers.cseq().ok());
        let (Some(cseq), Some(call)) = (cseq, self.calls.get_mut(&id)) else { return };
        let interval = self.config.timers.t1;
        call.unacked = Some(Unacked { transaction, cseq: cseq.number, interval, offers });
        self.call_timers.set((id, CallTimer::Resend), now + interval);
        let limit = now + self.config.timers.transaction_timeout();
        self.call_timers.set((id, CallTimer::NoAck), limit);
    }

    /// The 2xx once more. On every transport: it may be lost behind a proxy (RFC 3261 §13.3.1.4).
    pub(crate) fn resend_success(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(unacked) = &mut call.unacked else { return };
        unacked.interval = (unacked.interval * 2).min(self.config.timers.t2);
        self.call_timers.set((id, CallTimer::Resend), now + unacked.interval);
        let transaction = unacked.transaction;
        self.layer.resend_success(now, transaction);
    }

    /// Nobody acknowledged our 2xx.
    pub(crate) fn no_ack(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.unacked = None;
        if let Some(wanted) = call.bye_wanted.take() {
            self.call_timers.stop((id, CallTimer::Resend));
            self.send_bye(now, id, wanted.0);
            return;
        }
        self.terminate(now, id, EndReason::NoAck, Some(Reason::sip(408, "No ACK")));
    }

    /// The owner did not answer the offer of a 2xx: end it properly, with an empty ACK.
    pub(crate) fn no_answer_from_owner(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Some(unanswered) = call.unanswered.take() {
            self.send_ack(id, unanswered.transaction, None);
            self.terminate(now, id, EndReason::Protocol("the offer was not answered"), None);
        }
    }
}

fn find_ack<'a>(
    call: &'a Call,
    transaction: ClientTransactionId,
    remote_tag: &str,
) -> Option<&'a SentAck> {
    call.acks.iter().find(|a| a.transaction == transaction && a.remote_tag == remote_tag)
}

fn transmit(id: CallId, ack: &SentAck) -> Transmit {
    Transmit {
        id: TransmitId(Origin::Ack(id)),
        target: ack.target.clone(),
        bytes: ack.bytes.clone(),
    }
}
