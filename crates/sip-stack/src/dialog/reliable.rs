//! Provisional responses that are sent again until their PRACK comes (RFC 3262 §3), one at a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::CallTimer;
use super::call::{Offered, Stage};
use super::early::is_session;
use crate::endpoint::{
    Answer, Body, CallId, EndReason, Endpoint, Event, ServerTransactionId, SessionError,
};
use crate::message::{Headers, Method, RAck, Request, Response};

/// The most provisional responses that wait for an earlier one's PRACK; the owner has no more to say.
const MAX_WAITING: usize = 8;

/// The reliable provisional responses of one incoming call.
#[derive(Debug, Default)]
pub(crate) struct Reliable {
    wish: Wish,
    /// RSeq of the last one sent; 0 = none yet.
    last: u32,
    unacked: Option<Unpracked>,
    /// Those to send when the one before is acknowledged.
    waiting: VecDeque<Response>,
    /// What the 2xx has overtaken: its PRACK may still come (§3).
    overtaken: Option<u32>,
    /// The 2xx that must wait for the PRACK of a description (§3).
    held: Option<Answer>,
    pub(super) session: Session,
}

/// What the INVITE says about reliable provisional responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wish {
    #[default]
    Unsupported,
    Supported,
    Required,
}

/// Offer and answer of the INVITE before its final response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Session {
    /// Nothing binding has been said.
    #[default]
    Open,
    /// A reliable response carried our offer; the PRACK must answer it.
    Offered,
    /// Through.
    Agreed,
}

/// A reliable provisional response without PRACK.
#[derive(Debug)]
struct Unpracked {
    rseq: u32,
    interval: Duration,
    has_session: bool,
    response: Response,
}

impl Reliable {
    /// For an INVITE with these `headers`, if we know the extension.
    pub(crate) fn of(headers: &Headers, known: bool) -> Self {
        let wish = if !known {
            Wish::Unsupported
        } else if headers.list_has("Require", "100rel") {
            Wish::Required
        } else if headers.list_has("Supported", "100rel") {
            Wish::Supported
        } else {
            Wish::Unsupported
        };
        Self { wish, ..Self::default() }
    }

    /// Whether a change of the session may begin before the INVITE is answered (RFC 3311 §5.1).
    pub(super) fn is_agreed(&self) -> bool {
        self.session == Session::Agreed && self.unacked.is_none()
    }
}

impl Endpoint {
    /// Answers an incoming call provisionally: 180 rings, 183 with a body brings early media.
    ///
    /// It is sent reliably if the caller insists on that, or understands it and the response has a
    /// body, which then is the answer (or the offer that the caller asked for: [`Event::Pracked`]
    /// brings the answer). An [`Answer::preview`] is no answer: it is never sent reliably, and not at
    /// all if the caller takes only that.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] if it has had its final response, or `status` is not 101–199;
    /// [`SessionError::TooMany`] if many wait for their acknowledgement.
    pub fn ring(
        &mut self,
        now: Instant,
        call: CallId,
        status: u16,
        mut answer: Answer,
    ) -> Result<(), SessionError> {
        if !(101..200).contains(&status) {
            return Err(SessionError::WrongState);
        }
        let state = self.live_call(call)?;
        let reliable = match state.reliable.wish {
            _ if state.reliable.held.is_some() => return Err(SessionError::WrongState),
            Wish::Unsupported => false,
            Wish::Supported => answer.body.is_some() && !answer.preview,
            Wish::Required => true,
        };
        let said = state.reliable.session != Session::Open;
        if said || reliable && answer.preview {
            answer.body = None;
        }
        if state.reliable.waiting.len() >= MAX_WAITING {
            return Err(SessionError::TooMany);
        }
        let (transaction, mut response) = self.session_response(call, status, answer)?;
        if !reliable {
            self.layer.respond(now, transaction, &response);
            return Ok(());
        }
        response.headers.push("Require", "100rel");
        let state = self.live_call(call)?;
        if state.reliable.unacked.is_some() {
            state.reliable.waiting.push_back(response);
            return Ok(());
        }
        self.send_reliably(now, call, transaction, response);
        Ok(())
    }

    fn send_reliably(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ServerTransactionId,
        mut response: Response,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let reliable = &mut call.reliable;
        // Anything from 1 to 2^31-1 to begin with (§3); they never get near the end.
        reliable.last = match reliable.last {
            0 => self.tokens.below((1 << 31) - 1) + 1,
            last => last.saturating_add(1),
        };
        response.headers.push("RSeq", reliable.last);
        let mut has_session = is_session(&response.headers) && !response.body.is_empty();
        if has_session {
            if reliable.session == Session::Open {
                let offers = call.wants_offer;
                reliable.session = if offers { Session::Offered } else { Session::Agreed };
            } else {
                // Queued before the one that said it already (RFC 3261 §13.2.1).
                response.body = bytes::Bytes::new();
                response.headers.remove("Content-Type");
                has_session = false;
            }
        }
        self.layer.respond(now, transaction, &response);
        let (rseq, interval) = (reliable.last, self.config.timers.t1);
        reliable.unacked = Some(Unpracked { rseq, interval, has_session, response });
        self.call_timers.set((id, CallTimer::ResendProvisional), now + interval);
        let limit = now + self.config.timers.transaction_timeout();
        self.call_timers.set((id, CallTimer::NoPrack), limit);
    }

