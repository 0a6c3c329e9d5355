//! A WAV file as microphone.

use std::path::Path;

use hound::{SampleFormat, WavReader};

use crate::device::resample::{Resampler, to_i16};
use crate::device::{DeviceError, FRAME, Microphone, RATE};

/// The whole file is kept in memory: half an hour, 173 MB.
const LONGEST: u64 = 30 * 60 * RATE as u64;

/// Plays a WAV file of any rate, width and number of channels, once or again and again.
#[derive(Debug)]
pub struct WavMicrophone {
    samples: Vec<i16>,
    position: usize,
    looped: bool,
}

impl WavMicrophone {
    /// Reads the file.
    ///
    /// # Errors
    /// [`DeviceError::File`] if it cannot be read, is no PCM WAV file, or lasts over 30 minutes.
    pub fn open(path: &Path, looped: bool) -> Result<Self, DeviceError> {
        let failed = |why: String| DeviceError::File { path: path.to_owned(), why };
        let mut reader = WavReader::open(path).map_err(|error| failed(error.to_string()))?;
        let spec = reader.spec();
        if spec.channels == 0 || spec.sample_rate == 0 {
            return Err(failed("no channels or no sample rate".to_owned()));
        }
        if u64::from(reader.duration()) * u64::from(RATE) > LONGEST * u64::from(spec.sample_rate) {
            return Err(failed("longer than 30 minutes".to_owned()));
        }
        let interleaved: Result<Vec<f32>, _> = match spec.sample_format {
            SampleFormat::Float => reader.samples::<f32>().collect(),
            SampleFormat::Int => {
                let scale = 1.0 / (1_u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
                reader.samples::<i32>().map(|s| Ok(s? as f32 * scale)).collect()
            }
        };
        let interleaved = interleaved.map_err(|error: hound::Error| failed(error.to_string()))?;
        let channels = usize::from(spec.channels);
        let mut mono: Vec<f32> = interleaved
            .chunks_exact(channels)
            .map(|frame| frame.iter().sum::<f32>() / channels as f32)
            .collect();
        if mono.is_empty() {
            return Err(failed("no sound in it".to_owned()));
        }
        let mut resampler = Resampler::new(spec.sample_rate, RATE)?;
        let length = mono.len() as u64 * u64::from(RATE) / u64::from(spec.sample_rate);
        // Silence pushes out what the resampler still holds.
        mono.resize(mono.len() + spec.sample_rate as usize / 10, 0.0);
        let mut samples = Vec::with_capacity(length as usize);
        resampler.push(&mono, |made| samples.extend(made.iter().map(|s| to_i16(*s))));
        samples.truncate(length as usize);
        Ok(Self { samples, position: 0, looped })
    }
}

impl Microphone for WavMicrophone {
    fn read(&mut self, frame: &mut [i16; FRAME]) {
        let mut filled = 0;
        while let Some(room) = frame.get_mut(filled..).filter(|room| !room.is_empty()) {
            let rest = self.samples.get(self.position..).unwrap_or_default();
            if rest.is_empty() {
                if self.looped && !self.samples.is_empty() {
                    self.position = 0;
                    continue;
                }
                return room.fill(0);
            }
            let count = room.len().min(rest.len());
            room.iter_mut().zip(rest).for_each(|(place, sample)| *place = *sample);
            self.position += count;
            filled += count;
        }
    }

    fn finished(&self) -> bool {
        !self.looped && self.position >= self.samples.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::file::scratch;

    fn write(name: &str, spec: hound::WavSpec, frames: u32) -> scratch::File {
        let file = scratch::File::new(name);
        let mut writer = hound::WavWriter::create(file.path(), spec).unwrap();
        for n in 0..frames {
            let sine = (std::f32::consts::TAU * 500.0 * n as f32 / spec.sample_rate as f32).sin();
            for _ in 0..spec.channels {
                match spec.sample_format {
                    SampleFormat::Float => writer.write_sample(0.5 * sine).unwrap(),
                    SampleFormat::Int => {
                        let full = ((1_i64 << (spec.bits_per_sample - 1)) - 1) as f32;
                        writer.write_sample((0.5 * full * sine) as i32).unwrap();
                    }
                }
            }
        }
        writer.finalize().unwrap();
        file
    }

    #[test]
    fn every_format_becomes_the_same_sound() {
        let mut formats = vec![];
        for (sample_rate, channels) in [(8000, 1), (22_050, 2), (44_100, 2), (48_000, 1)] {
            for (bits_per_sample, sample_format) in [
                (8, SampleFormat::Int),
                (16, SampleFormat::Int),
                (24, SampleFormat::Int),
                (32, SampleFormat::Float),
            ] {
                formats.push(hound::WavSpec {
                    channels,
                    sample_rate,
                    bits_per_sample,
                    sample_format,
                });
            }
        }
        for spec in formats {
            let file = write("format.wav", spec, spec.sample_rate);
            let mut microphone = WavMicrophone::open(file.path(), false).unwrap();
            let mut sound = Vec::new();
            while !microphone.finished() {
                let mut frame = [0; FRAME];
                microphone.read(&mut frame);
                sound.extend(frame);
            }
            assert_eq!(sound.len(), 50 * FRAME, "{spec:?}");
            let peak = sound[4800..].iter().max().unwrap();
            assert!((15_500..17_500).contains(peak), "{spec:?}: {peak}");
            let part = |angle: fn(f32) -> f32| -> f32 {
                let turn = std::f32::consts::TAU * 500.0 / 48_000.0;
                (0..).zip(&sound).map(|(n, s)| f32::from(*s) * angle(turn * n as f32)).sum()
            };
            let level = part(f32::sin).hypot(part(f32::cos)) * 2.0 / sound.len() as f32;
            assert!((15_500.0..17_000.0).contains(&level), "{spec:?}: {level}");
        }
    }

    #[test]
    fn a_file_ends_in_silence_or_starts_again() {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let file = write("short.wav", spec, 700);
        let mut frame = [7; FRAME];
        let mut once = WavMicrophone::open(file.path(), false).unwrap();
        once.read(&mut frame);
        assert!(once.finished() && frame[700..] == [0; 260]);
        let mut looped = WavMicrophone::open(file.path(), true).unwrap();
        looped.read(&mut frame);
        assert!(!looped.finished());
        assert_eq!(frame[..260], frame[700..]);
    }

    #[test]
    fn what_is_no_sound_is_an_error() {
        let file = scratch::File::new("garbage.wav");
        std::fs::write(file.path(), b"RIFF....WAVEnonsense").unwrap();
        let error = WavMicrophone::open(file.path(), false).unwrap_err();
        assert!(error.to_string().contains("garbage.wav"), "{error}");
        assert!(WavMicrophone::open(Path::new("/nonexistent.wav"), false).is_err());
    }
}
