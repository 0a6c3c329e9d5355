//! `a=crypto` (RFC 4568 §9.1).

use std::fmt;

use super::{TypedAttribute, split_word};

/// `a=crypto:<tag> <suite> <key parameters>[ <session parameters>]`
///
/// Carries keys: its `Debug` form hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct Crypto {
    /// By which an answer names the one it takes.
    pub tag: u32,
    /// Such as `AES_CM_128_HMAC_SHA1_80`.
    pub suite: String,
    /// `inline:…` and what follows, verbatim.
    pub parameters: String,
}

impl TypedAttribute for Crypto {
    const NAME: &'static str = "crypto";

    fn from_value(value: &str) -> Option<Self> {
        let (tag, rest) = split_word(value);
        let (suite, parameters) = split_word(rest);
        (!parameters.is_empty()).then_some(())?;
        let tag = tag.parse().ok()?;
        Some(Self { tag, suite: suite.to_owned(), parameters: parameters.to_owned() })
    }
}

impl fmt::Display for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.tag, self.suite, self.parameters)
    }
}

impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crypto")
            .field("tag", &self.tag)
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_out_of_logs() {
        let text = "1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^20|1:32";
        let crypto = Crypto::from_value(text).unwrap();
        assert_eq!(crypto.to_string(), text);
        assert!(!format!("{crypto:?}").contains("c2VjcmV0"));
        assert_eq!(Crypto::from_value("1 AES_CM_128_HMAC_SHA1_80"), None);
    }
}
