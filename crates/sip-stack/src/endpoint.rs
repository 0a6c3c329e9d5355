//! The whole stack as one value: transactions, dialogs and INVITE sessions (RFC 3261).
//!
//! The shell feeds messages and time in and drains [`Output`]s; the owner (a registrar, a focus, a
//! softphone) takes the [`Event`]s and calls the verbs. Session verbs (`invite`, `ring`, `accept`,
//! `reinvite`, `bye` …) are in [`crate::dialog`], one act a file.
//!
//! ```
//! use std::time::Instant;
//! use sip_stack::endpoint::{Body, Endpoint, EndpointConfig, Event, Invite, Output};
//! use sip_stack::message::{Host, NameAddr, Uri};
//!
//! # fn example(now: Instant) -> Option<()> {
//! let config = EndpointConfig::new(Host::parse("127.0.0.1")?, 5080);
//! let mut endpoint = Endpoint::new(config, [7; 32]); // a seed from the system's generator
//! let from = NameAddr::parse("\"Alice\" <sip:alice@127.0.0.1>")?;
//! let to = Uri::parse("sip:conference@127.0.0.1:5060")?;
//! let call = endpoint.invite(now, Invite::new(to, from, Some(Body::sdp("v=0\r\n")))).ok()?;
//! while let Some(output) = endpoint.poll_output() {
//!     match output {
//!         Output::Transmit(_transmit) => { /* the shell sends it */ }
//!         Output::Event(Event::Answered { response, .. }) => drop(response.body),
//!         Output::Event(Event::Ended { reason, .. }) => drop(reason),
//!         Output::Event(_) => {}
//!     }
//! }
//! let _wake_me_at = endpoint.poll_timeout();
//! endpoint.bye(now, call, None).ok()?;
//! # Some(()) }
//! ```

mod config;
mod event;
mod ids;
mod inspect;
mod receive;
mod requests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use crate::dialog::{CallTimer, Calls, DialogId, Stage};
use crate::flow::{ConnectionId, Flow, Hop, Target};
use crate::message::{DialogRef, Headers, Method, Uri, parse};
use crate::token::Tokens;
use crate::transaction::layer::Layer;
use crate::transaction::timers::TimerTable;

pub use config::{EndpointConfig, SessionTimerConfig};
pub use event::{
    Alive, Answer, Body, DialogStage, EndReason, Event, Failure, Invite, Output, ReinviteFailure,
    SessionError, Transmit,
};
pub(crate) use ids::Origin;
pub use ids::{CallId, ClientTransactionId, ServerTransactionId, TransmitId};

/// The stack as one value.
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) config: EndpointConfig,
    pub(crate) tokens: Tokens,
    pub(crate) layer: Layer,
    pub(crate) calls: Calls,
    pub(crate) dialogs: BTreeMap<DialogId, CallId>,
    /// Call-ID and From tag of our INVITEs, to know one that comes back.
    pub(crate) own_invites: BTreeSet<DialogId>,
    pub(crate) call_timers: TimerTable<(CallId, CallTimer)>,
    /// Which calls use which connection, so that its end is noted without asking every call.
    pub(crate) connections: BTreeSet<(ConnectionId, CallId)>,
    events: VecDeque<Event>,
    next_call: u64,
}

