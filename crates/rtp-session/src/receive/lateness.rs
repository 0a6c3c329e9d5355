//! How late packets come, compared with the fastest ones, and which delay would have been enough.

/// Width of a histogram bin in milliseconds, and their number.
const BIN_MS: i64 = 5;
const BINS: usize = 64;
/// Share of the packets the target is to cover.
const COVERED: f32 = 0.97;
/// What a sample keeps of its weight with each further one: about two seconds of memory at 20 ms.
const MEMORY: f32 = 0.99;
/// Seconds after which the base of the window before is forgotten.
const WINDOW_SECONDS: i64 = 5;

/// Base transit and a histogram of what packets exceed it by. Times are in units of the media clock.
#[derive(Clone, Debug)]
pub(super) struct Lateness {
    rate: i64,
    min_target: i64,
    max_target: i64,
    target: i64,
    /// Least transit of this window and of the one before.
    least: Option<i64>,
    least_before: Option<i64>,
    window_start: i64,
    last_arrival: i64,
    /// Worst lateness of packets that came at (nearly) the same time: a burst is one event, not many.
    bins: [f32; BINS],
    burst: Option<Burst>,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    start: i64,
    worst: i64,
}

impl Lateness {
    pub(super) fn new(rate: u32, min_target: i64, max_target: i64) -> Self {
        let max_target = max_target.max(min_target);
        Self {
            rate: i64::from(rate.max(1)),
            min_target,
            max_target,
            target: min_target,
            least: None,
            least_before: None,
            window_start: 0,
            last_arrival: 0,
            bins: [0.0; BINS],
            burst: None,
        }
    }

    /// The transit of the fastest packets lately; `None` before the first.
    pub(super) fn base(&self) -> Option<i64> {
        match (self.least, self.least_before) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The delay that suffices for nearly all packets, within its limits.
    pub(super) const fn target(&self) -> i64 {
        self.target
    }

    /// A packet came at `arrival` after a `transit`.
    pub(super) fn record(&mut self, arrival: i64, transit: i64) {
        let window = WINDOW_SECONDS * self.rate;
        if arrival - self.last_arrival > 2 * window {
            // After so long a silence the clocks may have drifted anywhere.
            self.forget_base();
        }
        self.last_arrival = arrival;
        if self.least.is_none() || arrival - self.window_start >= window {
            self.least_before = self.least;
            self.least = Some(transit);
            self.window_start = arrival;
        }
        self.least = self.least.min(Some(transit));
        let late = transit - self.base().unwrap_or(transit);
        let tick = self.rate / 50;
        match &mut self.burst {
            Some(burst) if arrival - burst.start < tick / 2 => burst.worst = burst.worst.max(late),
            other => {
                let before = other.replace(Burst { start: arrival, worst: late });
                if let Some(before) = before {
                    self.add(before.worst);
                }
            }
        }
    }

    fn add(&mut self, late: i64) {
        let bin = late * 1000 / self.rate / BIN_MS;
        let bin = usize::try_from(bin).unwrap_or(0).min(BINS - 1);
        for (index, weight) in self.bins.iter_mut().enumerate() {
            *weight *= MEMORY;
            if index == bin {
                *weight += 1.0 - MEMORY;
            }
        }
        let total: f32 = self.bins.iter().sum();
        let mut sum = 0.0;
        let covering = self.bins.iter().position(|weight| {
            sum += weight;
            sum >= COVERED * total
        });
        let bins = covering.map_or(BINS, |index| index + 1) as i64;
        let wanted = bins * BIN_MS * self.rate / 1000;
        self.target = wanted.clamp(self.min_target, self.max_target);
    }

    /// The timeline is another one; how unevenly packets come stays known.
    pub(super) fn forget_base(&mut self) {
        self.least = None;
        self.least_before = None;
        self.burst = None;
    }
}
