//! The side where packets come in: their order, their lateness, the delay they ask for.

use std::time::Instant;

use media_codec::AudioCodec;
use rtp_session::{RtpPacket, Ssrc};

use crate::delay::Delay;
use crate::queue::{Content, Queue, Waiting};
use crate::settings::{Inserted, PlayoutConfig, PlayoutStats};
use crate::timeline::{Clock, MS, PER_SECOND, Ticks, Timeline, ticks};

/// A transit that changes by more than this is a new timeline, not a late packet.
const JUMP: Ticks = 2 * PER_SECOND;
/// A new SSRC is followed at once; one that was left before only when the present one has been silent for so long: two
/// sources on one line must not alternate by the packet.
const ABANDONED: Ticks = PER_SECOND / 2;
/// Ticks in a row with late packets only, after which the timeline is taken for wrong: 120 ms.
const MAX_LATE_TICKS: u32 = 6;
/// The RTP clock of comfort noise (RFC 3389 §4, RFC 3551 §6).
const NOISE_CLOCK: u32 = 8000;

/// What a packet did to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// It goes on.
    Same(Inserted),
    /// A new one begins with this packet: all that was known of the old one is void.
    New,
}

#[derive(Debug)]
pub(crate) struct Arrivals {
    clock: Clock,
    timeline: Timeline,
    /// The SSRC followed before the present one.
    left: Option<Ssrc>,
    pub(crate) queue: Queue,
    delay: Delay,
    /// How long the packets of this stream are.
    typical: Ticks,
    last_arrival: Ticks,
    late_since_tick: bool,
    timely_since_tick: bool,
    late_ticks: u32,
}

impl Arrivals {
    pub(crate) fn new(config: &PlayoutConfig) -> Self {
        Self {
            clock: Clock::default(),
            timeline: Timeline::default(),
            left: None,
            queue: Queue::new(),
            delay: Delay::new(ticks(config.min_delay), ticks(config.max_delay)),
            typical: 20 * MS,
            last_arrival: 0,
            late_since_tick: false,
            timely_since_tick: false,
            late_ticks: 0,
        }
    }

    /// Takes a packet of sound.
    pub(crate) fn sound(
        &mut self,
        at: Instant,
        codec: AudioCodec,
        packet: &RtpPacket,
        over: Ticks,
        stats: &mut PlayoutStats,
    ) -> Arrived {
        let Some(units) = codec.duration(packet.payload_ref()) else {
            return Arrived::Same(Inserted::Unplayable);
        };
        let clock_rate = codec.clock_rate();
        let duration = Ticks::from(units) * PER_SECOND / Ticks::from(clock_rate);
        self.arrive(at, Content::Sound(codec), clock_rate, duration, packet, over, stats)
    }

    /// Takes a packet of comfort noise (RFC 3389).
    pub(crate) fn noise(
        &mut self,
        at: Instant,
        packet: &RtpPacket,
        over: Ticks,
        stats: &mut PlayoutStats,
    ) -> Arrived {
        if packet.payload_ref().is_empty() {
            return Arrived::Same(Inserted::Unplayable);
        }
        self.arrive(at, Content::Noise, NOISE_CLOCK, 0, packet, over, stats)
    }

    #[allow(clippy::too_many_arguments, reason = "what a packet is, from two doors")]
    fn arrive(
        &mut self,
        at: Instant,
        content: Content,
        clock_rate: u32,
        duration: Ticks,
        packet: &RtpPacket,
        over: Ticks,
        stats: &mut PlayoutStats,
    ) -> Arrived {
        let arrival = self.clock.at(at);
        let is_foreign = self.timeline.is_foreign(packet.ssrc());
        let is_abandoned = arrival - self.last_arrival >= ABANDONED;
        if is_foreign && self.left == Some(packet.ssrc()) && !is_abandoned {
            return Arrived::Same(Inserted::Foreign);
        }
        self.last_arrival = arrival;
        let mut arrived = Arrived::Same(Inserted::Queued);
        let mut over = over;
        let mut place = self.timeline.place(packet, clock_rate, self.typical);
        let jumped = |place: Ticks, base: Ticks| (arrival - place - base).abs() > JUMP;
        if is_foreign || self.delay.base().is_some_and(|base| jumped(place.time, base)) {
            let before = self.timeline.ssrc().filter(|ssrc| *ssrc != packet.ssrc());
            self.left = before.or(self.left);
            self.forget();
            self.timeline.start(packet, clock_rate);
            place = self.timeline.place(packet, clock_rate, self.typical);
            over = Ticks::MIN;
            arrived = Arrived::New;
        }
        if self.queue.knows(place.time) {
            stats.duplicates += 1;
            return Arrived::Same(Inserted::Duplicate);
        }
        stats.reordered += u64::from(place.reordered);
        let end = place.time + duration;
        self.timeline.advance(packet, clock_rate, self.typical, end);
        self.delay.record(arrival, arrival - place.time);
        // Comfort noise has no length, but starts where the sound before it ended.
        if end < over || (end == over && duration > 0) {
            stats.late += 1;
            self.late_since_tick = true;
            return Arrived::Same(Inserted::Late);
        }
        if duration > 0 {
            self.typical = duration;
        }
        let overflowed = self.queue.insert(Waiting {
            time: place.time,
            duration,
            seq: place.seq,
            timestamp: packet.timestamp(),
            content,
            payload: packet.payload(),
        });
        stats.overflowed += u64::from(overflowed);
        arrived
    }

    /// The listener's clock at `now`.
    pub(crate) fn now(&mut self, now: Instant) -> Ticks {
        self.clock.at(now)
    }

    /// The media time that should be playing at `now`; `None` before the first packet.
    pub(crate) fn due(&self, now: Ticks) -> Option<Ticks> {
        Some(now - self.delay.base()? - self.delay.target())
    }

    pub(crate) fn base(&self) -> Option<Ticks> {
        self.delay.base()
    }

    pub(crate) fn target(&self) -> Ticks {
        self.delay.target()
    }

    /// How long no packet has come.
    pub(crate) fn silent_for(&self, now: Ticks) -> Ticks {
        now - self.last_arrival
    }

    /// A frame that had waited was too old to be played.
    pub(crate) fn was_late(&mut self) {
        self.late_since_tick = true;
    }

    /// A frame is played.
    pub(crate) fn was_timely(&mut self) {
        self.timely_since_tick = true;
    }

    /// To be asked once a tick. When everything comes too late for some time, the timeline itself is wrong: the
    /// sender's clock stood still, or the path has become longer than the largest delay.
    pub(crate) fn is_timeline_wrong(&mut self) -> bool {
        if self.timely_since_tick {
            self.late_ticks = 0;
        } else if self.late_since_tick {
            self.late_ticks += 1;
        }
        self.late_since_tick = false;
        self.timely_since_tick = false;
        self.late_ticks >= MAX_LATE_TICKS
    }

    /// Somebody else is to send now, who may have been here before.
    pub(crate) fn expect_another(&mut self) {
        self.left = None;
    }

    /// Starts afresh with the next packet, whoever sends it.
    pub(crate) fn forget_all(&mut self) {
        self.left = None;
        self.forget();
    }

    pub(crate) fn forget(&mut self) {
        self.timeline.forget();
        self.queue.clear();
        self.delay.forget_base();
        self.late_ticks = 0;
        self.late_since_tick = false;
        self.timely_since_tick = false;
    }
}
