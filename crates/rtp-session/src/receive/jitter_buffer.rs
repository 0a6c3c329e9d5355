//! When to play what arrived: late enough to have it, no later than needed.
//!
//! Everything is counted on the sender's media clock. The *transit* of a packet is its arrival minus its
//! timestamp; the least transit of the last seconds is the *base*, and what a packet exceeds it by is its
//! *lateness* ([`super::lateness`]). The target delay covers nearly all latenesses seen lately. At any moment
//! the media time that should be playing is `now - base - target`; the cursor is the one that does play. Their
//! difference is what growing and shrinking are about:
//!
//! - *Behind* (a burst, a stall, a fast sender): frames are dropped, the sooner the more there is to drop, and
//!   silent ones first.
//! - *Ahead* (more jitter, a slow sender): the cursor stands still while something is missing anyway.
//! - After silence play-out starts again at the target; old frames of a stall are not played at all.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::lateness::Lateness;
use super::playout::{AudioPayload, Frame, Inserted, JitterConfig, JitterStats, Playout};
use crate::clock::{ticks_between, ticks_to_duration};
use crate::{AudioLevel, ExtRtpTime, ExtSeq, PayloadType, RtpPacket, RtpTime, Ssrc};

/// Frames waiting at most: 300 ms of the shortest Opus frames.
const MAX_FRAMES: usize = 128;
/// Timestamps of frames played, to know their duplicates.
const PLAYED_MEMORY: usize = 32;
/// A transit that changes by more than this many seconds is a new timeline.
const JUMP_SECONDS: i64 = 2;
/// Concealing longer than this many milliseconds only makes noise.
const MAX_CONCEALED_MS: i64 = 100;
/// Ticks in a row with late packets only, after which the timeline is taken for wrong.
const MAX_LATE_TICKS: u32 = 6;
/// Frames played before one is dropped for a small or a large excess of delay.
const PATIENCE: u32 = 50;
const HASTE: u32 = 4;
/// Excess in milliseconds that calls for haste.
const LARGE_EXCESS_MS: i64 = 50;
/// A level this low (-dBov) without voice is silence nobody misses.
const QUIET: u8 = 55;
/// Opus frames this short are discontinuous transmission (RFC 6716 §2.1.9).
const DTX_OCTETS: usize = 2;

#[derive(Clone, Debug)]
struct Waiting {
    payload: Bytes,
    payload_type: PayloadType,
    seq: ExtSeq,
    timestamp: RtpTime,
    duration: i64,
    marker: bool,
    level: Option<AudioLevel>,
}

/// Adaptive play-out of one stream of audio frames.
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    /// The consumer's tick and the limits of the target, in clock units.
    tick: i64,
    ssrc: Option<Ssrc>,
    /// By media time.
    queue: BTreeMap<i64, Waiting>,
    epoch: Option<Instant>,
    newest: ExtRtpTime,
    newest_seq: ExtSeq,
    lateness: Lateness,
    /// The media time to play next; all before it is over.
    cursor: i64,
    /// Nothing is expected: the next frame starts when its time comes.
    idle: bool,
    last_seq: ExtSeq,
    last_duration: i64,
    last_was_dtx: bool,
    concealed: i64,
    /// Frames played while there was too much delay.
    excess: u32,
    late_since_pop: bool,
    timely_since_pop: bool,
    late_ticks: u32,
    played: VecDeque<i64>,
    stats: JitterStats,
}

