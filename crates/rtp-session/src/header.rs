//! A packet that goes out: a short header of its own, and a payload it shares.

use bytes::{BufMut, Bytes};

use crate::extension::ExtensionBlock;
use crate::packet::{FIXED_HEADER, read_u16, read_u32};
use crate::{PayloadType, RtpTime, Seq, Ssrc};

/// Who is mixed into a packet: at most 15 sources, in order (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsrcList {
    list: [Ssrc; 15],
    len: u8,
}

impl CsrcList {
    /// Nobody.
    pub const EMPTY: Self = Self { list: [Ssrc(0); 15], len: 0 };

    /// Appends a source; `false` when the list is full or holds it already.
    pub fn push(&mut self, ssrc: Ssrc) -> bool {
        if self.as_slice().contains(&ssrc) {
            return false;
        }
        let Some(slot) = self.list.get_mut(usize::from(self.len)) else {
            return false;
        };
        *slot = ssrc;
        self.len += 1;
        true
    }

    /// The sources in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Ssrc] {
        self.list.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl FromIterator<Ssrc> for CsrcList {
    /// The first 15 different sources; the rest is left out, as RFC 3550 §5.1 says.
    fn from_iter<I: IntoIterator<Item = Ssrc>>(iter: I) -> Self {
        let mut list = Self::EMPTY;
        for ssrc in iter {
            list.push(ssrc);
        }
        list
    }
}

/// The fields of a header to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Start of a talk spurt or end of a picture.
    pub marker: bool,
    /// What the packet carries.
    pub payload_type: PayloadType,
    /// Sequence number.
    pub seq: Seq,
    /// Media timestamp.
    pub timestamp: RtpTime,
    /// Who sends it.
    pub ssrc: Ssrc,
    /// Who is in it.
    pub csrcs: CsrcList,
    /// Header extension elements (RFC 8285).
    pub extensions: ExtensionBlock,
}

impl RtpHeader {
    /// Writes the header (RFC 3550 §5.1, §5.3.1).
    #[must_use]
    pub fn to_bytes(&self) -> HeaderBytes {
        let mut out = HeaderBytes::default();
        let csrcs = self.csrcs.as_slice();
        let extended = u8::from(!self.extensions.is_empty()) << 4;
        out.push(&[
            0x80 | extended | csrcs.len() as u8,
            u8::from(self.marker) << 7 | self.payload_type.get(),
        ]);
        out.push(&self.seq.0.to_be_bytes());
        out.push(&self.timestamp.0.to_be_bytes());
        out.push(&self.ssrc.0.to_be_bytes());
        for csrc in csrcs {
            out.push(&csrc.0.to_be_bytes());
        }
        self.extensions.write(|octets| {
            out.push(octets);
        });
        out
    }
}

/// Most octets a header of ours has: fixed part, 15 CSRCs, extensions, an original sequence number (RFC 4588 §4), a
/// VP8 descriptor.
const HEADER_CAPACITY: usize = FIXED_HEADER + 60 + ExtensionBlock::MAX_WIRE + 2 + 6;

/// The octets of a packet in front of its shared payload, without an allocation.
#[derive(Clone, Copy)]
pub struct HeaderBytes {
    bytes: [u8; HEADER_CAPACITY],
    len: u8,
}

impl Default for HeaderBytes {
    fn default() -> Self {
        Self { bytes: [0; HEADER_CAPACITY], len: 0 }
    }
}

impl std::fmt::Debug for HeaderBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02x?}", self.as_slice())
    }
}

impl HeaderBytes {
    /// The octets.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Appends octets; all or none of them. `false` when they do not fit.
    pub(crate) fn push(&mut self, octets: &[u8]) -> bool {
        let start = usize::from(self.len);
        let Some(room) = self.bytes.get_mut(start..start + octets.len()) else {
            return false;
        };
        room.copy_from_slice(octets);
        self.len += octets.len() as u8;
        true
    }
}

/// A packet ready to be sent: `header` and `payload` are consecutive octets of one datagram, kept apart
/// so that the payload can be shared with other receivers.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// RTP header, and for forwarded VP8 the new payload descriptor.
    pub header: HeaderBytes,
    /// The rest.
    pub payload: Bytes,
}

