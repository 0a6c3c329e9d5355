//! Requests to send less, and what became of them (RFC 5104 §4.2.1 TMMBR, §4.2.2 TMMBN).

use crate::Ssrc;
use crate::packet::read_u32;

/// Octets of one entry (RFC 5104 §4.2.1.1).
const ENTRY: usize = 8;
/// Transport layer feedback (RFC 4585 §6.2).
const RTPFB: u8 = 205;
/// Entries of one packet of ours; a leg has few senders.
const MAX_ENTRIES: usize = 31;

/// One entry of a TMMBR or TMMBN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BitRate {
    /// In a request: the sender that is asked. In a notification: who asked.
    pub ssrc: Ssrc,
    /// Bit per second, lower layers included as `overhead` says. 17 bits and an exponent on the wire.
    pub bitrate: u64,
    /// Octets of IP, UDP and RTP headers per packet that were measured, 0 to 511.
    pub overhead: u16,
}

/// A TMMBR or a TMMBN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BitRates {
    /// Who asks, or who was asked.
    pub sender: Ssrc,
    /// Its requests, or the bounding set.
    pub entries: Vec<BitRate>,
}

/// Reads the entries after the common feedback header; one cut short is left out.
pub(super) fn read(wire: &[u8]) -> Option<BitRates> {
    let sender = Ssrc(read_u32(wire, 4)?);
    let entries = wire.get(12..)?.chunks_exact(ENTRY).filter_map(|entry| {
        let value = read_u32(entry, 4)?;
        let exponent = value >> 26;
        let mantissa = u64::from(value >> 9 & 0x1_ffff);
        Some(BitRate {
            ssrc: Ssrc(read_u32(entry, 0)?),
            // An exponent above 47 is more than anybody has, and more than fits.
            bitrate: mantissa.checked_shl(exponent).filter(|_| exponent <= 47).unwrap_or(u64::MAX),
            overhead: (value & 0x1ff) as u16,
        })
    });
    Some(BitRates { sender, entries: entries.collect() })
}

/// Writes a packet of the given format (3: TMMBR, 4: TMMBN). "SSRC of media source" is not used and zero.
pub(super) fn write(format: u8, packet: &BitRates, out: &mut Vec<u8>) {
    let entries = packet.entries.get(..MAX_ENTRIES).unwrap_or(&packet.entries);
    let words = 2 + entries.len() as u16 * (ENTRY / 4) as u16;
    out.extend_from_slice(&[0x80 | format & 0x1f, RTPFB]);
    out.extend_from_slice(&words.to_be_bytes());
    out.extend_from_slice(&packet.sender.0.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    for entry in entries {
        // The largest value not above the wish that 17 bits can say.
        let exponent = (64 - entry.bitrate.leading_zeros()).saturating_sub(17);
        let mantissa = (entry.bitrate >> exponent) as u32;
        let value = exponent << 26 | mantissa << 9 | u32::from(entry.overhead & 0x1ff);
        out.extend_from_slice(&entry.ssrc.0.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn there_and_back(bitrate: u64) -> u64 {
        let entries = vec![BitRate { ssrc: Ssrc(2), bitrate, overhead: 40 }];
        let mut wire = Vec::new();
        write(3, &BitRates { sender: Ssrc(1), entries }, &mut wire);
        let read = read(&wire).unwrap();
        assert_eq!((read.sender, read.entries[0].ssrc), (Ssrc(1), Ssrc(2)));
        assert_eq!(read.entries[0].overhead, 40);
        read.entries[0].bitrate
    }

    #[test]
    fn the_layout_of_rfc_5104_4_2_1_1() {
        let entries = vec![BitRate { ssrc: Ssrc(0x0a0b_0c0d), bitrate: 1_000_000, overhead: 28 }];
        let mut wire = Vec::new();
        write(3, &BitRates { sender: Ssrc(1), entries }, &mut wire);
        // 1 000 000 = 125 000 * 2^3: exponent 3, mantissa 125 000, overhead 28.
        let value: u32 = 3 << 26 | 125_000 << 9 | 28;
        let mut expected = vec![0x83, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0x0a, 0x0b, 0x0c, 0x0d];
        expected.extend_from_slice(&value.to_be_bytes());
        assert_eq!(wire, expected);
    }

    #[test]
    fn rates_are_rounded_down_to_what_can_be_said() {
        for exact in [0, 1, 131_071, 131_072, 1_000_000, 128_000_000] {
            assert_eq!(there_and_back(exact), exact);
        }
        assert_eq!(there_and_back(262_145), 262_144);
    }

    #[test]
    fn an_absurd_exponent_means_no_limit() {
        let mut wire = vec![0x83, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2];
        wire.extend_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(read(&wire).unwrap().entries[0].bitrate, u64::MAX);
        assert_eq!(read(&wire[..10]), None);
        assert_eq!(read(&wire[..18]).unwrap().entries, [], "cut short");
    }

    proptest! {
        #[test]
        fn never_more_than_was_meant(bitrate: u64) {
            let got = there_and_back(bitrate);
            prop_assert!(got <= bitrate && bitrate - got <= bitrate >> 16);
        }
    }
}
