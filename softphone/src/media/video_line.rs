//! One video line of a call: at most one picture out, one picture in.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtp_session::vp8::{Assembler, AssemblerConfig, Packetizer, Vp8Frame, starts_key_frame};
use rtp_session::{
    Arrival, CsrcList, Dropped, ExtSeq, History, LossConfig, LossDetector, Outbound, PayloadType,
    Received, RtcpEvent, RtpPacket, RtpSession, RtpTime, RtxSender, SendStream, Seq, SessionConfig,
    Ssrc,
};
use sdp::attribute::rtcp_fb::Feedback;
use sdp::negotiate::NegotiatedMedia;

use super::estimate::Estimate;
use super::key_frames::{KeyFrameGate, KeyFrameWish};
use super::line::{self, Datagram, News, Path, Sent, Tally};
use super::rate::{RateLimits, VideoRate};
use crate::core::report::{SentReport, SlotReport};

/// RTP clock of video (RFC 7741 §4.1).
pub const VIDEO_CLOCK: u32 = 90_000;
/// Largest payload with its descriptor: fits any path.
const MAX_PAYLOAD: usize = 1200;
/// Sent packets kept for retransmission.
const HISTORY: (Duration, usize) = (Duration::from_secs(1), 512);
/// Timestamps of pictures whose contributor is remembered until they are decoded.
const MAX_CONTRIBUTORS: usize = 64;
/// Bits per second of our picture.
const LIMITS: RateLimits = RateLimits { floor: 60_000, ceiling: 800_000 };

/// A whole picture that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Whose picture it is: the contributor, or the sender itself.
    pub source: Ssrc,
    /// The picture.
    pub frame: Vp8Frame,
}

/// A media packet that counted, for the statistics of its participant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// Sender.
    pub ssrc: Ssrc,
    /// Whose picture, when the sender is a mixer.
    pub csrc: Option<Ssrc>,
    /// Packets newly known to be lost; negative when a late one closed a gap.
    pub lost: i64,
    /// Jitter of the stream.
    pub jitter: Duration,
}

/// The receiving half.
#[derive(Debug)]
struct Receiving {
    current: Option<Ssrc>,
    assembler: Assembler,
    losses: LossDetector,
    wish: KeyFrameWish,
    contributors: VecDeque<(RtpTime, Ssrc)>,
    came: Tally,
    nacked: u64,
    decoded: u64,
}

/// The sending half.
#[derive(Debug)]
struct Sending {
    stream: SendStream,
    /// Packets are sent again in a stream of their own (RFC 4588).
    repair: Option<RtxSender>,
    packetizer: Packetizer,
    history: History,
    gate: KeyFrameGate,
    /// Where the last packet went.
    to: Option<SocketAddr>,
    rate: VideoRate,
    sent: Sent,
    frames: u64,
    key_frames: u64,
    retransmitted: u64,
}

/// A video line.
#[derive(Debug)]
pub struct VideoLine {
    path: Path,
    session: RtpSession,
    nack: bool,
    pli: bool,
    fir: bool,
    /// What we can receive, when the peer wants to know (REMB).
    estimate: Option<Estimate>,
    limit: Option<u64>,
    may_send: bool,
    may_receive: bool,
    receiving: Receiving,
    sending: Sending,
}

impl VideoLine {
    /// The line at `index` as first agreed.
    #[must_use]
    pub fn new(
        now: Instant,
        index: usize,
        media: &NegotiatedMedia,
        config: SessionConfig,
        sip_host: Option<IpAddr>,
    ) -> Option<Self> {
        let seed = config.seed;
        let mut session = RtpSession::new(config, now);
        let ssrc = session.add_sender(VIDEO_CLOCK);
        let stream = SendStream::new(ssrc, PayloadType::new(media.codec.payload_type)?, seed);
        let mut sending = Sending {
            stream,
            repair: None,
            packetizer: Packetizer::new(MAX_PAYLOAD, seed),
            history: History::new(HISTORY.0, HISTORY.1),
            gate: KeyFrameGate::default(),
            to: None,
            rate: VideoRate::new(LIMITS),
            sent: Sent::default(),
            frames: 0,
            key_frames: 0,
            retransmitted: 0,
        };
        sending.gate.want();
        let receiving = Receiving {
            current: None,
            assembler: Assembler::new(AssemblerConfig::default()),
            losses: LossDetector::new(LossConfig::default()),
            wish: KeyFrameWish::default(),
            contributors: VecDeque::new(),
            came: Tally::default(),
            nacked: 0,
            decoded: 0,
        };
        let mut line = Self {
            path: Path::new(index, media, sip_host),
            session,
            nack: false,
            pli: false,
            fir: false,
            estimate: None,
            limit: None,
            may_send: false,
            may_receive: false,
            receiving,
            sending,
        };
        line.apply(now, media);
        Some(line)
    }

