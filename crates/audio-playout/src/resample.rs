//! Conversion between 8, 16 and 48 kHz: rates in an integer ratio, by a polyphase FIR low-pass (windowed sinc).
//!
//! The low-pass passes 3.4 kHz of a signal of 8 kHz (and in proportion of one of 16 kHz) unchanged, and lets nothing
//! through that would be heard below that: less than a thousandth. Both directions delay by 16 samples of the lower rate,
//! 2 ms at 8 kHz.

/// Taps per output sample of the interpolator. 32 give 60 dB of stop band with a transition of 0.9 kHz at 8 ↔ 48 kHz.
const TAPS_PER_PHASE: usize = 32;

/// Cut-off as a share of the lower Nyquist frequency: the middle of the transition from 3.4 to 4.3 kHz. What is above
/// 4 kHz there folds to above 3.7 kHz, where G.711 has its own filters' slopes.
const CUT_OFF: f64 = 0.9625;

/// Kaiser window parameter for a stop band of 62 dB.
const KAISER_BETA: f64 = 5.8;

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
#[derive(Debug, Clone)]
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
    #[must_use]
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

    /// Forgets the sound so far: silence precedes what comes next.
    pub fn reset(&mut self) {
        self.line.fill(0.0);
        self.quiet = true;
    }

    /// Adds the converted block to `output`, which is `ratio` times as long as `input`.
    pub fn add_to(&mut self, input: &[i32], output: &mut [i32]) {
        let silent = input.iter().all(|&sample| sample == 0);
        if silent && self.quiet {
            return;
        }
        self.line.extend(input.iter().map(|&sample| sample as f32));
        self.filter(output, |out, value| *out += value.round_ties_even() as i32);
        self.end(input.len(), silent);
    }

    /// Appends `ratio` samples to `output` for each one of `input`.
    pub fn process(&mut self, input: &[i16], output: &mut Vec<i16>) {
        let from = output.len();
        output.resize(from + input.len() * self.ratio, 0);
        let silent = input.iter().all(|&sample| sample == 0);
        if silent && self.quiet {
            return;
        }
        self.line.extend(input.iter().map(|&sample| f32::from(sample)));
        self.filter(&mut output[from..], |out, value| *out = clip(value));
        self.end(input.len(), silent);
    }

    fn filter<T>(&self, output: &mut [T], mut put: impl FnMut(&mut T, f32)) {
        let windows = self.line.windows(TAPS_PER_PHASE);
        for (window, outs) in windows.zip(output.chunks_exact_mut(self.ratio)) {
            for (out, taps) in outs.iter_mut().zip(self.phases.chunks_exact(TAPS_PER_PHASE)) {
                put(out, dot(window, taps));
            }
        }
    }

    fn end(&mut self, length: usize, silent: bool) {
        self.line.drain(..length);
        self.quiet = silent && length >= TAPS_PER_PHASE;
    }
}

/// Lowers the rate by an integer ratio.
#[derive(Debug, Clone)]
pub struct Decimator {
    taps: Vec<f32>,
    ratio: usize,
    line: Vec<f32>,
    quiet: bool,
}

impl Decimator {
    /// Output rate = input rate / `ratio`.
    #[must_use]
    pub fn new(ratio: usize) -> Self {
        let taps = prototype(ratio);
        let line = vec![0.0; taps.len() - ratio];
        Self { taps, ratio, line, quiet: true }
    }

    /// Forgets the sound so far: silence precedes what comes next.
    pub fn reset(&mut self) {
        self.line.fill(0.0);
        self.quiet = true;
    }

    /// Adds the converted block to `output`; `input` is `ratio` times as long.
    pub fn add_to(&mut self, input: &[i32], output: &mut [i32]) {
        let silent = input.iter().all(|&sample| sample == 0);
        if silent && self.quiet {
            return;
        }
        self.line.extend(input.iter().map(|&sample| sample as f32));
        self.filter(output, |out, value| *out += value.round_ties_even() as i32);
        self.end(input.len(), silent);
    }

    /// Appends one sample to `output` for each `ratio` of `input`, whose rest is dropped.
    pub fn process(&mut self, input: &[i16], output: &mut Vec<i16>) {
        let whole = input.len() / self.ratio;
        let input = &input[..whole * self.ratio];
        let from = output.len();
        output.resize(from + whole, 0);
        let silent = input.iter().all(|&sample| sample == 0);
        if silent && self.quiet {
            return;
        }
        self.line.extend(input.iter().map(|&sample| f32::from(sample)));
        self.filter(&mut output[from..], |out, value| *out = clip(value));
        self.end(input.len(), silent);
    }

    fn filter<T>(&self, output: &mut [T], mut put: impl FnMut(&mut T, f32)) {
        for (window, out) in self.line.windows(self.taps.len()).step_by(self.ratio).zip(output) {
            put(out, dot(window, &self.taps));
        }
    }

