//! Whole control datagrams: read tolerantly, written strictly (RFC 3550 §6.1, RFC 5506).

use bytes::Bytes;
use rtc_shared::marshal::Marshal;

use super::{
    BitRates, Bye, Fir, Nack, Pli, Remb, ReportBlock, SdesChunk, SenderInfo, bitrate, feedback,
    report,
};
use crate::Ssrc;

/// Most octets of a compound packet of ours, so that it fits any path unfragmented.
pub const MAX_COMPOUND: usize = 1200;
/// No datagram is longer; neither can a packet in one be.
const MAX_DATAGRAM: usize = 65_535;
/// Formats of transport layer feedback (RFC 5104 §4.2).
const TMMBR: u8 = 3;
const TMMBN: u8 = 4;

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
    /// Requests to send less.
    Tmmbr(BitRates),
    /// The requests that hold now.
    Tmmbn(BitRates),
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
        (205, TMMBR) => bitrate::read(wire).map(Rtcp::Tmmbr),
        (205, TMMBN) => bitrate::read(wire).map(Rtcp::Tmmbn),
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
        self.push_within(packet, MAX_COMPOUND)
    }

    /// As [`Compound::push`], with less room: the datagram has at most `most` octets afterwards.
    pub(crate) fn push_within(&mut self, packet: &Rtcp, most: usize) -> bool {
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
            Rtcp::Tmmbr(requests) => {
                bitrate::write(TMMBR, requests, &mut self.bytes);
                true
            }
            Rtcp::Tmmbn(bounding) => {
                bitrate::write(TMMBN, bounding, &mut self.bytes);
                true
            }
        };
        if !written || self.bytes.len() > most.min(MAX_COMPOUND) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::BitRate;
    use crate::{NtpTime, RtpTime, Seq};
    use proptest::prelude::*;

    fn one(packet: &Rtcp) -> Bytes {
        let mut compound = Compound::default();
        assert!(compound.push(packet));
        compound.finish()
    }

    fn round_trip(packet: Rtcp) {
        assert_eq!(parse(&one(&packet)), [packet]);
    }

    #[test]
    fn a_sender_report_of_rfc_3550_6_4_1() {
        let report = Rtcp::SenderReport {
            ssrc: Ssrc(0x1122_3344),
            info: SenderInfo {
                ntp: NtpTime(0xb44d_b705_2000_0000),
                rtp: RtpTime(7),
                packets: 8,
                octets: 9,
            },
            blocks: vec![ReportBlock {
                ssrc: Ssrc(0xaabb_ccdd),
                fraction_lost: 64,
                lost: -2,
                highest_seq: 0x0001_0002,
                jitter: 3,
                last_sr: 0xb705_2000,
                delay_since_last_sr: 0x0005_4000,
            }],
        };
        let wire = [
            0x81, 200, 0, 12, 0x11, 0x22, 0x33, 0x44, 0xb4, 0x4d, 0xb7, 0x05, 0x20, 0, 0, 0, 0, 0,
            0, 7, 0, 0, 0, 8, 0, 0, 0, 9, 0xaa, 0xbb, 0xcc, 0xdd, 64, 0xff, 0xff, 0xfe, 0, 1, 0, 2,
            0, 0, 0, 3, 0xb7, 0x05, 0x20, 0, 0, 5, 0x40, 0,
        ];
        assert_eq!(one(&report), wire[..]);
        assert_eq!(parse(&wire), [report]);
    }

    #[test]
    fn everything_there_and_back() {
        round_trip(Rtcp::ReceiverReport {
            ssrc: Ssrc(1),
            blocks: vec![ReportBlock::default(); 31],
        });
        round_trip(Rtcp::Bye(Bye { ssrcs: vec![Ssrc(1), Ssrc(2)], reason: Some("moved".into()) }));
        round_trip(Rtcp::Bye(Bye { ssrcs: vec![Ssrc(1)], reason: None }));
        round_trip(Rtcp::Pli(Pli { sender: Ssrc(1), media: Ssrc(2) }));
        round_trip(Rtcp::Fir(Fir { sender: Ssrc(1), entries: vec![(Ssrc(2), 255), (Ssrc(3), 0)] }));
        let rates = BitRates {
            sender: Ssrc(1),
            entries: vec![BitRate { ssrc: Ssrc(2), bitrate: 512_000, overhead: 40 }],
        };
        round_trip(Rtcp::Tmmbr(rates.clone()));
        round_trip(Rtcp::Tmmbn(rates));
        round_trip(Rtcp::Tmmbn(BitRates { sender: Ssrc(1), entries: Vec::new() }));
        round_trip(Rtcp::Remb(Remb { sender: Ssrc(1), bitrate: 1_000_000, media: vec![Ssrc(2)] }));
        for name in ["", "A", "An", "Ann", "Anna", "Zoë"] {
            round_trip(Rtcp::Sdes(vec![
                SdesChunk { ssrc: Ssrc(1), cname: Some("a@b".into()), name: Some(name.into()) },
                SdesChunk { ssrc: Ssrc(2), cname: None, name: Some(name.into()) },
                SdesChunk { ssrc: Ssrc(3), cname: None, name: None },
            ]));
        }
    }

    #[test]
    fn names_end_in_null_octets() {
        for cname in ["", "a", "ab", "abc", "abcd"] {
            let chunk = SdesChunk { ssrc: Ssrc(1), cname: Some(cname.into()), name: None };
            let size = chunk.wire_size();
            let wire = one(&Rtcp::Sdes(vec![chunk]));
            assert_eq!(wire.len(), 4 + size);
            assert_eq!(usize::from(wire[3]) * 4 + 4, wire.len());
            assert!(wire[8 + 2 + cname.len()..].iter().all(|octet| *octet == 0));
            assert!(wire.len() > 8 + 2 + cname.len());
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let long = "ë".repeat(200);
        let wire =
            one(&Rtcp::Sdes(vec![SdesChunk { ssrc: Ssrc(1), cname: Some(long), name: None }]));
        let Rtcp::Sdes(chunks) = &parse(&wire)[0] else { panic!("no names") };
        assert_eq!(chunks[0].cname, Some("ë".repeat(127)));
    }

    #[test]
    fn requests_are_packed_also_across_the_wrap() {
        // RFC 4585 §6.2.1: one entry names a number and any of the 16 after it.
        let seqs = [65533, 65535, 0, 13, 14, 30].map(Seq).to_vec();
        let wire = one(&Rtcp::Nack(Nack { sender: Ssrc(1), media: Ssrc(2), seqs: seqs.clone() }));
        assert_eq!(wire.len(), 12 + 2 * 4);
        assert_eq!(wire[12..], [0xff, 0xfd, 0b1000_0000, 0b0000_0110, 0, 14, 0x80, 0]);
        assert_eq!(parse(&wire), [Rtcp::Nack(Nack { sender: Ssrc(1), media: Ssrc(2), seqs })]);
    }

    #[test]
    fn what_is_unknown_or_broken_is_skipped() {
        let pli = Rtcp::Pli(Pli { sender: Ssrc(1), media: Ssrc(2) });
        let mut datagram = vec![0x80, 204, 0, 1, 0, 0, 0, 0]; // APP
        datagram.extend_from_slice(&[0x8f, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]); // transport-wide feedback
        datagram.extend_from_slice(&[0x85, 200, 0, 1, 0, 0, 0, 1]); // a report shorter than it says
        datagram.extend_from_slice(&one(&pli));
        datagram.extend_from_slice(&[0x81, 206, 0, 9]); // ends early
        assert_eq!(parse(&datagram), [pli]);
        assert_eq!(parse(&[]), []);
    }

    #[test]
    fn padding_is_no_content() {
        let nack = Nack { sender: Ssrc(1), media: Ssrc(2), seqs: vec![Seq(3)] };
        let mut wire = one(&Rtcp::Nack(nack.clone())).to_vec();
        wire[0] |= 0x20;
        wire[3] += 2;
        wire.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 8]);
        assert_eq!(parse(&wire), [Rtcp::Nack(nack)]);
    }

    #[test]
    fn a_full_datagram_takes_no_more() {
        let mut compound = Compound::default();
        let report =
            Rtcp::ReceiverReport { ssrc: Ssrc(1), blocks: vec![ReportBlock::default(); 31] };
        assert!(compound.push(&report));
        let before = compound.len();
        assert!(!compound.push(&report));
        assert_eq!(compound.len(), before);
        assert!(!compound.push(&Rtcp::ReceiverReport {
            ssrc: Ssrc(1),
            blocks: vec![ReportBlock::default(); 32]
        }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse(&bytes);
        }

        /// Well-formed headers around anything.
        #[test]
        fn any_packets(packets in prop::collection::vec(
            (any::<u8>(), 198u8..210, prop::collection::vec(any::<u8>(), 0..40)), 1..5))
        {
            let mut datagram = Vec::new();
            for (first, kind, mut body) in packets {
                body.resize(body.len().next_multiple_of(4), 0);
                datagram.extend_from_slice(&[0x80 | first & 0x3f, kind, 0, (body.len() / 4) as u8]);
                datagram.extend_from_slice(&body);
            }
            for packet in parse(&datagram) {
                let mut compound = Compound::default();
                let _ = compound.push(&packet);
            }
        }
    }
}
