//! UDP and TCP transports under `sip-stack` (RFC 3261 §18).
//!
//! [`Transports`] binds sockets, cuts streams into messages, connects where a request wants to go,
//! and hands everything that arrives to one owner. It knows no transactions: what could not be sent
//! is told by [`Incoming::SendFailed`], and the owner's `Endpoint` decides. [`drive`] is the loop
//! around an `Endpoint`, in pieces that fit into a `select!`.

mod connection;
pub mod drive;
mod icmp;
mod resolve;
mod stun;
mod table;
mod tcp;
mod throttle;
mod transports;
mod udp;

pub use resolve::servers_of as resolve;
pub use transports::{Config, Incoming, Transports};