    /// A new agreement about a running line. The streams go on.
    pub fn apply(&mut self, now: Instant, media: &NegotiatedMedia) {
        let before = self.path;
        self.path = self.path.again(media);
        if self.path.has_moved(&before) {
            self.session.expect_another(now);
        }
        self.session.set_payload_types(line::receivable(media));
        if let Some(number) = PayloadType::new(media.codec.payload_type) {
            self.sending.stream.set_payload_type(number);
        }
        self.session.set_auxiliary_types(line::auxiliary(media));
        self.apply_rtx(media);
        self.nack = media.supports(&Feedback::Nack);
        self.pli = media.supports(&Feedback::NackPli);
        self.fir = media.supports(&Feedback::CcmFir);
        if !media.supports(&Feedback::GoogRemb) {
            self.estimate = None;
            self.session.set_receive_limit(None);
        } else if self.estimate.is_none() {
            self.estimate = Some(Estimate::default());
        }
        let starts = media.direction.sends() && !self.may_send;
        if starts {
            self.sending.gate.want();
        }
        self.may_send = media.direction.sends();
        self.may_receive = media.direction.receives();
    }

    fn apply_rtx(&mut self, media: &NegotiatedMedia) {
        let Some((come, go)) = line::rtx_pairs(media) else {
            self.session.set_rtx(Vec::new());
            self.sending.repair = None;
            return;
        };
        self.session.set_rtx(vec![come]);
        for source in &media.sources {
            if let Some(repair) = source.rtx {
                self.session.associate_rtx(Ssrc(repair), Ssrc(source.ssrc));
            }
        }
        match &mut self.sending.repair {
            Some(repair) => repair.set_pairs(vec![go]),
            None => {
                let ssrc = self.session.add_rtx_sender(self.sending.stream.ssrc());
                self.sending.repair = Some(RtxSender::new(ssrc, vec![go], u64::from(ssrc.0)));
            }
        }
    }

    /// Where the peer is.
    pub fn path(&mut self) -> &mut Path {
        &mut self.path
    }

