//! Consent freshness (RFC 7675): nobody is sent media who has not asked for it lately.

use std::time::{Duration, Instant};

/// RFC 7675 §5.1: consent ends so long after the last answer.
const EXPIRY: Duration = Duration::from_secs(30);
/// RFC 7675 §5.1: a check every 5 s, give or take 20 %.
const INTERVAL_MS: u64 = 5_000;

/// Whether the peer still wants what we send.
#[derive(Debug, Clone)]
pub(super) struct Consent {
    /// The last answer; before there was any, when we began to ask.
    last: Instant,
    lost: bool,
    random: u64,
}

impl Consent {
    pub(super) fn new(now: Instant, seed: u64) -> Self {
        Self { last: now, lost: false, random: seed | 1 }
    }

    /// An answer came. Returns whether it had been lost.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        self.last = now;
        std::mem::take(&mut self.lost)
    }

    /// Time has passed. Returns whether it is lost just now.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let expired = now.saturating_duration_since(self.last) >= EXPIRY;
        let just_now = expired && !self.lost;
        self.lost |= expired;
        just_now
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.lost).then(|| self.last + EXPIRY)
    }

    /// How long until the next check: 4 to 6 s, so that many agents do not fall into step.
    pub(super) fn interval(&mut self) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let spread = INTERVAL_MS * 2 / 5;
        Duration::from_millis(INTERVAL_MS * 4 / 5 + self.random % (spread + 1))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn it_is_lost_once_after_thirty_seconds_and_comes_back_with_an_answer() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut consent = Consent::new(start, 7);
        assert!(!consent.expire(at(29)));
        assert!(!consent.answered(at(29)));
        assert!(!consent.expire(at(58)));
        assert!(consent.expire(at(59)) && consent.is_lost());
        assert!(!consent.expire(at(60)), "told once");
        assert!(consent.answered(at(61)) && !consent.is_lost());
    }

    #[test]
    fn checks_are_five_seconds_apart_give_or_take_a_fifth() {
        let mut consent = Consent::new(Instant::now(), 7);
        let all: Vec<Duration> = (0..200).map(|_| consent.interval()).collect();
        let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        assert!(*least >= Duration::from_secs(4) && *most <= Duration::from_secs(6));
        assert!(*most - *least > Duration::from_secs(1));
    }
}
