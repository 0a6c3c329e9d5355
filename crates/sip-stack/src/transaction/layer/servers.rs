//! Requests of peers.

use std::time::Instant;

use bytes::Bytes;

use super::{Layer, ServerUser, TimerKey};
use crate::endpoint::{Origin, ServerTransactionId, Transmit, TransmitId};
use crate::flow::{self, Flow, Target};
use crate::message::{Headers, Method, Request, Response};
use crate::token::Tokens;
use crate::transaction::Action;
use crate::transaction::invite_server::{self, InviteServer};
use crate::transaction::key::{MergeKey, ServerKey};
use crate::transaction::server::{self, Server};
use crate::transaction::timers::Timer;

/// Either machine of the server side.
#[derive(Debug)]
enum Machine {
    Invite(InviteServer),
    Other(Server),
}

impl Machine {
    fn response(&mut self, status: u16) -> Vec<Action> {
        match self {
            Self::Invite(machine) => machine.handle(match status {
                ..200 => invite_server::Event::Provisional,
                200..300 => invite_server::Event::Success,
                300.. => invite_server::Event::Failure,
            }),
            Self::Other(machine) => machine.handle(match status {
                ..200 => server::Event::Provisional,
                200.. => server::Event::Final,
            }),
        }
    }

    fn request(&mut self) -> Vec<Action> {
        match self {
            Self::Invite(machine) => machine.handle(invite_server::Event::Request),
            Self::Other(machine) => machine.handle(server::Event::Request),
        }
    }

    fn ack(&mut self) -> Vec<Action> {
        match self {
            Self::Invite(machine) => machine.handle(invite_server::Event::Ack),
            Self::Other(_) => Vec::new(),
        }
    }

    fn timer(&mut self, timer: Timer) -> Vec<Action> {
        match self {
            Self::Invite(machine) => machine.handle(invite_server::Event::Timer(timer)),
            Self::Other(machine) => machine.handle(server::Event::Timer(timer)),
        }
    }

    fn transport_error(&mut self) -> Vec<Action> {
        match self {
            Self::Invite(machine) => machine.handle(invite_server::Event::TransportError),
            Self::Other(machine) => machine.handle(server::Event::TransportError),
        }
    }
}

/// A request of a peer and our answer to it.
#[derive(Debug)]
pub(super) struct ServerTransaction {
    machine: Machine,
    key: ServerKey,
    merge_key: Option<MergeKey>,
    user: ServerUser,
    /// Where responses go.
    flow: Flow,
    /// What is needed to answer it ([`KEPT`]); a stranger's megabytes are not stored for half a
    /// minute.
    request: Request,
    /// The tag we put into To of every response, so that all of them name one dialog.
    to_tag: String,
    last: Bytes,
    /// Whether `last` is a 100 that waits whether the owner has something better to say.
    trying: bool,
    /// How many bytes are counted for it in [`Layer::kept`].
    kept: usize,
}

/// The headers of a request that a response is made of, or that are asked for when it is made.
const KEPT: [&str; 14] = [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Record-Route",
    "RAck",
    "Require",
    "Supported",
    "Session-Expires",
    "Min-SE",
    "Allow",
    "Timestamp",
];

/// The most bytes of those headers. A request through ten proxies has two thousand.
const MAX_KEPT: usize = 16 * 1024;

/// What a transaction costs beside its messages, roughly.
const OVERHEAD: usize = 512;

/// The part of a request that is kept, and its size.
fn essence(request: &Request) -> (Request, usize) {
    let headers = request.headers.only(&KEPT);
    let size = headers.size();
    let (method, uri) = (request.method.clone(), request.uri.clone());
    (Request { method, uri, headers, body: Bytes::new() }, size)
}

impl ServerTransaction {
    fn transmit(&self, id: ServerTransactionId) -> Transmit {
        let (target, bytes) = (Target::Flow(self.flow), self.last.clone());
        Transmit { id: TransmitId(Origin::Server(id)), target, bytes }
    }
}

/// What a request that has arrived is to the transaction layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// A new one, for the transaction user.
    New(ServerTransactionId),
    /// A new one that came on another way already: answer 482 (RFC 3261 §8.2.2.2).
    Merged(ServerTransactionId),
    /// A retransmission, or the ACK for a failure; all is done.
    Absorbed,
    /// An ACK for the transaction user: for a 2xx, or for nothing we know.
    Ack,
    /// There is no room for another transaction.
    NoRoom,
    /// What would have to be kept of it is too much: answer 513.
    TooLarge,
}