    /// The source we send with.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        self.sending.stream.ssrc()
    }

    /// Our picture may go out here.
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.may_send
    }

    /// A media packet arrived.
    pub fn handle_rtp(&mut self, now: Instant, packet: RtpPacket) -> Option<Counted> {
        let (packet, received, again) = match self.session.handle_rtp(now, &packet) {
            Arrival::Received(received) => (packet, received, false),
            Arrival::Restored { packet, received } => (packet, received, true),
            Arrival::Dropped(Dropped::Collision { old, new }) => {
                self.change_ssrc(old, new);
                return None;
            }
            Arrival::Dropped(_) => return None,
        };
        let source = self.session.source(received.ssrc)?;
        let jitter = source.jitter();
        let payload = packet.payload_ref().len();
        let newly_lost =
            if again { 0 } else { self.receiving.came.packet(&received, source, payload) };
        tracing::trace!(
            ssrc = %received.ssrc,
            seq = %packet.seq(),
            timestamp = packet.timestamp().0,
            marker = packet.marker(),
            "video packet"
        );
        self.estimate(now, packet.as_bytes().len(), newly_lost, jitter);
        let csrc = packet.csrcs().next();
        let missed = self.receiving.packet(now, received, &packet, csrc);
        let lost = if again { self.receiving.came.restored(payload, missed) } else { newly_lost };
        Some(Counted { ssrc: received.ssrc, csrc, lost, jitter })
    }

    fn estimate(&mut self, now: Instant, octets: usize, lost: i64, jitter: Duration) {
        let limit = self.estimate.as_mut().and_then(|e| e.packet(now, octets, lost, jitter));
        let Some(limit) = limit else { return };
        self.session.set_receive_limit(Some(limit));
        if self.limit.replace(limit).is_some_and(|before| limit < before) {
            self.session.hasten_receive_limit(now);
        }
    }

    /// A control packet arrived. Returns the packets asked for again.
    pub fn handle_rtcp(
        &mut self,
        now: Instant,
        datagram: &Bytes,
        news: &mut Vec<News>,
    ) -> Vec<Datagram> {
        let mut again = Vec::new();
        for event in line::handle_rtcp(&mut self.session, now, datagram, news) {
            match event {
                RtcpEvent::KeyFrameWanted { .. } => self.sending.gate.want(),
                RtcpEvent::Nack { seqs, .. } => self.resend(now, &seqs, &mut again),
                RtcpEvent::Report { block, rtt, .. } => {
                    let fraction = self.sending.sent.report(block, rtt);
                    self.sending.rate.loss(fraction);
                }
                RtcpEvent::Collision { old, new } => self.change_ssrc(old, new),
                _ => {}
            }
        }
        again
    }

    /// Another SSRC for a stream of ours, after a collision (RFC 3550 §8.2).
    fn change_ssrc(&mut self, old: Ssrc, new: Ssrc) {
        if self.sending.stream.ssrc() == old {
            self.sending.stream.set_ssrc(new);
        }
        if let Some(repair) = self.sending.repair.as_mut().filter(|repair| repair.ssrc() == old) {
            repair.set_ssrc(new);
        }
    }

    fn resend(&mut self, now: Instant, seqs: &[Seq], out: &mut Vec<Datagram>) {
        // An earlier copy may still be under way; without a known round trip 20 ms must do.
        let round_trip = self.session.rtt().max(Duration::from_millis(20));
        for seq in seqs {
            let Some(packet) = self.sending.history.resend(now, *seq, round_trip) else { continue };
            self.sending.retransmitted += 1;
            let wrapped = self.sending.repair.as_mut().and_then(|repair| repair.wrap(&packet));
            let packet = match wrapped {
                Some(wrapped) => {
                    self.session.sent(now, &wrapped);
                    wrapped
                }
                None => {
                    self.session.sent_again(&packet);
                    packet
                }
            };
            out.extend(self.path.rtp(&packet));
        }
    }

    /// The next whole picture. Call until `None`.
    pub fn poll_picture(&mut self, now: Instant) -> Option<Picture> {
        if !self.may_receive {
            return None;
        }
        let picture = self.receiving.pop(now);
        if self.receiving.assembler.want_key_frame() && self.receiving.current.is_some() {
            self.receiving.wish.want();
        }
        picture
    }

    /// A picture was decoded; `broken` when the decoder needs a key frame.
    pub fn decoded(&mut self, broken: bool) {
        if broken {
            self.receiving.wish.want();
        } else {
            self.receiving.decoded += 1;
        }
    }

    /// SIP INFO asked for a key frame of our picture (RFC 5168).
    pub fn want_key_frame(&mut self) {
        self.sending.gate.want();
    }

    /// Whether the next picture of ours must be a key frame.
    pub fn take_key_frame(&mut self, now: Instant) -> bool {
        self.may_send && self.sending.gate.take(now)
    }

    /// Bits per second our picture may take now.
    pub fn target_rate(&mut self, now: Instant) -> u32 {
        self.sending.rate.set_remote(self.session.send_limit(now));
        self.sending.rate.target()
    }

    /// A picture of our camera goes out; `ticks` is its media time since the stream began.
    pub fn send(
        &mut self,
        now: Instant,
        ticks: u32,
        key: bool,
        picture: &Bytes,
        out: &mut Vec<Datagram>,
    ) {
        if !self.may_send {
            return;
        }
        let sending = &mut self.sending;
        for part in sending.packetizer.split(picture) {
            let packet: Outbound = sending.stream.packet_with_descriptor(
                part.last,
                ticks,
                part.descriptor(),
                part.payload.clone(),
                &CsrcList::EMPTY,
            );
            let Some(datagram) = self.path.rtp(&packet) else { return };
            if sending.to.replace(datagram.to).is_some_and(|before| before != datagram.to) && !key {
                sending.gate.somebody_else();
            }
            self.session.sent(now, &packet);
            sending.sent.packet(&packet);
            sending.history.push(now, packet);
            out.push(datagram);
        }
        sending.frames += 1;
        sending.key_frames += u64::from(key);
    }

    /// Control packets that are due.
    pub fn poll_rtcp(&mut self, now: Instant) -> Option<Datagram> {
        self.ask(now);
        let bytes = self.session.poll_rtcp(now)?;
        self.path.rtcp(bytes)
    }

    /// Asks for what is missing: packets, or a whole key frame.
    fn ask(&mut self, now: Instant) {
        let Some(media) = self.receiving.current else { return };
        let due = self.receiving.losses.poll(now, self.session.rtt());
        if self.nack && !due.nack.is_empty() {
            self.receiving.nacked += due.nack.len() as u64;
            self.session.request_nack(now, media, &due.nack);
        }
        let again = self.receiving.wish.count() > 0;
        if self.may_receive && self.receiving.wish.take(now) {
            if self.pli {
                self.session.request_pli(now, media);
            } else if self.fir {
                self.session.request_fir(now, media, again);
            }
        }
    }

    /// When [`poll_rtcp`](Self::poll_rtcp) or [`poll_picture`](Self::poll_picture) want a call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let losses = self.receiving.losses.poll_timeout();
        let wish = self.receiving.wish.next();
        [self.session.poll_timeout(), losses, wish].into_iter().flatten().min()
    }

    /// The last control packet.
    pub fn bye(&mut self, now: Instant) -> Option<Datagram> {
        let bytes = self.session.bye(now, "")?;
        self.path.rtcp(bytes)
    }

    /// What was sent.
    #[must_use]
    pub fn sent_report(&self) -> SentReport {
        self.sending.sent.to_report(VIDEO_CLOCK)
    }

    /// Pictures sent, key frames among them, packets sent again.
    #[must_use]
    pub fn sent_frames(&self) -> (u64, u64, u64) {
        (self.sending.frames, self.sending.key_frames, self.sending.retransmitted)
    }

    /// What came in.
    #[must_use]
    pub fn slot_report(&self, slot: usize) -> SlotReport {
        SlotReport {
            slot,
            received: self.receiving.came.to_report(),
            frames_decoded: self.receiving.decoded,
            key_frames_asked: self.receiving.wish.count(),
            nacked: self.receiving.nacked,
        }
    }
}

