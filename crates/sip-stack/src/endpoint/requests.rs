//! Single requests and responses, outside of sessions or inside their dialogs.

use std::time::Instant;

use super::{Body, CallId, ClientTransactionId, Endpoint, ServerTransactionId, SessionError};
use crate::auth::Credentials;
use crate::dialog::Stage;
use crate::flow::{Hop, Target, Transport};
use crate::message::{CSeq, Headers, Method, NameAddr, Request, Response, Uri, build};
use crate::transaction::layer::ClientUser;

impl Endpoint {
    /// A request outside of dialogs with Max-Forwards, From with a new tag, To, a new Call-ID, CSeq
    /// and User-Agent, to be completed and given to [`send_request`](Self::send_request).
    #[must_use]
    pub fn new_request(
        &mut self,
        method: Method,
        uri: Uri,
        from: NameAddr,
        to: NameAddr,
    ) -> Request {
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        headers.push("Max-Forwards", 70);
        headers.push("From", from.with_param("tag", &self.tokens.tag()));
        headers.push("To", to);
        headers.push("Call-ID", self.tokens.call_id());
        headers.push("CSeq", CSeq { number: self.tokens.cseq(), method });
        if !self.config.user_agent.is_empty() {
            headers.push("User-Agent", &self.config.user_agent);
        }
        request
    }

    /// Where a request to `uri` goes by itself: to its host, port and transport.
    #[must_use]
    pub fn target_of(uri: &Uri) -> Target {
        Target::Hop(Hop::from_uri(uri))
    }

    /// Sends a request that makes no session (not INVITE, ACK or CANCEL); Via is put in here. The
    /// outcome is [`Event::Response`](super::Event::Response)s, the last of them final, or one
    /// [`Event::RequestFailed`](super::Event::RequestFailed).
    ///
    /// # Errors
    /// [`SessionError::TooMany`] above the configured limit, [`SessionError::WrongState`] for a
    /// method that has verbs of its own.
    pub fn send_request(
        &mut self,
        now: Instant,
        request: Request,
        target: Target,
    ) -> Result<ClientTransactionId, SessionError> {
        if matches!(request.method, Method::Invite | Method::Ack | Method::Cancel) {
            return Err(SessionError::WrongState);
        }
        if !self.layer.has_room() {
            return Err(SessionError::TooMany);
        }
        let user = ClientUser::Owner;
        Ok(self.layer.start_client(now, request, target, None, user, &mut self.tokens))
    }

    /// `request` with the answer to the 401 or 407 `response` and the next CSeq number, to be sent
    /// again (RFC 3261 §22.2). `None` if the challenge cannot be answered or the answer was refused.
    #[must_use]
    pub fn answer_challenge(
        &mut self,
        credentials: &mut Credentials,
        request: &Request,
        response: &Response,
    ) -> Option<Request> {
        let mut request = request.clone();
        credentials.answer(response, &mut request, &mut self.tokens).ok()?;
        let cseq = request.headers.cseq().ok()?;
        request.headers.insert("CSeq", CSeq { number: cseq.number + 1, ..cseq });
        Some(request)
    }

    /// Sends another request (INFO, MESSAGE, REFER, OPTIONS …) in the dialog of an established
    /// call. The outcome is as of [`send_request`](Self::send_request); a challenge is answered
    /// inside if the call has credentials. An INFO that is answered 408 or 481 ends the call.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] before the call is established or for a method that has verbs
    /// of its own, [`SessionError::TooMany`] above the configured limit.
    pub fn request(
        &mut self,
        now: Instant,
        call: CallId,
        method: Method,
        headers: &[(String, String)],
        body: Option<Body>,
    ) -> Result<ClientTransactionId, SessionError> {
        let has_verb = matches!(
            method,
            Method::Invite
                | Method::Ack
                | Method::Cancel
                | Method::Bye
                | Method::Update
                | Method::Prack
        );
        if !self.layer.has_room() {
            return Err(SessionError::TooMany);
        }
        let state = self.live_call(call)?;
        if has_verb || state.stage != Stage::Established {
            return Err(SessionError::WrongState);
        }
        let dialog = state.dialog.as_mut().ok_or(SessionError::WrongState)?;
        let mut request = dialog.request(method);
        let dialog = state.dialog.as_ref().ok_or(SessionError::WrongState)?;
        let mut target = state.target(dialog);
        let mut fallback = state.fallback(dialog, &target);
        let next_hop = dialog.next_hop();
        let contact = state.contact.clone();
        request.headers.push("Contact", contact);
        for (name, value) in headers {
            request.headers.push(name, value);
        }
        if let Some(body) = body {
            request.set_body(&body.content_type, body.bytes);
        }
        if !self.config.user_agent.is_empty() {
            request.headers.push("User-Agent", &self.config.user_agent);
        }
        if request.method == Method::Message {
            // RFC 3428 §4: a MESSAGE has no Contact, also inside a dialog.
            request.headers.remove("Contact");
        }
        if let Some(state) = self.calls.get_mut(&call)
            && let Some(credentials) = &mut state.credentials
        {
            credentials.authorize(&mut request, &mut self.tokens);
        }
        if self.must_not_congest(&request, &target) {
            target = Target::Hop(Hop { transport: Some(Transport::Tcp), ..next_hop });
            fallback = None;
        }
        let user = ClientUser::InDialog(call);
        Ok(self.layer.start_client(now, request, target, fallback, user, &mut self.tokens))
    }

