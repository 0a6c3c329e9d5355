//! Devices that are files.

mod clip;
mod ivf_camera;
#[cfg(test)]
pub(crate) mod scratch;
mod wav_microphone;
mod wav_speaker;
mod y4m_camera;

pub use ivf_camera::IvfCamera;
pub use wav_microphone::WavMicrophone;
pub use wav_speaker::WavSpeaker;
pub use y4m_camera::Y4mCamera;
