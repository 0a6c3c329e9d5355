//! `POST /ccmp`: conference control (RFC 6503) for clients such as Linphone.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Router, middleware};

use super::caller::{Caller, ORGANIZER_SECRET};
use super::problem::{self, Problem};
use super::{Board, Services};

/// RFC 6503 §8.2
const MEDIA_TYPE: &str = "application/ccmp+xml";

/// The longest request, in bytes: a conference with some hundred invited.
const MAX_BODY: usize = 64 * 1024;

/// `/ccmp`
pub(super) fn router() -> Router<Services> {
    Router::new()
        .route("/ccmp", post(control))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(problem::uniform))
}

/// Answers with a document whenever a request could come from who it says; what became of it is said there
/// (RFC 6503 §4.1).
async fn control(
    caller: Caller,
    State(board): State<Board>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let actor = caller.may_control()?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    // No page of another site can send this type without asking first, and then it is told no.
    if !kind.trim().eq_ignore_ascii_case(MEDIA_TYPE) {
        let detail = format!("Content-Type must be {MEDIA_TYPE}");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let answer = board.core(move |now, core| core.ccmp(now, &actor, &body)).await?;
    let mut response = ([(header::CONTENT_TYPE, MEDIA_TYPE)], answer.body).into_response();
    let secret = answer.secret.and_then(|secret| HeaderValue::from_str(&secret).ok());
    // As in the answer to a guest's INVITE (docs/decisions/0080).
    response.headers_mut().extend(secret.map(|secret| (ORGANIZER_SECRET, secret)));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::http::lab::{Lab, digest};

    fn request(kind: &str, inner: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><ccmp:ccmpRequest xmlns:ccmp=\"urn:ietf:params:xml:ns:xcon-ccmp\" \
             xmlns:info=\"urn:ietf:params:xml:ns:conference-info\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <ccmpRequest xsi:type=\"ccmp:ccmp-{kind}-request-message-type\">{inner}</ccmpRequest>\
             </ccmp:ccmpRequest>"
        )
    }

    fn create() -> String {
        request(
            "conf",
            "<confUserID>xcon-userid:mallory@127.0.0.1</confUserID><operation>create</operation>\
             <ccmp:confRequest><confInfo entity=\"xcon:AUTO_GENERATE_1@127.0.0.1\">\
             <info:conference-description><info:subject>Weekly</info:subject>\
             </info:conference-description></confInfo></ccmp:confRequest>",
        )
    }

    fn list() -> String {
        let user = "<confUserID>xcon-userid:alice@127.0.0.1</confUserID>";
        request("confs", &format!("{user}<ccmp:confsRequest/>"))
    }

    #[tokio::test]
    async fn an_account_makes_a_conference_and_everybody_here_finds_it() {
        let lab = Lab::new(&[]);
        let ask = |body: &str| lab.ask("POST", "/ccmp").body(MEDIA_TYPE, body);
        // Linphone says in From who it is, and is asked to prove it.
        let named = || ask(&create()).header("from", "<sip:alice@127.0.0.1>");
        let refused = named().send().await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        let login = digest(&refused, "alice", "POST", "/ccmp");
        let made = named().header("authorization", &login).send().await;
        assert_eq!((made.status, made.header("content-type")), (StatusCode::OK, MEDIA_TYPE));
        assert!(made.body.contains("<response-code>200</response-code>"), "{}", made.body);
        let organizers = lab.get("/api/v1/meetings").await.json()[0]["organizer"].clone();
        assert_eq!(organizers, "alice", "who the request says it comes from proves nothing");
        let found = ask(&list()).send().await;
        assert!(found.body.contains("Weekly"), "{}", found.body);
    }

    #[tokio::test]
    async fn a_guest_cancels_what_it_has_made_and_nobody_elses() {
        let lab = Lab::new(&[]);
        let ask = |from| lab.ask("POST", "/ccmp").body(MEDIA_TYPE, &create()).header("from", from);
        let made = ask("<sip:zoe@127.0.0.1>").send().await;
        let secret = made.header("organizer-secret").to_owned();
        assert!(!secret.is_empty(), "{made:?}");
        let found = lab.get("/api/v1/meetings").await.json()[0]["name"].clone();
        let path = format!("/api/v1/meetings/{}", found.as_str().unwrap());
        let other = ask("<sip:yan@127.0.0.1>").send().await.header("organizer-secret").to_owned();
        for (shown, status) in [(&other, 403), (&secret, 204)] {
            let done = lab.ask("DELETE", &path).header("organizer-secret", shown).send().await;
            assert_eq!(done.status.as_u16(), status);
        }
    }

    #[tokio::test]
    async fn what_is_no_request_of_somebody_welcome_changes_nothing() {
        let lab = Lab::new(&["meetings:read"]);
        let ask = |kind| lab.ask("POST", "/ccmp").body(kind, &create());
        for (answer, status) in [
            (ask(MEDIA_TYPE).outside().send().await, 401),
            (ask("application/xml").send().await, 415),
            (ask("text/plain").send().await, 415),
            (ask(MEDIA_TYPE).token("meetings:read").send().await, 403),
            (ask(MEDIA_TYPE).header("host", "evil.example").send().await, 421),
            (ask(MEDIA_TYPE).header("origin", "http://evil.example").send().await, 403),
            (lab.get("/ccmp").await, 405),
            (lab.ask("POST", "/ccmp").body(MEDIA_TYPE, &"x".repeat(70_000)).send().await, 413),
        ] {
            assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        }
        let nonsense = lab.ask("POST", "/ccmp").body(MEDIA_TYPE, "<a>").send().await;
        assert_eq!(nonsense.status, StatusCode::OK);
        assert!(nonsense.body.contains("<response-code>400</response-code>"), "{}", nonsense.body);
        assert_eq!(lab.get("/api/v1/meetings").await.body, "[]");
    }
}
