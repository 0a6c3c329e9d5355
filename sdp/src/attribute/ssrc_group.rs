//! `a=ssrc-group` (RFC 5576 §4.2).

use std::fmt;

use super::{TypedAttribute, split_word};

/// `a=ssrc-group:<semantics> <ssrc>…`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsrcGroup {
    /// What the group is for: `FID` = the second repeats packets of the first (RFC 4588 §8.8).
    pub semantics: String,
    /// Its members, in the order that has a meaning.
    pub ssrcs: Vec<u32>,
}

/// More members than any semantics has a use for; the rest is not read.
const MAX_MEMBERS: usize = 32;

impl SsrcGroup {
    /// A source and the one that repeats its packets.
    pub fn retransmission(ssrc: u32, rtx: u32) -> Self {
        Self { semantics: "FID".to_owned(), ssrcs: vec![ssrc, rtx] }
    }

    /// A source and the one that repeats its packets, if that is what the group says.
    pub fn as_retransmission(&self) -> Option<(u32, u32)> {
        match self.ssrcs.as_slice() {
            [ssrc, rtx] if self.semantics.eq_ignore_ascii_case("FID") => Some((*ssrc, *rtx)),
            _ => None,
        }
    }
}

impl TypedAttribute for SsrcGroup {
    const NAME: &'static str = "ssrc-group";

    fn from_value(value: &str) -> Option<Self> {
        let (semantics, members) = split_word(value);
        let members = members.split_whitespace().take(MAX_MEMBERS);
        let ssrcs = members.map(|ssrc| ssrc.parse().ok()).collect::<Option<Vec<u32>>>()?;
        let semantics = semantics.to_owned();
        (!semantics.is_empty()).then_some(Self { semantics, ssrcs })
    }
}

impl fmt::Display for SsrcGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantics)?;
        self.ssrcs.iter().try_for_each(|ssrc| write!(f, " {ssrc}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for text in ["FID 2231627014 632943048", "SIM 1 2 3", "FID"] {
            assert_eq!(SsrcGroup::from_value(text).unwrap().to_string(), text);
        }
        let pair = SsrcGroup::from_value("FID 7 8").unwrap();
        assert_eq!(pair, SsrcGroup::retransmission(7, 8));
        assert_eq!(pair.as_retransmission(), Some((7, 8)));
        assert_eq!(SsrcGroup::from_value("SIM 7 8").unwrap().as_retransmission(), None);
        assert_eq!(SsrcGroup::from_value("FID 7 8 9").unwrap().as_retransmission(), None);
        assert_eq!(SsrcGroup::from_value("FID x"), None);
    }
}
