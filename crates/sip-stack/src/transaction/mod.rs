//! The transaction layer (RFC 3261 §17 with the corrections of RFC 6026).
//!
//! The four machines are pure: an event goes in, a list of [`Action`]s comes out. They know neither
//! messages nor time; the layer around them holds the messages, runs the timer table and matches what arrives.

pub mod client;
pub mod invite_client;
pub mod invite_server;
pub mod key;
pub(crate) mod layer;
pub mod server;
pub mod timers;

use std::time::Duration;

use timers::Timer;

/// What a transaction machine wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// (Re)transmit the stored message: the request of a client, the last response of a server.
    Send,
    /// Send the ACK for a failure response (INVITE client only, RFC 3261 §17.1.1.3).
    SendAck,
    /// Pass what has just arrived to the transaction user.
    Deliver,
    /// Start (or restart) a timer.
    Set(Timer, Duration),
    /// Stop a timer.
    Stop(Timer),
    /// Tell the transaction user that nobody answered.
    TimedOut,
    /// Tell the transaction user that the transport failed.
    TransportFailed,
    /// The transaction is over; forget it.
    Terminate,
}
