//! The server as one value: what comes in is told apart and counted here; requests are answered in `requests`.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ring::hmac;
use rtc_stun::attributes::{ATTR_DATA, ATTR_XORMAPPED_ADDRESS};
use rtc_stun::message::*;

use super::allocation::Allocation;
use super::message::{Received, Writer, channel_data, data_indication, in_channel};
use super::rate::SourceRate;
use super::settings::Settings;
use crate::Family;

/// How often what has ended is looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// A relay socket, from [`Output::Open`] to [`Output::Close`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelayId(pub u64);

/// Who asks: the five-tuple of RFC 8656 §3 (the protocol is always UDP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// Which of the server's addresses it sends to.
    pub listener: usize,
    /// Its address as we see it.
    pub address: SocketAddr,
}

/// Which socket a datagram is sent from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The address clients send to.
    Listener(usize),
    /// A relayed address.
    Relay(RelayId),
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram.
    Send {
        /// From this socket.
        via: Via,
        /// To this address.
        to: SocketAddr,
        /// With this in it.
        bytes: Bytes,
    },
    /// Open a relay socket and tell [`Server::relay_opened`] its port.
    Open {
        /// What it will be called.
        relay: RelayId,
        /// The family of its address.
        family: Family,
        /// Whether its port must be even (RFC 8656 §7.2).
        even: bool,
    },
    /// Close it.
    Close(RelayId),
}

/// Counters since the start, and how many allocations there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Allocations now.
    pub allocations: u64,
    /// Allocations made.
    pub allocated: u64,
    /// Binding requests answered.
    pub bindings: u64,
    /// Datagrams relayed, both ways.
    pub relayed_packets: u64,
    /// Their octets, without what TURN adds.
    pub relayed_octets: u64,
    /// Peers refused, and datagrams to or from such.
    pub refused_peers: u64,
    /// Requests with credentials that are wrong or have ended.
    pub refused_credentials: u64,
    /// Allocations, permissions and channels refused because there were enough.
    pub refused_quota: u64,
    /// Datagrams dropped: too many requests of one source, or more than an allocation may relay.
    pub dropped_rate: u64,
    /// Datagrams that mean nothing, or that nothing is known for.
    pub dropped_invalid: u64,
}

/// An allocation whose socket is being opened.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) request: Received,
    pub(super) client: Client,
    pub(super) username: String,
    pub(super) key: [u8; 16],
    pub(super) family: Family,
}

/// A STUN and TURN server.
#[derive(Debug)]
pub struct Server {
    pub(super) settings: Settings,
    /// Signs nonces.
    pub(super) nonces: hmac::Key,
    rate: SourceRate,
    pub(super) allocations: BTreeMap<RelayId, Allocation>,
    pub(super) clients: BTreeMap<Client, RelayId>,
    pub(super) opening: BTreeMap<RelayId, Opening>,
    pub(super) next: RelayId,
    outputs: VecDeque<Output>,
    pub(super) stats: Stats,
    sweep: Option<Instant>,
}

