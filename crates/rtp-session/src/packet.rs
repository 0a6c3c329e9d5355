//! A packet that came in: checked once, then read in place (RFC 3550 §5.1, RFC 8285).

use bytes::Bytes;

use crate::extension::Extensions;
use crate::{PayloadType, RtpTime, Seq, Ssrc};

/// The fixed part of an RTP header.
pub(crate) const FIXED_HEADER: usize = 12;

/// What a datagram on a media port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// A media packet.
    Rtp,
    /// A control packet.
    Rtcp,
    /// A connectivity check or a keep-alive.
    Stun,
    /// A handshake record.
    Dtls,
    /// Anything else; to be dropped.
    Unknown,
}

/// Tells apart what shares one port, by the first two octets (RFC 7983 §7, RFC 5761 §4).
#[must_use]
pub fn classify(datagram: &[u8]) -> PacketKind {
    match (datagram.first(), datagram.get(1)) {
        (Some(0..=3), _) => PacketKind::Stun,
        (Some(20..=63), _) => PacketKind::Dtls,
        (Some(128..=191), Some(192..=223)) => PacketKind::Rtcp,
        (Some(128..=191), Some(_)) => PacketKind::Rtp,
        _ => PacketKind::Unknown,
    }
}

/// Why a datagram is no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Shorter than its own header says.
    #[error("packet ends inside its header")]
    TooShort,
    /// Not version 2.
    #[error("not RTP version 2")]
    Version,
    /// The padding count is zero or larger than the payload.
    #[error("padding does not fit")]
    Padding,
}

/// An RTP packet as it came. Its layout is checked by [`RtpPacket::parse`]; reading cannot fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpPacket {
    bytes: Bytes,
    payload_start: usize,
    payload_end: usize,
}

impl RtpPacket {
    /// Checks version, CSRC list, extension length and padding (RFC 3550 §A.1).
    ///
    /// # Errors
    /// When the bytes do not hold what the header announces.
    pub fn parse(bytes: Bytes) -> Result<Self, PacketError> {
        let &[first, ..] = bytes.get(..FIXED_HEADER).ok_or(PacketError::TooShort)? else {
            return Err(PacketError::TooShort);
        };
        if first >> 6 != 2 {
            return Err(PacketError::Version);
        }
        let mut at = FIXED_HEADER + usize::from(first & 0x0f) * 4;
        if first & 0x10 != 0 {
            let words = read_u16(&bytes, at + 2).ok_or(PacketError::TooShort)?;
            at += 4 + usize::from(words) * 4;
        }
        if at > bytes.len() {
            return Err(PacketError::TooShort);
        }
        let mut end = bytes.len();
        if first & 0x20 != 0 {
            let count = bytes.last().copied().map_or(0, usize::from);
            if count == 0 || count > end - at {
                return Err(PacketError::Padding);
            }
            end -= count;
        }
        Ok(Self { bytes, payload_start: at, payload_end: end })
    }

    /// Marker: for audio the start of a talk spurt, for video the end of a frame (RFC 3551 §4.1).
    #[must_use]
    pub fn marker(&self) -> bool {
        self.octet(1) & 0x80 != 0
    }

    /// What the packet carries.
    #[must_use]
    pub fn payload_type(&self) -> PayloadType {
        PayloadType::from_octet(self.octet(1))
    }

    /// Sequence number.
    #[must_use]
    pub fn seq(&self) -> Seq {
        Seq(read_u16(&self.bytes, 2).unwrap_or_default())
    }

    /// Media timestamp.
    #[must_use]
    pub fn timestamp(&self) -> RtpTime {
        RtpTime(read_u32(&self.bytes, 4).unwrap_or_default())
    }

