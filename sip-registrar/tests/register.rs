//! REGISTER against the core: digest, bindings, bounds (RFC 3261 §10.3, RFC 7616, RFC 8760).
#![allow(clippy::unwrap_used, reason = "a test")]

mod lab;

use std::time::Duration;

use lab::{Lab, Phone, last_response, settings};
use sip_registrar::{Guests, Input};
use sip_stack::auth::Credentials;
use sip_stack::message::{Host, Message, parse};
use sip_stack::token::Tokens;

fn alice(port: u16) -> Phone {
    let mut phone = Phone::new("alice", port).with_password("wonderland");
    phone.to = "<sip:alice@127.0.0.1>".to_owned();
    phone
}

fn contacts(response: &sip_stack::message::Response) -> Vec<String> {
    response.headers.get_all("Contact").map(str::to_owned).collect()
}

#[test]
fn a_challenge_offers_sha_256_before_md5() {
    let mut lab = Lab::new();
    let response = last_response(alice(5070).send(&mut lab, "REGISTER", "", ""));
    assert_eq!(response.status, 401);
    let offers: Vec<_> = response.headers.get_all("WWW-Authenticate").collect();
    assert_eq!(offers.len(), 2);
    assert!(offers[0].contains("SHA-256") && offers[1].contains("MD5"), "{offers:?}");
    assert!(offers.iter().all(|o| o.contains("realm=\"parley\"") && o.contains("qop=\"auth\"")));
}

#[test]
fn a_registration_lists_its_bindings_and_ends() {
    let mut lab = Lab::new();
    let mut phone = alice(5070);
    let response = phone.ask(&mut lab, "REGISTER", "", "");
    assert_eq!(response.status, 200);
    assert_eq!(contacts(&response), ["<sip:alice@127.0.0.1:5070>;expires=3600"]);
    assert_eq!(response.headers.get("Date"), Some("Fri, 15 Jan 2027 08:00:00 GMT"));
    assert_eq!(lab.counters().bindings, 1);

    lab.wait(Duration::from_secs(100));
    let more = "Contact: <sip:a@10.0.0.1:6000;transport=tcp>;q=0.3;expires=120\r\nExpires: 600\r\n";
    let response = phone.ask(&mut lab, "REGISTER", more, "");
    assert_eq!(
        contacts(&response),
        [
            "<sip:alice@127.0.0.1:5070>;expires=600",
            "<sip:a@10.0.0.1:6000;transport=tcp>;q=0.3;expires=120"
        ]
    );
    lab.wait(Duration::from_secs(121));
    assert_eq!(lab.counters().bindings, 1);
    lab.wait(Duration::from_secs(600));
    assert_eq!(lab.counters().bindings, 0);
}

#[test]
fn bindings_are_removed_one_by_one_and_all_at_once() {
    let mut lab = Lab::new();
    let mut phone = alice(5070);
    phone.ask(&mut lab, "REGISTER", "Contact: <sip:a@127.0.0.1:7000>\r\n", "");
    assert_eq!(lab.counters().bindings, 2);
    let response = phone.ask(&mut lab, "REGISTER", "Expires: 0\r\n", "");
    assert_eq!(response.status, 200);
    assert_eq!(contacts(&response), ["<sip:a@127.0.0.1:7000>;expires=3600"]);

    // Star needs Expires: 0 and stands alone (RFC 3261 §10.3 step 6).
    let mut star = alice(5071);
    star.contact = "*".to_owned();
    for (headers, status) in [
        ("", 400),
        ("Expires: 60\r\n", 400),
        ("Expires: 0\r\nContact: <sip:a@127.0.0.1:7000>\r\n", 400),
        ("Expires: 0\r\n", 200),
    ] {
        assert_eq!(lab.counters().bindings, 1);
        let response = star.ask(&mut lab, "REGISTER", headers, "");
        assert_eq!(response.status, status, "{headers}");
        assert!(contacts(&response).is_empty());
    }
    assert_eq!(lab.counters().bindings, 0);
}

#[test]
fn a_question_changes_nothing_and_lists_what_there_is() {
    let mut lab = Lab::new();
    let mut phone = alice(5070);
    phone.contact = "<sip:a@127.0.0.1:5070>;q=0.7;expires=90;methods=\"INVITE, BYE\"".to_owned();
    assert_eq!(phone.ask(&mut lab, "REGISTER", "", "").status, 200);
    // Without a Contact at all.
    let mut asking = alice(5071);
    let challenge = last_response(asking.send(&mut lab, "REGISTER", "", ""));
    let bytes = bytes::Bytes::from(asking.text("REGISTER", "", ""));
    let Ok(Message::Request(mut request)) = parse::message(&bytes) else {
        unreachable!("a request of ours")
    };
    request.headers.remove("Contact");
    let mut credentials = Credentials::new("alice", "wonderland");
    credentials.answer(&challenge, &mut request, &mut Tokens::new([5; 32])).unwrap();
    lab.input(Input::Sip { flow: asking.flow, bytes: request.to_bytes() });
    let response = last_response(lab.take(5071));
    assert_eq!(response.status, 200);
    let held = "<sip:a@127.0.0.1:5070>;q=0.7;methods=\"INVITE, BYE\";expires=90";
    assert_eq!(contacts(&response), [held]);
}

