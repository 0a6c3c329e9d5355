//! The state of one INVITE session.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use super::early::EarlyDialogs;
use super::id::DialogId;
use super::reliable::Reliable;
use super::session_timer::SessionTimer;
use super::state::Dialog;
use crate::auth::Credentials;
use crate::endpoint::{Body, ClientTransactionId, ServerTransactionId};
use crate::flow::{Flow, Hop, Target};
use crate::message::{Headers, Host, Method, NameAddr, Reason, Request};

/// One call, from the first INVITE until nothing of it can come any more.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) stage: Stage,
    /// Whether we made the dialog and so own the Call-ID (for the glare timer, RFC 3261 §14.1).
    pub(crate) is_client: bool,
    /// The dialog: ours as the server from the beginning, as the client from the first 2xx on.
    pub(crate) dialog: Option<Dialog>,
    /// As the client: Call-ID and From tag of our INVITE.
    pub(crate) own_id: Option<DialogId>,
    /// As the client: the dialogs of the phones that ring.
    pub(crate) early: EarlyDialogs,
    /// As the server: what waits for PRACK.
    pub(crate) reliable: Reliable,
    pub(crate) contact: NameAddr,
    pub(crate) credentials: Option<Credentials>,
    /// The way the peer's last message came; a TCP connection only as long as it lives.
    pub(crate) flow: Option<Flow>,
    /// The INVITE of an outgoing call.
    pub(crate) outgoing: Option<Outgoing>,
    /// The INVITE of an incoming call.
    pub(crate) incoming: Option<ServerTransactionId>,
    /// That INVITE carried no offer, so our 2xx does.
    pub(crate) wants_offer: bool,
    /// Client transactions that may still bring something for this call.
    pub(crate) clients: usize,
    /// Our 2xx that has not been acknowledged.
    pub(crate) unacked: Option<Unacked>,
    /// The ACKs we sent, to send again when their 2xx comes again.
    pub(crate) acks: Vec<SentAck>,
    /// A 2xx with an offer that waits for the owner's answer.
    pub(crate) unanswered: Option<Unanswered>,
    /// Our change of the session.
    pub(crate) change: Option<Change>,
    /// The peer's change of the session.
    pub(crate) offered: Option<Offered>,
    pub(crate) timer: SessionTimer,
    /// Our last session description, for a refresh by re-INVITE.
    pub(crate) local_body: Option<Body>,
    /// The methods to name in Allow instead of the configured ones.
    pub(crate) allow: Option<Vec<Method>>,
    /// The methods the peer named in its last Allow.
    pub(crate) peer_allow: Option<Vec<Method>>,
    /// BYE as soon as the ACK has come (RFC 3261 §15).
    pub(crate) bye_wanted: Option<ByeWanted>,
}

/// How far the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Our INVITE has no final response.
    Inviting,
    /// The peer's INVITE has no final response.
    Ringing,
    /// There was a 2xx.
    Established,
    /// The owner has been told the end. Only what may still arrive is dealt with.
    Ended,
}

/// The INVITE of an outgoing call.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) transaction: ClientTransactionId,
    pub(crate) target: Target,
    pub(crate) cancel: Cancel,
    /// Whether it carried no offer, so that the 2xx does.
    pub(crate) wants_offer: bool,
}

/// The CANCEL of an INVITE. It may go out only after a provisional response (RFC 3261 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cancel {
    Unwanted,
    Wanted(Option<Reason>),
    Sent,
}

/// A BYE that waits, with its reason.
#[derive(Clone, Debug)]
pub(crate) struct ByeWanted(pub(crate) Option<Reason>);

/// Our 2xx to an INVITE, sent again until its ACK comes (RFC 3261 §13.3.1.4).
#[derive(Debug)]
pub(crate) struct Unacked {
    pub(crate) transaction: ServerTransactionId,
    pub(crate) cseq: u32,
    pub(crate) interval: Duration,
    /// It carried our offer, so the ACK brings the answer.
    pub(crate) offers: bool,
}

