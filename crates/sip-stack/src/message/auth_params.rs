//! The value of WWW-Authenticate, Authorization and their proxy twins: a scheme and a comma list of
//! `name=value` (RFC 3261 §20.7, RFC 7235 §2.1). What the values mean is `crate::auth`'s business.

use super::grammar;
use std::fmt;

/// A challenge or credentials as text.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthParams {
    /// The scheme, such as `Digest`.
    pub scheme: String,
    /// Names and values in their order.
    pub params: Vec<AuthParam>,
}

/// One `name=value`.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthParam {
    /// The name; compared without regard to case.
    pub name: String,
    /// The value without quotes and escapes.
    pub value: String,
    /// Whether it is written as a quoted string.
    pub quoted: bool,
}

/// Credentials must not get into logs, so only the names are shown.
impl fmt::Debug for AuthParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

impl fmt::Debug for AuthParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(&self.scheme).field("params", &self.params).finish()
    }
}

impl AuthParams {
    /// A value of `scheme` without parameters yet.
    pub fn new(scheme: &str) -> AuthParams {
        AuthParams { scheme: scheme.to_owned(), params: Vec::new() }
    }

    /// Reads one value. `None` when there is no scheme, a parameter has no `=`, or there are more
    /// than 32.
    pub fn parse(text: &str) -> Option<AuthParams> {
        let text = grammar::trim(text);
        let (scheme, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        if !grammar::is_token(scheme) {
            return None;
        }
        let mut value = AuthParams::new(scheme);
        for piece in grammar::split_outside(rest, b',') {
            if piece.is_empty() {
                continue;
            }
            let (name, text) = piece.split_once('=')?;
            let (name, text) = (grammar::trim(name), grammar::trim(text));
            let quoted = text.starts_with('"');
            let closed = !quoted || grammar::quoted_len(text) == Some(text.len());
            if !grammar::is_token(name) || !closed || value.params.len() >= 32 {
                return None;
            }
            let (name, text) = (name.to_owned(), grammar::unquote(text).into_owned());
            value.params.push(AuthParam { name, value: text, quoted });
        }
        Some(value)
    }

    /// The first value called `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.params.iter().find(|p| p.name.eq_ignore_ascii_case(name))?;
        Some(&found.value)
    }

    /// Adds `name="value"`.
    #[must_use]
    pub fn quoted(mut self, name: &str, value: &str) -> AuthParams {
        self.params.push(AuthParam { name: name.into(), value: value.into(), quoted: true });
        self
    }

    /// Adds `name=value`, for values that are tokens.
    #[must_use]
    pub fn token(mut self, name: &str, value: &str) -> AuthParams {
        self.params.push(AuthParam { name: name.into(), value: value.into(), quoted: false });
        self
    }
}

impl fmt::Display for AuthParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        for (at, AuthParam { name, value, quoted }) in self.params.iter().enumerate() {
            f.write_str(if at == 0 { " " } else { ", " })?;
            match quoted {
                true => write!(f, "{name}={}", grammar::quote(value))?,
                false => write!(f, "{name}={value}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        let text = r#" Digest username="a,\"b", realm="lab",qop=auth ,nc=00000001"#;
        let auth = AuthParams::parse(text).unwrap();
        assert_eq!(auth.get("USERNAME"), Some("a,\"b"));
        assert_eq!(auth.get("nc"), Some("00000001"));
        let printed = r#"Digest username="a,\"b", realm="lab", qop=auth, nc=00000001"#;
        assert_eq!(auth.to_string(), printed);
        assert!(!format!("{auth:?}").contains("lab"));
        assert_eq!(AuthParams::parse("Digest a"), None);
        assert_eq!(AuthParams::parse("Digest a=\"x"), None);
        assert_eq!(AuthParams::parse(""), None);
    }
}
