//! The Message Session Relay Protocol (RFC 4975) as plain values: no clock, no sockets.
//!
//! [`Decoder`] makes [`Frame`]s of what a connection brings, [`Session`] makes messages of frames and
//! frames of messages. Who may say what is the owner's business.

mod assemble;
mod decode;
mod frame;
mod range;
mod session;
mod uri;

pub use assemble::{Assembled, Assembler, Message};
pub use decode::{DecodeError, Decoder, Limits};
pub use frame::{Continuation, Frame, Method, Start};
pub use range::ByteRange;
pub use session::{Event, Incoming, Session, Ticket};
pub use uri::MsrpUri;
