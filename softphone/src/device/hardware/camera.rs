//! A real camera.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use media_codec::{I420Frame, I420View};
use nokhwa::pixel_format::RgbFormat;
use nokhwa::utils::{
    ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType,
    Resolution,
};

use super::pixels::to_i420;
use crate::device::{Camera, CameraSettings, DeviceError};

/// A camera that fails this often in a row is unplugged.
const MOST_FAILURES: u32 = 20;
/// How often to look for a new picture.
const PATIENCE: Duration = Duration::from_millis(5);

/// What the thread that waits for the camera shares with us.
#[derive(Default)]
struct Shared {
    latest: Mutex<Option<I420Frame>>,
    stop: AtomicBool,
    gone: AtomicBool,
}

/// A camera by nokhwa. Waiting for its pictures is done by a thread of its own, which ends with
/// this value (at the next picture).
pub struct DeviceCamera {
    shared: Arc<Shared>,
    shown: Option<I420Frame>,
    frame_rate: u32,
}

fn missing(why: impl ToString) -> DeviceError {
    DeviceError::Missing { what: "camera", why: why.to_string() }
}

/// The first camera, the one with this number, or the first whose name contains `name`.
fn find(name: Option<&str>) -> Result<CameraIndex, DeviceError> {
    let cameras = nokhwa::query(ApiBackend::Auto).map_err(missing)?;
    let Some(name) = name else {
        return cameras
            .first()
            .map(|camera| camera.index().clone())
            .ok_or_else(|| missing("this machine has none"));
    };
    if let Ok(number) = name.parse() {
        return Ok(CameraIndex::Index(number));
    }
    let wanted = name.to_lowercase();
    cameras
        .iter()
        .find(|camera| camera.human_name().to_lowercase().contains(&wanted))
        .map(|camera| camera.index().clone())
        .ok_or_else(|| DeviceError::Name {
            what: "camera",
            name: name.to_owned(),
            why: "there is no such device or file; `softphone devices` lists them".to_owned(),
        })
}

impl DeviceCamera {
    /// Opens a camera at the wished size and rate or what it has close to it.
    ///
    /// # Errors
    /// [`DeviceError`] if there is none or it does not work.
    pub fn open(name: Option<&str>, settings: &CameraSettings) -> Result<Self, DeviceError> {
        let index = find(name)?;
        let size = Resolution::new(settings.width, settings.height);
        // Formats that need no decoding first; in the end whatever there is.
        let mut wishes: Vec<RequestedFormatType> =
            [FrameFormat::YUYV, FrameFormat::NV12, FrameFormat::MJPEG]
                .map(|format| CameraFormat::new(size, format, settings.frame_rate))
                .map(RequestedFormatType::Closest)
                .to_vec();
        wishes.push(RequestedFormatType::AbsoluteHighestFrameRate);
        let mut failure = missing("it has no known format");
        for wish in wishes {
            let format = RequestedFormat::new::<RgbFormat>(wish);
            let opened = nokhwa::Camera::new(index.clone(), format)
                .and_then(|mut camera| camera.open_stream().map(|()| camera));
            match opened {
                Ok(camera) => return Self::start(camera),
                Err(error) => failure = missing(error),
            }
        }
        Err(failure)
    }

    fn start(camera: nokhwa::Camera) -> Result<Self, DeviceError> {
        let shared = Arc::new(Shared::default());
        let frame_rate = camera.frame_rate().clamp(1, 120);
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("camera".to_owned())
            .spawn(move || capture(camera, &theirs))
            .map_err(missing)?;
        Ok(Self { shared, shown: None, frame_rate })
    }
}

/// Waits for pictures and keeps the newest.
fn capture(mut camera: nokhwa::Camera, shared: &Shared) {
    let mut failures = 0;
    while !shared.stop.load(Ordering::Relaxed) && failures < MOST_FAILURES {
        let picture = camera.frame().ok().and_then(|buffer| to_i420(&buffer));
        failures = if picture.is_some() { 0 } else { failures + 1 };
        if picture.is_some() {
            *shared.latest.lock().unwrap_or_else(PoisonError::into_inner) = picture;
        }
    }
    if failures >= MOST_FAILURES {
        tracing::warn!("the camera delivers no pictures any more");
    }
    shared.gone.store(true, Ordering::Relaxed);
}

impl Drop for DeviceCamera {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Camera for DeviceCamera {
    fn picture(&mut self, _now: Instant) -> Option<I420View<'_>> {
        self.shown = self.shared.latest.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.shown.as_ref().map(I420Frame::view)
    }

    fn next_due(&self, now: Instant) -> Option<Instant> {
        (!self.shared.gone.load(Ordering::Relaxed)).then(|| now + PATIENCE)
    }

    fn frame_rate(&self) -> u32 {
        self.frame_rate
    }
}
