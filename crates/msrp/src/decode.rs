//! Frames out of a byte stream.

use bytes::{Bytes, BytesMut};

use crate::frame::{Continuation, Frame, Method, Start};
use crate::uri::MsrpUri;

/// The most URIs in a path.
const MAX_PATH: usize = 8;
/// The most header fields.
const MAX_HEADERS: usize = 64;

/// How much a peer may make us hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all lines before the content.
    pub head: usize,
    /// Bytes of the content of one frame.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { head: 8 * 1024, body: 64 * 1024 }
    }
}

/// Why a stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// This is no MSRP.
    #[error("no MSRP")]
    Malformed,
    /// A frame is longer than allowed.
    #[error("a frame is too long")]
    TooLong,
}

/// Takes bytes in any pieces and gives whole frames. After an error nothing comes any more: where the
/// next frame would begin is unknown.
#[derive(Debug, Default)]
pub struct Decoder {
    limits: Limits,
    buffer: BytesMut,
    /// Where in the buffer the search for the end goes on, so that bytes are looked at once only.
    searched: usize,
    failed: Option<DecodeError>,
}

impl Decoder {
    /// A decoder that holds no more than this.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Decoder { limits, ..Decoder::default() }
    }

    /// More of the stream. Call [`next`](Self::next) until `None` after it.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// [`DecodeError`], for ever after the first.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot be fed")]
    pub fn next(&mut self) -> Result<Option<Frame>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let next = self.take();
        if let Err(error) = &next {
            self.failed = Some(*error);
            self.buffer = BytesMut::new();
        }
        next
    }

    fn take(&mut self) -> Result<Option<Frame>, DecodeError> {
        let Some(first) = find(&self.buffer, b"\r\n", 0) else {
            let begun = self.buffer.len();
            let wrong = begun >= 5 && !self.buffer.starts_with(b"MSRP ");
            return match (wrong, begun > self.limits.head) {
                (true, _) => Err(DecodeError::Malformed),
                (_, true) => Err(DecodeError::TooLong),
                _ => Ok(None),
            };
        };
        let line = self.buffer.get(..first).unwrap_or_default();
        let line = std::str::from_utf8(line).map_err(|_| DecodeError::Malformed)?;
        let (id, _) = start_line(line).ok_or(DecodeError::Malformed)?;
        let mark = format!("\r\n-------{id}");
        // Where the mark could have begun in what was searched before.
        let mut from = self.searched.max(first);
        let end = loop {
            let Some(at) = find(&self.buffer, mark.as_bytes(), from) else {
                let most = self.limits.head + self.limits.body;
                self.searched = self.buffer.len().saturating_sub(mark.len()).max(first);
                return if self.buffer.len() > most { Err(DecodeError::TooLong) } else { Ok(None) };
            };
            let tail = self.buffer.get(at + mark.len()..).unwrap_or_default();
            match tail {
                [flag, b'\r', b'\n', ..] if Continuation::of(*flag).is_some() => break at,
                // not whole yet
                [] => {}
                [flag] if Continuation::of(*flag).is_some() => {}
                [flag, b'\r'] if Continuation::of(*flag).is_some() => {}
                // content that looks like it
                _ => {
                    from = at + 2;
                    continue;
                }
            }
            self.searched = at;
            return Ok(None);
        };
        self.searched = 0;
        let flag = self.buffer.get(end + mark.len()).copied().unwrap_or_default();
        let whole = self.buffer.split_to(end + mark.len() + 3).freeze();
        let continuation = Continuation::of(flag).ok_or(DecodeError::Malformed)?;
        self.frame(&whole.slice(..end + 2), first, continuation).map(Some)
    }

    /// Reads a frame without its end-line; `first` is where its first line ends.
    fn frame(
        &self,
        bytes: &Bytes,
        first: usize,
        continuation: Continuation,
    ) -> Result<Frame, DecodeError> {
        let bad = DecodeError::Malformed;
        // An empty line parts head and content; without one there is no content.
        let (head, body) = match find(bytes, b"\r\n\r\n", first) {
            Some(at) if at + 4 <= bytes.len().saturating_sub(2) => {
                (bytes.slice(..at + 2), Some(bytes.slice(at + 4..bytes.len() - 2)))
            }
            // an empty content, whose own line break is that before the end-line
            Some(at) => (bytes.slice(..at + 2), Some(Bytes::new())),
            None => (bytes.clone(), None),
        };
        let long = body.as_ref().is_some_and(|body| body.len() > self.limits.body);
        if head.len() > self.limits.head || long {
            return Err(DecodeError::TooLong);
        }
        let head = std::str::from_utf8(&head).map_err(|_| bad)?;
        // utf8text has no control characters (RFC 4975 §9): one could end a line for whoever reads it next.
        if head.replace("\r\n", "").chars().any(|c| c.is_control() && c != '\t') {
            return Err(bad);
        }
        let mut lines = head.split_terminator("\r\n");
        let (id, start) = lines.next().and_then(start_line).ok_or(bad)?;
        let mut headers = Vec::new();
        let (mut to_path, mut from_path) = (None, None);
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(bad)?;
            let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._!%*+'`~".contains(&b);
            if name.is_empty() || !name.bytes().all(is_name) || headers.len() >= MAX_HEADERS {
                return Err(bad);
            }
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "to-path" if to_path.is_none() => to_path = Some(path(value).ok_or(bad)?),
                "from-path" if from_path.is_none() => from_path = Some(path(value).ok_or(bad)?),
                _ => headers.push((name.to_owned(), value.to_owned())),
            }
        }
        let (id, start) = (id.to_owned(), start);
        let (to_path, from_path) = (to_path.ok_or(bad)?, from_path.ok_or(bad)?);
        Ok(Frame { id, start, to_path, from_path, headers, body, continuation })
    }
}

/// `MSRP id METHOD` or `MSRP id 200 comment`.
fn start_line(line: &str) -> Option<(&str, Start)> {
    let rest = line.strip_prefix("MSRP ")?;
    let (id, rest) = rest.split_once(' ')?;
    let is_id = |b: u8| b.is_ascii_alphanumeric() || b".-+%=".contains(&b);
    let begins = id.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if !begins || !(4..=32).contains(&id.len()) || !id.bytes().all(is_id) {
        return None;
    }
    let (word, comment) = rest.split_once(' ').unwrap_or((rest, ""));
    if word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit()) {
        return Some((id, Start::Response(word.parse().ok()?, comment.to_owned())));
    }
    comment.is_empty().then(|| Method::of(word)).flatten().map(|m| (id, Start::Request(m)))
}

fn path(value: &str) -> Option<Vec<MsrpUri>> {
    let uris: Option<Vec<_>> =
        value.split_ascii_whitespace().take(MAX_PATH + 1).map(MsrpUri::parse).collect();
    uris.filter(|uris| (1..=MAX_PATH).contains(&uris.len()))
}

fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let tail = bytes.get(from..)?;
    tail.windows(what.len()).position(|window| window == what).map(|at| from + at)
}
