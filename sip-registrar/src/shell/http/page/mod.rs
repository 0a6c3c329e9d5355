//! The page of live conferences: three files in the program, nothing from elsewhere.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, middleware};

use super::Services;

/// Nothing runs or is loaded that is not ours, and nobody puts the page into a frame. Names of people
/// come in as text: the script makes no HTML.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/`, `/page.js`, `/page.css`
pub(super) fn router() -> Router<Services> {
    let file = |kind: &'static str, text: &'static str| {
        get(async move || ([(header::CONTENT_TYPE, kind)], text))
    };
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("page.html")))
        .route("/page.js", file("text/javascript; charset=utf-8", include_str!("page.js")))
        .route("/page.css", file("text/css; charset=utf-8", include_str!("page.css")))
        .layer(middleware::map_response(async |response: axum::response::Response| {
            let headers = [
                (header::CONTENT_SECURITY_POLICY, POLICY),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::REFERRER_POLICY, "no-referrer"),
                // A new version of the program is a new page.
                (header::CACHE_CONTROL, "no-cache"),
            ];
            let headers: [(HeaderName, HeaderValue); 4] =
                headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
            (axum::response::AppendHeaders(headers), response).into_response()
        }))
}
