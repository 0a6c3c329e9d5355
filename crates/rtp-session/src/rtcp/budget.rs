//! How much RTCP beside the regular reports is fair (RFC 4585 §3.3, §3.6.1).

use std::time::{Duration, Instant};

/// Octets that may go at once: names of a whole conference, or the answer to a burst of losses.
const BURST: f64 = 6_000.0;
/// Octets per second in any case, or feedback about a narrow-band stream would be no use.
const LEAST_RATE: f64 = 400.0;

/// What feedback and hastened reports may use: 5 % of the session bandwidth in the long run, as all RTCP (RFC 3550
/// §6.2), whatever the peer does to make us talk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Octets per second.
    rate: f64,
    octets: f64,
    at: Instant,
}

impl Budget {
    /// Full, for a session bandwidth in bit/s.
    pub(super) fn new(bandwidth: u32, now: Instant) -> Self {
        let rate = (f64::from(bandwidth) * 0.05 / 8.0).max(LEAST_RATE);
        Self { rate, octets: BURST, at: now }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.octets = (self.octets + passed * self.rate).min(BURST);
    }

    /// When something may be sent that was wanted at `now`.
    pub(super) fn ready_at(&self, now: Instant) -> Instant {
        let mut then = *self;
        then.refill(now);
        if then.octets >= 0.0 {
            return now;
        }
        // One microsecond more than it takes, so that rounding cannot make a caller come too early for ever.
        now + Duration::from_secs_f64(-then.octets / self.rate) + Duration::from_micros(1)
    }

    /// So many octets were sent.
    pub(super) fn spend(&mut self, now: Instant, octets: usize) {
        self.refill(now);
        self.octets -= octets as f64;
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_then_five_percent() {
        let start = Instant::now();
        let mut budget = Budget::new(1_000_000, start);
        let mut now = start;
        let mut octets = 0;
        while now < start + Duration::from_secs(10) {
            now = budget.ready_at(now);
            budget.spend(now, 100);
            octets += 100;
        }
        // 6000 at once and 6250 a second.
        assert!((68_000..69_000).contains(&octets), "{octets}");
    }

    #[test]
    fn time_never_goes_back() {
        let now = Instant::now() + Duration::from_secs(5);
        let mut budget = Budget::new(64_000, now);
        budget.spend(now, 10_000);
        let ready = budget.ready_at(now);
        assert_eq!(ready, budget.ready_at(ready), "ready when it says so");
        assert!(budget.ready_at(now - Duration::from_secs(1)) > now);
    }
}
