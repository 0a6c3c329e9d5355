//! What an [`Endpoint`](crate::endpoint::Endpoint) tells its owner, and what the owner hands it.

use std::time::Duration;

use bytes::Bytes;

use super::ids::{CallId, ClientTransactionId, ServerTransactionId, TransmitId};
use crate::auth::Credentials;
use crate::flow::{Flow, Target};
use crate::message::multipart::body_of_type;
use crate::message::{Headers, Method, NameAddr, Reason, Request, Response, Uri};

/// Something for the shell or the owner. Drain them with
/// [`poll_output`](crate::endpoint::Endpoint::poll_output) after every call.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "moved once, from the queue to the owner")]
pub enum Output {
    /// Bytes to send.
    Transmit(Transmit),
    /// News for the owner.
    Event(Event),
}

/// Bytes to send, one SIP message.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// For [`handle_send_failed`](crate::endpoint::Endpoint::handle_send_failed).
    pub id: TransmitId,
    /// Where to. A hop always names its transport: the choice by length (RFC 3261 §18.1.1) has been
    /// made, because Via had to say so. The shell only resolves the name and connects.
    pub target: Target,
    /// The message.
    pub bytes: Bytes,
}

/// News for the owner.
///
/// Every [`CallId`] gets exactly one last event: [`Rejected`](Event::Rejected),
/// [`Cancelled`](Event::Cancelled) or [`Ended`](Event::Ended). After it the id is unknown.
#[derive(Clone, Debug)]
pub enum Event {
    /// A request outside of any dialog; answer it by
    /// [`respond`](crate::endpoint::Endpoint::respond) within 32 s.
    Request {
        /// To answer it with.
        transaction: ServerTransactionId,
        /// The request, Via already stamped with `received` and `rport`.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// A response to a request sent by [`send_request`](crate::endpoint::Endpoint::send_request) or
    /// [`request`](crate::endpoint::Endpoint::request); 1xx too.
    Response {
        /// The request.
        transaction: ClientTransactionId,
        /// The response.
        response: Response,
    },
    /// Such a request got no final response.
    RequestFailed {
        /// The request.
        transaction: ClientTransactionId,
        /// Why.
        failure: Failure,
    },
    /// A new INVITE. 100 has been sent. Go on with `ring`, `accept` or `reject`.
    IncomingCall {
        /// The new call.
        call: CallId,
        /// The INVITE.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// The peer cancelled its INVITE before we answered; 487 has been sent. Last event.
    Cancelled {
        /// The call.
        call: CallId,
        /// What the CANCEL gave as its reason.
        reason: Option<Reason>,
    },
    /// A reliable provisional response of ours ([`ring`](crate::endpoint::Endpoint::ring)) has
    /// arrived (RFC 3262).
    Pracked {
        /// The call.
        call: CallId,
        /// The PRACK's body: the answer, if the response carried our offer.
        body: Option<Body>,
    },
    /// Our INVITE got a 101–199. What requires `100rel` has been acknowledged by PRACK, unless we
    /// sent no body and it carries an offer: then answer that by
    /// [`answer_progress`](crate::endpoint::Endpoint::answer_progress). Each comes once and in order;
    /// the tag in To tells the phones of a fork apart.
    Progress {
        /// The call.
        call: CallId,
        /// The provisional response.
        response: Response,
    },
    /// Our INVITE got a 2xx. It has been acknowledged, unless we sent no body and the 2xx carries
    /// an offer: then answer that by [`acknowledge`](crate::endpoint::Endpoint::acknowledge).
    ///
    /// The body is the answer also when that came before, in a reliable provisional response; when
    /// our answer to the peer's offer went out in a PRACK, there is no body.
    Answered {
        /// The call.
        call: CallId,
        /// The 2xx.
        response: Response,
    },
    /// Our INVITE got a 300–699. Last event.
    Rejected {
        /// The call.
        call: CallId,
        /// The response.
        response: Response,
    },
    /// The ACK for our 2xx came; the call (or the change of it) is confirmed.
    Ack {
        /// The call.
        call: CallId,
        /// The ACK's body: the answer, if our 2xx carried the offer.
        body: Option<Body>,
    },
    /// The peer offers to change the session, by re-INVITE, by UPDATE with a body, or by an offer in
    /// a PRACK (see the method); the latter two also before the call is established. Answer with
    /// `answer_reinvite` or `reject_reinvite` in any case.
    Reinvite {
        /// The call.
        call: CallId,
        /// The request. No body in an INVITE: the peer wants our offer in the 2xx.
        request: Request,
    },
    /// The peer cancelled its re-INVITE before we answered; 487 has been sent, the session stays as
    /// it was.
    ReinviteCancelled {
        /// The call.
        call: CallId,
    },
    /// Our re-INVITE or UPDATE got a 2xx; about ACK see [`Answered`](Event::Answered).
    ReinviteAnswered {
        /// The call.
        call: CallId,
        /// The 2xx.
        response: Response,
    },
    /// Our re-INVITE or UPDATE failed; the session stays as it was (RFC 3261 §14.1).
    ReinviteFailed {
        /// The call.
        call: CallId,
        /// Why.
        failure: ReinviteFailure,
    },
    /// A session refresh of ours (RFC 4028) was answered with a body. It is the answer to our last
    /// description, sent again unchanged, and normally says nothing new.
    Refreshed {
        /// The call.
        call: CallId,
        /// The 2xx.
        response: Response,
    },
    /// Another request in the call's dialog (INFO, MESSAGE, REFER, OPTIONS …); answer it by
    /// [`respond`](crate::endpoint::Endpoint::respond) within 32 s.
    InDialog {
        /// The call.
        call: CallId,
        /// To answer it with.
        transaction: ServerTransactionId,
        /// The request.
        request: Request,
    },
    /// The call is over. Last event.
    Ended {
        /// The call.
        call: CallId,
        /// Why.
        reason: EndReason,
    },
}

/// Why a request got no final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answered in 64·T1.
    TimedOut,
    /// The message could not be sent.
    Transport,
}

/// Why a call is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// We ended it by [`bye`](crate::endpoint::Endpoint::bye).
    Local,
    /// The peer sent BYE.
    Remote(Option<Reason>),
    /// Our 2xx was never acknowledged in 64·T1; BYE has been sent (RFC 3261 §13.3.1.4). Or our
    /// reliable provisional response was not, and the INVITE has been refused (RFC 3262 §3).
    NoAck,
    /// Nobody answered our INVITE in the time given, or the incoming call rang too long.
    NoAnswer,
    /// Our INVITE could not be sent, or not even a provisional response came.
    Unreachable(Failure),
    /// A request in the dialog was answered 481 or 408 (given), or not at all (RFC 3261 §12.2.1.2).
    DialogLost(Option<u16>),
    /// The session timer ran out; BYE has been sent (RFC 4028 §10).
    SessionExpired,
    /// The peer did something that leaves no way on; BYE has been sent.
    Protocol(&'static str),
}

/// Why a re-INVITE or UPDATE of ours did not change the session.
#[derive(Clone, Debug)]
pub enum ReinviteFailure {
    /// The peer refused it.
    Rejected(Response),
    /// It met the peer's own change (491) time and again, and we gave up (RFC 3261 §14.1), or it was
    /// only to be [passed on](crate::endpoint::Endpoint::pass_on_change).
    Glare,
    /// It met the peer's change (491), and that was accepted meanwhile: the offer is out of date.
    /// Make a new one if it is still wanted.
    Superseded,
}

/// How far the call of a dialog is, for [`find_dialog`](crate::endpoint::Endpoint::find_dialog).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogStage {
    /// Our INVITE is unanswered.
    EarlyOurs,
    /// The peer's INVITE is unanswered.
    EarlyTheirs,
    /// It is established.
    Confirmed,
    /// It is over.
    Ended,
}