impl JitterBuffer {
    /// Empty, with the least delay as target.
    #[must_use]
    pub fn new(config: JitterConfig) -> Self {
        let ticks = |d: Duration| {
            i64::try_from(d.as_micros() * u128::from(config.clock_rate) / 1_000_000)
                .unwrap_or(i64::MAX)
        };
        Self {
            config,
            tick: ticks(config.tick).max(1),
            ssrc: None,
            queue: BTreeMap::new(),
            epoch: None,
            newest: ExtRtpTime::default(),
            newest_seq: ExtSeq::default(),
            lateness: Lateness::new(
                config.clock_rate,
                ticks(config.min_delay),
                ticks(config.max_delay),
            ),
            cursor: 0,
            idle: true,
            last_seq: ExtSeq::default(),
            last_duration: 0,
            last_was_dtx: false,
            concealed: 0,
            excess: 0,
            late_since_pop: false,
            timely_since_pop: false,
            late_ticks: 0,
            played: VecDeque::new(),
            stats: JitterStats::default(),
        }
    }

    /// Takes a packet; cheap, nothing is decoded. Telephone events and comfort noise must not get here: their
    /// payloads are not frames.
    pub fn insert(&mut self, now: Instant, packet: &RtpPacket) -> Inserted {
        let Some(duration) = self.config.payload.duration(packet.payload_ref()) else {
            return Inserted::Unplayable;
        };
        let arrival = self.arrival(now);
        if self.ssrc != Some(packet.ssrc()) {
            self.start_timeline(packet);
        }
        let mut time = self.newest.nearest(packet.timestamp());
        if let Some(base) = self.lateness.base()
            && (arrival - time.0 - base).abs() > JUMP_SECONDS * i64::from(self.config.clock_rate)
        {
            self.start_timeline(packet);
            time = self.newest;
        }
        let seq = self.newest_seq.nearest(packet.seq());
        if self.queue.contains_key(&time.0) || self.played.contains(&time.0) {
            self.stats.duplicates += 1;
            return Inserted::Duplicate;
        }
        if seq < self.newest_seq {
            self.stats.reordered += 1;
        }
        self.newest = self.newest.max(time);
        self.newest_seq = self.newest_seq.max(seq);
        self.lateness.record(arrival, arrival - time.0);
        let duration = i64::from(duration);
        if time.0 + duration <= self.cursor {
            self.stats.late += 1;
            self.late_since_pop = true;
            return Inserted::Late;
        }
        // While idle, it is only known when its turn comes.
        self.timely_since_pop |= !self.idle;
        let level = self.config.audio_level_id.and_then(|id| packet.audio_level(id));
        self.queue.insert(
            time.0,
            Waiting {
                payload: packet.payload(),
                payload_type: packet.payload_type(),
                seq,
                timestamp: packet.timestamp(),
                duration,
                marker: packet.marker(),
                level,
            },
        );
        if self.queue.len() > MAX_FRAMES {
            self.queue.pop_first();
            self.stats.accelerated += 1;
        }
        Inserted::Queued
    }

    /// What to play next. To be called whenever fewer decoded samples than one tick are left: a long frame
    /// makes fewer calls, a short one more. The answer is to be played for its `duration`.
    pub fn pop(&mut self, now: Instant) -> Playout {
        let arrival = self.arrival(now);
        self.watch_lateness();
        let Some(base) = self.lateness.base() else {
            return self.empty();
        };
        let due = arrival - base - self.lateness.target();
        if self.idle && !self.start(due) {
            return self.empty();
        }
        self.stats.delay = ticks_to_duration(arrival - base - self.cursor, self.config.clock_rate);
        self.stats.target = ticks_to_duration(self.lateness.target(), self.config.clock_rate);
        loop {
            // A gap shorter than half a tick is rounding, not a hole.
            let at = self.queue.first_key_value().map(|(at, _)| *at);
            let Some(at) = at.filter(|at| *at < self.cursor + self.tick / 2) else {
                return self.hole(due, at);
            };
            let Some(frame) = self.queue.first_entry() else {
                return self.empty();
            };
            let behind = due - self.cursor;
            let length = frame.get().duration;
            let quiet = is_quiet(frame.get());
            if quiet && behind <= -length {
                // Too little delay and nobody speaks: the moment to grow.
                return self.empty();
            }
            if !self.should_drop(behind, length, quiet) {
                return self.play();
            }
            self.queue.pop_first();
            self.cursor = at + length;
            self.stats.accelerated += 1;
            self.excess = 0;
        }
    }