impl Endpoint {
    /// An endpoint without calls. `seed` must come from the system's generator in production: tags,
    /// branches and Call-IDs are made of it.
    #[must_use]
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        Self {
            layer: Layer::new(&config),
            config,
            tokens: Tokens::new(seed),
            calls: Calls::new(),
            dialogs: BTreeMap::new(),
            own_invites: BTreeSet::new(),
            call_timers: TimerTable::default(),
            connections: BTreeSet::new(),
            events: VecDeque::new(),
            next_call: 0,
        }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// One message has arrived: a datagram, or what a stream's framer cut out. Anything else than
    /// SIP is ignored, and a broken request is answered 400 if that is possible.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, bytes: &Bytes) {
        match parse::message(bytes) {
            Ok(message) => self.receive(now, flow, message),
            Err(error) => self.refuse_unreadable(&error, &flow),
        }
        self.settle(now);
    }

    /// A connection is gone. Calls on it go on by their Contact.
    pub fn handle_flow_closed(&mut self, now: Instant, connection: ConnectionId) {
        let all = (connection, CallId(0))..=(connection, CallId(u64::MAX));
        let calls: Vec<CallId> = self.connections.range(all).map(|&(_, call)| call).collect();
        for id in calls {
            self.connections.remove(&(connection, id));
            if let Some(call) = self.calls.get_mut(&id) {
                call.drop_flow();
            }
        }
        self.settle(now);
    }

    /// A [`Transmit`] was for a hop by name, and nothing was sent: the name leads to these `hops`, best
    /// first, all with addresses (RFC 3263). `bytes` are those of the transmit.
    ///
    /// A request goes to the first, and to the next when one is unreachable, gives no answer, or is
    /// unavailable (RFC 3263 §4.3).
    pub fn handle_resolved(&mut self, now: Instant, id: TransmitId, hops: Vec<Hop>, bytes: Bytes) {
        match (id.0, hops.first().cloned()) {
            (_, None) => self.handle_send_failed(now, id),
            (Origin::Client(id, attempt), _) => {
                self.layer.client_resolved(now, id, attempt, hops, &mut self.tokens);
                self.settle(now);
            }
            (_, Some(first)) => {
                let target = Target::Hop(first);
                self.layer.push_transmit(Transmit { id, target, bytes });
            }
        }
    }

    /// A [`Transmit`] could not be made: refused, unreachable, or no such name.
    pub fn handle_send_failed(&mut self, now: Instant, id: TransmitId) {
        match id.0 {
            Origin::Client(id, attempt) => {
                self.layer.client_send_failed(now, id, attempt, &mut self.tokens);
            }
            Origin::Server(id) => self.layer.server_send_failed(now, id),
            Origin::Ack(call) => self.ack_send_failed(call),
            Origin::Nobody => {}
        }
        self.settle(now);
    }

    /// Runs what is due; always safe, also early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now, &mut self.tokens);
        self.settle(now);
        while let Some((id, timer)) = self.call_timers.pop_expired(now) {
            self.call_timer(now, id, timer);
            self.settle(now);
        }
    }

    /// The next output; drain until `None` after every call of another method.
    pub fn poll_output(&mut self) -> Option<Output> {
        let transmit = self.layer.poll_transmit().map(Output::Transmit);
        transmit
            .or_else(|| self.events.pop_front().map(Output::Event))
            .or_else(|| self.layer.poll_trying().map(Output::Transmit))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest; `None` = only after the
    /// next input. Costs the same with one call as with 20 000.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.layer.poll_timeout(), self.call_timers.next()].into_iter().flatten().min()
    }

    /// Counts what is alive, for metrics and leak tests. After the last call it takes up to 64·T1
    /// until all is zero, because late messages must still be recognised.
    #[must_use]
    pub fn alive(&self) -> Alive {
        let calls = self.calls.values().filter(|call| call.stage != Stage::Ended).count();
        let ended = self.calls.len() - calls;
        let timers = self.call_timers.len();
        let mut alive = Alive { calls, ended, timers, ..Alive::default() };
        self.layer.count(&mut alive);
        alive
    }

    /// Whether the peer's last Allow names `method`; `false` if it sent none.
    #[must_use]
    pub fn peer_allows(&self, call: CallId, method: &Method) -> bool {
        self.calls.get(&call).is_some_and(|call| call.peer_allows(method))
    }

    /// Call-ID and tags of a call; `None` before there is a dialog.
    #[must_use]
    pub fn dialog_id(&self, call: CallId) -> Option<&DialogId> {
        Some(&self.calls.get(&call)?.dialog.as_ref()?.id)
    }

    /// The call of the dialog that a Replaces or Join names, and how far it is (RFC 3891 §3, RFC 3911
    /// §4). `None` if there is none, or none any more that could be remembered.
    #[must_use]
    pub fn find_dialog(&self, named: &DialogRef) -> Option<(CallId, DialogStage)> {
        let id = DialogId {
            call_id: named.call_id.clone(),
            local_tag: named.to_tag.clone(),
            remote_tag: named.from_tag.clone(),
        };
        let call = match self.dialogs.get(&id) {
            Some(call) => *call,
            // A peer of RFC 2543 has no tag, which is written as 0 (RFC 3891 §6.1).
            None if id.remote_tag == "0" => {
                *self.dialogs.get(&DialogId { remote_tag: String::new(), ..id })?
            }
            None => return None,
        };
        let stage = match self.calls.get(&call)?.stage {
            Stage::Inviting => DialogStage::EarlyOurs,
            Stage::Ringing => DialogStage::EarlyTheirs,
            Stage::Established => DialogStage::Confirmed,
            Stage::Ended => DialogStage::Ended,
        };
        Some((call, stage))
    }

    /// The live call to whose dialog a response of ours, with these headers, belongs.
    #[must_use]
    pub fn call_of(&self, headers: &Headers) -> Option<CallId> {
        let id = DialogId {
            call_id: headers.call_id().ok()?.to_owned(),
            local_tag: headers.to().ok()?.tag()?.to_owned(),
            remote_tag: headers.from().ok()?.tag().unwrap_or_default().to_owned(),
        };
        self.dialogs.get(&id).copied()
    }

    /// Where the peer of a call takes requests: the URI of its last Contact (RFC 3261 §12.1).
    #[must_use]
    pub fn remote_target(&self, call: CallId) -> Option<&Uri> {
        Some(self.calls.get(&call)?.dialog.as_ref()?.remote_target())
    }

    /// The way the peer's last message in a call came.
    #[must_use]
    pub fn flow_of(&self, call: CallId) -> Option<Flow> {
        self.calls.get(&call)?.flow
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// A name for a call to be made later by [`invite`](Self::invite).
    pub fn reserve_call(&mut self) -> CallId {
        self.new_call_id()
    }

    pub(crate) fn new_call_id(&mut self) -> CallId {
        self.next_call += 1;
        CallId(self.next_call)
    }

    /// The call, if its end has not been told.
    pub(crate) fn live_call(
        &mut self,
        id: CallId,
    ) -> Result<&mut crate::dialog::Call, SessionError> {
        let call = self.calls.get_mut(&id).filter(|call| call.stage != Stage::Ended);
        call.ok_or(SessionError::UnknownCall)
    }

    /// Notes the way the peer's last message came.
    pub(crate) fn note_flow(&mut self, id: CallId, flow: Flow) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Some(old) = call.flow.replace(flow).and_then(|old| old.connection) {
            self.connections.remove(&(old, id));
        }
        if let Some(connection) = flow.connection {
            self.connections.insert((connection, id));
        }
    }

    fn call_timer(&mut self, now: Instant, id: CallId, timer: CallTimer) {
        match timer {
            CallTimer::Ring => self.ring_timeout(now, id),
            CallTimer::CancelGuard => self.cancel_unanswered(now, id),
            CallTimer::ResendProvisional => self.resend_provisional(now, id),
            CallTimer::NoPrack => self.no_prack(now, id),
            CallTimer::Resend => self.resend_success(now, id),
            CallTimer::NoAck => self.no_ack(now, id),
            CallTimer::NoAnswer => self.no_answer_from_owner(now, id),
            CallTimer::Retry => self.retry_change(now, id),
            CallTimer::ChangeGuard => self.change_too_slow(now, id),
            CallTimer::OfferedGuard => self.offered_too_slow(now, id),
            CallTimer::Refresh => self.refresh_session(now, id),
            CallTimer::Expire => self.session_expired(now, id),
        }
    }
}
