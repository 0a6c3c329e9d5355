//! What a jitter buffer is told and what it says.

use std::time::Duration;

use bytes::Bytes;

use crate::{AudioLevel, PayloadType, RtpTime, Seq};

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn opus_durations_of_rfc_6716() {
        // (configuration, code of the frame count, octets after the first) and units at 48 kHz.
        let rows: &[(u8, u8, &[u8], Option<u32>)] = &[
            (0, 0, &[], Some(480)),
            (3, 0, &[], Some(2880)),
            (11, 1, &[], Some(5760)),
            (12, 0, &[], Some(480)),
            (13, 2, &[], Some(1920)),
            (16, 0, &[], Some(120)),
            (31, 0, &[], Some(960)),
            (31, 3, &[6], Some(5760)),
            (31, 3, &[0xc0 | 3], Some(2880)),
            (31, 3, &[7], None),
            (31, 3, &[0], None),
            (31, 3, &[], None),
        ];
        for &(config, code, rest, expected) in rows {
            let payload = [&[config << 3 | code], rest].concat();
            let duration = AudioPayload::Opus.duration(&payload);
            assert_eq!(duration, expected, "configuration {config}, code {code}, {rest:?}");
        }
        assert_eq!(AudioPayload::Opus.duration(&[]), None);
        assert_eq!(AudioPayload::PerOctet.duration(&[0; 160]), Some(160));
        assert_eq!(AudioPayload::PerOctet.duration(&[]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn any_bytes(payload in prop::collection::vec(any::<u8>(), 0..10)) {
            let duration = AudioPayload::Opus.duration(&payload);
            prop_assert!(duration.is_none_or(|d| d > 0 && d <= 5760 && d % 120 == 0));
        }
    }
}
