//! Server and client side of digest against each other and against what real phones sent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

use sip_stack::auth::{Algorithm, AnswerError, Challenger, Credentials, Ha1, Verdict};
use sip_stack::message::{AuthParams, Message, Method, Request, Response, Uri, build, parse};
use sip_stack::token::Tokens;
use std::time::{Duration, Instant};

const ALL: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Md5];

struct Bench {
    now: Instant,
    server: Challenger,
    client: Credentials,
    tokens: Tokens,
}

fn bench(algorithms: &[Algorithm], user: &str, password: &str) -> Bench {
    let now = Instant::now();
    Bench {
        now,
        server: Challenger::new(now, "parley", algorithms, [3; 32]),
        client: Credentials::new(user, password),
        tokens: Tokens::new([1; 32]),
    }
}

fn register() -> Request {
    Request::new(Method::Register, Uri::parse("sip:example.org").unwrap())
}

/// Alice's password is `secret`; nobody else exists.
fn accounts(user: &str, algorithm: Algorithm) -> Option<Ha1> {
    (user == "alice").then(|| Ha1::from_password(algorithm, user, "parley", "secret"))
}

fn unauthorized(challenges: &[AuthParams]) -> Response {
    let mut response = build::response_to(&register(), 401, "", Some("t"));
    challenges.iter().for_each(|c| response.headers.push("WWW-Authenticate", c));
    response
}

impl Bench {
    fn challenge(&mut self, stale: bool) -> Response {
        unauthorized(&self.server.challenges(self.now, &register(), stale))
    }
    fn verify(&mut self, request: &Request) -> Verdict {
        self.server.verify(self.now, request, accounts)
    }
    fn login(&mut self) -> Request {
        let (mut request, response) = (register(), self.challenge(false));
        self.client.answer(&response, &mut request, &mut self.tokens).unwrap();
        request
    }
}

fn ok() -> Verdict {
    Verdict::Ok { user: "alice".into() }
}

#[test]
fn the_strongest_comes_first_and_is_used() {
    let mut b = bench(&ALL, "alice", "secret");
    let challenges = b.server.challenges(b.now, &register(), false);
    let names: Vec<_> = challenges.iter().map(|c| c.get("algorithm").unwrap()).collect();
    assert_eq!(names, ["SHA-256", "MD5"]);
    let request = b.login();
    assert_eq!(request.headers.auth("Authorization")[0].get("algorithm"), Some("SHA-256"));
    assert_eq!(b.verify(&request), ok());
    assert_eq!(b.verify(&register()), Verdict::Missing);
}

#[test]
fn clients_that_stumble_over_sha_get_md5_alone() {
    let mut b = bench(&ALL, "alice", "secret");
    let mut asked = |agent: &str| {
        let mut request = register();
        request.headers.push("User-Agent", agent);
        b.server.challenges(b.now, &request, false).len()
    };
    assert_eq!(asked("baresip v1.0.0 (x86_64/linux)"), 1);
    assert_eq!(asked("Linphonec/5.1.65 (like baresip v1.0.0)"), 2);
    let mut b = bench(&[Algorithm::Sha256], "alice", "secret");
    let mut request = register();
    request.headers.push("User-Agent", "baresip v1.0.0");
    let challenges = b.server.challenges(b.now, &request, false);
    assert_eq!(challenges[0].get("algorithm"), Some("SHA-256"), "never more than was configured");
}

#[test]
fn every_algorithm_works_alone() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
        let mut b = bench(&[algorithm], "alice", "secret");
        let request = b.login();
        assert_eq!(b.verify(&request), ok(), "{algorithm}");
    }
}

#[test]
fn wrong_password_and_unknown_user_look_the_same() {
    for (user, password) in [("alice", "Secret"), ("bob", "secret"), ("", "")] {
        let mut b = bench(&ALL, user, password);
        let mut request = b.login();
        assert_eq!(b.verify(&request), Verdict::Wrong);
        let again = b.challenge(false);
        let refused = b.client.answer(&again, &mut request, &mut b.tokens);
        assert_eq!(refused, Err(AnswerError::Refused), "no second try (RFC 3261 §22.2)");
    }
}

