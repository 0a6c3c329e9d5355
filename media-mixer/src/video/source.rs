//! A member's picture as it comes in: is it there, what is missing, when was a key frame.

use std::time::{Duration, Instant};

use rtp_session::{LossConfig, LossDetector, Received, RtpPacket, Ssrc, vp8};
use sdp::attribute::rtcp_fb::Feedback;
use sdp::negotiate::NegotiatedMedia;

use super::keyframe::KeyFrameRequests;
use super::{KeyFrameWay, SyncPoint};
use crate::follow::{Follow, Followed};
use crate::output::{Event, Outbox};
use crate::transport::Transport;

/// A source that has sent nothing for so long shows nothing: its slots are for others.
const IDLE: Duration = Duration::from_secs(10);

/// Least time between two requests by the signalling: each costs an INFO transaction.
const MIN_INFO_INTERVAL: Duration = Duration::from_secs(1);

/// What one packet changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketNews {
    /// The picture is there, and was not before, or has a new SSRC: who is shown where must be decided anew.
    pub appeared: bool,
    /// To be forwarded: it belongs to the stream we follow.
    pub current: bool,
}

/// See the module's description.
#[derive(Debug)]
pub struct VideoSource {
    way: KeyFrameWay,
    nack: bool,
    remb: bool,
    /// The stream that is shown.
    follow: Follow,
    /// The SSRC that others see as CSRC: that of the member unless it clashes.
    public: Ssrc,
    active: bool,
    loss: LossDetector,
    key_frames: KeyFrameRequests,
    last_info: Option<Instant>,
    /// The member was told once how much it may send.
    limited: bool,
}

impl VideoSource {
    /// Nothing received yet.
    pub fn new(media: &NegotiatedMedia) -> Self {
        Self {
            way: KeyFrameWay::of(media),
            nack: media.supports(&Feedback::Nack),
            remb: media.supports(&Feedback::GoogRemb),
            follow: Follow::default(),
            public: Ssrc(0),
            active: false,
            loss: LossDetector::new(LossConfig::default()),
            key_frames: KeyFrameRequests::default(),
            last_info: None,
            limited: false,
        }
    }

    /// A new offer and answer for the line.
    pub fn renegotiated(&mut self, media: &NegotiatedMedia) {
        self.way = KeyFrameWay::of(media);
        self.nack = media.supports(&Feedback::Nack);
        self.remb = media.supports(&Feedback::GoogRemb);
        if !media.direction.receives() {
            self.active = false;
        }
    }

    /// The stream being followed.
    pub fn ssrc(&self) -> Option<Ssrc> {
        self.follow.ssrc()
    }

    /// The member said good-bye to a stream.
    pub fn left(&mut self, ssrc: Ssrc) {
        self.follow.left(ssrc);
    }

    /// The SSRC that receivers see as CSRC.
    pub fn public(&self) -> Ssrc {
        self.public
    }

    /// Sets the SSRC that receivers see as CSRC.
    pub fn set_public(&mut self, ssrc: Ssrc) {
        self.public = ssrc;
    }

    /// Whether there is a picture.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Somebody needs a key frame.
    pub fn want_key_frame(&mut self) {
        self.key_frames.want();
    }

    /// Whether the member can be told how much it may send.
    pub fn takes_limit(&self) -> bool {
        self.remb
    }

    /// What to tell the member about how much it may send, given what its watchers can take. A sender keeps to the last
    /// limit it heard of, so that when nobody limits it any more it must be told so: by the `most` we ever allow.
    pub fn limit(&mut self, least: Option<u64>, most: u64) -> Option<u64> {
        self.limited |= least.is_some();
        self.limited.then(|| least.unwrap_or(most))
    }

    /// Requests for key frames so far.
    pub fn key_frame_requests(&self) -> u64 {
        self.key_frames.sent()
    }

