//! From the rate of a device or a file to 48 kHz and back.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

use super::DeviceError;

/// A mono stream from one rate to another.
pub(super) struct Resampler {
    /// `None` while both rates are the same.
    fft: Option<Fft<f32>>,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Resampler {
    /// # Errors
    /// Rates that no device has.
    pub fn new(from: u32, to: u32) -> Result<Self, DeviceError> {
        let rates = 1000..=768_000;
        let failed = |why: String| DeviceError::Missing { what: "sample rate", why };
        if !rates.contains(&from) || !rates.contains(&to) {
            return Err(failed(format!("{from} Hz")));
        }
        let fft = if from == to {
            None
        } else {
            // 10 ms are converted together.
            let fft =
                Fft::new(from as usize, to as usize, from as usize / 100, 1, FixedSync::Input)
                    .map_err(|error| failed(error.to_string()))?;
            Some(fft)
        };
        Ok(Self { fft, input: Vec::new(), output: Vec::new() })
    }

    /// Converts what comes in and hands on what is ready; some milliseconds stay inside.
    pub fn push(&mut self, samples: &[f32], mut ready: impl FnMut(&[f32])) {
        let Some(fft) = &mut self.fft else { return ready(samples) };
        self.input.extend_from_slice(samples);
        let mut taken = 0;
        loop {
            let need = fft.input_frames_next();
            let Some(chunk) = self.input.get(taken..taken + need) else { break };
            self.output.resize(fft.output_frames_max(), 0.0);
            let room = self.output.len();
            let adapters = InterleavedSlice::new(chunk, 1, need)
                .and_then(|i| Ok((i, InterleavedSlice::new_mut(&mut self.output, 1, room)?)));
            let Ok((input, mut output)) = adapters else { break };
            let Ok((read, made)) = fft.process_into_buffer(&input, &mut output, None) else {
                break;
            };
            taken += read.max(1);
            ready(self.output.get(..made).unwrap_or_default());
        }
        self.input.drain(..taken.min(self.input.len()));
    }
}

/// To a 16-bit sample; what is too loud is clipped.
pub(super) fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round() as i16
}

/// From a 16-bit sample.
pub(super) fn from_i16(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_and_level_at_any_rate_in_any_pieces() {
        for (from, to) in [(44_100, 48_000), (8000, 48_000), (48_000, 44_100), (48_000, 48_000)] {
            let mut resampler = Resampler::new(from, to).unwrap();
            let tone: Vec<f32> = (0..from)
                .map(|n| 0.5 * (std::f32::consts::TAU * 440.0 * n as f32 / from as f32).sin())
                .collect();
            let mut out = Vec::new();
            for piece in tone.chunks(333) {
                resampler.push(piece, |made| out.extend_from_slice(made));
            }
            let missing = to as usize - out.len();
            assert!(missing < to as usize / 30, "{from} to {to}: {missing} samples inside");
            let steady = &out[to as usize / 10..];
            let crossings = steady.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0).count();
            let hertz = crossings as f32 * to as f32 / steady.len() as f32;
            assert!((hertz - 440.0).abs() < 3.0, "{from} to {to}: {hertz} Hz");
            let peak = steady.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
            assert!((0.45..0.55).contains(&peak), "{from} to {to}: {peak}");
        }
        assert!(Resampler::new(0, 48_000).is_err());
        assert!(Resampler::new(48_000, u32::MAX).is_err());
    }

    #[test]
    fn loud_samples_are_clipped() {
        assert_eq!((to_i16(1.5), to_i16(-1.5), to_i16(0.0)), (i16::MAX, i16::MIN, 0));
        assert_eq!((to_i16(f32::NAN), to_i16(from_i16(-12_345))), (0, -12_345));
    }
}
