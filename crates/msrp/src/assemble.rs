//! Messages out of chunks (RFC 4975 §7.3.1).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::frame::{Continuation, Frame};
use crate::range::ByteRange;

/// The most messages of one peer that are begun and not whole.
const MAX_BEGUN: usize = 8;
/// How long the next chunk may take; RFC 7701 §6.1 advises about a TCP timeout.
const PATIENCE: Duration = Duration::from_secs(540);

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its Message-ID.
    pub id: String,
    /// Its Content-Type.
    pub content_type: String,
    /// Its content.
    pub body: Bytes,
}

/// What a chunk has led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assembled {
    /// This was the last of its message.
    Whole(Message),
    /// More has to come.
    Begun,
    /// The sender has given the message up.
    Aborted,
    /// Nothing: a SEND without content, to show that somebody is there.
    Empty,
    /// It is longer than allowed, or too many are begun: 413.
    TooLong,
    /// It cannot be read: 400.
    Malformed,
}

#[derive(Debug)]
struct Begun {
    content_type: String,
    bytes: Vec<u8>,
    /// Which bytes are there: from → to, exclusive, apart from each other.
    there: BTreeMap<usize, usize>,
    /// How long it is, once the last chunk has come.
    total: Option<usize>,
    last: Instant,
}

/// The messages of one peer.
#[derive(Debug)]
pub struct Assembler {
    max: usize,
    begun: BTreeMap<String, Begun>,
}

impl Assembler {
    /// Messages of at most `max` bytes each.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Assembler { max, begun: BTreeMap::new() }
    }

    /// Takes a SEND. Chunks may come in any order and overlap; the later one counts.
    pub fn take(&mut self, now: Instant, frame: &Frame) -> Assembled {
        self.begun.retain(|_, begun| now.saturating_duration_since(begun.last) < PATIENCE);
        let Some(id) = frame.header("Message-ID").filter(|id| is_ident(id)) else {
            return Assembled::Malformed;
        };
        let Some(body) = &frame.body else {
            self.begun.remove(id);
            return Assembled::Empty;
        };
        let range = match frame.header("Byte-Range").map(ByteRange::parse) {
            None => ByteRange { start: 1, end: None, total: None },
            Some(Some(range)) => range,
            Some(None) => return Assembled::Malformed,
        };
        if frame.continuation == Continuation::Aborted {
            self.begun.remove(id);
            return Assembled::Aborted;
        }
        let start = usize::try_from(range.start - 1).unwrap_or(usize::MAX);
        let end = start.saturating_add(body.len());
        let claimed = range.total.map(|total| usize::try_from(total).unwrap_or(usize::MAX));
        if end > self.max || claimed.is_some_and(|total| total > self.max) {
            self.begun.remove(id);
            return Assembled::TooLong;
        }
        let content_type = frame.header("Content-Type").unwrap_or_default();
        let complete = frame.continuation == Continuation::Complete;
        if start == 0 && complete {
            self.begun.remove(id);
            let (id, content_type) = (id.to_owned(), content_type.to_owned());
            return Assembled::Whole(Message { id, content_type, body: body.clone() });
        }
        if !self.begun.contains_key(id) && self.begun.len() >= MAX_BEGUN {
            return Assembled::TooLong;
        }
        let begun = self.begun.entry(id.to_owned()).or_insert_with(|| Begun {
            content_type: String::new(),
            bytes: Vec::new(),
            there: BTreeMap::new(),
            total: None,
            last: now,
        });
        begun.last = now;
        if begun.content_type.is_empty() {
            begun.content_type = content_type.to_owned();
        }
        begun.put(start, body);
        if complete {
            begun.total = Some(end);
        }
        if !begun.is_whole() {
            return Assembled::Begun;
        }
        let Some(mut begun) = self.begun.remove(id) else { return Assembled::Begun };
        begun.bytes.truncate(begun.total.unwrap_or_default());
        let (id, content_type) = (id.to_owned(), begun.content_type);
        Assembled::Whole(Message { id, content_type, body: begun.bytes.into() })
    }
}

impl Begun {
    fn put(&mut self, start: usize, body: &[u8]) {
        let end = start + body.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(place) = self.bytes.get_mut(start..end) {
            place.copy_from_slice(body);
        }
        if body.is_empty() {
            return;
        }
        let (mut from, mut to) = (start, end);
        let touched: Vec<(usize, usize)> = self
            .there
            .range(..=end)
            .filter(|(_, other)| **other >= start)
            .map(|(from, to)| (*from, *to))
            .collect();
        for (other_from, other_to) in touched {
            self.there.remove(&other_from);
            (from, to) = (from.min(other_from), to.max(other_to));
        }
        self.there.insert(from, to);
    }

    fn is_whole(&self) -> bool {
        let Some(total) = self.total else { return false };
        total == 0 || self.there.get(&0).is_some_and(|to| *to >= total)
    }
}

/// `ident` of the grammar (§9).
fn is_ident(text: &str) -> bool {
    let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let is_char = |b: u8| b.is_ascii_alphanumeric() || b".-+%=".contains(&b);
    begins && (4..=32).contains(&text.len()) && text.bytes().all(is_char)
}
