use std::time::Duration;

use axum::http::StatusCode;
use sip_registrar::{Actor, ConferenceName, MeetingWish, Person, Record, RecordKind, StoreCommand};

use crate::shell::config::Config;
use crate::shell::http::lab::{Lab, digest};

const ALL: &str = "meetings:read meetings:write accounts history metrics";

/// A record of that second.
fn record(at: u64, kind: RecordKind) -> StoreCommand {
    StoreCommand::Record(Box::new(Record {
        at: Duration::from_secs(at),
        meeting: "a-1".into(),
        name: ConferenceName::parse("a").unwrap(),
        kind,
        by: Some(Person { uri: "sip:zoé@h".into(), name: "Zoé".into(), verified: true }),
        whom: None,
        member: None,
        detail: "hello".into(),
    }))
}

#[tokio::test]
async fn programs_of_this_machine_may_look_and_need_a_token_to_write() {
    let lab = Lab::new(&[]);
    let seen = lab.get("/api/v1/meetings").await;
    assert_eq!((seen.status, seen.body.as_str()), (StatusCode::OK, "[]"));
    assert_eq!(seen.header("cache-control"), "no-store");
    let refused = lab.ask("POST", "/api/v1/meetings").json("{}").send().await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert!(refused.header("www-authenticate").starts_with("Bearer"), "{refused:?}");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("sip-registrar token add NAME --scope meetings:write"), "{detail}");
    for path in ["/api/v1/history", "/api/v1/accounts"] {
        assert_eq!(lab.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/healthz", "/metrics", "/", "/api/v1/openapi.json"] {
        assert_eq!(lab.get(path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn from_elsewhere_nothing_is_told_without_a_token() {
    let lab = Lab::new(&[ALL]);
    for path in ["/api/v1/meetings", "/api/v1/history", "/metrics", "/doctor/a"] {
        let refused = lab.ask("GET", path).outside().send().await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}");
        let known = lab.ask("GET", path).outside().token(ALL).send().await;
        assert_ne!(known.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let passed_on = lab.ask("GET", "/api/v1/meetings").header("x-forwarded-for", "198.51.100.7");
    assert_eq!(passed_on.send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn where_guests_may_not_call_they_may_not_look() {
    let lab = Lab::with(Config::parse("[sip]\nguests = \"nobody\"").unwrap(), &[]);
    assert_eq!(lab.get("/api/v1/meetings").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(lab.get("/metrics").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_is_good_for_its_scopes_only() {
    let lab = Lab::new(&["meetings:read", "history"]);
    for (token, path, status) in [
        ("meetings:read", "/api/v1/meetings", 200),
        ("meetings:read", "/api/v1/history", 403),
        ("history", "/api/v1/history", 200),
        ("history", "/api/v1/meetings", 403),
        ("history", "/api/v1/accounts", 403),
        ("history", "/metrics", 403),
        ("never made", "/api/v1/history", 401),
    ] {
        let answer = lab.ask("GET", path).token(token).send().await;
        assert_eq!(answer.status.as_u16(), status, "{token} {path}: {}", answer.body);
    }
    let refused = lab.ask("POST", "/api/v1/meetings").token("meetings:read").json("{}");
    assert_eq!(refused.send().await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn pages_of_strangers_get_nothing() {
    let lab = Lab::new(&[ALL]);
    let rebound = lab.ask("GET", "/api/v1/meetings").header("host", "evil.example:8060");
    assert_eq!(rebound.send().await.status, StatusCode::MISDIRECTED_REQUEST);
    let alien = || lab.ask("DELETE", "/api/v1/meetings/a").token(ALL);
    let refused = alien().header("origin", "https://evil.example").send().await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let refused = alien().header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let own = alien().header("origin", "http://localhost:8060").send().await;
    assert_eq!(own.status, StatusCode::NOT_FOUND);
    for host in ["127.0.0.1", "[::1]:8060", "LOCALHOST"] {
        let answer = lab.ask("GET", "/api/v1/meetings").header("host", host).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn an_account_is_known_by_its_password_and_has_no_scopes() {
    let lab = Lab::new(&[]);
    for (path, status) in [("/api/v1/meetings", 200), ("/api/v1/history", 403)] {
        let ask = || lab.ask("GET", path).outside();
        let refused = ask().send().await;
        let good = digest(&refused, "alice", "GET", path);
        let answer = ask().header("authorization", &good).send().await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
        let replayed = ask().header("authorization", &good).send().await;
        assert_eq!(replayed.status, StatusCode::UNAUTHORIZED);
        let elsewhere = lab.ask("GET", "/api/v1/accounts").header("authorization", &good).send();
        assert_eq!(elsewhere.await.status, StatusCode::UNAUTHORIZED);
    }
    for other in ["Basic YWxpY2U6eA==", "Bearer", "Digest", "\u{e9}"] {
        let ask = lab.ask("GET", "/api/v1/meetings").header("authorization", other);
        assert_eq!(ask.send().await.status, StatusCode::BAD_REQUEST, "{other}");
    }
}

#[tokio::test]
async fn guessing_passwords_leads_to_a_ban() {
    let lab = Lab::with(
        Config::parse(
            "[protection]\nmax_failures = 3\n[[accounts]]\nuser = \"alice\"\npassword = \"x\"",
        )
        .unwrap(),
        &[],
    );
    let path = "/api/v1/meetings";
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let refused = lab.ask("GET", path).outside().send().await;
        if refused.headers.get_all("www-authenticate").iter().count() < 2 {
            statuses.push(0);
            continue;
        }
        let guess = digest(&refused, "alice", "GET", path);
        let ask = lab.ask("GET", path).outside().header("authorization", &guess);
        statuses.push(ask.send().await.status.as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 0, 0]);
}

#[tokio::test]
async fn accounts_are_added_changed_and_removed_and_passwords_never_shown() {
    let lab = Lab::new(&[ALL]);
    let ask = |method, path| lab.ask(method, path).token(ALL);
    let carol = "{\"user\": \"carol\", \"password\": \"carol-secret\", \"name\": \"Carol\"}";
    let added = ask("POST", "/api/v1/accounts").json(carol).send().await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    let twice = ask("POST", "/api/v1/accounts").json(carol).send().await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    let listed = ask("GET", "/api/v1/accounts").send().await;
    assert!(!listed.body.contains("secret") && !listed.body.contains("ha1"), "{}", listed.body);
    let users: Vec<_> =
        listed.json().as_array().unwrap().iter().map(|a| a["user"].clone()).collect();
    assert_eq!(users, ["alice", "bob", "carol"]);

    // The account is good as soon as the answer is there.
    let path = "/api/v1/meetings";
    let refused = lab.ask("GET", path).outside().send().await;
    let login = digest(&refused, "carol", "GET", path);
    let seen = lab.ask("GET", path).outside().header("authorization", &login).send().await;
    assert_eq!(seen.status, StatusCode::OK);

    for (method, path, body, status) in [
        ("PUT", "/api/v1/accounts/carol/password", "{\"password\": \"other\"}", 204),
        ("PUT", "/api/v1/accounts/carol/password", "{\"password\": \"\"}", 400),
        ("PUT", "/api/v1/accounts/nobody/password", "{\"password\": \"x\"}", 404),
        ("PUT", "/api/v1/accounts/alice/password", "{\"password\": \"x\"}", 409),
        ("POST", "/api/v1/accounts", "{\"user\": \"a:b\", \"password\": \"x\"}", 400),
        ("POST", "/api/v1/accounts", "{\"user\": \"conference\", \"password\": \"x\"}", 400),
        (
            "POST",
            "/api/v1/accounts",
            "{\"user\": \"d\", \"password\": \"x\", \"admin\": true}",
            422,
        ),
        ("POST", "/api/v1/accounts", "{\"user\": ", 400),
        ("DELETE", "/api/v1/accounts/carol", "", 204),
        ("DELETE", "/api/v1/accounts/carol", "", 404),
    ] {
        let answer = ask(method, path).json(body).send().await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path} {body}: {}", answer.body);
    }
}

#[tokio::test]
async fn the_history_is_read_page_by_page() {
    let lab = Lab::new(&["history"]);
    for at in 0..5 {
        lab.keep(record(at, if at % 2 == 0 { RecordKind::Joined } else { RecordKind::Left }));
    }
    let get = async |path: &str| lab.ask("GET", path).token("history").send().await;
    let first = get("/api/v1/history?limit=2").await.json();
    let times = |page: &serde_json::Value| -> Vec<String> {
        let records = page["records"].as_array().unwrap();
        records.iter().map(|r| r["at"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(times(&first), ["1970-01-01T00:00:04Z", "1970-01-01T00:00:03Z"]);
    let next = first["next"].as_i64().unwrap();
    let second = get(&format!("/api/v1/history?limit=3&before={next}")).await.json();
    assert_eq!(times(&second).len(), 3);
    assert!(second["next"].is_null());
    let some = "/api/v1/history?kind=left&since=1970-01-01T00:00:02Z&person=zo%C3%A9&conference=a";
    let some = get(some).await.json();
    assert_eq!(times(&some), ["1970-01-01T00:00:03Z"]);
    assert_eq!(some["records"][0]["by"]["name"], "Zoé");
    for bad in ["since=yesterday", "kind=exploded", "limit=0", "limit=1001", "limit=x", "color=red"]
    {
        let refused = get(&format!("/api/v1/history?{bad}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(refused.header("content-type"), "application/problem+json", "{bad}");
    }
}

#[tokio::test]
async fn bodies_are_bounded_json_without_unknown_fields() {
    let lab = Lab::new(&[ALL]);
    let post = || lab.ask("POST", "/api/v1/meetings").token(ALL);
    let large = format!("{{\"subject\": \"{}\"}}", "x".repeat(70_000));
    for (body, status) in [
        (large.as_str(), 413),
        ("{\"colour\": \"red\"}", 422),
        ("{\"pin\": 1234}", 422),
        ("{\"pin\": \"12\"}", 400),
        ("{\"name\": \"a b\"}", 400),
        ("{\"visibility\": \"secret\"}", 422),
        ("{\"schedule\": {\"start\": \"tomorrow\"}}", 400),
        (
            "{\"schedule\": {\"start\": \"2026-11-22T10:00:00Z\", \"end\": \"2026-11-22T09:00:00Z\"}}",
            400,
        ),
        ("{\"max_members\": -1}", 422),
        ("", 400),
    ] {
        let refused = post().json(body).send().await;
        let shown: String = body.chars().take(60).collect();
        assert_eq!(refused.status.as_u16(), status, "{shown}: {}", refused.body);
        assert_eq!(refused.json()["status"], status, "{shown}");
    }
    let text = post().body("text/plain", "{}").send().await;
    assert_eq!(text.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let put = lab.ask("PUT", "/api/v1/meetings").token(ALL).send().await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(put.header("allow").contains("POST"), "{put:?}");
    let nothing = lab.get("/api/v1/nothing").await;
    assert_eq!(
        (nothing.status, nothing.json()["title"].as_str()),
        (StatusCode::NOT_FOUND, Some("Not Found"))
    );
}

#[tokio::test]
async fn the_document_describes_what_the_router_serves() {
    let lab = Lab::new(&[ALL]);
    let document = lab.get("/api/v1/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."), "{document}");
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let real = path.replace("{action}", "lock").replace(['{', '}'], "");
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            let method = method.to_uppercase();
            let answer = lab.ask(&method, &real).token(ALL).json("{}").send().await;
            let served = answer.status != StatusCode::METHOD_NOT_ALLOWED
                && !answer.body.contains("nothing under this path");
            assert!(served, "{method} {path}: {}", answer.body);
            // What it answers is what is said that it may answer.
            let status = answer.status.as_str();
            let said = operation["responses"].get(status).is_some();
            assert!(
                said || answer.status.is_server_error() || status == "422",
                "{method} {path}: {status}"
            );
        }
    }
    assert_eq!(operations, 15);
}

#[tokio::test]
async fn a_conference_is_made_changed_locked_and_cancelled() {
    let lab = Lab::new(&[ALL]);
    let ask = |method, path| lab.ask(method, path).token(ALL);
    let wish = "{\"name\": \"plan-é\", \"subject\": \"Plan <b>\", \"pin\": \"4711\", \"visibility\": \"hidden\",
        \"schedule\": {\"start\": \"2026-12-01T10:00:00+01:00\", \"end\": \"2026-12-01T11:00:00Z\"}}";
    let made = ask("POST", "/api/v1/meetings").json(wish).send().await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let path = made.header("location").to_owned();
    assert_eq!(path, "/api/v1/meetings/plan-%C3%A9");
    assert!(!made.body.contains("4711") && !made.body.contains("secret"), "{}", made.body);
    let shown = ask("GET", &path).send().await.json();
    assert_eq!(shown["subject"], "Plan <b>");
    assert_eq!(shown["schedule"]["start"], "2026-12-01T09:00:00Z");
    assert_eq!((&shown["state"], &shown["has_pin"]), (&"planned".into(), &true.into()));
    let twice = ask("POST", "/api/v1/meetings").json(wish).send().await;
    assert_eq!(twice.status, StatusCode::CONFLICT);

    // Hidden from guests, and none of their business.
    assert_eq!(lab.get("/api/v1/meetings").await.body, "[]");
    assert_eq!(lab.get(&path).await.status, StatusCode::NOT_FOUND);
    let guest = lab.ask("DELETE", &path).header("organizer-secret", "guessed").send().await;
    assert_eq!(guest.status, StatusCode::FORBIDDEN);

    let change =
        ask("PATCH", &path).json("{\"pin\": null, \"schedule\": null, \"max_members\": 7}");
    let changed = change.send().await.json();
    assert_eq!((&changed["has_pin"], &changed["max_members"]), (&false.into(), &7.into()));
    assert!(changed["schedule"].is_null() && changed["subject"] == "Plan <b>", "{changed}");
    let renamed = ask("PATCH", &path).json("{\"name\": \"other\"}").send().await;
    assert_eq!(renamed.status, StatusCode::BAD_REQUEST);

    for (action, locked) in [("lock", true), ("unlock", false)] {
        let path = format!("{path}/{action}");
        let done = lab.ask("POST", &path).token(ALL).send().await.json();
        assert_eq!(done["locked"], locked);
    }
    for (method, rest, body, status) in [
        ("POST", "/explode", "", 404),
        ("POST", "/invite", "{\"uri\": \"not a uri\"}", 400),
        ("POST", "/invite", "{}", 422),
        ("DELETE", "/members/nobody", "", 404),
        ("PATCH", "/members/nobody", "{\"muted\": true}", 404),
        ("PATCH", "/members/nobody", "{}", 400),
        ("PATCH", "/members/nobody", "{\"role\": \"king\"}", 422),
        ("GET", "/stats", "", 200),
        ("DELETE", "", "", 204),
        ("DELETE", "", "", 410),
        ("POST", "/lock", "", 410),
        ("GET", "", "", 404),
    ] {
        let path = format!("{path}{rest}");
        let answer = lab.ask(method, &path).token(ALL).json(body).send().await;
        let expected = if rest == "/stats" { [200, 503] } else { [status, status] };
        assert!(expected.contains(&answer.status.as_u16()), "{method} {rest} {body}: {answer:?}");
    }
}

#[tokio::test]
async fn an_account_and_a_guest_with_its_secret_organize_their_own() {
    let lab = Lab::new(&[]);
    let post = async |path: &str, body: &str| {
        let refused = lab.ask("POST", path).json(body).send().await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        let login = digest(&refused, "alice", "POST", path);
        lab.ask("POST", path).header("authorization", &login).json(body).send().await
    };
    let made = post("/api/v1/meetings", "{\"name\": \"hers\"}").await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert!(made.json().get("organizer_secret").is_none());
    assert_eq!(post("/api/v1/meetings/hers/lock", "").await.json()["locked"], true);
    assert_eq!(lab.get("/api/v1/meetings/hers").await.json()["locked"], true);

    // What a guest has made by SIP, it may steer from here.
    let ask = |method, path, secret| lab.ask(method, path).header("organizer-secret", secret);
    let refused = ask("POST", "/api/v1/meetings", "any").json("{}").send().await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let made = lab.core(|now, core| {
        let address = "127.0.0.1".parse().unwrap();
        let guest = Actor::Guest { address, user: "zoé".into(), secret: None };
        let name = ConferenceName::parse("theirs");
        core.create_meeting(now, &guest, MeetingWish { name, ..MeetingWish::default() }).unwrap()
    });
    let secret = made.await.secret.unwrap();
    let path = "/api/v1/meetings/theirs";
    assert_eq!(ask("DELETE", path, "guessed").send().await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        ask("DELETE", "/api/v1/meetings/hers", &secret).send().await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(ask("DELETE", path, &secret).send().await.status, StatusCode::NO_CONTENT);
}
