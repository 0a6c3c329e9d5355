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
use crate::clock::{ticks_between, ticks_to_duration};
use crate::{AudioLevel, ExtRtpTime, ExtSeq, PayloadType, RtpPacket, RtpTime, Seq, Ssrc};

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

/// How long a payload plays, in units of the RTP clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioPayload {
    /// Opus: the first octets say it, always at 48000 Hz (RFC 6716 §3.1, RFC 7587 §4.1).
    Opus,
    /// As many units as octets: G.711, and G.722 with its clock of 8000 Hz (RFC 3551 §4.5).
    PerOctet,
}

impl AudioPayload {
    /// Units of the RTP clock in this payload; `None` when it cannot be played.
    #[must_use]
    pub fn duration(self, payload: &[u8]) -> Option<u32> {
        let (&toc, rest) = payload.split_first()?;
        if self == Self::PerOctet {
            return u32::try_from(payload.len()).ok();
        }
        // RFC 6716 §3.1, table 2: the frame size at 48 kHz by configuration.
        let config = toc >> 3;
        let frame: u32 = match config {
            0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
            12..=15 => [480, 960][usize::from(config & 1)],
            _ => [120, 240, 480, 960][usize::from(config & 3)],
        };
        let frames = match toc & 3 {
            0 => 1,
            1 | 2 => 2,
            _ => u32::from(rest.first()? & 0x3f),
        };
        // RFC 6716 §3.2.5: no packet is longer than 120 ms.
        Some(frame * frames).filter(|&total| (1..=5760).contains(&total))
    }
}

/// How a jitter buffer is to work.
#[derive(Clone, Copy, Debug)]
pub struct JitterConfig {
    /// RTP clock in Hz: 48000 for Opus, 8000 for G.711 and G.722.
    pub clock_rate: u32,
    /// How long payloads are.
    pub payload: AudioPayload,
    /// The tick of the consumer: how much silence one [`Playout::Empty`] stands for.
    pub tick: Duration,
    /// Least target delay.
    pub min_delay: Duration,
    /// Most target delay: what comes later than this is lost.
    pub max_delay: Duration,
    /// Extension id of RFC 6464 levels, to know silence when frames have to be dropped.
    pub audio_level_id: Option<u8>,
}

impl JitterConfig {
    /// 20 ms ticks, 20 to 200 ms of delay.
    #[must_use]
    pub const fn new(clock_rate: u32, payload: AudioPayload) -> Self {
        Self {
            clock_rate,
            payload,
            tick: Duration::from_millis(20),
            min_delay: Duration::from_millis(20),
            max_delay: Duration::from_millis(200),
            audio_level_id: None,
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// Waits for its time.
    Queued,
    /// Its time is over.
    Late,
    /// It is here already.
    Duplicate,
    /// It has no playable length (empty or malformed payload).
    Unplayable,
}

/// A frame whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The encoded sound.
    pub payload: Bytes,
    /// Its codec.
    pub payload_type: PayloadType,
    /// Its sequence number.
    pub seq: Seq,
    /// Its media time.
    pub timestamp: RtpTime,
    /// How long it plays, in units of the RTP clock.
    pub duration: u32,
    /// The level its sender wrote on it (RFC 6464), if configured and present.
    pub level: Option<AudioLevel>,
}

/// What to play next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playout {
    /// Decode and play this.
    Frame(Frame),
    /// A frame is missing: conceal `duration` units. `next` is the frame right after it, if it is here:
    /// Opus may hold a coarse copy of the missing one in it (in-band FEC).
    Missing {
        /// Units of the RTP clock.
        duration: u32,
        /// For forward error correction; it will still come as a frame of its own.
        next: Option<Bytes>,
    },
    /// Nobody talks: play `duration` units of silence or comfort noise.
    Empty {
        /// Units of the RTP clock.
        duration: u32,
    },
}

/// Counters, and the delay as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// How long a packet on time now waits in the buffer.
    pub delay: Duration,
    /// How long it should.
    pub target: Duration,
    /// Frames played.
    pub played: u64,
    /// Times a frame was missing.
    pub missing: u64,
    /// Packets too late to be played.
    pub late: u64,
    /// Packets that were here already.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Frames dropped to shorten the delay.
    pub accelerated: u64,
    /// Times the timeline started afresh: another SSRC, a jump of the timestamps.
    pub resyncs: u64,
}

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
