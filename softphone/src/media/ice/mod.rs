//! ICE (RFC 8445) under the media of a call.
//!
//! One [`Component`] is what checks, chooses and keeps up the way of one port of one line. We always offer to multiplex
//! (RFC 5761); with a peer that does not, RTCP has a second component with candidates of its own, host and server
//! reflexive, but none at a relay. A [`Relay`] is our client of a STUN or TURN server on one port (RFC 8489, RFC 8656).
//!
//! Nothing here reads a clock or a socket.

mod component;
mod consent;
mod kind;
mod relay;
mod validated;

pub(crate) use component::Change;
pub use component::{Component, Outgoing};
pub use kind::{CandidateKind, SelectedPath};
pub use relay::{Relay, RelayConfig};

/// News about the way of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceEvent {
    /// Media goes this way from now on.
    Selected {
        /// Index of the m= line.
        line: usize,
        /// The way.
        path: SelectedPath,
    },
    /// Nobody answers there any more, or nobody ever did: nothing is sent on the line until there is another way (RFC
    /// 7675 §5.1).
    Lost {
        /// Index of the m= line.
        line: usize,
    },
    /// There is an answer again.
    Restored {
        /// Index of the m= line.
        line: usize,
    },
}
