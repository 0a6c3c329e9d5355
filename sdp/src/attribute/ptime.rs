//! `a=ptime` and `a=maxptime` (RFC 8866 §6.4, §6.5).

use std::fmt;

use super::TypedAttribute;

/// How long a packet the stating side likes to receive, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ptime(pub u32);

/// The longest packet the stating side takes, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPtime(pub u32);

impl TypedAttribute for Ptime {
    const NAME: &'static str = "ptime";

    fn from_value(value: &str) -> Option<Self> {
        milliseconds(value).map(Self)
    }
}

impl TypedAttribute for MaxPtime {
    const NAME: &'static str = "maxptime";

    fn from_value(value: &str) -> Option<Self> {
        milliseconds(value).map(Self)
    }
}

/// RFC 8866 allows fractions (`non-zero-int-or-real`); they are cut off.
fn milliseconds(value: &str) -> Option<u32> {
    let whole = value.split('.').next().unwrap_or_default();
    whole.parse().ok().filter(|&milliseconds| milliseconds > 0)
}

impl fmt::Display for Ptime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MaxPtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_positive_milliseconds() {
        assert_eq!(Ptime::from_value("20"), Some(Ptime(20)));
        assert_eq!(Ptime::from_value("22.5"), Some(Ptime(22)));
        assert_eq!(Ptime::from_value("0"), None);
        assert_eq!(MaxPtime::from_value("-1"), None);
        assert_eq!(MaxPtime(60).to_string(), "60");
    }
}
