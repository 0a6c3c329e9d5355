//! A real speaker.

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{Device, FromSample, SizedSample, Stream, StreamConfig};
use rtrb::{Consumer, Producer, RingBuffer};

use super::audio::{self, Direction, with_sample_type};
use crate::device::resample::{Resampler, from_i16};
use crate::device::{DeviceError, FRAME, RATE, Speaker};

/// Milliseconds of sound that may wait for the device. More means that its clock is slower than
/// ours: a frame is dropped.
const MOST_WAITING: usize = 100;
/// Milliseconds collected before playing starts, also again after the sound ran out.
const CUSHION: usize = 40;

/// A speaker by cpal.
pub struct DeviceSpeaker {
    /// Plays as long as it lives.
    _stream: Stream,
    outlet: Outlet,
}

impl DeviceSpeaker {
    /// Opens the default speaker or the first whose name contains `name`.
    ///
    /// # Errors
    /// [`DeviceError`] if there is none or it does not work.
    pub fn open(name: Option<&str>) -> Result<Self, DeviceError> {
        let device = audio::find(Direction::Out, name)?;
        let (config, format) = audio::format(&device, Direction::Out)?;
        let (stream, ring) = with_sample_type!(format, build(&device, config))
            .map_err(|error| Direction::Out.missing(error))?;
        stream.play().map_err(|error| Direction::Out.missing(error))?;
        tracing::debug!(device = audio::name_of(&device), rate = config.sample_rate, "speaker");
        Ok(Self { _stream: stream, outlet: Outlet::new(ring, config.sample_rate)? })
    }
}

fn samples(rate: u32, milliseconds: usize) -> usize {
    rate as usize * milliseconds / 1000
}

fn build<T>(device: &Device, config: StreamConfig) -> Result<(Stream, Producer<f32>), cpal::Error>
where
    T: SizedSample + FromSample<f32>,
{
    let (writer, ring) = RingBuffer::new(samples(config.sample_rate, MOST_WAITING));
    let mut source = Source { ring, cushion: samples(config.sample_rate, CUSHION), playing: false };
    let channels = usize::from(config.channels.max(1));
    let stream = device.build_output_stream(
        config,
        move |out: &mut [T], _: &cpal::OutputCallbackInfo| source.fill(out, channels),
        |error| tracing::warn!(%error, "speaker"),
        None,
    )?;
    Ok((stream, writer))
}

/// What the sound system's thread takes from: no locks, no memory.
struct Source {
    ring: Consumer<f32>,
    cushion: usize,
    playing: bool,
}

impl Source {
    fn fill<T: SizedSample + FromSample<f32>>(&mut self, out: &mut [T], channels: usize) {
        for frame in out.chunks_mut(channels) {
            self.playing = if self.playing {
                !self.ring.is_empty()
            } else {
                self.ring.slots() >= self.cushion
            };
            let sample = if self.playing { self.ring.pop().unwrap_or(0.0) } else { 0.0 };
            frame.fill(T::from_sample_(sample));
        }
    }
}

/// From our frames to the rate of the device.
struct Outlet {
    ring: Producer<f32>,
    resampler: Resampler,
    block: Vec<f32>,
}

impl Outlet {
    fn new(ring: Producer<f32>, rate: u32) -> Result<Self, DeviceError> {
        Ok(Self { ring, resampler: Resampler::new(RATE, rate)?, block: Vec::new() })
    }

    fn write(&mut self, frame: &[i16; FRAME]) {
        self.block.clear();
        self.block.extend(frame.iter().map(|sample| from_i16(*sample)));
        let ring = &mut self.ring;
        self.resampler.push(&self.block, |made| {
            // All or nothing: half a frame would click more often.
            if ring.slots() >= made.len() {
                made.iter().for_each(|sample| {
                    let _ = ring.push(*sample);
                });
            }
        });
    }
}

impl Speaker for DeviceSpeaker {
    fn write(&mut self, frame: &[i16; FRAME]) {
        self.outlet.write(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Outlet, Source) {
        let (writer, ring) = RingBuffer::new(samples(RATE, MOST_WAITING));
        let cushion = samples(RATE, CUSHION);
        (Outlet::new(writer, RATE).unwrap(), Source { ring, cushion, playing: false })
    }

    #[test]
    fn sound_starts_with_a_cushion_and_comes_out_on_all_channels() {
        let (mut outlet, mut source) = pair();
        let mut out = [0_i16; 2 * 480];
        outlet.write(&[8000; FRAME]);
        source.fill(&mut out, 2);
        assert_eq!(out, [0; 2 * 480], "not yet");
        outlet.write(&[8000; FRAME]);
        for _ in 0..4 {
            source.fill(&mut out, 2);
            assert!(out.iter().all(|sample| sample.abs_diff(8000) <= 1));
        }
        source.fill(&mut out, 2);
        assert_eq!(out, [0; 2 * 480], "ran out");
    }

    #[test]
    fn a_slow_device_loses_frames_and_the_delay_stays_small() {
        let (mut outlet, mut source) = pair();
        for _ in 0..100 {
            outlet.write(&[8000; FRAME]);
        }
        assert!(source.ring.slots() <= samples(RATE, MOST_WAITING));
        assert!(source.ring.slots() > samples(RATE, MOST_WAITING) - FRAME);
        let mut out = [0.0_f32; 480];
        source.fill(&mut out, 1);
        assert!(out[0] > 0.2);
    }
}
