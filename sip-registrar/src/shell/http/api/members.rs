//! `/api/v1/meetings/{name}/members`: those who are in a conference.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use sip_registrar::{Act, ConferenceName, Denied, MemberRole, Whom};
use utoipa::ToSchema;

use super::meetings::nowhere;
use super::view::MeetingJson;
use crate::shell::http::Services;
use crate::shell::http::caller::Caller;
use crate::shell::http::problem::Problem;
use crate::shell::token::Scope;

/// What is to become of a member. What is left out stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MemberWish {
    /// true lets somebody in who waits.
    admitted: Option<bool>,
    /// Whether it is muted.
    muted: Option<bool>,
    /// participant, moderator or organizer.
    #[schema(value_type = Option<String>)]
    role: Option<MemberRole>,
}

impl MemberWish {
    /// What is to be done, in this order.
    fn acts(&self, id: &str) -> Result<Vec<Act>, Problem> {
        let whom = || Whom::Member(id.to_owned());
        let mut acts = Vec::new();
        match self.admitted {
            Some(true) => acts.push(Act::Admit(whom())),
            Some(false) => return Err(Problem::bad("admitted: DELETE removes a member")),
            None => {}
        }
        acts.extend(self.muted.map(|muted| Act::Mute(whom(), muted)));
        acts.extend(self.role.map(|role| Act::Role(whom(), role)));
        match acts.is_empty() {
            true => Err(Problem::bad("say admitted, muted or role")),
            false => Ok(acts),
        }
    }
}

/// Mute or unmute a member, give it another role, admit it. If one of several is refused, those named before
/// it in the description are done.
#[utoipa::path(
    patch, path = "/api/v1/meetings/{name}/members/{id}", tag = "moderation", request_body = MemberWish,
    params(("name" = String, Path), ("id" = String, Path)),
    responses(
        (status = 200, body = MeetingJson),
        (status = 400, body = Problem),
        (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem),
    )
)]
pub(super) async fn change(
    caller: Caller,
    State(services): State<Services>,
    Path((name, id)): Path<(ConferenceName, String)>,
    Json(wish): Json<MemberWish>,
) -> Result<Json<MeetingJson>, Problem> {
    let actor = caller.may(Scope::MeetingsWrite)?;
    let acts = wish.acts(&id)?;
    let done = services.board.core(move |now, core| {
        for act in acts {
            core.act(now, &actor, &name, act)?;
        }
        Ok::<_, Denied>(core.meeting(now, &actor, &name))
    });
    done.await??.map(|view| Json(view.into())).ok_or_else(nowhere)
}

/// Remove a member.
#[utoipa::path(
    delete, path = "/api/v1/meetings/{name}/members/{id}", tag = "moderation",
    params(("name" = String, Path), ("id" = String, Path)),
    responses(
        (status = 204),
        (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem),
    )
)]
pub(super) async fn kick(
    caller: Caller,
    State(services): State<Services>,
    Path((name, id)): Path<(ConferenceName, String)>,
) -> Result<StatusCode, Problem> {
    let actor = caller.may(Scope::MeetingsWrite)?;
    let kick = Act::Kick(Whom::Member(id));
    services.board.core(move |now, core| core.act(now, &actor, &name, kick)).await??;
    Ok(StatusCode::NO_CONTENT)
}
