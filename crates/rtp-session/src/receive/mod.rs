//! One incoming stream: is it valid, what is missing.

pub mod loss;
pub mod source;
