//! Request methods (RFC 3261 §7.1). Names are case-sensitive; unknown ones are kept.

use std::fmt;

/// A request method. Two methods are equal only if they are spelled the same, case included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// INVITE (RFC 3261).
    Invite,
    /// ACK (RFC 3261).
    Ack,
    /// BYE (RFC 3261).
    Bye,
    /// CANCEL (RFC 3261).
    Cancel,
    /// OPTIONS (RFC 3261).
    Options,
    /// REGISTER (RFC 3261).
    Register,
    /// PRACK (RFC 3262).
    Prack,
    /// UPDATE (RFC 3311).
    Update,
    /// INFO (RFC 6086).
    Info,
    /// SUBSCRIBE (RFC 6665).
    Subscribe,
    /// NOTIFY (RFC 6665).
    Notify,
    /// PUBLISH (RFC 3903).
    Publish,
    /// REFER (RFC 3515).
    Refer,
    /// MESSAGE (RFC 3428).
    Message,
    /// Any other token; RFC 3261 §8.2.1 answers it with 405.
    Other(String),
}

const NAMES: [(Method, &str); 14] = [
    (Method::Invite, "INVITE"),
    (Method::Ack, "ACK"),
    (Method::Bye, "BYE"),
    (Method::Cancel, "CANCEL"),
    (Method::Options, "OPTIONS"),
    (Method::Register, "REGISTER"),
    (Method::Prack, "PRACK"),
    (Method::Update, "UPDATE"),
    (Method::Info, "INFO"),
    (Method::Subscribe, "SUBSCRIBE"),
    (Method::Notify, "NOTIFY"),
    (Method::Publish, "PUBLISH"),
    (Method::Refer, "REFER"),
    (Method::Message, "MESSAGE"),
];

impl Method {
    /// The method called `name`; a name that is no token of the grammar is `None`.
    pub fn from_token(name: &str) -> Option<Method> {
        if let Some((method, _)) = NAMES.iter().find(|(_, n)| *n == name) {
            return Some(method.clone());
        }
        super::grammar::is_token(name).then(|| Method::Other(name.to_owned()))
    }

    /// The name as it stands in a request line.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Other(name) => name,
            known => NAMES.iter().find(|(m, _)| m == known).map_or("", |(_, name)| name),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_case_sensitive_and_extensions_are_kept() {
        assert_eq!(Method::from_token("INVITE"), Some(Method::Invite));
        assert_eq!(Method::from_token("invite"), Some(Method::Other("invite".into())));
        assert_eq!(Method::from_token("FOO.1~"), Some(Method::Other("FOO.1~".into())));
        assert_eq!(Method::from_token("A B"), None);
        assert_eq!(Method::from_token(""), None);
        for (method, name) in NAMES {
            assert_eq!(method.to_string(), name);
        }
    }
}
