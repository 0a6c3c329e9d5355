//! Devices that need no hardware and no files.

mod none;
mod pattern;
mod tone;

pub use none::{NoCamera, NoMicrophone, NoSpeaker};
pub use pattern::{TestPattern, name_colour};
pub use tone::Tone;
