//! `a=fmtp` (RFC 8866 §6.15), and what the formats of this house say by it.

mod events;
mod opus;
mod vp8;

use std::fmt;

use super::{TypedAttribute, split_word};

pub use events::Events;
pub use opus::OpusParameters;
pub use vp8::Vp8Parameters;

/// `a=fmtp:<format> <parameters>`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fmtp {
    /// Payload type, 0..=127.
    pub payload_type: u8,
    /// What the format takes.
    pub parameters: FormatParameters,
}

impl TypedAttribute for Fmtp {
    const NAME: &'static str = "fmtp";

    fn from_value(value: &str) -> Option<Self> {
        let (payload_type, parameters) = split_word(value);
        Some(Self {
            payload_type: payload_type.parse().ok().filter(|&number| number < 128)?,
            parameters: FormatParameters::new(parameters),
        })
    }
}

impl fmt::Display for Fmtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.payload_type, self.parameters)
    }
}

/// Parameters of a format as written, mostly `key=value;key=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormatParameters(String);

impl FormatParameters {
    /// Takes the text behind the payload type.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a parameter; names are compared without regard to case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .split(';')
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.get(name)?.parse().ok()
    }

    fn switch(&self, name: &str) -> bool {
        self.get(name) == Some("1")
    }
}

impl fmt::Display for FormatParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_need_not_be_pairs() {
        let fmtp = Fmtp::from_value("101 0-15").unwrap();
        assert_eq!(fmtp.parameters.as_str(), "0-15");
        assert_eq!(fmtp.parameters.get("0-15"), None);
        assert_eq!(fmtp.to_string(), "101 0-15");
        assert_eq!(Fmtp::from_value("x 0-15"), None);
    }
}
