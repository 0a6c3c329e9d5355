//! One outgoing stream: our own numbers, forwarded media made continuous, and what to send again.

pub mod history;
pub mod rewrite;
pub mod rtx;
mod shift;
pub mod stream;
