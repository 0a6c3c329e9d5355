//! Bytes → values.

use super::{Headers, Message, Method};
use bytes::Bytes;
use thiserror::Error;

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ParseErrorKind {
    /// Larger than [`super::MAX_MESSAGE`] or with more than [`super::MAX_HEADERS`] values.
    #[error("message too large")]
    TooLarge,
    /// Not a request line or status line.
    #[error("malformed start line")]
    StartLine,
    /// A request URI that is no URI.
    #[error("malformed request URI")]
    RequestUri,
    /// A version other than SIP/2.0.
    #[error("unsupported SIP version")]
    Version,
    /// A line that is no header field.
    #[error("malformed header line")]
    HeaderLine,
    /// A mandatory header is missing, repeated or malformed.
    #[error("{0}")]
    Header(#[from] super::HeaderError),
    /// CSeq names another method than the request line.
    #[error("CSeq method differs from the request method")]
    MethodMismatch,
    /// The body is shorter than Content-Length says.
    #[error("body shorter than Content-Length")]
    Truncated,
}

/// Why bytes are no SIP message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// The good parts of a request, when they are enough to answer it (and it is no ACK);
    /// see [`super::build::refusal`].
    pub partial: Option<Box<PartialRequest>>,
}

/// What could be read of a malformed request: at least a good Via.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialRequest {
    /// The method.
    pub method: Method,
    /// The headers that could be read.
    pub headers: Headers,
}

/// Reads one message. `bytes` is one datagram, or one message cut out of a stream by
/// [`crate::framing::StreamFramer`].
pub fn message(bytes: &Bytes) -> Result<Message, ParseError> {
    let _ = bytes;
    Err(ParseError { kind: ParseErrorKind::StartLine, partial: None })
}
