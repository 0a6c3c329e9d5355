//! Messages out of a byte stream (RFC 3261 §18.3), and keep-alives (RFC 5626 §3.5.1).

use crate::message::MAX_MESSAGE;
use crate::message::grammar;
use crate::message::parse::{self, head_len_from};
use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// What a stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framed {
    /// One whole message, not yet parsed.
    Message(Bytes),
    /// A double CRLF between messages, to be answered with [`PONG`].
    Ping,
}

/// The answer to a [`Framed::Ping`].
pub const PONG: &[u8] = b"\r\n";

/// Why a stream cannot be read further. Its connection must be closed: where the next message would
/// begin is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FramingError {
    /// More than [`MAX_MESSAGE`] bytes for one message. What there is of it came out before this
    /// error, so that whoever parses it can answer 513.
    #[error("message too large")]
    TooLarge,
    /// Something that is not SIP.
    #[error("not SIP")]
    NotSip,
    /// A Content-Length that cannot be read, or several that differ.
    #[error("bad Content-Length")]
    ContentLength,
}

/// Cuts a stream into messages. Holds at most one message more than was asked for.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: BytesMut,
    /// How much of the buffer is known not to hold the end of a head.
    scanned: usize,
    /// The length of the message at the front, once its head is there.
    wanted: Option<usize>,
    /// The stream ends with this error when what is to come out has.
    broken: Option<FramingError>,
}

impl StreamFramer {
    /// A framer for a new stream.
    pub fn new() -> StreamFramer {
        StreamFramer::default()
    }

    /// Takes bytes that were read. Call [`StreamFramer::next`] until it gives `None` before the next
    /// push; only so is the buffer bounded.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next thing in the stream; `None` when more bytes are needed. After an error it gives that
    /// error for ever.
    #[allow(clippy::should_implement_trait, reason = "an iterator would end at the first None")]
    pub fn next(&mut self) -> Result<Option<Framed>, FramingError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.cut().or_else(|error| {
            self.broken = Some(error);
            let mut rest = std::mem::take(&mut self.buffer);
            rest.truncate(MAX_MESSAGE);
            match error {
                FramingError::TooLarge => Ok(Some(Framed::Message(rest.freeze()))),
                other => Err(other),
            }
        })
    }

    fn cut(&mut self) -> Result<Option<Framed>, FramingError> {
        let length = match self.wanted {
            Some(length) => length,
            None => {
                if self.buffer.starts_with(b"\r\n\r\n") {
                    let _ = self.buffer.split_to(4);
                    return Ok(Some(Framed::Ping));
                }
                if b"\r\n\r\n".starts_with(&self.buffer) {
                    return Ok(None); // empty, or the rest of a ping may follow
                }
                // a lone CRLF is a pong or a slip; RFC 3261 §7.5 has it ignored
                let blank = self.buffer.iter().take_while(|b| b"\r\n".contains(b)).count();
                let _ = self.buffer.split_to(blank);
                match self.head()? {
                    Some(length) => length,
                    None => return Ok(None),
                }
            }
        };
        self.wanted = Some(length);
        if self.buffer.len() < length {
            return Ok(None);
        }
        let message = self.buffer.split_to(length).freeze();
        self.wanted = None;
        self.scanned = 0;
        Ok(Some(Framed::Message(message)))
    }

    /// The length of the message whose head is complete at the front.
    fn head(&mut self) -> Result<Option<usize>, FramingError> {
        // a TLS or HTTP client on the wrong port must not make us wait for 64 KB
        let line = self.buffer.iter().position(|b| *b == b'\n');
        let is_text = |b: &u8| *b >= b' ' || b"\r\n\t".contains(b);
        if !self.buffer.iter().take(line.unwrap_or(usize::MAX)).all(is_text) {
            return Err(FramingError::NotSip);
        }
        if let Some(line) = line.and_then(|end| self.buffer.get(..end))
            && !line.windows(4).any(|w| w.eq_ignore_ascii_case(b"SIP/"))
        {
            return Err(FramingError::NotSip);
        }
        let Some(head) = head_len_from(&self.buffer, self.scanned) else {
            self.scanned = self.buffer.len();
            let full = self.buffer.len() >= MAX_MESSAGE;
            return if full { Err(FramingError::TooLarge) } else { Ok(None) };
        };
        let body = content_length(self.buffer.get(..head).unwrap_or_default())?;
        match head.checked_add(body) {
            Some(length) if length <= MAX_MESSAGE => Ok(Some(length)),
            _ => Err(FramingError::TooLarge),
        }
    }
}

