//! Session descriptions (RFC 8866) and offer/answer (RFC 3264) as plain values.
//!
//! - [`SessionDescription`] and [`MediaDescription`] are the lines of a description;
//!   [`SessionDescription::parse`] is lenient and bounded, `Display` prints the strict form.
//! - Attributes are kept verbatim and in order ([`attribute::Attributes`]); the modules of
//!   [`attribute`] give typed views of those we understand.
//! - [`negotiate`] answers, makes and closes offers; both sides get [`negotiate::NegotiatedLine`]s.
//! - [`dialog_sdp::DialogSdp`] keeps the `o=` line and the m-line layout of one SIP dialog.
//!
//! There is no SIP here and no socket: addresses and ports come in as arguments.

pub mod attribute;
pub mod codec;
pub mod dialog_sdp;
mod media;
pub mod negotiate;
mod parse;
mod print;
mod session;

pub use attribute::direction::Direction;
pub use codec::{Codec, CodecSet};
pub use dialog_sdp::DialogSdp;
pub use media::{MediaDescription, MediaKind, Protocol};
pub use parse::{MAX_BYTES, MAX_LINES, MAX_MEDIA, ParseError, ParseErrorKind};
pub use session::{Bandwidth, Connection, Origin, SessionDescription, Time};
