//! How the media of a leg is doing, in words for people.

use serde::{Deserialize, Serialize};

use crate::proto;

/// Whether media comes from a member on one m-line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flow {
    /// Not known: the other side is of a newer version.
    #[default]
    Unknown,
    /// It does.
    Flows,
    /// The line is new, or the member is there and says nothing: muted, camera off.
    Waits,
    /// It was agreed that none comes.
    Held,
    /// It should and does not, or cannot be used.
    Broken,
}

/// One m-line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineHealth {
    /// Index of the m-line.
    pub index: u32,
    /// `audio` or `video`.
    pub medium: String,
    /// Whether media comes.
    pub flow: Flow,
    /// Plain sentences, what is wrong first.
    pub findings: Vec<String>,
    /// What they rest on: addresses, counts.
    pub facts: Vec<String>,
}

/// One leg.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegHealth {
    /// As the focus names it.
    pub leg: String,
    /// What others are shown.
    pub display_name: String,
    /// Its m-lines in use.
    pub lines: Vec<LineHealth>,
}

impl From<Flow> for proto::line_health::Flow {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Unknown => Self::Unknown,
            Flow::Flows => Self::Flows,
            Flow::Waits => Self::Waits,
            Flow::Held => Self::Held,
            Flow::Broken => Self::Broken,
        }
    }
}

impl From<proto::line_health::Flow> for Flow {
    fn from(flow: proto::line_health::Flow) -> Self {
        use proto::line_health::Flow as Wire;
        match flow {
            Wire::Unknown => Self::Unknown,
            Wire::Flows => Self::Flows,
            Wire::Waits => Self::Waits,
            Wire::Held => Self::Held,
            Wire::Broken => Self::Broken,
        }
    }
}

impl From<LineHealth> for proto::LineHealth {
    fn from(line: LineHealth) -> Self {
        let LineHealth { index, medium, flow, findings, facts } = line;
        Self { index, medium, flow: proto::line_health::Flow::from(flow).into(), findings, facts }
    }
}

impl From<proto::LineHealth> for LineHealth {
    fn from(line: proto::LineHealth) -> Self {
        let flow = line.flow().into();
        let proto::LineHealth { index, medium, findings, facts, .. } = line;
        Self { index, medium, flow, findings, facts }
    }
}

impl From<LegHealth> for proto::LegHealth {
    fn from(leg: LegHealth) -> Self {
        let LegHealth { leg, display_name, lines } = leg;
        Self { leg, display_name, lines: lines.into_iter().map(Into::into).collect() }
    }
}

impl From<proto::LegHealth> for LegHealth {
    fn from(leg: proto::LegHealth) -> Self {
        let proto::LegHealth { leg, display_name, lines } = leg;
        Self { leg, display_name, lines: lines.into_iter().map(Into::into).collect() }
    }
}
