//! `a=content` (RFC 4796 §5).

use std::fmt;

use super::TypedAttribute;

/// What a stream shows: `slides`, `speaker`, `sl`, `main`, `alt`, or a token RFC 4796 does not know,
/// such as Linphone's `thumbnail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content(pub Vec<String>);

impl TypedAttribute for Content {
    const NAME: &'static str = "content";

    fn from_value(value: &str) -> Option<Self> {
        let tokens: Vec<String> = value.split(',').map(|token| token.trim().to_owned()).collect();
        let well_formed =
            tokens.iter().all(|token| !token.is_empty() && !token.contains(char::is_whitespace));
        well_formed.then_some(Self(tokens))
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_list_of_tokens() {
        let content = Content::from_value("slides, main").unwrap();
        assert_eq!(content, Content(vec!["slides".into(), "main".into()]));
        assert_eq!(content.to_string(), "slides,main");
        assert_eq!(Content::from_value(""), None);
        assert_eq!(Content::from_value("main,,alt"), None);
    }
}
