//! What the fuzz targets do with the bytes they are given.
//!
//! A body is a function of bytes that panics when something is wrong. More is asked than not to
//! panic: what was read and printed reads the same, what we print is bounded, and whoever sent the
//! bytes can make nothing grow or stay. `fuzz/` calls the bodies from libFuzzer; the test `corpus`
//! runs them over the committed inputs on the stable toolchain.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a body says by panicking what is wrong"
)]

mod conference;
mod control;
mod description;
mod msrp;
mod registrar;
mod rtp;
mod sip;
mod targets;

pub use targets::{TARGETS, Target};