impl Server {
    /// A server without allocations. `seed` must be random and secret: nonces are made of it.
    pub fn new(now: Instant, settings: Settings, seed: [u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = seed;
        Self {
            rate: SourceRate::new(now, settings.rate, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
            nonces: hmac::Key::new(hmac::HMAC_SHA256, &seed),
            settings,
            allocations: BTreeMap::new(),
            clients: BTreeMap::new(),
            opening: BTreeMap::new(),
            next: RelayId(0),
            outputs: VecDeque::new(),
            stats: Stats::default(),
            sweep: None,
        }
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        Stats { allocations: self.allocations.len() as u64, ..self.stats }
    }

    /// The next thing to do; ask until `None` after each call of another method.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sweep
    }

    /// Ends allocations whose lifetime is over. Always safe, also early.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.sweep.is_none_or(|due| due > now) {
            return;
        }
        let ended: Vec<RelayId> = self
            .allocations
            .iter()
            .filter(|(_, allocation)| allocation.expires <= now)
            .map(|(relay, _)| *relay)
            .collect();
        for relay in ended {
            self.end(relay);
        }
        self.sweep = (!self.allocations.is_empty()).then(|| now + SWEEP);
    }

    /// A datagram that a client (or a stranger) sent to one of our addresses. `wall` is the Unix time.
    pub fn handle_client(&mut self, now: Instant, wall: u64, client: Client, bytes: &[u8]) {
        // 0x40 to 0x4f is ChannelData (RFC 7983 §7, RFC 8656 §12)
        if bytes.first().is_some_and(|first| *first & 0xc0 == 0x40) {
            return self.handle_channel_data(now, client, bytes);
        }
        let Some(message) = Received::parse(bytes) else {
            self.stats.dropped_invalid += 1;
            return;
        };
        match message.kind().class {
            CLASS_INDICATION if message.kind().method == METHOD_SEND => {
                self.handle_send(now, client, &message);
            }
            CLASS_REQUEST => {
                if !self.rate.admit(now, client.address.ip()) {
                    self.stats.dropped_rate += 1;
                } else if message.kind() == BINDING_REQUEST && message.unknown().is_empty() {
                    self.stats.bindings += 1;
                    let mut answer = Writer::success(&message);
                    answer.address(ATTR_XORMAPPED_ADDRESS, client.address);
                    self.answer(client, answer.plain());
                } else {
                    self.handle_request(now, wall, client, message);
                }
            }
            _ => self.stats.dropped_invalid += 1,
        }
    }

    /// A datagram that came to a relayed address (RFC 8656 §11.5).
    pub fn handle_peer(&mut self, now: Instant, relay: RelayId, from: SocketAddr, bytes: &[u8]) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let Some(allocation) = self.allocations.get_mut(&relay) else { return };
        if !self.settings.peers.may_reach(from) || !allocation.permits(now, from) {
            self.stats.refused_peers += 1;
            return;
        }
        if !allocation.afford(now, bytes.len()) {
            self.stats.dropped_rate += 1;
            return;
        }
        let client = allocation.client;
        let wrapped = match allocation.channel_of(now, from) {
            Some(number) => in_channel(number, bytes),
            None => Some(data_indication(self.stats.relayed_packets, from, bytes)),
        };
        self.count(bytes.len());
        if let Some(wrapped) = wrapped {
            self.answer(client, wrapped);
        }
    }

    /// ChannelData of a client (RFC 8656 §12.6).
    fn handle_channel_data(&mut self, now: Instant, client: Client, bytes: &[u8]) {
        let found = channel_data(bytes).and_then(|(number, data)| {
            let relay = *self.clients.get(&client)?;
            let peer = self.allocations.get(&relay)?.peer_of(now, number)?;
            Some((relay, peer, data))
        });
        match found {
            Some((relay, peer, data)) => self.relay(now, relay, peer, data),
            None => self.stats.dropped_invalid += 1,
        }
    }

    /// A Send indication (RFC 8656 §11.2); whatever is wrong with it, it is silently discarded.
    fn handle_send(&mut self, now: Instant, client: Client, message: &Received) {
        let relay = self.clients.get(&client).copied();
        let peer = message.peers().and_then(|peers| peers.first().copied());
        match (relay, peer, message.get(ATTR_DATA)) {
            (Some(relay), Some(peer), Some(data)) if message.unknown().is_empty() => {
                self.relay(now, relay, peer, data);
            }
            _ => self.stats.dropped_invalid += 1,
        }
    }

    fn relay(&mut self, now: Instant, relay: RelayId, peer: SocketAddr, data: &[u8]) {
        let Some(allocation) = self.allocations.get_mut(&relay) else { return };
        if !self.settings.peers.may_reach(peer) || !allocation.permits(now, peer) {
            self.stats.refused_peers += 1;
        } else if allocation.expires <= now || !allocation.afford(now, data.len()) {
            self.stats.dropped_rate += 1;
        } else {
            self.count(data.len());
            let bytes = Bytes::copy_from_slice(data);
            self.outputs.push_back(Output::Send { via: Via::Relay(relay), to: peer, bytes });
        }
    }

    fn count(&mut self, octets: usize) {
        self.stats.relayed_packets += 1;
        self.stats.relayed_octets += octets as u64;
    }

    pub(super) fn answer(&mut self, client: Client, bytes: Bytes) {
        let (via, to) = (Via::Listener(client.listener), client.address);
        self.outputs.push_back(Output::Send { via, to, bytes });
    }

    pub(super) fn wish(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn keep(&mut self, now: Instant, relay: RelayId, allocation: Allocation) {
        self.clients.insert(allocation.client, relay);
        self.allocations.insert(relay, allocation);
        self.stats.allocated += 1;
        self.sweep.get_or_insert(now + SWEEP);
    }

    pub(super) fn end(&mut self, relay: RelayId) {
        if let Some(allocation) = self.allocations.remove(&relay) {
            self.clients.remove(&allocation.client);
            self.outputs.push_back(Output::Close(relay));
        }
    }
}
