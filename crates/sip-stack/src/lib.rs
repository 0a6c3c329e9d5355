//! SIP messages, transactions, dialogs and digest as plain values (RFC 3261).

pub mod flow;
pub mod framing;
pub mod message;
pub mod token;
