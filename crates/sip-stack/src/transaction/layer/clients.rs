//! Requests of ours.

use std::time::Instant;

use bytes::Bytes;

use super::failover::{Alternatives, When};
use super::{ClientUser, Layer, News, TimerKey};
use crate::endpoint::{ClientTransactionId, Failure, Origin, Transmit, TransmitId};
use crate::flow::{Hop, Target, Transport};
use crate::message::{Host, Method, Request, Response, Via, build};
use crate::token::Tokens;
use crate::transaction::Action;
use crate::transaction::client::{self, Client};
use crate::transaction::invite_client::{self, InviteClient};
use crate::transaction::key::ClientKey;
use crate::transaction::timers::{Timer, TimerValues};

/// Either machine of the client side.
#[derive(Debug)]
enum Machine {
    Invite(InviteClient),
    Other(Client),
}

impl Machine {
    fn new(method: &Method, values: TimerValues, reliable: bool) -> (Self, Vec<Action>) {
        if *method == Method::Invite {
            let (machine, actions) = InviteClient::new(values, reliable);
            (Self::Invite(machine), actions)
        } else {
            let (machine, actions) = Client::new(values, reliable);
            (Self::Other(machine), actions)
        }
    }

    fn response(&mut self, status: u16) -> Vec<Action> {
        match self {
            Self::Invite(machine) => machine.handle(match status {
                ..200 => invite_client::Event::Provisional,
                200..300 => invite_client::Event::Success,
                300.. => invite_client::Event::Failure,
            }),
            Self::Other(machine) => machine.handle(match status {
                ..200 => client::Event::Provisional,
                200.. => client::Event::Final,
            }),
        }
    }

    fn timer(&mut self, timer: Timer) -> Vec<Action> {
        match self {
            Self::Invite(machine) => machine.handle(invite_client::Event::Timer(timer)),
            Self::Other(machine) => machine.handle(client::Event::Timer(timer)),
        }
    }

    fn transport_error(&mut self) -> Vec<Action> {
        match self {
            Self::Invite(machine) => machine.handle(invite_client::Event::TransportError),
            Self::Other(machine) => machine.handle(client::Event::TransportError),
        }
    }

    /// Whether no response of any kind has come.
    fn is_unanswered(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.state() == invite_client::State::Calling,
            Self::Other(machine) => machine.state() == client::State::Trying,
        }
    }

    /// Whether a final response may still come.
    fn is_pending(&self) -> bool {
        use invite_client::State as I;
        match self {
            Self::Invite(machine) => matches!(machine.state(), I::Calling | I::Proceeding),
            Self::Other(machine) => {
                matches!(machine.state(), client::State::Trying | client::State::Proceeding)
            }
        }
    }
}

/// A request of ours and what became of it.
#[derive(Debug)]
pub(super) struct ClientTransaction {
    machine: Machine,
    pub(super) key: ClientKey,
    pub(super) user: ClientUser,
    pub(super) target: Target,
    /// With our Via on top; the ACK and the CANCEL are made of it.
    pub(super) request: Request,
    bytes: Bytes,
    pub(super) alternatives: Alternatives,
    /// Unique among all tries of all transactions.
    pub(super) attempt: u64,
}

impl ClientTransaction {
    /// Whether nothing came back, so that the request may as well go elsewhere.
    pub(super) fn has_no_response(&self) -> bool {
        self.machine.is_unanswered()
    }

    /// Whether a final response may still come.
    pub(super) fn is_pending(&self) -> bool {
        self.machine.is_pending()
    }

    pub(super) fn response(&mut self, status: u16) -> Vec<Action> {
        self.machine.response(status)
    }

    pub(super) fn transport_error(&mut self) -> Vec<Action> {
        self.machine.transport_error()
    }

    /// Whether no final response has come yet.
    pub(super) fn is_unanswered(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => {
                matches!(
                    machine.state(),
                    invite_client::State::Calling | invite_client::State::Proceeding
                )
            }
            Machine::Other(machine) => {
                matches!(machine.state(), client::State::Trying | client::State::Proceeding)
            }
        }
    }
}

impl Layer {
    /// Sends a request (not ACK) that has no Via yet to `target`, or to `fallback` if that cannot be
    /// reached.
    pub(crate) fn start_client(
        &mut self,
        now: Instant,
        request: Request,
        target: Target,
        fallback: Option<Target>,
        user: ClientUser,
        tokens: &mut Tokens,
    ) -> ClientTransactionId {
        let id = ClientTransactionId(self.new_id());
        let branch = tokens.branch();
        self.launch(now, id, request, target, fallback.into_iter().collect(), user, &branch);
        id
    }

