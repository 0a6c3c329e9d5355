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
/// Reliable transports answer on the connection of the request; if that is gone, the flow leads to
/// where its sender listens. For UDP the port is `rport`, else the port of sent-by. The address is
/// `received`, in other words where the request came from. `maddr` is not obeyed: it would let a
/// stranger aim our answers at a third party.
pub fn response_flow(via: &Via, flow: &Flow) -> Flow {
    if via.params.has("rport") && !flow.transport.is_reliable() {
        return *flow;
    }
    let ip: IpAddr = flow.remote.ip();
    Flow { remote: SocketAddr::new(ip, via.port.unwrap_or(5060)), ..*flow }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Method;

    fn flow(transport: Transport, remote: &str) -> Flow {
        let connection = transport.is_reliable().then_some(ConnectionId(1));
        let local = "192.0.2.1:5060".parse().unwrap();
        Flow { transport, local, remote: remote.parse().unwrap(), connection }
    }

    fn stamped(via: &str, flow: &Flow) -> Via {
        let mut request = Request::new(Method::Options, Uri::parse("sip:h").unwrap());
        request.headers.push("Via", via);
        request.headers.push("Via", "SIP/2.0/UDP below");
        stamp_via(&mut request, flow);
        assert_eq!(request.headers.get_all("Via").count(), 2);
        request.headers.via_top().unwrap()
    }

    #[test]
    fn received_and_rport_tell_the_source() {
        let udp = flow(Transport::Udp, "198.51.100.7:40000");
        let cases = [
            // sent-by, what is noted, where the answer goes
            ("198.51.100.7:5070", "", "198.51.100.7:5070"),
            ("198.51.100.7", "", "198.51.100.7:5060"),
            ("10.0.0.1:5070", ";received=198.51.100.7", "198.51.100.7:5070"),
            ("phone.example", ";received=198.51.100.7", "198.51.100.7:5060"),
            ("10.0.0.1;rport", ";rport=40000;received=198.51.100.7", "198.51.100.7:40000"),
            ("198.51.100.7;rport", ";rport=40000;received=198.51.100.7", "198.51.100.7:40000"),
            // what the sender claims is overwritten, and nobody is aimed at
            ("10.0.0.1;received=203.0.113.9", ";received=198.51.100.7", "198.51.100.7:5060"),
            (
                "10.0.0.1;maddr=203.0.113.9",
                ";maddr=203.0.113.9;received=198.51.100.7",
                "198.51.100.7:5060",
            ),
        ];
        for (sent_by, noted, goes) in cases {
            let via = stamped(&format!("SIP/2.0/UDP {sent_by}"), &udp);
            assert_eq!(via.params.to_string(), noted, "{sent_by}");
            assert_eq!(response_flow(&via, &udp).remote, goes.parse().unwrap(), "{sent_by}");
        }
    }

    #[test]
    fn streams_answer_on_their_connection() {
        let tcp = flow(Transport::Tcp, "198.51.100.7:40000");
        let via = stamped("SIP/2.0/TCP 10.0.0.1:5070", &tcp);
        let listens = "198.51.100.7:5070".parse().unwrap();
        assert_eq!(response_flow(&via, &tcp), Flow { remote: listens, ..tcp });
        let via = stamped("SIP/2.0/TCP 10.0.0.1;rport", &tcp);
        assert_eq!(response_flow(&via, &tcp).remote, "198.51.100.7:5060".parse().unwrap());
    }

    #[test]
    fn hops_of_uris() {
        let hop = |text: &str| Hop::from_uri(&Uri::parse(text).unwrap()).to_string();
        assert_eq!(hop("sip:a@h"), "h:5060");
        assert_eq!(hop("sip:a@h:5070;transport=TCP"), "h:5070;transport=TCP");
        assert_eq!(hop("sip:a@h;maddr=[::1];transport=ws"), "[::1]:5060");
    }
}
