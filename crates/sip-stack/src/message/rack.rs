//! RSeq and RAck, which number provisional responses that are sent reliably (RFC 3262 §7.1, §7.2).

use super::grammar;
use super::headers::{HeaderError, Headers};
use super::method::Method;
use std::fmt;

/// Which provisional response a PRACK acknowledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RAck {
    /// The RSeq of the response.
    pub rseq: u32,
    /// The number in its CSeq.
    pub cseq: u32,
    /// The method in its CSeq.
    pub method: Method,
}

impl RAck {
    /// Reads `response-number cseq-number method`.
    #[must_use]
    pub fn parse(text: &str) -> Option<RAck> {
        let mut parts = text.split_ascii_whitespace();
        let rseq = grammar::long_decimal(parts.next()?)?;
        let cseq = grammar::long_decimal(parts.next()?).filter(|number| *number < 1 << 31)?;
        let method = Method::from_token(parts.next()?)?;
        parts.next().is_none().then_some(RAck { rseq, cseq, method })
    }

    /// The RAck of a PRACK.
    ///
    /// # Errors
    /// [`HeaderError`] if there is none, more than one, or one that cannot be read.
    pub fn of(headers: &Headers) -> Result<RAck, HeaderError> {
        let mut values = headers.get_all("RAck");
        let text = values.next().ok_or(HeaderError::Missing("RAck"))?;
        if values.next().is_some() {
            return Err(HeaderError::Repeated("RAck"));
        }
        RAck::parse(text).ok_or(HeaderError::Malformed("RAck"))
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rseq, self.cseq, self.method)
    }
}

/// The RSeq of a response, 1 to 2³²-1; `None` if there is none or it cannot be read.
#[must_use]
pub fn rseq(headers: &Headers) -> Option<u32> {
    headers.get("RSeq").and_then(grammar::long_decimal).filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let rack = RAck::parse("776656 1 INVITE").unwrap();
        assert_eq!(rack, RAck { rseq: 776_656, cseq: 1, method: Method::Invite });
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        assert_eq!(RAck::parse("1 \t 2  INVITE"), RAck::parse("1 2 INVITE"));
    }

    #[test]
    fn what_is_no_rack() {
        for bad in ["", "1", "1 2", "1 2 INVITE x", "-1 2 INVITE", "1 2147483648 INVITE", "a b c"] {
            assert_eq!(RAck::parse(bad), None, "{bad}");
        }
        let mut headers = Headers::new();
        assert_eq!(RAck::of(&headers), Err(HeaderError::Missing("RAck")));
        headers.push("RAck", "1 2");
        assert_eq!(RAck::of(&headers), Err(HeaderError::Malformed("RAck")));
        headers.push("RAck", "1 2 INVITE");
        assert_eq!(RAck::of(&headers), Err(HeaderError::Repeated("RAck")));
    }

    #[test]
    fn numbers_of_responses() {
        let mut headers = Headers::new();
        for (text, number) in [("1", Some(1)), ("4294967295", Some(u32::MAX)), ("0", None)] {
            headers.insert("RSeq", text);
            assert_eq!(rseq(&headers), number);
        }
        headers.insert("RSeq", "4294967296");
        assert_eq!(rseq(&headers), None);
    }
}
