//! Names of the things an [`Endpoint`](crate::endpoint::Endpoint) keeps. They are never used twice
//! by one endpoint.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }
    };
}

id!(
    /// One INVITE session, from its first INVITE to its last event. (Not the Call-ID header, which
    /// the peer may choose.)
    CallId,
    "call-"
);
id!(
    /// A request of ours that waits for its response.
    ClientTransactionId,
    "client-"
);
id!(
    /// A request of a peer that waits for our response.
    ServerTransactionId,
    "server-"
);

/// Which transmission could not be made; the shell hands it back to
/// [`handle_send_failed`](crate::endpoint::Endpoint::handle_send_failed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitId(pub(crate) Origin);

impl TransmitId {
    /// Whether it was a request that waits for a response (not an ACK).
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.0, Origin::Client(..))
    }
}

/// Whose transmission it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A request of a client transaction, and which try it was: what becomes of an earlier one is no
    /// news of the present one.
    Client(ClientTransactionId, u64),
    /// A response of a server transaction.
    Server(ServerTransactionId),
    /// The ACK for a 2xx.
    Ack(CallId),
    /// A repeated ACK or a stateless response: nobody waits for news of it.
    Nobody,
}
