//! What a token allows.

use std::fmt;

use clap::ValueEnum;

/// One thing that a token may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Scope {
    /// See all conferences, also hidden ones, their members and media.
    #[value(name = "meetings:read")]
    MeetingsRead,
    /// Make, change, moderate and cancel all conferences.
    #[value(name = "meetings:write")]
    MeetingsWrite,
    /// See, add and remove accounts, and set their passwords.
    Accounts,
    /// Read the history.
    History,
    /// Read /metrics and /doctor from other machines.
    Metrics,
}

impl Scope {
    /// The scope of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        <Scope as ValueEnum>::from_str(name, false).ok()
    }

    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Scope::MeetingsRead => "meetings:read",
            Scope::MeetingsWrite => "meetings:write",
            Scope::Accounts => "accounts",
            Scope::History => "history",
            Scope::Metrics => "metrics",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_one_name() {
        for scope in Scope::value_variants() {
            assert_eq!(Scope::parse(scope.as_str()), Some(*scope));
        }
        assert_eq!(Scope::parse("everything"), None);
    }
}
