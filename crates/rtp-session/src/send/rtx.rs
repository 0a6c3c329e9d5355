//! Packets sent again in a stream of their own (RFC 4588).

use crate::packet::read_u16;
use crate::random::Random;
use crate::{HeaderBytes, Outbound, PayloadType, RtpPacket, Seq, Ssrc};

/// Octets of the original sequence number in front of the payload (RFC 4588 §4).
const OSN: usize = 2;

/// A payload type of retransmissions and the one whose packets it carries: `a=fmtp:<rtx> apt=<apt>` (RFC 4588 §8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtxPair {
    /// Of the retransmissions.
    pub rtx: PayloadType,
    /// Of the original packets.
    pub apt: PayloadType,
}

/// The retransmission stream beside one stream of ours: its own SSRC and sequence numbers, the CNAME of the original
/// (RFC 4588 §4, §5.2). The cache is the original's [`History`](crate::History), which knows the numbers the receiver
/// saw.
///
/// ```
/// # use bytes::Bytes;
/// # use rtp_session::{CsrcList, PayloadType, RtxPair, RtxSender, SendStream, Ssrc};
/// let (vp8, rtx) = (PayloadType::new(96).unwrap(), PayloadType::new(97).unwrap());
/// let mut stream = SendStream::new(Ssrc(1), vp8, 7);
/// let mut repair = RtxSender::new(Ssrc(2), vec![RtxPair { rtx, apt: vp8 }], 7);
/// let packet = stream.packet(true, 0, Bytes::from_static(b"picture"), &CsrcList::EMPTY);
/// let again = repair.wrap(&packet).unwrap();
/// assert_eq!((again.ssrc(), again.payload_type()), (Ssrc(2), rtx));
/// ```
#[derive(Clone, Debug)]
pub struct RtxSender {
    ssrc: Ssrc,
    next_seq: Seq,
    pairs: Vec<RtxPair>,
}

impl RtxSender {
    /// A stream under `ssrc` ([`RtpSession::add_rtx_sender`](crate::RtpSession::add_rtx_sender) gives one) whose first
    /// number comes out of `seed`.
    #[must_use]
    pub fn new(ssrc: Ssrc, pairs: Vec<RtxPair>, seed: u64) -> Self {
        let next_seq = Seq(Random::new(seed ^ u64::from(ssrc.0)).next_u64() as u16);
        Self { ssrc, next_seq, pairs }
    }

    /// The packet as a retransmission: its header with marker, timestamp, CSRCs and extensions as they were, then its
    /// number, then its payload (RFC 4588 §4). `None` when its payload type has none for retransmissions: then it is to
    /// be sent again as it was.
    pub fn wrap(&mut self, original: &Outbound) -> Option<Outbound> {
        let payload_type = original.payload_type();
        let pair = self.pairs.iter().find(|pair| pair.apt == payload_type)?;
        let octets = original.header.as_slice();
        let (rtp, descriptor) = octets.split_at_checked(original.rtp_header_len())?;
        let (first, rest) = rtp.split_first()?;
        let mut header = HeaderBytes::default();
        let whole = header.push(&[*first, u8::from(original.marker()) << 7 | pair.rtx.get()])
            && header.push(&self.next_seq.0.to_be_bytes())
            && header.push(rest.get(3..7)?)
            && header.push(&self.ssrc.0.to_be_bytes())
            && header.push(rest.get(11..)?)
            && header.push(&original.seq().0.to_be_bytes())
            && header.push(descriptor);
        if !whole {
            return None;
        }
        self.next_seq = self.next_seq.next();
        Some(Outbound { header, payload: original.payload.clone() })
    }

    /// Its SSRC.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Goes on under another SSRC, after a collision (RFC 3550 §8.2).
    pub const fn set_ssrc(&mut self, ssrc: Ssrc) {
        self.ssrc = ssrc;
    }

    /// Other payload types, after a new answer.
    pub fn set_pairs(&mut self, pairs: Vec<RtxPair>) {
        self.pairs = pairs;
    }
}

/// The number of the original packet in a retransmission; `None` when it carries no packet (probing with padding).
pub(crate) fn original_seq(packet: &RtpPacket) -> Option<Seq> {
    let payload = packet.payload_ref();
    (payload.len() > OSN).then(|| read_u16(payload, 0).map(Seq)).flatten()
}

