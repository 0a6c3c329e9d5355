//! `/api/v1/meetings`: conferences.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use sip_registrar::{Act, ConferenceName, Denied, MeetingWish, Whom};
use utoipa::ToSchema;

use super::view::MeetingJson;
use super::wish::WishJson;
use crate::shell::escape::escape;
use crate::shell::http::Services;
use crate::shell::http::caller::Caller;
use crate::shell::http::problem::Problem;
use crate::shell::token::Scope;

/// Whom to call.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Invitation {
    /// A SIP URI.
    uri: String,
}

/// What can be done to a conference as a whole.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    /// Let nobody else in.
    Lock,
    /// Let people in again.
    Unlock,
    /// Mute everybody but moderators.
    Mute,
    /// Let everybody talk again.
    Unmute,
    /// Let all in who wait.
    Admit,
}

/// The conferences that the caller may see.
#[utoipa::path(
    get, path = "/api/v1/meetings", tag = "meetings",
    responses((status = 200, body = Vec<MeetingJson>), (status = 401, body = Problem))
)]
pub(super) async fn list(
    caller: Caller,
    State(services): State<Services>,
) -> Result<Json<Vec<MeetingJson>>, Problem> {
    let actor = caller.may(Scope::MeetingsRead)?;
    let found = services.board.core(move |now, core| core.meetings(now, &actor)).await?;
    Ok(Json(found.into_iter().map(MeetingJson::from).collect()))
}

/// Make a conference.
#[utoipa::path(
    post, path = "/api/v1/meetings", tag = "meetings", request_body = WishJson,
    responses(
        (status = 201, body = MeetingJson, headers(("location" = String))),
        (status = 400, body = Problem),
        (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 409, body = Problem, description = "There is one of this name"),
    )
)]
pub(super) async fn create(
    caller: Caller,
    State(services): State<Services>,
    Json(wish): Json<WishJson>,
) -> Result<impl IntoResponse, Problem> {
    let actor = caller.may_create()?;
    let wish = MeetingWish::try_from(wish)?;
    let made = services.board.core(move |now, core| {
        let created = core.create_meeting(now, &actor, wish)?;
        Ok::<_, Denied>((core.meeting(now, &actor, &created.name), created.name))
    });
    let (view, name) = made.await??;
    let view = view.ok_or_else(|| Problem::not_found("it was made and is gone"))?;
    let location = format!("/api/v1/meetings/{}", escape(name.as_str()));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(MeetingJson::from(view))))
}

/// One conference.
#[utoipa::path(
    get, path = "/api/v1/meetings/{name}", tag = "meetings",
    params(("name" = String, Path)),
    responses((status = 200, body = MeetingJson), (status = 401, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn show(
    caller: Caller,
    State(services): State<Services>,
    Path(name): Path<ConferenceName>,
) -> Result<Json<MeetingJson>, Problem> {
    let actor = caller.may(Scope::MeetingsRead)?;
    let found = services.board.core(move |now, core| core.meeting(now, &actor, &name)).await?;
    found.map(|view| Json(view.into())).ok_or_else(nowhere)
}

/// Change what was agreed about a conference.
#[utoipa::path(
    patch, path = "/api/v1/meetings/{name}", tag = "meetings", request_body = WishJson,
    params(("name" = String, Path)),
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
    Path(name): Path<ConferenceName>,
    Json(wish): Json<WishJson>,
) -> Result<Json<MeetingJson>, Problem> {
    let wish = MeetingWish::try_from(wish)?;
    if wish.name.is_some() {
        return Err(Problem::bad("name: a conference keeps the name that it was made with"));
    }
    perform(caller, &services, name, Act::Change(Box::new(wish))).await
}

/// End a conference for all, now. Who dials it later is told that it is gone.
#[utoipa::path(
    delete, path = "/api/v1/meetings/{name}", tag = "meetings",
    params(("name" = String, Path)),
    responses(
        (status = 204),
        (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem),
    )
)]
pub(super) async fn cancel(
    caller: Caller,
    State(services): State<Services>,
    Path(name): Path<ConferenceName>,
) -> Result<StatusCode, Problem> {
    let actor = caller.may(Scope::MeetingsWrite)?;
    services.board.core(move |now, core| core.act(now, &actor, &name, Act::Cancel)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Lock or unlock a conference, mute or unmute everybody, admit all who wait.
#[utoipa::path(
    post, path = "/api/v1/meetings/{name}/{action}", tag = "moderation",
    params(("name" = String, Path), ("action" = Action, Path)),
    responses(
        (status = 200, body = MeetingJson),
        (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem),
    )
)]
pub(super) async fn act(
    caller: Caller,
    State(services): State<Services>,
    Path((name, action)): Path<(ConferenceName, String)>,
) -> Result<Json<MeetingJson>, Problem> {
    let action = serde_json::from_value(action.into());
    let action =
        action.map_err(|_| Problem::not_found("lock, unlock, mute, unmute, admit or invite"))?;
    let act = match action {
        Action::Lock => Act::Lock(true),
        Action::Unlock => Act::Lock(false),
        Action::Mute => Act::Mute(Whom::Everybody, true),
        Action::Unmute => Act::Mute(Whom::Everybody, false),
        Action::Admit => Act::Admit(Whom::Everybody),
    };
    perform(caller, &services, name, act).await
}

/// Call somebody into a conference. It is told by the member's state whether they come.
#[utoipa::path(
    post, path = "/api/v1/meetings/{name}/invite", tag = "moderation", request_body = Invitation,
    params(("name" = String, Path)),
    responses(
        (status = 200, body = MeetingJson),
        (status = 400, body = Problem),
        (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem),
    )
)]
pub(super) async fn invite(
    caller: Caller,
    State(services): State<Services>,
    Path(name): Path<ConferenceName>,
    Json(invitation): Json<Invitation>,
) -> Result<Json<MeetingJson>, Problem> {
    perform(caller, &services, name, Act::DialOut(invitation.uri)).await
}

/// Does something and shows what has become of the conference.
pub(super) async fn perform(
    caller: Caller,
    services: &Services,
    name: ConferenceName,
    act: Act,
) -> Result<Json<MeetingJson>, Problem> {
    let actor = caller.may(Scope::MeetingsWrite)?;
    let done = services.board.core(move |now, core| {
        core.act(now, &actor, &name, act)?;
        Ok::<_, Denied>(core.meeting(now, &actor, &name))
    });
    done.await??.map(|view| Json(view.into())).ok_or_else(nowhere)
}

/// 404
pub(super) fn nowhere() -> Problem {
    Problem::not_found("there is no such conference, or it is none of yours")
}
