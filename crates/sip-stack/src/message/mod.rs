//! SIP messages as values (RFC 3261 §7), and the one place where text becomes values.

mod auth_params;
pub mod build;
pub mod cpim;
mod cseq;
pub mod date_time;
mod dialog_ref;
pub(crate) mod grammar;
mod headers;
mod method;
pub mod multipart;
mod name_addr;
mod params;
pub mod parse;
mod print;
mod rack;
mod uri;
mod value;
mod via;

pub use auth_params::{AuthParam, AuthParams};
pub use cpim::Cpim;
pub use cseq::CSeq;
pub use dialog_ref::DialogRef;
pub use headers::{HeaderError, Headers, MAX_HEADERS};
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::{Param, Params};
pub use parse::{ParseError, ParseErrorKind, PartialRequest};
pub use rack::{RAck, rseq};
pub use uri::{Host, Scheme, Uri};
pub use value::{MediaType, Reason, Value};
pub use via::{MAGIC_COOKIE, Via};

use bytes::Bytes;

/// The most bytes a message may have, body included: a body of 64 KB with its headers. A datagram
/// cannot hold more than 65 535 (RFC 3261 §18.1.1), so only streams come near.
pub const MAX_MESSAGE: usize = 80 * 1024;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The request URI.
    pub uri: Uri,
    /// The headers. Content-Length is computed when printing.
    pub headers: Headers,
    /// The body; empty if none.
    pub body: Bytes,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, 100–699.
    pub status: u16,
    /// The reason phrase; for people only.
    pub reason: String,
    /// The headers. Content-Length is computed when printing.
    pub headers: Headers,
    /// The body; empty if none.
    pub body: Bytes,
}

/// A request or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// The headers of either kind.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// The body of either kind.
    pub fn body(&self) -> &Bytes {
        match self {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: Method, uri: Uri) -> Request {
        Request { method, uri, headers: Headers::new(), body: Bytes::new() }
    }

    /// Sets the body and its Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.headers.insert("Content-Type", content_type);
        self.body = body.into();
    }
}

impl Response {
    /// Whether this is provisional (1xx).
    pub fn is_provisional(&self) -> bool {
        self.status < 200
    }

    /// Whether this is a 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Sets the body and its Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.headers.insert("Content-Type", content_type);
        self.body = body.into();
    }
}
