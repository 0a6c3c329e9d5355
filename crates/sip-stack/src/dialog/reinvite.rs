//! Changing the session from our side: re-INVITE and UPDATE, and what to do when the peer changes it
//! at the same time (RFC 3261 §14.1, RFC 3311 §5.1, RFC 6141).

use std::time::{Duration, Instant};

use super::CallTimer;
use super::call::{Change, Stage};
use super::invite::put_body;
use crate::endpoint::{
    Body, CallId, ClientTransactionId, EndReason, Endpoint, Event, Failure, ReinviteFailure,
    SessionError,
};
use crate::message::{Method, Reason, Response};
use crate::transaction::layer::{Act, ClientUser};

/// How often a change is sent that always meets the peer's. Some peers never get over a 491
/// (STANDARDS: JsSIP#771), so trying for ever would help nobody.
const MAX_ATTEMPTS: u8 = 3;

impl Endpoint {
    /// Offers to change the session by re-INVITE; `None` asks the peer for an offer. The outcome is
    /// [`Event::ReinviteAnswered`], [`Event::ReinviteFailed`] or the end of the call.
    ///
    /// # Errors
    /// [`SessionError::Pending`] while another change or an ACK is under way,
    /// [`SessionError::WrongState`] before the call is established.
    pub fn reinvite(
        &mut self,
        now: Instant,
        call: CallId,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        self.begin_change(now, call, Method::Invite, body, false)
    }

    /// The same by UPDATE (RFC 3311), which needs no ACK but an immediate answer. Use it only if
    /// [`peer_allows`](Endpoint::peer_allows) it. Without body it only refreshes session timer and
    /// Contact. It is possible before the call is answered, once a reliable provisional response has
    /// brought offer and answer together (RFC 3311 §5.1) and only one phone rings.
    ///
    /// # Errors
    /// As [`reinvite`](Endpoint::reinvite).
    pub fn update(
        &mut self,
        now: Instant,
        call: CallId,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        self.begin_change(now, call, Method::Update, body, false)
    }

    /// As [`reinvite`](Endpoint::reinvite) or, by `method`, [`update`](Endpoint::update), but a 491
    /// is told at once as [`ReinviteFailure::Glare`]. For a B2BUA that passes on the offer of
    /// somebody who will try again: two retrying for one offer would meet the peer's for ever.
    ///
    /// # Errors
    /// As [`reinvite`](Endpoint::reinvite).
    pub fn pass_on_change(
        &mut self,
        now: Instant,
        call: CallId,
        method: Method,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        self.begin_change(now, call, method, body, true)
    }

    fn begin_change(
        &mut self,
        now: Instant,
        id: CallId,
        method: Method,
        body: Option<Body>,
        once: bool,
    ) -> Result<(), SessionError> {
        let call = self.live_call(id)?;
        let update = method == Method::Update;
        let dialog = match call.stage {
            Stage::Established => call.dialog.as_ref(),
            Stage::Ringing => call.dialog.as_ref().filter(|_| update && call.reliable.is_agreed()),
            Stage::Inviting => call.early.agreed().filter(|_| update).map(|early| &early.dialog),
            Stage::Ended => None,
        };
        let dialog = dialog.ok_or(SessionError::WrongState)?;
        if !call.is_quiet() {
            return Err(SessionError::Pending);
        }
        call.change = Some(Change { once, ..Change::new(method, body, &dialog.id) });
        self.send_change(now, id);
        Ok(())
    }

    /// Sends the change of the call, for the first time or once more.
    pub(crate) fn send_change(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(change) = &mut call.change else { return };
        change.attempts += 1;
        (change.rseq, change.answer) = (None, None);
        let (method, body, tag) = (change.method.clone(), change.body.clone(), change.tag.clone());
        let Some(dialog) = call.dialog_with(&tag) else { return };
        let mut request = dialog.request(method.clone());
        let asks = body.is_none() && method == Method::Invite;
        if let Some(body) = body {
            request.set_body(&body.content_type, body.bytes);
        }
        if call.stage == Stage::Established {
            call.timer.ask(self.config.session_timer.as_ref(), &mut request.headers);
        }
        if let Some(credentials) = &mut call.credentials {
            credentials.authorize(&mut request, &mut self.tokens);
        }
        if let Some(call) = self.calls.get(&id) {
            self.describe_as(&mut request.headers, call);
        }
        if asks {
            // An offer in a provisional response would have to be answered in its PRACK.
            request.headers.remove_word("Supported", "100rel");
        }
        self.launch_change(now, id, request);
    }

