//! Header values of the form `value;name=value…`: Event, Subscription-State, Content-Type, Reason.

use super::grammar;
use super::params::Params;
use std::fmt;

/// A value with parameters, as in `Event: refer;id=8` or `Subscription-State: active;expires=59`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value {
    /// The part before the first `;`, trimmed.
    pub value: String,
    /// The parameters.
    pub params: Params,
}

impl Value {
    /// A value without parameters.
    pub fn new(value: &str) -> Value {
        Value { value: value.to_owned(), params: Params::default() }
    }

    /// Reads one value.
    pub fn parse(text: &str) -> Option<Value> {
        let (value, params) = text.split_once(';').unwrap_or((text, ""));
        let value = grammar::trim(value).to_owned();
        Some(Value { value, params: Params::parse(params)? })
    }

    /// Whether the value is `name`, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.value.eq_ignore_ascii_case(name)
    }

    /// This value with parameter `name` set to `value`.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Value {
        self.params.set(name, value);
        self
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.value, self.params)
    }
}

/// A media type (RFC 3261 §20.15). `==` ignores case of the names because both are kept in lower
/// case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaType {
    /// For example `application`, lower case.
    pub kind: String,
    /// For example `sdp`, lower case.
    pub subtype: String,
    /// For example `charset=UTF-8`.
    pub params: Params,
}

impl MediaType {
    /// Reads one media type; blanks around `/` are allowed.
    pub fn parse(text: &str) -> Option<MediaType> {
        let Value { value, params } = Value::parse(text)?;
        let (kind, subtype) = value.split_once('/')?;
        let (kind, subtype) = (grammar::trim(kind), grammar::trim(subtype));
        let ok = grammar::is_token(kind) && grammar::is_token(subtype);
        let (kind, subtype) = (kind.to_ascii_lowercase(), subtype.to_ascii_lowercase());
        ok.then_some(MediaType { kind, subtype, params })
    }

    /// Whether this is `name`, such as `application/sdp`, whatever the parameters.
    pub fn is(&self, name: &str) -> bool {
        name.split_once('/').is_some_and(|(kind, subtype)| {
            self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
        })
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

/// A Reason value (RFC 3326): why a call was ended or cancelled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason {
    /// `SIP` or `Q.850`.
    pub protocol: String,
    /// The status code or Q.850 cause.
    pub cause: Option<u32>,
    /// A text for people.
    pub text: Option<String>,
}

impl Reason {
    /// `SIP;cause=…;text="…"`.
    pub fn sip(cause: u32, text: &str) -> Reason {
        Reason { protocol: "SIP".into(), cause: Some(cause), text: Some(text.to_owned()) }
    }

    /// Reads one value.
    pub fn parse(text: &str) -> Option<Reason> {
        let Value { value, params } = Value::parse(text)?;
        Some(Reason {
            protocol: grammar::is_token(&value).then_some(value)?,
            cause: params.get("cause").and_then(grammar::long_decimal),
            text: params.text("text").map(|t| t.into_owned()),
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        self.text.as_ref().map_or(Ok(()), |text| write!(f, ";text={}", grammar::quote(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_types_and_reasons() {
        let event = Value::parse("Refer ; id=8").unwrap();
        assert!(event.is("refer") && event.params.get("id") == Some("8"));
        let media = MediaType::parse("Text / Plain;charset=UTF-8").unwrap();
        assert!(media.is("text/plain"));
        assert_eq!(media.to_string(), "text/plain;charset=UTF-8");
        assert_eq!(MediaType::parse("text"), None);
        let reason = Reason::sip(200, "removed by \"host\"");
        assert_eq!(reason.to_string(), r#"SIP;cause=200;text="removed by \"host\"""#);
        assert_eq!(Reason::parse(&reason.to_string()), Some(reason));
        assert_eq!(Reason::parse("Q.850 ;cause=16").unwrap().cause, Some(16));
    }
}