    /// Whether the next frame is to be dropped, since play-out is `behind` by so much.
    fn should_drop(&mut self, behind: i64, length: i64, quiet: bool) -> bool {
        if behind < length + self.tick / 2 || self.queue.len() < 2 {
            self.excess = 0;
            return false;
        }
        self.excess += 1;
        let large = self.milliseconds(behind - length) > LARGE_EXCESS_MS;
        quiet || self.excess > if large { HASTE } else { PATIENCE }
    }

    fn play(&mut self) -> Playout {
        let Some((at, frame)) = self.queue.pop_first() else {
            return self.empty();
        };
        self.cursor = at + frame.duration;
        self.last_seq = frame.seq;
        self.last_duration = frame.duration;
        self.last_was_dtx =
            self.config.payload == AudioPayload::Opus && frame.payload.len() <= DTX_OCTETS;
        self.concealed = 0;
        self.remember(at);
        self.stats.played += 1;
        Playout::Frame(Frame {
            payload: frame.payload,
            payload_type: frame.payload_type,
            seq: frame.seq.wire(),
            timestamp: frame.timestamp,
            duration: frame.duration as u32,
            level: frame.level,
        })
    }

    /// Nothing is there for the cursor; `next` is the media time of the frame after the hole.
    fn hole(&mut self, due: i64, next: Option<i64>) -> Playout {
        let front = self.queue.first_key_value().map(|(_, frame)| frame);
        // Numbers in sequence over a gap in time, or a marker: the sender was silent, nothing is missing.
        let silence = match front {
            Some(front) => front.marker || front.seq == self.last_seq.next(),
            None => self.last_was_dtx,
        };
        if silence || self.milliseconds(self.concealed) >= MAX_CONCEALED_MS {
            self.idle = true;
            return if self.start(due) { self.play() } else { self.empty() };
        }
        let mut duration = self.last_duration.max(self.tick / 2);
        if let Some(at) = next {
            // Decoders conceal multiples of 2.5 ms.
            let unit = i64::from(self.config.clock_rate / 400).max(1);
            duration = duration.min((at - self.cursor) / unit * unit).max(unit);
        }
        let follows = next == Some(self.cursor + duration);
        let next = front.filter(|_| follows).map(|front| front.payload.clone());
        self.concealed += duration;
        self.stats.missing += 1;
        // Ahead of time: the frame may still come, and the delay has to grow anyway.
        if due + self.tick / 2 >= self.cursor {
            self.cursor += duration;
        }
        Playout::Missing { duration: duration as u32, next }
    }

    /// Ends the silence if the time of the next frame has come; frames whose time is over are not played.
    fn start(&mut self, due: i64) -> bool {
        while let Some(entry) = self.queue.first_entry() {
            let at = *entry.key();
            if at + entry.get().duration > due {
                if at > due {
                    return false;
                }
                self.cursor = at;
                self.idle = false;
                self.timely_since_pop = true;
                self.concealed = 0;
                self.excess = 0;
                return true;
            }
            let frame = entry.remove();
            self.cursor = self.cursor.max(at + frame.duration);
            self.last_seq = frame.seq;
            self.stats.late += 1;
            self.late_since_pop = true;
        }
        false
    }

    /// When everything comes too late for some time, the timeline itself is wrong: the sender's clock stood
    /// still, or the path has become longer than the largest delay.
    fn watch_lateness(&mut self) {
        if self.timely_since_pop {
            self.late_ticks = 0;
        } else if self.late_since_pop {
            self.late_ticks += 1;
        }
        self.late_since_pop = false;
        self.timely_since_pop = false;
        if self.late_ticks >= MAX_LATE_TICKS {
            self.reset();
            self.stats.resyncs += 1;
        }
    }

