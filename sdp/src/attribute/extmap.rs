//! `a=extmap` (RFC 8285 §8).

use std::fmt;
use std::ops::RangeInclusive;

use super::direction::Direction;
use super::{TypedAttribute, split_word};

/// How loud the packet is, client to mixer (RFC 6464).
pub const SSRC_AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// How loud each contributor of the packet is, mixer to client (RFC 6465).
pub const CSRC_AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:csrc-audio-level";

/// The ids a one-byte header extension can carry (RFC 8285 §4.2): 0 is padding, 15 ends parsing.
pub const USABLE_IDS: RangeInclusive<u16> = 1..=14;
/// Ids that stand for "more than fit, or one of these": the answerer gives those it takes a usable id
/// (RFC 8285 §7).
pub const NEGOTIATION_IDS: RangeInclusive<u16> = 4096..=4351;

/// `a=extmap:<id>[/<direction>] <uri>[ <attributes>]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtMap {
    /// See [`USABLE_IDS`] and [`NEGOTIATION_IDS`].
    pub id: u16,
    /// `None` = that of the medium.
    pub direction: Option<Direction>,
    /// What the extension is.
    pub uri: String,
    /// Extension attributes, verbatim; mostly empty.
    pub attributes: String,
}

impl ExtMap {
    /// Whether the extension has this attribute, as in `vad=off`.
    pub fn has_attribute(&self, attribute: &str) -> bool {
        self.attributes.split_whitespace().any(|word| word.eq_ignore_ascii_case(attribute))
    }
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
