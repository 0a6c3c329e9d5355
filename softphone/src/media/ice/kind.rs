//! Kinds of candidates, and what a chosen way is made of.

use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;

/// Where an address comes from (RFC 8445 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum CandidateKind {
    /// An interface of the host.
    #[serde(rename = "host")]
    Host,
    /// The outside of a NAT, as a STUN server sees it.
    #[serde(rename = "srflx")]
    ServerReflexive,
    /// The outside of a NAT, as the peer sees it.
    #[serde(rename = "prflx")]
    PeerReflexive,
    /// An address of a TURN server.
    #[serde(rename = "relay")]
    Relayed,
}

impl CandidateKind {
    /// As in `a=candidate`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        }
    }

    /// How much it is liked (RFC 8445 §5.1.2.2): as the agent has it. A candidate that we told less of than the agent
    /// reckons with would have either end of a call like another pair best, such as each its own relay.
    #[must_use]
    pub fn preference(self) -> u32 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relayed => 2,
        }
    }

    /// How much the first candidate of a kind is liked among those (RFC 8445 §5.1.2.1). Of two relays either end likes
    /// that of the other better, which looks further away from there; so they differ in this, which both know.
    #[must_use]
    pub fn local_preference(self, at: SocketAddr) -> u16 {
        match self {
            Self::Relayed => at.port(),
            _ => u16::MAX,
        }
    }

    /// Read from an `a=candidate`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Host, Self::ServerReflexive, Self::PeerReflexive, Self::Relayed]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for CandidateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<is::CandidateKind> for CandidateKind {
    fn from(kind: is::CandidateKind) -> Self {
        match kind {
            is::CandidateKind::Host => Self::Host,
            is::CandidateKind::ServerReflexive => Self::ServerReflexive,
            is::CandidateKind::PeerReflexive => Self::PeerReflexive,
            is::CandidateKind::Relayed => Self::Relayed,
        }
    }
}

/// The way of a line's media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectedPath {
    /// Where the peer is.
    pub remote: SocketAddr,
    /// What that is.
    pub kind: CandidateKind,
    /// What we are, seen from there.
    pub local: CandidateKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_the_agent_reckons_with() {
        let [at, base] = [1, 2].map(|last| SocketAddr::from(([192, 0, 2, last], 4000)));
        for (made, kind) in [
            (is::Candidate::host(at, "udp"), CandidateKind::Host),
            (is::Candidate::server_reflexive(at, base, "udp"), CandidateKind::ServerReflexive),
            (is::Candidate::relayed(at, base, "udp"), CandidateKind::Relayed),
        ] {
            let priority = made.unwrap().prio();
            assert_eq!(priority >> 24, kind.preference(), "{kind}");
        }
    }
}
