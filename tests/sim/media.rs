//! A phone's ear and voice: one RTP session that sends a tone in PCMU and records what comes.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use media_codec::{AudioCodec, AudioDecoder};
use rtp_session::{
    Arrival, CsrcList, NtpClock, PacketKind, PayloadType, RtpPacket, RtpSession, RtpTime,
    SendStream, SessionConfig, Ssrc, classify,
};
use sdp::negotiate::NegotiatedMedia;
use system_tests::listen::Recording;

use crate::clock::millis;
use crate::link::Packet;

const RATE: u32 = 8000;
const FRAME: u32 = 160;

/// The longest recording, 30 s; then the tape is full.
const TAPE: usize = 240_000;

/// 20 ms of a tone in PCMU. A whole number of periods must fit (a multiple of 50 Hz), so that the
/// same frame over and over is one steady tone.
pub fn tone_frame(hertz: u32) -> Bytes {
    assert!(hertz.is_multiple_of(50), "{hertz} Hz does not fit into 20 ms");
    let samples: Vec<i16> = (0..FRAME)
        .map(|n| {
            let angle = std::f64::consts::TAU * f64::from(hertz * n) / f64::from(RATE);
            (angle.sin() * 8000.0) as i16
        })
        .collect();
    let mut payload = [0; FRAME as usize];
    let mut encoder = AudioCodec::Pcmu.encoder().expect("an encoder");
    let length = encoder.encode(&samples, &mut payload).expect("a frame");
    Bytes::copy_from_slice(&payload[..length])
}

/// The media of one call.
pub struct Media {
    local: SocketAddr,
    session: RtpSession,
    stream: SendStream,
    tone: Bytes,
    /// What was agreed; nothing before that.
    agreed: Option<NegotiatedMedia>,
    next_frame: Instant,
    ticks: u32,
    decoder: Box<dyn AudioDecoder>,
    tape: Tape,
    /// Media packets received.
    pub received: u64,
    /// Sends nothing at all, not even RTCP, as some clients do while they are muted.
    pub mute: bool,
}

/// What was heard, by RTP timestamp: a lost packet is a gap, a late one is in its place.
#[derive(Default)]
struct Tape {
    start: Option<(Ssrc, RtpTime)>,
    samples: Vec<i16>,
}

impl Media {
    pub fn new(
        now: Instant,
        local: SocketAddr,
        name: &str,
        clock: NtpClock,
        tone: Bytes,
        seed: u64,
    ) -> Self {
        let config = SessionConfig {
            cname: format!("{name}@sim"),
            name: name.to_owned(),
            clock,
            bandwidth: 64_000,
            feedback: true,
            payload_types: vec![(PayloadType::PCMU, RATE)],
            seed,
        };
        let mut session = RtpSession::new(config, now);
        let ssrc = session.add_sender(RATE);
        Self {
            local,
            session,
            stream: SendStream::new(ssrc, PayloadType::PCMU, seed),
            tone,
            agreed: None,
            next_frame: now,
            ticks: 0,
            decoder: AudioCodec::Pcmu.decoder().expect("a decoder"),
            tape: Tape::default(),
            received: 0,
            mute: false,
        }
    }

    /// The port of ours.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Offer and answer are through.
    pub fn agree(&mut self, now: Instant, media: Option<NegotiatedMedia>) {
        self.agreed = media;
        self.next_frame = self.next_frame.max(now);
    }

    /// What was agreed.
    pub fn agreed(&self) -> Option<&NegotiatedMedia> {
        self.agreed.as_ref()
    }

    fn sends_to(&self) -> Option<SocketAddr> {
        let agreed = self.agreed.as_ref().filter(|agreed| agreed.direction.sends());
        agreed.filter(|_| !self.mute).and_then(|agreed| agreed.remote.rtp)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.agreed.as_ref()?;
        let frame = self.sends_to().map(|_| self.next_frame);
        [frame, self.session.poll_timeout()].into_iter().flatten().min()
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Packet>) {
        while self.next_frame <= now {
            if let Some(to) = self.sends_to() {
                let packet =
                    self.stream.packet(false, self.ticks, self.tone.clone(), &CsrcList::EMPTY);
                self.session.sent(self.next_frame, &packet);
                out.push(Packet { from: self.local, to, bytes: packet.to_bytes() });
            } else if self.next_frame + millis(20) < now {
                // On hold: the clock goes on without us.
                let missed = (now - self.next_frame).as_millis() as u32 / 20;
                self.ticks += missed * FRAME;
                self.next_frame += millis(20) * missed;
            }
            self.ticks += FRAME;
            self.next_frame += millis(20);
        }
        if self.session.poll_timeout().is_some_and(|due| due <= now) {
            while let Some(bytes) = self.session.poll_rtcp(now) {
                self.send_rtcp(bytes, out);
            }
        }
    }

    fn send_rtcp(&self, bytes: Bytes, out: &mut Vec<Packet>) {
        let Some(agreed) = self.agreed.as_ref().filter(|_| !self.mute) else { return };
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
                if let Arrival::Received(_) = self.session.handle_rtp(now, &packet) {
                    self.received += 1;
                    self.record(&packet);
                }
            }
            PacketKind::Rtcp => {
                self.session.handle_rtcp(now, bytes);
            }
            PacketKind::Stun | PacketKind::Dtls | PacketKind::Unknown => {}
        }
    }

    fn record(&mut self, packet: &RtpPacket) {
        let Tape { start, samples } = &mut self.tape;
        let (ssrc, first) = *start.get_or_insert((packet.ssrc(), packet.timestamp()));
        if ssrc != packet.ssrc() {
            // Another stream: what was heard before is told by its own level, not mixed with this.
            *start = Some((packet.ssrc(), packet.timestamp()));
            samples.clear();
            return self.record(packet);
        }
        let Ok(at) = usize::try_from(packet.timestamp().distance_from(first)) else { return };
        let mut decoded = [0; 1920];
        let Ok(count) = self.decoder.decode(packet.payload_ref(), &mut decoded) else { return };
        if at + count <= TAPE {
            samples.resize(samples.len().max(at + count), 0);
            samples[at..at + count].copy_from_slice(&decoded[..count]);
        }
    }

    /// Begins a new recording.
    pub fn listen(&mut self) {
        self.tape = Tape::default();
    }

    /// What was recorded.
    pub fn heard(&self) -> Recording {
        let samples = self.tape.samples.iter().map(|sample| f32::from(*sample) / 32_768.0);
        Recording { samples: samples.collect(), rate: RATE }
    }
}