#[test]
fn counts_go_up_and_replay_is_stale() {
    let mut b = bench(&ALL, "alice", "secret");
    let first = b.login();
    let mut second = register();
    b.client.authorize(&mut second, &mut b.tokens);
    let mut third = register();
    b.client.authorize(&mut third, &mut b.tokens);
    let nc = |r: &Request| r.headers.auth("Authorization")[0].get("nc").unwrap().to_owned();
    assert_eq!([nc(&first), nc(&second), nc(&third)], ["00000001", "00000002", "00000003"]);
    // overtaking is fine, repeating is not
    assert_eq!(b.verify(&third), ok());
    assert_eq!(b.verify(&first), ok());
    assert_eq!(b.verify(&second), ok());
    for request in [&first, &second, &third] {
        assert_eq!(b.verify(request), Verdict::Stale);
    }
    // a stale nonce is answered without asking anybody
    let stale = b.challenge(true);
    b.client.answer(&stale, &mut third, &mut b.tokens).unwrap();
    assert_eq!(b.verify(&third), ok());
}

#[test]
fn nonces_age_and_do_not_outlive_a_restart() {
    let mut b = bench(&ALL, "alice", "secret");
    let request = b.login();
    b.now += Duration::from_secs(299);
    assert_eq!(b.verify(&request), ok());
    let request = b.login();
    b.now += Duration::from_secs(301);
    assert_eq!(b.verify(&request), Verdict::Stale);
    let request = b.login();
    b.server = Challenger::new(b.now, "parley", &ALL, [4; 32]);
    assert_eq!(b.verify(&request), Verdict::Stale, "right password, somebody else's nonce");
}

#[test]
fn credentials_are_bound_to_method_user_and_host() {
    let mut b = bench(&ALL, "alice", "secret");
    let request = b.login();
    let other_method = Request { method: Method::Invite, ..request.clone() };
    assert_eq!(b.verify(&other_method), Verdict::Wrong);
    let to = |uri: &str, request: &Request| {
        let uri = Uri::parse(uri).unwrap();
        Request { uri, ..request.clone() }
    };
    assert_eq!(b.verify(&to("sip:example.com", &request)), Verdict::Wrong);
    let mut bound = to("sip:bob@example.org", &register());
    b.client.authorize(&mut bound, &mut b.tokens);
    assert_eq!(b.verify(&to("sip:victim@example.org", &bound)), Verdict::Wrong);
    assert_eq!(b.verify(&to("sip:bob@example.org:5070", &bound)), ok());
    // SIPp names the server alone, whomever it calls (RFC 3261 §22.4 no. 6)
    let mut whole = register();
    b.client.authorize(&mut whole, &mut b.tokens);
    assert_eq!(b.verify(&to("sip:bob@example.org", &whole)), ok());
    let same = Request { uri: Uri::parse("sip:example.org;transport=udp").unwrap(), ..request };
    assert_eq!(b.verify(&same), ok());
}

#[test]
fn old_phones_without_qop_get_one_request_per_nonce() {
    let mut b = bench(&ALL, "alice", "secret");
    let challenge = &b.server.challenges(b.now, &register(), false)[1];
    let old = AuthParams::new("Digest")
        .quoted("realm", "parley")
        .quoted("nonce", challenge.get("nonce").unwrap());
    let mut request = register();
    b.client.answer(&unauthorized(&[old]), &mut request, &mut b.tokens).unwrap();
    let auth = request.headers.auth("Authorization");
    assert_eq!((auth[0].get("qop"), auth[0].get("algorithm")), (None, None));
    assert_eq!(b.verify(&request), ok());
    assert_eq!(b.verify(&request), Verdict::Stale);
}

