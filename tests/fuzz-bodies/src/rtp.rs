//! What comes to a media port.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rtp_session::dtmf::{DtmfReceiver, TelephoneEvent};
use rtp_session::rtcp::{self, Compound, MAX_COMPOUND, Rtcp};
use rtp_session::vp8::{Assembler, AssemblerConfig, Descriptor, frame_size, starts_key_frame};
use rtp_session::{
    CsrcList, ExtSeq, ExtensionBlock, NtpClock, PacketKind, PayloadType, RtpHeader, RtpPacket,
    RtpSession, SessionConfig, classify,
};

/// One datagram as RTP: views stay inside it, and its header can be written again. What it carries
/// is read as a telephone event too.
pub fn packet(data: &[u8]) {
    let kind = classify(data);
    let Ok(packet) = RtpPacket::parse(Bytes::copy_from_slice(data)) else { return };
    assert!(matches!(kind, PacketKind::Rtp | PacketKind::Rtcp), "version 2, but {kind:?}");
    assert_eq!(packet.payload(), packet.payload_ref());
    assert!(packet.payload_ref().len() + 12 <= data.len());
    let mut csrcs = CsrcList::default();
    assert!(packet.csrcs().count() <= 15);
    for csrc in packet.csrcs() {
        csrcs.push(csrc); // names nobody twice
    }
    let (extensions, written) = extensions(&packet, data.len());
    let header = RtpHeader {
        marker: packet.marker(),
        payload_type: packet.payload_type(),
        seq: packet.seq(),
        timestamp: packet.timestamp(),
        ssrc: packet.ssrc(),
        csrcs,
        extensions,
    };
    let mut again = header.to_bytes().as_slice().to_vec();
    again.extend_from_slice(packet.payload_ref());
    let again = RtpPacket::parse(again.into()).expect("what we write we can read");
    assert_eq!(again.payload_ref(), packet.payload_ref());
    let elements = |packet: &RtpPacket| -> Vec<_> {
        packet.extensions().take(written).map(|(id, data)| (id, data.to_vec())).collect()
    };
    assert_eq!(elements(&again), elements(&packet));
    assert!(packet.csrcs().all(|csrc| again.csrcs().any(|written| written == csrc)));
    assert_eq!(
        (again.marker(), again.payload_type(), again.seq(), again.timestamp(), again.ssrc()),
        (packet.marker(), packet.payload_type(), packet.seq(), packet.timestamp(), packet.ssrc()),
    );
    telephone_event(&packet);
}

/// As many of the elements as one of our packets can carry, and how many these are.
fn extensions(packet: &RtpPacket, length: usize) -> (ExtensionBlock, usize) {
    let mut block = ExtensionBlock::new(packet.extensions().form());
    let (mut octets, mut written, mut full) = (0, 0, false);
    for (id, data) in packet.extensions() {
        octets += 1 + data.len();
        assert!(id != 0, "id 0 is padding (RFC 8285 §4.2)");
        assert!(octets <= length, "more extensions than packet");
        let _ = packet.audio_level(id);
        assert!(packet.csrc_levels(id).count() <= 15);
        full = full || !block.push(id, data);
        written += usize::from(!full);
    }
    (block, written)
}

fn telephone_event(packet: &RtpPacket) {
    let Some(event) = TelephoneEvent::parse(packet.payload_ref()) else { return };
    assert_eq!(TelephoneEvent::parse(&event.to_payload()), Some(event));
    let mut receiver = DtmfReceiver::new();
    assert_eq!(receiver.receive(packet), event.key());
    assert_eq!(receiver.receive(packet), None, "a repetition is no second key press");
}

/// One datagram as RTCP: each packet read can be written and read again the same.
pub fn control(data: &[u8]) {
    let packets = rtcp::parse(data);
    assert!(packets.len() <= data.len() / 4);
    for mut packet in packets {
        if let Rtcp::Nack(nack) = &mut packet {
            nack.seqs.sort_by_key(|seq| seq.0); // wanted twice is wanted
            nack.seqs.dedup();
        }
        let mut compound = Compound::default();
        if compound.push(&packet) {
            let bytes = compound.finish();
            assert!(bytes.len() <= MAX_COMPOUND && bytes.len() % 4 == 0);
            let again = rtcp::parse(&bytes);
            // text that was no UTF-8 has become longer, and may have to be cut
            assert!(is_mangled(&packet) || again == [packet], "{again:?}");
        } else {
            assert!(compound.is_empty(), "a refused packet leaves nothing behind");
        }
    }
}

