//! Where a message came from, and where an answer or a request goes.

use crate::message::{Host, Request, Uri, Via};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A transport protocol under SIP (RFC 3261 §18). TLS and WebSocket come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams; the transaction layer retransmits.
    Udp,
    /// A connection; nothing is retransmitted.
    Tcp,
}

impl Transport {
    /// Whether the transport itself delivers (no retransmission by transactions, RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        self == Transport::Tcp
    }

    /// The name as in `Via: SIP/2.0/UDP`.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }

    /// The transport called `name` in a Via or in a `transport` parameter, in any case.
    pub fn from_name(name: &str) -> Option<Transport> {
        [Transport::Udp, Transport::Tcp].into_iter().find(|t| t.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One connection of this process; never used again after it closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A path on which messages arrive and can be sent back (RFC 5626 §1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The protocol.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The connection; `None` for datagrams.
    pub connection: Option<ConnectionId>,
}

/// A next hop by name or address, not yet resolved (RFC 3263).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// Host name or address.
    pub host: Host,
    /// The port; `None` means 5060.
    pub port: Option<u16>,
    /// The transport asked for; `None` means UDP, or TCP for requests over 1300 bytes
    /// (RFC 3261 §18.1.1).
    pub transport: Option<Transport>,
}

impl Hop {
    /// The hop a URI names: `maddr` before host, `transport` parameter (RFC 3263 §4).
    pub fn from_uri(uri: &Uri) -> Hop {
        let host = uri.params.get("maddr").and_then(Host::parse).unwrap_or(uri.host.clone());
        let transport = uri.params.get("transport").and_then(Transport::from_name);
        Hop { host, port: uri.port, transport }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port.unwrap_or(5060))?;
        self.transport.map_or(Ok(()), |t| write!(f, ";transport={t}"))
    }
}

/// Where bytes are to go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Back along a known path; for TCP on that very connection, or to its remote address on a
    /// new one if it is gone.
    Flow(Flow),
    /// To a next hop; an open connection to it is used again.
    Hop(Hop),
}

impl From<Flow> for Target {
    fn from(flow: Flow) -> Target {
        Target::Flow(flow)
    }
}

impl From<Hop> for Target {
    fn from(hop: Hop) -> Target {
        Target::Hop(hop)
    }
}

/// Notes in the top Via of a request that has just come over `flow` where it really came from:
/// `received` (RFC 3261 §18.2.1) and `rport` (RFC 3581 §4). Call it before anything looks at Via.
pub fn stamp_via(request: &mut Request, flow: &Flow) {
    let Ok(mut via) = request.headers.via_top() else { return };
    let source = flow.remote;
    if via.params.has("rport") {
        via.params.set("rport", &source.port().to_string());
        via.params.set("received", &source.ip().to_string());
    } else if via.host.ip() != Some(source.ip()) {
        via.params.set("received", &source.ip().to_string());
    }
    request.headers.set_via_top(&via);
}

/// Where the response to a request with top `via` that came over `flow` goes (RFC 3261 §18.2.2,
/// RFC 3581 §4).
///
/// Reliable transports answer on the connection of the request. For UDP the port is `rport`, else
/// the port of sent-by; the address is `received`, in other words where the datagram came from.
/// `maddr` is not obeyed: it would let a stranger aim our answers at a third party.
pub fn response_flow(via: &Via, flow: &Flow) -> Flow {
    if flow.transport.is_reliable() || via.params.has("rport") {
        return *flow;
    }
    let ip: IpAddr = flow.remote.ip();
    Flow { remote: SocketAddr::new(ip, via.port.unwrap_or(5060)), ..*flow }
}