#[test]
fn mangled_credentials_are_wrong_or_missing_but_never_right() {
    let mut b = bench(&ALL, "alice", "secret");
    let good = b.login().headers.get("Authorization").unwrap().to_owned();
    for (from, to) in [
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=0000000g"),
        ("qop=auth", "qop=auth-int"),
        ("qop=auth, ", ""),
        ("algorithm=SHA-256", "algorithm=SHA-512-256"),
        ("algorithm=SHA-256", "algorithm=MD5"),
        ("algorithm=SHA-256", "algorithm=SHA-256-sess"),
        ("username=\"alice\"", "username=\"\""),
        ("uri=\"sip:example.org\"", "uri=\"\""),
        ("response=\"", "response=\"0"),
        ("Digest ", "Basic "),
        ("realm=\"parley\"", "realm=\"other\""),
        ("realm=\"parley\", ", ""),
    ] {
        let changed = good.replace(from, to);
        assert_ne!(changed, good, "{from}");
        let mut request = register();
        request.headers.push("Authorization", &changed);
        let verdict = b.verify(&request);
        assert!(matches!(verdict, Verdict::Wrong | Verdict::Missing), "{changed}: {verdict:?}");
    }
    // another realm's credentials may stand before ours
    let mut request = register();
    request.headers.push("Authorization", "Digest realm=\"x\", nonce=\"1\"");
    request.headers.push("Authorization", &good);
    assert_eq!(b.verify(&request), ok());
}

#[test]
fn the_table_of_counts_is_bounded() {
    let mut b = bench(&[Algorithm::Md5], "alice", "secret");
    let first = b.login();
    assert_eq!(b.verify(&first), ok());
    for _ in 0..10_001 {
        let request = b.login();
        assert_eq!(b.verify(&request), ok());
    }
    assert_eq!(b.verify(&first), Verdict::Stale, "forgotten counts must not open a replay");
}

#[test]
fn challenges_that_cannot_be_answered() {
    let mut b = bench(&ALL, "alice", "secret");
    let digest = |name: &str| {
        AuthParams::new("Digest").quoted("realm", "r").quoted("nonce", "n").token("algorithm", name)
    };
    let mut try_with = |challenges: &[AuthParams]| {
        let mut request = register();
        b.client.answer(&unauthorized(challenges), &mut request, &mut b.tokens).map(|()| request)
    };
    for bad in [
        vec![],
        vec![AuthParams::new("Basic").quoted("realm", "r")],
        vec![digest("SHA-1024")],
        vec![digest("MD5").quoted("qop", "auth-int")],
        vec![AuthParams::new("Digest").quoted("realm", "r")],
    ] {
        assert_eq!(try_with(&bad).err(), Some(AnswerError::Unsupported), "{bad:?}");
    }
    // the first that is known, in the server's order, with what it wants back
    let request = try_with(&[
        digest("SHA-1024"),
        digest("MD5").quoted("qop", "auth-int,auth").quoted("opaque", "o"),
        digest("SHA-256"),
    ]);
    let auth = &request.unwrap().headers.auth("Authorization")[0];
    assert_eq!((auth.get("algorithm"), auth.get("opaque")), (Some("MD5"), Some("o")));
}

#[test]
fn a_server_that_only_says_stale_is_given_up() {
    let mut b = bench(&ALL, "alice", "secret");
    let mut request = b.login();
    let mut answered = 0;
    while answered < 100 {
        let stale = b.challenge(true);
        if b.client.answer(&stale, &mut request, &mut b.tokens).is_err() {
            break;
        }
        answered += 1;
    }
    assert!((1..10).contains(&answered), "{answered}");
}

#[test]
fn what_baresip_answered_in_the_lab_is_right() {
    let bytes = include_bytes!("captures/baresip-focus-register-auth.sip");
    let Ok(Message::Request(request)) = parse::message(&bytes.as_ref().into()) else { panic!() };
    let auth = &request.headers.auth("Authorization")[0];
    let ha1 = Ha1::from_password(Algorithm::Md5, "bs", "lab", "secret");
    let count = sip_stack::auth::digest::Count {
        nc: auth.get("nc").unwrap(),
        cnonce: auth.get("cnonce").unwrap(),
    };
    let asked = sip_stack::auth::digest::Asked {
        method: "REGISTER",
        uri: auth.get("uri").unwrap(),
        nonce: auth.get("nonce").unwrap(),
        count: Some(count),
    };
    assert!(ha1.matches(&asked, auth.get("response").unwrap()));
}