    fn start_timeline(&mut self, packet: &RtpPacket) {
        if self.ssrc.is_some() {
            self.stats.resyncs += 1;
        }
        self.reset();
        self.ssrc = Some(packet.ssrc());
        self.newest = ExtRtpTime::first(packet.timestamp());
        self.newest_seq = ExtSeq::first(packet.seq());
        self.cursor = self.newest.0 - i64::from(self.config.clock_rate) * JUMP_SECONDS;
    }

    /// Throws everything away and starts afresh with the next packet. Counters stay.
    pub fn reset(&mut self) {
        self.ssrc = None;
        self.queue.clear();
        self.lateness.forget_base();
        self.idle = true;
        self.last_was_dtx = false;
        self.concealed = 0;
        self.excess = 0;
        self.late_ticks = 0;
        self.played.clear();
    }

    fn arrival(&mut self, now: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(now);
        ticks_between(epoch, now, self.config.clock_rate)
    }

    fn milliseconds(&self, ticks: i64) -> i64 {
        ticks * 1000 / i64::from(self.config.clock_rate.max(1))
    }

    fn remember(&mut self, at: i64) {
        if self.played.len() >= PLAYED_MEMORY {
            self.played.pop_front();
        }
        self.played.push_back(at);
    }

    fn empty(&self) -> Playout {
        Playout::Empty { duration: self.tick as u32 }
    }

    /// Counters and delay.
    #[must_use]
    pub const fn stats(&self) -> JitterStats {
        self.stats
    }

