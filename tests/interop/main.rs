//! Real programs on loopback: our services, our softphone, and clients nobody here wrote.

#![allow(clippy::expect_used, clippy::panic, reason = "a test program")]
