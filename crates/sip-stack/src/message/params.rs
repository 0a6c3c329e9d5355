//! `;name=value` parameters of URIs and headers (RFC 3261 §25.1 `generic-param`, `uri-parameter`).

use super::grammar;
use std::borrow::Cow;
use std::fmt;

/// One parameter as it stood on the wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Param {
    /// The name; compared without regard to case.
    pub name: String,
    /// The text after `=`, quotes included. `None` for a flag such as `lr` or `rport`.
    pub value: Option<String>,
}

/// Parameters in their order. Look-ups ignore the case of the name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Params(pub Vec<Param>);

impl Params {
    /// Reads `;a;b=c` or `a;b=c`; white space around `;` and `=` is dropped. `None` when a name is
    /// no token, a quote is not closed, or there are more than 64.
    pub(crate) fn parse(text: &str) -> Option<Params> {
        let text = grammar::trim(text);
        let text = text.strip_prefix(';').unwrap_or(text);
        let mut params = Vec::new();
        for piece in grammar::split_outside(text, b';') {
            if piece.is_empty() {
                continue; // `;;` and a trailing `;` are common slips that say nothing
            }
            let (name, value) = match piece.split_once('=') {
                Some((name, value)) => (grammar::trim(name), Some(grammar::trim(value))),
                None => (piece, None),
            };
            let closed = value.is_none_or(|v| {
                !v.starts_with('"') || grammar::quoted_len(v).is_some_and(|n| n == v.len())
            });
            // URI parameter names may also hold `[]/:&+$` (param-unreserved)
            let name_ok = !name.is_empty()
                && name.bytes().all(|b| grammar::is_token_byte(b) || b"[]/:&+$()".contains(&b));
            if !name_ok || !closed || params.len() >= 64 {
                return None;
            }
            params.push(Param { name: name.to_owned(), value: value.map(str::to_owned) });
        }
        Some(Params(params))
    }

    /// The first parameter called `name`.
    fn find(&self, name: &str) -> Option<&Param> {
        self.0.iter().find(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// Whether a parameter called `name` is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value of `name` as on the wire (a quoted string keeps its quotes).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name)?.value.as_deref()
    }

    /// The meaning of the value of `name`: quotes and escapes taken away.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(grammar::unquote)
    }

    /// Sets `name` to `value`, written as it is, replacing the first of that name.
    pub fn set(&mut self, name: &str, value: &str) {
        self.put(name, Some(value.to_owned()));
    }

    /// Sets `name` to `value` as a quoted string.
    pub fn set_quoted(&mut self, name: &str, value: &str) {
        self.put(name, Some(grammar::quote(value)));
    }

    /// Sets the flag `name`, which has no value.
    pub fn set_flag(&mut self, name: &str) {
        self.put(name, None);
    }

    /// Takes away every parameter called `name`.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|p| !p.name.eq_ignore_ascii_case(name));
    }

    /// The parameters in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, name: &str, value: Option<String>) {
        match self.0.iter_mut().find(|p| p.name.eq_ignore_ascii_case(name)) {
            Some(param) => param.value = value,
            None => self.0.push(Param { name: name.to_owned(), value }),
        }
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for param in &self.0 {
            write!(f, ";{}", param.name)?;
            if let Some(value) = &param.value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_flags_values_and_quotes() {
        let p = Params::parse(r#" ; lr ;q = 0.5; +sip.instance="<urn:uuid:1;2>" ; "#).unwrap();
        assert!(p.has("LR"));
        assert_eq!(p.get("Q"), Some("0.5"));
        assert_eq!(p.text("+sip.instance").as_deref(), Some("<urn:uuid:1;2>"));
        assert_eq!(p.to_string(), r#";lr;q=0.5;+sip.instance="<urn:uuid:1;2>""#);
        assert_eq!(Params::parse(r#"a="open"#), None);
        assert_eq!(Params::parse("a b=1"), None);
        assert_eq!(Params::parse(""), Some(Params::default()));
    }

    #[test]
    fn set_replaces_and_remove_takes_all() {
        let mut p = Params::parse("tag=1;x;TAG=2").unwrap();
        p.set("Tag", "3");
        assert_eq!(p.to_string(), ";tag=3;x;TAG=2");
        p.remove("tag");
        p.set_quoted("text", "a \"b\"");
        p.set_flag("lr");
        assert_eq!(p.to_string(), r#";x;text="a \"b\"";lr"#);
    }
}
