//! How late packets come, compared with the fastest ones, and which delay would have been enough.
//!
//! The *transit* of a packet is its arrival minus its media time; the least transit of the last seconds
//! is the *base*, and what a packet exceeds it by is its *lateness*. The target delay covers nearly all
//! latenesses seen lately: a quantile of a histogram that forgets, as in WebRTC's NetEQ.

use crate::timeline::{MS, Ticks};

/// Width of the window in which the fastest packet is looked for: long enough to have one that met no
/// queue, short enough to follow clocks that drift apart (200 ppm are 0.5 ms in it) and a path that has
/// become longer. In parts, so that it can slide.
const WINDOW_PARTS: usize = 5;
const PART: Ticks = 500 * MS;
/// Bins of 1 ms; what is later than the last is beyond the reach of any delay.
const BINS: usize = 400;
/// Share of the packets that the target is to cover. What comes later is still played, as long as
/// nothing after it has been: so the rest is concealed, but seldom lost.
const COVERED: f64 = 0.98;
/// What a sample keeps of its weight with each further one: about a second of memory at 20 ms, as in NetEQ.
const MEMORY: f64 = 0.983;
/// So many samples all weigh the same, to learn fast in the beginning.
const LEARNING: u32 = 100;
/// Packets that arrive within so much time are one event: one stall is not many late packets.
const BURST: Ticks = 10 * MS;
/// Weights are scaled down before they lose precision.
const HEAVY: f64 = 1e9;

/// Base transit and target delay of one path.
#[derive(Clone, Debug)]
pub(crate) struct Delay {
    min_target: Ticks,
    max_target: Ticks,
    /// Least transits of the parts of the window, the present one last.
    parts: [Option<Ticks>; WINDOW_PARTS],
    part_start: Ticks,
    base: Option<Ticks>,
    histogram: Histogram,
    burst: Option<Burst>,
}

/// Worst lateness of packets that came at nearly the same time.
#[derive(Clone, Copy, Debug)]
struct Burst {
    start: Ticks,
    worst_transit: Ticks,
}

impl Delay {
    pub(crate) fn new(min_target: Ticks, max_target: Ticks) -> Self {
        Self {
            min_target,
            max_target: max_target.max(min_target),
            parts: [None; WINDOW_PARTS],
            part_start: 0,
            base: None,
            histogram: Histogram::new(),
            burst: None,
        }
    }

    /// The transit of the fastest packets lately; `None` before the first.
    pub(crate) const fn base(&self) -> Option<Ticks> {
        self.base
    }

    /// The delay that suffices for nearly all packets, within its limits.
    pub(crate) fn target(&self) -> Ticks {
        let covering = self.histogram.covering();
        let wanted = covering.map_or(0, |bin| (bin as Ticks + 1) * MS);
        wanted.clamp(self.min_target, self.max_target)
    }

    /// A packet came at `arrival` after a `transit`.
    pub(crate) fn record(&mut self, arrival: Ticks, transit: Ticks) {
        self.slide(arrival, transit);
        match &mut self.burst {
            Some(burst) if arrival - burst.start < BURST => {
                burst.worst_transit = burst.worst_transit.max(transit);
            }
            other => {
                let before = other.replace(Burst { start: arrival, worst_transit: transit });
                if let (Some(before), Some(base)) = (before, self.base) {
                    self.histogram.add(before.worst_transit - base);
                }
            }
        }
    }

    /// Lets the window slide on to `arrival`; the histogram follows the base.
    fn slide(&mut self, arrival: Ticks, transit: Ticks) {
        let passed = (arrival - self.part_start) / PART;
        if passed > 0 {
            let passed = usize::try_from(passed).unwrap_or(WINDOW_PARTS).min(WINDOW_PARTS);
            self.parts.rotate_left(passed);
            for part in self.parts.iter_mut().rev().take(passed) {
                *part = None;
            }
            self.part_start = arrival;
        }
        if let Some(present) = self.parts.last_mut() {
            *present = Some(present.map_or(transit, |least| least.min(transit)));
        }
        let base = self.parts.iter().flatten().min().copied();
        if let (Some(old), Some(new)) = (self.base, base) {
            self.histogram.follow(new - old);
        }
        self.base = base;
    }

    /// The timeline is another one; how unevenly packets come stays known.
    pub(crate) fn forget_base(&mut self) {
        self.parts = [None; WINDOW_PARTS];
        self.base = None;
        self.burst = None;
    }
}

/// Latenesses by the millisecond. Instead of letting all weights decay, each sample weighs more than
/// the one before.
#[derive(Clone, Debug)]
struct Histogram {
    weights: Box<[f64; BINS]>,
    total: f64,
    next: f64,
    samples: u32,
    /// The bin of the quantile, and the weight of the bins up to and with it.
    covering: usize,
    covered: f64,
    /// By how much less than a bin the base has moved.
    moved: Ticks,
}

impl Histogram {
    fn new() -> Self {
        Self {
            weights: Box::new([0.0; BINS]),
            total: 0.0,
            next: 1.0,
            samples: 0,
            covering: 0,
            covered: 0.0,
            moved: 0,
        }
    }

    fn covering(&self) -> Option<usize> {
        (self.samples > 0).then_some(self.covering)
    }

