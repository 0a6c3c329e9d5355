//! An IVF file (VP8 as libvpx's tools write it) as camera. The pictures are decoded here and
//! encoded again like those of any camera, so that key frames and bitrate follow the call.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Instant;

use media_codec::{I420Frame, I420View, VideoCodec, VideoDecoder};

use super::clip::{Clip, Frames};
use crate::device::{Camera, DeviceError};

/// No frame is longer than this; a length beyond is a damaged file.
const LONGEST_FRAME: u32 = 8 << 20;
/// Frames in a row that may fail to decode before the file is given up.
const MOST_BROKEN: u32 = 30;

struct IvfFrames {
    reader: BufReader<File>,
    decoder: Box<dyn VideoDecoder>,
    /// Where the first frame starts.
    first: u64,
    rate: (u32, u32),
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A frame and its time; `None` at the end, also in the middle of a frame.
fn read_frame(reader: &mut impl Read) -> Result<Option<(u64, Vec<u8>)>, String> {
    let mut header = [0; 12];
    if let Err(error) = reader.read_exact(&mut header) {
        let end = error.kind() == std::io::ErrorKind::UnexpectedEof;
        return if end { Ok(None) } else { Err(error.to_string()) };
    }
    let [s0, s1, s2, s3, time @ ..] = header;
    let size = u32::from_le_bytes([s0, s1, s2, s3]);
    if size > LONGEST_FRAME {
        return Err(format!("a frame of {size} bytes"));
    }
    let mut data = vec![0; size as usize];
    match reader.read_exact(&mut data) {
        Ok(()) => Ok(Some((u64::from_le_bytes(time), data))),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// The rate from the header's time base and, since some writers have a base of milliseconds or
/// 90 kHz, from the distance of the first two frames.
fn rate(ticks: u32, seconds: u32, distance: u64) -> (u32, u32) {
    let distance = u32::try_from(distance).unwrap_or(1).max(1);
    match seconds.checked_mul(distance) {
        Some(seconds) if seconds > 0 && (1..=120).contains(&(ticks / seconds)) => (ticks, seconds),
        _ => (30, 1),
    }
}

impl IvfFrames {
    fn open(path: &Path) -> Result<Self, String> {
        let words = |error: std::io::Error| error.to_string();
        let mut reader = BufReader::new(File::open(path).map_err(words)?);
        let mut header = [0; 32];
        reader.read_exact(&mut header).map_err(words)?;
        if !header.starts_with(b"DKIF") {
            return Err("no IVF file".to_owned());
        }
        if header.get(8..12) != Some(b"VP80") {
            return Err("not VP8".to_owned());
        }
        let first = u64::from(le16(&header, 6).unwrap_or(32));
        let ticks = le32(&header, 16).unwrap_or(30);
        let seconds = le32(&header, 20).unwrap_or(1);
        reader.seek(SeekFrom::Start(first)).map_err(words)?;
        let start = read_frame(&mut reader)?.ok_or("no pictures in it")?.0;
        let second = read_frame(&mut reader)?.map_or(start + 1, |frame| frame.0);
        reader.seek(SeekFrom::Start(first)).map_err(words)?;
        let decoder = VideoCodec::Vp8.decoder().map_err(|error| error.to_string())?;
        let rate = rate(ticks, seconds, second.saturating_sub(start));
        Ok(Self { reader, decoder, first, rate })
    }
}

impl Frames for IvfFrames {
    fn next(&mut self, frame: &mut I420Frame) -> Result<bool, String> {
        let mut broken = 0;
        while let Some((_, data)) = read_frame(&mut self.reader)? {
            match self.decoder.decode(&data) {
                Ok(Some(decoded)) => {
                    frame.copy_from(decoded.picture);
                    return Ok(true);
                }
                Ok(None) => {}
                Err(_) if broken < MOST_BROKEN => broken += 1,
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(false)
    }

    fn rewind(&mut self) -> Result<(), String> {
        self.reader.seek(SeekFrom::Start(self.first)).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn rate(&self) -> (u32, u32) {
        self.rate
    }
}

/// Plays an IVF file again and again at its own rate.
pub struct IvfCamera(Clip<IvfFrames>);

impl IvfCamera {
    /// Opens the file.
    ///
    /// # Errors
    /// [`DeviceError::File`] if it cannot be read, is no VP8, or has no picture that decodes.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let clip = || {
            let frame = I420Frame::black(2, 2).map_err(|error| error.to_string())?;
            Clip::new(path.display().to_string(), IvfFrames::open(path)?, frame)
        };
        clip().map(Self).map_err(|why| DeviceError::File { path: path.to_owned(), why })
    }
}

impl Camera for IvfCamera {
    fn picture(&mut self, now: Instant) -> Option<I420View<'_>> {
        self.0.picture(now)
    }

    fn next_due(&self, now: Instant) -> Option<Instant> {
        self.0.next_due(now)
    }

    fn frame_rate(&self) -> u32 {
        self.0.frame_rate()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;
    use crate::device::file::scratch;
    use media_codec::VideoEncoderConfig;
    use std::time::Duration;

    /// Ten pictures that get brighter, 20 a second.
    fn write(ticks: u32, per_picture: u64) -> scratch::File {
        let mut bytes = b"DKIF\0\0\x20\0VP80".to_vec();
        bytes.extend([64, 0, 48, 0]);
        bytes.extend(ticks.to_le_bytes());
        bytes.extend([1, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0]);
        let mut encoder = VideoCodec::Vp8.encoder(VideoEncoderConfig::default()).unwrap();
        for n in 0..10_u8 {
            let mut frame = I420Frame::black(64, 48).unwrap();
            frame.planes_mut()[0].fill(40 + 15 * n);
            let picture = encoder.encode(frame.view(), u64::from(n) * 4500).unwrap().unwrap();
            bytes.extend((picture.data.len() as u32).to_le_bytes());
            bytes.extend((u64::from(n) * per_picture).to_le_bytes());
            bytes.extend(picture.data);
        }
        let file = scratch::File::new("clip.ivf");
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn a_file_is_decoded_over_and_over_whatever_its_time_base() {
        for (ticks, per_picture) in [(20, 1), (90_000, 4500), (1000, 50)] {
            let file = write(ticks, per_picture);
            let mut camera = IvfCamera::open(file.path()).unwrap();
            assert_eq!(camera.frame_rate(), 20);
            let start = Instant::now();
            let mut levels = Vec::new();
            for ms in 0..1000 {
                if let Some(view) = camera.picture(start + Duration::from_millis(ms)) {
                    assert_eq!((view.width(), view.height()), (64, 48));
                    levels.push(view.rows(0).next().unwrap()[0]);
                }
            }
            assert_eq!(levels.len(), 20);
            for (n, level) in levels.iter().enumerate() {
                let expected = 40 + 15 * (n % 10) as u8;
                assert!(level.abs_diff(expected) < 6, "{n}: {level} for {expected}");
            }
        }
    }

    #[test]
    fn what_is_no_clip_is_an_error() {
        let good = std::fs::read(write(20, 1).path()).unwrap();
        let file = scratch::File::new("bad.ivf");
        let mut huge = good.clone();
        huge[32..36].fill(0xff);
        let mut vp9 = good.clone();
        vp9[11] = b'1';
        for content in [&[][..], b"RIFF", &good[..32], &good[..40], &huge, &vp9] {
            std::fs::write(file.path(), content).unwrap();
            assert!(IvfCamera::open(file.path()).is_err());
        }
        // A file that was cut off is played as far as it goes.
        std::fs::write(file.path(), &good[..good.len() - 3]).unwrap();
        assert!(IvfCamera::open(file.path()).is_ok());
    }
}