impl Layer {
    /// A request arrived whose Via has been stamped.
    pub(crate) fn receive_request(
        &mut self,
        now: Instant,
        request: &Request,
        flow: &Flow,
        tokens: &mut Tokens,
    ) -> Received {
        let Some(key) = ServerKey::of_request(request) else { return Received::Absorbed };
        let known = self.server_keys.get(&key).copied();
        if let Some(id) = known {
            return self.receive_again(now, id, request.method == Method::Ack);
        }
        if request.method == Method::Ack {
            return Received::Ack;
        }
        let (kept_request, size) = essence(request);
        if size > MAX_KEPT {
            return Received::TooLarge;
        }
        if !self.has_room() || self.kept > self.max_kept {
            return Received::NoRoom;
        }
        let id = ServerTransactionId(self.new_id());
        let reliable = flow.transport.is_reliable();
        let (machine, actions) = if request.method == Method::Invite {
            (Machine::Invite(InviteServer::new(self.values, reliable)), Vec::new())
        } else {
            let (machine, actions) = Server::new(self.values, reliable);
            (Machine::Other(machine), actions)
        };
        let merge_key = MergeKey::of_request(request).filter(|_| request.method != Method::Cancel);
        let merged = merge_key.as_ref().is_some_and(|key| self.merge_keys.contains_key(key));
        let merge_key = merge_key.filter(|_| !merged);
        if let Some(key) = &merge_key {
            self.merge_keys.insert(key.clone(), id);
        }
        let to_tag = tokens.tag();
        let response_flow =
            request.headers.via_top().map_or(*flow, |via| flow::response_flow(&via, flow));
        self.server_keys.insert(key.clone(), id);
        let kept = size + OVERHEAD;
        self.kept += kept;
        let transaction = ServerTransaction {
            machine,
            key,
            merge_key,
            user: ServerUser::Owner,
            flow: response_flow,
            request: kept_request,
            to_tag,
            last: Bytes::new(),
            trying: false,
            kept,
        };
        self.servers.insert(id, transaction);
        self.run_server(now, id, actions);
        if merged { Received::Merged(id) } else { Received::New(id) }
    }

    fn receive_again(&mut self, now: Instant, id: ServerTransactionId, ack: bool) -> Received {
        let Some(transaction) = self.servers.get_mut(&id) else { return Received::Absorbed };
        let actions = if ack { transaction.machine.ack() } else { transaction.machine.request() };
        let deliver = actions.contains(&Action::Deliver);
        self.run_server(now, id, actions);
        if deliver { Received::Ack } else { Received::Absorbed }
    }

    /// The INVITE transaction a CANCEL means.
    pub(crate) fn cancelled(&self, cancel: &Request) -> Option<(ServerTransactionId, ServerUser)> {
        let id = *self.server_keys.get(&ServerKey::of_cancelled(cancel)?)?;
        Some((id, self.servers.get(&id)?.user))
    }

    /// Says whom a new transaction works for.
    pub(crate) fn assign_server(&mut self, id: ServerTransactionId, user: ServerUser) {
        if let Some(transaction) = self.servers.get_mut(&id) {
            transaction.user = user;
        }
    }

    /// What was kept of the request; of a request other than INVITE nothing once it is answered.
    pub(crate) fn server_request(&self, id: ServerTransactionId) -> Option<&Request> {
        self.servers.get(&id).map(|t| &t.request)
    }

    /// The To tag of our responses.
    pub(crate) fn server_to_tag(&self, id: ServerTransactionId) -> Option<&str> {
        self.servers.get(&id).map(|t| t.to_tag.as_str())
    }

    /// Makes the responses to a CANCEL and to its INVITE carry one To tag (RFC 3261 §9.2).
    pub(crate) fn share_to_tag(
        &mut self,
        invite: ServerTransactionId,
        cancel: ServerTransactionId,
    ) {
        let tag = self.server_to_tag(invite).map(str::to_owned);
        if let (Some(tag), Some(transaction)) = (tag, self.servers.get_mut(&cancel)) {
            transaction.to_tag = tag;
        }
    }

