//! Replaces, Join and REFER: dialogs that change hands, and people who are called in.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod lab;

use std::time::Duration;

use lab::{
    ALLOW, GRACE, Lab, OFFER, Phone, SERVER, last_response, leg_of, requests, settings, statuses,
};
use mixer_control::{MixerEvent, MixerRequest};
use sip_registrar::Account;
use sip_stack::message::{Method, Request, Response};

const ANSWER: &str = "v=0\r\no=bob 9 9 IN IP4 10.9.9.9\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 17000 RTP/AVP 0\r\n";

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// A registrar of `example.org` with three accounts.
fn lab() -> Lab {
    let mut rules = settings();
    rules.accounts.insert(Account::with_password("carol", "parley", "carols"));
    rules.domains = vec!["example.org".into(), "127.0.0.1".into()];
    let mut lab = Lab::with(rules);
    lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
    lab.willing = true;
    lab
}

fn account(user: &str, port: u16) -> Phone {
    let password = match user {
        "alice" => "wonderland",
        "bob" => "builder",
        _ => "carols",
    };
    Phone::new(user, port).with_password(password)
}

fn registered(lab: &mut Lab, user: &str, port: u16) -> Phone {
    let mut phone = account(user, port);
    phone.to = format!("<sip:{user}@127.0.0.1>");
    assert_eq!(phone.ask(lab, "REGISTER", "", "").status, 200);
    phone
}

/// The only request of this method that a phone was sent.
fn one(lab: &mut Lab, phone: &Phone, method: &Method) -> Request {
    let mut came = requests(&lab.take(phone.port()), method);
    assert_eq!(came.len(), 1, "{came:?}");
    came.remove(0)
}

/// What Replaces and Join say of the phone's dialog with us.
fn name_of(phone: &Phone) -> String {
    let tag = |text: &str| text.split("tag=").nth(1).unwrap().to_owned();
    format!("{};to-tag={};from-tag={}", phone.call_id, tag(&phone.to), tag(&phone.from))
}

/// alice and bob talk, by an INVITE of alice.
fn connected(lab: &mut Lab) -> (Phone, Phone) {
    let mut bob = registered(lab, "bob", 5071);
    let mut alice = account("alice", 5070);
    alice.uri = format!("sip:bob@{SERVER}");
    alice.ask(lab, "INVITE", &format!("Allow: {ALLOW}\r\n"), OFFER);
    let invite = one(lab, &bob, &Method::Invite);
    bob.respond(lab, &invite, 200, "b", ANSWER);
    alice.learn(&last_response(lab.take(5070)));
    alice.ack(lab, "");
    bob.learn_request(&invite, "b");
    lab.take(5071);
    (alice, bob)
}

/// The status line and the state in each NOTIFY, all answered.
fn notified(lab: &mut Lab, phone: &Phone) -> Vec<(String, String)> {
    let mut told = Vec::new();
    loop {
        let came = requests(&lab.take(phone.port()), &Method::Notify);
        if came.is_empty() {
            return told;
        }
        for notify in came {
            let kind = notify.headers.get("Content-Type").unwrap_or_default();
            assert!(kind.starts_with("message/sipfrag"), "{kind}");
            assert!(notify.headers.get("Contact").unwrap().contains(";isfocus"));
            let state = notify.headers.get("Subscription-State").unwrap().to_owned();
            let line = String::from_utf8_lossy(&notify.body).trim().to_owned();
            told.push((line, state));
            phone.respond(lab, &notify, 200, "n", "");
        }
    }
}

fn refer(lab: &mut Lab, phone: &mut Phone, headers: &str) -> Response {
    let text = phone.text("REFER", headers, "");
    lab.receive(phone.flow, &text);
    last_response(lab.take_responses(phone.port()))
}