#[test]
fn an_older_request_fails_as_a_whole() {
    let mut lab = Lab::new();
    let mut phone = alice(5070);
    assert_eq!(phone.ask(&mut lab, "REGISTER", "", "").status, 200);
    assert_eq!(phone.ask(&mut lab, "REGISTER", "", "").status, 200);
    // The same Call-ID and lower numbers, in transactions of their own.
    phone.cseq = 0;
    phone.from = phone.from.replace("tag=", "tag=late");
    let more = "Contact: <sip:a@127.0.0.1:7000>\r\n";
    assert_eq!(phone.ask(&mut lab, "REGISTER", more, "").status, 500);
    assert_eq!(lab.counters().bindings, 1, "the contact that was not known is not added either");
    phone.call_id = "after-a-restart".to_owned();
    phone.cseq = 0;
    assert_eq!(phone.ask(&mut lab, "REGISTER", more, "").status, 200);
    assert_eq!(lab.counters().bindings, 2);
}

#[test]
fn one_contact_that_is_too_brief_fails_the_whole_request() {
    let mut lab = Lab::new();
    let more = "Contact: <sip:a@127.0.0.1:7000>;expires=59\r\n";
    assert_eq!(alice(5070).ask(&mut lab, "REGISTER", more, "").status, 423);
    assert_eq!(lab.counters().bindings, 0);
    let just = "Contact: <sip:a@127.0.0.1:7000>;expires=60\r\n";
    assert_eq!(alice(5071).ask(&mut lab, "REGISTER", just, "").status, 200);
    // What cannot be read means an hour (RFC 3261 §20.10).
    let odd = "Contact: <sip:a@127.0.0.1:7000>;expires=soon\r\n";
    let response = alice(5072).ask(&mut lab, "REGISTER", odd, "");
    assert!(contacts(&response).iter().any(|c| c.ends_with("7000>;expires=3600")));
}

#[test]
fn what_is_kept_for_hours_is_not_endless() {
    let mut lab = Lab::new();
    let long = format!("Contact: <sip:a@127.0.0.1:7000;x={}>\r\n", "y".repeat(3000));
    assert_eq!(alice(5070).ask(&mut lab, "REGISTER", &long, "").status, 400);
    assert_eq!(lab.counters().bindings, 0);
}

#[test]
fn times_are_bounded() {
    let mut lab = Lab::new();
    let mut phone = alice(5070);
    let response = phone.ask(&mut lab, "REGISTER", "Expires: 59\r\n", "");
    assert_eq!(response.status, 423);
    assert_eq!(response.headers.get("Min-Expires"), Some("60"));
    let response = phone.ask(&mut lab, "REGISTER", "Expires: 4000000000\r\n", "");
    assert_eq!(contacts(&response), ["<sip:alice@127.0.0.1:5070>;expires=7200"]);
}

#[test]
fn wrong_passwords_and_unknown_users_look_the_same() {
    let mut lab = Lab::new();
    let mut wrong = alice(5070).with_password("guess");
    let mut nobody = Phone::new("mallory", 5071).with_password("guess");
    let responses =
        [wrong.ask(&mut lab, "REGISTER", "", ""), nobody.ask(&mut lab, "REGISTER", "", "")];
    for response in responses {
        assert_eq!(response.status, 401);
        assert!(!response.headers.get("WWW-Authenticate").unwrap().contains("stale"));
    }
    assert_eq!(lab.counters().bindings, 0);
}

#[test]
fn an_account_registers_only_itself() {
    let mut lab = Lab::new();
    let mut phone = alice(5070);
    phone.to = "<sip:bob@127.0.0.1>".to_owned();
    assert_eq!(phone.ask(&mut lab, "REGISTER", "", "").status, 403);
}

#[test]
fn another_domain_is_not_served_where_ours_are_named() {
    let mut rules = settings();
    rules.domains = vec!["example.org".to_owned(), "192.0.2.9".to_owned()];
    rules.advertise = Some(Host::Ip("203.0.113.1".parse().unwrap()));
    let mut lab = Lab::with(rules);
    let mut phone = alice(5070);
    phone.to = "<sip:alice@elsewhere.net>".to_owned();
    assert_eq!(phone.ask(&mut lab, "REGISTER", "", "").status, 404);
    let mut lost = alice(5071);
    lost.uri = "sip:elsewhere.net".to_owned();
    assert_eq!(lost.ask(&mut lab, "REGISTER", "", "").status, 404);
    for host in ["example.org", "EXAMPLE.org", "127.0.0.1", "192.0.2.9", "203.0.113.1"] {
        phone.to = format!("<sip:alice@{host}>");
        assert_eq!(phone.ask(&mut lab, "REGISTER", "", "").status, 200, "{host}");
    }
}

