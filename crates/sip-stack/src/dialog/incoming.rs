//! Incoming calls: the INVITE and our responses to it (RFC 3261 §13.3).

use std::time::Instant;

use super::CallTimer;
use super::call::{Call, Stage};
use super::id::DialogId;
use super::reliable::{Reliable, Session};
use super::session_timer;
use super::state::Dialog;
use crate::endpoint::{Answer, CallId, Endpoint, Event, ServerTransactionId, SessionError};
use crate::flow::Flow;
use crate::message::{Headers, Method, NameAddr, Request, Response, build};
use crate::transaction::layer::ServerUser;

impl Endpoint {
    /// Answers an incoming call with 200, which is sent again until its ACK comes
    /// ([`Event::Ack`]). It waits for the PRACK of a provisional response with a description (RFC 3262
    /// §3); a description that was sent in one is not sent again.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] if it has had its final response.
    pub fn accept(
        &mut self,
        now: Instant,
        call: CallId,
        mut answer: Answer,
    ) -> Result<(), SessionError> {
        if self.live_call(call)?.stage != Stage::Ringing {
            return Err(SessionError::WrongState);
        }
        if self.hold_success(call, &mut answer) {
            return Ok(());
        }
        let (transaction, mut response) = self.session_response(call, 200, answer)?;
        let config = self.config.session_timer;
        let invite = self.layer.server_request(transaction).ok_or(SessionError::WrongState)?;
        let state = self.calls.get_mut(&call).ok_or(SessionError::UnknownCall)?;
        state.timer.answer(config.as_ref(), &invite.headers, &mut response.headers);
        state.stage = Stage::Established;
        let offers = state.wants_offer && state.reliable.session == Session::Open;
        self.stop_reliable(call);
        self.call_timers.stop((call, CallTimer::Ring));
        self.layer.respond(now, transaction, &response);
        self.restart_session_timer(now, call);
        self.await_ack(now, call, transaction, offers);
        Ok(())
    }

    /// Refuses an incoming call with 300–699; no further event comes for it. Challenges (401 with
    /// WWW-Authenticate) and redirections (302 with Contact) go this way too, by `headers`. An empty
    /// `reason` means the usual phrase.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] if it has had its final response, or `status` is below 300.
    pub fn reject(
        &mut self,
        now: Instant,
        call: CallId,
        status: u16,
        reason: &str,
        headers: &[(String, String)],
    ) -> Result<(), SessionError> {
        let state = self.live_call(call)?;
        if state.stage != Stage::Ringing || !(300..700).contains(&status) {
            return Err(SessionError::WrongState);
        }
        state.stage = Stage::Ended;
        self.refuse(now, call, status, reason, headers);
        self.forget_if_over(call);
        Ok(())
    }

    /// A new INVITE. 100 goes out before anything else, so that the caller stops sending.
    pub(crate) fn invite_received(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: Request,
        flow: Flow,
    ) {
        self.send_trying(now, transaction, &request.headers);
        let session_timer = self.config.session_timer;
        if let Some(min_se) = session_timer::too_small(session_timer.as_ref(), &request.headers) {
            let min_se = [("Min-SE".to_owned(), min_se.to_string())];
            self.respond_with(now, transaction, 422, "", &min_se);
            return;
        }
        let own = DialogId::of_own_request(&request.headers);
        if own.is_some_and(|id| self.own_invites.contains(&id)) {
            // An INVITE of ours has come back: somebody forwards to us, or a Contact is our address.
            self.respond_with(now, transaction, 482, "Loop Detected", &[]);
            return;
        }
        if self.calls.len() >= self.config.max_calls {
            let wait = [("Retry-After".to_owned(), "10".to_owned())];
            self.respond_with(now, transaction, 503, "", &wait);
            return;
        }
        let local_tag = self.layer.server_to_tag(transaction).unwrap_or_default().to_owned();
        let local_seq = self.tokens.cseq();
        let Some(dialog) = Dialog::as_server(&request, &local_tag, local_seq) else {
            self.respond_with(now, transaction, 400, "Missing Contact", &[]);
            return;
        };
        let id = self.new_call_id();
        let mut call = Call::new(Stage::Ringing, self.config.contact.clone());
        self.dialogs.insert(dialog.id.clone(), id);
        call.dialog = Some(dialog);
        call.incoming = Some(transaction);
        call.wants_offer = request.body.is_empty();
        call.reliable = Reliable::of(&request.headers, self.supported().any(|t| t == "100rel"));
        call.learn(&request.headers);
        self.calls.insert(id, call);
        self.note_flow(id, flow);
        self.layer.assign_server(transaction, ServerUser::Call(id));
        self.call_timers.set((id, CallTimer::Ring), now + self.config.ring_timeout);
        self.emit(Event::IncomingCall { call: id, request, flow });
    }

