//! `/api/v1/history`: what has happened.

use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::shell::history::RecordJson;
use crate::shell::http::Services;
use crate::shell::http::caller::Caller;
use crate::shell::http::problem::Problem;
use crate::shell::moment::parse_rfc3339;
use crate::shell::store::{HistoryQuery, parse_kind};
use crate::shell::token::Scope;

/// Records of a page when nobody says how many, and the most there can be.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

/// What of the history is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// A conference's name, or the id of one meeting.
    conference: Option<String>,
    /// From then on (RFC 3339).
    since: Option<String>,
    /// Before then (RFC 3339).
    until: Option<String>,
    /// What happened; several with commas between.
    kind: Option<String>,
    /// Who did it, or to whom: a URI or its user part.
    person: Option<String>,
    /// Older than the record of this id: `next` of the page before.
    before: Option<i64>,
    /// Records of a page, 1 to 1000; 100 if left out.
    limit: Option<usize>,
}

/// A page of the history, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryPage {
    records: Vec<RecordJson>,
    /// Give it as `before` for the next page; null when this is the last.
    next: Option<i64>,
}

impl TryFrom<Wanted> for HistoryQuery {
    type Error = Problem;

    fn try_from(wanted: Wanted) -> Result<Self, Problem> {
        let time = |field: &str, text: Option<String>| {
            let parse = |text: String| {
                parse_rfc3339(&text).ok_or_else(|| {
                    Problem::bad(format!("{field}: a time such as 2026-11-22T10:00:00Z"))
                })
            };
            text.map(parse).transpose()
        };
        let kind = |name: &str| {
            parse_kind(name).ok_or_else(|| Problem::bad(format!("kind: there is no \"{name}\"")))
        };
        let limit = wanted.limit.unwrap_or(PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(Problem::bad("limit: 1 to 1000"));
        }
        let kinds = wanted.kind.iter().flat_map(|kinds| kinds.split(','));
        Ok(HistoryQuery {
            since: time("since", wanted.since)?,
            until: time("until", wanted.until)?,
            kinds: kinds.map(kind).collect::<Result<_, _>>()?,
            conference: wanted.conference,
            person: wanted.person,
            before: wanted.before,
            limit,
        })
    }
}

/// What has happened in conferences, the latest first.
#[utoipa::path(
    get, path = "/api/v1/history", tag = "history", params(Wanted),
    responses(
        (status = 200, body = HistoryPage),
        (status = 400, body = Problem),
        (status = 401, body = Problem),
        (status = 403, body = Problem),
    )
)]
pub(super) async fn list(
    caller: Caller,
    State(services): State<Services>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<HistoryPage>, Problem> {
    caller.may(Scope::History)?;
    let mut query = HistoryQuery::try_from(wanted)?;
    let limit = query.limit;
    // One more tells whether there is another page.
    query.limit += 1;
    let mut records = services.desk.ask(move |database| database.history(&query)).await?;
    let more = records.len() > limit;
    records.truncate(limit);
    let next = records.last().map(|(id, _)| *id).filter(|_| more);
    Ok(Json(HistoryPage { records: records.into_iter().map(RecordJson::from).collect(), next }))
}
