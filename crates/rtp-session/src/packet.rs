//! A packet that came in: checked once, then read in place (RFC 3550 §5.1, RFC 8285).

use bytes::Bytes;

use crate::{PayloadType, RtpTime, Seq, Ssrc};

/// The fixed part of an RTP header.
pub(crate) const FIXED_HEADER: usize = 12;
/// Profile value of one-byte extension elements (RFC 8285 §4.2).
pub(crate) const ONE_BYTE: u16 = 0xbede;
/// Profile value of two-byte extension elements without its lowest four bits (RFC 8285 §4.3).
const TWO_BYTE: u16 = 0x1000;

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

/// How loud the sender says this packet is (RFC 6464).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// The sender believes there is speech in it.
    pub voice: bool,
    /// Level in -dBov: 0 is loudest, 127 is digital silence.
    pub level: u8,
}

/// An RTP packet as it came. Its layout is checked by [`RtpPacket::parse`]; reading cannot fail.
#[derive(Clone, Debug)]
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
        match profile {
            Some(ONE_BYTE) => Extensions { rest, two_byte: false },
            Some(p) if p & 0xfff0 == TWO_BYTE => Extensions { rest, two_byte: true },
            _ => Extensions { rest: &[], two_byte: false },
        }
    }

    /// The data of the extension element with this id, as negotiated by `a=extmap`.
    #[must_use]
    pub fn extension(&self, id: u8) -> Option<&[u8]> {
        self.extensions().find_map(|(found, data)| (found == id).then_some(data))
    }

    /// The level the sender wrote under this extension id (RFC 6464 §3).
    #[must_use]
    pub fn audio_level(&self, id: u8) -> Option<AudioLevel> {
        let &octet = self.extension(id)?.first()?;
        Some(AudioLevel { voice: octet & 0x80 != 0, level: octet & 0x7f })
    }

    /// The whole packet as it came.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn octet(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_default()
    }
}

/// Iterator over header extension elements; see [`RtpPacket::extensions`].
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    rest: &'a [u8],
    two_byte: bool,
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&first, after) = self.rest.split_first()?;
            if first == 0 {
                self.rest = after; // padding (RFC 8285 §4.1.2)
                continue;
            }
            let (id, len, after) = if self.two_byte {
                let (&len, after) = after.split_first()?;
                (first, usize::from(len), after)
            } else {
                // Id 15 is reserved: parsing stops there. Id 0 with a length is padding in disguise;
                // what follows cannot be trusted either.
                if first >> 4 == 15 || first >> 4 == 0 {
                    self.rest = &[];
                    return None;
                }
                (first >> 4, usize::from(first & 0x0f) + 1, after)
            };
            let Some((data, rest)) = after.split_at_checked(len) else {
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            return Some((id, data));
        }
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
