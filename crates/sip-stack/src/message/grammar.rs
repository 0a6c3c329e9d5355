//! Pieces of the RFC 3261 §25.1 grammar that every header shares: tokens, quoted strings, lists.

use std::borrow::Cow;

/// Whether `byte` may stand in a `token`.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// Whether `text` is a non-empty `token`.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Cuts white space of the grammar (blank, tab and what is left of a fold) from both ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// Splits `text` at each `separator` that stands outside quoted strings and angle brackets.
/// Pieces are trimmed; empty ones are kept.
pub(crate) fn split_outside(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match find_outside(text, separator) {
            Some(at) => {
                rest = text.get(at + 1..);
                text.get(..at).map(trim)
            }
            None => {
                rest = None;
                Some(trim(text))
            }
        }
    })
}

/// The first `wanted` outside quoted strings and angle brackets. An unclosed quote or bracket
/// reaches to the end of the text.
pub(crate) fn find_outside(text: &str, wanted: u8) -> Option<usize> {
    let mut quoted = false;
    let mut angle = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if quoted {
            match byte {
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
        } else if !angle && byte == wanted {
            return Some(at);
        } else {
            match byte {
                b'"' if !angle => quoted = true,
                b'<' => angle = true,
                b'>' => angle = false,
                _ => {}
            }
        }
    }
    None
}

/// The length of the quoted string `text` begins with, both quotes included.
pub(crate) fn quoted_len(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    if bytes.next()?.1 != b'"' {
        return None;
    }
    let mut escaped = false;
    for (at, byte) in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The meaning of a token or quoted string: quotes and `\` taken away.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(out)
}

/// `text` as a quoted string. Line ends become blanks: they cannot be written inside quotes, and a
/// caller's text must never begin a new header.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\r' | '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A decimal number of at most ten digits with nothing else around it.
pub(crate) fn decimal(text: &str) -> Option<u32> {
    if text.is_empty() || text.len() > 10 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A decimal number that may have any count of leading zeros.
pub(crate) fn long_decimal(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches('0');
    match digits.is_empty() {
        true => (!text.is_empty()).then_some(0),
        false => decimal(digits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_respect_quotes_and_brackets() {
        let parts: Vec<_> =
            split_outside(r#""a, \"b" <sip:x,y@h>;q=1 , sip:z,"" ,"#, b',').collect();
        assert_eq!(parts, [r#""a, \"b" <sip:x,y@h>;q=1"#, "sip:z", r#""""#, ""]);
        assert_eq!(split_outside("\"open, end", b',').count(), 1);
    }

    #[test]
    fn quoting_round_trips() {
        for text in ["", "plain", "with \"quotes\" and \\", "ünïcode"] {
            assert_eq!(unquote(&quote(text)), text);
        }
        assert_eq!(quote("a\r\nVia: x"), "\"a  Via: x\"");
        assert_eq!(quoted_len(r#""a\"b" rest"#), Some(6));
        assert_eq!(quoted_len(r#""open"#), None);
    }

    #[test]
    fn numbers_are_bounded() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("4294967295"), Some(u32::MAX));
        for bad in ["", "4294967296", "00000000001", "+1", "-1", " 1", "1x"] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
    }
}
