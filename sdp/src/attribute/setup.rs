//! `a=setup` (RFC 4145 §4), which side opens the DTLS association.

use std::fmt;

use super::TypedAttribute;

/// Role in the set-up of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Opens it.
    Active,
    /// Waits for it.
    Passive,
    /// Can do both; only in offers.
    ActPass,
    /// Not now.
    HoldConn,
}

impl Setup {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }
}

impl TypedAttribute for Setup {
    const NAME: &'static str = "setup";

    fn from_value(value: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn]
            .into_iter()
            .find(|setup| setup.as_str().eq_ignore_ascii_case(value))
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for text in ["active", "passive", "actpass", "holdconn"] {
            assert_eq!(Setup::from_value(text).unwrap().to_string(), text);
        }
        assert_eq!(Setup::from_value("neither"), None);
    }
}
