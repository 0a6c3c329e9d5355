//! Test tones, written as WAV files.

use std::f64::consts::TAU;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use hound::{SampleFormat, WavSpec, WavWriter};

/// Writes `seconds` of a sine of `hertz` at a tenth of full scale (−20 dB), mono, 16 bit: ten such voices
/// add up without being clipped, which would make tones of its own.
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
        writer.write_sample(((TAU * turns.fract()).sin() * 3276.7) as i16)?;
    }
    Ok(writer.finalize()?)
}

/// Writes a tone as raw G.711 µ-law at 8 kHz, which SIPp plays.
pub fn write_ulaw_tone(file: &Path, hertz: f64, seconds: u32) -> Result<()> {
    let wav = file.with_extension("wav");
    write_tone(&wav, hertz, 8000, seconds)?;
    let status = Command::new("sox")
        .arg(&wav)
        .args(["-t", "ul"])
        .arg(file)
        .status()
        .context("starting sox (scripts/deps test installs it)")?;
    if !status.success() {
        bail!("sox could not write {}", file.display());
    }
    Ok(())
}

/// Writes a camera that shows one colour (Y, U and V of BT.601) for two seconds, 160 × 120 at ten pictures a second: so
/// small that ten of them at once cost little.
pub fn write_colour(file: &Path, colour: [u8; 3]) -> Result<()> {
    const LUMA: usize = 160 * 120;
    let [y, u, v] = colour;
    let picture = [vec![y; LUMA], vec![u; LUMA / 4], vec![v; LUMA / 4]].concat();
    let mut bytes = b"YUV4MPEG2 W160 H120 F10:1 Ip A1:1 C420jpeg\n".to_vec();
    for _ in 0..20 {
        bytes.extend_from_slice(b"FRAME\n");
        bytes.extend_from_slice(&picture);
    }
    Ok(std::fs::write(file, bytes)?)
}
