//! Σ and Σ − own: the arithmetic of an N−1 mix.
//!
//! Mixing is linear, and so is resampling. Sources are therefore summed *at their own rate*, and only the sums cross
//! between the rates, once per tick for the whole conference: a G.711 source costs no conversion at all to a G.711
//! listener, and everything is still one mix. Sums are kept in 32 bits and clipped once, on the way out.

use audio_playout::resample::{Decimator, Interpolator};

/// The sampling rates at which sources enter and mixes leave the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    /// 8 kHz: G.711.
    Narrow,
    /// 16 kHz: G.722.
    Wide,
    /// 48 kHz: Opus.
    Full,
}

/// How many there are.
const RATES: usize = 3;

impl Rate {
    const ALL: [Self; RATES] = [Self::Narrow, Self::Wide, Self::Full];

    /// Samples of one millisecond.
    const fn khz(self) -> usize {
        match self {
            Self::Narrow => 8,
            Self::Wide => 16,
            Self::Full => 48,
        }
    }

    /// Samples of one 20 ms tick.
    pub const fn tick_samples(self) -> usize {
        20 * self.khz()
    }
}

#[derive(Debug)]
enum Filter {
    Up(Interpolator),
    Down(Decimator),
}

/// The way from one rate to another.
#[derive(Debug)]
struct Crossing {
    from: Rate,
    to: Rate,
    filter: Filter,
}

impl Crossing {
    fn new(from: Rate, to: Rate) -> Self {
        let filter = if from < to {
            Filter::Up(Interpolator::new(to.khz() / from.khz()))
        } else {
            Filter::Down(Decimator::new(from.khz() / to.khz()))
        };
        Self { from, to, filter }
    }

    fn add_to(&mut self, input: &[i32], output: &mut [i32]) {
        match &mut self.filter {
            Filter::Up(up) => up.add_to(input, output),
            Filter::Down(down) => down.add_to(input, output),
        }
    }

    fn reset(&mut self) {
        match &mut self.filter {
            Filter::Up(up) => up.reset(),
            Filter::Down(down) => down.reset(),
        }
    }
}

/// What came in and what goes out at one rate.
#[derive(Debug)]
struct Lane {
    /// Σ of the sources of this rate.
    own: Vec<i32>,
    /// Σ of all sources.
    all: Vec<i32>,
    /// Somebody listens at this rate.
    wanted: bool,
    /// Somebody did in the tick before.
    was_wanted: bool,
}

/// The sum of one tick at every rate.
#[derive(Debug)]
pub struct MixBus {
    lanes: [Lane; RATES],
    crossings: Vec<Crossing>,
}

impl Default for MixBus {
    fn default() -> Self {
        Self::new()
    }
}

impl MixBus {
    /// An empty bus.
    pub fn new() -> Self {
        let lane = |rate: Rate| {
            let silence = vec![0; rate.tick_samples()];
            Lane { own: silence.clone(), all: silence, wanted: false, was_wanted: false }
        };
        let pairs = Rate::ALL.into_iter().flat_map(|from| Rate::ALL.map(|to| (from, to)));
        let crossings = pairs
            .filter(|(from, to)| from != to)
            .map(|(from, to)| Crossing::new(from, to))
            .collect();
        Self { lanes: Rate::ALL.map(lane), crossings }
    }

    /// Starts a new tick.
    pub fn clear(&mut self) {
        for lane in &mut self.lanes {
            lane.own.fill(0);
            lane.was_wanted = std::mem::take(&mut lane.wanted);
        }
    }

    /// Somebody listens at this rate in this tick. What nobody listens at is not summed.
    pub fn want(&mut self, rate: Rate) {
        self.lanes[rate as usize].wanted = true;
    }

    /// Adds one source's tick; `pcm` has [`Rate::tick_samples`] samples (what is missing counts as silence).
    pub fn add(&mut self, rate: Rate, pcm: &[i16]) {
        for (sum, &sample) in self.lanes[rate as usize].own.iter_mut().zip(pcm) {
            *sum += i32::from(sample);
        }
    }

    /// Ends the summing: brings each rate's sum over to the others. To be called once per tick, also when nothing was
    /// added, because the filters hold the tail of the last tick.
    pub fn finish(&mut self) {
        for lane in &mut self.lanes {
            lane.all.copy_from_slice(&lane.own);
        }
        for crossing in &mut self.crossings {
            let lanes = [crossing.from as usize, crossing.to as usize];
            let Ok([from, to]) = self.lanes.get_disjoint_mut(lanes) else { continue };
            if !to.wanted {
                continue;
            }
            if !to.was_wanted {
                crossing.reset();
            }
            crossing.add_to(&from.own, &mut to.all);
        }
    }

    /// What somebody hears who is not in the sum.
    pub fn total(&self, rate: Rate, out: &mut [i16]) {
        for (out, &sum) in out.iter_mut().zip(self.sum(rate)) {
            *out = clip(sum);
        }
    }

