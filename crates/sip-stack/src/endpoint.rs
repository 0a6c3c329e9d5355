//! The whole stack as one value: transactions, dialogs and INVITE sessions (RFC 3261).

mod config;
mod event;
mod ids;

use std::time::Instant;

use bytes::Bytes;

use crate::flow::{ConnectionId, Flow, Target};
use crate::message::{Method, NameAddr, Reason, Request, Response, Uri};

pub use config::{EndpointConfig, SessionTimerConfig};
pub use event::{
    Alive, Answer, Body, EndReason, Event, Failure, Invite, Output, ReinviteFailure, SessionError,
    Transmit,
};
pub use ids::{CallId, ClientTransactionId, ServerTransactionId, TransmitId};

/// The stack as one value.
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
}

#[allow(clippy::needless_pass_by_ref_mut, reason = "signatures first, bodies follow")]
#[allow(unused_variables, missing_docs, reason = "signatures first, bodies follow")]
impl Endpoint {
    /// An endpoint; `seed` must come from the system's generator in production.
    #[must_use]
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        Self { config }
    }
    /// The settings.
    #[must_use]
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }
    /// One message (a datagram, or one out of a stream's framer) has arrived.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, bytes: &Bytes) {}
    /// A connection is gone.
    pub fn handle_flow_closed(&mut self, now: Instant, connection: ConnectionId) {}
    /// A `Transmit` could not be made.
    pub fn handle_send_failed(&mut self, now: Instant, id: TransmitId) {}
    /// Runs the timers that are due; always safe, also early.
    pub fn handle_timeout(&mut self, now: Instant) {}
    /// The next output; drain until `None` after every call.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }
    /// When to call `handle_timeout` at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    /// Counts what is alive, for leak checks and metrics.
    #[must_use]
    pub fn alive(&self) -> Alive {
        Alive::default()
    }

    // --- transactions, outside of dialogs ---

    /// A request with Max-Forwards, From (new tag), To, Call-ID, CSeq and User-Agent, to be
    /// completed and given to `send_request`. `from`/`to` without tags.
    #[must_use]
    pub fn new_request(
        &mut self,
        method: Method,
        uri: Uri,
        from: NameAddr,
        to: NameAddr,
    ) -> Request {
        Request::new(method, uri)
    }
    /// Sends a request of any method but INVITE, ACK and CANCEL; Via is added here. The outcome is
    /// one `Event::Response` with a final status or one `Event::RequestFailed`.
    pub fn send_request(
        &mut self,
        now: Instant,
        request: Request,
        target: Target,
    ) -> Result<ClientTransactionId, SessionError> {
        Err(SessionError::TooMany)
    }
    /// Where a request to `uri` goes by itself.
    #[must_use]
    pub fn target_of(uri: &Uri) -> Target {
        Target::Hop(crate::flow::Hop::from_uri(uri))
    }
    /// A response to the request of `transaction`, with the copied headers, a To tag and `Server`.
    pub fn response(
        &self,
        transaction: ServerTransactionId,
        status: u16,
        reason: &str,
    ) -> Result<Response, SessionError> {
        Err(SessionError::UnknownTransaction)
    }
    /// Sends a response made by `response`.
    pub fn respond(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        response: Response,
    ) -> Result<(), SessionError> {
        Err(SessionError::UnknownTransaction)
    }
    /// `response` + `respond`; 405 gets Allow, a 2xx to OPTIONS gets the capabilities.
    pub fn respond_status(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        status: u16,
        reason: &str,
    ) -> Result<(), SessionError> {
        Err(SessionError::UnknownTransaction)
    }

    // --- sessions ---

    /// Calls somebody.
    pub fn invite(&mut self, now: Instant, invite: Invite) -> Result<CallId, SessionError> {
        Err(SessionError::TooMany)
    }
    /// Answers an incoming call provisionally (101–199: 180 rings, 183 with early media).
    pub fn ring(
        &mut self,
        now: Instant,
        call: CallId,
        status: u16,
        answer: Answer,
    ) -> Result<(), SessionError> {
        Err(SessionError::UnknownCall)
    }
    /// Answers an incoming call with 200.
    pub fn accept(
        &mut self,
        now: Instant,
        call: CallId,
        answer: Answer,
    ) -> Result<(), SessionError> {
        Err(SessionError::UnknownCall)
    }
    /// Refuses an incoming call with 300–699; no further event comes for it. Challenges (401),
    /// redirections (302 + Contact) go this way too, by `headers`.
    pub fn reject(
        &mut self,
        now: Instant,
        call: CallId,
        status: u16,
        reason: &str,
        headers: &[(String, String)],
    ) -> Result<(), SessionError> {
        Err(SessionError::UnknownCall)
    }
    /// Answers the offer that came in a 2xx, in the ACK (late offer, RFC 3264 / RFC 3725).
    pub fn acknowledge(
        &mut self,
        now: Instant,
        call: CallId,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        Err(SessionError::UnknownCall)
    }
    /// Offers to change the session; `None` asks the peer for an offer.
    pub fn reinvite(
        &mut self,
        now: Instant,
        call: CallId,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        Err(SessionError::UnknownCall)
    }
    /// The same by UPDATE (RFC 3311); use it only if `peer_allows(call, Update)`.
    pub fn update(
        &mut self,
        now: Instant,
        call: CallId,
        body: Option<Body>,
    ) -> Result<(), SessionError> {
        Err(SessionError::UnknownCall)
    }
    /// Accepts the change of `Event::Reinvite` with 200.
    pub fn answer_reinvite(
        &mut self,
        now: Instant,
        call: CallId,
        answer: Answer,
    ) -> Result<(), SessionError> {
        Err(SessionError::UnknownCall)
    }
    /// Refuses it; the session stays as it was.
    pub fn reject_reinvite(
        &mut self,
        now: Instant,
        call: CallId,
        status: u16,
        reason: &str,
        headers: &[(String, String)],
    ) -> Result<(), SessionError> {
        Err(SessionError::UnknownCall)
    }
    /// Sends another request (INFO, MESSAGE, REFER …) in the dialog of an established call.
    pub fn request(
        &mut self,
        now: Instant,
        call: CallId,
        method: Method,
        headers: &[(String, String)],
        body: Option<Body>,
    ) -> Result<ClientTransactionId, SessionError> {
        Err(SessionError::UnknownCall)
    }
    /// Ends a call in whatever state: BYE, CANCEL, or a refusal with 480 (with the `cause` of a SIP
    /// reason of 300–699 if given). `Event::Ended{Local}` comes at once; the rest happens inside.
    pub fn bye(
        &mut self,
        now: Instant,
        call: CallId,
        reason: Option<Reason>,
    ) -> Result<(), SessionError> {
        Err(SessionError::UnknownCall)
    }
    /// Whether the peer's Allow names `method`.
    #[must_use]
    pub fn peer_allows(&self, call: CallId, method: &Method) -> bool {
        false
    }
}