#[test]
fn an_invite_with_replaces_takes_the_place_of_a_members_dialog() {
    let mut lab = lab();
    let mut old = account("alice", 5070);
    old.join(&mut lab, "standup");
    let mut new = account("alice", 5080);
    new.uri = format!("sip:standup@{SERVER}");
    let replaces = format!("Require: replaces\r\nReplaces: {}\r\n", name_of(&old));
    let response = new.ask(&mut lab, "INVITE", &replaces, OFFER);
    assert_eq!(response.status, 200);
    assert!(response.headers.get("Contact").unwrap().contains(";isfocus"));
    let bye = one(&mut lab, &old, &Method::Bye);
    assert!(bye.headers.get("Reason").unwrap().contains("replaced"));
    old.respond(&mut lab, &bye, 200, "x", "");
    new.learn(&response);
    new.ack(&mut lab, "");
    let now = lab.counters();
    assert_eq!((now.conferences, now.members), (1, 1));
}

#[test]
fn a_full_conference_lets_a_member_change_its_device() {
    let mut rules = settings();
    rules.max_members = 1;
    let mut lab = Lab::with(rules);
    lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
    lab.willing = true;
    let mut old = account("alice", 5070);
    old.join(&mut lab, "standup");
    let mut new = account("alice", 5080);
    new.uri = format!("sip:standup@{SERVER}");
    assert_eq!(new.ask(&mut lab, "INVITE", "", OFFER).status, 486);
    let mut new = account("alice", 5081);
    new.uri = format!("sip:standup@{SERVER}");
    let replaces = format!("Replaces: {}\r\n", name_of(&old));
    assert_eq!(new.ask(&mut lab, "INVITE", &replaces, OFFER).status, 200);
}

#[test]
fn an_invite_with_join_comes_in_beside() {
    let mut lab = lab();
    let mut alice = account("alice", 5070);
    alice.join(&mut lab, "standup");
    let mut bob = account("bob", 5071);
    bob.uri = format!("sip:standup@{SERVER}");
    let join = format!("Require: join\r\nJoin: {}\r\n", name_of(&alice));
    let response = bob.ask(&mut lab, "INVITE", &join, OFFER);
    assert_eq!(response.status, 200);
    bob.learn(&response);
    bob.ack(&mut lab, "");
    assert_eq!(lab.counters().members, 2);
    assert!(lab.take(5070).is_empty());
}

#[test]
fn every_refusal_of_replaces_and_join_has_its_status() {
    let mut lab = lab();
    let mut alice = account("alice", 5070);
    alice.join(&mut lab, "standup");
    let mut gone = account("bob", 5071);
    gone.join(&mut lab, "standup");
    gone.send(&mut lab, "BYE", "", "");
    let mut guest = Phone::new("zoe", 5072);
    guest.join(&mut lab, "standup");
    let (there, over) = (name_of(&alice), name_of(&gone));
    let nobody = "nobody;to-tag=1;from-tag=2";
    let half = there.split(";from-tag").next().unwrap().to_owned();
    let rows = [
        (format!("Replaces: {nobody}\r\n"), "standup", "carol", 481),
        (format!("Join: {nobody}\r\n"), "standup", "carol", 481),
        (format!("Replaces: {there}\r\n"), "retro", "carol", 481),
        (format!("Join: {there}\r\n"), "conference", "carol", 481),
        (format!("Replaces: {there}\r\nReplaces: {nobody}\r\n"), "standup", "carol", 400),
        (format!("Join: {there}\r\nJoin: {nobody}\r\n"), "standup", "carol", 400),
        (format!("Replaces: {there}\r\nJoin: {there}\r\n"), "standup", "carol", 400),
        (format!("Replaces: {half}\r\n"), "standup", "carol", 400),
        (format!("Replaces: {there};early-only\r\n"), "standup", "carol", 486),
        // A guest may not push anybody else out.
        (format!("Replaces: {there}\r\n"), "standup", "yan", 403),
    ];
    for (at, (headers, name, user, status)) in (6000..).zip(rows) {
        let mut phone = match user {
            "carol" => account(user, at),
            _ => Phone::new(user, at),
        };
        phone.uri = format!("sip:{name}@{SERVER}");
        assert_eq!(phone.ask(&mut lab, "INVITE", &headers, OFFER).status, status, "{headers}");
    }
    let mut phone = account("carol", 6100);
    phone.uri = format!("sip:standup@{SERVER}");
    let ended = phone.ask(&mut lab, "INVITE", &format!("Replaces: {over}\r\n"), OFFER).status;
    // Remembered as long as anything of it may come, unknown after that (RFC 3891 §3).
    assert!(matches!(ended, 603 | 481), "{ended}");
    assert_eq!(lab.counters().members, 2);
}