/// An ACK for a 2xx.
#[derive(Debug)]
pub(crate) struct SentAck {
    pub(crate) transaction: ClientTransactionId,
    pub(crate) remote_tag: String,
    /// Without Via, which depends on where it goes.
    pub(crate) request: Request,
    pub(crate) target: Target,
    pub(crate) bytes: Bytes,
}

/// A 2xx with an offer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unanswered {
    pub(crate) transaction: ClientTransactionId,
}

/// Our re-INVITE or UPDATE.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) method: Method,
    pub(crate) body: Option<Body>,
    /// A session refresh, which the owner does not know of.
    pub(crate) refresh: bool,
    /// Not to be tried again after a 491.
    pub(crate) once: bool,
    /// `None` while it waits to be tried again after a 491.
    pub(crate) transaction: Option<ClientTransactionId>,
    pub(crate) attempts: u8,
    /// The remote tag of its dialog.
    pub(crate) tag: String,
    /// RSeq of the last reliable provisional response to it.
    pub(crate) rseq: Option<u32>,
    /// The answer that came in one.
    pub(crate) answer: Option<Body>,
}

impl Change {
    pub(crate) fn new(method: Method, body: Option<Body>, dialog: &DialogId) -> Self {
        Self {
            method,
            body,
            refresh: false,
            once: false,
            transaction: None,
            attempts: 0,
            tag: dialog.remote_tag.clone(),
            rseq: None,
            answer: None,
        }
    }
}

/// The peer's change of the session that the owner has to answer.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) transaction: ServerTransactionId,
    pub(crate) method: Method,
    /// It carried no offer, so our 2xx does.
    pub(crate) wants_offer: bool,
    /// The remote tag of its dialog.
    pub(crate) tag: String,
}

/// Timers of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CallTimer {
    /// Nobody has answered in the time given.
    Ring,
    /// A cancelled INVITE got no final response in 64·T1 (RFC 3261 §9.1).
    CancelGuard,
    /// Send our provisional response again.
    ResendProvisional,
    /// No PRACK for it in 64·T1.
    NoPrack,
    /// Send our 2xx again.
    Resend,
    /// No ACK for our 2xx in 64·T1.
    NoAck,
    /// The owner has not answered the offer of a 2xx in 64·T1.
    NoAnswer,
    /// Try our change again after a 491.
    Retry,
    /// Our re-INVITE has no final response in the ring time.
    ChangeGuard,
    /// The owner has not answered the peer's change in the ring time.
    OfferedGuard,
    /// Refresh the session (RFC 4028).
    Refresh,
    /// The session has not been refreshed in time.
    Expire,
}

impl CallTimer {
    pub(crate) const ALL: [Self; 12] = [
        Self::Ring,
        Self::CancelGuard,
        Self::ResendProvisional,
        Self::NoPrack,
        Self::Resend,
        Self::NoAck,
        Self::NoAnswer,
        Self::Retry,
        Self::ChangeGuard,
        Self::OfferedGuard,
        Self::Refresh,
        Self::Expire,
    ];
}

impl Call {
    pub(crate) fn new(stage: Stage, contact: NameAddr) -> Self {
        Self {
            stage,
            is_client: stage == Stage::Inviting,
            dialog: None,
            own_id: None,
            early: EarlyDialogs::default(),
            reliable: Reliable::default(),
            contact,
            credentials: None,
            flow: None,
            outgoing: None,
            incoming: None,
            wants_offer: false,
            clients: 0,
            unacked: None,
            acks: Vec::new(),
            unanswered: None,
            change: None,
            offered: None,
            timer: SessionTimer::default(),
            local_body: None,
            allow: None,
            peer_allow: None,
            bye_wanted: None,
        }
    }