/// A message body with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The Content-Type, for example `application/sdp`.
    pub content_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

impl Body {
    /// A session description.
    #[must_use]
    pub fn sdp(text: impl Into<String>) -> Self {
        Self { content_type: "application/sdp".to_owned(), bytes: Bytes::from(text.into()) }
    }

    /// The body of a message; `None` if it has none.
    #[must_use]
    pub fn of(headers: &Headers, bytes: &Bytes) -> Option<Self> {
        let content_type = headers.get("Content-Type").unwrap_or_default().to_owned();
        (!bytes.is_empty()).then(|| Self { content_type, bytes: bytes.clone() })
    }

    /// The part of type `name`: all of it, or one part of a multipart (see
    /// [`crate::message::multipart::body_of_type`]).
    #[must_use]
    pub fn of_type(&self, name: &str) -> Option<Bytes> {
        let headers: Headers = [("Content-Type", &self.content_type)].into_iter().collect();
        body_of_type(&headers, &self.bytes, name)
    }
}

/// An outgoing call.
#[derive(Debug)]
pub struct Invite {
    /// The request URI.
    pub uri: Uri,
    /// From, without tag.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Contact, instead of the one in the configuration.
    pub contact: Option<NameAddr>,
    /// Where to send it; `None` follows the first Route, else the request URI.
    pub target: Option<Target>,
    /// A preloaded route set (an outbound proxy).
    pub route: Vec<NameAddr>,
    /// Further headers. `Max-Forwards` replaces the usual 70.
    pub headers: Vec<(String, String)>,
    /// The offer; `None` asks the peer for one.
    pub body: Option<Body>,
    /// Its name, if one was [reserved](crate::endpoint::Endpoint::reserve_call); never twice the same.
    pub call: Option<CallId>,
    /// Methods for Allow, instead of the configured ones, in the whole call.
    pub allow: Option<Vec<Method>>,
    /// Option tags to leave out of Supported, though configured: `100rel` when an offer in a
    /// provisional response could not be answered.
    pub without: Vec<String>,
    /// To answer 401 and 407 with, in the whole call.
    pub credentials: Option<Credentials>,
    /// How long it may ring; `None` = as configured.
    pub ring_timeout: Option<Duration>,
}

