//! A WAV file as speaker: keeps what would be heard.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::device::{DeviceError, FRAME, RATE, Speaker};

/// The header is brought up to date once a second, so that a crash loses no more than that.
const FRAMES_PER_FLUSH: u32 = 50;

/// Writes 48 kHz mono to a WAV file. It is complete when this value is dropped; use
/// [`finish`](Speaker::finish) to hear of a full disk.
pub struct WavSpeaker {
    path: PathBuf,
    /// `None` after an error.
    writer: Option<WavWriter<BufWriter<File>>>,
    error: Option<hound::Error>,
    unflushed: u32,
}

impl WavSpeaker {
    /// Creates the file, replacing one that is there.
    ///
    /// # Errors
    /// [`DeviceError::File`] if that is not possible.
    pub fn create(path: &Path) -> Result<Self, DeviceError> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let writer = WavWriter::create(path, spec)
            .map_err(|error| DeviceError::File { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self { path: path.to_owned(), writer: Some(writer), error: None, unflushed: 0 })
    }

    fn try_write(&mut self, frame: &[i16; FRAME]) -> Result<(), hound::Error> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        for sample in frame {
            writer.write_sample(*sample)?;
        }
        self.unflushed += 1;
        if self.unflushed >= FRAMES_PER_FLUSH {
            self.unflushed = 0;
            writer.flush()?;
        }
        Ok(())
    }
}

impl Speaker for WavSpeaker {
    fn write(&mut self, frame: &[i16; FRAME]) {
        if let Err(error) = self.try_write(frame) {
            tracing::warn!(file = %self.path.display(), %error, "recording stopped");
            self.writer = None;
            self.error = Some(error);
        }
    }

    fn finish(mut self: Box<Self>) -> Result<(), DeviceError> {
        let ended = match (self.error.take(), self.writer.take()) {
            (Some(error), _) => Err(error),
            (None, Some(writer)) => writer.finalize(),
            (None, None) => Ok(()),
        };
        ended.map_err(|error| DeviceError::File { path: self.path.clone(), why: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::file::scratch;

    #[test]
    fn what_is_played_is_in_the_file_even_if_it_is_only_dropped() {
        for dropped in [false, true] {
            let file = scratch::File::new("heard.wav");
            let mut speaker = Box::new(WavSpeaker::create(file.path()).unwrap());
            for n in 0..120 {
                speaker.write(&[n; FRAME]);
            }
            if dropped {
                drop(speaker);
            } else {
                speaker.finish().unwrap();
            }
            let mut reader = hound::WavReader::open(file.path()).unwrap();
            assert_eq!((reader.spec().sample_rate, reader.spec().channels), (RATE, 1));
            let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
            assert_eq!(samples.len(), 120 * FRAME);
            assert_eq!((samples[0], samples[FRAME], samples[119 * FRAME]), (0, 1, 119));
        }
    }

    #[test]
    fn a_file_that_cannot_be_is_an_error() {
        assert!(WavSpeaker::create(Path::new("/nonexistent/heard.wav")).is_err());
    }
}