    /// A packet came in.
    pub fn receive(&mut self, now: Instant, packet: &RtpPacket, received: &Received) -> PacketNews {
        let followed = self.follow.packet(now, received);
        match followed {
            Followed::Other => return PacketNews { appeared: false, current: false },
            Followed::Current => {}
            Followed::Restarted | Followed::Changed => self.loss.reset(),
        }
        let appeared = !self.active || followed == Followed::Changed;
        self.active = true;
        self.loss.received(now, received.ext_seq);
        if vp8::starts_key_frame(packet.payload_ref()) {
            self.key_frames.arrived();
        }
        PacketNews { appeared, current: true }
    }

    /// Goes idle when nothing has come for a while; returns whether it just did.
    pub fn expire(&mut self, now: Instant) -> bool {
        let last = self.follow.last_packet();
        let idle = last.is_none_or(|last| now.saturating_duration_since(last) >= IDLE);
        let expires = self.active && idle;
        self.active &= !expires;
        expires
    }

    /// Asks the member for what is missing, lost packets and key frames, and sends what RTCP is due. Cheap when
    /// nothing is.
    pub fn ask(&mut self, now: Instant, leg: &str, transport: &mut Transport, out: &mut Outbox) {
        if let Some(ssrc) = self.follow.ssrc() {
            self.ask_for_packets(now, ssrc, transport);
            self.ask_for_key_frame(now, ssrc, leg, transport, out);
        }
        transport.poll_rtcp(now, out);
    }

    fn ask_for_packets(&mut self, now: Instant, ssrc: Ssrc, transport: &mut Transport) {
        let rtt = transport.session().rtt();
        if self.loss.poll_timeout().is_some_and(|due| due <= now) {
            let poll = self.loss.poll(now, rtt);
            if poll.given_up > 0 || (!self.nack && !poll.nack.is_empty()) {
                self.key_frames.want();
                if !self.nack {
                    // Nobody will send it again.
                    self.loss.reset();
                }
            } else if !poll.nack.is_empty() {
                transport.session_mut().request_nack(now, ssrc, &poll.nack);
            }
        }
    }

    fn ask_for_key_frame(
        &mut self,
        now: Instant,
        ssrc: Ssrc,
        leg: &str,
        transport: &mut Transport,
        out: &mut Outbox,
    ) {
        let rtt = transport.session().rtt();
        if let Some(request) = self.key_frames.poll(now, rtt) {
            let session = transport.session_mut();
            match self.way {
                KeyFrameWay::Pli | KeyFrameWay::PliAndInfo => session.request_pli(now, ssrc),
                KeyFrameWay::Fir => session.request_fir(now, ssrc, request.repeat),
                KeyFrameWay::Info => {}
            }
            let by_info = matches!(self.way, KeyFrameWay::Info | KeyFrameWay::PliAndInfo);
            let due = self
                .last_info
                .is_none_or(|last| now.saturating_duration_since(last) >= MIN_INFO_INTERVAL);
            if by_info && due {
                self.last_info = Some(now);
                out.event(Event::KeyFrameWanted { leg: leg.to_owned() });
            }
        }
    }

    /// When the picture with this media time is to be seen, on our clock: together with the voice of the same moment.
    /// Without reports of the member it is the moment of arrival.
    pub fn media_time(
        &self,
        now: Instant,
        packet: &RtpPacket,
        transport: &Transport,
        sync: Option<SyncPoint>,
    ) -> Instant {
        let taken = self
            .follow
            .ssrc()
            .and_then(|ssrc| transport.session().source(ssrc))
            .and_then(|source| source.ntp_of(packet.timestamp()));
        let (Some(taken), Some(sync)) = (taken, sync) else { return now };
        let difference = taken.0.wrapping_sub(sync.theirs.0).cast_signed();
        let span = Duration::from_secs_f64(difference.unsigned_abs() as f64 / 4_294_967_296.0);
        let time =
            if difference < 0 { sync.ours.checked_sub(span) } else { sync.ours.checked_add(span) };
        // A member whose two streams do not share a clock after all is left alone.
        time.filter(|time| {
            let off = time
                .checked_duration_since(now)
                .unwrap_or_else(|| now.saturating_duration_since(*time));
            off < Duration::from_secs(2)
        })
        .unwrap_or(now)
    }
}
