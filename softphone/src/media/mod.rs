//! The media of a call: what becomes of a packet, a frame, a picture.

pub mod key_frames;
pub mod rate;
pub mod resample;
