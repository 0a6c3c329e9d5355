//! Bounds: how often a source is answered, how much an allocation relays.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::time::Instant;

/// Sources share this many buckets, so that forged ones cannot make us remember more.
const BUCKETS: usize = 4096;

/// A bucket that fills with `rate` a second and holds what comes in `burst` seconds.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: f64,
    size: f64,
    level: f64,
    filled: Instant,
}

impl Bucket {
    pub(super) fn new(now: Instant, rate: f64, burst: f64) -> Self {
        Self { rate, size: rate * burst, level: rate * burst, filled: now }
    }

    /// Takes `amount` out if it is there.
    pub(super) fn take(&mut self, now: Instant, amount: f64) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.level = (self.level + passed * self.rate).min(self.size);
        self.filled = now;
        let enough = self.level >= amount;
        if enough {
            self.level -= amount;
        }
        enough
    }
}

/// How many requests of each source are read. Without that, a forged source would be sent as many answers as somebody
/// likes, and wrong passwords would cost an HMAC each.
#[derive(Debug)]
pub(super) struct SourceRate {
    buckets: Vec<Bucket>,
    seed: u64,
}

impl SourceRate {
    /// `rate` requests a second of each source, four seconds' worth at once: an ICE agent with some interfaces sends a
    /// few dozen. The seed keeps strangers from choosing whose bucket they empty.
    pub(super) fn new(now: Instant, rate: u32, seed: u64) -> Self {
        Self { buckets: vec![Bucket::new(now, f64::from(rate), 4.0); BUCKETS], seed }
    }

    pub(super) fn admit(&mut self, now: Instant, source: IpAddr) -> bool {
        let mut hasher = DefaultHasher::new();
        self.seed.hash(&mut hasher);
        match source.to_canonical() {
            IpAddr::V4(ip) => ip.octets().hash(&mut hasher),
            // one customer's network, in which it has all addresses
            IpAddr::V6(ip) => ip.octets()[..8].hash(&mut hasher),
        }
        let at = (hasher.finish() % BUCKETS as u64) as usize;
        self.buckets.get_mut(at).is_some_and(|bucket| bucket.take(now, 1.0))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_source_is_read_so_often_and_no_other_pays_for_it() {
        let now = Instant::now();
        let mut rate = SourceRate::new(now, 10, 7);
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        assert_eq!((0..100).filter(|_| rate.admit(now, one)).count(), 40);
        assert!(rate.admit(now, other));
        let later = now + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| rate.admit(later, one)).count(), 10);
    }
}
