//! SIP messages, transactions, dialogs and digest as plain values (RFC 3261).

pub mod auth;
pub mod dialog;
pub mod endpoint;
pub mod flow;
pub mod framing;
pub mod message;
pub mod token;
pub mod transaction;