impl Receiving {
    /// Takes a packet. Returns whether it had been missed and asked for.
    fn packet(
        &mut self,
        now: Instant,
        received: Received,
        packet: &RtpPacket,
        csrc: Option<Ssrc>,
    ) -> bool {
        if received.first || self.current != Some(received.ssrc) {
            self.current = Some(received.ssrc);
            self.wish.somebody_else();
            self.assembler.reset();
            self.losses.reset();
            self.contributors.clear();
        }
        let seq: ExtSeq = received.ext_seq;
        let missed = self.losses.received(now, seq);
        let timestamp = packet.timestamp();
        let source = csrc.unwrap_or(received.ssrc);
        if !self.contributors.iter().any(|(known, _)| *known == timestamp) {
            if self.contributors.len() >= MAX_CONTRIBUTORS {
                self.contributors.pop_front();
            }
            self.contributors.push_back((timestamp, source));
        }
        if starts_key_frame(packet.payload_ref()) {
            self.wish.arriving(now);
        }
        self.assembler.push(now, seq, packet);
        missed
    }

    fn pop(&mut self, now: Instant) -> Option<Picture> {
        let frame = self.assembler.pop(now)?;
        if frame.key {
            self.wish.satisfied();
        }
        let known = self.contributors.iter().find(|(at, _)| *at == frame.timestamp);
        let source = known.map(|(_, source)| *source).or(self.current)?;
        Some(Picture { source, frame })
    }
}
