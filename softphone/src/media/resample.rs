//! Between the 48 kHz of our devices and the 8 kHz of G.711, in frames of 20 ms.
//!
//! A polyphase filter with one low pass for both ways: a windowed sinc of 16 zero crossings whose
//! edge lies at 3.6 kHz. It delays by 8 samples at 8 kHz, 1 ms.

/// 48 kHz over 8 kHz.
const RATIO: usize = 6;
/// Taps of each phase; the whole filter has `RATIO` times as many at 48 kHz.
const TAPS: usize = 16;
/// Edge of the low pass as a share of 48 kHz.
const EDGE: f32 = 3_600.0 / 48_000.0;

fn low_pass() -> [f32; RATIO * TAPS] {
    let length = (RATIO * TAPS) as f32;
    let mut filter = [0.0; RATIO * TAPS];
    for (index, tap) in filter.iter_mut().enumerate() {
        let from_middle = index as f32 - (length - 1.0) / 2.0;
        let turn = 2.0 * std::f32::consts::PI;
        let x = turn * EDGE * from_middle; // never 0: the length is even
        let window = 0.54 - 0.46 * (turn * (index as f32 + 0.5) / length).cos(); // Hamming
        *tap = 2.0 * EDGE * x.sin() / x * window;
    }
    let sum: f32 = filter.iter().sum();
    filter.map(|tap| tap / sum)
}

fn sample(value: f32) -> i16 {
    value.round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16
}

/// 8 kHz to 48 kHz.
#[derive(Debug, Clone)]
pub struct Upsampler {
    filter: [f32; RATIO * TAPS],
    /// The last input samples, newest last.
    past: [f32; TAPS],
}

impl Default for Upsampler {
    fn default() -> Self {
        Self { filter: low_pass(), past: [0.0; TAPS] }
    }
}

impl Upsampler {
    /// Appends six samples to `out` for each one of `input`.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        for value in input {
            self.past.rotate_left(1);
            if let Some(newest) = self.past.last_mut() {
                *newest = f32::from(*value);
            }
            for phase in 0..RATIO {
                let taps = self.filter.iter().skip(phase).step_by(RATIO);
                let sum: f32 = taps.zip(self.past.iter().rev()).map(|(t, p)| t * p).sum();
                out.push(sample(sum * RATIO as f32));
            }
        }
    }
}

/// 48 kHz to 8 kHz.
#[derive(Debug, Clone)]
pub struct Downsampler {
    filter: [f32; RATIO * TAPS],
    past: [f32; RATIO * TAPS],
}

impl Default for Downsampler {
    fn default() -> Self {
        Self { filter: low_pass(), past: [0.0; RATIO * TAPS] }
    }
}

impl Downsampler {
    /// Appends one sample to `out` for each six of `input`; a rest of fewer than six is dropped.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        for six in input.chunks_exact(RATIO) {
            self.past.rotate_left(RATIO);
            let fresh = self.past.iter_mut().skip(RATIO * TAPS - RATIO);
            fresh.zip(six).for_each(|(place, value)| *place = f32::from(*value));
            // the filter is symmetric, so that its direction does not matter
            let sum: f32 = self.filter.iter().zip(&self.past).map(|(t, p)| t * p).sum();
            out.push(sample(sum));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, rate: f32, count: usize) -> Vec<i16> {
        (0..count)
            .map(|n| (12_000.0 * (std::f32::consts::TAU * hertz * n as f32 / rate).sin()) as i16)
            .collect()
    }

    /// Amplitude of one frequency in the second half of a signal.
    fn level(signal: &[i16], hertz: f32, rate: f32) -> f32 {
        let half = &signal[signal.len() / 2..];
        let (mut re, mut im) = (0.0, 0.0);
        for (n, value) in half.iter().enumerate() {
            let angle = std::f32::consts::TAU * hertz * n as f32 / rate;
            re += f32::from(*value) * angle.cos();
            im += f32::from(*value) * angle.sin();
        }
        2.0 * re.hypot(im) / half.len() as f32
    }

    #[test]
    fn a_voice_tone_goes_up_and_down_unchanged() {
        for hertz in [300.0, 1000.0, 3000.0] {
            let (mut up, mut down) = (Vec::new(), Vec::new());
            Upsampler::default().process(&tone(hertz, 8000.0, 1600), &mut up);
            assert_eq!(up.len(), 9600);
            let high = level(&up, hertz, 48_000.0);
            assert!((11_000.0..12_600.0).contains(&high), "{hertz}: {high}");
            let image = level(&up, 8000.0 - hertz, 48_000.0);
            assert!(image < 400.0, "{hertz}: image {image}");
            Downsampler::default().process(&up, &mut down);
            assert_eq!(down.len(), 1600);
            let low = level(&down, hertz, 8000.0);
            assert!((10_000.0..12_900.0).contains(&low), "{hertz}: {low}");
        }
    }

    #[test]
    fn what_8_khz_cannot_hold_does_not_fold_down() {
        let mut down = Vec::new();
        Downsampler::default().process(&tone(7000.0, 48_000.0, 9600), &mut down);
        assert!(level(&down, 1000.0, 8000.0) < 100.0);
    }
}
