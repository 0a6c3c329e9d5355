//! `a=ssrc` (RFC 5576 §4.1).

use std::fmt;

use super::{TypedAttribute, split_word};

/// `a=ssrc:<id>[ <attribute>[:<value>]]`; Linphone leaves the attribute out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsrcAttribute {
    /// The synchronisation source.
    pub ssrc: u32,
    /// What is said about it, such as `cname`; empty when nothing is.
    pub attribute: String,
    /// The value behind the colon.
    pub value: Option<String>,
}

impl SsrcAttribute {
    /// `a=ssrc:<id> cname:<cname>`
    pub fn cname(ssrc: u32, cname: &str) -> Self {
        Self { ssrc, attribute: "cname".to_owned(), value: Some(cname.to_owned()) }
    }
}

impl TypedAttribute for SsrcAttribute {
    const NAME: &'static str = "ssrc";

    fn from_value(value: &str) -> Option<Self> {
        let (ssrc, rest) = split_word(value);
        let (attribute, value) = match rest.split_once(':') {
            Some((attribute, value)) => (attribute, Some(value.to_owned())),
            None => (rest, None),
        };
        Some(Self { ssrc: ssrc.parse().ok()?, attribute: attribute.to_owned(), value })
    }
}

impl fmt::Display for SsrcAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ssrc)?;
        if !self.attribute.is_empty() {
            write!(f, " {}", self.attribute)?;
        }
        self.value.as_ref().map_or(Ok(()), |value| write!(f, ":{value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for text in ["4063036093", "1444685817 cname:sip:bs@127.0.0.1:5060", "1 msid:a b"] {
            assert_eq!(SsrcAttribute::from_value(text).unwrap().to_string(), text);
        }
        let cname = SsrcAttribute::from_value("7 cname:sip:a@b").unwrap();
        assert_eq!(cname, SsrcAttribute::cname(7, "sip:a@b"));
        assert_eq!(SsrcAttribute::from_value("4294967296 cname:x"), None);
    }
}
