//! How much of a picture we can receive, told to the sender by REMB (draft-alvestrand-rmcat-remb).
//!
//! Without transport-wide feedback a receiver knows its losses, what really comes, and how unevenly. The rule is that of
//! draft-ietf-rmcat-gcc-02 §6, on this side of the link: above 10 % loss, or when packets queue up (jitter far above what
//! it was), the limit falls below what comes now; below 2 % it grows by 8 % a second, but not far beyond what comes, or
//! it would mean nothing when the sender uses it all at once.

use std::time::{Duration, Instant};

/// Time over which losses and octets are counted.
const WINDOW: Duration = Duration::from_secs(1);
/// Loss above which the limit falls, and below which it grows.
const HEAVY_LOSS: f64 = 0.10;
const LIGHT_LOSS: f64 = 0.02;
/// Jitter that means a queue somewhere, whatever it was before.
const QUEUE_JITTER: Duration = Duration::from_millis(100);
/// Bounds of the limit in bit/s.
const FLOOR: f64 = 100_000.0;
const CEILING: f64 = 2_500_000.0;

/// The estimator of one video line.
#[derive(Debug, Clone)]
pub struct Estimate {
    since: Option<Instant>,
    octets: u64,
    packets: u64,
    lost: i64,
    limit: f64,
}

impl Default for Estimate {
    fn default() -> Self {
        Self { since: None, octets: 0, packets: 0, lost: 0, limit: CEILING }
    }
}

impl Estimate {
    /// A packet of `octets` came, after `lost` more were found missing (negative when a late one closed a gap). Repaired
    /// losses count: the link lost them all the same. Returns a new limit in bit/s at the end of each second.
    pub fn packet(
        &mut self,
        now: Instant,
        octets: usize,
        lost: i64,
        jitter: Duration,
    ) -> Option<u64> {
        let since = *self.since.get_or_insert(now);
        self.octets += octets as u64;
        self.packets += 1;
        self.lost += lost;
        let passed = now.saturating_duration_since(since);
        if passed < WINDOW {
            return None;
        }
        let rate = self.octets as f64 * 8.0 / passed.as_secs_f64();
        let lost = self.lost.max(0) as f64;
        let fraction = lost / (lost + self.packets as f64);
        if fraction > HEAVY_LOSS {
            self.limit = self.limit.min(rate / (1.0 - fraction)) * (1.0 - 0.5 * fraction);
        } else if jitter > QUEUE_JITTER {
            self.limit = self.limit.min(rate) * 0.9;
        } else if fraction < LIGHT_LOSS {
            // Three times what comes leaves room for a picture that begins to move.
            let room = (rate * 3.0).max(self.limit);
            self.limit = (self.limit * 1.08).min(room);
        }
        self.limit = self.limit.clamp(FLOOR, CEILING);
        *self = Self { since: Some(now), limit: self.limit, ..Self::default() };
        Some(self.limit as u64)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;

    /// Limits of some seconds of `kbps` in 100 packets a second of which `percent` are lost.
    fn run(
        estimate: &mut Estimate,
        t: Instant,
        seconds: std::ops::Range<u64>,
        kbps: usize,
        percent: u64,
        jitter: u64,
    ) -> u64 {
        let mut last = 0;
        let mut lost = 0;
        for i in seconds.start * 100..seconds.end * 100 {
            if i % 100 < percent {
                lost += 1;
                continue;
            }
            let now = t + Duration::from_millis(i * 10);
            let octets = kbps * 1000 / 8 / 100;
            let limit = estimate.packet(now, octets, lost, Duration::from_millis(jitter));
            last = limit.unwrap_or(last);
            lost = 0;
        }
        last
    }

    #[test]
    fn a_clean_link_is_not_limited() {
        let mut estimate = Estimate::default();
        assert_eq!(run(&mut estimate, Instant::now(), 0..10, 500, 0, 5), 2_500_000);
    }

    #[test]
    fn heavy_loss_brings_the_limit_below_what_comes_and_quiet_lets_it_grow() {
        let t = Instant::now();
        let mut estimate = Estimate::default();
        let limit = run(&mut estimate, t, 0..10, 1000, 20, 5);
        assert!((100_000..900_000).contains(&limit), "{limit}");
        let after = run(&mut estimate, t, 10..15, 400, 5, 5);
        assert!(after <= limit, "5 % is neither");
        let grown = run(&mut estimate, t, 15..40, 400, 0, 5);
        assert!(grown > after && grown <= 2_500_000, "{grown}");
    }

    #[test]
    fn a_queue_brings_it_down_as_well() {
        let limit = run(&mut Estimate::default(), Instant::now(), 0..3, 800, 0, 150);
        assert!(limit < 800_000, "{limit}");
        let floor = run(&mut Estimate::default(), Instant::now(), 0..200, 10, 0, 150);
        assert_eq!(floor, 100_000);
    }
}
