//! `a=label` (RFC 4574).

use std::fmt;

use super::TypedAttribute;

/// The sender's name for one stream, unique in a description; the roster refers to it (RFC 4575).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label(pub String);

impl TypedAttribute for Label {
    const NAME: &'static str = "label";

    fn from_value(value: &str) -> Option<Self> {
        let is_token = !value.is_empty() && !value.contains(char::is_whitespace);
        is_token.then(|| Self(value.to_owned()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_token() {
        assert_eq!(Label::from_value("a-1").unwrap().to_string(), "a-1");
        assert_eq!(Label::from_value(""), None);
        assert_eq!(Label::from_value("a b"), None);
    }
}