    /// Sends a MESSAGE to the peer of an established call by the way of its dialog, but outside of it:
    /// from the same address with this display name. Some clients take who has sent a MESSAGE in a
    /// dialog for themselves. The outcome is as of [`send_request`](Self::send_request).
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn message_beside(
        &mut self,
        now: Instant,
        call: CallId,
        display_name: &str,
        body: Body,
    ) -> Result<ClientTransactionId, SessionError> {
        if !self.layer.has_room() {
            return Err(SessionError::TooMany);
        }
        let state = self.live_call(call)?;
        if state.stage != Stage::Established {
            return Err(SessionError::WrongState);
        }
        let dialog = state.dialog.as_ref().ok_or(SessionError::WrongState)?;
        let mut request = dialog.beside(Method::Message);
        let mut target = state.target(dialog);
        let mut fallback = state.fallback(dialog, &target);
        let next_hop = dialog.next_hop();
        if let Ok(from) = request.headers.from() {
            let from = from.with_display_name(display_name);
            request.headers.insert("From", from.with_param("tag", &self.tokens.tag()));
        }
        request.headers.push("Call-ID", self.tokens.call_id());
        let number = self.tokens.cseq();
        request.headers.push("CSeq", CSeq { number, method: Method::Message });
        if !self.config.user_agent.is_empty() {
            request.headers.push("User-Agent", &self.config.user_agent);
        }
        request.set_body(&body.content_type, body.bytes);
        if self.must_not_congest(&request, &target) {
            target = Target::Hop(Hop { transport: Some(Transport::Tcp), ..next_hop });
            fallback = None;
        }
        let user = ClientUser::Owner;
        Ok(self.layer.start_client(now, request, target, fallback, user, &mut self.tokens))
    }

    /// Whether a request has to go over TCP or not at all: a long MESSAGE (RFC 3428 §8).
    fn must_not_congest(&self, request: &Request, target: &Target) -> bool {
        request.method == Method::Message
            && may_congest(target)
            && request.to_bytes().len() > self.config.max_udp_request
    }

    /// A response to the request of `transaction`: the copied headers, our To tag and `Server`. An
    /// empty `reason` means the usual phrase.
    ///
    /// # Errors
    /// [`SessionError::UnknownTransaction`] if it is over.
    pub fn response(
        &self,
        transaction: ServerTransactionId,
        status: u16,
        reason: &str,
    ) -> Result<Response, SessionError> {
        let request =
            self.layer.server_request(transaction).ok_or(SessionError::UnknownTransaction)?;
        let stateless = matches!(status, 401 | 407).then(|| self.tokens.tag_of(request));
        let tag = self.layer.server_to_tag(transaction).filter(|_| status > 100);
        let tag = stateless.as_deref().or(tag);
        let mut response = build::response_to(request, status, reason, tag);
        if !self.config.user_agent.is_empty() && status > 100 {
            response.headers.push("Server", &self.config.user_agent);
        }
        Ok(response)
    }

    /// Sends a response made by [`response`](Self::response).
    ///
    /// # Errors
    /// [`SessionError::UnknownTransaction`] if the transaction is over or has had its final
    /// response.
    pub fn respond(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        response: Response,
    ) -> Result<(), SessionError> {
        let sent = self.layer.respond(now, transaction, &response);
        sent.then_some(()).ok_or(SessionError::UnknownTransaction)
    }

    /// [`response`](Self::response) and [`respond`](Self::respond) in one. 405 and 501 get Allow,
    /// 420 needs [`respond_with`](Self::respond_with); a 2xx to OPTIONS gets our capabilities
    /// (RFC 3261 §11.2).
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub fn respond_status(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        status: u16,
        reason: &str,
    ) -> Result<(), SessionError> {
        let mut response = self.response(transaction, status, reason)?;
        let request = self.layer.server_request(transaction);
        let options = request.is_some_and(|request| request.method == Method::Options);
        if options && response.is_success() {
            let contact = self.config.contact.clone();
            self.describe(&mut response.headers, &contact);
        } else if matches!(status, 405 | 501) {
            self.describe_methods(&mut response.headers);
        }
        self.respond(now, transaction, response)
    }

    /// [`respond_status`](Self::respond_status) with further headers; a transaction that is over is
    /// no error.
    pub fn respond_with(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        status: u16,
        reason: &str,
        headers: &[(String, String)],
    ) {
        let Ok(mut response) = self.response(transaction, status, reason) else { return };
        for (name, value) in headers {
            response.headers.push(name, value);
        }
        self.layer.respond(now, transaction, &response);
    }

    /// Adds Allow, Accept, Supported and the configured further headers, for an owner that answers OPTIONS with
    /// a Contact of its own.
    pub fn describe_capabilities(&self, headers: &mut Headers) {
        self.describe_methods(headers);
        headers.push("Accept", self.config.accept.join(", "));
        let supported: Vec<&str> = self.supported().collect();
        headers.push("Supported", supported.join(", "));
        for (name, value) in &self.config.capabilities {
            headers.push(name, value);
        }
    }

    /// The option tags understood; `timer` only if it is switched on.
    pub(crate) fn supported(&self) -> impl Iterator<Item = &str> {
        let timer = self.config.session_timer.is_some();
        self.config.supported.iter().map(String::as_str).filter(move |tag| timer || *tag != "timer")
    }

    fn describe_methods(&self, headers: &mut Headers) {
        let allow: Vec<&str> = self.config.allow.iter().map(Method::as_str).collect();
        headers.push("Allow", allow.join(", "));
    }
}

/// Whether long messages to `target` could crowd a network: by UDP, unless they stay on this machine.
fn may_congest(target: &Target) -> bool {
    match target {
        Target::Flow(flow) => flow.transport == Transport::Udp && !flow.remote.ip().is_loopback(),
        Target::Hop(hop) => {
            hop.transport != Some(Transport::Tcp)
                && !hop.host.ip().is_some_and(|ip| ip.is_loopback())
        }
    }
}
