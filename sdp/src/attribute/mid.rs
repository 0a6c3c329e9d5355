//! `a=mid` (RFC 5888 §4).

use std::fmt;

use super::TypedAttribute;

/// The identification of a medium in groupings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mid(pub String);

impl TypedAttribute for Mid {
    const NAME: &'static str = "mid";

    fn from_value(value: &str) -> Option<Self> {
        let is_token = !value.is_empty() && !value.contains(char::is_whitespace);
        is_token.then(|| Self(value.to_owned()))
    }
}

impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_token() {
        assert_eq!(Mid::from_value("a-1").unwrap().to_string(), "a-1");
        assert_eq!(Mid::from_value(""), None);
        assert_eq!(Mid::from_value("a b"), None);
    }
}
