//! When to send RTCP (RFC 3550 §6.2 and 6.3).

use std::time::{Duration, Instant};

use super::budget::Budget;
use crate::random::Random;

/// Share of the RTCP bandwidth that senders have for themselves while they are few (RFC 3550 §6.2).
const SENDER_SHARE: f64 = 0.25;
/// Least interval without feedback profile (RFC 3550 §6.2).
const MIN_INTERVAL: f64 = 5.0;
/// Least interval with it. RFC 4585 §3.4 would allow less; `trr-int` is there because nobody needs it.
const MIN_FEEDBACK_INTERVAL: f64 = 1.0;
/// Timer reconsideration lowers the mean interval by this (RFC 3550 §6.3.1).
const COMPENSATION: f64 = 1.218_28;
/// IPv4 and UDP headers count as well (RFC 3550 §6.2).
const LOWER_LAYERS: usize = 28;

/// What the interval depends on.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleConfig {
    /// Session bandwidth in bit/s; RTCP takes 5 % of it.
    pub bandwidth: u32,
    /// Profile with feedback (AVPF): the minimum interval is reduced to 360 s / (bandwidth in kbit/s), within
    /// 1 to 5 s.
    pub feedback: bool,
}

/// How many there are, as a participant sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Population {
    /// Everybody, ourselves included; at least 1.
    pub members: usize,
    /// Those who sent lately, ourselves included.
    pub senders: usize,
    /// We did.
    pub we_sent: bool,
}

/// The transmission timer of one participant.
#[derive(Clone, Debug)]
pub struct Schedule {
    config: ScheduleConfig,
    random: Random,
    average_size: f64,
    initial: bool,
    hastened: bool,
    last: Instant,
    next: Instant,
    members_at_last: usize,
    budget: Budget,
}

impl Schedule {
    /// The first report is due about half an interval after `now` (RFC 3550 §6.2).
    #[must_use]
    pub fn new(config: ScheduleConfig, now: Instant, seed: u64) -> Self {
        let mut schedule = Self {
            config,
            random: Random::new(seed),
            average_size: 128.0,
            initial: true,
            hastened: false,
            last: now,
            next: now,
            members_at_last: 1,
            budget: Budget::new(config.bandwidth, now),
        };
        let alone = Population { members: 1, senders: 0, we_sent: false };
        schedule.next = now + schedule.random_interval(alone);
        schedule
    }

    /// When the next report is due, as it looks now.
    #[must_use]
    pub fn next(&self) -> Instant {
        if self.hastened { self.budget.ready_at(self.next) } else { self.next }
    }

    /// When feedback may go out that is wanted at `now`: at once, as between two there is nobody to wait for
    /// (T_dither_max is 0, RFC 4585 §3.5.2), but in the long run within the bandwidth of RTCP.
    #[must_use]
    pub fn early_at(&self, now: Instant) -> Instant {
        self.budget.ready_at(now)
    }

    /// The deterministic interval Td (RFC 3550 §6.3.1).
    #[must_use]
    pub fn interval(&self, population: Population) -> Duration {
        let bandwidth = f64::from(self.config.bandwidth.max(1000));
        let mut minimum = MIN_INTERVAL;
        if self.config.feedback {
            minimum = (360_000.0 / bandwidth).clamp(MIN_FEEDBACK_INTERVAL, MIN_INTERVAL);
        }
        if self.initial {
            minimum /= 2.0;
        }
        let mut octets_per_second = bandwidth * 0.05 / 8.0;
        let mut n = population.members.max(1) as f64;
        let senders = population.senders as f64;
        if senders <= n * SENDER_SHARE {
            if population.we_sent {
                octets_per_second *= SENDER_SHARE;
                n = senders;
            } else {
                octets_per_second *= 1.0 - SENDER_SHARE;
                n -= senders;
            }
        }
        Duration::from_secs_f64((self.average_size * n / octets_per_second).max(minimum))
    }

    fn random_interval(&mut self, population: Population) -> Duration {
        let factor = (self.random.unit() + 0.5) / COMPENSATION;
        self.interval(population).mul_f64(factor)
    }

    /// Whether a report is to be sent now. The interval is drawn again first; when the group has grown
    /// meanwhile the timer is set on instead (RFC 3550 §6.3.6, timer reconsideration).
    pub fn is_due(&mut self, now: Instant, population: Population) -> bool {
        if now < self.next() {
            return false;
        }
        if self.hastened {
            return true;
        }
        self.members_at_last = population.members;
        self.next = self.last + self.random_interval(population);
        self.next <= now
    }

    /// A report of `octets` was sent.
    pub fn sent(&mut self, now: Instant, octets: usize, population: Population) {
        self.count(octets);
        if self.hastened {
            self.budget.spend(now, octets + LOWER_LAYERS);
        }
        self.last = now;
        self.initial = false;
        self.hastened = false;
        self.members_at_last = population.members;
        self.next = now + self.random_interval(population);
    }

    /// Feedback of `octets` went out beside the reports.
    pub fn sent_early(&mut self, now: Instant, octets: usize) {
        self.count(octets);
        self.budget.spend(now, octets + LOWER_LAYERS);
    }

    /// A control packet of `octets` came in (RFC 3550 §6.3.3).
    pub fn count(&mut self, octets: usize) {
        self.average_size += ((octets + LOWER_LAYERS) as f64 - self.average_size) / 16.0;
    }

