//! What is to outlive a restart, as plain values; the shell keeps them and hands them back at start.

use std::net::SocketAddr;
use std::time::Duration;

use sip_stack::flow::Transport;

use super::conference::{ConferenceName, Meeting};
use super::history::Record;

/// Something the shell is to keep. Writing may lag behind and may be repeated: each command but
/// [`Record`](Self::Record) says what is, not what has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreCommand {
    /// These are all the bindings of an account now.
    Bindings {
        /// Whose.
        user: String,
        /// All of them; none when the last is gone.
        bindings: Vec<StoredBinding>,
    },
    /// This conference is planned or stays; it replaces what was kept under its name.
    Meeting(Box<Meeting>),
    /// The conference of this name is over: nothing is to come back after a restart.
    MeetingOver(ConferenceName),
    /// The conference of this name was cancelled: until then, since 1970-01-01T00:00:00Z, who dials it
    /// is told that it is gone.
    MeetingGone {
        /// Its name.
        name: ConferenceName,
        /// Until when.
        until: Duration,
    },
    /// This has happened; to be added to the history, once.
    Record(Box<Record>),
}

/// A binding (RFC 3261 §10.3) as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBinding {
    /// The Contact value without `expires`, as text.
    pub contact: String,
    /// The Path values that came with it, in their order (RFC 3327 §5.3).
    pub path: Vec<String>,
    /// When it ends, since 1970-01-01T00:00:00Z.
    pub expires_at: Duration,
    /// Call-ID of the registration.
    pub call_id: String,
    /// CSeq of the registration.
    pub cseq: u32,
    /// The way it came; `None` when its connection is gone.
    pub flow: Option<StoredFlow>,
    /// Whether the client keeps this flow alive (RFC 5626): then it is `+sip.instance` and `reg-id`
    /// that name the binding.
    pub outbound: bool,
}

/// A flow as it is kept: a connection does not survive us, so it has no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredFlow {
    /// The protocol.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}