    /// Sends a better version of a request that got its final response, under the same id, so that
    /// its owner sees one transaction only. Not for INVITE, whose failure may have to be
    /// acknowledged again.
    pub(crate) fn restart_client(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        request: Request,
        tokens: &mut Tokens,
    ) {
        let Some(old) = self.clients.remove(&id) else { return };
        self.stop_client_timers(id);
        self.client_keys.remove(&old.key);
        let branch = tokens.branch();
        self.launch(now, id, request, old.target, old.alternatives, old.user, &branch);
    }

    /// Cancels an INVITE that has had a provisional response (RFC 3261 §9.1). `false` if it is over
    /// or nothing has come yet.
    pub(crate) fn cancel_client(
        &mut self,
        now: Instant,
        invite: ClientTransactionId,
        reason: Option<&str>,
    ) -> bool {
        let Some(transaction) = self.clients.get(&invite) else { return false };
        if transaction.machine.is_unanswered() || !transaction.machine.is_pending() {
            return false;
        }
        let mut cancel = build::cancel(&transaction.request);
        if let Some(reason) = reason {
            cancel.headers.push("Reason", reason);
        }
        let target = transaction.target.clone();
        let id = ClientTransactionId(self.new_id());
        self.install(now, id, cancel, target, ClientUser::Nobody, Alternatives::default());
        true
    }

    /// Forgets a client transaction that will never end by itself: a cancelled INVITE without final
    /// response (RFC 3261 §9.1). The user gets [`News::ClientGone`].
    pub(crate) fn abandon_client(&mut self, id: ClientTransactionId) {
        self.remove_client(id);
    }

    /// The bytes of an ACK for a 2xx, which is no transaction (RFC 3261 §13.2.2.4).
    pub(crate) fn ack_bytes(
        &self,
        mut ack: Request,
        target: Target,
        tokens: &mut Tokens,
    ) -> (Target, Bytes) {
        let branch = tokens.branch();
        let (target, _) = self.stamp(&mut ack, target, &branch);
        let bytes = ack.to_bytes();
        (target, bytes)
    }

    /// The request as it went out.
    pub(crate) fn client_request(&self, id: ClientTransactionId) -> Option<&Request> {
        self.clients.get(&id).map(|t| &t.request)
    }

    /// A response arrived; tells whom it is for. One that matches nothing is dropped (RFC 6026
    /// §7.3).
    pub(crate) fn receive_response(
        &mut self,
        now: Instant,
        response: Response,
        tokens: &mut Tokens,
    ) -> Option<ClientUser> {
        // More than one Via: the response has lost its way (RFC 3261 §8.1.3.3).
        let ours = response.headers.get_all("Via").nth(1).is_none();
        let key = ClientKey::of_response(&response).filter(|_| ours);
        let Some(id) = key.and_then(|key| self.client_keys.get(&key).copied()) else {
            tracing::trace!(status = response.status, "stray response dropped");
            return None;
        };
        let user = self.clients.get(&id)?.user;
        let response = self.fail_over_503(now, id, response, tokens)?;
        let actions = self.clients.get_mut(&id)?.machine.response(response.status);
        self.run_client(now, id, actions, Some(response));
        Some(user)
    }

    pub(super) fn client_timer(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        timer: Timer,
        tokens: &mut Tokens,
    ) {
        if timer == Timer::Abandon {
            self.remove_client(id);
            return;
        }
        let is_limit = matches!(timer, Timer::B | Timer::F);
        if is_limit && self.fail_over(now, id, When::Unavailable, tokens) {
            return;
        }
        let Some(transaction) = self.clients.get_mut(&id) else { return };
        let actions = transaction.machine.timer(timer);
        self.run_client(now, id, actions, None);
    }

