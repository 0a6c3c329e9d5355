//! Values → bytes.

use super::{Headers, Message, Request, Response};
use bytes::Bytes;
use std::fmt::Write;

fn finish(mut head: String, headers: &Headers, body: &Bytes) -> Bytes {
    head.reserve(headers.size() + body.len() + 32);
    for (name, value) in headers.lines() {
        if !name.eq_ignore_ascii_case("Content-Length") {
            [name, ": ", &value, "\r\n"].iter().for_each(|piece| head.push_str(piece));
        }
    }
    // Always sent: a stream needs it, and for datagrams it makes truncation visible. Writing into a
    // String cannot fail.
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
