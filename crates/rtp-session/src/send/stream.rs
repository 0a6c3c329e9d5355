//! A stream of our own making: sequence numbers and timestamps (RFC 3550 §5.1).

use bytes::Bytes;

use crate::{AudioLevel, CsrcList, Outbound, PayloadType, RtpHeader, RtpTime, Seq, Ssrc};

/// Numbers the packets of one sender.
#[derive(Clone, Debug)]
pub struct SendStream {
    ssrc: Ssrc,
    payload_type: PayloadType,
    next_seq: Seq,
    first_timestamp: RtpTime,
    audio_level_id: Option<u8>,
}

impl SendStream {
    /// A stream that starts at a sequence number and a timestamp taken from `seed`, as RFC 3550 §5.1 wants
    /// them unpredictable.
    #[must_use]
    pub fn new(ssrc: Ssrc, payload_type: PayloadType, seed: u64) -> Self {
        let mut random = crate::random::Random::new(seed ^ u64::from(ssrc.0));
        let next_seq = Seq(random.next_u64() as u16);
        let first_timestamp = RtpTime(random.next_u64() as u32);
        Self { ssrc, payload_type, next_seq, first_timestamp, audio_level_id: None }
    }

    /// The extension id negotiated for RFC 6464 levels (1 to 14), or none.
    pub const fn set_audio_level_id(&mut self, id: Option<u8>) {
        self.audio_level_id = id;
    }

    /// The next packet. `ticks` is the media time since the stream's own start, in units of its clock.
    pub fn packet(
        &mut self,
        marker: bool,
        ticks: u32,
        payload: Bytes,
        csrcs: &CsrcList,
    ) -> Outbound {
        self.build(self.payload_type, marker, ticks, payload, csrcs, None, &[])
    }

    /// As [`SendStream::packet`], with the level of the sound in it, when that extension was negotiated.
    pub fn packet_with_level(
        &mut self,
        marker: bool,
        ticks: u32,
        payload: Bytes,
        csrcs: &CsrcList,
        level: AudioLevel,
    ) -> Outbound {
        self.build(self.payload_type, marker, ticks, payload, csrcs, Some(level), &[])
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
        self.build(self.payload_type, marker, ticks, payload, csrcs, None, descriptor)
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
        self.build(payload_type, marker, ticks, payload, &CsrcList::EMPTY, None, &[])
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "private; the public calls name every combination in use"
    )]
    fn build(
        &mut self,
        payload_type: PayloadType,
        marker: bool,
        ticks: u32,
        payload: Bytes,
        csrcs: &CsrcList,
        level: Option<AudioLevel>,
        descriptor: &[u8],
    ) -> Outbound {
        let mut header = RtpHeader {
            marker,
            payload_type,
            seq: self.next_seq,
            timestamp: self.first_timestamp.plus(ticks),
            ssrc: self.ssrc,
            csrcs: *csrcs,
        }
        .to_bytes();
        if let (Some(id), Some(level)) = (self.audio_level_id, level) {
            header.push_audio_level(id, u8::from(level.voice) << 7 | level.level.min(127));
        }
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
    fn levels_are_written_only_when_negotiated() {
        let mut stream = SendStream::new(Ssrc(5), PayloadType::PCMA, 1);
        let level = AudioLevel { voice: true, level: 33 };
        let send = |stream: &mut SendStream| {
            let packet = stream.packet_with_level(
                false,
                0,
                Bytes::from_static(b"a"),
                &CsrcList::EMPTY,
                level,
            );
            RtpPacket::parse(packet.to_bytes()).unwrap()
        };
        assert_eq!(send(&mut stream).extensions().count(), 0);
        stream.set_audio_level_id(Some(3));
        assert_eq!(send(&mut stream).audio_level(3), Some(level));
        assert_eq!(send(&mut stream).payload_ref(), b"a");
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