#[test]
fn one_account_cannot_fill_the_registrar() {
    let mut lab = Lab::new();
    let mut phone = alice(5070);
    for port in 7000..7002 {
        let more = format!("Contact: <sip:a@127.0.0.1:{port}>\r\n");
        assert_eq!(phone.ask(&mut lab, "REGISTER", &more, "").status, 200);
    }
    let response = phone.ask(&mut lab, "REGISTER", "Contact: <sip:a@127.0.0.1:7003>\r\n", "");
    assert_eq!(response.status, 403);
    assert_eq!(lab.counters().bindings, 3);
}

#[test]
fn a_replayed_request_is_not_carried_out_again() {
    let mut lab = Lab::new();
    let mut phone = alice(5070);
    let challenge = last_response(phone.send(&mut lab, "REGISTER", "", ""));
    let bytes = bytes::Bytes::from(phone.text("REGISTER", "", ""));
    let Ok(Message::Request(mut request)) = parse::message(&bytes) else {
        unreachable!("a request of ours")
    };
    let mut credentials = Credentials::new("alice", "wonderland");
    credentials.answer(&challenge, &mut request, &mut Tokens::new([5; 32])).unwrap();
    lab.input(Input::Sip { flow: phone.flow, bytes: request.to_bytes() });
    assert_eq!(last_response(lab.take(5070)).status, 200);
    // Somebody who has listened sends it again, as a request of its own.
    let text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
    let again =
        text.replace("branch=z9hG4bK", "branch=z9hG4bKagain").replace("Call-ID: ", "Call-ID: x");
    lab.receive(phone.flow, &again);
    let response = last_response(lab.take(5070));
    assert_eq!(response.status, 401);
    assert!(response.headers.get("WWW-Authenticate").unwrap().contains("stale=true"));
    // A nonce that is too old is told from a wrong password, so that nobody is asked again.
    lab.wait(Duration::from_secs(3600));
    assert_eq!(lab.counters().bindings, 0);
    assert_eq!(phone.ask(&mut lab, "REGISTER", "", "").status, 200);
}

#[test]
fn contacts_that_lead_back_to_us_are_refused() {
    let mut lab = Lab::new();
    let mut phone = alice(5070);
    let back = "Contact: <sip:bob@127.0.0.1:5060>\r\n";
    assert_eq!(phone.ask(&mut lab, "REGISTER", back, "").status, 403);
    assert_eq!(lab.counters().bindings, 0);
}

#[test]
fn without_guests_and_accounts_everything_is_refused_politely() {
    let mut rules = settings();
    rules.guests = Guests::Nobody;
    let mut lab = Lab::with(rules);
    let mut guest = Phone::new("zoe", 5070);
    guest.uri = format!("sip:room@{}", lab::SERVER);
    let came = guest.send(&mut lab, "INVITE", "", lab::OFFER);
    assert_eq!(last_response(came).status, 401);

    let mut rules = settings();
    rules.guests = Guests::Nobody;
    rules.accounts = sip_registrar::Accounts::new();
    let mut lab = Lab::with(rules);
    let came = guest.send(&mut lab, "INVITE", "", lab::OFFER);
    assert_eq!(last_response(came).status, 403);
}

#[test]
fn other_requests_get_the_answer_of_their_rfc() {
    let mut lab = Lab::new();
    for (method, status) in [
        ("DANCE", 501),
        ("SUBSCRIBE", 489),
        ("MESSAGE", 404),
        ("PUBLISH", 405),
        ("REFER", 405),
        ("BYE", 481),
        ("INFO", 481),
        ("UPDATE", 481),
    ] {
        let mut phone = Phone::new("zoe", 5070);
        phone.call_id = method.to_owned();
        if status == 481 {
            phone.to = "<sip:room@127.0.0.1>;tag=gone".to_owned();
        }
        let came = phone.send(&mut lab, method, "", "");
        assert_eq!(came.len(), 1, "{method}: one answer and nothing else: {came:?}");
        let response = last_response(came);
        assert_eq!(response.status, status, "{method}");
        if matches!(status, 405 | 501) {
            let allow: Vec<_> = response.headers.get_all("Allow").collect();
            assert!(allow.contains(&"INVITE") && !allow.contains(&"PUBLISH"), "{allow:?}");
        }
    }
    let mut phone = Phone::new("zoe", 5071);
    phone.uri = "tel:+4930123".to_owned();
    let came = phone.send(&mut lab, "OPTIONS", "", "");
    assert!(matches!(&came[..], [Message::Response(r)] if r.status == 416), "{came:?}");
}
