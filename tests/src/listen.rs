//! Listening by measuring: which tones are in a recording, and whose voice.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use realfft::RealFftPlanner;

/// A mono recording, samples in −1..1.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Samples of the first channel.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub rate: u32,
}

impl Recording {
    /// Reads a WAV file. A header that its writer had no time to finish is tolerated: the samples
    /// then reach to the end of the file.
    pub fn read(file: &Path) -> Result<Self> {
        let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        if bytes.len() < 44 || &bytes[..4] != b"RIFF" {
            bail!("{} is no WAV file ({} bytes)", file.display(), bytes.len());
        }
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let channels = usize::from(word(22).max(1));
        let rate = u32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
        let width = usize::from(word(34) / 8);
        let start = bytes.windows(4).position(|tag| tag == b"data").map_or(44, |at| at + 8);
        let data = bytes.get(start..).unwrap_or_default();
        let sample = |frame: &[u8]| match width {
            2 => f32::from(i16::from_le_bytes([frame[0], frame[1]])) / 32_768.0,
            4 => {
                i32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as f32 / 2f32.powi(31)
            }
            _ => 0.0,
        };
        if width != 2 && width != 4 {
            bail!("{}: {width} bytes a sample are not understood", file.display());
        }
        let samples = data.chunks_exact(width * channels).map(sample).collect();
        Ok(Self { samples, rate })
    }

    /// Its last seconds, without what comes after a moment before its end.
    #[must_use]
    pub fn last(&self, length: Duration, before_end: Duration) -> Self {
        let count = |time: Duration| (time.as_secs_f64() * f64::from(self.rate)) as usize;
        let end = self.samples.len().saturating_sub(count(before_end));
        let samples = self.samples[end.saturating_sub(count(length))..end].to_vec();
        Self { samples, rate: self.rate }
    }

    /// Seconds of sound, silence included.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// The level of a tone in dB relative to full scale: the median over windows of 100 ms, so a click
    /// or a short gap does not count but a tone that is there less than half of the time is absent.
    pub fn tone_level(&self, hertz: f64) -> f64 {
        let mut levels = self.tone_levels(hertz);
        if levels.is_empty() {
            return f64::NEG_INFINITY;
        }
        levels.sort_by(f64::total_cmp);
        levels[levels.len() / 2]
    }

    /// The loudest that a tone ever is for 300 ms, in dB relative to full scale. Shorter does not count: a
    /// foreign tone that begins or ends abruptly is a click, which has a little of every tone.
    pub fn tone_longest(&self, hertz: f64) -> f64 {
        self.tone_levels(hertz)
            .windows(3)
            .map(|run| run.iter().copied().fold(f64::INFINITY, f64::min))
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// How whole a tone is from when it is first heard to when it is last: a window of 20 ms in which it is below
    /// `floor` dB is a hole. A packet that nobody makes up for is one.
    pub fn wholeness(&self, hertz: f64, floor: f64) -> Wholeness {
        let levels = self.levels(hertz, self.rate as usize / 50);
        let heard: Vec<bool> = levels.iter().map(|level| *level > floor).collect();
        let first = heard.iter().position(|heard| *heard).unwrap_or(0);
        let last = heard.iter().rposition(|heard| *heard).map_or(0, |last| last + 1);
        let span = heard.get(first..last).unwrap_or_default();
        let holes = span.iter().filter(|heard| !**heard).count();
        let longest = span.split(|heard| *heard).map(<[bool]>::len).max().unwrap_or(0);
        Wholeness {
            seconds: span.len() as f64 / 50.0,
            missing: holes as f64 / span.len().max(1) as f64,
            longest_gap: Duration::from_millis(20 * longest as u64),
        }
    }

    /// The longest time without a tone between two moments so long before the end, in steps of 10 ms. What lies before
    /// the tone is first heard is no silence.
    #[must_use]
    pub fn longest_silence(
        &self,
        hertz: f64,
        floor: f64,
        from: Duration,
        to: Duration,
    ) -> Duration {
        let part = self.last(from.saturating_sub(to), to);
        let levels = part.levels(hertz, part.rate as usize / 100);
        let heard: Vec<bool> = levels.iter().map(|level| *level > floor).collect();
        let first = heard.iter().position(|heard| *heard).unwrap_or(0);
        let runs = heard[first..].split(|heard| *heard).map(<[bool]>::len);
        Duration::from_millis(10 * runs.max().unwrap_or(0) as u64)
    }

    fn tone_levels(&self, hertz: f64) -> Vec<f64> {
        self.levels(hertz, self.rate as usize / 10)
    }

    fn levels(&self, hertz: f64, window: usize) -> Vec<f64> {
        self.samples.chunks_exact(window).map(|part| goertzel(part, hertz, self.rate)).collect()
    }
}

/// See [`Recording::wholeness`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wholeness {
    /// From the first to the last time it is heard.
    pub seconds: f64,
    /// Which part of that time is holes, 0 to 1.
    pub missing: f64,
    /// The longest hole.
    pub longest_gap: Duration,
}

