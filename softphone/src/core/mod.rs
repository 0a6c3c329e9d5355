//! The call as plain values: no clock, no sockets, no devices.

pub mod call;
pub mod liveness;
pub mod outcome;
pub mod participants;
pub mod phone;
pub mod registration;
pub mod report;
pub mod tiles;