    /// Who sent it.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        Ssrc(read_u32(&self.bytes, 8).unwrap_or_default())
    }

    /// Who is mixed into it, in the packet's order; at most 15.
    pub fn csrcs(&self) -> impl Iterator<Item = Ssrc> + '_ {
        let count = usize::from(self.octet(0) & 0x0f);
        (0..count).filter_map(|i| read_u32(&self.bytes, FIXED_HEADER + 4 * i).map(Ssrc))
    }

    /// The media, without padding; shares the packet's memory.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(self.payload_start..self.payload_end)
    }

    /// The media, without padding.
    #[must_use]
    pub fn payload_ref(&self) -> &[u8] {
        self.bytes.get(self.payload_start..self.payload_end).unwrap_or_default()
    }

    /// All header extension elements as (id, data): one-byte and two-byte forms (RFC 8285). A broken
    /// or reserved element ends the list, and what stands before it counts.
    #[must_use]
    pub fn extensions(&self) -> Extensions<'_> {
        let at = FIXED_HEADER + usize::from(self.octet(0) & 0x0f) * 4;
        let profile = if self.octet(0) & 0x10 == 0 { None } else { read_u16(&self.bytes, at) };
        let rest = self.bytes.get(at + 4..self.payload_start).unwrap_or_default();
        Extensions::new(profile, rest)
    }

    /// The data of the extension element with this id, as negotiated by `a=extmap`.
    #[must_use]
    pub fn extension(&self, id: u8) -> Option<&[u8]> {
        self.extensions().find_map(|(found, data)| (found == id).then_some(data))
    }

    /// The whole packet as it came.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Octets in front of the media.
    pub(crate) const fn payload_offset(&self) -> usize {
        self.payload_start
    }

    fn octet(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_default()
    }
}

