//! Audio: decode what was received, mix N−1, encode what is sent.

pub mod bus;
pub mod claim;
mod hush;
pub mod inlet;
pub mod keys;
pub mod mixer;
pub mod outlet;
pub mod prompter;
pub mod prompts;
pub mod speakers;
pub mod voices;
