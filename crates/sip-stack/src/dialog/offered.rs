//! Changes of the session from the peer's side: its re-INVITE and UPDATE (RFC 3261 §14.2, RFC 3311
//! §5.2, RFC 6141).

use std::time::Instant;

use super::CallTimer;
use super::call::{Call, Offered, Stage};
use super::early::EarlySession;
use super::invite::put_body;
use super::reliable::Session;
use super::session_timer;
use crate::endpoint::{
    Answer, CallId, Endpoint, Event, ReinviteFailure, ServerTransactionId, SessionError,
};
use crate::message::{Method, Request, build};
use crate::transaction::layer::ServerUser;

impl Endpoint {
    /// Accepts the change of [`Event::Reinvite`] with 200. Without a body in the re-INVITE, the
    /// `answer` carries our offer and [`Event::Ack`] the peer's answer.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] if nothing waits for an answer.
    pub fn answer_reinvite(
        &mut self,
        now: Instant,
        call: CallId,
        answer: Answer,
    ) -> Result<(), SessionError> {
        let state = self.live_call(call)?;
        let Some(offered) = state.offered.take() else { return Err(SessionError::WrongState) };
        self.call_timers.stop((call, CallTimer::OfferedGuard));
        if offered.method == Method::Prack {
            return self.answer_prack(now, call, &offered, answer);
        }
        let mut response = self.dialog_response(call, offered.transaction, 200, answer)?;
        let request = self.layer.server_request(offered.transaction);
        let request = request.ok_or(SessionError::UnknownTransaction)?;
        let state = self.calls.get_mut(&call).ok_or(SessionError::UnknownCall)?;
        let config = self.config.session_timer.filter(|_| state.stage == Stage::Established);
        state.timer.answer(config.as_ref(), &request.headers, &mut response.headers);
        // Only now: a refused change must leave the target alone too (RFC 6141 §4.3).
        if let Some(dialog) = state.dialog_with(&offered.tag) {
            dialog.refresh_target(request.headers.contacts().ok());
        }
        state.learn(&request.headers);
        // Our own change that waits to be tried again was made for the session as it was.
        let superseded = state
            .change
            .take_if(|change| !change.refresh && change.transaction.is_none())
            .is_some();
        if superseded {
            self.call_timers.stop((call, CallTimer::Retry));
        }
        self.layer.respond(now, offered.transaction, &response);
        self.restart_session_timer(now, call);
        if offered.method == Method::Invite {
            self.await_ack(now, call, offered.transaction, offered.wants_offer);
        }
        if superseded {
            let failure = ReinviteFailure::Superseded;
            self.emit(Event::ReinviteFailed { call, failure });
        }
        self.after_prack(now, call);
        Ok(())
    }

    /// The answer to an offer that came in a PRACK (RFC 3262 §5). Neither refreshes the target.
    fn answer_prack(
        &mut self,
        now: Instant,
        call: CallId,
        offered: &Offered,
        answer: Answer,
    ) -> Result<(), SessionError> {
        let mut response = self.response(offered.transaction, 200, "")?;
        let state = self.live_call(call)?;
        if answer.body.is_some() {
            state.local_body.clone_from(&answer.body);
        }
        put_body(&mut response, answer.body);
        self.layer.respond(now, offered.transaction, &response);
        self.after_prack(now, call);
        Ok(())
    }

    /// Refuses the change of [`Event::Reinvite`]; the session stays as it was. An empty `reason`
    /// means the usual phrase.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] if nothing waits for an answer or `status` is below 300.
    pub fn reject_reinvite(
        &mut self,
        now: Instant,
        call: CallId,
        status: u16,
        reason: &str,
        headers: &[(String, String)],
    ) -> Result<(), SessionError> {
        let state = self.live_call(call)?;
        if !(300..700).contains(&status) {
            return Err(SessionError::WrongState);
        }
        let Some(offered) = state.offered.take() else { return Err(SessionError::WrongState) };
        self.call_timers.stop((call, CallTimer::OfferedGuard));
        self.respond_with(now, offered.transaction, status, reason, headers);
        self.after_prack(now, call);
        Ok(())
    }

    /// Refuses what the peer has offered, if anything, because the call ends or it cancelled.
    pub(crate) fn refuse_offered(&mut self, now: Instant, id: CallId, status: u16) {
        self.call_timers.stop((id, CallTimer::OfferedGuard));
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Some(offered) = call.offered.take() {
            self.respond_with(now, offered.transaction, status, "", &[]);
        }
    }