pub(crate) fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    let (head, _) = bytes.get(at..)?.split_first_chunk::<2>()?;
    Some(u16::from_be_bytes(*head))
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let (head, _) = bytes.get(at..)?.split_first_chunk::<4>()?;
    Some(u32::from_be_bytes(*head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtc_shared::marshal::Unmarshal;

    fn parse(bytes: &[u8]) -> Result<RtpPacket, PacketError> {
        RtpPacket::parse(Bytes::copy_from_slice(bytes))
    }

    const PLAIN: [u8; 12] = [0x80, 0x80, 0x12, 0x34, 0, 0, 0x03, 0xe8, 0xde, 0xad, 0xbe, 0xef];

    #[test]
    fn datagrams_are_told_apart() {
        // RFC 7983 §7 figure 3, RFC 5761 §4.
        let rows: &[(&[u8], PacketKind)] = &[
            (&[], PacketKind::Unknown),
            (&[0, 1], PacketKind::Stun),
            (&[3], PacketKind::Stun),
            (&[4], PacketKind::Unknown),
            (&[16, 0], PacketKind::Unknown),
            (&[20, 254], PacketKind::Dtls),
            (&[63], PacketKind::Dtls),
            (&[64, 0], PacketKind::Unknown),
            (&[127, 200], PacketKind::Unknown),
            (&[128], PacketKind::Unknown),
            (&[0x80, 0], PacketKind::Rtp),
            (&[0x80, 0x80 | 96], PacketKind::Rtp),
            (&[0x80, 191], PacketKind::Rtp),
            (&[0x80, 192], PacketKind::Rtcp),
            (&[0x81, 200], PacketKind::Rtcp),
            (&[0x80, 223], PacketKind::Rtcp),
            (&[0xbf, 224], PacketKind::Rtp),
            (&[192, 0], PacketKind::Unknown),
        ];
        for (bytes, kind) in rows {
            assert_eq!(classify(bytes), *kind, "{bytes:?}");
        }
    }

    #[test]
    fn a_plain_packet() {
        let mut bytes = PLAIN.to_vec();
        bytes.extend_from_slice(b"media");
        let packet = parse(&bytes).unwrap();
        assert!(packet.marker());
        assert_eq!(packet.payload_type(), PayloadType::PCMU);
        assert_eq!(packet.seq(), Seq(0x1234));
        assert_eq!(packet.timestamp(), RtpTime(1000));
        assert_eq!(packet.ssrc(), Ssrc(0xdead_beef));
        assert_eq!(packet.payload(), Bytes::from_static(b"media"));
        assert_eq!(packet.csrcs().count(), 0);
        assert_eq!(packet.extension(1), None);
    }

    #[test]
    fn csrcs_extension_and_padding() {
        let mut bytes = PLAIN.to_vec();
        bytes[0] = 0xb2; // padding, extension, two CSRCs
        bytes.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 2]);
        // One-byte elements: id 1 level 0x85, a padding octet, id 3 with two octets, fill.
        bytes.extend_from_slice(&[0xbe, 0xde, 0, 2, 0x10, 0x85, 0x00, 0x31, 7, 8, 0, 0]);
        bytes.extend_from_slice(&[9, 9, 0, 0, 3]);
        let packet = parse(&bytes).unwrap();
        assert_eq!(packet.csrcs().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
        assert_eq!(packet.payload_ref(), [9, 9]);
        let level = packet.audio_level(1).unwrap();
        assert!(level.voice);
        assert_eq!(level.level, 5);
        assert_eq!(packet.extension(3), Some(&[7, 8][..]));
        assert_eq!(packet.extension(2), None);
    }

    #[test]
    fn two_byte_extensions() {
        let mut bytes = PLAIN.to_vec();
        bytes[0] = 0x90;
        // RFC 8285 §4.3: id 20 empty, id 200 with three octets.
        bytes.extend_from_slice(&[0x10, 0x05, 0, 2, 20, 0, 200, 3, 1, 2, 3, 0]);
        let packet = parse(&bytes).unwrap();
        let all: Vec<_> = packet.extensions().collect();
        assert_eq!(all, [(20, &[][..]), (200, &[1, 2, 3][..])]);
    }

    #[test]
    fn id_15_ends_the_list() {
        let mut bytes = PLAIN.to_vec();
        bytes[0] = 0x90;
        bytes.extend_from_slice(&[0xbe, 0xde, 0, 2, 0x10, 1, 0xf0, 1, 0x20, 2, 0, 0]);
        let packet = parse(&bytes).unwrap();
        assert_eq!(packet.extension(1), Some(&[1][..]));
        assert_eq!(packet.extension(2), None);
    }

    #[test]
    fn broken_packets_are_refused() {
        assert_eq!(parse(&PLAIN[..11]).unwrap_err(), PacketError::TooShort);
        let with = |first: u8, tail: &[u8]| {
            let mut bytes = PLAIN.to_vec();
            bytes[0] = first;
            bytes.extend_from_slice(tail);
            parse(&bytes).map(|_| ())
        };
        assert_eq!(with(0x40, &[]), Err(PacketError::Version));
        assert_eq!(with(0x81, &[0, 0, 0]), Err(PacketError::TooShort));
        assert_eq!(with(0x90, &[0xbe, 0xde, 0, 1]), Err(PacketError::TooShort));
        assert_eq!(with(0x90, &[0xbe]), Err(PacketError::TooShort));
        assert_eq!(with(0xa0, &[]), Err(PacketError::Padding));
        assert_eq!(with(0xa0, &[1, 0]), Err(PacketError::Padding));
        assert_eq!(with(0xa0, &[1, 3]), Err(PacketError::Padding));
        assert_eq!(with(0xa0, &[1, 2]), Ok(()));
        // The packet on which rtp 0.17 panics: an element longer than the extension.
        let bytes = [
            0x90, 0, 3, 0xe8, 0, 1, 0x5f, 0x90, 0, 0, 0xb9, 0x34, 0xbe, 0xde, 0, 1, 0x10, 0x94,
            0x32, 1,
        ];
        let packet = parse(&bytes).unwrap();
        assert_eq!(packet.extensions().count(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Reading never fails once parsing succeeded, and agrees with the `rtp` crate.
        #[test]
        fn any_bytes_parse_or_not(mut bytes in prop::collection::vec(any::<u8>(), 0..80), likely: bool, flags: u8) {
            if likely && let Some(first) = bytes.first_mut() {
                *first = 0x80 | flags & 0x33;
            }
            let bytes = Bytes::from(bytes);
            let _ = classify(&bytes);
            let Ok(packet) = RtpPacket::parse(bytes.clone()) else { return Ok(()) };
            let header = rtp::header::Header::unmarshal(&mut bytes.clone());
            if let Ok(header) = header {
                prop_assert_eq!(header.marker, packet.marker());
                prop_assert_eq!(header.payload_type, packet.payload_type().get());
                prop_assert_eq!(header.sequence_number, packet.seq().0);
                prop_assert_eq!(header.timestamp, packet.timestamp().0);
                prop_assert_eq!(header.ssrc, packet.ssrc().0);
                let csrcs: Vec<u32> = packet.csrcs().map(|csrc| csrc.0).collect();
                prop_assert_eq!(&header.csrc, &csrcs);
            }
            for (id, data) in packet.extensions() {
                prop_assert!(id != 0 && data.len() <= 255);
            }
            prop_assert_eq!(packet.payload(), packet.payload_ref());
            let _ = packet.audio_level(1);
        }
    }
}
