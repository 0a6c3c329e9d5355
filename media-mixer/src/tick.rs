//! The 20 ms heart-beat of a conference, by absolute deadlines.
//!
//! A late tick does not move the next one, so the mix runs at the members' rate for ever. After a stall the missed ticks
//! are made up in one go, but at most [`CATCH_UP`]: beyond that the receivers' buffers have run dry anyway and a burst
//! would only add delay, so the rest is skipped and counted.

use std::time::{Duration, Instant};

/// Length of a tick.
pub const TICK: Duration = Duration::from_millis(20);

/// How many ticks are made up after a stall.
pub const CATCH_UP: u32 = 5;

/// What a conference's clock has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TickStats {
    /// Ticks run.
    pub ticks: u64,
    /// Ticks skipped because the stall was longer than [`CATCH_UP`] ticks.
    pub skipped: u64,
    /// Sum of the lateness of all ticks.
    pub late_total: Duration,
    /// The worst lateness.
    pub late_max: Duration,
    /// Ticks more than 5 ms late.
    pub late_5ms: u64,
}

/// The absolute deadlines of a conference.
#[derive(Debug)]
pub struct Tick {
    next: Instant,
    stats: TickStats,
}

impl Tick {
    /// The first tick is one period after `now`.
    pub fn new(now: Instant) -> Self {
        Self { next: now + TICK, stats: TickStats::default() }
    }

    /// When the next tick is due.
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// Takes the next due tick. Returns `None` when none is due, else how many ticks were skipped before it (their time
    /// has passed and timestamps must jump over it).
    pub fn take(&mut self, now: Instant) -> Option<u32> {
        let late = now.checked_duration_since(self.next)?;
        self.stats.ticks += 1;
        self.stats.late_total += late;
        self.stats.late_max = self.stats.late_max.max(late);
        self.stats.late_5ms += u64::from(late > Duration::from_millis(5));
        let behind = (late.as_nanos() / TICK.as_nanos()).min(u128::from(u32::MAX)) as u32;
        let skipped = behind.saturating_sub(CATCH_UP - 1);
        self.stats.skipped += u64::from(skipped);
        self.next += TICK * (skipped + 1);
        Some(skipped)
    }

    /// What happened so far.
    pub fn stats(&self) -> TickStats {
        self.stats
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;

    fn run(tick: &mut Tick, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| tick.take(now)).collect()
    }

    #[test]
    fn lateness_does_not_accumulate() {
        let start = Instant::now();
        let mut tick = Tick::new(start);
        for n in 1..=100u32 {
            assert_eq!(run(&mut tick, start + TICK * n + Duration::from_millis(3)), [0]);
        }
        assert_eq!(tick.deadline(), start + TICK * 101);
        assert_eq!(tick.stats().late_max, Duration::from_millis(3));
        assert_eq!(tick.stats().late_5ms, 0);
    }

    #[test]
    fn a_short_stall_is_made_up_completely() {
        let start = Instant::now();
        let mut tick = Tick::new(start);
        assert_eq!(run(&mut tick, start + TICK * 5), [0; 5]);
        assert_eq!(tick.stats().skipped, 0);
    }

    #[test]
    fn a_long_stall_is_resynchronised_and_counted() {
        let start = Instant::now();
        let mut tick = Tick::new(start);
        assert_eq!(run(&mut tick, start + TICK * 50), [45, 0, 0, 0, 0]);
        assert_eq!(tick.stats().skipped, 45);
        assert_eq!(tick.deadline(), start + TICK * 51);
    }

    #[test]
    fn early_is_safe() {
        let start = Instant::now();
        let mut tick = Tick::new(start);
        assert_eq!(run(&mut tick, start), [0; 0]);
        assert_eq!(tick.deadline(), start + TICK);
    }
}