    /// A re-INVITE or UPDATE has arrived, in order.
    pub(crate) fn change_received(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ServerTransactionId,
        request: Request,
    ) {
        let config = self.config.session_timer;
        if let Some(min_se) = session_timer::too_small(config.as_ref(), &request.headers) {
            let min_se = [("Min-SE".to_owned(), min_se.to_string())];
            self.respond_with(now, transaction, 422, "", &min_se);
            return;
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Ok(from) = request.headers.from() else { return };
        let tag = from.tag().unwrap_or_default().to_owned();
        let update = request.method == Method::Update;
        let offers = !request.body.is_empty();
        if update && !offers {
            // A session refresh is no offer and meets nothing (RFC 4028 §7.4, RFC 3311 §5.2).
            self.answer_refresh(now, id, transaction, &request, &tag);
            return;
        }
        match call.obstacle(update, &tag) {
            Some(Obstacle::TheirOffer) => {
                let wait = [("Retry-After".to_owned(), self.tokens.below(11).to_string())];
                self.respond_with(now, transaction, 500, "", &wait);
                return;
            }
            Some(Obstacle::OurOffer) => {
                self.respond_with(now, transaction, 491, "", &[]);
                return;
            }
            None => {}
        }
        if call.unacked.is_some() && !update {
            // Its ACK is late or lost, but who sends a re-INVITE has our 2xx (RFC 5407 §3.1.4).
            self.confirm(now, id, None);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.stage == Stage::Ended {
            self.respond_with(now, transaction, 481, "", &[]);
            return;
        }
        let (method, wants_offer) = (request.method.clone(), !offers);
        call.offered = Some(Offered { transaction, method, wants_offer, tag });
        if !update {
            if let Some(known) = self.layer.server_request(transaction) {
                let trying = build::response_to(known, 100, "", None);
                self.layer.respond(now, transaction, &trying);
            }
            self.layer.assign_server(transaction, ServerUser::Call(id));
        }
        let patience = self.config.timers.transaction_timeout().min(self.config.ring_timeout);
        self.call_timers.set((id, CallTimer::OfferedGuard), now + patience);
        self.emit(Event::Reinvite { call: id, request });
    }

    fn answer_refresh(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ServerTransactionId,
        request: &Request,
        tag: &str,
    ) {
        let answer = Answer::default();
        let Ok(mut response) = self.dialog_response(id, transaction, 200, answer) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.learn(&request.headers);
        let config = self.config.session_timer;
        if call.stage == Stage::Established {
            call.timer.answer(config.as_ref(), &request.headers, &mut response.headers);
        }
        if let Some(dialog) = call.dialog_with(tag) {
            dialog.refresh_target(request.headers.contacts().ok());
        }
        self.layer.respond(now, transaction, &response);
        self.restart_session_timer(now, id);
    }

    /// The owner never answered the peer's change.
    pub(crate) fn offered_too_slow(&mut self, now: Instant, id: CallId) {
        self.refuse_offered(now, id, 500);
        self.after_prack(now, id);
    }
}

/// What keeps the peer from changing the session now.
enum Obstacle {
    /// Its own last offer is still unanswered: 500 with Retry-After (RFC 3261 §14.2, RFC 3311 §5.2).
    TheirOffer,
    /// An offer of ours is: 491 (RFC 3261 §14.2, RFC 3311 §5.2, RFC 5407 §3.1.5).
    OurOffer,
}

impl Call {
    fn obstacle(&mut self, update: bool, tag: &str) -> Option<Obstacle> {
        if self.offered.is_some() {
            return Some(Obstacle::TheirOffer);
        }
        // Once our offer has been answered reliably, an UPDATE may follow within the re-INVITE.
        let change = self.change.as_ref().filter(|change| change.transaction.is_some());
        if self.unanswered.is_some() || change.is_some_and(|c| !update || c.answer.is_none()) {
            return Some(Obstacle::OurOffer);
        }
        match self.stage {
            Stage::Established | Stage::Ended => {
                let open = self.unacked.as_ref().is_some_and(|unacked| unacked.offers);
                open.then_some(Obstacle::OurOffer)
            }
            _ if !update => Some(Obstacle::TheirOffer),
            Stage::Ringing => match self.reliable.session {
                Session::Open => Some(Obstacle::TheirOffer),
                Session::Offered => Some(Obstacle::OurOffer),
                Session::Agreed => None,
            },
            Stage::Inviting => match self.early.get_mut(tag).map(|early| &early.session) {
                Some(EarlySession::Agreed(_)) => None,
                Some(EarlySession::Offered(_)) => Some(Obstacle::TheirOffer),
                Some(EarlySession::Open) | None => Some(Obstacle::OurOffer),
            },
        }
    }
}
