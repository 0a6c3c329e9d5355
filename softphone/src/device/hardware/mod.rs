//! Real devices: sound by cpal, cameras by nokhwa, windows by minifb.

mod audio;
mod camera;
mod keyboard;
mod list;
mod microphone;
mod pixels;
mod speaker;
mod window;

pub use camera::DeviceCamera;
pub use list::{DeviceList, list_devices};
pub use microphone::DeviceMicrophone;
pub use speaker::DeviceSpeaker;
pub use window::GridWindow;
