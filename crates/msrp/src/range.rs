//! Which bytes of a message a chunk holds: Byte-Range (RFC 4975 §7.1.1).

use std::fmt;

/// `start-end/total`; the first byte is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte of this chunk, from 1.
    pub start: u64,
    /// The last one; `None` (`*`) when that is open until the chunk has ended.
    pub end: Option<u64>,
    /// How long the message is; `None` (`*`) when nobody knows yet.
    pub total: Option<u64>,
}

impl ByteRange {
    /// Reads the value of the header field.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let number = |text: &str| -> Option<Option<u64>> {
            if text == "*" {
                return Some(None);
            }
            text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?.map(Some)
        };
        let start = number(start)?.filter(|start| *start > 0)?;
        Some(ByteRange { start, end: number(end)?, total: number(total)? })
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = |number: Option<u64>| number.map_or("*".to_owned(), |number| number.to_string());
        write!(f, "{}-{}/{}", self.start, open(self.end), open(self.total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_written() {
        for text in ["1-39/39", "1-*/*", "4-8/10", "1-0/0", "1-*/25"] {
            assert_eq!(ByteRange::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "1",
            "1-2",
            "*-2/3",
            "0-2/3",
            "1-2/x",
            "1--2/3",
            "+1-2/3",
            "1-99999999999999999999/3",
        ] {
            assert_eq!(ByteRange::parse(bad), None, "{bad}");
        }
    }
}
