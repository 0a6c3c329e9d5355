//! A phone's camera and screen: one RTP session that sends numbered VP8 frames with the name of the phone in them,
//! and notes whose frames come that could be decoded.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtp_session::vp8::{Assembler, AssemblerConfig, Packetizer, Vp8Frame};
use rtp_session::{
    Arrival, CsrcList, History, NtpClock, Outbound, PacketKind, PayloadType, RtcpEvent, RtpPacket,
    RtpSession, SendStream, SessionConfig, Ssrc, classify,
};
use sdp::negotiate::{LocalTransport, NegotiatedMedia};

use crate::clock::millis;
use crate::link::Packet;

/// What VP8 has in all descriptions of this world.
const VP8: u8 = 98;
const RATE: u32 = 90_000;
/// Ten frames a second.
const FRAME: Duration = millis(100);
const TICKS: u32 = 9000;
/// How long a key frame that was asked for is waited for until it is asked for again.
const ASK_AGAIN: Duration = millis(300);
/// A stream that was silent for so long shows nothing any more, and is asked for nothing.
const STALE: Duration = millis(1000);

/// A key frame's first octets: shown, 320 × 240. That it is one says the first bit (RFC 7741 §4.3).
const HEAD: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00];

/// What was seen of somebody.
#[derive(Debug, Clone, Copy)]
pub struct Sight {
    /// Frames that could be decoded: a key frame and what followed it without a gap.
    pub frames: u64,
    /// When the last one of them came.
    pub last: Instant,
}

/// One stream that comes in.
struct Stream {
    assembler: Assembler,
    /// What the decoder has: whose picture, and its number.
    shown: Option<(String, u32)>,
    /// Frames that came after others than they were made from.
    smeared: u64,
    heard: Instant,
    asked: Option<Instant>,
}

/// The picture of one call.
pub struct Picture {
    local: SocketAddr,
    name: &'static str,
    session: RtpSession,
    ssrc: Ssrc,
    stream: SendStream,
    packetizer: Packetizer,
    history: History,
    agreed: Option<NegotiatedMedia>,
    next_frame: Instant,
    number: u32,
    want_key: bool,
    streams: BTreeMap<Ssrc, Stream>,
    seen: BTreeMap<String, Sight>,
    /// Packets received, by who made them: the contributor a mixer names, else the stream's own source.
    pub received: BTreeMap<Ssrc, u64>,
    /// Key frames that were asked of us.
    pub key_requests: u64,
    resends: Vec<Outbound>,
}

impl Picture {
    pub fn new(
        now: Instant,
        local: SocketAddr,
        name: &'static str,
        clock: NtpClock,
        seed: u64,
    ) -> Self {
        let vp8 = PayloadType::new(VP8).expect("a payload type");
        let config = SessionConfig {
            cname: format!("{name}@sim"),
            name: name.to_owned(),
            clock,
            bandwidth: 500_000,
            feedback: true,
            payload_types: vec![(vp8, RATE)],
            seed,
        };
        let mut session = RtpSession::new(config, now);
        let ssrc = session.add_sender(RATE);
        Self {
            local,
            name,
            session,
            ssrc,
            stream: SendStream::new(ssrc, vp8, seed),
            packetizer: Packetizer::new(1000, seed),
            history: History::default(),
            agreed: None,
            next_frame: now,
            number: 0,
            want_key: true,
            streams: BTreeMap::new(),
            seen: BTreeMap::new(),
            received: BTreeMap::new(),
            key_requests: 0,
            resends: Vec::new(),
        }
    }

    /// Whether a datagram for this port is ours.
    pub fn owns(&self, port: u16) -> bool {
        port == self.local.port() || port == self.local.port() + 1
    }

    /// Where the picture is received, and which source we send.
    pub fn transport(&self) -> LocalTransport {
        LocalTransport::pair(self.local).with_source(self.ssrc.0, &format!("{}@sim", self.name))
    }

    /// Offer and answer are through; nothing when the line was refused.
    pub fn agree(&mut self, now: Instant, media: Option<NegotiatedMedia>) {
        if let Some(media) = &media {
            assert_eq!(media.codec.payload_type, VP8, "another payload type");
        }
        self.agreed = media;
        self.next_frame = self.next_frame.max(now);
    }

    fn sends_to(&self) -> Option<SocketAddr> {
        let agreed = self.agreed.as_ref().filter(|agreed| agreed.direction.sends());
        agreed.and_then(|agreed| agreed.remote.rtp)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.agreed.as_ref()?;
        let frame = self.sends_to().map(|_| self.next_frame);
        [frame, self.session.poll_timeout()].into_iter().flatten().min()
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Packet>) {
        let to = self.sends_to();
        while self.next_frame <= now {
            match to {
                Some(to) => self.send_frame(to, out),
                // What it would have been of is not known to the peer.
                None => self.want_key = true,
            }
            self.number += 1;
            self.next_frame += FRAME;
        }
        for packet in std::mem::take(&mut self.resends) {
            let Some(to) = to else { break };
            self.session.sent_again(&packet);
            out.push(Packet { from: self.local, to, bytes: packet.to_bytes() });
        }
        if self.session.poll_timeout().is_some_and(|due| due <= now) {
            while let Some(bytes) = self.session.poll_rtcp(now) {
                self.send_rtcp(bytes, out);
            }
        }
    }