fn is_mangled(packet: &Rtcp) -> bool {
    let mangled =
        |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains('\u{fffd}'));
    match packet {
        Rtcp::Bye(bye) => mangled(&bye.reason),
        // more than 64 bits can hold is read as the most they can
        Rtcp::Tmmbr(rates) | Rtcp::Tmmbn(rates) => {
            rates.entries.iter().any(|entry| entry.bitrate >= 1 << 63)
        }
        Rtcp::Sdes(chunks) => {
            chunks.iter().any(|chunk| mangled(&chunk.cname) || mangled(&chunk.name))
        }
        _ => false,
    }
}

/// A session that gets anything, in any order: it stays small, and what it sends is well-formed. A datagram is
/// preceded by its length and the milliseconds before it.
pub fn session(data: &[u8]) {
    let start = Instant::now();
    let mut now = start;
    let mut session = RtpSession::new(
        SessionConfig {
            cname: "fuzz@parley".to_owned(),
            name: "Fuzz".to_owned(),
            clock: NtpClock::new(start, Duration::from_secs(1_767_225_600)),
            bandwidth: 64_000,
            feedback: true,
            payload_types: [(0, 8000), (96, 90_000), (101, 8000)]
                .into_iter()
                .filter_map(|(number, rate)| Some((PayloadType::new(number)?, rate)))
                .collect(),
            seed: 1,
        },
        start,
    );
    session.add_sender(8000);
    let mut rest = data;
    while let Some((&[length, wait], after)) = rest.split_first_chunk() {
        let (datagram, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        now += Duration::from_millis(u64::from(wait));
        if classify(datagram) == PacketKind::Rtcp {
            let events = session.handle_rtcp(now, datagram);
            assert!(events.len() <= 32 * datagram.len() + 32);
        } else if let Ok(packet) = RtpPacket::parse(Bytes::copy_from_slice(datagram)) {
            let _ = session.handle_rtp(now, &packet);
            session.request_nack(now, packet.ssrc(), &[packet.seq()]);
            session.request_pli(now, packet.ssrc());
        }
        drain(&mut session, now);
        assert!(session.sources().count() <= 64, "strangers fill the table of sources");
    }
    for _ in 0..32 {
        now = session.poll_timeout().map_or(now, |at| at.max(now));
        drain(&mut session, now);
    }
    let farewell = session.bye(now, "done");
    assert!(farewell.is_none_or(|bytes| !rtcp::parse(&bytes).is_empty()));
}

fn drain(session: &mut RtpSession, now: Instant) {
    let mut count = 0;
    while let Some(bytes) = session.poll_rtcp(now) {
        count += 1;
        assert!(count <= 64, "RTCP without end");
        assert!(bytes.len() <= MAX_COMPOUND && !rtcp::parse(&bytes).is_empty());
    }
}

/// VP8 payloads, each preceded by its length, flags and a step in sequence: the descriptor is written back the
/// same, and the frames joined of them hold no more than came.
pub fn vp8(data: &[u8]) {
    let start = Instant::now();
    let (mut now, mut seq, mut frame) = (start, 1_u64, 0_u32);
    let mut assembler = Assembler::new(AssemblerConfig::default());
    let (mut octets_in, mut octets_out) = (0, 0);
    let mut rest = data;
    while let Some((&[length, flags], after)) = rest.split_first_chunk() {
        let (payload, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        descriptor(payload);
        octets_in += payload.len();
        // bits: marker, new frame, wait, and a step of -1 to 2 in sequence
        let marker = flags & 1;
        frame += u32::from(flags >> 1 & 1);
        now += Duration::from_millis(u64::from(flags >> 2 & 7) * 20);
        seq = (seq + u64::from(flags >> 5 & 3)).saturating_sub(1);
        let mut bytes = vec![0x80, marker << 7 | 96];
        bytes.extend_from_slice(&(seq as u16).to_be_bytes());
        bytes.extend_from_slice(&(frame * 3000).to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 1]);
        bytes.extend_from_slice(payload);
        let packet = RtpPacket::parse(bytes.into()).expect("our own packet");
        assembler.push(now, ExtSeq(seq), &packet);
        while let Some(frame) = assembler.pop(now) {
            octets_out += frame.data.len();
            let _ = frame_size(&frame.data);
        }
        assert!(octets_out <= octets_in, "frames out of nothing");
    }
}

fn descriptor(payload: &[u8]) {
    let _ = starts_key_frame(payload);
    let Some((read, length)) = Descriptor::parse(payload) else { return };
    assert!(length <= payload.len() && length <= 6);
    let mut out = [0; 6];
    let written = read.write(&mut out);
    assert_eq!(Descriptor::parse(&out[..written]), Some((read, written)));
}
