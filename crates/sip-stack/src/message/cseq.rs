//! CSeq (RFC 3261 §20.16).

use super::grammar;
use super::method::Method;
use std::fmt;

/// A sequence number and the method it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CSeq {
    /// Below 2³¹ (RFC 3261 §8.1.1.5).
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl CSeq {
    /// Reads `number method`. A number of 2³¹ or more is refused (RFC 4475 §3.1.2.4).
    pub fn parse(text: &str) -> Option<CSeq> {
        let (number, method) = grammar::trim(text).split_once([' ', '\t'])?;
        let number = grammar::long_decimal(number).filter(|n| *n < 1 << 31)?;
        Some(CSeq { number, method: Method::from_token(grammar::trim(method))? })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_methods() {
        let cseq = CSeq::parse("0000000000000000000000000009 \t INVITE").unwrap();
        assert_eq!(cseq, CSeq { number: 9, method: Method::Invite });
        assert_eq!(cseq.to_string(), "9 INVITE");
        assert!(CSeq::parse("2147483647 ACK").is_some());
        for bad in ["2147483648 ACK", "36893488147419103232 INVITE", "INVITE", "1", "-1 ACK", ""] {
            assert_eq!(CSeq::parse(bad), None, "{bad}");
        }
    }
}
