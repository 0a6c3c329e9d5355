//! Before the call: where may our ports be reached (RFC 8445 §5.1)?

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::attribute::candidate::Candidate;
use softphone::media::ice::{CandidateKind, Relay, RelayConfig};
use softphone::media::line::Channel;

use super::cli::{IceArgs, IceMode};
use super::failure::Failure;
use super::sockets::{BoundPorts, MediaSockets};

/// So long the servers may take; then the call is made with what is there.
const PATIENCE: Duration = Duration::from_secs(1);
/// The sockets are looked at this often meanwhile.
const LOOK: Duration = Duration::from_millis(5);
/// RFC 8489 §18.6
const STUN_PORT: u16 = 3478;

/// What was found out.
pub struct Gathered {
    /// By line.
    pub candidates: Vec<Vec<Candidate>>,
    /// Clients that hold an address at a relay.
    pub relays: Relays,
    /// Lines of which the default is to be the relay, with its address.
    pub instead: BTreeMap<usize, SocketAddr>,
    /// Why there is less than asked for.
    pub notes: Vec<String>,
}

/// Which servers to ask, found by name.
///
/// # Errors
/// One of them has no address that can be reached from ours.
pub fn servers(args: &IceArgs, local: SocketAddr) -> Result<RelayConfig, Failure> {
    let stun = find(args.stun.as_deref(), local)?;
    let turn = find(args.turn.as_deref(), local)?;
    // a TURN server is a STUN server too (RFC 8656 §3)
    let stun = stun.or(turn).filter(|_| args.ice == IceMode::On);
    let user = args.turn_user.clone().unwrap_or_default();
    let password = args.turn_password.clone().unwrap_or_default();
    Ok(RelayConfig { stun, turn, user, password })
}

fn find(name: Option<&str>, local: SocketAddr) -> Result<Option<SocketAddr>, Failure> {
    let Some(name) = name else { return Ok(None) };
    let with_port = match name.parse() {
        Ok(ip) => SocketAddr::new(ip, STUN_PORT).to_string(),
        Err(_) if name.contains(':') => name.to_owned(),
        Err(_) => format!("{name}:{STUN_PORT}"),
    };
    let found = with_port.to_socket_addrs();
    let mut found = found.map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
    let usable = found.find(|server| server.is_ipv4() == local.is_ipv4());
    usable.map(Some).ok_or_else(|| {
        Failure::Usage(format!("{name}: has no address of the family of {}", local.ip()))
    })
}

/// Asks on all ports at the same time.
pub async fn gather(
    ports: &BoundPorts,
    mode: IceMode,
    servers: &RelayConfig,
) -> io::Result<Gathered> {
    let mut clients = BTreeMap::new();
    for (line, channel, local) in ports.all()? {
        let config = match channel {
            Channel::Rtp => servers.clone(),
            Channel::Rtcp => RelayConfig { turn: None, ..servers.clone() },
        };
        if let Some(client) = Relay::new(Instant::now(), local, config) {
            clients.insert((line, channel == Channel::Rtcp), client);
        }
    }
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until && clients.values().any(|client| !client.is_ready()) {
        for ((line, rtcp), client) in &mut clients {
            let channel = if *rtcp { Channel::Rtcp } else { Channel::Rtp };
            client.handle_timeout(Instant::now());
            while let Some((to, bytes)) = client.poll_transmit() {
                // what cannot be sent is sent again
                let _lost = ports.try_send(*line, channel, &bytes, to);
            }
            while let Some((from, bytes)) = ports.try_receive(*line, channel) {
                if client.is_server(from) {
                    client.handle_datagram(Instant::now(), from, &bytes);
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    collect(ports, mode, servers, clients)
}

fn collect(
    ports: &BoundPorts,
    mode: IceMode,
    servers: &RelayConfig,
    clients: BTreeMap<(usize, bool), Relay>,
) -> io::Result<Gathered> {
    let mut candidates: Vec<Vec<Candidate>> = Vec::new();
    let mut notes = Vec::new();
    let mut instead = BTreeMap::new();
    for (line, channel, local) in ports.all()? {
        if candidates.len() <= line {
            candidates.push(Vec::new());
        }
        let Some(own) = candidates.get_mut(line) else { continue };
        let rtcp = channel == Channel::Rtcp;
        let component = if rtcp { 2 } else { 1 };
        let client = clients.get(&(line, rtcp));
        if mode == IceMode::On {
            own.push(Candidate::host(local, component, u16::MAX));
            let outside = client.and_then(Relay::reflexive).filter(|outside| *outside != local);
            own.extend(
                outside.map(|at| other(at, local, component, CandidateKind::ServerReflexive)),
            );
        }
        if let Some(at) = client.and_then(Relay::relayed) {
            own.push(other(at, local, component, CandidateKind::Relayed));
            if mode == IceMode::Relay {
                instead.insert(line, at);
            }
        }
        let Some(client) = client else { continue };
        let missing = |what: &str| {
            let why = client.failed().unwrap_or("no answer");
            format!("{what} gives no address: {why}")
        };
        if servers.turn.is_some() && !rtcp && client.relayed().is_none() {
            notes.push(missing("the TURN server"));
        } else if servers.stun.is_some() && client.reflexive().is_none() {
            notes.push(missing("the STUN server"));
        }
    }
    notes.dedup();
    let relays = clients.into_iter().filter(|(_, client)| client.relayed().is_some());
    let relays = Relays(relays.map(|((line, _), client)| (line, client)).collect());
    Ok(Gathered { candidates, relays, instead, notes })
}

fn other(at: SocketAddr, base: SocketAddr, component: u16, kind: CandidateKind) -> Candidate {
    let host = Candidate::host(at, component, kind.local_preference(at));
    Candidate {
        foundation: if kind == CandidateKind::Relayed { "3" } else { "2" }.to_owned(),
        priority: (kind.preference() << 24) | (host.priority & 0x00ff_ffff),
        kind: kind.to_string(),
        extensions: format!("raddr {} rport {}", base.ip(), base.port()),
        ..host
    }
}

/// Clients of a relay, kept up until there is media to be relayed.
#[derive(Default)]
pub struct Relays(Vec<(usize, Relay)>);

impl Relays {
    /// A datagram came in before there is media.
    pub fn handle(&mut self, now: Instant, line: usize, from: SocketAddr, bytes: &Bytes) {
        for (_, relay) in self.0.iter_mut().filter(|(own, _)| *own == line) {
            if relay.is_server(from) {
                relay.handle_datagram(now, from, bytes);
                // nobody to hear it yet
                while relay.poll_received().is_some() {}
            }
        }
    }

    /// Does what is due.
    pub fn keep(&mut self, now: Instant, sockets: &MediaSockets) {
        for (line, relay) in &mut self.0 {
            relay.handle_timeout(now);
            while let Some((to, bytes)) = relay.poll_transmit() {
                sockets.send_from(*line, Channel::Rtp, to, &bytes);
            }
        }
    }

    /// When [`keep`](Self::keep) wants to be called.
    pub fn deadline(&mut self) -> Option<Instant> {
        self.0.iter_mut().filter_map(|(_, relay)| relay.poll_timeout()).min()
    }

    /// Hands them over, by line.
    pub fn take(&mut self) -> Vec<(usize, Relay)> {
        std::mem::take(&mut self.0)
    }
}
