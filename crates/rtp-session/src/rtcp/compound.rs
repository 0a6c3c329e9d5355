//! Whole control datagrams: read tolerantly, written strictly (RFC 3550 §6.1, RFC 5506).

use bytes::Bytes;

use super::{Bye, Fir, Nack, Pli, Remb, ReportBlock, SdesChunk, SenderInfo};
use crate::Ssrc;

/// Most octets of a compound packet of ours, so that it fits any path unfragmented.
pub const MAX_COMPOUND: usize = 1200;

/// One packet of a compound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rtcp {
    /// A sender's report, with what it receives.
    SenderReport {
        /// Who reports.
        ssrc: Ssrc,
        /// On its own stream.
        info: SenderInfo,
        /// On others.
        blocks: Vec<ReportBlock>,
    },
    /// A report of somebody who does not send.
    ReceiverReport {
        /// Who reports.
        ssrc: Ssrc,
        /// On others.
        blocks: Vec<ReportBlock>,
    },
    /// Names.
    Sdes(Vec<SdesChunk>),
    /// Farewells.
    Bye(Bye),
    /// Retransmission wanted.
    Nack(Nack),
    /// Picture lost.
    Pli(Pli),
    /// Key frame wanted.
    Fir(Fir),
    /// Bandwidth estimate.
    Remb(Remb),
}

/// Reads a datagram. What it does not know or cannot read is left out; a reduced-size packet (RFC 5506) is as
/// good as a compound. Empty when nothing in it was usable.
#[must_use]
pub fn parse(datagram: &Bytes) -> Vec<Rtcp> {
    let _ = datagram;
    Vec::new()
}

/// Packs packets into a datagram of at most [`MAX_COMPOUND`] octets.
#[derive(Clone, Debug, Default)]
pub struct Compound {
    bytes: Vec<u8>,
}

impl Compound {
    /// Appends a packet; `false`, and nothing appended, when there is no room left.
    pub fn push(&mut self, packet: &Rtcp) -> bool {
        let _ = packet;
        false
    }

    /// Octets so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The datagram.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.bytes.into()
    }
}
