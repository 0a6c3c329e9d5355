//! Text in a path.

/// What is no letter or digit, as `%XX` (RFC 3986 §2.1).
pub(crate) fn escape(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_survives_the_way_over_http() {
        assert_eq!(escape("a-1.2_Z"), "a-1.2_Z");
        assert_eq!(escape("x@[::1]/ é"), "x%40%5B%3A%3A1%5D%2F%20%C3%A9");
    }
}
