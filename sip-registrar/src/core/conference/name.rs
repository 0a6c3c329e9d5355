//! Conference names: the user part of `sip:NAME@host`, as people type it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name, in characters.
const MAX_LENGTH: usize = 64;

/// A conference name that may stand in a URI, a log line and on a screen.
///
/// Names are compared byte for byte, as user parts are (RFC 3261 §19.1.4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConferenceName(String);

impl ConferenceName {
    /// The name from a user part whose escapes are undone. `None` when it is empty, longer than
    /// 64 characters, or holds white space or something that cannot be printed.
    #[must_use]
    pub fn parse(user: &str) -> Option<Self> {
        let printable = |c: char| !c.is_control() && !c.is_whitespace() && !is_invisible(c);
        let length = user.chars().count();
        ((1..=MAX_LENGTH).contains(&length) && user.chars().all(printable))
            .then(|| ConferenceName(user.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ConferenceName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        ConferenceName::parse(&text).ok_or("a conference name has 1 to 64 printable characters")
    }
}

impl From<ConferenceName> for String {
    fn from(name: ConferenceName) -> Self {
        name.0
    }
}

impl fmt::Display for ConferenceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters that print as nothing or turn the text around: two names could look the same.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

/// What others are shown for a member: the display name of From, or else its user part, without
/// what cannot be printed and at most 64 characters (it travels in RTCP SDES, RFC 3550 §6.5.2, where
/// 255 bytes are the end).
#[must_use]
pub fn sanitise_display_name(display_name: Option<&str>, user: &str) -> String {
    let clean = |text: &str| -> String {
        text.chars()
            .map(|c| if c.is_whitespace() { ' ' } else { c })
            .filter(|c| !c.is_control() && !is_invisible(*c))
            .collect::<String>()
            .trim()
            .chars()
            .take(MAX_LENGTH - 1)
            .collect()
    };
    let name = display_name.map(clean).unwrap_or_default();
    if !name.is_empty() {
        return cut(name);
    }
    match clean(user) {
        user if user.is_empty() => "guest".to_owned(),
        user => cut(user),
    }
}

/// At most 255 bytes, at a character's edge.
fn cut(mut text: String) -> String {
    let mut end = text.len().min(255);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_printable() {
        for good in ["a", "weekly", "Zoé", "会议", "+49-30", &"x".repeat(64)] {
            assert!(ConferenceName::parse(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "a\u{0}", "a\r\nb", "a\u{200b}", &"x".repeat(65)] {
            assert!(ConferenceName::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn display_names_are_made_harmless() {
        assert_eq!(sanitise_display_name(Some("Alice"), "a"), "Alice");
        assert_eq!(sanitise_display_name(Some("  "), "alice"), "alice");
        assert_eq!(sanitise_display_name(None, ""), "guest");
        assert_eq!(sanitise_display_name(Some("A\u{202e}l\u{0}i\nce"), ""), "Ali ce");
        let long = sanitise_display_name(Some(&"长".repeat(200)), "");
        assert!(long.len() <= 255 && long.chars().count() == 63);
    }
}
