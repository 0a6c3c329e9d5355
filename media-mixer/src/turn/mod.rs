//! A STUN and TURN server (RFC 8489, RFC 8656) as a plain value, for members behind NATs that let nothing else through.
//!
//! A [`Server`] is given what clients and peers send, the time, and the wall clock; it gives back datagrams and wishes to
//! open and close relay sockets. Whoever has the shared secret makes credentials that end by themselves ([`credentials()`]),
//! so there is no list of users. What may be reached through it is in [`PeerRules`]: a relay is a way into the network
//! it stands in, so by default it leads to public addresses only.

mod allocation;
mod credentials;
mod message;
mod peers;
mod rate;
mod requests;
mod server;
mod settings;

pub use credentials::{Credentials, credentials};
pub use ipnet::IpNet;
pub use peers::PeerRules;
pub use server::{Client, Output, RelayId, Server, Stats, Via};
pub use settings::Settings;
