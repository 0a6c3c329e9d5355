//! A real microphone.

use std::collections::VecDeque;

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{Device, FromSample, SizedSample, Stream, StreamConfig};
use rtrb::{Consumer, Producer, RingBuffer};

use super::audio::{self, Direction, with_sample_type};
use crate::device::resample::{Resampler, to_i16};
use crate::device::{DeviceError, FRAME, Microphone, RATE};

/// Collected before the first frame is given away, and kept when too much has gathered: 40 ms
/// cover the unevenness of both clocks.
const CUSHION: usize = 2 * FRAME;
/// More than this waiting means that the device's clock is faster than ours.
const MOST_WAITING: usize = 5 * FRAME;

/// A microphone by cpal.
pub struct DeviceMicrophone {
    /// Captures as long as it lives.
    _stream: Stream,
    intake: Intake,
}

impl DeviceMicrophone {
    /// Opens the default microphone or the first whose name contains `name`.
    ///
    /// # Errors
    /// [`DeviceError`] if there is none or it does not work.
    pub fn open(name: Option<&str>) -> Result<Self, DeviceError> {
        let device = audio::find(Direction::In, name)?;
        let (config, format) = audio::format(&device, Direction::In)?;
        let (stream, ring) = with_sample_type!(format, build(&device, config))
            .map_err(|error| Direction::In.missing(error))?;
        stream.play().map_err(|error| Direction::In.missing(error))?;
        tracing::debug!(device = audio::name_of(&device), rate = config.sample_rate, "microphone");
        Ok(Self { _stream: stream, intake: Intake::new(ring, config.sample_rate)? })
    }
}

fn build<T>(device: &Device, config: StreamConfig) -> Result<(Stream, Consumer<f32>), cpal::Error>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    // Half a second: the reader comes every 20 ms.
    let (mut ring, reader) = RingBuffer::new(config.sample_rate as usize / 2);
    let channels = usize::from(config.channels.max(1));
    let stream = device.build_input_stream(
        config,
        move |samples: &[T], _: &cpal::InputCallbackInfo| collect(samples, channels, &mut ring),
        |error| tracing::warn!(%error, "microphone"),
        None,
    )?;
    Ok((stream, reader))
}

/// Runs in the sound system's thread: no locks, no memory.
fn collect<T>(samples: &[T], channels: usize, ring: &mut Producer<f32>)
where
    T: SizedSample,
    f32: FromSample<T>,
{
    for frame in samples.chunks_exact(channels) {
        let sum: f32 = frame.iter().map(|sample| f32::from_sample_(*sample)).sum();
        // A full ring means that nobody reads: the newest is dropped.
        if ring.push(sum / channels as f32).is_err() {
            break;
        }
    }
}

/// From the ring of the sound system's thread to frames at our rate.
struct Intake {
    ring: Consumer<f32>,
    resampler: Resampler,
    block: Vec<f32>,
    waiting: VecDeque<i16>,
    started: bool,
}

impl Intake {
    fn new(ring: Consumer<f32>, rate: u32) -> Result<Self, DeviceError> {
        Ok(Self {
            ring,
            resampler: Resampler::new(rate, RATE)?,
            block: Vec::new(),
            waiting: VecDeque::new(),
            started: false,
        })
    }

    fn read(&mut self, frame: &mut [i16; FRAME]) {
        self.block.clear();
        while let Ok(sample) = self.ring.pop() {
            self.block.push(sample);
        }
        let waiting = &mut self.waiting;
        self.resampler.push(&self.block, |made| waiting.extend(made.iter().map(|s| to_i16(*s))));
        if waiting.len() > MOST_WAITING {
            waiting.drain(..waiting.len() - CUSHION);
        }
        // After a gap the cushion is collected anew, so that the gap stays one.
        self.started = waiting.len() >= if self.started { FRAME } else { CUSHION };
        if !self.started {
            return frame.fill(0);
        }
        for (place, sample) in frame.iter_mut().zip(waiting.drain(..FRAME)) {
            *place = sample;
        }
    }
}

impl Microphone for DeviceMicrophone {
    fn read(&mut self, frame: &mut [i16; FRAME]) {
        self.intake.read(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_blocks_of_two_channels_become_whole_frames_after_a_cushion() {
        let (mut writer, reader) = RingBuffer::new(24_000);
        let mut intake = Intake::new(reader, RATE).unwrap();
        let mut frame = [7; FRAME];
        let mut heard = 0;
        for n in 0..100 {
            // 20 ms in blocks of 24 samples, as a server delivered them.
            for _ in 0..FRAME / 24 {
                let block: Vec<i16> = [8192, 16_384].repeat(24);
                collect(&block, 2, &mut writer);
            }
            intake.read(&mut frame);
            if n >= 2 {
                assert_eq!(frame, [12_288; FRAME], "{n}");
                heard += 1;
            }
        }
        assert_eq!(heard, 98);
    }

    #[test]
    fn a_fast_device_is_held_back_and_a_dead_one_is_silence() {
        let (mut writer, reader) = RingBuffer::new(24_000);
        let mut intake = Intake::new(reader, RATE).unwrap();
        let mut frame = [7; FRAME];
        for _ in 0..50 {
            collect(&vec![0.5_f32; FRAME * 2], 1, &mut writer);
            intake.read(&mut frame);
            assert!(intake.waiting.len() <= MOST_WAITING);
        }
        for _ in 0..10 {
            intake.read(&mut frame);
        }
        assert_eq!(frame, [0; FRAME]);
        // Nobody reads: the ring does not grow.
        collect(&vec![0.5_f32; 100_000], 1, &mut writer);
        intake.read(&mut frame);
        assert_eq!(frame, [16_384; FRAME]);
    }
}
