//! `a=rtcp-fb` (RFC 4585 §4.2).

use std::fmt;

use super::{TypedAttribute, split_word};

/// `a=rtcp-fb:<payload type or *> <feedback>`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpFb {
    /// `None` = `*`, every payload type of the medium.
    pub payload_type: Option<u8>,
    /// What may be sent back.
    pub feedback: Feedback,
}

/// A feedback message the stating side can send and understand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feedback {
    /// `nack`: generic NACK (RFC 4585 §6.2.1)
    Nack,
    /// `nack pli`: picture loss (RFC 4585 §6.3.1)
    NackPli,
    /// `ccm fir`: full intra request (RFC 5104 §4.3.1)
    CcmFir,
    /// `ccm tmmbr` (RFC 5104 §4.2.1)
    CcmTmmbr,
    /// `goog-remb`: receiver's estimate of the bandwidth
    GoogRemb,
    /// `transport-cc`
    TransportCc,
    /// Anything else, as written.
    Other(String),
}

impl Feedback {
    /// As written in the attribute.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Nack => "nack",
            Self::NackPli => "nack pli",
            Self::CcmFir => "ccm fir",
            Self::CcmTmmbr => "ccm tmmbr",
            Self::GoogRemb => "goog-remb",
            Self::TransportCc => "transport-cc",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for Feedback {
    fn from(text: &str) -> Self {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["nack"] => Self::Nack,
            ["nack", "pli"] => Self::NackPli,
            ["ccm", "fir"] => Self::CcmFir,
            // RFC 5104 §7.1 lets `smaxpr=<n>` follow; we send no such limit.
            ["ccm", "tmmbr", ..] => Self::CcmTmmbr,
            ["goog-remb"] => Self::GoogRemb,
            ["transport-cc"] => Self::TransportCc,
            _ => Self::Other(words.join(" ")),
        }
    }
}

impl fmt::Display for Feedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TypedAttribute for RtcpFb {
    const NAME: &'static str = "rtcp-fb";

    fn from_value(value: &str) -> Option<Self> {
        let (payload_type, feedback) = split_word(value);
        let payload_type = match payload_type {
            "*" => None,
            number => Some(number.parse().ok().filter(|&number| number < 128)?),
        };
        (!feedback.is_empty()).then(|| Self { payload_type, feedback: feedback.into() })
    }
}

impl fmt::Display for RtcpFb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload_type {
            Some(payload_type) => write!(f, "{payload_type} {}", self.feedback),
            None => write!(f, "* {}", self.feedback),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for (text, payload_type, feedback) in [
            ("* nack pli", None, Feedback::NackPli),
            ("96 nack", Some(96), Feedback::Nack),
            ("96 ccm fir", Some(96), Feedback::CcmFir),
            ("* trr-int 5000", None, Feedback::Other("trr-int 5000".into())),
            ("97 nack sli", Some(97), Feedback::Other("nack sli".into())),
        ] {
            let parsed = RtcpFb::from_value(text).unwrap();
            assert_eq!(parsed, RtcpFb { payload_type, feedback });
            assert_eq!(parsed.to_string(), text);
        }
        assert_eq!(RtcpFb::from_value("96"), None);
        assert_eq!(RtcpFb::from_value("x nack"), None);
    }
}
