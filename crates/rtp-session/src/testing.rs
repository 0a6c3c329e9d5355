//! Packets for tests.

use bytes::Bytes;

use crate::{CsrcList, ExtensionBlock, PayloadType, RtpHeader, RtpPacket, RtpTime, Seq, Ssrc};

/// A packet of payload type 96 without marker.
pub(crate) fn packet(ssrc: u32, seq: u16, timestamp: u32, payload: &[u8]) -> RtpPacket {
    marked(ssrc, seq, timestamp, payload, false)
}

/// A packet of payload type 96.
pub(crate) fn marked(
    ssrc: u32,
    seq: u16,
    timestamp: u32,
    payload: &[u8],
    marker: bool,
) -> RtpPacket {
    let header = RtpHeader {
        marker,
        payload_type: PayloadType::new(96).unwrap(),
        seq: Seq(seq),
        timestamp: RtpTime(timestamp),
        ssrc: Ssrc(ssrc),
        csrcs: CsrcList::EMPTY,
        extensions: ExtensionBlock::EMPTY,
    };
    let mut bytes = header.to_bytes().as_slice().to_vec();
    bytes.extend_from_slice(payload);
    RtpPacket::parse(Bytes::from(bytes)).unwrap()
}
