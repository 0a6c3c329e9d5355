//! `/api/v1/accounts`: accounts of the database. Those of the configuration file are shown and stay as they
//! are.

use std::time::SystemTime;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::shell::account::check_user;
use crate::shell::http::Services;
use crate::shell::http::caller::Caller;
use crate::shell::http::problem::Problem;
use crate::shell::moment::rfc3339;
use crate::shell::store::AccountRow;
use crate::shell::token::Scope;

/// The longest password and the longest name, in bytes.
const MAX_PASSWORD: usize = 1024;
const MAX_NAME: usize = 256;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct AccountJson {
    /// The user part of its SIP URI, and the user name of its logins.
    user: String,
    /// What people call the user; may be empty.
    name: String,
    /// Where it is kept: database or configuration.
    source: &'static str,
    /// Its password is good in this realm only.
    realm: String,
    /// When it was made; null for one of the configuration.
    #[schema(format = DateTime)]
    created: Option<String>,
}

/// An account that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// The user part of its SIP URI.
    user: String,
    /// Only its hashes are kept.
    password: String,
    /// What people call the user.
    #[serde(default)]
    name: String,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// Only its hashes are kept.
    password: String,
}

/// All accounts.
#[utoipa::path(
    get, path = "/api/v1/accounts", tag = "accounts",
    responses((status = 200, body = Vec<AccountJson>), (status = 401, body = Problem), (status = 403, body = Problem))
)]
pub(super) async fn list(
    caller: Caller,
    State(services): State<Services>,
) -> Result<Json<Vec<AccountJson>>, Problem> {
    caller.may(Scope::Accounts)?;
    let rows = services.desk.ask(|database| database.accounts()).await?;
    let configured = services.config.accounts.iter().map(|entry| AccountJson {
        user: entry.user.clone(),
        name: String::new(),
        source: "configuration",
        realm: services.config.sip.realm.clone(),
        created: None,
    });
    let kept = rows.into_iter().map(|row| AccountJson {
        created: Some(rfc3339(row.created)),
        user: row.user,
        name: row.name,
        source: "database",
        realm: row.realm,
    });
    Ok(Json(configured.chain(kept).collect()))
}

/// Give somebody an account. It is good when the answer comes.
#[utoipa::path(
    post, path = "/api/v1/accounts", tag = "accounts", request_body = NewAccount,
    responses(
        (status = 201),
        (status = 400, body = Problem),
        (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 409, body = Problem, description = "There is one"),
    )
)]
pub(super) async fn add(
    caller: Caller,
    State(services): State<Services>,
    Json(wanted): Json<NewAccount>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Accounts)?;
    check_user(&wanted.user, &services.config.conference)
        .map_err(|error| Problem::bad(error.to_string()))?;
    if wanted.name.len() > MAX_NAME || wanted.name.contains(char::is_control) {
        return Err(Problem::bad("name: at most 256 bytes, and no control characters"));
    }
    let row = row(&services, &wanted.user, &wanted.password, &wanted.name)?;
    match services.desk.change(move |database| database.add_account(&row)).await? {
        true => Ok(StatusCode::CREATED),
        false => Err(Problem::conflict("there is an account of this user")),
    }
}

/// Give an account another password.
#[utoipa::path(
    put, path = "/api/v1/accounts/{user}/password", tag = "accounts", request_body = NewPassword,
    params(("user" = String, Path)),
    responses(
        (status = 204),
        (status = 400, body = Problem),
        (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem),
    )
)]
pub(super) async fn change_password(
    caller: Caller,
    State(services): State<Services>,
    Path(user): Path<String>,
    Json(wanted): Json<NewPassword>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Accounts)?;
    let row = row(&services, &user, &wanted.password, "")?;
    match services.desk.change(move |database| database.change_password(&row)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(nobody()),
    }
}

/// Take an account away. Its phones are unregistered at once; calls that stand go on.
#[utoipa::path(
    delete, path = "/api/v1/accounts/{user}", tag = "accounts",
    params(("user" = String, Path)),
    responses(
        (status = 204),
        (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem),
    )
)]
pub(super) async fn remove(
    caller: Caller,
    State(services): State<Services>,
    Path(user): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Accounts)?;
    match services.desk.change(move |database| database.remove_account(&user)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(nobody()),
    }
}

fn row(services: &Services, user: &str, password: &str, name: &str) -> Result<AccountRow, Problem> {
    if password.is_empty() || password.len() > MAX_PASSWORD {
        return Err(Problem::bad("password: 1 to 1024 bytes"));
    }
    if services.config.accounts.iter().any(|entry| entry.user == user) {
        let detail =
            "this account stands in the configuration file, which counts more; change it there";
        return Err(Problem::conflict(detail));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(AccountRow::new(user, &services.config.sip.realm, password, name, now))
}

fn nobody() -> Problem {
    Problem::not_found("there is no such account in the database")
}
