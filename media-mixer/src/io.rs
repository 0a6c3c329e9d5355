//! What crosses the line between the core and its sockets.

use std::net::SocketAddr;

use bytes::Bytes;
use rtp_session::Outbound;

/// One UDP port of a conference. The shell gives the numbers when it binds; small, and used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u32);

/// The content of one UDP datagram.
#[derive(Debug, Clone)]
pub enum Datagram {
    /// A media packet: a header of its own and a payload that others may share.
    Rtp(Outbound),
    /// A compound RTCP packet.
    Rtcp(Bytes),
    /// A STUN message (RFC 8489).
    Stun(Bytes),
}

impl Datagram {
    /// Both parts of the datagram, to be sent one after the other.
    pub fn parts(&self) -> [&[u8]; 2] {
        match self {
            Self::Rtp(packet) => [packet.header.as_slice(), &packet.payload],
            Self::Rtcp(bytes) | Self::Stun(bytes) => [bytes, &[]],
        }
    }

    /// The datagram in one piece; for tests and rare packets.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Rtp(packet) => packet.to_bytes(),
            Self::Rtcp(bytes) | Self::Stun(bytes) => bytes.clone(),
        }
    }
}

/// A datagram to be sent.
#[derive(Debug, Clone)]
pub struct Transmit {
    /// The port to send it from.
    pub from: PortId,
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub datagram: Datagram,
}
