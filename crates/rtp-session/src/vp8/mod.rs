//! The payload format of VP8 (RFC 7741).

mod assemble;
mod descriptor;
mod keyframe;
mod payload;

pub use assemble::{Assembler, AssemblerConfig, Vp8Frame};
pub use descriptor::{Descriptor, PictureId};
pub use keyframe::{frame_size, is_key_frame, starts_key_frame, starts_picture};
pub use payload::{Packetizer, Vp8Part};
