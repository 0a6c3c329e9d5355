//! By what the others know a member's streams: what a roster shows (RFC 4575 `media`).

use crate::proto;

/// One m-line of a member that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// Index of the m-line.
    pub index: u32,
    /// `audio` or `video`.
    pub medium: String,
    /// The CSRC by which others see the member's stream (RFC 4575 `src-id`); `None` before its
    /// first packet.
    pub ssrc: Option<u32>,
    /// What was agreed on, whether or not the member is muted.
    pub direction: LineDirection,
    /// `a=label` (RFC 4574) of a line that shows just this stream; stays for as long as the leg is
    /// there.
    pub label: String,
}

/// Which way media goes, as the member sees it (RFC 4575 §5.8.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LineDirection {
    /// Neither way.
    #[default]
    Inactive,
    /// The member only sends.
    SendOnly,
    /// The member only receives.
    RecvOnly,
    /// Both ways.
    SendRecv,
}

impl LineDirection {
    /// From what the member does.
    #[must_use]
    pub fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the member sends.
    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Self::SendOnly | Self::SendRecv)
    }

    /// Whether the member receives.
    #[must_use]
    pub fn receives(self) -> bool {
        matches!(self, Self::RecvOnly | Self::SendRecv)
    }

    /// The word of SDP and of a roster (RFC 4575 `status`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::SendRecv => "sendrecv",
        }
    }
}

impl From<LineDirection> for proto::source_line::Direction {
    fn from(direction: LineDirection) -> Self {
        match direction {
            LineDirection::Inactive => Self::Inactive,
            LineDirection::SendOnly => Self::Sendonly,
            LineDirection::RecvOnly => Self::Recvonly,
            LineDirection::SendRecv => Self::Sendrecv,
        }
    }
}

impl From<proto::source_line::Direction> for LineDirection {
    fn from(direction: proto::source_line::Direction) -> Self {
        use proto::source_line::Direction as Wire;
        match direction {
            Wire::Inactive => Self::Inactive,
            Wire::Sendonly => Self::SendOnly,
            Wire::Recvonly => Self::RecvOnly,
            Wire::Sendrecv => Self::SendRecv,
        }
    }
}

impl From<SourceLine> for proto::SourceLine {
    fn from(line: SourceLine) -> Self {
        let SourceLine { index, medium, ssrc, direction, label } = line;
        let direction = proto::source_line::Direction::from(direction).into();
        Self { index, medium, ssrc, direction, label }
    }
}

impl From<proto::SourceLine> for SourceLine {
    fn from(line: proto::SourceLine) -> Self {
        let direction = line.direction().into();
        let proto::SourceLine { index, medium, ssrc, label, .. } = line;
        Self { index, medium, ssrc, direction, label }
    }
}
