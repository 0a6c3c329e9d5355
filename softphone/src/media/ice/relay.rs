//! Our client of a STUN or TURN server, on one port (RFC 8489, RFC 8656).

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc_shared::{TransportContext, TransportMessage, TransportProtocol};
use rtc_turn::client::{Client, ClientConfig, Event};
use sansio::Protocol as _;

/// An allocation is refreshed, and the NAT before it kept open, at least this often.
const REFRESH: Duration = Duration::from_secs(60);
/// Peers the relay is asked to let through: as many as the peer may have candidates, for a few sessions.
const MAX_PEERS: usize = 128;
/// A relay that refuses is not asked for ever.
const MAX_REPEATED: u32 = 16;
/// Datagrams that wait to be taken.
const MAX_WAITING: usize = 512;

/// Which servers to ask.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RelayConfig {
    /// A STUN server, asked how we look from outside.
    pub stun: Option<SocketAddr>,
    /// A TURN server, asked for an address of its own.
    pub turn: Option<SocketAddr>,
    /// Account at the TURN server.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayConfig")
            .field("stun", &self.stun)
            .field("turn", &self.turn)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// See the module's description.
pub struct Relay {
    client: Client,
    config: RelayConfig,
    local: SocketAddr,
    reflexive: Option<SocketAddr>,
    relayed: Option<SocketAddr>,
    failed: Option<String>,
    /// Answers still to come.
    open: usize,
    peers: Vec<SocketAddr>,
    /// How often the relay was asked once more to let peers through.
    repeated: u32,
    received: VecDeque<(SocketAddr, Bytes)>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("config", &self.config)
            .field("reflexive", &self.reflexive)
            .field("relayed", &self.relayed)
            .finish_non_exhaustive()
    }
}

impl Relay {
    /// Begins to ask, from the port `local`. None when there is nobody to ask, or nothing to ask with.
    #[must_use]
    pub fn new(now: Instant, local: SocketAddr, config: RelayConfig) -> Option<Self> {
        let text = |server: Option<SocketAddr>| server.map(|at| at.to_string()).unwrap_or_default();
        let client = ClientConfig {
            stun_serv_addr: text(config.stun),
            turn_serv_addr: text(config.turn),
            local_addr: local,
            transport_protocol: TransportProtocol::UDP,
            username: config.user.clone(),
            password: config.password.clone(),
            allocation_refresh_interval_cap: Some(REFRESH),
            ..ClientConfig::default()
        };
        let provider = rtc_crypto::default_provider().ok()?;
        let mut client = Client::new(client, provider).ok()?;
        let mut open = 0;
        if config.stun.is_some() {
            open += usize::from(client.send_binding_request(now).is_ok());
        }
        if config.turn.is_some() {
            open += usize::from(client.allocate(now).is_ok());
        }
        (open > 0).then(|| Self {
            client,
            config,
            local,
            reflexive: None,
            relayed: None,
            failed: None,
            open,
            peers: Vec::new(),
            repeated: 0,
            received: VecDeque::new(),
        })
    }

    /// Whether this is one of the servers.
    #[must_use]
    pub fn is_server(&self, from: SocketAddr) -> bool {
        self.config.stun == Some(from) || self.config.turn == Some(from)
    }

    /// Whether all questions are answered, or nobody will.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.open == 0
    }

    /// How we look from outside.
    #[must_use]
    pub fn reflexive(&self) -> Option<SocketAddr> {
        self.reflexive
    }

    /// Our address at the relay.
    #[must_use]
    pub fn relayed(&self) -> Option<SocketAddr> {
        self.relayed
    }

    /// Why there is less than was asked for.
    #[must_use]
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// A datagram came in from a server.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &Bytes) {
        let transport = TransportContext {
            local_addr: self.local,
            peer_addr: from,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        let message = BytesMut::from(&bytes[..]);
        if let Err(error) = self.client.handle_read(TransportMessage { now, transport, message }) {
            tracing::debug!(%error, %from, "a message of the relay was not understood");
        }
        self.take_events(now);
    }

    fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::BindingResponse(_, address) => {
                    self.reflexive = Some(address);
                    self.open = self.open.saturating_sub(1);
                }
                Event::AllocateResponse(_, address) => {
                    self.relayed = Some(address);
                    self.open = self.open.saturating_sub(1);
                    for peer in std::mem::take(&mut self.peers) {
                        self.permit(now, peer);
                    }
                }
                Event::BindingError(_, error) | Event::AllocateError(_, error) => {
                    self.failed = Some(error.to_string());
                    self.open = self.open.saturating_sub(1);
                }
                Event::TransactionTimeout(_) if self.relayed.is_none() => {
                    self.failed = Some("no answer".to_owned());
                    self.open = self.open.saturating_sub(1);
                }
                // The nonce was too old: it has a new one now (RFC 8656 §5).
                Event::CreatePermissionError(..) if self.repeated < MAX_REPEATED => {
                    self.repeated += 1;
                    for peer in std::mem::take(&mut self.peers) {
                        self.permit(now, peer);
                    }
                }
                Event::DataIndicationOrChannelData(_, from, data)
                    if self.received.len() < MAX_WAITING =>
                {
                    self.received.push_back((from, data.freeze()));
                }
                _ => {}
            }
        }
    }

    /// The relay is to let this peer through (RFC 8656 §9).
    pub fn permit(&mut self, now: Instant, peer: SocketAddr) {
        if self.peers.contains(&peer) || self.peers.len() >= MAX_PEERS {
            return;
        }
        self.peers.push(peer);
        let Some(relayed) = self.relayed else { return };
        let asked = self.client.relay(relayed);
        let asked = asked.and_then(|mut relay| relay.create_permission(now, peer));
        if let Err(error) = asked {
            tracing::debug!(%error, %peer, "the relay cannot be asked");
        }
    }

    /// Sends something to a peer. Before the relay has said that it lets the peer through it is lost, as datagrams may
    /// be.
    pub fn send(&mut self, now: Instant, to: SocketAddr, bytes: &[u8]) {
        self.permit(now, to);
        let Some(relayed) = self.relayed else { return };
        let sent = self.client.relay(relayed).and_then(|mut relay| relay.send_to(now, bytes, to));
        if let Err(error) = sent {
            tracing::trace!(%error, %to, "not relayed");
        }
    }

    /// Gives the address back.
    pub fn close(&mut self, now: Instant) {
        let Some(relayed) = self.relayed.take() else { return };
        if let Ok(mut relay) = self.client.relay(relayed) {
            let _gone = relay.close(now);
        }
    }

    /// What a peer has sent by way of the relay.
    pub fn poll_received(&mut self) -> Option<(SocketAddr, Bytes)> {
        self.received.pop_front()
    }

    /// What is to be sent to a server.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, Bytes)> {
        let message = self.client.poll_write()?;
        Some((message.transport.peer_addr, message.message.freeze()))
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.client.handle_timeout(now).is_err() {
            tracing::debug!("the client of the relay failed");
        }
        self.take_events(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.client.poll_timeout()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests;
