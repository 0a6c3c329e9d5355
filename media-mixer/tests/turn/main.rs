//! The TURN server as a value: what RFC 8489 and RFC 8656 promise clients, and what strangers do not get.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program")]

mod client;
mod hostile;
mod relaying;
