//! Refusals as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sip_registrar::Denied;
use utoipa::ToSchema;

use super::board::Stuck;
use crate::shell::store::Unanswered;

/// The media type of a refusal.
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The longest text of others that goes into a refusal.
const MAX_DETAIL: usize = 2048;

/// Why a request was refused (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The status code, once more.
    status: u16,
    /// What the status code means.
    title: String,
    /// Why it is so here, and perhaps what to do.
    detail: String,
    /// Values of WWW-Authenticate.
    #[serde(skip)]
    challenges: Vec<String>,
}

impl Problem {
    /// A refusal.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Refused").to_owned(),
            detail: detail.into(),
            challenges: Vec::new(),
        }
    }

    /// 400
    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 403
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::CONFLICT, detail)
    }

    /// 401 with these challenges.
    pub(crate) fn unauthorized(detail: impl Into<String>, challenges: Vec<String>) -> Self {
        Problem { challenges, ..Problem::new(StatusCode::UNAUTHORIZED, detail) }
    }
}

impl From<Stuck> for Problem {
    fn from(_: Stuck) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the service is busy")
    }
}

impl From<Unanswered> for Problem {
    fn from(_: Unanswered) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be used now")
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let status = match denied.status {
            // "Temporarily Unavailable" and "Busy Here" are codes of SIP alone.
            480 | 486 => StatusCode::CONFLICT,
            other => StatusCode::from_u16(other).unwrap_or(StatusCode::BAD_REQUEST),
        };
        Problem::new(status, denied.why)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM);
        for challenge in &self.challenges {
            if let Ok(value) = HeaderValue::from_str(challenge) {
                response.headers_mut().append(header::WWW_AUTHENTICATE, value);
            }
        }
        response
    }
}

/// Keeps answers out of caches, and gives refusals of the router itself (no such path, no such method, a body that cannot be read) the same
/// form.
pub(super) async fn uniform(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    // Who is in a conference is nothing for a disk.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let status = response.status();
    let refused = status.is_client_error() || status.is_server_error();
    if !refused || response.headers().get(header::CONTENT_TYPE) == Some(&PROBLEM) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, MAX_DETAIL).await.unwrap_or_default();
    let detail = match String::from_utf8_lossy(&text).into_owned() {
        empty if empty.is_empty() => match status {
            StatusCode::NOT_FOUND => "there is nothing under this path".to_owned(),
            StatusCode::METHOD_NOT_ALLOWED => {
                "the Allow header says what can be done here".to_owned()
            }
            _ => String::new(),
        },
        said => said,
    };
    let problem = Problem::new(status, detail).into_response();
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    let (fresh, body) = problem.into_parts();
    parts.headers.extend(fresh.headers);
    Response::from_parts(parts, body)
}