/// The original packet out of a retransmission. Padding of the retransmission does not come back.
pub(crate) fn restore(packet: &RtpPacket, ssrc: Ssrc, apt: PayloadType) -> Option<RtpPacket> {
    let seq = original_seq(packet)?;
    let payload = packet.payload_ref();
    let header = packet.as_bytes().get(..packet.payload_offset())?;
    let mut out = Vec::with_capacity(header.len() + payload.len());
    out.extend_from_slice(header);
    out.extend_from_slice(payload.get(OSN..)?);
    *out.first_mut()? &= !0x20;
    *out.get_mut(1)? = u8::from(packet.marker()) << 7 | apt.get();
    out.get_mut(2..4)?.copy_from_slice(&seq.0.to_be_bytes());
    out.get_mut(8..12)?.copy_from_slice(&ssrc.0.to_be_bytes());
    RtpPacket::parse(out.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CsrcList, ExtensionBlock, SendStream};
    use bytes::Bytes;
    use proptest::prelude::*;

    fn pair() -> RtxPair {
        RtxPair { rtx: PayloadType::new(97).unwrap(), apt: PayloadType::new(96).unwrap() }
    }

    fn original(descriptor: bool) -> Outbound {
        let mut stream = SendStream::new(Ssrc(1), pair().apt, 3);
        let payload = Bytes::from_static(b"picture");
        if descriptor {
            let csrcs = CsrcList::EMPTY;
            return stream.packet_with_descriptor(true, 90, &[0x90, 0x80, 5], payload, &csrcs);
        }
        let mut block = ExtensionBlock::default();
        block.push(4, &[9, 8, 7]);
        let csrcs = [Ssrc(7), Ssrc(8)].into_iter().collect();
        stream.packet_with_extensions(true, 90, payload, &csrcs, &block)
    }

    #[test]
    fn the_packet_of_rfc_4588_4() {
        let original = original(true);
        let mut sender = RtxSender::new(Ssrc(2), vec![pair()], 5);
        let first = sender.wrap(&original).unwrap();
        let second = sender.wrap(&original).unwrap();
        let wire = RtpPacket::parse(first.to_bytes()).unwrap();
        assert_eq!(wire.ssrc(), Ssrc(2));
        assert_eq!(wire.payload_type(), pair().rtx);
        assert_eq!(wire.timestamp(), original.timestamp());
        assert!(wire.marker());
        assert_eq!(second.seq(), first.seq().next());
        let [hi, lo] = original.seq().0.to_be_bytes();
        assert_eq!(
            wire.payload_ref()[..5],
            [hi, lo, 0x90, 0x80, 5],
            "the number comes before the descriptor"
        );
        assert_eq!(&wire.payload_ref()[5..], b"picture");
    }

    #[test]
    fn there_and_back_with_csrcs_and_extensions() {
        for descriptor in [false, true] {
            let original = original(descriptor);
            let sent = RtxSender::new(Ssrc(2), vec![pair()], 5).wrap(&original).unwrap();
            let wire = RtpPacket::parse(sent.to_bytes()).unwrap();
            let restored = restore(&wire, Ssrc(1), pair().apt).unwrap();
            assert_eq!(restored.as_bytes(), &original.to_bytes());
        }
    }

    #[test]
    fn a_type_without_a_pair_is_not_wrapped() {
        let mut sender = RtxSender::new(Ssrc(2), Vec::new(), 5);
        assert!(sender.wrap(&original(false)).is_none());
        sender.set_pairs(vec![pair()]);
        assert!(sender.wrap(&original(false)).is_some());
    }

    #[test]
    fn padding_that_probes_for_bandwidth_is_no_packet() {
        let probe = crate::testing::packet(2, 1, 0, &[0, 5]);
        assert!(restore(&probe, Ssrc(1), pair().apt).is_none());
        assert!(restore(&crate::testing::packet(2, 1, 0, &[]), Ssrc(1), pair().apt).is_none());
        let mut padded = crate::testing::packet(2, 1, 0, &[0, 5, 9]).as_bytes().to_vec();
        padded[0] |= 0x20;
        padded.extend_from_slice(&[0, 0, 3]);
        let restored =
            restore(&RtpPacket::parse(padded.into()).unwrap(), Ssrc(1), pair().apt).unwrap();
        assert_eq!((restored.seq(), restored.payload_ref()), (Seq(5), &[9][..]));
    }

    proptest! {
        #[test]
        fn any_packet(bytes in prop::collection::vec(any::<u8>(), 12..60)) {
            let mut bytes = bytes;
            bytes[0] = 0x80 | bytes[0] & 0x3f;
            if let Ok(packet) = RtpPacket::parse(Bytes::from(bytes)) {
                let _ = restore(&packet, Ssrc(1), pair().apt);
            }
        }
    }
}