/// The Content-Length of a head; 0 if it has none, though streams must have one (RFC 3261 §18.3):
/// most such messages have no body, and a body would be seen as garbage next. Several that agree are
/// taken for one.
fn content_length(head: &[u8]) -> Result<usize, FramingError> {
    let mut length = None;
    for line in parse::lines(head) {
        let (name, value) = line.split_once(':').unwrap_or_default();
        let name = name.trim_end_matches([' ', '\t']);
        if !name.eq_ignore_ascii_case("l") && !name.eq_ignore_ascii_case("Content-Length") {
            continue;
        }
        let value = grammar::long_decimal(grammar::trim(value));
        let value = value.and_then(|value| usize::try_from(value).ok());
        match (value, length) {
            (None, _) => return Err(FramingError::ContentLength),
            (Some(value), Some(known)) if value != known => {
                return Err(FramingError::ContentLength);
            }
            (value, _) => length = value,
        }
    }
    Ok(length.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ParseErrorKind;

    fn head(length: &str) -> String {
        format!("OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n{length}\r\n")
    }

    fn feed(bytes: &[u8]) -> (Vec<Framed>, Option<FramingError>) {
        let mut framer = StreamFramer::new();
        framer.push(bytes);
        let mut out = Vec::new();
        loop {
            match framer.next() {
                Ok(Some(framed)) => out.push(framed),
                Ok(None) => return (out, None),
                Err(error) => {
                    assert_eq!(framer.next(), Err(error), "for ever");
                    return (out, Some(error));
                }
            }
        }
    }

    #[test]
    fn lengths_in_every_spelling() {
        for length in ["l: 3\r\n", "CONTENT-LENGTH :\t 3 \r\n", "l:\r\n 3\r\n", "l: 3\r\nl: 3\r\n"]
        {
            let message = format!("{}abc", head(length));
            let (out, error) = feed(format!("{message}{message}").as_bytes());
            let one = Framed::Message(message.into());
            assert_eq!((out, error), (vec![one.clone(), one], None), "{length}");
        }
        let (out, error) = feed(head("").as_bytes());
        assert_eq!((out.len(), error), (1, None), "none means no body");
        for bad in ["l: -1\r\n", "l: x\r\n", "l: 3\r\nl: 4\r\n"] {
            assert_eq!(feed(head(bad).as_bytes()).1, Some(FramingError::ContentLength), "{bad}");
        }
    }

    #[test]
    fn nothing_grows_without_bound() {
        let endless = format!("OPTIONS sip:h SIP/2.0\r\n{}", "X: y\r\n".repeat(30_000));
        let rest = "f: <sip:a@h>;tag=1\r\nt: <sip:b@h>\r\ni: 1\r\nCSeq: 1 OPTIONS\r\nl: 99999\r\n";
        for bytes in [head(rest), endless, "O".repeat(90_000)] {
            let (out, error) = feed(bytes.as_bytes());
            let [Framed::Message(cut)] = &out[..] else { panic!("{out:?}") };
            assert!(bytes.as_bytes().starts_with(cut) && cut.len() <= MAX_MESSAGE);
            assert_eq!(parse_kind(cut), ParseErrorKind::TooLarge);
            assert_eq!(error, Some(FramingError::TooLarge));
        }
        // a number too large for any memory, too
        let (out, error) = feed(head("l: 4294967295\r\n").as_bytes());
        assert_eq!((out.len(), error), (1, Some(FramingError::TooLarge)));
    }

    fn parse_kind(bytes: &Bytes) -> ParseErrorKind {
        match parse::message(bytes) {
            // nobody can be answered who has not even sent a start line
            Err(error) if error.kind == ParseErrorKind::StartLine => ParseErrorKind::TooLarge,
            Err(error) => error.kind,
            Ok(message) => panic!("{message:?}"),
        }
    }

    #[test]
    fn a_body_of_64_kilobytes_is_whole() {
        let message = format!("{}{}", head("l: 65536\r\n"), "x".repeat(65_536));
        assert_eq!(feed(message.as_bytes()), (vec![Framed::Message(message.into())], None));
    }

    #[test]
    fn a_length_in_thousands_of_folds_costs_no_more_than_its_bytes() {
        let folds = format!("l:{} 3\r\n", "\r\n ".repeat(20_000));
        let (out, error) = feed(format!("{}abc", head(&folds)).as_bytes());
        assert_eq!((out.len(), error), (1, None));
    }

    #[test]
    fn other_protocols_are_noticed_at_once() {
        assert_eq!(feed(b"\x16\x03\x01\x02\x00\x01").1, Some(FramingError::NotSip));
        assert_eq!(feed(b"GET / HTTP/1.1\r\n").1, Some(FramingError::NotSip));
        let good = head("l: 0\r\n");
        let (out, error) = feed(format!("{good}garbage\r\n").as_bytes());
        assert_eq!((out.len(), error), (1, Some(FramingError::NotSip)));
    }

    #[test]
    fn pings_between_messages() {
        let good = head("l: 0\r\n");
        let (out, error) = feed(format!("\r\n\r\n{good}\r\n\r\n\r\n\r\n\r\n").as_bytes());
        let one = Framed::Message(good.into());
        assert_eq!((out, error), (vec![Framed::Ping, one, Framed::Ping, Framed::Ping], None));
    }
}
