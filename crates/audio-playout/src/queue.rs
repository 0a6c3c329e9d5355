//! Packets that wait for their time, undecoded.

use std::collections::VecDeque;

use bytes::Bytes;
use media_codec::AudioCodec;
use rtp_session::{ExtSeq, RtpTime};

use crate::timeline::Ticks;

/// Packets waiting at most: 300 ms of the shortest Opus frames, and 2.5 s of the usual ones.
const MOST: usize = 128;
/// Packets taken out lately that are remembered, to know their duplicates.
const REMEMBERED: usize = 32;

/// What a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Sound(AudioCodec),
    /// Comfort noise (RFC 3389): nobody talks from here on.
    Noise,
}

#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) time: Ticks,
    /// 0 for comfort noise.
    pub(crate) duration: Ticks,
    pub(crate) seq: ExtSeq,
    pub(crate) timestamp: RtpTime,
    pub(crate) content: Content,
    pub(crate) payload: Bytes,
}

impl Waiting {
    pub(crate) fn end(&self) -> Ticks {
        self.time + self.duration
    }
}

/// The queue, in order of media time.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    taken: VecDeque<Ticks>,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::with_capacity(MOST + 1),
            taken: VecDeque::with_capacity(REMEMBERED),
        }
    }

    /// Whether a packet of this media time is here or was.
    pub(crate) fn knows(&self, time: Ticks) -> bool {
        self.waiting.binary_search_by_key(&time, |waiting| waiting.time).is_ok()
            || self.taken.contains(&time)
    }

    /// Takes a packet in; returns whether the oldest one had to go for it.
    pub(crate) fn insert(&mut self, packet: Waiting) -> bool {
        let at = self.waiting.partition_point(|waiting| waiting.time <= packet.time);
        self.waiting.insert(at, packet);
        if self.waiting.len() <= MOST {
            return false;
        }
        self.pop();
        true
    }

    pub(crate) fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        let packet = self.waiting.pop_front()?;
        if self.taken.len() >= REMEMBERED {
            self.taken.pop_front();
        }
        self.taken.push_back(packet.time);
        Some(packet)
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.taken.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}