    /// What somebody hears whose `own` samples were added at the same rate.
    pub fn without(&self, rate: Rate, own: &[i16], out: &mut [i16]) {
        for ((out, &sum), &own) in out.iter_mut().zip(self.sum(rate)).zip(own) {
            *out = clip(sum - i32::from(own));
        }
    }

    fn sum(&self, rate: Rate) -> &[i32] {
        &self.lanes[rate as usize].all
    }
}

fn clip(sum: i32) -> i16 {
    sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The property of the mixer: with any set of sources at one rate, each listener hears exactly the clipped sum
        /// of the others.
        #[test]
        fn n_minus_one_is_exact(sources in proptest::collection::vec(proptest::collection::vec(any::<i16>(), 160), 1..12)) {
            let mut bus = MixBus::new();
            bus.clear();
            for source in &sources {
                bus.add(Rate::Narrow, source);
            }
            bus.finish();
            let mut heard = [0i16; 160];
            for (index, own) in sources.iter().enumerate() {
                bus.without(Rate::Narrow, own, &mut heard);
                for at in 0..160 {
                    let others: i32 = sources.iter().enumerate().filter(|(other, _)| *other != index)
                        .map(|(_, source)| i32::from(source[at])).sum();
                    prop_assert_eq!(heard[at], clip(others));
                }
            }
            bus.total(Rate::Narrow, &mut heard);
            for at in 0..160 {
                let all: i32 = sources.iter().map(|source| i32::from(source[at])).sum();
                prop_assert_eq!(heard[at], clip(all));
            }
        }
    }

    #[test]
    fn sources_of_one_rate_reach_listeners_of_the_other() {
        let mut bus = MixBus::new();
        let (mut power_full, mut power_narrow) = (0.0f64, 0.0f64);
        let mut out = [0i16; 960];
        for tick in 0..20 {
            let tone = |rate: f64, hertz: f64, n: usize| -> Vec<i16> {
                (0..n)
                    .map(|i| {
                        (8000.0
                            * ((tick * n + i) as f64 * hertz * std::f64::consts::TAU / rate).sin())
                            as i16
                    })
                    .collect()
            };
            bus.clear();
            bus.want(Rate::Narrow);
            bus.want(Rate::Full);
            bus.add(Rate::Narrow, &tone(8000.0, 440.0, 160));
            let full = tone(48000.0, 1000.0, 960);
            bus.add(Rate::Full, &full);
            bus.finish();
            bus.without(Rate::Full, &full, &mut out);
            let narrow_only: f64 = out.iter().map(|&s| f64::from(s).powi(2)).sum();
            bus.total(Rate::Narrow, &mut out[..160]);
            let both: f64 = out[..160].iter().map(|&s| f64::from(s).powi(2)).sum();
            if tick > 2 {
                power_full += narrow_only / 960.0 / 17.0;
                power_narrow += both / 160.0 / 17.0;
            }
        }
        let sine = 8000.0f64.powi(2) / 2.0;
        assert!((power_full / sine - 1.0).abs() < 0.02, "440 Hz at 48 kHz: {}", power_full / sine);
        assert!(
            (power_narrow / sine - 2.0).abs() < 0.05,
            "440 + 1000 Hz at 8 kHz: {}",
            power_narrow / sine
        );
    }

    #[test]
    fn a_tone_of_any_rate_is_heard_at_every_rate() {
        for from in Rate::ALL {
            for to in Rate::ALL {
                let mut bus = MixBus::new();
                let mut heard = vec![0; to.tick_samples()];
                for tick in 0..10 {
                    let count = from.tick_samples();
                    let turn = 1000.0 * std::f64::consts::TAU / (from.khz() * 1000) as f64;
                    let tone: Vec<i16> = (tick * count..(tick + 1) * count)
                        .map(|n| (8000.0 * (turn * n as f64).sin()) as i16)
                        .collect();
                    bus.clear();
                    bus.want(to);
                    bus.add(from, &tone);
                    bus.finish();
                    bus.total(to, &mut heard);
                }
                let power: f64 = heard.iter().map(|&s| f64::from(s).powi(2)).sum();
                let share = power / heard.len() as f64 / (8000.0f64.powi(2) / 2.0);
                assert!((share - 1.0).abs() < 0.02, "{from:?} to {to:?}: {share}");
            }
        }
    }

    #[test]
    fn the_sum_is_clipped_once_and_not_wrapped() {
        let mut bus = MixBus::new();
        bus.clear();
        for _ in 0..3 {
            bus.add(Rate::Narrow, &[30_000; 160]);
        }
        bus.add(Rate::Narrow, &[-30_000; 160]);
        bus.finish();
        let mut out = [0i16; 160];
        bus.total(Rate::Narrow, &mut out);
        assert_eq!(out[0], i16::MAX, "60000 clips");
        bus.without(Rate::Narrow, &[30_000; 160], &mut out);
        assert_eq!(out[0], 30_000, "clipping happens after the subtraction, so nothing is lost");
    }
}
