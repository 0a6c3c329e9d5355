//! One request or response (RFC 4975 §9).

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::uri::MsrpUri;

/// What a request asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// Carries a message or a part of one.
    Send,
    /// Tells what has become of one.
    Report,
    /// Chooses a name in a chat room (RFC 7701 §7).
    Nickname,
    /// Another, as written.
    Other(String),
}

impl Method {
    fn as_str(&self) -> &str {
        match self {
            Method::Send => "SEND",
            Method::Report => "REPORT",
            Method::Nickname => "NICKNAME",
            Method::Other(name) => name,
        }
    }

    pub(crate) fn of(word: &str) -> Option<Method> {
        Some(match word {
            "SEND" => Method::Send,
            "REPORT" => Method::Report,
            "NICKNAME" => Method::Nickname,
            other => {
                let upper = !other.is_empty() && other.bytes().all(|b| b.is_ascii_uppercase());
                upper.then(|| Method::Other(other.to_owned()))?
            }
        })
    }
}

/// What stands on the first line after the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A request.
    Request(Method),
    /// A response: its status and comment.
    Response(u16, String),
}

/// What follows the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuation {
    /// `$`: nothing, the message is complete.
    Complete,
    /// `+`: more of the message.
    More,
    /// `#`: nothing, the sender has given the message up.
    Aborted,
}

impl Continuation {
    pub(crate) fn of(byte: u8) -> Option<Self> {
        match byte {
            b'$' => Some(Continuation::Complete),
            b'+' => Some(Continuation::More),
            b'#' => Some(Continuation::Aborted),
            _ => None,
        }
    }

    fn as_byte(self) -> u8 {
        match self {
            Continuation::Complete => b'$',
            Continuation::More => b'+',
            Continuation::Aborted => b'#',
        }
    }
}

/// One request or response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Names the transaction, and ends the frame.
    pub id: String,
    /// What it is.
    pub start: Start,
    /// The way to the receiver, the next hop first.
    pub to_path: Vec<MsrpUri>,
    /// The way back, the last hop first.
    pub from_path: Vec<MsrpUri>,
    /// All further header fields in their order, those of MIME included.
    pub headers: Vec<(String, String)>,
    /// The content; `None` if there is none, which is not the same as an empty one.
    pub body: Option<Bytes>,
    /// What follows.
    pub continuation: Continuation,
}

impl Frame {
    /// A request without further headers or content.
    #[must_use]
    pub fn request(id: &str, method: Method, to: &[MsrpUri], from: &MsrpUri) -> Self {
        Frame {
            id: id.to_owned(),
            start: Start::Request(method),
            to_path: to.to_vec(),
            from_path: vec![from.clone()],
            headers: Vec::new(),
            body: None,
            continuation: Continuation::Complete,
        }
    }

    /// The response to this request (§7.2): back to the hop before us for SEND, the whole way
    /// otherwise. `None` for a response, and for REPORT, which is never answered.
    #[must_use]
    pub fn response(&self, status: u16, comment: &str) -> Option<Frame> {
        let to_path = match &self.start {
            Start::Response(..) | Start::Request(Method::Report) => return None,
            Start::Request(Method::Send) => self.from_path.iter().take(1).cloned().collect(),
            Start::Request(_) => self.from_path.clone(),
        };
        Some(Frame {
            id: self.id.clone(),
            start: Start::Response(status, comment.to_owned()),
            to_path,
            from_path: self.to_path.iter().take(1).cloned().collect(),
            headers: Vec::new(),
            body: None,
            continuation: Continuation::Complete,
        })
    }

    /// The first header field of this name; names ignore case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Adds a header field.
    pub fn push(&mut self, name: &str, value: impl fmt::Display) {
        self.headers.push((name.to_owned(), value.to_string()));
    }

    /// The bytes of the frame. Content-Type comes last of the headers, as the grammar wants it.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut head = match &self.start {
            Start::Request(method) => format!("MSRP {} {}\r\n", self.id, method.as_str()),
            Start::Response(status, comment) if comment.is_empty() => {
                format!("MSRP {} {status:03}\r\n", self.id)
            }
            Start::Response(status, comment) => {
                format!("MSRP {} {status:03} {}\r\n", self.id, line(comment))
            }
        };
        for (name, path) in [("To-Path", &self.to_path), ("From-Path", &self.from_path)] {
            let uris: Vec<String> = path.iter().map(ToString::to_string).collect();
            head.push_str(&format!("{name}: {}\r\n", uris.join(" ")));
        }
        let is_type = |name: &str| name.eq_ignore_ascii_case("Content-Type");
        let (types, others): (Vec<_>, Vec<_>) =
            self.headers.iter().partition(|(name, _)| is_type(name));
        for (name, value) in others.into_iter().chain(types) {
            head.push_str(&format!("{name}: {}\r\n", line(value)));
        }
        let body = self.body.as_deref().unwrap_or_default();
        let mut out = BytesMut::with_capacity(head.len() + body.len() + self.id.len() + 16);
        out.put_slice(head.as_bytes());
        if self.body.is_some() {
            out.put_slice(b"\r\n");
            out.put_slice(body);
            out.put_slice(b"\r\n");
        }
        out.put_slice(b"-------");
        out.put_slice(self.id.as_bytes());
        out.put_u8(self.continuation.as_byte());
        out.put_slice(b"\r\n");
        out.freeze()
    }
}

fn line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> MsrpUri {
        MsrpUri::parse(text).unwrap()
    }

    #[test]
    fn responses_go_back_where_the_request_came_from() {
        let to = [uri("msrp://me:1/a;tcp")];
        let mut send = Frame::request("abcd", Method::Send, &to, &uri("msrp://relay:1/r;tcp"));
        send.from_path.push(uri("msrp://you:1/b;tcp"));
        let ok = send.response(200, "OK").unwrap();
        assert_eq!(
            ok.to_bytes(),
            "MSRP abcd 200 OK\r\nTo-Path: msrp://relay:1/r;tcp\r\n\
             From-Path: msrp://me:1/a;tcp\r\n-------abcd$\r\n"
        );
        assert!(ok.response(200, "").is_none());
        send.start = Start::Request(Method::Nickname);
        assert_eq!(send.response(425, "").unwrap().to_path.len(), 2);
        send.start = Start::Request(Method::Report);
        assert!(send.response(200, "").is_none());
    }

    #[test]
    fn a_value_cannot_break_out_of_its_line() {
        let mut frame = Frame::request("abcd", Method::Send, &[], &uri("msrp://h:1/a;tcp"));
        frame.push("X", "a\r\nY: b");
        assert!(String::from_utf8_lossy(&frame.to_bytes()).contains("X: a  Y: b\r\n"));
    }
}
