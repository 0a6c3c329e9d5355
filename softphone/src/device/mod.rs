//! Microphone, speaker, camera and window: four small traits, and what implements them on real
//! devices, files and nothing at all.
//!
//! Nothing here sleeps or looks at a clock: sound is pulled and pushed 20 ms at a time and pictures
//! are asked for at the caller's `now`.

mod camera;
mod error;
pub mod file;
pub mod hardware;
mod microphone;
mod open;
pub mod picture;
mod resample;
mod speaker;
pub mod synthetic;
mod window;

/// Samples per second of all sound here, mono.
pub const RATE: u32 = 48_000;
/// Samples of 20 ms at [`RATE`].
pub const FRAME: usize = 960;

pub use camera::Camera;
pub use error::DeviceError;
pub use microphone::Microphone;
pub use open::{CameraSettings, Opened, open_camera, open_microphone, open_speaker};
pub use speaker::Speaker;
pub use window::{Display, WindowEvent};
