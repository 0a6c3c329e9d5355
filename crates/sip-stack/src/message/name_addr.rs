//! `name-addr` and `addr-spec` with header parameters: From, To, Contact, Route and their like
//! (RFC 3261 §20.10).

use super::grammar;
use super::params::Params;
use super::uri::Uri;
use std::fmt;

/// A URI with an optional display name and header parameters. Printed with angle brackets always.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameAddr {
    /// The display name without quotes and escapes.
    pub display_name: Option<String>,
    /// The URI.
    pub uri: Uri,
    /// Parameters after `>`, such as `tag`, `expires`, `isfocus`.
    pub params: Params,
}

impl NameAddr {
    /// `<uri>` without name or parameters.
    pub fn new(uri: Uri) -> NameAddr {
        NameAddr { display_name: None, uri, params: Params::default() }
    }

    /// Reads one value. Without angle brackets all parameters belong to the header, not to the URI
    /// (RFC 3261 §20.10).
    pub fn parse(text: &str) -> Option<NameAddr> {
        let text = grammar::trim(text);
        let (name, rest) = match grammar::quoted_len(text) {
            Some(end) => {
                let (quoted, rest) = text.split_at_checked(end)?;
                (Some(grammar::unquote(quoted).into_owned()), grammar::trim(rest))
            }
            None if text.starts_with('"') => return None,
            None => match text.find('<') {
                Some(at) => {
                    let (name, rest) = text.split_at_checked(at)?;
                    let name = grammar::trim(name);
                    ((!name.is_empty()).then(|| name.to_owned()), rest)
                }
                None => {
                    let (uri, params) = text.split_once(';').unwrap_or((text, ""));
                    if uri.contains(['?', ',']) {
                        return None; // such a URI must be in brackets
                    }
                    let uri = Uri::parse(uri)?;
                    let params = Params::parse(params)?;
                    return Some(NameAddr { display_name: None, uri, params });
                }
            },
        };
        let (uri, params) = rest.strip_prefix('<')?.split_once('>')?;
        let params = grammar::trim(params);
        if !params.is_empty() && !params.starts_with(';') {
            return None;
        }
        let params = Params::parse(params)?;
        Some(NameAddr { display_name: name, uri: Uri::parse(uri)?, params })
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// This value with header parameter `name` set to `value`.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> NameAddr {
        self.params.set(name, value);
        self
    }

    /// This value with the flag `name` set, such as `isfocus`.
    #[must_use]
    pub fn with_flag(mut self, name: &str) -> NameAddr {
        self.params.set_flag(name);
        self
    }

    /// This value with a display name.
    #[must_use]
    pub fn with_display_name(mut self, name: &str) -> NameAddr {
        self.display_name = Some(name.to_owned());
        self
    }
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> NameAddr {
        NameAddr::new(uri)
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display_name {
            write!(f, "{} ", grammar::quote(name))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_an_address() {
        let cases = [
            ("sip:a@h;tag=1", "<sip:a@h>;tag=1"),
            ("<sip:a@h;lr>;x", "<sip:a@h;lr>;x"),
            ("A B <sip:a@h> ; tag = 1", "\"A B\" <sip:a@h>;tag=1"),
            ("\"A \\\"<B>\\\"\"<sip:a@h>", "\"A \\\"<B>\\\"\" <sip:a@h>"),
            ("\"\" <sip:a@h>", "\"\" <sip:a@h>"),
        ];
        for (text, printed) in cases {
            let address = NameAddr::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(address.to_string(), printed);
        }
        for bad in
            ["", "<sip:a@h", "\"open <sip:a@h>", "<sip:a@h> x", "sip:a@h?x=1", "\"A\" sip:a@h"]
        {
            assert_eq!(NameAddr::parse(bad), None, "{bad}");
        }
    }
}