    /// Whether nothing of the call can come any more.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Ended && self.clients == 0 && self.unacked.is_none()
    }

    /// A client transaction of the call is forgotten; its ACK will not be asked for again.
    pub(crate) fn client_gone(&mut self, id: ClientTransactionId) {
        self.clients = self.clients.saturating_sub(1);
        self.acks.retain(|ack| ack.transaction != id);
    }

    /// The connection the peer came by is gone.
    pub(crate) fn drop_flow(&mut self) {
        self.flow = None;
    }

    /// Notes what the peer says about itself.
    pub(crate) fn learn(&mut self, headers: &Headers) {
        if let Some(allow) = headers.allow() {
            self.peer_allow = Some(allow);
        }
    }

    pub(crate) fn peer_allows(&self, method: &Method) -> bool {
        self.peer_allow.as_ref().is_some_and(|allow| allow.contains(method))
    }

    /// Where a request in the dialog goes; see [`target_of`].
    pub(crate) fn target(&self, dialog: &Dialog) -> Target {
        target_of(self.flow, dialog)
    }

    /// Whether no change of the session is under way on either side.
    pub(crate) fn is_quiet(&self) -> bool {
        self.change.is_none()
            && self.offered.is_none()
            && self.unacked.is_none()
            && self.unanswered.is_none()
    }

    /// The second try if the target cannot be reached: back the way the peer came, or to the
    /// Contact if that way was tried first and turns out to be closed.
    pub(crate) fn fallback(&self, dialog: &Dialog, target: &Target) -> Option<Target> {
        match target {
            Target::Flow(_) => Some(Target::Hop(dialog.next_hop())),
            Target::Hop(_) => self.flow.map(Target::Flow),
        }
    }
}

/// Where a request in the dialog goes: along a living connection, else to the first Route or the
/// Contact; and back the way the peer came if that is a name nobody can resolve, an address
/// behind the peer's NAT, or leads there anyway: of several addresses of ours, the peer (or what guards it) knows the one it called.
pub(crate) fn target_of(flow: Option<Flow>, dialog: &Dialog) -> Target {
    let hop = dialog.next_hop();
    match flow {
        Some(flow) if flow.connection.is_some() => Target::Flow(flow),
        Some(flow) if is_unresolvable(&hop) || is_behind_nat(&hop, &flow) => Target::Flow(flow),
        Some(flow) if leads_back(&hop, &flow) => Target::Flow(flow),
        _ => Target::Hop(hop),
    }
}

/// Whether `hop` is the peer's end of the datagram path `flow`.
fn leads_back(hop: &Hop, flow: &Flow) -> bool {
    hop.host.ip() == Some(flow.remote.ip())
        && hop.port.unwrap_or(5060) == flow.remote.port()
        && hop.transport.is_none_or(|transport| transport == flow.transport)
}

/// Names that no resolver knows (RFC 6761 §6.2, §6.4, §6.5; RFC 7118 clients use `.invalid`).
fn is_unresolvable(hop: &Hop) -> bool {
    let Host::Name(name) = &hop.host else { return false };
    [".invalid", ".test", ".example"].iter().any(|end| name.ends_with(end))
}

/// Whether the hop is an address that only means something where the peer stands (RFC 1918, RFC 6598,
/// RFC 4193, link-local, loopback), while the peer's packets come from elsewhere: a NAT is between,
/// and only the way through it leads back (RFC 3581 does the same for responses).
fn is_behind_nat(hop: &Hop, flow: &Flow) -> bool {
    let source = flow.remote.ip();
    hop.host.ip().is_some_and(|ip| match (ip.is_loopback(), source.is_loopback()) {
        (true, here) => !here,
        (false, true) => false,
        (false, false) => is_private(ip) && !is_private(source),
    })
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = matches!(ip.octets(), [100, 64..=127, ..]);
            ip.is_private() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// All calls, and the ways to find one.
pub(crate) type Calls = BTreeMap<crate::endpoint::CallId, Call>;
