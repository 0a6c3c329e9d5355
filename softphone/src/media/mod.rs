//! The media of a call: what becomes of a packet, a frame, a picture.

pub mod audio_line;
pub mod estimate;
pub mod ice;
pub mod key_frames;
pub mod keypad;
pub mod line;
pub mod rate;
pub mod session;
pub mod video_line;

pub use crate::device::{FRAME, RATE};