    /// A frame of 60 octets, or 1500 and so of two packets if it is a key frame.
    fn send_frame(&mut self, to: SocketAddr, out: &mut Vec<Packet>) {
        let key = std::mem::take(&mut self.want_key);
        let mut frame = HEAD.to_vec();
        frame[0] |= u8::from(!key);
        frame.extend(format!("{}:{};", self.name, self.number).bytes());
        frame.resize(if key { 1500 } else { 60 }, 0x55);
        for part in self.packetizer.split(&Bytes::from(frame)) {
            let packet = self.stream.packet_with_descriptor(
                part.last,
                self.number.wrapping_mul(TICKS),
                part.descriptor(),
                part.payload.clone(),
                &CsrcList::EMPTY,
            );
            self.session.sent(self.next_frame, &packet);
            self.history.push(self.next_frame, packet.clone());
            out.push(Packet { from: self.local, to, bytes: packet.to_bytes() });
        }
    }

    fn send_rtcp(&self, bytes: Bytes, out: &mut Vec<Packet>) {
        let Some(agreed) = &self.agreed else { return };
        let mut from = self.local;
        if !agreed.rtcp_mux {
            from.set_port(from.port() + 1);
        }
        if let Some(to) = agreed.remote.rtcp {
            out.push(Packet { from, to, bytes });
        }
    }

    /// A datagram for one of our ports.
    pub fn handle_datagram(&mut self, now: Instant, bytes: &Bytes) {
        match classify(bytes) {
            PacketKind::Rtp => {
                let Ok(packet) = RtpPacket::parse(bytes.clone()) else { return };
                if let Arrival::Received(received) = self.session.handle_rtp(now, &packet) {
                    let source = packet.csrcs().next().unwrap_or(packet.ssrc());
                    *self.received.entry(source).or_default() += 1;
                    let stream =
                        self.streams.entry(packet.ssrc()).or_insert_with(|| Stream::new(now));
                    if received.first {
                        stream.assembler.reset();
                    }
                    stream.heard = now;
                    stream.assembler.push(now, received.ext_seq, &packet);
                    self.watch(now);
                }
            }
            PacketKind::Rtcp => {
                for event in self.session.handle_rtcp(now, bytes) {
                    match event {
                        RtcpEvent::KeyFrameWanted { .. } => {
                            self.key_requests += 1;
                            self.want_key = true;
                        }
                        RtcpEvent::Nack { seqs, .. } => {
                            let again = seqs.into_iter();
                            self.resends.extend(
                                again.filter_map(|seq| self.history.resend(now, seq, millis(60))),
                            );
                        }
                        _ => {}
                    }
                }
            }
            PacketKind::Stun | PacketKind::Dtls | PacketKind::Unknown => {}
        }
    }

    /// Looks at what is whole, and asks for a key frame where nothing can be decoded.
    fn watch(&mut self, now: Instant) {
        for (ssrc, stream) in &mut self.streams {
            while let Some(frame) = stream.assembler.pop(now) {
                if let Some(name) = stream.decode(&frame) {
                    let sight = self.seen.entry(name).or_insert(Sight { frames: 0, last: now });
                    *sight = Sight { frames: sight.frames + 1, last: now };
                }
            }
            if stream.wants_key(now) {
                stream.asked = Some(now);
                self.session.request_pli(now, *ssrc);
            }
        }
    }

    /// How it does, for whoever looks into a failure.
    pub fn told(&self) -> String {
        let agreed = self.agreed.as_ref().map(|media| (media.direction, media.remote.rtp));
        let streams: Vec<_> = (self.streams.iter())
            .map(|(ssrc, stream)| (ssrc, &stream.shown, stream.heard, stream.smeared))
            .collect();
        format!(
            "agreed {agreed:?}, seen {:?}, streams {streams:?}, received {:?}, asked {} times, sent {} frames",
            self.seen, self.received, self.key_requests, self.number
        )
    }

    /// What was seen of whom.
    pub fn seen(&self) -> &BTreeMap<String, Sight> {
        &self.seen
    }

    /// Frames that came without what they were made from: a decoder would have shown rubbish.
    pub fn smeared(&self) -> u64 {
        self.streams.values().map(|stream| stream.smeared).sum()
    }
}

impl Stream {
    fn new(now: Instant) -> Self {
        Self {
            assembler: Assembler::new(AssemblerConfig::default()),
            shown: None,
            smeared: 0,
            heard: now,
            asked: None,
        }
    }

    fn wants_key(&self, now: Instant) -> bool {
        let blind = self.assembler.want_key_frame() || self.shown.is_none();
        let fresh = now < self.heard + STALE;
        blind && fresh && self.asked.is_none_or(|asked| now >= asked + ASK_AGAIN)
    }

    /// Whose picture a frame is, if it can be decoded.
    fn decode(&mut self, frame: &Vp8Frame) -> Option<String> {
        let text = String::from_utf8_lossy(frame.data.get(HEAD.len()..)?).into_owned();
        let (name, number) = text.split_once(';')?.0.split_once(':')?;
        let number: u32 = number.parse().ok()?;
        let before = self.shown.take();
        let follows = before.is_some_and(|(who, last)| who == name && last + 1 == number);
        if !frame.key && !follows {
            self.smeared += 1;
            return None;
        }
        self.shown = Some((name.to_owned(), number));
        Some(name.to_owned())
    }
}