/// The level of `hertz` in one Hann window, dB relative to a full-scale sine.
fn goertzel(samples: &[f32], hertz: f64, rate: u32) -> f64 {
    let count = samples.len() as f64;
    let omega = std::f64::consts::TAU * hertz / f64::from(rate);
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let hann = 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / count).cos();
        let value = f64::from(*sample) * hann;
        re += value * (omega * n as f64).cos();
        im -= value * (omega * n as f64).sin();
    }
    let amplitude = 4.0 * (re * re + im * im).sqrt() / count;
    20.0 * amplitude.max(1e-9).log10()
}

/// How clearly `voice` is somewhere in `heard`, whatever the delay: the highest peak of their
/// cross-correlation over its root mean square. An absent voice gives 5 to 10 (the largest of many
/// random values), one in a mix of two through Opus about 200.
pub fn voice_presence(voice: &Recording, heard: &Recording) -> f64 {
    let rate = 8000;
    let voice = whiten(&resample(voice, rate));
    let heard = whiten(&resample(heard, rate));
    let length = (voice.len() + heard.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let forward = planner.plan_fft_forward(length);
    let inverse = planner.plan_fft_inverse(length);
    let transform = |samples: &[f32]| {
        let mut input = forward.make_input_vec();
        input[..samples.len()].copy_from_slice(samples);
        let mut output = forward.make_output_vec();
        forward.process(&mut input, &mut output).map(|()| output)
    };
    let (Ok(a), Ok(b)) = (transform(&voice), transform(&heard)) else { return 0.0 };
    let mut product: Vec<_> = a.iter().zip(&b).map(|(a, b)| a.conj() * b).collect();
    let last = product.len() - 1;
    product[0].im = 0.0;
    product[last].im = 0.0;
    let mut correlation = inverse.make_output_vec();
    if inverse.process(&mut product, &mut correlation).is_err() {
        return 0.0;
    }
    let peak = correlation.iter().fold(0f32, |peak, value| peak.max(value.abs()));
    let power: f64 = correlation.iter().map(|value| f64::from(*value).powi(2)).sum();
    f64::from(peak) / (power / correlation.len() as f64).sqrt().max(1e-12)
}

/// Each sample is the mean of the samples it stands for, which keeps higher tones from folding down.
fn resample(recording: &Recording, rate: u32) -> Vec<f32> {
    let step = f64::from(recording.rate) / f64::from(rate);
    let count = (recording.samples.len() as f64 / step) as usize;
    (0..count)
        .map(|n| {
            let start = (n as f64 * step) as usize;
            let end = (((n + 1) as f64 * step) as usize).clamp(start + 1, recording.samples.len());
            let part = &recording.samples[start..end];
            part.iter().sum::<f32>() / part.len() as f32
        })
        .collect()
}

/// Takes the strong low tones out of speech (first difference), which makes its correlation peak sharp.
fn whiten(samples: &[f32]) -> Vec<f32> {
    samples.windows(2).map(|pair| pair[1] - 0.95 * pair[0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32, seconds: u32) -> Recording {
        let samples = (0..rate * seconds)
            .map(|n| {
                (std::f64::consts::TAU * hertz * f64::from(n) / f64::from(rate)).sin() as f32 / 2.0
            })
            .collect();
        Recording { samples, rate }
    }

    /// White noise (splitmix64), a different sequence for each seed.
    fn noise(seed: u64, count: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x5851_f42d_4c95_7f2d);
        (0..count)
            .map(|_| {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                ((z ^ (z >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    #[test]
    fn a_tone_is_heard_at_its_level_and_no_other() {
        let recording = tone(440.0, 48_000, 2);
        assert!((recording.tone_level(440.0) + 6.0).abs() < 0.5);
        assert!(recording.tone_level(660.0) < -60.0);
    }

    #[test]
    fn a_hole_in_a_tone_is_measured() {
        let mut recording = tone(440.0, 8000, 2);
        assert_eq!(recording.wholeness(440.0, -30.0).longest_gap, Duration::ZERO);
        recording.samples[8000..8800].fill(0.0);
        let [from, to] = [1500, 200].map(Duration::from_millis);
        assert_eq!(recording.longest_silence(440.0, -30.0, from, to), Duration::from_millis(100));
        recording.samples.resize(24_000, 0.0);
        let found = recording.wholeness(440.0, -30.0);
        assert_eq!((found.seconds, found.longest_gap), (2.0, Duration::from_millis(100)));
        assert!((found.missing - 0.05).abs() < 0.001);
    }

    #[test]
    fn a_voice_is_found_at_any_delay_and_a_stranger_is_not() {
        let voice = Recording { samples: noise(1, 80_000), rate: 16_000 };
        let other = Recording { samples: noise(2, 80_000), rate: 16_000 };
        let mut samples = vec![0.0; 7001];
        samples.extend(voice.samples.iter().zip(noise(3, 80_000)).map(|(v, n)| v * 0.3 + n * 0.3));
        let heard = Recording { samples, rate: 16_000 };
        assert!(voice_presence(&voice, &heard) > 30.0);
        assert!(voice_presence(&other, &heard) < 8.0);
    }
}