    /// Sends a response; `false` if the transaction is over or has had its final response.
    ///
    /// A 100 waits until the owner has heard of the request and has not answered it at once (see
    /// [`poll_trying`](Self::poll_trying)). A challenge ends the transaction: whoever has not shown
    /// that it is who it says gets one answer to one request, no retransmissions, and no memory of
    /// ours (RFC 3261 §26.3.2.4, §8.2.7).
    pub(crate) fn respond(
        &mut self,
        now: Instant,
        id: ServerTransactionId,
        response: &Response,
    ) -> bool {
        let Some(transaction) = self.servers.get_mut(&id) else { return false };
        let actions = transaction.machine.response(response.status);
        if actions.is_empty() {
            return false;
        }
        let bytes = response.to_bytes();
        self.kept = self.kept + bytes.len() - transaction.last.len();
        transaction.kept = transaction.kept + bytes.len() - transaction.last.len();
        transaction.last = bytes;
        transaction.trying = response.status == 100;
        if transaction.trying {
            self.trying.push_back(id);
            return true;
        }
        let answered = response.status >= 200;
        if answered && matches!(transaction.machine, Machine::Other(_)) {
            transaction.request.headers = Headers::new();
        }
        self.run_server(now, id, actions);
        if matches!(response.status, 401 | 407) {
            self.remove_server(id);
        }
        true
    }

    /// The next 100 whose transaction has had no other response. To be asked for when nothing else is
    /// left to send or to tell: who is answered at once needs no 100 (RFC 3261 §17.2.1), and a
    /// stateless answer must not have one before it (§8.2.7).
    pub(crate) fn poll_trying(&mut self) -> Option<Transmit> {
        while let Some(id) = self.trying.pop_front() {
            let Some(transaction) = self.servers.get_mut(&id) else { continue };
            if std::mem::take(&mut transaction.trying) {
                return Some(transaction.transmit(id));
            }
        }
        None
    }

    /// Sends the last response again: a 2xx to INVITE without ACK (RFC 3261 §13.3.1.4).
    pub(crate) fn resend_success(&mut self, now: Instant, id: ServerTransactionId) {
        let Some(transaction) = self.servers.get_mut(&id) else { return };
        let actions = transaction.machine.response(200);
        self.run_server(now, id, actions);
    }

    pub(super) fn server_timer(&mut self, now: Instant, id: ServerTransactionId, timer: Timer) {
        let Some(transaction) = self.servers.get_mut(&id) else { return };
        let actions = transaction.machine.timer(timer);
        self.run_server(now, id, actions);
    }

    /// The transport could not send a response.
    pub(crate) fn server_send_failed(&mut self, now: Instant, id: ServerTransactionId) {
        let Some(transaction) = self.servers.get_mut(&id) else { return };
        let actions = transaction.machine.transport_error();
        self.run_server(now, id, actions);
    }

    fn run_server(&mut self, now: Instant, id: ServerTransactionId, actions: Vec<Action>) {
        for action in actions {
            let Some(transaction) = self.servers.get(&id) else { return };
            match action {
                Action::Send if !transaction.last.is_empty() => {
                    self.transmits.push_back(transaction.transmit(id));
                }
                Action::Set(timer, after) => {
                    self.timers.set(TimerKey::Server(id, timer), now + after);
                }
                Action::Stop(timer) => self.timers.stop(TimerKey::Server(id, timer)),
                // Whether a response arrived shows in the ACK, the CANCEL or the next request;
                // the timers end the transaction in any case.
                Action::TimedOut | Action::TransportFailed => {
                    tracing::trace!(%id, "response undeliverable or never acknowledged");
                }
                Action::Terminate => self.remove_server(id),
                Action::Send | Action::SendAck | Action::Deliver => {}
            }
        }
    }

    fn remove_server(&mut self, id: ServerTransactionId) {
        let all = TimerKey::Server(id, Timer::A)..=TimerKey::Server(id, Timer::Abandon);
        self.timers.stop_range(all);
        if let Some(transaction) = self.servers.remove(&id) {
            self.server_keys.remove(&transaction.key);
            if let Some(key) = transaction.merge_key {
                self.merge_keys.remove(&key);
            }
            self.kept = self.kept.saturating_sub(transaction.kept);
        }
    }
}