#[test]
fn an_ended_dialog_is_declined_while_it_is_remembered() {
    let mut lab = lab();
    let mut bob = account("bob", 5071);
    bob.join(&mut lab, "standup");
    lab.willing = false;
    let mut alice = account("alice", 5070);
    alice.uri = format!("sip:standup@{SERVER}");
    let asked = last_response(alice.send(&mut lab, "INVITE", "", OFFER));
    alice.ack_failure(&mut lab, &asked);
    alice.ask_again(&mut lab, &asked, "INVITE", "", OFFER);
    let leg = leg_of(lab.only_command());
    lab.mixer_agrees();
    alice.learn(&last_response(lab.take(5070)));
    alice.ack(&mut lab, "");
    lab.mixer_says(MixerEvent::LegSilent(leg));
    let probe = one(&mut lab, &alice, &Method::Options);
    alice.respond(&mut lab, &probe, 408, "x", "");
    one(&mut lab, &alice, &Method::Bye); // not answered yet
    let mut carol = account("carol", 5072);
    carol.uri = format!("sip:standup@{SERVER}");
    let replaces = format!("Replaces: {}\r\n", name_of(&alice));
    assert_eq!(carol.ask(&mut lab, "INVITE", &replaces, OFFER).status, 603);
}

#[test]
fn an_attended_transfer_connects_the_new_side_with_the_one_that_stays() {
    for replaces_caller in [true, false] {
        let mut lab = lab();
        let (alice, bob) = connected(&mut lab);
        let (mut leaves, mut stays) = if replaces_caller { (alice, bob) } else { (bob, alice) };
        let mut carol = account("carol", 5073);
        carol.uri = format!("sip:{}@{SERVER}", stays.user);
        let replaces = format!("Replaces: {}\r\n", name_of(&leaves));
        let asked = last_response(carol.send(&mut lab, "INVITE", &replaces, OFFER));
        carol.ack_failure(&mut lab, &asked);
        carol.ask_again(&mut lab, &asked, "INVITE", &replaces, OFFER);
        assert_eq!(statuses(&lab.take(5073)), [100]);
        let reinvite = one(&mut lab, &stays, &Method::Invite);
        assert!(text(&reinvite.body).contains("m=audio 16000"), "carol's offer");
        stays.respond(&mut lab, &reinvite, 200, "s", ANSWER);
        let response = last_response(lab.take(5073));
        assert_eq!(response.status, 200);
        assert!(text(&response.body).contains("m=audio 17000"));
        carol.learn(&response);
        carol.ack(&mut lab, "");
        let bye = one(&mut lab, &leaves, &Method::Bye);
        leaves.respond(&mut lab, &bye, 200, "x", "");
        assert_eq!(lab.counters().calls, 1);
        leaves.cseq += 1;
        // The two go on as any call does.
        lab.take(stays.port());
        carol.send(&mut lab, "BYE", "", "");
        one(&mut lab, &stays, &Method::Bye);
        stays.cseq += 1;
        assert_eq!(lab.counters().calls, 0);
    }
}

