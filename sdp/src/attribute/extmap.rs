//! `a=extmap` (RFC 8285 §8).

use std::fmt;

use super::direction::Direction;
use super::{TypedAttribute, split_word};

/// `a=extmap:<id>[/<direction>] <uri>[ <attributes>]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtMap {
    /// 1..=14 fit into the one-byte form; 15 is reserved there.
    pub id: u16,
    /// `None` = that of the medium.
    pub direction: Option<Direction>,
    /// What the extension is.
    pub uri: String,
    /// Extension attributes, verbatim; mostly empty.
    pub attributes: String,
}

impl TypedAttribute for ExtMap {
    const NAME: &'static str = "extmap";

    fn from_value(value: &str) -> Option<Self> {
        let (id, rest) = split_word(value);
        let (uri, attributes) = split_word(rest);
        let (id, direction) = match id.split_once('/') {
            Some((id, direction)) => (id, Some(Direction::from_name(direction)?)),
            None => (id, None),
        };
        let id = id.parse().ok().filter(|&id| id > 0)?;
        (!uri.is_empty()).then(|| Self {
            id,
            direction,
            uri: uri.to_owned(),
            attributes: attributes.to_owned(),
        })
    }
}

impl fmt::Display for ExtMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(direction) = self.direction {
            write!(f, "/{}", direction.as_str())?;
        }
        write!(f, " {}", self.uri)?;
        if self.attributes.is_empty() { Ok(()) } else { write!(f, " {}", self.attributes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for text in [
            "1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            "2/sendrecv http://example.com/082005/ext.htm#xmeta short",
            "4096 http://example.com/a",
        ] {
            assert_eq!(ExtMap::from_value(text).unwrap().to_string(), text);
        }
        for bad in ["0 urn:x", "1", "1/both urn:x", "x urn:x"] {
            assert_eq!(ExtMap::from_value(bad), None, "{bad}");
        }
    }
}