impl Invite {
    /// A call from `from` to `uri` with the offer `body`.
    #[must_use]
    pub fn new(uri: Uri, from: NameAddr, body: Option<Body>) -> Self {
        Self {
            to: NameAddr::new(uri.clone()),
            uri,
            from,
            contact: None,
            target: None,
            route: Vec::new(),
            headers: Vec::new(),
            body,
            call: None,
            allow: None,
            without: Vec::new(),
            credentials: None,
            ring_timeout: None,
        }
    }
}

/// What goes into a response to an INVITE, re-INVITE or UPDATE beside its status.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The body.
    pub body: Option<Body>,
    /// Contact, instead of the call's or the configured one. It stays for the rest of the call.
    pub contact: Option<NameAddr>,
    /// Methods for Allow, instead of the call's or the configured ones. They stay for the rest of the
    /// call.
    pub allow: Option<Vec<Method>>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body of a provisional response only shows what the answer will be (RFC 3261 §13.3.1.1).
    pub preview: bool,
}

impl Answer {
    /// An answer with a body only.
    #[must_use]
    pub fn with_body(body: Body) -> Self {
        Self { body: Some(body), ..Self::default() }
    }
}

/// Why a verb of the session level could not be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// No such call (any more).
    #[error("there is no such call")]
    UnknownCall,
    /// No such transaction (any more).
    #[error("there is no such transaction")]
    UnknownTransaction,
    /// The verb does not fit the state of the call.
    #[error("the call is not in a state for this")]
    WrongState,
    /// Another change of the session is under way, ours or the peer's; wait for its end.
    #[error("another change of the session is under way")]
    Pending,
    /// There are as many calls or transactions as allowed.
    #[error("too many calls or transactions")]
    TooMany,
}

/// Numbers of the things that are alive; all zero once everything is over and timed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alive {
    /// Requests of ours.
    pub client_transactions: usize,
    /// Those of them that have no final response yet: when there are none, all that was said at the
    /// end of the calls has arrived.
    pub unanswered: usize,
    /// Requests of peers.
    pub server_transactions: usize,
    /// Calls whose end has not been told.
    pub calls: usize,
    /// Calls whose end has been told, but of which something may still come: the answer to the BYE,
    /// or a repeated 2xx. At most 64·T1.
    pub ended: usize,
    /// Timers that are set.
    pub timers: usize,
}
