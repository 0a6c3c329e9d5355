//! Who is heard: bans of those who guess passwords, rates per source, and in whose name one may call.
#![allow(clippy::unwrap_used, reason = "a test")]

mod lab;

use std::time::Duration;

use lab::{Lab, OFFER, Phone, SERVER, last_response, settings};
use sip_registrar::{Guests, Protection};
use sip_stack::flow::ConnectionId;

/// A registrar that does not trust the loopback either, for here everybody comes from there.
fn wary() -> Lab {
    let mut rules = settings();
    rules.protection = Protection {
        trusted: Vec::new(),
        rate: 10,
        burst: 60,
        max_failures: 5,
        failure_window: Duration::from_secs(60),
        ban: Duration::from_secs(300),
        ..Protection::default()
    };
    Lab::with(rules)
}

fn phone(user: &str, password: &str, port: u16) -> Phone {
    let mut phone = Phone::new(user, port).with_password(password);
    phone.to = format!("<sip:{user}@127.0.0.1>");
    phone
}

/// Guesses so often, each time on a fresh port, as programs that guess do.
fn guess(lab: &mut Lab, times: u16) {
    for n in 0..times {
        let response = phone("alice", "guess", 6000 + n).ask(lab, "REGISTER", "", "");
        assert_eq!(response.status, 401);
    }
}

fn is_heard(lab: &mut Lab, phone: &mut Phone) -> bool {
    !phone.send(lab, "OPTIONS", "", "").is_empty()
}

#[test]
fn who_guesses_passwords_is_not_heard_for_a_time() {
    let mut lab = wary();
    guess(&mut lab, 4);
    assert!(is_heard(&mut lab, &mut Phone::new("x", 7000)));
    guess(&mut lab, 1);
    assert!(!is_heard(&mut lab, &mut Phone::new("x", 7001)));
    assert!(phone("alice", "wonderland", 7002).send(&mut lab, "REGISTER", "", "").is_empty());
    let numbers = lab.counters().guard;
    assert_eq!((numbers.failed_logins, numbers.bans, numbers.banned), (5, 1, 1));
    assert_eq!(numbers.dropped_by_ban, 2);
    lab.wait(Duration::from_secs(300));
    assert_eq!(lab.counters().guard.banned, 0);
    assert_eq!(phone("alice", "wonderland", 7003).ask(&mut lab, "REGISTER", "", "").status, 200);
}

#[test]
fn a_ban_spares_the_phones_that_are_registered() {
    let mut lab = wary();
    let mut honest = phone("bob", "builder", 5071);
    assert_eq!(honest.ask(&mut lab, "REGISTER", "", "").status, 200);
    // One phone registered from there allows for two failures more.
    guess(&mut lab, 6);
    assert!(is_heard(&mut lab, &mut Phone::new("x", 7000)));
    guess(&mut lab, 1);
    assert!(!is_heard(&mut lab, &mut Phone::new("x", 7001)));
    assert_eq!(honest.ask(&mut lab, "REGISTER", "", "").status, 200);
}

#[test]
fn a_question_or_an_old_nonce_is_no_guess() {
    let mut lab = wary();
    for port in 5071..5081 {
        assert_eq!(
            last_response(phone("bob", "", port).send(&mut lab, "REGISTER", "", "")).status,
            401
        );
    }
    let mut honest = phone("bob", "builder", 5090);
    assert_eq!(honest.ask(&mut lab, "REGISTER", "", "").status, 200);
    lab.wait(Duration::from_secs(3600));
    assert_eq!(honest.ask(&mut lab, "REGISTER", "", "").status, 200);
    assert_eq!(lab.counters().guard.failed_logins, 0);
}

#[test]
fn a_flood_is_not_read_and_ends_by_itself() {
    let mut lab = wary();
    let mut flood = Phone::new("x", 7000);
    let heard = (0..200).filter(|_| is_heard(&mut lab, &mut flood)).count();
    assert_eq!(heard, 60);
    assert_eq!(lab.counters().guard.dropped_by_rate, 140);
    lab.wait(Duration::from_secs(1));
    assert!(is_heard(&mut lab, &mut flood));
}

#[test]
fn connections_of_the_banned_are_closed() {
    let mut lab = wary();
    guess(&mut lab, 5);
    let mut caller = Phone::new("x", 7000).over_tcp();
    assert!(!is_heard(&mut lab, &mut caller));
    assert_eq!(lab.closed, [ConnectionId(7000)]);
}

#[test]
fn an_account_calls_in_its_own_name_only() {
    let mut rules = settings();
    rules.guests = Guests::Nobody;
    let mut lab = Lab::with(rules);
    // Who gets past finds no mixer.
    for (port, from, status) in [
        (5081, "<sip:alice@127.0.0.1>;tag=1", 503),
        (5082, "<sip:Alice@127.0.0.1>;tag=1", 503),
        (5083, "<sip:bob@127.0.0.1>;tag=1", 403),
        (5084, "<sip:nobody@127.0.0.1>;tag=1", 403),
        (5085, "<sip:127.0.0.1>;tag=1", 403),
        // Without a name, which is nobody else's (RFC 3323 §4.1.1.3).
        (5086, "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1", 503),
    ] {
        let mut caller = Phone::new("alice", port).with_password("wonderland");
        caller.uri = format!("sip:room@{SERVER}");
        caller.from = from.to_owned();
        assert_eq!(caller.ask(&mut lab, "INVITE", "", OFFER).status, status, "{from}");
    }
}

#[test]
fn nobody_registers_for_another() {
    let mut lab = Lab::new();
    let mut third_party = phone("bob", "builder", 5071);
    third_party.from = "<sip:alice@127.0.0.1>;tag=1".to_owned();
    assert_eq!(third_party.ask(&mut lab, "REGISTER", "", "").status, 403);
    let mut other = phone("bob", "builder", 5072);
    other.to = "<sip:alice@127.0.0.1>".to_owned();
    assert_eq!(other.ask(&mut lab, "REGISTER", "", "").status, 403);
    assert_eq!(lab.counters().bindings, 0);
}
