//! Test tones, written as WAV files.

use std::f64::consts::TAU;
use std::path::Path;

use anyhow::Result;
use hound::{SampleFormat, WavSpec, WavWriter};

/// Writes `seconds` of a sine of `hertz` at half of full scale, mono, 16 bit.
pub fn write_tone(file: &Path, hertz: f64, rate: u32, seconds: u32) -> Result<()> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::create(file, spec)?;
    for n in 0..u64::from(rate) * u64::from(seconds) {
        let turns = hertz * n as f64 / f64::from(rate);
        writer.write_sample(((TAU * turns.fract()).sin() * 16_000.0) as i16)?;
    }
    Ok(writer.finalize()?)
}
