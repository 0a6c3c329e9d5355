//! What a play-out is told and what it tells.

use std::time::Duration;

/// How a play-out is to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayoutConfig {
    /// Samples per second of the sound that comes out: 8000, 16 000 or 48 000. A codec of this rate is not
    /// converted.
    pub rate: u32,
    /// Least target delay. Waiting for the tick comes on top of it: half a tick on average.
    pub min_delay: Duration,
    /// Most target delay.
    pub max_delay: Duration,
}

impl PlayoutConfig {
    /// No delay on a network without jitter, at most 300 ms.
    #[must_use]
    pub const fn new(rate: u32) -> Self {
        Self { rate, min_delay: Duration::ZERO, max_delay: Duration::from_millis(300) }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// Waits for its time.
    Queued,
    /// Its time is over.
    Late,
    /// It is here already, or was.
    Duplicate,
    /// It belongs to a stream that has been left for another one, which is still there.
    Foreign,
    /// It has no playable length (empty or malformed payload).
    Unplayable,
}

/// Counters, and the delay as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayoutStats {
    /// How long after its fastest possible arrival a sample is played now.
    pub delay: Duration,
    /// How long a packet has to wait so that nearly all of them are here in time.
    pub target: Duration,
    /// Packets played.
    pub played: u64,
    /// Sound made up for lost or late packets, in milliseconds.
    pub concealed_ms: u64,
    /// Times that sound had to be made up.
    pub concealments: u64,
    /// Packets restored from the redundancy in the next one.
    pub recovered: u64,
    /// Packets too late to be played.
    pub late: u64,
    /// Packets that were here already.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets dropped because too many waited.
    pub overflowed: u64,
    /// Payloads the decoder refused.
    pub undecodable: u64,
    /// Sound taken out to shorten the delay, in milliseconds.
    pub shortened_ms: u64,
    /// Sound put in to lengthen the delay, in milliseconds.
    pub lengthened_ms: u64,
    /// Times the timeline started afresh: another SSRC, a jump of the timestamps.
    pub resyncs: u64,
}
