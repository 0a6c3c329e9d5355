//! Real programs on loopback: our services, our softphone, and clients nobody here wrote.
//! What each test wrote (logs, recordings, pictures, SIP traces) stays in `target/interop/TEST`.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test program")]

mod codecs;
mod direct;
mod direct_call;
mod failures;
mod hearing;
mod isolation;
mod lossy;
mod meeting;
mod meetings;
mod nat;
mod signalling;
mod web;
mod window;
