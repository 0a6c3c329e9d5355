//! All transactions of an endpoint: the machines with their messages, their timers and the keys by
//! which what arrives is matched.

mod clients;
mod failover;
mod servers;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::key::{ClientKey, MergeKey, ServerKey};
use super::timers::{Timer, TimerTable, TimerValues};
use crate::endpoint::{
    Alive, CallId, ClientTransactionId, EndpointConfig, Failure, ServerTransactionId, Transmit,
};
use crate::message::{Host, Response};
use crate::token::Tokens;

use clients::ClientTransaction;
use servers::ServerTransaction;

pub(crate) use servers::Received;

/// Whom a client transaction works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientUser {
    /// The endpoint's owner.
    Owner,
    /// The owner, inside the dialog of a call.
    InDialog(CallId),
    /// A session act of a call.
    Call(CallId, Act),
    /// Nobody: the outcome changes nothing (CANCEL, BYE of a superfluous fork).
    Nobody,
}

/// The session acts that send requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The INVITE that makes the call.
    Invite,
    /// A re-INVITE or UPDATE; `Change` of the call knows more.
    Change,
    /// The BYE.
    Bye,
    /// A PRACK: what becomes of it shows in the INVITE.
    Aside,
}

/// Whom a server transaction works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerUser {
    /// The endpoint's owner, or the endpoint itself.
    Owner,
    /// The INVITE or a re-INVITE of this call.
    Call(CallId),
}

/// What the transaction layer tells the endpoint.
#[derive(Debug)]
pub(crate) enum News {
    /// A response for the transaction user.
    Response { id: ClientTransactionId, user: ClientUser, response: Response },
    /// There will be no final response.
    Failed { id: ClientTransactionId, user: ClientUser, failure: Failure },
    /// A client transaction is forgotten; always the last news of it.
    ClientGone { id: ClientTransactionId, user: ClientUser },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TimerKey {
    Client(ClientTransactionId, Timer),
    Server(ServerTransactionId, Timer),
}

/// The layer.
#[derive(Debug)]
pub(crate) struct Layer {
    host: Host,
    port: u16,
    values: TimerValues,
    max_udp_request: usize,
    max_transactions: usize,
    next_id: u64,
    clients: BTreeMap<ClientTransactionId, ClientTransaction>,
    client_keys: BTreeMap<ClientKey, ClientTransactionId>,
    servers: BTreeMap<ServerTransactionId, ServerTransaction>,
    server_keys: BTreeMap<ServerKey, ServerTransactionId>,
    merge_keys: BTreeMap<MergeKey, ServerTransactionId>,
    /// Requests whose 100 has not been sent yet.
    trying: VecDeque<ServerTransactionId>,
    /// Bytes held for requests of peers, roughly, and how many they may be.
    kept: usize,
    max_kept: usize,
    timers: TimerTable<TimerKey>,
    transmits: VecDeque<Transmit>,
    news: VecDeque<News>,
}

impl Layer {
    pub(crate) fn new(config: &EndpointConfig) -> Self {
        Self {
            host: config.host.clone(),
            port: config.port,
            values: config.timers,
            max_udp_request: config.max_udp_request,
            max_transactions: config.max_transactions,
            next_id: 0,
            clients: BTreeMap::new(),
            client_keys: BTreeMap::new(),
            servers: BTreeMap::new(),
            server_keys: BTreeMap::new(),
            merge_keys: BTreeMap::new(),
            trying: VecDeque::new(),
            kept: 0,
            max_kept: config.max_transaction_bytes,
            timers: TimerTable::default(),
            transmits: VecDeque::new(),
            news: VecDeque::new(),
        }
    }

    /// Whether there is room for one more transaction.
    pub(crate) fn has_room(&self) -> bool {
        self.clients.len() + self.servers.len() < self.max_transactions
    }

    pub(crate) fn count(&self, alive: &mut Alive) {
        alive.client_transactions = self.clients.len();
        alive.unanswered = self.clients.values().filter(|client| client.is_unanswered()).count();
        alive.server_transactions = self.servers.len();
        alive.timers += self.timers.len();
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, tokens: &mut Tokens) {
        while let Some(key) = self.timers.pop_expired(now) {
            match key {
                TimerKey::Client(id, timer) => self.client_timer(now, id, timer, tokens),
                TimerKey::Server(id, timer) => self.server_timer(now, id, timer),
            }
        }
    }

    pub(crate) fn push_transmit(&mut self, transmit: Transmit) {
        self.transmits.push_back(transmit);
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub(crate) fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}
