//! `a=candidate` (RFC 8839 §5.1).

use std::fmt;

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