#[test]
fn a_transfer_that_the_other_side_refuses_changes_nothing() {
    let mut lab = lab();
    let (mut alice, bob) = connected(&mut lab);
    let mut carol = account("carol", 5073);
    carol.uri = format!("sip:bob@{SERVER}");
    let replaces = format!("Replaces: {}\r\n", name_of(&alice));
    let asked = last_response(carol.send(&mut lab, "INVITE", &replaces, OFFER));
    carol.ack_failure(&mut lab, &asked);
    carol.ask_again(&mut lab, &asked, "INVITE", &replaces, OFFER);
    let reinvite = one(&mut lab, &bob, &Method::Invite);
    bob.respond(&mut lab, &reinvite, 488, "s", "");
    assert_eq!(last_response(lab.take(5073)).status, 488);
    assert!(requests(&lab.take(5070), &Method::Bye).is_empty());
    alice.send(&mut lab, "BYE", "", "");
    one(&mut lab, &bob, &Method::Bye);
}

#[test]
fn nobody_can_join_a_call_whose_media_flow_directly() {
    let mut lab = lab();
    let (alice, _) = connected(&mut lab);
    let mut carol = account("carol", 5073);
    carol.uri = format!("sip:bob@{SERVER}");
    let join = format!("Join: {}\r\n", name_of(&alice));
    assert_eq!(carol.ask(&mut lab, "INVITE", &join, OFFER).status, 488);
}