    /// Gives an INVITE that has had a provisional response 64·T1 for its final one, for nothing else
    /// limits it (RFC 3261 §17.1.1.2). Then it is forgotten as by
    /// [`abandon_client`](Self::abandon_client).
    pub(crate) fn limit_client(&mut self, now: Instant, id: ClientTransactionId) {
        if self.clients.get(&id).is_some_and(|transaction| transaction.machine.is_pending()) {
            let limit = now + self.values.transaction_timeout();
            self.timers.set(TimerKey::Client(id, Timer::Abandon), limit);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all of a transaction; called from two places")]
    pub(super) fn launch(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        mut request: Request,
        target: Target,
        mut alternatives: Alternatives,
        user: ClientUser,
        branch: &str,
    ) {
        let (target, by_udp) = self.stamp(&mut request, target, branch);
        if let Some(by_udp) = by_udp {
            alternatives.push_front(by_udp, When::Unreachable);
        }
        self.install(now, id, request, target, user, alternatives);
    }

    /// Puts our Via on top and settles the transport that it names. If that is TCP for the length
    /// of the request only, the same target by UDP is returned too (RFC 3261 §18.1.1).
    fn stamp(
        &self,
        request: &mut Request,
        target: Target,
        branch: &str,
    ) -> (Target, Option<Target>) {
        let prescribed = transport_of(&target);
        let first = prescribed.unwrap_or(Transport::Udp);
        // On a path we know, the peer is told the address it knows us by.
        let (host, port) = match &target {
            Target::Flow(flow) if !flow.local.ip().is_unspecified() => {
                let is_udp = flow.transport == Transport::Udp;
                (Host::Ip(flow.local.ip()), if is_udp { flow.local.port() } else { self.port })
            }
            _ => (self.host.clone(), self.port),
        };
        let via = Via::new(first.as_str(), host, Some(port), branch);
        request.headers.prepend("Via", &via);
        if prescribed.is_some() || is_unresolved(&target) {
            return (target, None);
        }
        let by = |transport| match &target {
            Target::Hop(hop) => Target::Hop(Hop { transport: Some(transport), ..hop.clone() }),
            Target::Flow(flow) => Target::Flow(*flow),
        };
        if request.to_bytes().len() <= self.max_udp_request {
            return (by(Transport::Udp), None);
        }
        let via = Via { transport: Transport::Tcp.as_str().to_owned(), ..via };
        request.headers.set_via_top(&via);
        (by(Transport::Tcp), Some(by(Transport::Udp)))
    }

    /// Starts the machine of a request that has its Via.
    fn install(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        request: Request,
        target: Target,
        user: ClientUser,
        alternatives: Alternatives,
    ) {
        // Until a name is resolved there is nobody to send again to; the time to wait runs.
        let reliable =
            is_unresolved(&target) || transport_of(&target).is_some_and(Transport::is_reliable);
        let (machine, actions) = Machine::new(&request.method, self.values, reliable);
        let via = request.headers.via_top().ok();
        let branch = via.as_ref().and_then(Via::branch).unwrap_or_default();
        let key = ClientKey::new(branch, &request.method);
        let bytes = request.to_bytes();
        self.client_keys.insert(key.clone(), id);
        let attempt = self.new_id();
        let transaction =
            ClientTransaction { machine, key, user, target, request, bytes, alternatives, attempt };
        self.clients.insert(id, transaction);
        self.run_client(now, id, actions, None);
    }

    pub(super) fn run_client(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        actions: Vec<Action>,
        mut response: Option<Response>,
    ) {
        for action in actions {
            let Some(transaction) = self.clients.get(&id) else { return };
            let user = transaction.user;
            let transmit_id = TransmitId(Origin::Client(id, transaction.attempt));
            let target = || transaction.target.clone();
            match action {
                Action::Send => {
                    let bytes = transaction.bytes.clone();
                    self.transmits.push_back(Transmit { id: transmit_id, target: target(), bytes });
                }
                Action::SendAck => {
                    let Some(response) = &response else { continue };
                    let ack = build::ack_for_failure(&transaction.request, response);
                    let bytes = ack.to_bytes();
                    self.transmits.push_back(Transmit { id: transmit_id, target: target(), bytes });
                }
                Action::Deliver => {
                    let Some(response) = response.take() else { continue };
                    self.news.push_back(News::Response { id, user, response });
                }
                Action::Set(timer, after) => {
                    self.timers.set(TimerKey::Client(id, timer), now + after);
                }
                Action::Stop(timer) => self.timers.stop(TimerKey::Client(id, timer)),
                Action::TimedOut => {
                    let failure = Failure::TimedOut;
                    self.news.push_back(News::Failed { id, user, failure });
                }
                Action::TransportFailed => {
                    let failure = Failure::Transport;
                    self.news.push_back(News::Failed { id, user, failure });
                }
                Action::Terminate => self.remove_client(id),
            }
        }
    }

    fn remove_client(&mut self, id: ClientTransactionId) {
        self.stop_client_timers(id);
        if let Some(transaction) = self.clients.remove(&id) {
            self.client_keys.remove(&transaction.key);
            self.news.push_back(News::ClientGone { id, user: transaction.user });
        }
    }

    pub(super) fn stop_client_timers(&mut self, id: ClientTransactionId) {
        let all = TimerKey::Client(id, Timer::A)..=TimerKey::Client(id, Timer::Abandon);
        self.timers.stop_range(all);
    }
}

/// Whether its name must be resolved before anything can be sent (RFC 3263).
fn is_unresolved(target: &Target) -> bool {
    matches!(target, Target::Hop(hop) if hop.host.ip().is_none())
}

/// The transport a target prescribes, if it does.
fn transport_of(target: &Target) -> Option<Transport> {
    match target {
        Target::Flow(flow) => Some(flow.transport),
        Target::Hop(hop) => hop.transport,
    }
}
