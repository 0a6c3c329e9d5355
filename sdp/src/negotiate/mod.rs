//! Offer and answer (RFC 3264).
//!
//! | who | calls | gets |
//! |---|---|---|
//! | answerer | [`answer`], binds ports, [`Answer::describe`] | [`NegotiatedLine`]s and the answer |
//! | offerer | [`offer`], later [`accept`] | the offer, later [`NegotiatedLine`]s |
//!
//! All are pure. The descriptions they make carry a placeholder `o=` line; the
//! [`crate::DialogSdp`] of the dialog puts in its own.

mod accept;
mod answer;
mod capabilities;
mod line;
mod offer;
mod reject;
mod transport;

pub use accept::accept;
pub use answer::{Answer, WrongPortCount, answer};
pub use capabilities::{Capabilities, SupportedCodec};
pub use line::{NegotiatedLine, NegotiatedMedia, Refusal, Source};
pub use offer::{OfferLine, offer};
pub use reject::{Reject, WarningCode};
pub use transport::{LocalTransport, RemoteTransport, direction_of};