    /// The provisional response once more, on every transport, at doubling intervals (§3).
    pub(crate) fn resend_provisional(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let (Some(unacked), Some(invite)) = (&mut call.reliable.unacked, call.incoming) else {
            return;
        };
        unacked.interval *= 2;
        self.call_timers.set((id, CallTimer::ResendProvisional), now + unacked.interval);
        self.layer.respond(now, invite, &unacked.response);
    }

    /// Nobody acknowledged a provisional response (§3).
    pub(crate) fn no_prack(&mut self, now: Instant, id: CallId) {
        self.refuse(now, id, 504, "No PRACK", &[]);
        self.end_told(id, EndReason::NoAck);
    }

    /// A PRACK in order.
    pub(crate) fn prack_received(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ServerTransactionId,
        request: Request,
    ) {
        let Ok(rack) = RAck::of(&request.headers) else {
            self.respond_with(now, transaction, 400, "Bad RAck", &[]);
            return;
        };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let invite = call.incoming.and_then(|invite| self.layer.server_request(invite));
        let cseq = invite.and_then(|invite| invite.headers.cseq().ok());
        let ours = rack.method == Method::Invite && cseq.is_some_and(|c| c.number == rack.cseq);
        let reliable = &mut call.reliable;
        if ours && reliable.overtaken == Some(rack.rseq) {
            reliable.overtaken = None;
            let _ = self.respond_status(now, transaction, 200, "");
            return;
        }
        let Some(acked) = reliable.unacked.take_if(|unacked| ours && unacked.rseq == rack.rseq)
        else {
            self.respond_with(now, transaction, 481, "", &[]);
            return;
        };
        self.call_timers.stop((id, CallTimer::ResendProvisional));
        self.call_timers.stop((id, CallTimer::NoPrack));
        let brings_session = is_session(&request.headers) && !request.body.is_empty();
        if acked.has_session && reliable.session == Session::Offered {
            reliable.session = Session::Agreed;
        } else if brings_session {
            self.offer_in_prack(now, id, transaction, request);
            return;
        }
        let _ = self.respond_status(now, transaction, 200, "");
        let body = Body::of(&request.headers, &request.body);
        self.emit(Event::Pracked { call: id, body });
        self.after_prack(now, id);
    }

    /// The PRACK offers anew: its 200 brings the answer (§5).
    fn offer_in_prack(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ServerTransactionId,
        request: Request,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !call.reliable.is_agreed() || call.offered.is_some() || call.change.is_some() {
            // Its last offer is still open, or ours is: RFC 3264 §4 forbids another.
            self.respond_with(now, transaction, 400, "Offer Before Answer", &[]);
            self.after_prack(now, id);
            return;
        }
        let tag = call.dialog.as_ref().map(|d| d.id.remote_tag.clone()).unwrap_or_default();
        let (method, wants_offer) = (Method::Prack, false);
        call.offered = Some(Offered { transaction, method, wants_offer, tag });
        let patience = self.config.timers.transaction_timeout().min(self.config.ring_timeout);
        self.call_timers.set((id, CallTimer::OfferedGuard), now + patience);
        self.emit(Event::Reinvite { call: id, request });
    }

    /// What waited for a PRACK, or for the answer to the offer in it, goes on.
    pub(super) fn after_prack(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.stage == Stage::Ringing) else {
            return;
        };
        if call.reliable.unacked.is_some() || call.offered.is_some() {
            return;
        }
        if let Some(held) = call.reliable.held.take() {
            // Fails only if the INVITE is over, and then nobody waits for it.
            let _ = self.accept(now, id, held);
        } else if let (Some(next), Some(invite)) =
            (call.reliable.waiting.pop_front(), call.incoming)
        {
            self.send_reliably(now, id, invite, next);
        }
    }

    /// Whether a 2xx must wait; if so `answer` is kept for later.
    pub(super) fn hold_success(&mut self, id: CallId, answer: &mut Answer) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let described = call.reliable.unacked.as_ref().is_some_and(|unacked| unacked.has_session);
        if described || call.offered.is_some() {
            call.reliable.held = Some(std::mem::take(answer));
            return true;
        }
        if call.reliable.session != Session::Open {
            answer.body = None; // It has been said (RFC 3261 §13.2.1).
        }
        false
    }

    /// The INVITE gets its final response: nothing is repeated any more, nothing new is said (§3).
    pub(super) fn stop_reliable(&mut self, id: CallId) {
        self.call_timers.stop((id, CallTimer::ResendProvisional));
        self.call_timers.stop((id, CallTimer::NoPrack));
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.reliable.waiting.clear();
        call.reliable.held = None;
        call.reliable.overtaken = call.reliable.unacked.take().map(|unacked| unacked.rseq);
    }
}
