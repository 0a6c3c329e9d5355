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
    /// 48 kHz: Opus.
    Full,
}

/// 48 kHz over 8 kHz.
const RATIO: usize = 6;

impl Rate {
    /// Samples of one 20 ms tick.
    pub const fn tick_samples(self) -> usize {
        match self {
            Self::Narrow => 160,
            Self::Full => 160 * RATIO,
        }
    }
}

/// The sum of one tick at both rates.
#[derive(Debug)]
pub struct MixBus {
    own_narrow: Vec<i32>,
    own_full: Vec<i32>,
    /// Σ at 8 kHz, including what came from 48 kHz.
    narrow: Vec<i32>,
    /// Σ at 48 kHz, including what came from 8 kHz.
    full: Vec<i32>,
    up: Interpolator,
    down: Decimator,
}

impl Default for MixBus {
    fn default() -> Self {
        Self::new()
    }
}

impl MixBus {
    /// An empty bus.
    pub fn new() -> Self {
        Self {
            own_narrow: vec![0; Rate::Narrow.tick_samples()],
            own_full: vec![0; Rate::Full.tick_samples()],
            narrow: vec![0; Rate::Narrow.tick_samples()],
            full: vec![0; Rate::Full.tick_samples()],
            up: Interpolator::new(RATIO),
            down: Decimator::new(RATIO),
        }
    }

    /// Starts a new tick.
    pub fn clear(&mut self) {
        self.own_narrow.fill(0);
        self.own_full.fill(0);
    }

    /// Adds one source's tick; `pcm` has [`Rate::tick_samples`] samples (what is missing counts as silence).
    pub fn add(&mut self, rate: Rate, pcm: &[i16]) {
        let sum = match rate {
            Rate::Narrow => &mut self.own_narrow,
            Rate::Full => &mut self.own_full,
        };
        for (sum, &sample) in sum.iter_mut().zip(pcm) {
            *sum += i32::from(sample);
        }
    }

    /// Ends the summing: brings each rate's sum over to the other. To be called once per tick, also when nothing was
    /// added, because the filters hold the tail of the last tick.
    pub fn finish(&mut self) {
        self.full.copy_from_slice(&self.own_full);
        self.narrow.copy_from_slice(&self.own_narrow);
        self.up.add_to(&self.own_narrow, &mut self.full);
        self.down.add_to(&self.own_full, &mut self.narrow);
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
        match rate {
            Rate::Narrow => &self.narrow,
            Rate::Full => &self.full,
        }
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
