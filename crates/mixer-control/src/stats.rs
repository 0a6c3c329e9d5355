//! How loud, how well and how much: numbers of a leg for who watches a meeting.

use serde::{Deserialize, Serialize};

use crate::proto;

/// One leg, now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LegStats {
    /// As the focus names it.
    pub leg: String,
    /// What others are shown.
    pub display_name: String,
    /// Muted by the focus.
    pub muted: bool,
    /// It waits in the lobby.
    pub lobby: bool,
    /// How loud it is now, in dBov as RFC 6464 counts: 0 is the loudest, -127 digital silence.
    pub level_dbov: i32,
    /// It is in the mix now.
    pub speaking: bool,
    /// Its m-lines in use.
    pub lines: Vec<LineStats>,
}

/// One m-line, over the last seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LineStats {
    /// Index of the m-line.
    pub index: u32,
    /// `audio` or `video`.
    pub medium: String,
    /// As SDP names it, such as `opus`.
    pub codec: String,
    /// How much of what the member sent was lost, 0 to 100.
    pub loss_percent: f64,
    /// Interarrival jitter of what the member sends (RFC 3550 §6.4.1), milliseconds.
    pub jitter_ms: f64,
    /// Media from the member, kbit/s with RTP headers.
    pub kbit_in: f64,
    /// Media to the member, kbit/s with RTP headers.
    pub kbit_out: f64,
    /// How much of what we sent was lost, as the member reports it (RFC 3550 §6.4.1), 0 to 100.
    pub loss_out_percent: f64,
    /// To the member and back, milliseconds; 0 when unknown.
    pub rtt_ms: f64,
}

impl From<LineStats> for proto::LineStats {
    fn from(line: LineStats) -> Self {
        let LineStats {
            index,
            medium,
            codec,
            loss_percent,
            jitter_ms,
            kbit_in,
            kbit_out,
            loss_out_percent,
            rtt_ms,
        } = line;
        Self {
            index,
            medium,
            codec,
            loss_percent,
            jitter_ms,
            kbit_in,
            kbit_out,
            loss_out_percent,
            rtt_ms,
        }
    }
}

impl From<proto::LineStats> for LineStats {
    fn from(line: proto::LineStats) -> Self {
        let proto::LineStats {
            index,
            medium,
            codec,
            loss_percent,
            jitter_ms,
            kbit_in,
            kbit_out,
            loss_out_percent,
            rtt_ms,
        } = line;
        Self {
            index,
            medium,
            codec,
            loss_percent,
            jitter_ms,
            kbit_in,
            kbit_out,
            loss_out_percent,
            rtt_ms,
        }
    }
}

impl From<LegStats> for proto::LegStats {
    fn from(stats: LegStats) -> Self {
        let LegStats { leg, display_name, muted, lobby, level_dbov, speaking, lines } = stats;
        let lines = lines.into_iter().map(Into::into).collect();
        Self { leg, display_name, muted, lobby, level_dbov, speaking, lines }
    }
}

impl From<proto::LegStats> for LegStats {
    fn from(stats: proto::LegStats) -> Self {
        let proto::LegStats { leg, display_name, muted, lobby, level_dbov, speaking, lines } =
            stats;
        let lines = lines.into_iter().map(Into::into).collect();
        Self { leg, display_name, muted, lobby, level_dbov, speaking, lines }
    }
}