    fn add(&mut self, lateness: Ticks) {
        let Ok(bin) = usize::try_from((lateness + self.moved).max(0) / MS) else { return };
        let Some(weight) = self.weights.get_mut(bin) else { return };
        *weight += self.next;
        self.total += self.next;
        if bin <= self.covering {
            self.covered += self.next;
        }
        self.samples = self.samples.saturating_add(1);
        if self.samples > LEARNING {
            self.next /= MEMORY;
        }
        if self.next > HEAVY {
            self.weights.iter_mut().for_each(|weight| *weight /= HEAVY);
            self.next /= HEAVY;
            self.recount();
        }
        self.settle();
    }

    /// Moves the quantile to where it belongs now.
    fn settle(&mut self) {
        let wanted = self.total * COVERED;
        while self.covered < wanted && self.covering + 1 < BINS {
            self.covering += 1;
            self.covered += self.weights[self.covering];
        }
        while self.covering > 0 && self.covered - self.weights[self.covering] >= wanted {
            self.covered -= self.weights[self.covering];
            self.covering -= 1;
        }
    }

    fn recount(&mut self) {
        self.total = self.weights.iter().sum();
        self.covered = self.weights[..=self.covering].iter().sum();
    }

    /// The base has risen by `rise`: all latenesses have become smaller by as much.
    fn follow(&mut self, rise: Ticks) {
        self.moved += rise;
        let bins = self.moved / MS;
        self.moved -= bins * MS;
        let by = usize::try_from(bins.unsigned_abs()).unwrap_or(BINS).min(BINS);
        if by == 0 {
            return;
        }
        if bins > 0 {
            let below: f64 = self.weights[..by].iter().sum();
            self.weights.rotate_left(by);
            self.weights[BINS - by..].fill(0.0);
            self.weights[0] += below;
        } else {
            self.weights.rotate_right(by);
            self.weights[..by].fill(0.0);
        }
        self.recount();
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Ticks = 20 * MS;

    fn delay() -> Delay {
        Delay::new(0, 300 * MS)
    }

    /// Feeds packets of 20 ms with the given latenesses in milliseconds.
    fn feed(delay: &mut Delay, from: Ticks, late: impl IntoIterator<Item = Ticks>) -> Ticks {
        let mut time = from;
        for late in late {
            let arrival = time + 30 * MS + late * MS;
            delay.record(arrival, arrival - time);
            time += FRAME;
        }
        time
    }

    #[test]
    fn a_clean_path_needs_a_millisecond() {
        let mut delay = delay();
        feed(&mut delay, 0, [0; 500]);
        assert_eq!(delay.base(), Some(30 * MS));
        assert_eq!(delay.target(), MS);
    }

    #[test]
    fn the_target_covers_nearly_all_latenesses() {
        let mut delay = delay();
        feed(&mut delay, 0, (0..1000).map(|n| n * 37 % 61));
        assert!((58 * MS..=61 * MS).contains(&delay.target()), "{}", delay.target() / MS);
    }

    #[test]
    fn calm_brings_it_down_within_seconds() {
        let mut delay = delay();
        let time = feed(&mut delay, 0, (0..500).map(|n| n * 37 % 61));
        let time = feed(&mut delay, time, [0; 150]);
        assert!(delay.target() > 30 * MS);
        feed(&mut delay, time, [0; 300]);
        assert!(delay.target() <= 2 * MS, "{}", delay.target() / MS);
    }

    #[test]
    fn one_burst_is_one_event() {
        let mut delay = delay();
        let time = feed(&mut delay, 0, [0; 200]);
        // Nothing comes for 200 ms, then all at once.
        let time = feed(&mut delay, time, (0..10).map(|n| 200 - n * 20));
        feed(&mut delay, time, [0; 5]);
        assert_eq!(delay.target(), MS);
    }

    #[test]
    fn a_longer_path_is_the_new_normal_within_seconds() {
        let mut delay = delay();
        let time = feed(&mut delay, 0, [0; 200]);
        let time = feed(&mut delay, time, [80; 60]);
        assert!(delay.target() >= 80 * MS, "at first it is lateness: {}", delay.target() / MS);
        feed(&mut delay, time, [80; 100]);
        assert_eq!(delay.base(), Some(110 * MS));
        assert!(delay.target() <= 2 * MS, "{}", delay.target() / MS);
    }

    #[test]
    fn the_histogram_follows_a_base_that_moves_by_little_steps() {
        let mut histogram = Histogram::new();
        for _ in 0..100 {
            histogram.add(50 * MS);
        }
        for _ in 0..200 {
            histogram.follow(MS / 8);
        }
        assert_eq!(histogram.covering(), Some(25));
        histogram.follow(-10 * MS);
        assert_eq!(histogram.covering(), Some(35));
        histogram.follow(1000 * MS);
        assert_eq!(histogram.covering(), Some(0));
        assert!((histogram.total - 100.0).abs() < 1e-6);
    }

    #[test]
    fn weights_stay_finite_for_ever() {
        let mut histogram = Histogram::new();
        for n in 0..100_000 {
            histogram.add((n % 40) * MS);
        }
        assert!(histogram.total.is_finite() && histogram.covering() == Some(39));
    }

    #[test]
    fn the_limits_are_kept() {
        let mut delay = Delay::new(20 * MS, 60 * MS);
        let time = feed(&mut delay, 0, [0; 50]);
        assert_eq!(delay.target(), 20 * MS);
        feed(&mut delay, time, (0..100).map(|n| n % 2 * 200));
        assert_eq!(delay.target(), 60 * MS);
    }
}
