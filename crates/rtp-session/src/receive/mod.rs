//! One incoming stream: is it valid, what is missing, when to play it.

pub mod jitter_buffer;
mod lateness;
pub mod loss;
pub mod playout;
pub mod source;
