//! Why an offer leads to nothing at all.

use std::fmt;

use thiserror::Error;

use super::line::{NegotiatedLine, Refusal};

/// No line of the offer can be accepted: 488 with a Warning header (RFC 3261 §21.4.26, §20.43).
///
/// Displays as `<code> <text>`, the parts of a Warning value but the agent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{code} {text}")]
pub struct Reject {
    /// The warn-code.
    pub code: WarningCode,
    /// For people.
    pub text: String,
}

impl Reject {
    /// `None` if an audio or video line was accepted, or none was `wanted` (RFC 3264 §5: an offer may
    /// have no streams, or only disabled ones); else the most telling reason.
    pub(super) fn unless_accepted(wanted: bool, lines: &[NegotiatedLine]) -> Option<Self> {
        if !wanted || lines.iter().any(|line| line.media.is_ok()) {
            return None;
        }
        let because = |refusal| lines.iter().any(|line| line.media == Err(refusal));
        let (code, text) = if because(Refusal::Codec) {
            (WarningCode::IncompatibleMediaFormat, "Incompatible media format: no codec in common")
        } else if because(Refusal::AddressFamily) {
            (
                WarningCode::IncompatibleNetworkAddressFormats,
                "Incompatible network address formats: no address of that family here",
            )
        } else if because(Refusal::Profile) {
            (
                WarningCode::IncompatibleTransportProtocol,
                "Incompatible transport protocol: only RTP/AVP and RTP/AVPF are supported",
            )
        } else {
            (
                WarningCode::MediaTypeNotAvailable,
                "Media type not available: no audio or video stream to use",
            )
        };
        Some(Self { code, text: text.to_owned() })
    }
}

/// warn-code of RFC 3261 §20.43, as far as descriptions give rise to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningCode {
    /// 301
    IncompatibleNetworkAddressFormats,
    /// 302
    IncompatibleTransportProtocol,
    /// 304
    MediaTypeNotAvailable,
    /// 305
    IncompatibleMediaFormat,
}

impl WarningCode {
    /// The number.
    pub fn number(self) -> u16 {
        match self {
            Self::IncompatibleNetworkAddressFormats => 301,
            Self::IncompatibleTransportProtocol => 302,
            Self::MediaTypeNotAvailable => 304,
            Self::IncompatibleMediaFormat => 305,
        }
    }
}

impl fmt::Display for WarningCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}
