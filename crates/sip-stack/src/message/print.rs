//! Values → bytes.

use super::{Headers, Message, Request, Response};
use crate::flow::Transport;
use bytes::Bytes;
use std::fmt::Write;

fn finish(mut head: String, headers: &Headers, body: &Bytes) -> Bytes {
    for (name, value) in headers.lines() {
        if !name.eq_ignore_ascii_case("Content-Length") {
            // writing into a String cannot fail
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    // always sent: a stream needs it, and for datagrams it makes truncation visible
    let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes.into()
}

impl Request {
    /// The request as it goes on the wire, with the right Content-Length.
    pub fn to_bytes(&self) -> Bytes {
        let head = format!("{} {} SIP/2.0\r\n", self.method, self.uri);
        finish(head, &self.headers, &self.body)
    }
}

impl Response {
    /// The response as it goes on the wire, with the right Content-Length.
    pub fn to_bytes(&self) -> Bytes {
        let reason = self.reason.replace(['\r', '\n'], " ");
        finish(format!("SIP/2.0 {} {reason}\r\n", self.status), &self.headers, &self.body)
    }
}

impl Message {
    /// The message as it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }
}

/// `request`, printed by us, with the transport in its topmost Via changed to `transport`.
///
/// RFC 3261 §18.1.1: it is the transport that fills in the sent-protocol, since it alone knows
/// whether a large request went over TCP or had to fall back to UDP.
pub fn with_via_transport(request: &Bytes, transport: Transport) -> Bytes {
    const VIA: &[u8] = b"\r\nVia: SIP/2.0/";
    let found = request.windows(VIA.len()).position(|w| w == VIA).map(|at| at + VIA.len());
    let Some(start) = found else { return request.clone() };
    let tail = request.get(start..).unwrap_or_default();
    let Some(len) = tail.iter().position(|b| *b == b' ') else { return request.clone() };
    if tail.get(..len) == Some(transport.as_str().as_bytes()) {
        return request.clone();
    }
    let head = request.get(..start).unwrap_or_default();
    let rest = tail.get(len..).unwrap_or_default();
    [head, transport.as_str().as_bytes(), rest].concat().into()
}