#[test]
fn a_member_has_an_account_called_in_and_is_told_what_becomes_of_it() {
    let mut lab = lab();
    let bob = registered(&mut lab, "bob", 5071);
    let mut alice = account("alice", 5070);
    alice.join(&mut lab, "standup");
    let response = refer(&mut lab, &mut alice, "Refer-To: <sip:bob@example.org>\r\n");
    assert_eq!(response.status, 200);
    assert!(response.headers.get("Contact").unwrap().contains(";isfocus"));
    let invite = one(&mut lab, &bob, &Method::Invite);
    assert!(invite.headers.get("Contact").unwrap().contains("standup@127.0.0.1:5060>;isfocus"));
    assert!(invite.headers.get("From").unwrap().contains("sip:standup@"));
    assert!(invite.headers.get("Referred-By").unwrap().contains("sip:alice@"));
    assert!(text(&invite.body).contains("m=audio 20000"), "the mixer's offer");
    bob.respond(&mut lab, &invite, 180, "b", "");
    bob.respond(&mut lab, &invite, 200, "b", ANSWER);
    one(&mut lab, &bob, &Method::Ack);
    let told = notified(&mut lab, &alice);
    let lines: Vec<_> = told.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(lines, ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"]);
    assert!(told[0].1.starts_with("active;expires="));
    assert_eq!(told[2].1, "terminated;reason=noresource");
    assert_eq!(lab.counters().members, 2);
}

#[test]
fn who_is_called_in_may_refuse_or_not_be_there() {
    let mut lab = lab();
    let mut alice = account("alice", 5070);
    alice.join(&mut lab, "standup");
    refer(&mut lab, &mut alice, "Refer-To: <sip:bob@example.org>\r\n");
    let told = notified(&mut lab, &alice);
    assert_eq!(told.last().unwrap().0, "SIP/2.0 480 Temporarily Unavailable");
    let bob = registered(&mut lab, "bob", 5071);
    refer(&mut lab, &mut alice, "Refer-To: sip:bob@example.org\r\n");
    let invite = one(&mut lab, &bob, &Method::Invite);
    bob.respond(&mut lab, &invite, 486, "b", "");
    let told = notified(&mut lab, &alice);
    assert_eq!(told.last().unwrap().0, "SIP/2.0 486 Busy Here");
    assert_eq!(told.last().unwrap().1, "terminated;reason=noresource");
    assert_eq!(lab.counters().members, 1);
    assert!(lab.commands.is_empty());
}

#[test]
fn the_first_device_that_answers_an_invitation_stays() {
    let mut lab = lab();
    let first = registered(&mut lab, "bob", 5071);
    let second = registered(&mut lab, "bob", 5072);
    let mut alice = account("alice", 5070);
    alice.join(&mut lab, "standup");
    refer(&mut lab, &mut alice, "Refer-To: <sip:bob@example.org>\r\n");
    let at_first = one(&mut lab, &first, &Method::Invite);
    let at_second = one(&mut lab, &second, &Method::Invite);
    first.respond(&mut lab, &at_first, 180, "1", "");
    second.respond(&mut lab, &at_second, 200, "2", ANSWER);
    one(&mut lab, &first, &Method::Cancel);
    first.respond(&mut lab, &at_first, 487, "1", "");
    assert_eq!(lab.counters().members, 2);
    assert_eq!(notified(&mut lab, &alice).last().unwrap().0, "SIP/2.0 200 OK");
}

#[test]
fn nobody_is_called_into_a_conference_that_all_have_left() {
    let mut lab = lab();
    let bob = registered(&mut lab, "bob", 5071);
    let mut alice = account("alice", 5070);
    alice.join(&mut lab, "standup");
    refer(&mut lab, &mut alice, "Refer-To: <sip:bob@example.org>\r\n");
    let invite = one(&mut lab, &bob, &Method::Invite);
    bob.respond(&mut lab, &invite, 180, "b", "");
    alice.send(&mut lab, "BYE", "", "");
    one(&mut lab, &bob, &Method::Cancel);
    bob.respond(&mut lab, &invite, 487, "b", "");
    lab.wait(GRACE);
    let now = lab.counters();
    assert_eq!((now.conferences, now.members), (0, 0));
    assert!(lab.commands.is_empty());
}

#[test]
fn without_subscription_nothing_is_told() {
    let mut lab = lab();
    let bob = registered(&mut lab, "bob", 5071);
    let mut alice = account("alice", 5070);
    alice.join(&mut lab, "standup");
    let headers = "Refer-To: <sip:bob@example.org>\r\nRefer-Sub: false\r\n\
        Require: norefersub\r\n";
    let response = refer(&mut lab, &mut alice, headers);
    assert_eq!((response.status, response.headers.get("Refer-Sub")), (200, Some("false")));
    one(&mut lab, &bob, &Method::Invite);
    assert!(notified(&mut lab, &alice).is_empty());
}

#[test]
fn policy_denies_what_would_make_a_relay_of_us() {
    let mut lab = lab();
    registered(&mut lab, "bob", 5071);
    let mut alice = account("alice", 5070);
    alice.join(&mut lab, "standup");
    let mut zoe = Phone::new("zoe", 5072);
    zoe.join(&mut lab, "standup");
    for (target, status) in [
        ("<sip:bob@elsewhere.example>", 403),
        ("<tel:+4930123456>", 403),
        ("<sip:retro@example.org>", 403),
        ("<sip:example.org>", 403),
        ("<sip:bob@example.org;method=BYE>", 404),
        ("<sip:bob@example.org;method=MESSAGE>", 403),
        ("<sip:bob@example.org?Route=%3Csip:x%3E>", 403),
        ("nonsense", 400),
    ] {
        let response = refer(&mut lab, &mut alice, &format!("Refer-To: {target}\r\n"));
        assert_eq!(response.status, status, "{target}");
    }
    assert_eq!(refer(&mut lab, &mut alice, "").status, 400);
    let two = "Refer-To: <sip:bob@example.org>\r\nRefer-To: <sip:carol@example.org>\r\n";
    assert_eq!(refer(&mut lab, &mut alice, two).status, 400);
    assert_eq!(refer(&mut lab, &mut zoe, "Refer-To: <sip:bob@example.org>\r\n").status, 403);
    assert!(lab.take(5071).iter().all(|m| !matches!(m, sip_stack::message::Message::Request(_))));
}

#[test]
fn one_may_remove_oneself() {
    let mut lab = lab();
    let mut alice = account("alice", 5070);
    alice.join(&mut lab, "standup");
    let mut bob = account("bob", 5071);
    bob.join(&mut lab, "standup");
    refer(&mut lab, &mut alice, "Refer-To: <sip:alice@example.org;method=BYE>\r\n");
    one(&mut lab, &alice, &Method::Bye);
    assert_eq!(lab.counters().members, 1);
}

#[test]
fn a_refer_outside_of_the_call_has_a_dialog_of_its_own() {
    let mut lab = lab();
    let bob = registered(&mut lab, "bob", 5071);
    let mut refers = account("alice", 5090);
    refers.uri = format!("sip:standup@{SERVER}");
    let invitation = "Refer-To: <sip:bob@example.org>\r\n";
    assert_eq!(refers.ask(&mut lab, "REFER", invitation, "").status, 404);
    let mut alice = account("alice", 5070);
    alice.join(&mut lab, "standup");
    let mut carol = account("carol", 5091);
    carol.uri = format!("sip:standup@{SERVER}");
    assert_eq!(carol.ask(&mut lab, "REFER", invitation, "").status, 403, "she is no member");
    let asked = last_response(refers.send(&mut lab, "REFER", invitation, ""));
    assert_eq!(asked.status, 401);
    refers.ask_again(&mut lab, &asked, "REFER", invitation, "");
    assert_eq!(statuses(&lab.take_responses(5090)), [200]);
    let invite = one(&mut lab, &bob, &Method::Invite);
    bob.respond(&mut lab, &invite, 200, "b", ANSWER);
    let told = notified(&mut lab, &refers);
    assert_eq!(told.last().unwrap().0, "SIP/2.0 200 OK");
}

#[test]
fn only_a_refer_begins_a_subscription_and_who_has_one_may_end_it() {
    let mut lab = lab();
    let bob = registered(&mut lab, "bob", 5071);
    let mut alice = account("alice", 5070);
    alice.uri = format!("sip:standup@{SERVER}");
    for (event, status) in [
        ("Event: dialog\r\n", 489),
        ("Event: presence\r\n", 489),
        ("", 489),
        ("Event: refer\r\n", 403),
    ] {
        let response = alice.ask(&mut lab, "SUBSCRIBE", event, "");
        assert_eq!(response.status, status, "{event}");
        assert_eq!(response.headers.has("Allow-Events"), status == 489);
    }
    alice.join(&mut lab, "standup");
    assert_eq!(alice.ask(&mut lab, "SUBSCRIBE", "Event: refer\r\n", "").status, 403);
    refer(&mut lab, &mut alice, "Refer-To: <sip:bob@example.org>\r\n");
    let id = alice.cseq;
    notified(&mut lab, &alice);
    let end = format!("Event: refer;id={id}\r\nExpires: 0\r\n");
    let text = alice.text("SUBSCRIBE", &end, "");
    lab.receive(alice.flow, &text);
    let came = lab.take(5070);
    assert_eq!(statuses(&came), [200]);
    let last = requests(&came, &Method::Notify).remove(0);
    assert_eq!(last.headers.get("Subscription-State"), Some("terminated;reason=timeout"));
    // The invitation goes on all the same.
    let invite = one(&mut lab, &bob, &Method::Invite);
    bob.respond(&mut lab, &invite, 200, "b", ANSWER);
    assert_eq!(lab.counters().members, 2);
}

#[test]
fn a_blind_transfer_passes_from_phone_to_phone() {
    let mut lab = lab();
    let (mut alice, mut bob) = connected(&mut lab);
    let headers = "Refer-To: <sip:carol@example.org>\r\nReferred-By: <sip:alice@example.org>\r\n";
    alice.send(&mut lab, "REFER", headers, "");
    let asked = alice.cseq;
    let passed = one(&mut lab, &bob, &Method::Refer);
    assert_eq!(passed.headers.get("Refer-To"), Some("<sip:carol@example.org>"));
    assert_eq!(passed.headers.get("Referred-By"), Some("<sip:alice@example.org>"));
    bob.respond(&mut lab, &passed, 202, "b", "");
    let accepted = last_response(lab.take(5070));
    assert_eq!(accepted.status, 202);
    assert!(accepted.headers.has("Contact"));
    let id = passed.headers.cseq().unwrap().number;
    let notify = format!(
        "Event: refer;id={id}\r\nSubscription-State: active;expires=60\r\n\
        Content-Type: message/sipfrag\r\n"
    );
    bob.send(&mut lab, "NOTIFY", &notify, "SIP/2.0 100 Trying\r\n");
    let told = one(&mut lab, &alice, &Method::Notify);
    assert_eq!(told.headers.get("Event"), Some(&*format!("refer;id={asked}")));
    assert_eq!(told.headers.get("Subscription-State"), Some("active;expires=60"));
    assert_eq!(&told.body[..], b"SIP/2.0 100 Trying\r\n");
    alice.respond(&mut lab, &told, 200, "x", "");
    assert_eq!(last_response(lab.take(5071)).status, 200);
    assert_eq!(statuses(&alice.send(&mut lab, "REFER", "", "")), [400]);
}

#[test]
fn what_a_phone_says_reliably_before_it_answers_binds_the_caller_too() {
    let mut lab = lab();
    let bob = registered(&mut lab, "bob", 5071);
    let mut alice = account("alice", 5070);
    alice.uri = format!("sip:bob@{SERVER}");
    alice.ask(&mut lab, "INVITE", "Supported: 100rel\r\n", OFFER);
    let invite = one(&mut lab, &bob, &Method::Invite);
    assert!(invite.headers.list_has("Supported", "100rel"));
    let mut early = sip_stack::message::build::response_to(&invite, 183, "", Some("b"));
    early.headers.push("Contact", "<sip:bob@127.0.0.1:5071>");
    early.headers.push("Require", "100rel");
    early.headers.push("RSeq", 77);
    early.set_body("application/sdp", ANSWER);
    lab.input(sip_registrar::Input::Sip { flow: bob.flow, bytes: early.to_bytes() });
    let prack = one(&mut lab, &bob, &Method::Prack);
    assert!(prack.headers.get("RAck").unwrap().starts_with("77 "));
    bob.respond(&mut lab, &prack, 200, "b", "");
    let told = last_response(lab.take(5070));
    assert_eq!((told.status, told.headers.list_has("Require", "100rel")), (183, true));
    assert!(text(&told.body).contains("m=audio 17000"));
    // bob answers before alice's PRACK has come: her 200 waits for it.
    bob.respond(&mut lab, &invite, 200, "b", "");
    one(&mut lab, &bob, &Method::Ack);
    assert!(!statuses(&lab.take(5070)).contains(&200));
    alice.learn(&told);
    let invited = alice.cseq;
    let rack = format!("RAck: {} {invited} INVITE\r\n", told.headers.get("RSeq").unwrap());
    let came = alice.send(&mut lab, "PRACK", &rack, "");
    assert_eq!(statuses(&came), [200, 200]);
    assert!(last_response(came).body.is_empty());
    alice.send(&mut lab, &format!("ACK {invited}"), "", "");
    lab.wait(Duration::from_secs(40));
    assert_eq!(lab.counters().calls, 1);
}

#[test]
fn an_ordinary_refusal_is_no_failure_of_the_mixer() {
    let mut lab = lab();
    lab.willing = false;
    let mut zoe = Phone::new("zoe", 5072);
    zoe.uri = format!("sip:standup@{SERVER}");
    zoe.send(&mut lab, "INVITE", "", OFFER);
    assert!(matches!(lab.only_command(), MixerRequest::Join(_)));
    lab.mixer_refuses(mixer_control::MixerError::NoCommonMedia("no codec".into()));
    assert_eq!(last_response(lab.take(5072)).status, 488);
    assert_eq!(lab.counters().mixer_failures, 0);
}
