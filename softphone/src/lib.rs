//! SIP softphone: command line, window, or headless with files as microphone and camera.
//!
//! [`core`] holds the call as plain values with the clock passed in; the program around it (devices,
//! window, threads, command line) is the binary.

pub mod core;
pub mod device;
pub mod media;
