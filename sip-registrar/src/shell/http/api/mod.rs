//! The HTTP interface, version 1: conferences, their members, accounts, history; and its description
//! (OpenAPI), which is made of the same declarations as the routes.

mod accounts;
#[allow(unused_qualifications, reason = "utoipa writes them")]
mod history;
mod meetings;
mod members;
mod stats;
mod view;
mod wish;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{any, get};
use axum::{Json, Router, middleware};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Services, problem};

/// The longest body, in bytes: a conference with some thousand invited.
const MAX_BODY: usize = 64 * 1024;

/// What the document says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Parley",
        description = "Conferences of a SIP registrar: see, make, moderate and cancel them. Times are RFC 3339. Refusals \
                       are application/problem+json (RFC 9457). Programs of the registrar's machine may look at public \
                       conferences without a token; a guest who has made a conference shows the secret that it got then in \
                       the header Organizer-Secret."
    ),
    modifiers(&Security),
    security(("token" = []), ("digest" = []))
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "sip-registrar token add NAME --scope meetings:read,meetings:write,accounts,history,metrics",
            ))
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let digest = HttpBuilder::new()
            .scheme(HttpAuthScheme::Digest)
            .description(Some("User name and password of a SIP account"))
            .build();
        components.add_security_scheme("digest", SecurityScheme::Http(digest));
    }
}

/// The routes and their description.
fn described() -> (Router<Services>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(meetings::list, meetings::create))
        .routes(routes!(meetings::show, meetings::change, meetings::cancel))
        .routes(routes!(meetings::act))
        .routes(routes!(meetings::invite))
        .routes(routes!(stats::show))
        .routes(routes!(members::change, members::kick))
        .routes(routes!(accounts::list, accounts::add))
        .routes(routes!(accounts::remove))
        .routes(routes!(accounts::change_password))
        .routes(routes!(history::list))
        .split_for_parts()
}

/// Everything below `/api/v1`.
pub(super) fn router() -> Router<Services> {
    let (routes, document) = described();
    routes
        .route("/api/v1/openapi.json", get(async move || Json(document)))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .route("/api/{*rest}", any(async || StatusCode::NOT_FOUND))
        .layer(middleware::from_fn(problem::uniform))
}

#[cfg(test)]
mod tests;
