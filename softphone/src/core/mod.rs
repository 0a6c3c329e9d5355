//! The call as plain values: no clock, no sockets, no devices.

pub mod outcome;
pub mod participants;
pub mod report;
pub mod tiles;
