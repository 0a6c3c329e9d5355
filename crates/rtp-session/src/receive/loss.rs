//! Which packets to ask for again (RFC 4585 §6.2.1).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::{ExtSeq, Seq};

/// How patient the detector is.
#[derive(Clone, Copy, Debug)]
pub struct LossConfig {
    /// How long a hole may be mere reordering.
    pub reorder_grace: Duration,
    /// Least time between two requests for one packet; the round trip if that is longer.
    pub min_retry: Duration,
    /// Requests for one packet before it is given up.
    pub max_tries: u8,
    /// Age at which a missing packet is given up in any case.
    pub max_age: Duration,
    /// Holes remembered at once; a larger gap is given up at once.
    pub max_missing: usize,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            reorder_grace: Duration::from_millis(10),
            min_retry: Duration::from_millis(40),
            max_tries: 6,
            max_age: Duration::from_secs(1),
            max_missing: 256,
        }
    }
}

/// What [`LossDetector::poll`] found due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LossPoll {
    /// To ask for, in order.
    pub nack: Vec<Seq>,
    /// Packets that will not come any more: time for a key frame.
    pub given_up: u32,
}

#[derive(Clone, Copy, Debug)]
struct Hole {
    since: Instant,
    next_try: Instant,
    tries: u8,
}

/// The holes of one stream.
#[derive(Clone, Debug)]
pub struct LossDetector {
    config: LossConfig,
    highest: Option<ExtSeq>,
    holes: BTreeMap<ExtSeq, Hole>,
    given_up: u32,
}

impl LossDetector {
    /// Nothing received, nothing missing.
    #[must_use]
    pub const fn new(config: LossConfig) -> Self {
        Self { config, highest: None, holes: BTreeMap::new(), given_up: 0 }
    }

    /// A packet came. Returns whether it fills a hole that had been asked for.
    pub fn received(&mut self, now: Instant, seq: ExtSeq) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(seq);
            return false;
        };
        if seq <= highest {
            return self.holes.remove(&seq).is_some_and(|hole| hole.tries > 0);
        }
        self.highest = Some(seq);
        let gap = usize::try_from(seq.0 - highest.0 - 1).unwrap_or(usize::MAX);
        if gap > self.config.max_missing {
            // More than anybody keeps to send again: what is open is stale as well.
            self.reset();
            self.highest = Some(seq);
            self.given_up = self.given_up.saturating_add(1);
            return false;
        }
        let hole = Hole { since: now, next_try: now + self.config.reorder_grace, tries: 0 };
        for missing in highest.0 + 1..seq.0 {
            self.holes.insert(ExtSeq(missing), hole);
        }
        while self.holes.len() > self.config.max_missing {
            self.holes.pop_first();
            self.given_up = self.given_up.saturating_add(1);
        }
        false
    }

    /// What is due at `now`, with the round-trip time as known (zero when unknown).
    pub fn poll(&mut self, now: Instant, rtt: Duration) -> LossPoll {
        let config = self.config;
        let wait = config.min_retry.max(rtt);
        let mut nack = Vec::new();
        let mut given_up = std::mem::take(&mut self.given_up);
        self.holes.retain(|seq, hole| {
            if now.saturating_duration_since(hole.since) >= config.max_age {
                given_up += 1;
                return false;
            }
            if hole.next_try > now {
                return true;
            }
            if hole.tries >= config.max_tries {
                given_up += 1;
                return false;
            }
            hole.tries += 1;
            hole.next_try = now + wait;
            nack.push(seq.wire());
            true
        });
        LossPoll { nack, given_up }
    }

    /// When [`LossDetector::poll`] has something to say.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.holes.values().map(|hole| hole.next_try.min(hole.since + self.config.max_age)).min()
    }

    /// Packets missing now.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.holes.len()
    }

    /// Forgets everything: the source restarted, or a key frame made the past worthless.
    pub fn reset(&mut self) {
        self.highest = None;
        self.holes.clear();
        self.given_up = 0;
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const NO_RTT: Duration = Duration::ZERO;

    fn detector(seqs: &[u64]) -> (LossDetector, Instant) {
        let t = Instant::now();
        let mut detector = LossDetector::new(LossConfig::default());
        for &seq in seqs {
            detector.received(t, ExtSeq(seq));
        }
        (detector, t)
    }

    #[test]
    fn reordering_is_not_asked_for() {
        let (mut detector, t) = detector(&[10, 12]);
        assert_eq!(detector.poll(t + 9 * MS, NO_RTT), LossPoll::default());
        assert!(!detector.received(t + 9 * MS, ExtSeq(11)));
        assert_eq!(detector.missing(), 0);
        assert_eq!(detector.poll_timeout(), None);
    }

    #[test]
    fn holes_are_asked_for_until_they_fill() {
        let (mut detector, t) = detector(&[65535, 65540]);
        assert_eq!(detector.poll_timeout(), Some(t + 10 * MS));
        let due = detector.poll(t + 10 * MS, NO_RTT);
        assert_eq!(due.nack, [Seq(0), Seq(1), Seq(2), Seq(3)]);
        assert!(detector.received(t + 12 * MS, ExtSeq(65537)));
        assert!(!detector.received(t + 12 * MS, ExtSeq(65537)));
        // Not again before the round trip.
        assert_eq!(detector.poll(t + 49 * MS, NO_RTT).nack, []);
        assert_eq!(detector.poll(t + 50 * MS, 200 * MS).nack, [Seq(0), Seq(2), Seq(3)]);
        assert_eq!(detector.poll(t + 249 * MS, 200 * MS).nack, []);
        assert_eq!(detector.poll(t + 250 * MS, 200 * MS).nack, [Seq(0), Seq(2), Seq(3)]);
    }

    #[test]
    fn what_does_not_come_is_given_up() {
        let (mut detector, t) = detector(&[1, 3]);
        let mut asked = 0;
        let mut given_up = 0;
        for ms in 0..1000 {
            let due = detector.poll(t + ms * MS, NO_RTT);
            asked += due.nack.len();
            given_up += due.given_up;
        }
        assert_eq!((asked, given_up), (6, 1));
        assert_eq!(detector.missing(), 0);
    }

    #[test]
    fn with_a_long_round_trip_the_age_decides() {
        let (mut detector, t) = detector(&[1, 3]);
        assert_eq!(detector.poll(t + 10 * MS, 5000 * MS).nack.len(), 1);
        assert_eq!(detector.poll_timeout(), Some(t + 1000 * MS));
        assert_eq!(detector.poll(t + 1000 * MS, 5000 * MS).given_up, 1);
    }

    #[test]
    fn memory_is_bounded() {
        let (mut detector, t) = detector(&[0]);
        for i in 1..500 {
            detector.received(t, ExtSeq(i * 2));
        }
        assert_eq!(detector.missing(), 256);
        assert_eq!(detector.poll(t, NO_RTT).given_up, 499 - 256);
        detector.received(t, ExtSeq(1_000_000));
        assert_eq!(detector.missing(), 0);
        assert_eq!(detector.poll(t, NO_RTT).given_up, 1);
    }
}