    /// Frames waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

fn is_quiet(frame: &Waiting) -> bool {
    frame.payload.len() <= DTX_OCTETS
        || frame.level.is_some_and(|level| level.level >= QUIET && !level.voice)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;
    use crate::testing::packet;
    use proptest::prelude::*;

    const TICK: Duration = Duration::from_millis(20);

    fn buffer() -> JitterBuffer {
        JitterBuffer::new(JitterConfig::new(8000, AudioPayload::PerOctet))
    }

    fn timestamps(buffer: &mut JitterBuffer, now: Instant, ticks: u32) -> Vec<Option<u32>> {
        let pops = (0..ticks).map(|i| match buffer.pop(now + TICK * i) {
            Playout::Frame(frame) => Some(frame.timestamp.0),
            _ => None,
        });
        pops.collect()
    }

    #[test]
    fn another_ssrc_starts_afresh_at_once() {
        let t = Instant::now();
        let mut buffer = buffer();
        for i in 0..3 {
            buffer.insert(t, &packet(1, i, 160 * u32::from(i), &[0; 160]));
        }
        assert_eq!(buffer.len(), 3);
        buffer.insert(t, &packet(2, 9, 7_000_000, &[0; 160]));
        assert_eq!(timestamps(&mut buffer, t, 3), [None, Some(7_000_000), None]);
        assert_eq!(buffer.stats().resyncs, 1);
    }

    #[test]
    fn a_jump_of_the_timestamps_starts_afresh_at_once() {
        let t = Instant::now();
        let mut buffer = buffer();
        buffer.insert(t, &packet(1, 1, 0, &[0; 160]));
        assert_eq!(timestamps(&mut buffer, t, 2), [None, Some(0)]);
        for timestamp in [0x7000_0000, 5, 0x9000_0000] {
            let now = t + TICK * 2;
            buffer.insert(now, &packet(1, 2, timestamp, &[0; 160]));
            assert_eq!(timestamps(&mut buffer, now, 2), [None, Some(timestamp)]);
        }
    }

    #[test]
    fn timestamps_wrap_without_a_trace() {
        let t = Instant::now();
        let mut buffer = buffer();
        let first = 0u32.wrapping_sub(160 * 5);
        let mut played = Vec::new();
        for i in 0..20u16 {
            let now = t + TICK * u32::from(i);
            let timestamp = first.wrapping_add(160 * u32::from(i));
            buffer.insert(now, &packet(1, i.wrapping_sub(10), timestamp, &[0; 160]));
            played.extend(timestamps(&mut buffer, now, 1));
        }
        let expected: Vec<_> = (0..19).map(|i| Some(first.wrapping_add(160 * i))).collect();
        assert_eq!(played[1..], expected);
    }

    #[test]
    fn opus_dtx_is_silence_at_once() {
        let t = Instant::now();
        let half = TICK / 2;
        let mut config = JitterConfig::new(48_000, AudioPayload::Opus);
        config.min_delay = Duration::ZERO;
        let mut buffer = JitterBuffer::new(config);
        buffer.insert(t, &packet(1, 1, 0, &[0xf8, 1, 2, 3, 4]));
        assert!(matches!(buffer.pop(t + half), Playout::Frame(_)));
        assert!(matches!(
            buffer.pop(t + TICK + half),
            Playout::Missing { duration: 960, next: None }
        ));
        buffer.insert(t + TICK * 3, &packet(1, 2, 960 * 3, &[0xf8, 0]));
        assert!(matches!(buffer.pop(t + TICK * 3 + half), Playout::Frame(_)));
        for i in 4..20 {
            assert_eq!(buffer.pop(t + TICK * i + half), Playout::Empty { duration: 960 });
        }
    }

    #[test]
    fn a_consumer_that_stands_still_is_no_leak() {
        let t = Instant::now();
        let mut buffer = buffer();
        for i in 0..10_000u32 {
            buffer.insert(t + TICK * i, &packet(1, i as u16, i * 160, &[0; 160]));
        }
        assert!(buffer.len() <= MAX_FRAMES);
        // When it wakes up, it hears the present.
        let played = timestamps(&mut buffer, t + TICK * 10_000, 2);
        assert!(played.iter().flatten().all(|at| *at >= 9_990 * 160), "{played:?}");
    }

    #[test]
    fn silent_frames_are_dropped_first() {
        let t = Instant::now();
        let mut config = JitterConfig::new(48_000, AudioPayload::Opus);
        config.min_delay = Duration::from_millis(200);
        let mut buffer = JitterBuffer::new(config);
        for i in 0..20u16 {
            // Frame 3 is discontinuous transmission, the others are speech.
            let payload: &[u8] = if i == 3 { &[0xf8, 0] } else { &[0xf8, 1, 2, 3, 4] };
            buffer.insert(t, &packet(1, i, 960 * u32::from(i), payload));
        }
        // All came at once, so the last one was the fastest: 380 ms too much delay for the first.
        let mut played = Vec::new();
        for i in 0..30 {
            if let Playout::Frame(frame) = buffer.pop(t + TICK * i) {
                played.push(frame.seq.0);
            }
        }
        assert!(!played.contains(&3), "{played:?}");
        assert!(played.windows(2).all(|pair| pair[0] < pair[1]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Any packets at any time: no panic, every answer moves on, memory is bounded.
        #[test]
        fn any_packets(opus: bool, steps in prop::collection::vec(
            (0u32..3, any::<u16>(), prop_oneof![0u32..20_000, any::<u32>()],
             prop::collection::vec(any::<u8>(), 0..4), 0u64..400), 0..60))
        {
            let mut now = Instant::now();
            let payload = if opus { AudioPayload::Opus } else { AudioPayload::PerOctet };
            let mut buffer = JitterBuffer::new(JitterConfig::new(48_000, payload));
            for (ssrc, seq, timestamp, payload, wait) in steps {
                buffer.insert(now, &packet(ssrc / 2, seq, timestamp, &payload));
                prop_assert!(buffer.len() <= MAX_FRAMES);
                now += Duration::from_millis(wait);
                let duration = match buffer.pop(now) {
                    Playout::Frame(frame) => frame.duration,
                    Playout::Missing { duration, .. } | Playout::Empty { duration } => duration,
                };
                prop_assert!(duration > 0 && duration <= 5760);
            }
        }
    }
}