    fn launch_change(&mut self, now: Instant, id: CallId, request: crate::message::Request) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(tag) = call.change.as_ref().map(|change| change.tag.clone()) else { return };
        let Some(dialog) = call.dialog_with(&tag).cloned() else { return };
        let target = call.target(&dialog);
        let fallback = call.fallback(&dialog, &target);
        call.clients += 1;
        if request.method == Method::Invite {
            let limit = now + self.config.ring_timeout;
            self.call_timers.set((id, CallTimer::ChangeGuard), limit);
        }
        let user = ClientUser::Call(id, Act::Change);
        let transaction =
            self.layer.start_client(now, request, target, fallback, user, &mut self.tokens);
        if let Some(change) = &mut call.change {
            change.transaction = Some(transaction);
        }
    }

    /// A response to our re-INVITE or UPDATE.
    pub(crate) fn change_response(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ClientTransactionId,
        response: Response,
    ) {
        let Some(call) = self.calls.get(&id) else { return };
        let current = call.change.as_ref().is_some_and(|c| c.transaction == Some(transaction));
        match response.status {
            ..200 if current => self.change_progress(now, id, &response),
            ..200 => {}
            200..300 if current => self.change_accepted(now, id, transaction, response),
            200..300 => self.acknowledge_late(id, transaction, &response),
            300.. if current => self.change_refused(now, id, transaction, response),
            300.. => {}
        }
    }

    /// A 2xx to a re-INVITE that is settled: a retransmission, or the BYE has overtaken it
    /// (RFC 5407 §3.2.3). It must be acknowledged all the same.
    fn acknowledge_late(
        &mut self,
        id: CallId,
        transaction: ClientTransactionId,
        response: &Response,
    ) {
        let invite = response.headers.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        let Some(call) = self.calls.get(&id).filter(|_| invite) else { return };
        let waits = call.unanswered.is_some_and(|u| u.transaction == transaction);
        let Some(tag) = call.dialog.as_ref().map(|dialog| dialog.id.remote_tag.clone()) else {
            return;
        };
        if call.acks.iter().any(|ack| ack.transaction == transaction) {
            self.acknowledge_again(transaction, id, &tag);
        } else if !waits {
            self.send_ack(id, transaction, None);
        }
    }

    fn change_accepted(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ClientTransactionId,
        mut response: Response,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(change) = call.change.take() else { return };
        if change.answer.is_some() {
            // What was said first counts (RFC 3261 §13.2.1).
            put_body(&mut response, change.answer);
        }
        self.call_timers.stop((id, CallTimer::ChangeGuard));
        self.call_timers.stop((id, CallTimer::CancelGuard));
        call.learn(&response.headers);
        if let Some(dialog) = call.dialog_with(&change.tag) {
            dialog.refresh_target(response.headers.contacts().ok());
        }
        if call.stage == Stage::Established {
            call.timer.accept(self.config.session_timer.as_ref(), &response.headers);
        }
        if change.body.is_some() {
            call.local_body.clone_from(&change.body);
        }
        self.restart_session_timer(now, id);
        if change.method == Method::Invite {
            self.acknowledge_or_wait(now, id, transaction, change.body.is_none(), &response);
        }
        if !change.refresh {
            self.emit(Event::ReinviteAnswered { call: id, response });
        } else if !response.body.is_empty() {
            self.emit(Event::Refreshed { call: id, response });
        }
    }

    fn change_refused(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ClientTransactionId,
        response: Response,
    ) {
        self.call_timers.stop((id, CallTimer::ChangeGuard));
        self.call_timers.stop((id, CallTimer::CancelGuard));
        if matches!(response.status, 408 | 481) {
            let reason = Reason::sip(response.status.into(), &response.reason);
            let told = EndReason::DialogLost(Some(response.status));
            self.terminate(now, id, told, Some(reason));
            return;
        }
        if let Some(request) = self.retry_of(id, transaction, &response) {
            self.launch_change(now, id, request);
            return;
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(change) = &mut call.change else { return };
        let again = !change.once && change.attempts < MAX_ATTEMPTS;
        let told_to_wait = told_to_wait(&response);
        if again && (response.status == 491 || told_to_wait.is_some()) {
            change.transaction = None;
            let delay = told_to_wait.unwrap_or_else(|| self.glare_delay(id));
            self.call_timers.set((id, CallTimer::Retry), now + delay);
            return;
        }
        let refresh = change.refresh;
        let by_update = change.method == Method::Update;
        let executed = change.answer.is_some();
        call.change = None;
        if refresh && !executed {
            if by_update && matches!(response.status, 405 | 501) {
                call.peer_allow = Some(Vec::new());
            }
            if !call.timer.agreed && !by_update {
                // Refused, but by somebody who is there, and that is all we wanted to know.
                self.restart_session_timer(now, id);
                return;
            }
            // Once more before the session expires; at once if by another method.
            let by_other = by_update && !call.peer_allows(&Method::Update);
            let again = if by_other { Duration::from_secs(1) } else { Duration::from_secs(10) };
            self.call_timers.set((id, CallTimer::Refresh), now + again);
            return;
        }
        if executed {
            self.synchronize(now, id);
        }
        if refresh {
            return;
        }
        let failure = match response.status {
            491 => ReinviteFailure::Glare,
            _ => ReinviteFailure::Rejected(response),
        };
        self.emit(Event::ReinviteFailed { call: id, failure });
    }

    /// Our re-INVITE was refused after a reliable provisional response had answered it: says once more
    /// what holds, so that both sides think the same (RFC 6141 §3.4).
    fn synchronize(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let (Some(dialog), Some(body)) = (&call.dialog, call.local_body.clone()) else { return };
        let update = call.peer_allows(&Method::Update);
        let method = if update { Method::Update } else { Method::Invite };
        let change = Change::new(method, Some(body), &dialog.id);
        call.change = Some(Change { refresh: true, ..change });
        self.send_change(now, id);
    }

    /// RFC 3261 §14.1: the owner of the Call-ID waits 2.1–4.0 s, the other side 0–2.0 s, in steps of
    /// 10 ms, so that the two do not meet again.
    fn glare_delay(&mut self, id: CallId) -> Duration {
        let owner = self.calls.get(&id).is_some_and(|call| call.is_client);
        let steps = if owner { 210 + self.tokens.below(191) } else { self.tokens.below(201) };
        Duration::from_millis(u64::from(steps) * 10)
    }

    /// Time to try again after a 491.
    pub(crate) fn retry_change(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.stage == Stage::Ended {
            return;
        }
        if call.offered.is_some() || call.unacked.is_some() || call.unanswered.is_some() {
            // The peer was first; see what becomes of its change.
            self.call_timers.set((id, CallTimer::Retry), now + Duration::from_millis(500));
            return;
        }
        self.send_change(now, id);
    }

    /// Our re-INVITE has been pending for too long: cancel it (RFC 3261 §14.1 lets us).
    pub(crate) fn change_too_slow(&mut self, now: Instant, id: CallId) {
        let change = self.calls.get(&id).and_then(|call| call.change.as_ref());
        let Some(transaction) = change.and_then(|change| change.transaction) else { return };
        self.layer.cancel_client(now, transaction, None);
        let limit = now + self.config.timers.transaction_timeout();
        self.call_timers.set((id, CallTimer::CancelGuard), limit);
    }

    /// Our re-INVITE or UPDATE got no final response: the dialog is gone (RFC 3261 §12.2.1.2).
    pub(crate) fn change_failed(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ClientTransactionId,
        failure: Failure,
    ) {
        let change = self.calls.get(&id).and_then(|call| call.change.as_ref());
        if change.is_none_or(|change| change.transaction != Some(transaction)) {
            return;
        }
        let reason = match failure {
            Failure::TimedOut => Reason::sip(408, "Request Timeout"),
            Failure::Transport => Reason::sip(503, "Unreachable"),
        };
        self.terminate(now, id, EndReason::DialogLost(None), Some(reason));
    }
}

/// How long a 500 wants us to wait: the peer was not through with a change of its own (RFC 3261
/// §14.2, RFC 3311 §5.2). It says 10 s at most; who says much more does not mean that.
fn told_to_wait(response: &Response) -> Option<Duration> {
    let seconds = response.headers.retry_after().ok().flatten()?;
    (response.status == 500 && seconds <= 32).then(|| Duration::from_secs(seconds.max(1).into()))
}
