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