impl Outbound {
    /// Length of the datagram.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header.as_slice().len() + self.payload.len()
    }

    /// Never: there is always a header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the datagram to a reused buffer.
    pub fn write_to(&self, out: &mut impl BufMut) {
        out.put_slice(self.header.as_slice());
        out.put_slice(&self.payload);
    }

    /// The datagram in memory of its own; for tests and rare packets.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.len());
        self.write_to(&mut out);
        out.into()
    }

    /// Start of a talk spurt or end of a picture.
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
        Seq(read_u16(self.header.as_slice(), 2).unwrap_or_default())
    }

    /// Media timestamp.
    #[must_use]
    pub fn timestamp(&self) -> RtpTime {
        RtpTime(read_u32(self.header.as_slice(), 4).unwrap_or_default())
    }

    /// Sender.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        Ssrc(read_u32(self.header.as_slice(), 8).unwrap_or_default())
    }

    /// Octets that count as payload in a sender report (RFC 3550 §6.4.1: no header, no padding).
    #[must_use]
    pub fn payload_octets(&self) -> usize {
        self.len().saturating_sub(self.rtp_header_len())
    }

    /// Octets of the RTP header, after which the payload (a descriptor, perhaps) begins.
    pub(crate) fn rtp_header_len(&self) -> usize {
        let first = self.octet(0);
        let extension_at = FIXED_HEADER + usize::from(first & 0x0f) * 4;
        if first & 0x10 == 0 {
            return extension_at;
        }
        let words = read_u16(self.header.as_slice(), extension_at + 2).unwrap_or_default();
        extension_at + 4 + 4 * usize::from(words)
    }

    fn octet(&self, at: usize) -> u8 {
        self.header.as_slice().get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RtpPacket;
    use proptest::prelude::*;
    use rtc_shared::marshal::Marshal;

    #[test]
    fn fifteen_csrcs_are_the_limit_and_nobody_is_named_twice() {
        let list: CsrcList = (0..40).map(|i| Ssrc(i / 2)).collect();
        assert_eq!(list.as_slice().len(), 15);
        assert_eq!(list.as_slice()[14], Ssrc(14));
    }

    #[test]
    fn everything_at_once_fits() {
        let mut extensions = ExtensionBlock::default();
        assert!(extensions.push(14, &[0xff]));
        for id in 1..=2 {
            assert!(extensions.push(id, &[0; 16]));
        }
        let mut header = RtpHeader {
            marker: true,
            payload_type: PayloadType::new(127).unwrap(),
            seq: Seq(65535),
            timestamp: RtpTime(u32::MAX),
            ssrc: Ssrc(1),
            csrcs: (0..15).map(Ssrc).collect(),
            extensions,
        }
        .to_bytes();
        assert!(header.push(&[0, 0]) && header.push(&[1, 2, 3, 4, 5, 6]));
        let packet = Outbound { header, payload: Bytes::from_static(b"xyz") };
        let read = RtpPacket::parse(packet.to_bytes()).unwrap();
        assert_eq!(read.csrcs().count(), 15);
        assert_eq!(read.audio_level(14).map(|level| level.level), Some(127));
        assert_eq!(read.payload_ref(), [0, 0, 1, 2, 3, 4, 5, 6, b'x', b'y', b'z']);
        assert_eq!(packet.payload_octets(), 11);
    }

    proptest! {
        /// The same octets as the `rtp` crate writes.
        #[test]
        fn headers_agree_with_the_rtp_crate(marker: bool, pt in 0u8..128, seq: u16, timestamp: u32, ssrc: u32,
            csrcs in prop::collection::btree_set(any::<u32>(), 0..15))
        {
            let ours = RtpHeader {
                marker,
                payload_type: PayloadType::new(pt).unwrap(),
                seq: Seq(seq),
                timestamp: RtpTime(timestamp),
                ssrc: Ssrc(ssrc),
                csrcs: csrcs.iter().copied().map(Ssrc).collect(),
                extensions: ExtensionBlock::EMPTY,
            };
            let theirs = rtp::header::Header {
                version: 2,
                marker,
                payload_type: pt,
                sequence_number: seq,
                timestamp,
                ssrc,
                csrc: csrcs.into_iter().collect(),
                ..Default::default()
            };
            let ours = ours.to_bytes();
            prop_assert_eq!(ours.as_slice(), &theirs.marshal().unwrap()[..]);
        }
    }
}
