//! A Y4M file (raw pictures, as ffmpeg writes them) as camera.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Instant;

use media_codec::{I420Frame, I420View};
use y4m::{Colorspace, Decoder, Limits};

use super::clip::{Clip, Frames};
use crate::device::{Camera, DeviceError};

/// The largest picture that is sent, 4K, in bytes.
const LARGEST: usize = 3840 * 2160 * 3 / 2;

struct Y4mFrames {
    path: PathBuf,
    decoder: Decoder<BufReader<File>>,
}

fn open(path: &Path) -> Result<Decoder<BufReader<File>>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let limits = Limits { bytes: LARGEST };
    Decoder::new_with_limits(BufReader::new(file), limits).map_err(|error| error.to_string())
}

impl Frames for Y4mFrames {
    fn next(&mut self, frame: &mut I420Frame) -> Result<bool, String> {
        let picture = match self.decoder.read_frame() {
            Ok(picture) => picture,
            Err(y4m::Error::EOF) => return Ok(false),
            Err(error) => return Err(error.to_string()),
        };
        let planes = [picture.get_y_plane(), picture.get_u_plane(), picture.get_v_plane()];
        for (ours, theirs) in frame.planes_mut().into_iter().zip(planes) {
            // A grey file has no colour planes; ours are neutral from the start.
            if ours.len() == theirs.len() {
                ours.copy_from_slice(theirs);
            }
        }
        Ok(true)
    }

    fn rewind(&mut self) -> Result<(), String> {
        self.decoder = open(&self.path)?;
        Ok(())
    }

    fn rate(&self) -> (u32, u32) {
        let rate = self.decoder.get_framerate();
        let part = |n: usize| u32::try_from(n).unwrap_or(0);
        match (part(rate.num), part(rate.den)) {
            (0, _) | (_, 0) => (25, 1),
            // More than any camera makes is a broken header.
            (pictures, seconds) if pictures / seconds > 120 => (25, 1),
            rate => rate,
        }
    }
}

/// Plays a Y4M file again and again at its own rate.
pub struct Y4mCamera(Clip<Y4mFrames>);

impl Y4mCamera {
    /// Opens the file.
    ///
    /// # Errors
    /// [`DeviceError::File`] if it cannot be read, has no picture, or is not 4:2:0 (or grey) of 8
    /// bits and at most 4K.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let clip = || {
            let decoder = open(path)?;
            match decoder.get_colorspace() {
                Colorspace::C420
                | Colorspace::C420jpeg
                | Colorspace::C420mpeg2
                | Colorspace::C420paldv
                | Colorspace::Cmono => {}
                other => return Err(format!("{other:?} instead of 4:2:0 with 8 bits")),
            }
            let size = |n: usize| u32::try_from(n).map_err(|error| error.to_string());
            let (width, height) = (size(decoder.get_width())?, size(decoder.get_height())?);
            let frame = I420Frame::black(width, height).map_err(|error| error.to_string())?;
            let frames = Y4mFrames { path: path.to_owned(), decoder };
            Clip::new(path.display().to_string(), frames, frame)
        };
        clip().map(Self).map_err(|why| DeviceError::File { path: path.to_owned(), why })
    }
}

impl Camera for Y4mCamera {
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
    use std::time::Duration;

    fn write(colorspace: Colorspace, planes: [&[u8]; 3]) -> scratch::File {
        let file = scratch::File::new("clip.y4m");
        let mut encoder = y4m::encode(4, 2, y4m::Ratio::new(15, 1))
            .with_colorspace(colorspace)
            .write_header(File::create(file.path()).unwrap())
            .unwrap();
        for _ in 0..3 {
            encoder.write_frame(&y4m::Frame::new(planes, None)).unwrap();
        }
        file
    }

    #[test]
    fn a_file_is_shown_over_and_over() {
        let file = write(Colorspace::C420jpeg, [&[1, 2, 3, 4, 5, 6, 7, 8], &[9, 10], &[11, 12]]);
        let mut camera = Y4mCamera::open(file.path()).unwrap();
        assert_eq!(camera.frame_rate(), 15);
        let start = Instant::now();
        let mut shown = 0;
        for ms in 0..1000 {
            if let Some(view) = camera.picture(start + Duration::from_millis(ms)) {
                shown += 1;
                assert_eq!(view.planes().0, [&[1, 2, 3, 4, 5, 6, 7, 8][..], &[9, 10], &[11, 12]]);
            }
        }
        assert_eq!(shown, 15);
    }

    #[test]
    fn grey_is_neutral_and_other_formats_are_refused_in_words() {
        let file = write(Colorspace::Cmono, [&[50; 8], &[], &[]]);
        let mut camera = Y4mCamera::open(file.path()).unwrap();
        let planes = camera.picture(Instant::now()).unwrap().planes().0;
        assert_eq!(planes, [&[50; 8][..], &[128; 2], &[128; 2]]);
        let file = write(Colorspace::C444, [&[50; 8], &[1; 8], &[2; 8]]);
        let error = Y4mCamera::open(file.path()).err().unwrap().to_string();
        assert!(error.contains("4:2:0"), "{error}");
    }

    #[test]
    fn what_is_no_clip_is_an_error() {
        let file = scratch::File::new("bad.y4m");
        for content in ["", "GIF89a", "YUV4MPEG2 W4 H2 F15:1\n", "YUV4MPEG2 W99999 H99999\nFRAME\n"]
        {
            std::fs::write(file.path(), content).unwrap();
            assert!(Y4mCamera::open(file.path()).is_err(), "{content}");
        }
    }
}
