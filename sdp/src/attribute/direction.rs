//! `a=sendrecv|sendonly|recvonly|inactive` (RFC 8866 §6.7).

/// Which way media flow, seen from whoever states it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Both ways; what a stream without a direction has (RFC 3264 §5.1).
    #[default]
    SendRecv,
    /// The stating side only sends.
    SendOnly,
    /// The stating side only receives.
    RecvOnly,
    /// Nothing flows, though RTCP does.
    Inactive,
}

impl Direction {
    /// From "does it send" and "does it receive".
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// By the attribute's name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether the stating side sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the stating side receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow seen from the other side (RFC 3264 §6.1).
    #[must_use]
    pub fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{self, *};

    /// RFC 3264 §6.1: what may be answered to what.
    #[test]
    fn reversal_and_intersection() {
        for (offered, willing, answered) in [
            (SendRecv, SendRecv, SendRecv),
            (SendOnly, SendRecv, RecvOnly),
            (RecvOnly, SendRecv, SendOnly),
            (Inactive, SendRecv, Inactive),
            (SendRecv, RecvOnly, RecvOnly),
            (RecvOnly, RecvOnly, Inactive),
            (SendOnly, SendOnly, Inactive),
        ] {
            assert_eq!(offered.reversed().and(willing), answered);
            assert_eq!(Direction::from_name(offered.as_str()), Some(offered));
        }
        assert_eq!(Direction::from_name("both"), None);
    }
}
