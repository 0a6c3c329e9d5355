//! When to play what arrived.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{PayloadType, RtpPacket, RtpTime, Seq};

/// How long a payload plays, in units of the RTP clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioPayload {
    /// Opus: the first octets say it, always at 48000 Hz (RFC 6716 §3.1, RFC 7587 §4.1).
    Opus,
    /// As many units as octets: G.711, and G.722 with its clock of 8000 Hz (RFC 3551 §4.5).
    PerOctet,
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
    pub level: Option<crate::AudioLevel>,
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

/// Adaptive play-out of one stream of audio frames.
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    stats: JitterStats,
}

impl JitterBuffer {
    /// Empty, with the least delay as target.
    #[must_use]
    pub fn new(config: JitterConfig) -> Self {
        Self { config, stats: JitterStats::default() }
    }

    /// Takes a packet; cheap, nothing is decoded. Telephone events must not get here.
    pub fn insert(&mut self, now: Instant, packet: &RtpPacket) -> Inserted {
        let _ = (now, packet);
        Inserted::Queued
    }

    /// What to play next. To be called whenever fewer decoded samples than one tick are left: a long frame
    /// makes fewer calls, a short one more. Every answer moves on by its `duration`.
    pub fn pop(&mut self, now: Instant) -> Playout {
        let _ = now;
        Playout::Empty { duration: self.config.clock_rate / 50 }
    }

    /// Counters and delay.
    #[must_use]
    pub const fn stats(&self) -> JitterStats {
        self.stats
    }

    /// Frames waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        0
    }

    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Throws everything away and starts afresh with the next packet.
    pub fn reset(&mut self) {}
}