    fn end(&mut self, length: usize, silent: bool) {
        self.line.drain(..length);
        self.quiet = silent && length >= self.taps.len();
    }
}

fn clip(value: f32) -> i16 {
    value.round_ties_even().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16
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

    fn sine(rate: f64, hertz: f64, n: usize) -> Vec<i32> {
        (0..n)
            .map(|i| (10_000.0 * (i as f64 * hertz * std::f64::consts::TAU / rate).sin()) as i32)
            .collect()
    }

    /// Decibels of a signal's second half against a sine of 10 000.
    fn decibels(samples: &[i32]) -> f64 {
        let half = &samples[samples.len() / 2..];
        let power = half.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / half.len() as f64;
        10.0 * (power.max(1e-3) / (10_000.0f64.powi(2) / 2.0)).log10()
    }

    fn down(ratio: usize, low: f64, hertz: f64) -> f64 {
        let mut out = vec![0; 3200];
        let input = sine(low * ratio as f64, hertz, 3200 * ratio);
        Decimator::new(ratio).add_to(&input, &mut out);
        decibels(&out)
    }

    fn up(ratio: usize, low: f64, hertz: f64) -> Vec<i32> {
        let mut out = vec![0; 3200 * ratio];
        Interpolator::new(ratio).add_to(&sine(low, hertz, 3200), &mut out);
        out
    }

    /// (ratio, lower rate): all that occur.
    const PAIRS: [(usize, f64); 3] = [(6, 8000.0), (2, 8000.0), (3, 16_000.0)];

    #[test]
    fn the_pass_band_is_flat_within_a_decibel() {
        for (ratio, low) in PAIRS {
            let mut worst = 0.0_f64;
            for step in 1..=34 {
                let hertz = f64::from(step) * low / 80.0;
                worst = worst.max(down(ratio, low, hertz).abs());
                worst = worst.max(decibels(&up(ratio, low, hertz)).abs());
            }
            assert!(worst < 0.1, "ratio {ratio}: {worst} dB");
        }
    }

    #[test]
    fn what_would_fold_into_the_pass_band_is_sixty_decibels_down() {
        for (ratio, low) in PAIRS {
            let mut worst = f64::MIN;
            // From where it would fold to 3.4 kHz of 8 up to the upper Nyquist frequency.
            let (mut hertz, top) = (low * 0.575, low * ratio as f64 / 2.0);
            while hertz < top {
                worst = worst.max(down(ratio, low, hertz));
                hertz += low / 37.0;
            }
            assert!(worst < -60.0, "ratio {ratio}: {worst} dB");
        }
    }

    #[test]
    fn images_of_an_interpolated_tone_are_sixty_decibels_down() {
        for (ratio, low) in PAIRS {
            for hertz in [300.0, 1000.0, 3400.0 * low / 8000.0] {
                let high = low * ratio as f64;
                let signal = up(ratio, low, hertz);
                let half = &signal[signal.len() / 2..];
                // What is left when the tone itself is taken away.
                let (mut re, mut im) = (0.0, 0.0);
                let turn = std::f64::consts::TAU * hertz / high;
                for (n, &value) in half.iter().enumerate() {
                    re += f64::from(value) * (turn * n as f64).cos() * 2.0 / half.len() as f64;
                    im += f64::from(value) * (turn * n as f64).sin() * 2.0 / half.len() as f64;
                }
                let rest: Vec<i32> = half
                    .iter()
                    .enumerate()
                    .map(|(n, &value)| {
                        let angle = turn * n as f64;
                        value - (re * angle.cos() + im * angle.sin()).round() as i32
                    })
                    .collect();
                assert!(decibels(&rest) < -60.0, "{ratio} {hertz}: {}", decibels(&rest));
            }
        }
    }

    #[test]
    fn blocks_join_without_a_seam() {
        let input = sine(8000.0, 400.0, 640);
        let mut whole = vec![0; 3840];
        Interpolator::new(6).add_to(&input, &mut whole);
        let mut filter = Interpolator::new(6);
        let mut joined = Vec::new();
        let narrow: Vec<i16> = input.iter().map(|&sample| sample as i16).collect();
        for block in narrow.chunks(160) {
            filter.process(block, &mut joined);
        }
        assert!(joined.iter().map(|&sample| i32::from(sample)).eq(whole));
    }

    #[test]
    fn both_doors_give_the_same_and_a_rest_is_dropped() {
        let input = sine(48_000.0, 700.0, 965);
        let wide: Vec<i16> = input.iter().map(|&sample| sample as i16).collect();
        let mut out = Vec::new();
        Decimator::new(6).process(&wide, &mut out);
        let mut sums = vec![0; 160];
        Decimator::new(6).add_to(&input[..960], &mut sums);
        assert!(out.iter().map(|&sample| i32::from(sample)).eq(sums));
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
