//! From the words of the command line to devices.

use std::path::Path;

use super::file::{IvfCamera, WavMicrophone, WavSpeaker, Y4mCamera};
use super::hardware::{DeviceCamera, DeviceMicrophone, DeviceSpeaker};
use super::synthetic::{NoCamera, NoMicrophone, NoSpeaker, TestPattern, Tone};
use super::{Camera, DeviceError, Microphone, Speaker};

/// A device that was opened.
pub struct Opened<T: ?Sized> {
    /// The device.
    pub device: Box<T>,
    /// What to tell the user once: the default device is not there and nothing is used instead.
    pub note: Option<String>,
}

/// What a camera should deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraSettings {
    /// Name drawn into the test pattern; also chooses its colour.
    pub name: String,
    /// Width of the test pattern and wished width of a device, in pixels.
    pub width: u32,
    /// Height of the test pattern and wished height of a device, in pixels.
    pub height: u32,
    /// Pictures per second of the test pattern and wished of a device.
    pub frame_rate: u32,
}

impl Default for CameraSettings {
    fn default() -> Self {
        Self { name: String::new(), width: 640, height: 360, frame_rate: 25 }
    }
}

/// Opens `default`, a device by name, `FILE.wav`, `loop:FILE.wav`, `tone:HERTZ` or `none`.
///
/// # Errors
/// Whatever was named cannot be used. Only a missing `default` is no error but a note.
pub fn open_microphone(source: &str) -> Result<Opened<dyn Microphone>, DeviceError> {
    if let Some(hertz) = source.strip_prefix("tone:") {
        let hertz: f64 =
            hertz.parse().ok().filter(|h| (1.0..=20_000.0).contains(h)).ok_or_else(|| {
                DeviceError::Name {
                    what: "microphone",
                    name: source.to_owned(),
                    why: "expected 1 to 20000 hertz".to_owned(),
                }
            })?;
        return Ok(Opened::good(Box::new(Tone::new(hertz))));
    }
    if let Some(path) = source.strip_prefix("loop:") {
        return Ok(Opened::good(Box::new(WavMicrophone::open(Path::new(path), true)?)));
    }
    if has_extension(source, "wav") {
        return Ok(Opened::good(Box::new(WavMicrophone::open(Path::new(source), false)?)));
    }
    match source {
        "none" => Ok(Opened::good(Box::new(NoMicrophone))),
        "default" => Ok(match DeviceMicrophone::open(None) {
            Ok(device) => Opened::good(Box::new(device)),
            Err(error) => Opened::instead(Box::new(NoMicrophone), &error),
        }),
        name => Ok(Opened::good(Box::new(DeviceMicrophone::open(Some(name))?))),
    }
}

/// Opens `default`, a device by name, `FILE.wav` or `none`.
///
/// # Errors
/// Whatever was named cannot be used. Only a missing `default` is no error but a note.
pub fn open_speaker(sink: &str) -> Result<Opened<dyn Speaker>, DeviceError> {
    if has_extension(sink, "wav") {
        return Ok(Opened::good(Box::new(WavSpeaker::create(Path::new(sink))?)));
    }
    match sink {
        "none" => Ok(Opened::good(Box::new(NoSpeaker))),
        "default" => Ok(match DeviceSpeaker::open(None) {
            Ok(device) => Opened::good(Box::new(device)),
            Err(error) => Opened::instead(Box::new(NoSpeaker), &error),
        }),
        name => Ok(Opened::good(Box::new(DeviceSpeaker::open(Some(name))?))),
    }
}

/// Opens `default`, a device by number or name, `FILE.y4m`, `FILE.ivf`, `pattern` or `none`.
///
/// # Errors
/// Whatever was named cannot be used. Only a missing `default` is no error but a note.
pub fn open_camera(
    source: &str,
    settings: &CameraSettings,
) -> Result<Opened<dyn Camera>, DeviceError> {
    if has_extension(source, "y4m") {
        return Ok(Opened::good(Box::new(Y4mCamera::open(Path::new(source))?)));
    }
    if has_extension(source, "ivf") {
        return Ok(Opened::good(Box::new(IvfCamera::open(Path::new(source))?)));
    }
    match source {
        "none" => Ok(Opened::good(Box::new(NoCamera))),
        "pattern" => {
            let pattern = TestPattern::new(settings).map_err(|error| DeviceError::Name {
                what: "camera",
                name: source.to_owned(),
                why: error.to_string(),
            })?;
            Ok(Opened::good(Box::new(pattern)))
        }
        "default" => Ok(match DeviceCamera::open(None, settings) {
            Ok(device) => Opened::good(Box::new(device)),
            Err(error) => Opened::instead(Box::new(NoCamera), &error),
        }),
        name => Ok(Opened::good(Box::new(DeviceCamera::open(Some(name), settings)?))),
    }
}

impl<T: ?Sized> Opened<T> {
    fn good(device: Box<T>) -> Self {
        Self { device, note: None }
    }

    fn instead(device: Box<T>, error: &DeviceError) -> Self {
        Self { device, note: Some(format!("{error}; going on without")) }
    }
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::FRAME;

    fn settings() -> CameraSettings {
        CameraSettings { name: "Zoé".to_owned(), ..CameraSettings::default() }
    }

    #[test]
    fn what_needs_no_device_opens_everywhere() {
        let mut frame = [1; FRAME];
        open_microphone("none").unwrap().device.read(&mut frame);
        assert_eq!(frame, [0; FRAME]);
        open_microphone("tone:440").unwrap().device.read(&mut frame);
        assert_ne!(frame, [0; FRAME]);
        open_speaker("none").unwrap().device.write(&frame);
        assert_eq!(open_camera("pattern", &settings()).unwrap().device.frame_rate(), 25);
        assert!(open_camera("none", &settings()).unwrap().note.is_none());
    }

    #[test]
    fn what_was_named_and_is_not_there_is_an_error_that_names_it() {
        for source in ["tone:", "tone:x", "tone:0", "tone:NaN", "loop:/nonexistent.wav", "a.WAV"] {
            let error = open_microphone(source).err().unwrap().to_string();
            let named = source.strip_prefix("loop:").unwrap_or(source);
            assert!(error.contains(named), "{source}: {error}");
        }
        assert!(open_speaker("/nonexistent/a.wav").is_err());
        for source in ["nonexistent.y4m", "nonexistent.ivf"] {
            assert!(open_camera(source, &settings()).is_err(), "{source}");
        }
    }
}
