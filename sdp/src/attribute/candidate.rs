//! `a=candidate` (RFC 8839 §5.1).

use std::fmt;
use std::net::SocketAddr;

use super::TypedAttribute;

/// One ICE candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Candidates of the same base and server share it.
    pub foundation: String,
    /// 1 = RTP, 2 = RTCP.
    pub component: u16,
    /// As written: `udp`, `UDP`, `tcp` …
    pub transport: String,
    /// 1..2^31
    pub priority: u32,
    /// An IP address, or a name (mDNS).
    pub address: String,
    /// Port.
    pub port: u16,
    /// `host`, `srflx`, `prflx`, `relay`.
    pub kind: String,
    /// `raddr`, `rport` and extensions, verbatim.
    pub extensions: String,
}

impl Candidate {
    /// A host candidate over UDP (RFC 8445 §5.1.1.1). `preference` tells several of one component apart, the highest
    /// being liked best (§5.1.2.1).
    pub fn host(address: SocketAddr, component: u16, preference: u16) -> Self {
        let below = 256_u32.saturating_sub(u32::from(component));
        Self {
            foundation: format!("{}", u32::from(u16::MAX - preference) + 1),
            component,
            transport: "udp".to_owned(),
            priority: (126 << 24) + (u32::from(preference) << 8) + below,
            address: address.ip().to_string(),
            port: address.port(),
            kind: "host".to_owned(),
            extensions: String::new(),
        }
    }

    /// Where it is, if it is reached over UDP at an address and not at a name.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        let ip = self.address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        let udp = self.transport.eq_ignore_ascii_case("udp");
        udp.then_some(SocketAddr::new(ip, self.port))
    }
}

impl TypedAttribute for Candidate {
    const NAME: &'static str = "candidate";

    fn from_value(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let candidate = Self {
            foundation: words.next()?.to_owned(),
            component: words.next()?.parse().ok()?,
            transport: words.next()?.to_owned(),
            priority: words.next()?.parse().ok()?,
            address: words.next()?.to_owned(),
            port: words.next()?.parse().ok()?,
            kind: match words.next()? {
                "typ" => words.next()?.to_owned(),
                _ => return None,
            },
            extensions: words.collect::<Vec<_>>().join(" "),
        };
        Some(candidate)
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {} {} typ {}",
            self.foundation,
            self.component,
            self.transport,
            self.priority,
            self.address,
            self.port,
            self.kind
        )?;
        if self.extensions.is_empty() { Ok(()) } else { write!(f, " {}", self.extensions) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8445 §5.1.2.1
    #[test]
    fn the_priority_of_a_host_candidate() {
        let host = Candidate::host("192.0.2.2:7080".parse().unwrap(), 1, u16::MAX);
        assert_eq!(host.to_string(), "1 1 udp 2130706431 192.0.2.2 7080 typ host");
        assert_eq!(host.socket_addr(), Some("192.0.2.2:7080".parse().unwrap()));
        let name = Candidate::from_value("1 1 UDP 1 name.local 7080 typ host").unwrap();
        assert_eq!(name.socket_addr(), None);
        let tcp = Candidate::from_value("1 1 tcp 1 192.0.2.2 9 typ host tcptype active").unwrap();
        assert_eq!(tcp.socket_addr(), None);
    }

    #[test]
    fn known_answers() {
        for text in [
            "1 1 UDP 2130706303 192.0.2.2 7080 typ host",
            "2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 10.0.1.1 rport 8998",
        ] {
            assert_eq!(Candidate::from_value(text).unwrap().to_string(), text);
        }
        assert_eq!(Candidate::from_value("1 1 UDP 1 192.0.2.2 7080 host"), None);
    }
}
