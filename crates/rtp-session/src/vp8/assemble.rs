//! Packets joined into frames, with an eye on what is missing (RFC 7741 §4.4).

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{ExtSeq, RtpPacket, RtpTime};

/// How an assembler is to work.
#[derive(Clone, Copy, Debug)]
pub struct AssemblerConfig {
    /// How long a frame waits for a missing packet to be sent again, before everything up to the next key
    /// frame is dropped.
    pub max_wait: Duration,
    /// Packets kept at once.
    pub max_packets: usize,
}

impl Default for AssemblerConfig {
    fn default() -> Self {
        Self { max_wait: Duration::from_millis(250), max_packets: 1024 }
    }
}

/// A whole frame for the decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vp8Frame {
    /// The encoded picture.
    pub data: Bytes,
    /// Its media time (90 kHz).
    pub timestamp: RtpTime,
    /// It can be decoded without any other.
    pub key: bool,
}

/// Joins the packets of one stream.
#[derive(Clone, Debug)]
pub struct Assembler {
    config: AssemblerConfig,
    want_key_frame: bool,
}

impl Assembler {
    /// Empty; the first frame it yields is a key frame.
    #[must_use]
    pub const fn new(config: AssemblerConfig) -> Self {
        Self { config, want_key_frame: true }
    }

    /// Takes a packet under the number [`crate::Source`] gave it. Duplicates are ignored.
    pub fn push(&mut self, now: Instant, seq: ExtSeq, packet: &RtpPacket) {
        let _ = (now, seq, packet, self.config);
    }

    /// The next frame in order, if it is whole. Call until `None`.
    pub fn pop(&mut self, now: Instant) -> Option<Vp8Frame> {
        let _ = now;
        None
    }

    /// Nothing can be decoded until a key frame comes: ask for one (PLI).
    #[must_use]
    pub const fn want_key_frame(&self) -> bool {
        self.want_key_frame
    }

    /// Starts afresh: the source restarted.
    pub fn reset(&mut self) {
        self.want_key_frame = true;
    }
}