    fn send_trying(&mut self, now: Instant, transaction: ServerTransactionId, invite: &Headers) {
        let Some(request) = self.layer.server_request(transaction) else { return };
        let mut trying = build::response_to(request, 100, "", None);
        if let Some(timestamp) = invite.get("Timestamp") {
            // lets the caller measure the round trip (RFC 3261 §8.2.6.1)
            trying.headers.push("Timestamp", timestamp);
        }
        self.layer.respond(now, transaction, &trying);
    }

    /// The response that makes a dialog, with everything but the session timer.
    pub(super) fn session_response(
        &mut self,
        call: CallId,
        status: u16,
        answer: Answer,
    ) -> Result<(ServerTransactionId, Response), SessionError> {
        let state = self.live_call(call)?;
        let transaction = match (state.stage, state.incoming) {
            (Stage::Ringing, Some(transaction)) => transaction,
            _ => return Err(SessionError::WrongState),
        };
        let response = self.dialog_response(call, transaction, status, answer)?;
        Ok((transaction, response))
    }

    /// A 1xx or 2xx inside a dialog: Contact, capabilities, the answer's headers and body.
    pub(crate) fn dialog_response(
        &mut self,
        call: CallId,
        transaction: ServerTransactionId,
        status: u16,
        answer: Answer,
    ) -> Result<Response, SessionError> {
        let mut response = self.response(transaction, status, "")?;
        let request = self.layer.server_request(transaction);
        if request.is_some_and(|request| request.method == Method::Invite) {
            for route in request.into_iter().flat_map(|r| r.headers.get_all("Record-Route")) {
                response.headers.push("Record-Route", route);
            }
        }
        let state = self.calls.get_mut(&call).ok_or(SessionError::UnknownCall)?;
        if let Some(contact) = answer.contact {
            state.contact = contact;
        }
        if answer.allow.is_some() {
            state.allow = answer.allow;
        }
        if answer.body.is_some() {
            state.local_body.clone_from(&answer.body);
        }
        if let Some(state) = self.calls.get(&call) {
            self.describe_as(&mut response.headers, state);
        }
        for (name, value) in &answer.headers {
            response.headers.push(name, value);
        }
        if let Some(body) = answer.body {
            response.set_body(&body.content_type, body.bytes);
        }
        Ok(response)
    }

    /// Contact, Allow, Supported and what else says what we can do (RFC 3261 §13.2.1, §13.3.1.4).
    pub(crate) fn describe(&self, headers: &mut Headers, contact: &NameAddr) {
        headers.push("Contact", contact);
        self.describe_capabilities(headers);
    }

    /// The same for a message in this call.
    pub(crate) fn describe_as(&self, headers: &mut Headers, call: &Call) {
        self.describe(headers, &call.contact);
        if let Some(allow) = &call.allow {
            let allow: Vec<&str> = allow.iter().map(Method::as_str).collect();
            headers.insert("Allow", allow.join(", "));
        }
    }

    /// The final response of an INVITE that makes no call.
    pub(crate) fn refuse(
        &mut self,
        now: Instant,
        id: CallId,
        status: u16,
        reason: &str,
        headers: &[(String, String)],
    ) {
        self.call_timers.stop((id, CallTimer::Ring));
        self.stop_reliable(id);
        self.refuse_offered(now, id, 487);
        if let Some(transaction) = self.calls.get_mut(&id).and_then(|call| call.incoming.take()) {
            self.respond_with(now, transaction, status, reason, headers);
        }
    }
}