    /// Somebody left: the timer runs faster, so that the rest is not taken for gone (RFC 3550 §6.3.4).
    pub fn members_left(&mut self, now: Instant, members: usize) {
        if members >= self.members_at_last {
            return;
        }
        let share = members as f64 / self.members_at_last as f64;
        self.next = now + self.next.saturating_duration_since(now).mul_f64(share);
        let since = now.saturating_duration_since(self.last).mul_f64(share);
        self.last = now.checked_sub(since).unwrap_or(now);
        self.members_at_last = members;
    }

    /// A report is wanted at once: names have changed, or the first packet of a stream needs its clock.
    pub fn hasten(&mut self, now: Instant) {
        self.next = self.next.min(now);
        self.hastened = true;
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;

    const TWO: Population = Population { members: 2, senders: 2, we_sent: true };

    fn schedule(bandwidth: u32, feedback: bool, now: Instant) -> Schedule {
        Schedule::new(ScheduleConfig { bandwidth, feedback }, now, 5)
    }

    /// Moments of reports within a time, polled when the schedule says.
    fn run(
        schedule: &mut Schedule,
        start: Instant,
        seconds: u64,
        population: Population,
    ) -> Vec<Duration> {
        let mut sent = Vec::new();
        while schedule.next() < start + Duration::from_secs(seconds) {
            let now = schedule.next();
            if schedule.is_due(now, population) {
                sent.push(now - start);
                schedule.sent(now, 100, population);
            }
        }
        sent
    }

    #[test]
    fn the_interval_of_rfc_3550_6_3_1() {
        let t = Instant::now();
        let mut plain = schedule(64_000, false, t);
        assert_eq!(plain.interval(TWO), Duration::from_millis(2500), "half the minimum at first");
        plain.sent(t, 100, TWO);
        assert_eq!(plain.interval(TWO), Duration::from_secs(5));
        // 400 octets/s for RTCP, three quarters for the 1000 - 1 receivers, 128 octets each.
        let crowd = Population { members: 1000, senders: 1, we_sent: false };
        let expected = 128.0 * 999.0 / (400.0 * 0.75);
        assert!((plain.interval(crowd).as_secs_f64() - expected).abs() < 0.01);
        // A quarter for the one sender.
        let sender = Population { we_sent: true, ..crowd };
        assert_eq!(plain.interval(sender), Duration::from_secs(5));
        // 360 / (bandwidth in kbit/s), within 1 to 5 s.
        for (bandwidth, seconds) in [(20_000, 5.0), (180_000, 2.0), (2_000_000, 1.0)] {
            let mut reduced = schedule(bandwidth, true, t);
            reduced.sent(t, 100, TWO);
            assert!((reduced.interval(TWO).as_secs_f64() - seconds).abs() < 1e-6);
        }
    }

    #[test]
    fn reports_come_at_random_about_every_five_seconds() {
        let t = Instant::now();
        let sent = run(&mut schedule(64_000, false, t), t, 10_000, TWO);
        let gaps: Vec<f64> = sent.windows(2).map(|w| (w[1] - w[0]).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        assert!((4.7..5.3).contains(&mean), "mean {mean}");
        let (least, most) = gaps.iter().fold((f64::MAX, 0f64), |(a, b), g| (a.min(*g), b.max(*g)));
        assert!(
            least > 0.5 * 5.0 / COMPENSATION && most < 2.0 * 1.5 * 5.0 / COMPENSATION,
            "{least} to {most}"
        );
        assert!(most - least > 2.0, "not random: {least} to {most}");
    }

    #[test]
    fn a_grown_group_waits_longer() {
        let t = Instant::now();
        let mut schedule = schedule(64_000, false, t);
        let crowd = Population { members: 10_000, senders: 0, we_sent: false };
        assert!(!schedule.is_due(schedule.next(), crowd));
        assert!(schedule.next() > t + Duration::from_secs(100));
        // They leave again: the timer comes back (§6.3.4).
        schedule.members_left(t + Duration::from_secs(3), 2);
        assert!(schedule.next() < t + Duration::from_secs(4));
    }

    /// RFC 3550 §6.3.4: tn = tc + members/pmembers * (tn - tc), tp = tc - members/pmembers * (tc - tp).
    #[test]
    fn who_leaves_brings_the_next_report_nearer() {
        let t = Instant::now();
        let mut schedule = schedule(64_000, false, t);
        let crowd = Population { members: 1000, senders: 0, we_sent: false };
        schedule.sent(t, 100, crowd);
        let wait = schedule.next() - t;
        assert!(wait > Duration::from_secs(60), "{wait:?}");
        let now = t + Duration::from_secs(10);
        schedule.members_left(now, 100);
        let left = (wait - Duration::from_secs(10)).mul_f64(0.1);
        assert!((schedule.next() - now).abs_diff(left) < Duration::from_millis(1));
        assert_eq!(schedule.last, now - Duration::from_secs(1));
        schedule.members_left(now, 200);
        assert!(
            (schedule.next() - now).abs_diff(left) < Duration::from_millis(1),
            "only when fewer"
        );
    }

    #[test]
    fn haste_is_heeded_once() {
        let t = Instant::now();
        let mut schedule = schedule(64_000, false, t);
        schedule.hasten(t);
        assert!(schedule.is_due(t, TWO));
        schedule.sent(t, 100, TWO);
        assert!(!schedule.is_due(t, TWO));
    }
}
