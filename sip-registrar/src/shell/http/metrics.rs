//! `/healthz` and `/metrics` (Prometheus text).

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::board::{Board, Numbers, Stuck};
use super::caller::Caller;

/// 200 while the loop works; the body tells what it can do.
pub(super) async fn healthz(State(board): State<Board>) -> (StatusCode, String) {
    match board.numbers().await {
        Ok(numbers) => (StatusCode::OK, health(&numbers)),
        Err(Stuck) => (StatusCode::SERVICE_UNAVAILABLE, "stuck\n".to_owned()),
    }
}

fn health(numbers: &Numbers) -> String {
    let mut text = "ok".to_owned();
    if !numbers.core.mixer_up {
        text += ", but the media mixer does not answer: calls to conferences get 503";
    }
    if numbers.store.failing {
        text += ", but the store fails: registrations and records would not survive a restart";
    }
    text + "\n"
}

/// The numbers of this moment.
pub(super) async fn metrics(caller: Caller, State(board): State<Board>) -> Response {
    if let Err(problem) = caller.may_watch() {
        return problem.into_response();
    }
    match board.numbers().await {
        Ok(numbers) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], render(&numbers))
            .into_response(),
        Err(Stuck) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn render(numbers: &Numbers) -> String {
    let Numbers { core: c, store } = numbers;
    let mut text = String::new();
    let mut one = |name: &str, kind: &str, help: &str, value: u64| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    };
    let size = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    one("parley_conferences", "gauge", "Conferences now.", size(c.conferences));
    one(
        "parley_conferences_running",
        "gauge",
        "Conferences now that somebody is in.",
        size(c.running),
    );
    one(
        "parley_conferences_direct",
        "gauge",
        "Conferences now whose media go directly between two.",
        size(c.direct),
    );
    for (name, help, value) in [
        ("parley_media_to_direct_total", "Switches to the direct way.", c.to_direct),
        ("parley_media_to_mixer_total", "Switches back to the mixer.", c.to_mixed),
        ("parley_media_direct_failures_total", "Direct ways that failed.", c.direct_failures),
    ] {
        one(name, "counter", help, value);
    }
    one("parley_members", "gauge", "Conference members now.", size(c.members));
    one("parley_calls", "gauge", "Two-party calls now.", size(c.calls));
    let subscriptions = size(c.subscriptions);
    one("parley_subscriptions", "gauge", "Subscriptions to conferences now.", subscriptions);
    one("parley_bindings", "gauge", "Registered contacts now.", size(c.bindings));
    one("parley_mixer_up", "gauge", "Whether the media mixer answers.", u64::from(c.mixer_up));
    one("parley_joins_total", "counter", "Members that joined a conference.", c.joins);
    one("parley_leaves_total", "counter", "Members that left a conference.", c.leaves);
    one(
        "parley_mixer_failures_total",
        "counter",
        "Commands the mixer refused or did not answer.",
        c.mixer_failures,
    );
    let g = &c.guard;
    one(
        "parley_login_failures_total",
        "counter",
        "Requests whose digest was wrong.",
        g.failed_logins,
    );
    one("parley_bans_total", "counter", "Bans imposed on sources.", g.bans);
    one("parley_banned_sources", "gauge", "Sources banned now.", size(g.banned));
    one("parley_known_sources", "gauge", "Sources with a rate limit now.", size(g.sources));
    one(
        "parley_dropped_by_ban_total",
        "counter",
        "Messages not read because their source was banned.",
        g.dropped_by_ban,
    );
    one(
        "parley_dropped_by_rate_total",
        "counter",
        "Messages not read because their source sent too many.",
        g.dropped_by_rate,
    );
    one("parley_records_total", "counter", "Records written to the history.", store.records);
    one("parley_chat_lines_total", "counter", "Lines of chat said in conferences.", c.chat_lines);
    one("parley_store_writes_total", "counter", "Transactions written to disk.", store.writes);
    one("parley_store_failures_total", "counter", "Failures of the store.", store.failures);
    one(
        "parley_store_waiting",
        "gauge",
        "Accounts whose registrations are not on disk yet.",
        size(store.waiting),
    );
    text.push_str("# HELP parley_members_by_state Members and those on the way in, by state.\n");
    text.push_str("# TYPE parley_members_by_state gauge\n");
    for (state, count) in &c.members_by_state {
        let _ = writeln!(text, "parley_members_by_state{{state=\"{state}\"}} {count}");
    }
    text.push_str("# HELP parley_sip_requests_total SIP requests received, by method.\n");
    text.push_str("# TYPE parley_sip_requests_total counter\n");
    for (method, count) in &c.requests {
        let _ = writeln!(text, "parley_sip_requests_total{{method=\"{method}\"}} {count}");
    }
    text.push_str("# HELP parley_sip_responses_total Final SIP responses sent, by status.\n");
    text.push_str("# TYPE parley_sip_responses_total counter\n");
    for (status, count) in &c.responses {
        let _ = writeln!(text, "parley_sip_responses_total{{status=\"{status}\"}} {count}");
    }
    text
}

#[cfg(test)]
mod tests {
    use sip_registrar::Counters;

    use super::*;

    #[test]
    fn health_says_what_is_missing() {
        let mut numbers = Numbers::default();
        numbers.core.mixer_up = true;
        assert_eq!(health(&numbers), "ok\n");
        numbers.store.failing = true;
        assert!(health(&numbers).contains("store"));
        numbers.core.mixer_up = false;
        assert!(health(&numbers).contains("mixer") && health(&numbers).starts_with("ok, "));
    }

    #[test]
    fn numbers_are_in_prometheus_form() {
        let mut counters = Counters { members: 3, mixer_up: true, ..Counters::default() };
        counters.requests.insert("INVITE", 7);
        counters.members_by_state.insert("waiting", 2);
        counters.responses.insert(200, 5);
        let text = render(&Numbers { core: counters, ..Numbers::default() });
        for line in [
            "parley_members 3",
            "parley_mixer_up 1",
            "parley_members_by_state{state=\"waiting\"} 2",
            "parley_sip_requests_total{method=\"INVITE\"} 7",
            "parley_sip_responses_total{status=\"200\"} 5",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            assert_eq!(line.split(' ').count(), 2, "{line}");
        }
    }
}
