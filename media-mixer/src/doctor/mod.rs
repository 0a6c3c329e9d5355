//! Why media does not flow, in plain sentences.
//!
//! [`LineFacts`] is what is known about a line, [`diagnose()`] turns it into words; neither changes anything.

mod diagnose;
mod facts;

pub use diagnose::{diagnose, is_alarming};
pub(crate) use facts::gather;
pub use facts::{LineFacts, Seen};
