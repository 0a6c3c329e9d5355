//! One incoming stream: is it valid, what is missing, when to play it.

pub mod jitter_buffer;
pub mod loss;
pub mod source;
