//! Whole control datagrams: read tolerantly, written strictly (RFC 3550 §6.1, RFC 5506).

use bytes::Bytes;
use rtc_shared::marshal::Marshal;

use super::{Bye, Fir, Nack, Pli, Remb, ReportBlock, SdesChunk, SenderInfo, feedback, report};
use crate::Ssrc;

/// Most octets of a compound packet of ours, so that it fits any path unfragmented.
pub const MAX_COMPOUND: usize = 1200;
/// No datagram is longer; neither can a packet in one be.
const MAX_DATAGRAM: usize = 65_535;

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
pub fn parse(datagram: &[u8]) -> Vec<Rtcp> {
    let mut out = Vec::new();
    let mut rest = datagram;
    while let Some((wire, after)) = split_packet(rest) {
        out.extend(parse_one(wire));
        rest = after;
    }
    out
}

/// The first packet of a compound by its own length field, and what follows.
fn split_packet(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[first, _, hi, lo] = bytes.first_chunk::<4>()?;
    let len = 4 + 4 * usize::from(u16::from_be_bytes([hi, lo]));
    if first >> 6 != 2 || len > MAX_DATAGRAM {
        return None;
    }
    bytes.split_at_checked(len)
}

fn parse_one(wire: &[u8]) -> Option<Rtcp> {
    let unpadded;
    let wire = if wire.first()? & 0x20 == 0 {
        wire
    } else {
        unpadded = without_padding(wire)?;
        &unpadded
    };
    let format = wire.first()? & 0x1f;
    match (wire.get(1)?, format) {
        (200, _) => report::read_sender_report(wire),
        (201, _) => report::read_receiver_report(wire),
        (202, _) => report::read_sdes(wire),
        (203, _) => report::read_bye(wire),
        (205, 1) => feedback::read_nack(wire),
        (206, 1) => feedback::read_pli(wire),
        (206, 4) => feedback::read_fir(wire),
        (206, 15) => feedback::read_remb(wire),
        _ => None,
    }
}

/// The packet as if it had never been padded: `rtcp` would take padding for entries (RFC 3550 §6.4.1).
fn without_padding(wire: &[u8]) -> Option<Vec<u8>> {
    let count = usize::from(*wire.last()?);
    if count == 0 {
        return None;
    }
    // A count that is no multiple of four comes with a BYE whose reason was filled up that way.
    let mut out = wire.get(..wire.len().checked_sub(count)?)?.to_vec();
    while !out.len().is_multiple_of(4) {
        out.push(0);
    }
    let words = u16::try_from((out.len() / 4).checked_sub(1)?).ok()?;
    *out.first_mut()? &= !0x20;
    out.get_mut(2..4)?.copy_from_slice(&words.to_be_bytes());
    Some(out)
}

/// Packs packets into a datagram of at most [`MAX_COMPOUND`] octets.
#[derive(Clone, Debug, Default)]
pub struct Compound {
    bytes: Vec<u8>,
}

impl Compound {
    /// Appends a packet; `false`, and nothing appended, when there is no room left or the packet cannot be
    /// written (more than 31 blocks).
    pub fn push(&mut self, packet: &Rtcp) -> bool {
        let start = self.bytes.len();
        let written = match packet {
            Rtcp::SenderReport { ssrc, info, blocks } => {
                self.append(&report::sender_report(*ssrc, info, blocks))
            }
            Rtcp::ReceiverReport { ssrc, blocks } => {
                self.append(&report::receiver_report(*ssrc, blocks))
            }
            Rtcp::Sdes(chunks) => {
                report::write_sdes(chunks, &mut self.bytes);
                true
            }
            Rtcp::Bye(bye) => self.append(&report::goodbye(bye)),
            Rtcp::Nack(nack) => self.append(&feedback::nack(nack)),
            Rtcp::Pli(pli) => self.append(&feedback::pli(pli)),
            Rtcp::Fir(fir) => self.append(&feedback::fir(fir)),
            Rtcp::Remb(remb) => self.append(&feedback::remb(remb)),
        };
        if !written || self.bytes.len() > MAX_COMPOUND {
            self.bytes.truncate(start);
            return false;
        }
        true
    }

    fn append(&mut self, packet: &impl Marshal) -> bool {
        let start = self.bytes.len();
        self.bytes.resize(start + packet.marshal_size(), 0);
        self.bytes.get_mut(start..).is_some_and(|room| packet.marshal_to(room).is_ok())
    }

    /// Appends another compound; `false`, and nothing appended, when there is no room left.
    pub(crate) fn append_compound(&mut self, other: &Self) -> bool {
        if self.bytes.len() + other.bytes.len() > MAX_COMPOUND {
            return false;
        }
        self.bytes.extend_from_slice(&other.bytes);
        true
    }

    /// Octets so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The datagram.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.bytes.into()
    }
}
