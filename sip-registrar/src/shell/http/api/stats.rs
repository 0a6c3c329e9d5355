//! `/api/v1/meetings/{name}/stats`: how loud everybody is, and how media flow.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use mixer_control::{LegStats, LineStats, MixerError};
use serde::Serialize;
use sip_registrar::ConferenceName;
use utoipa::ToSchema;

use super::meetings::nowhere;
use crate::shell::http::Services;
use crate::shell::http::caller::Caller;
use crate::shell::http::problem::Problem;
use crate::shell::token::Scope;

/// The media of a member.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberStats {
    /// The member's id.
    id: String,
    /// What the others are shown.
    name: String,
    /// How loud it is now, in dBov: 0 is the loudest, -127 digital silence.
    level: i32,
    /// Whether it is in the mix now.
    speaking: bool,
    muted: bool,
    /// Whether it waits in the lobby.
    lobby: bool,
    /// Its streams.
    streams: Vec<StreamStats>,
}

/// A stream, over the last seconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamStats {
    /// audio or video
    medium: String,
    codec: String,
    /// How much of what the member sent was lost, in percent.
    loss_in: f64,
    /// How much of what we sent was lost, in percent, as the member reports it.
    loss_out: f64,
    /// Jitter of what the member sends, in milliseconds (RFC 3550).
    jitter_ms: f64,
    /// To the member and back, in milliseconds; null when unknown.
    rtt_ms: Option<f64>,
    /// From the member.
    kbit_in: f64,
    /// To the member.
    kbit_out: f64,
}

impl From<LegStats> for MemberStats {
    fn from(leg: LegStats) -> Self {
        MemberStats {
            id: leg.leg,
            name: leg.display_name,
            level: leg.level_dbov,
            speaking: leg.speaking,
            muted: leg.muted,
            lobby: leg.lobby,
            streams: leg.lines.into_iter().map(StreamStats::from).collect(),
        }
    }
}

impl From<LineStats> for StreamStats {
    fn from(line: LineStats) -> Self {
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        StreamStats {
            medium: line.medium,
            codec: line.codec,
            loss_in: tenth(line.loss_percent),
            loss_out: tenth(line.loss_out_percent),
            jitter_ms: tenth(line.jitter_ms),
            rtt_ms: (line.rtt_ms > 0.0).then(|| tenth(line.rtt_ms)),
            kbit_in: tenth(line.kbit_in),
            kbit_out: tenth(line.kbit_out),
        }
    }
}

/// How loud everybody is, and how media flow. Empty while nobody is in it.
#[utoipa::path(
    get, path = "/api/v1/meetings/{name}/stats", tag = "meetings",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = Vec<MemberStats>),
        (status = 401, body = Problem),
        (status = 404, body = Problem),
        (status = 503, body = Problem, description = "The media mixer does not answer"),
    )
)]
pub(super) async fn show(
    caller: Caller,
    State(services): State<Services>,
    Path(name): Path<ConferenceName>,
) -> Result<Json<Vec<MemberStats>>, Problem> {
    let actor = caller.may(Scope::MeetingsRead)?;
    let view = services.board.core(move |now, core| core.meeting(now, &actor, &name)).await?;
    let view = view.ok_or_else(nowhere)?;
    match services.mixer.stats(&view.id).await {
        Ok(legs) => Ok(Json(legs.into_iter().map(MemberStats::from).collect())),
        // The mixer forgets a conference when its last leg is gone.
        Err(MixerError::NotFound) => Ok(Json(Vec::new())),
        Err(error) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}
