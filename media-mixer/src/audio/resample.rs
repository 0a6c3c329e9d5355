//! Conversion between rates in an integer ratio, by a polyphase FIR low-pass (windowed sinc).
//!
//! Why our own: the ratio is fixed, blocks are whole ticks, the input is the 32-bit sum of the bus, and one pair of
//! filters serves a whole conference. Both directions delay by 1.5 ms.

/// Taps per output sample of the interpolator. 24 give 60 dB of stop band with a transition of 1.2 kHz at 8 ↔ 48 kHz.
const TAPS_PER_PHASE: usize = 24;

/// Cut-off as a share of the lower Nyquist frequency, so that the transition ends where aliasing would begin to be heard.
const CUT_OFF: f64 = 0.925;

/// Kaiser window parameter for a stop band of 60 dB.
const KAISER_BETA: f64 = 5.65;

/// Prototype low-pass at the higher rate, gain 1 at 0 Hz.
fn prototype(ratio: usize) -> Vec<f32> {
    let length = TAPS_PER_PHASE * ratio;
    let middle = (length as f64 - 1.0) / 2.0;
    let cut_off = CUT_OFF / ratio as f64;
    let taps: Vec<f64> = (0..length)
        .map(|index| {
            let x = index as f64 - middle;
            let angle = std::f64::consts::PI * cut_off * x;
            let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
            let edge = x / (middle + 1.0);
            sinc * bessel_i0(KAISER_BETA * (1.0 - edge * edge).sqrt())
        })
        .collect();
    let gain: f64 = taps.iter().sum();
    taps.iter().map(|tap| (tap / gain) as f32).collect()
}

/// Modified Bessel function of the first kind, order 0, by its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..32 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

/// Raises the rate by an integer ratio.
#[derive(Debug)]
pub struct Interpolator {
    /// Phase after phase, each [`TAPS_PER_PHASE`] long, in the order of the samples they meet.
    phases: Vec<f32>,
    ratio: usize,
    /// The last `TAPS_PER_PHASE - 1` samples, then the block.
    line: Vec<f32>,
    /// The line holds nothing but zeros: silence costs nothing.
    quiet: bool,
}

impl Interpolator {
    /// Output rate = `ratio` × input rate.
    pub fn new(ratio: usize) -> Self {
        let taps = prototype(ratio);
        let mut phases = Vec::with_capacity(taps.len());
        for phase in 0..ratio {
            phases.extend(
                (0..TAPS_PER_PHASE).rev().map(|tap| taps[tap * ratio + phase] * ratio as f32),
            );
        }
        Self { phases, ratio, line: vec![0.0; TAPS_PER_PHASE - 1], quiet: true }
    }

    /// Adds the converted block to `output`, which is `ratio` times as long as `input`.
    pub fn add_to(&mut self, input: &[i32], output: &mut [i32]) {
        let silent = input.iter().all(|&sample| sample == 0);
        if silent && self.quiet {
            return;
        }
        self.line.extend(input.iter().map(|&sample| sample as f32));
        for (window, outs) in
            self.line.windows(TAPS_PER_PHASE).zip(output.chunks_exact_mut(self.ratio))
        {
            for (out, taps) in outs.iter_mut().zip(self.phases.chunks_exact(TAPS_PER_PHASE)) {
                *out += dot(window, taps).round_ties_even() as i32;
            }
        }
        self.line.drain(..input.len());
        self.quiet = silent && input.len() >= TAPS_PER_PHASE;
    }
}

/// Lowers the rate by an integer ratio.
#[derive(Debug)]
pub struct Decimator {
    taps: Vec<f32>,
    ratio: usize,
    line: Vec<f32>,
    quiet: bool,
}

impl Decimator {
    /// Output rate = input rate / `ratio`.
    pub fn new(ratio: usize) -> Self {
        let taps = prototype(ratio);
        let line = vec![0.0; taps.len() - ratio];
        Self { taps, ratio, line, quiet: true }
    }

    /// Adds the converted block to `output`; `input` is `ratio` times as long.
    pub fn add_to(&mut self, input: &[i32], output: &mut [i32]) {
        let silent = input.iter().all(|&sample| sample == 0);
        if silent && self.quiet {
            return;
        }
        self.line.extend(input.iter().map(|&sample| sample as f32));
        for (window, out) in self.line.windows(self.taps.len()).step_by(self.ratio).zip(output) {
            *out += dot(window, &self.taps).round_ties_even() as i32;
        }
        self.line.drain(..input.len());
        self.quiet = silent && input.len() >= self.taps.len();
    }
}

/// Eight running sums let the compiler use the vector unit (float addition is not associative, so it may not regroup).
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(rate: f64, hertz: f64, from: usize, n: usize) -> Vec<i32> {
        (from..from + n)
            .map(|i| (10_000.0 * (i as f64 * hertz * std::f64::consts::TAU / rate).sin()) as i32)
            .collect()
    }

    fn power(samples: &[i32]) -> f64 {
        samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64
    }

    fn through_down(hertz: f64) -> f64 {
        let mut filter = Decimator::new(6);
        let mut last = vec![0; 160];
        for tick in 0..10 {
            last = vec![0; 160];
            filter.add_to(&sine(48_000.0, hertz, tick * 960, 960), &mut last);
        }
        power(&last) / (10_000.0f64.powi(2) / 2.0)
    }

    fn through_up(hertz: f64) -> f64 {
        let mut filter = Interpolator::new(6);
        let mut last = vec![0; 960];
        for tick in 0..10 {
            last = vec![0; 960];
            filter.add_to(&sine(8_000.0, hertz, tick * 160, 160), &mut last);
        }
        power(&last) / (10_000.0f64.powi(2) / 2.0)
    }

    #[test]
    fn speech_band_passes_unchanged() {
        for hertz in [200.0, 440.0, 1000.0, 2000.0, 3000.0] {
            assert!((through_up(hertz) - 1.0).abs() < 0.03, "up {hertz}: {}", through_up(hertz));
            assert!(
                (through_down(hertz) - 1.0).abs() < 0.03,
                "down {hertz}: {}",
                through_down(hertz)
            );
        }
    }

    #[test]
    fn what_cannot_be_represented_is_removed() {
        for hertz in [4600.0, 6000.0, 9000.0, 15_000.0] {
            assert!(through_down(hertz) < 1e-4, "{hertz}: {}", through_down(hertz));
        }
    }

    #[test]
    fn blocks_join_without_a_seam() {
        let mut filter = Interpolator::new(6);
        let mut joined = Vec::new();
        for tick in 0..4 {
            let mut out = vec![0; 960];
            filter.add_to(&sine(8_000.0, 400.0, tick * 160, 160), &mut out);
            joined.extend(out);
        }
        let step = 10_000.0 * 400.0 * std::f64::consts::TAU / 48_000.0;
        let worst = joined[960..].windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap();
        assert!(f64::from(worst) < step * 1.1, "largest step {worst}, a sine has {step}");
    }

    #[test]
    fn silence_after_sound_drains_the_filter() {
        let mut filter = Decimator::new(6);
        let mut out = vec![0; 160];
        filter.add_to(&[10_000; 960], &mut out);
        for _ in 0..2 {
            out.fill(0);
            filter.add_to(&[0; 960], &mut out);
        }
        assert!(filter.quiet && out.iter().all(|&s| s == 0));
    }
}
