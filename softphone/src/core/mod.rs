//! The call as plain values: no clock, no sockets, no devices.

pub mod call;
pub mod chat;
pub mod errand;
pub mod exchange;
pub mod listing;
pub mod liveness;
pub mod order;
pub mod outcome;
pub mod participants;
pub mod phone;
pub mod registration;
pub mod report;
pub mod roster;
pub mod sipfrag;
pub mod subscription;
pub mod tiles;
pub mod typed;
