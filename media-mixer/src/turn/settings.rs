//! What the operator decides.

use std::time::Duration;

use super::peers::PeerRules;
use crate::Addresses;

/// Settings of a [`Server`](super::Server).
#[derive(Debug, Clone)]
pub struct Settings {
    /// The realm of the credentials (RFC 8489 §9.2).
    pub realm: String,
    /// The secret shared with whoever makes credentials.
    pub secret: Vec<u8>,
    /// The addresses told to clients as theirs, one of each family that can be relayed.
    pub relayed: Addresses,
    /// Who may be reached.
    pub peers: PeerRules,
    /// Allocations at the same time.
    pub max_allocations: usize,
    /// Allocations of one user at the same time.
    pub max_per_user: usize,
    /// Permissions, and as many channels, of one allocation.
    pub max_permissions: usize,
    /// Octets a second that one allocation may relay, both ways together; 0 for no limit.
    pub bandwidth: u64,
    /// The longest lifetime given to an allocation.
    pub max_lifetime: Duration,
    /// Requests a second that one source may send in the long run.
    pub rate: u32,
}
