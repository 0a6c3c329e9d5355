//! A stream of our own making: sequence numbers and timestamps (RFC 3550 §5.1).

use bytes::Bytes;

use crate::{CsrcList, ExtensionBlock, Outbound, PayloadType, RtpHeader, RtpTime, Seq, Ssrc};

/// Numbers the packets of one sender.
#[derive(Clone, Debug)]
pub struct SendStream {
    ssrc: Ssrc,
    payload_type: PayloadType,
    next_seq: Seq,
    first_timestamp: RtpTime,
}

impl SendStream {
    /// A stream that starts at a sequence number and a timestamp taken from `seed`, as RFC 3550 §5.1 wants
    /// them unpredictable.
    #[must_use]
    pub fn new(ssrc: Ssrc, payload_type: PayloadType, seed: u64) -> Self {
        let mut random = crate::random::Random::new(seed ^ u64::from(ssrc.0));
        let next_seq = Seq(random.next_u64() as u16);
        let first_timestamp = RtpTime(random.next_u64() as u32);
        Self { ssrc, payload_type, next_seq, first_timestamp }
    }

    /// The next packet. `ticks` is the media time since the stream's own start, in units of its clock.
    pub fn packet(
        &mut self,
        marker: bool,
        ticks: u32,
        payload: Bytes,
        csrcs: &CsrcList,
    ) -> Outbound {
        let header = RtpHeader { csrcs: *csrcs, ..self.header(marker, ticks) };
        self.number(header, &[], payload)
    }

    /// As [`SendStream::packet`], with header extension elements: levels ([`crate::LevelIds::write`]) and whatever
    /// else was agreed on.
    pub fn packet_with_extensions(
        &mut self,
        marker: bool,
        ticks: u32,
        payload: Bytes,
        csrcs: &CsrcList,
        extensions: &ExtensionBlock,
    ) -> Outbound {
        let header =
            RtpHeader { csrcs: *csrcs, extensions: *extensions, ..self.header(marker, ticks) };
        self.number(header, &[], payload)
    }

    /// As [`SendStream::packet`], with a payload descriptor in front of the shared payload
    /// ([`crate::vp8::Packetizer`] makes them). At most 6 octets.
    pub fn packet_with_descriptor(
        &mut self,
        marker: bool,
        ticks: u32,
        descriptor: &[u8],
        payload: Bytes,
        csrcs: &CsrcList,
    ) -> Outbound {
        let header = RtpHeader { csrcs: *csrcs, ..self.header(marker, ticks) };
        self.number(header, descriptor, payload)
    }

    /// As [`SendStream::packet`], of another payload type in the same stream: a telephone event (RFC 4733
    /// §2.1).
    pub fn packet_of_type(
        &mut self,
        payload_type: PayloadType,
        marker: bool,
        ticks: u32,
        payload: Bytes,
    ) -> Outbound {
        let header = RtpHeader { payload_type, ..self.header(marker, ticks) };
        self.number(header, &[], payload)
    }

    fn header(&self, marker: bool, ticks: u32) -> RtpHeader {
        RtpHeader {
            marker,
            payload_type: self.payload_type,
            seq: self.next_seq,
            timestamp: self.first_timestamp.plus(ticks),
            ssrc: self.ssrc,
            csrcs: CsrcList::EMPTY,
            extensions: ExtensionBlock::EMPTY,
        }
    }

    fn number(&mut self, header: RtpHeader, descriptor: &[u8], payload: Bytes) -> Outbound {
        let mut header = header.to_bytes();
        header.push(descriptor);
        self.next_seq = self.next_seq.next();
        Outbound { header, payload }
    }

    /// Who sends.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Goes on under another SSRC, after a collision (RFC 3550 §8.2).
    pub const fn set_ssrc(&mut self, ssrc: Ssrc) {
        self.ssrc = ssrc;
    }

    /// What the stream carries.
    #[must_use]
    pub const fn payload_type(&self) -> PayloadType {
        self.payload_type
    }

    /// Changes what the stream carries, after a new answer.
    pub const fn set_payload_type(&mut self, payload_type: PayloadType) {
        self.payload_type = payload_type;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RtpPacket;

    #[test]
    fn packets_are_numbered_and_timed() {
        let mut stream = SendStream::new(Ssrc(5), PayloadType::PCMA, 1);
        let first = stream.packet(true, 0, Bytes::from_static(b"a"), &CsrcList::EMPTY);
        let event = stream.packet_of_type(
            PayloadType::new(101).unwrap(),
            false,
            160,
            Bytes::from_static(b"b"),
        );
        let first = RtpPacket::parse(first.to_bytes()).unwrap();
        let event = RtpPacket::parse(event.to_bytes()).unwrap();
        assert_eq!(event.seq(), first.seq().next());
        assert_eq!(event.timestamp().distance_from(first.timestamp()), 160);
        assert!(first.marker() && !event.marker());
        assert_eq!(event.payload_type().get(), 101);
        assert_eq!(first.ssrc(), Ssrc(5));
    }

    #[test]
    fn starts_are_unlike() {
        let start = |seed| {
            let packet = SendStream::new(Ssrc(5), PayloadType::PCMA, seed).packet(
                false,
                0,
                Bytes::new(),
                &CsrcList::EMPTY,
            );
            (packet.seq(), packet.timestamp())
        };
        assert_ne!(start(1), start(2));
        assert_eq!(start(1), start(1));
    }
}
