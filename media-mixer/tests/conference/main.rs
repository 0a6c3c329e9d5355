//! Whole conferences on a virtual clock: phones that send tones and pictures, and look at what comes back.
#![allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod audio;
mod doctor;
mod families;
mod hostile;
mod ice;
mod joining;
mod keys;
mod labels;
mod levels;
mod phone;
mod prompts;
mod rooms;
mod rtcp;
mod rtx;
mod stats;
mod video;
mod world;
