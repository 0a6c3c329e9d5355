//! Replaces and Join: a new INVITE names the dialog whose place it takes, or which it joins (RFC 3891
//! §6.1, RFC 3911 §7.1).

use super::grammar;
use super::headers::{HeaderError, Headers};
use super::params::Params;
use std::fmt;

/// A dialog as the receiver of the INVITE knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogRef {
    /// Its Call-ID.
    pub call_id: String,
    /// The tag the receiver chose; `0` also means none (a peer of RFC 2543).
    pub to_tag: String,
    /// The tag the receiver's peer chose; `0` also means none.
    pub from_tag: String,
    /// Replaces only: refuse if the dialog is confirmed already.
    pub early_only: bool,
}

impl DialogRef {
    /// Reads `call-id;to-tag=…;from-tag=…`, in any order, further parameters ignored. Both tags must
    /// be there exactly once.
    #[must_use]
    pub fn parse(text: &str) -> Option<DialogRef> {
        let (call_id, params) = text.split_once(';')?;
        let call_id = grammar::trim(call_id);
        let params = Params::parse(params)?;
        let tag = |name: &str| {
            let mut values = params.iter().filter(|param| param.name.eq_ignore_ascii_case(name));
            let value = values.next()?.value.clone().filter(|tag| grammar::is_token(tag))?;
            values.next().is_none().then_some(value)
        };
        let readable = !call_id.is_empty() && !call_id.contains([' ', '\t', ',']);
        readable.then_some(())?;
        Some(DialogRef {
            call_id: call_id.to_owned(),
            to_tag: tag("to-tag")?,
            from_tag: tag("from-tag")?,
            early_only: params.has("early-only"),
        })
    }

    /// The Replaces of a request.
    ///
    /// # Errors
    /// [`HeaderError`] if there is more than one or one that cannot be read, which is 400 (RFC 3891
    /// §3).
    pub fn replaces(headers: &Headers) -> Result<Option<DialogRef>, HeaderError> {
        Self::of(headers, "Replaces")
    }

    /// The Join of a request.
    ///
    /// # Errors
    /// As [`replaces`](Self::replaces) (RFC 3911 §4).
    pub fn join(headers: &Headers) -> Result<Option<DialogRef>, HeaderError> {
        Self::of(headers, "Join")
    }

    fn of(headers: &Headers, name: &'static str) -> Result<Option<DialogRef>, HeaderError> {
        let mut values = headers.get_all(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(HeaderError::Repeated(name)),
            (Some(text), None) => {
                DialogRef::parse(text).map(Some).ok_or(HeaderError::Malformed(name))
            }
        }
    }
}

impl fmt::Display for DialogRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The examples of RFC 3891 §6.1.
    #[test]
    fn examples_of_the_rfc() {
        let replaces = DialogRef::parse("98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff");
        let replaces = replaces.unwrap();
        assert_eq!(replaces.call_id, "98732@sip.example.com");
        assert_eq!((&*replaces.to_tag, &*replaces.from_tag), ("ff87ff", "r33th4x0r"));
        assert!(!replaces.early_only);
        let text = "87134@171.161.34.23;to-tag=24796;from-tag=0;early-only";
        let replaces = DialogRef::parse(text).unwrap();
        assert!(replaces.early_only);
        assert_eq!(replaces.to_string(), text);
        assert!(DialogRef::parse("12adf2f34456gs5;to-tag=12345;from-tag=54321;baz").is_some());
    }

    #[test]
    fn what_names_no_dialog() {
        for bad in [
            "",
            "a",
            ";to-tag=1;from-tag=2",
            "a;to-tag=1",
            "a;from-tag=1",
            "a;to-tag;from-tag=2",
            "a;to-tag=1;to-tag=2;from-tag=3",
            "a;to-tag=1;from-tag=\"x y\"",
            "a b;to-tag=1;from-tag=2",
            "a;to-tag=1;from-tag=2, b;to-tag=1;from-tag=2",
        ] {
            assert_eq!(DialogRef::parse(bad), None, "{bad}");
        }
        let mut headers = Headers::new();
        assert_eq!(DialogRef::join(&headers), Ok(None));
        headers.push("Join", "a;to-tag=1;from-tag=2");
        assert_eq!(DialogRef::join(&headers).unwrap().unwrap().call_id, "a");
        headers.push("Join", "b;to-tag=1;from-tag=2");
        assert_eq!(DialogRef::join(&headers), Err(HeaderError::Repeated("Join")));
        headers.push("Replaces", "b");
        assert_eq!(DialogRef::replaces(&headers), Err(HeaderError::Malformed("Replaces")));
    }
}
