//! `a=ice-ufrag`, `a=ice-pwd`, `a=ice-options` (RFC 8839 §5.4, §5.6) and the flags beside them.

use std::fmt;

use super::TypedAttribute;

/// `a=ice-lite` (RFC 8839 §5.3): the whole description is of an agent that makes no checks.
pub const ICE_LITE: &str = "ice-lite";
/// `a=ice-mismatch` (RFC 8839 §5.3): the offer's addresses had been changed on the way, ICE is not used.
pub const ICE_MISMATCH: &str = "ice-mismatch";
/// `a=end-of-candidates` (RFC 8838 §8.2): no more of them will come.
pub const END_OF_CANDIDATES: &str = "end-of-candidates";

/// `a=ice-ufrag`: who is meant by a connectivity check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceUfrag(pub String);

/// `a=ice-pwd`: what a connectivity check is signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct IcePwd(pub String);

/// `a=ice-options`: a list of words such as `ice2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceOptions(pub Vec<String>);

impl fmt::Debug for IcePwd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IcePwd(…)")
    }
}

/// Whether this is `least` to 256 characters of those that RFC 8839 §5.4 calls ice-char.
fn is_ice_text(text: &str, least: usize) -> bool {
    (least..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

impl TypedAttribute for IceUfrag {
    const NAME: &'static str = "ice-ufrag";

    fn from_value(value: &str) -> Option<Self> {
        is_ice_text(value, 4).then(|| Self(value.to_owned()))
    }
}

impl fmt::Display for IceUfrag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TypedAttribute for IcePwd {
    const NAME: &'static str = "ice-pwd";

    fn from_value(value: &str) -> Option<Self> {
        is_ice_text(value, 22).then(|| Self(value.to_owned()))
    }
}

impl fmt::Display for IcePwd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TypedAttribute for IceOptions {
    const NAME: &'static str = "ice-options";

    fn from_value(value: &str) -> Option<Self> {
        let words: Vec<String> = value.split_whitespace().map(str::to_owned).collect();
        (!words.is_empty()).then_some(Self(words))
    }
}

impl fmt::Display for IceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8839 §4.6 and §5.4
    #[test]
    fn known_answers() {
        assert_eq!(IceUfrag::from_value("8hhY").unwrap().to_string(), "8hhY");
        let pwd = IcePwd::from_value("asd88fgpdd777uzjYhagZg").unwrap();
        assert_eq!(pwd.to_string(), "asd88fgpdd777uzjYhagZg");
        assert_eq!(format!("{pwd:?}"), "IcePwd(…)");
        assert_eq!(IceOptions::from_value("ice2 rtp+ecn").unwrap().to_string(), "ice2 rtp+ecn");
    }

    #[test]
    fn what_is_too_short_or_of_other_characters_is_refused() {
        assert_eq!(IceUfrag::from_value("abc"), None);
        assert_eq!(IceUfrag::from_value("ab:cd"), None);
        assert_eq!(IceUfrag::from_value(&"a".repeat(257)), None);
        assert_eq!(IcePwd::from_value("asd88fgpdd777uzjYhagZ"), None);
        assert_eq!(IcePwd::from_value("asd88fgpdd777uzjYhag Zg"), None);
        assert_eq!(IceOptions::from_value("  "), None);
    }
}
