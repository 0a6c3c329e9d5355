//! Conferences against the core and a mixer that answers late, never, or with a refusal.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod lab;

use std::time::Duration;

use lab::{
    GRACE, Lab, OFFER, Phone, SERVER, T1, body, last_response, leg_of, requests, settings, statuses,
};
use mixer_control::{LegRef, MixerError, MixerEvent, MixerRequest};
use sip_registrar::{Guests, Settings};
use sip_stack::message::{Message, Method, Request};

const FOCUS: &str = "<sip:room@127.0.0.1:5060>;isfocus";

fn guest(port: u16) -> Phone {
    let mut phone = Phone::new("zoe", port);
    phone.uri = format!("sip:room@{SERVER}");
    phone
}

fn contact(response: &sip_stack::message::Response) -> &str {
    response.headers.get("Contact").unwrap()
}

fn byes(messages: &[Message]) -> Vec<String> {
    let reason = |r: &Request| r.headers.get("Reason").unwrap().to_owned();
    requests(messages, &Method::Bye).iter().map(reason).collect()
}

#[test]
fn an_invite_is_answered_when_the_mixer_has_answered() {
    let mut lab = Lab::new();
    lab.willing = false;
    let mut phone = guest(5070);
    phone.from = "\"Zoé\" <sip:zoe@127.0.0.1>;tag=1".to_owned();
    let came = phone.send(&mut lab, "INVITE", "", OFFER);
    assert_eq!(statuses(&came), [100]);
    let MixerRequest::Join(join) = lab.only_command().clone() else { panic!("a Join") };
    assert_eq!(join.display_name, "Zoé");
    assert_eq!(join.signalled_from, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(join.focus, lab.registrar.focus_id());
    assert!(join.leg.conference.starts_with("room-"));
    assert!(join.offer.unwrap().contains("m=audio 16000 RTP/AVP 0 8 101\r\n"));

    lab.wait(Duration::from_secs(3));
    lab.mixer_agrees();
    let response = last_response(lab.take(5070));
    assert_eq!(response.status, 200);
    assert_eq!(contact(&response), FOCUS);
    let answer = body(&response);
    assert_eq!(answer.media.len(), 1);
    assert_eq!(answer.media[0].port, 20_000);
    // The mixer's o= line does not get out: the dialog has its own.
    assert_ne!(answer.origin.session_id, 1);

    phone.learn(&response);
    assert_eq!(lab.counters().members, 0);
    phone.ack(&mut lab, "");
    assert_eq!((lab.counters().members, lab.counters().conferences), (1, 1));
    let came = phone.send(&mut lab, "BYE", "", "");
    assert_eq!(statuses(&came), [200]);
    assert!(matches!(lab.only_command(), MixerRequest::Leave(leg) if *leg == join.leg));
    lab.mixer_agrees();
    assert_eq!((lab.counters().members, lab.counters().conferences), (0, 1));
    lab.wait(GRACE);
    assert_eq!((lab.counters().members, lab.counters().conferences), (0, 0));
    lab.wait(Duration::from_secs(54));
    assert!(lab.registrar.is_idle());
}

#[test]
fn the_same_name_is_the_same_meeting_until_the_last_has_left() {
    let mut lab = Lab::new();
    let mut first = guest(5070);
    let mut second = guest(5071);
    first.join(&mut lab, "room");
    lab.willing = false;
    second.send(&mut lab, "INVITE", "", OFFER);
    let meeting = leg_of(lab.only_command()).conference;
    lab.mixer_agrees();
    let response = last_response(lab.take(5071));
    second.learn(&response);
    second.ack(&mut lab, "");
    assert_eq!((lab.counters().members, lab.counters().conferences), (2, 1));
    lab.willing = true;
    first.send(&mut lab, "BYE", "", "");
    assert_eq!(lab.counters().conferences, 1);
    second.send(&mut lab, "BYE", "", "");
    lab.wait(GRACE - Duration::from_millis(1));
    assert_eq!(lab.counters().conferences, 1, "who lost the network finds it again");
    lab.wait(Duration::from_millis(1));
    assert_eq!(lab.counters().conferences, 0);

    lab.willing = false;
    guest(5072).send(&mut lab, "INVITE", "", OFFER);
    assert_ne!(leg_of(lab.only_command()).conference, meeting, "another meeting of the same name");
}

#[test]
fn the_factory_makes_conferences_with_names_of_their_own() {
    let mut lab = Lab::new();
    let mut names = Vec::new();
    for port in [5070, 5071] {
        let response = guest(port).join(&mut lab, "conference");
        names.push(contact(&response).to_owned());
    }
    assert_ne!(names[0], names[1]);
    assert!(names.iter().all(|n| n.ends_with("@127.0.0.1:5060>;isfocus")), "{names:?}");
    assert_eq!(lab.counters().conferences, 2);
    // A retransmitted or repeated INVITE of the same Call-ID makes no third one.
    let name = names[0].trim_start_matches("<sip:").split('@').next().unwrap().to_owned();
    guest(5073).join(&mut lab, &name);
    assert_eq!(lab.counters().conferences, 2);
}

#[test]
fn a_retransmitted_invite_joins_once() {
    let mut lab = Lab::new();
    lab.willing = false;
    let mut phone = guest(5070);
    let text = phone.text("INVITE", "", OFFER);
    for _ in 0..3 {
        lab.receive(phone.flow, &text);
    }
    assert_eq!(lab.commands.len(), 1);
}

#[test]
fn every_refusal_of_the_mixer_has_its_status() {
    let cases = [
        (MixerError::Invalid("no".into()), 400, "Warning"),
        (MixerError::NoCommonMedia("no codec in common".into()), 488, "Warning"),
        (MixerError::NoCommonMedia("302 no SAVP".into()), 488, "Warning"),
        (MixerError::Exhausted("no ports".into()), 503, "Retry-After"),
        (MixerError::Unavailable("broken".into()), 503, "Retry-After"),
        (MixerError::NotFound, 481, "To"),
    ];
    for (error, status, header) in cases {
        let mut lab = Lab::new();
        lab.willing = false;
        let mut phone = guest(5070);
        phone.send(&mut lab, "INVITE", "", OFFER);
        lab.mixer_refuses(error.clone());
        let response = last_response(lab.take(5070));
        assert_eq!(response.status, status, "{error}");
        assert!(response.headers.has(header), "{error}");
        if status == 488 {
            let warning = response.headers.get("Warning").unwrap();
            let known = ["305 parley \"no codec in common\"", "302 parley \"no SAVP\""];
            assert!(known.contains(&warning), "{warning}");
        }
        phone.ack_failure(&mut lab, &response);
        assert_eq!(lab.counters().conferences, 0, "{error}");
        lab.wait(Duration::from_secs(64));
        assert!(lab.registrar.is_idle(), "{error}");
    }
}

#[test]
fn a_silent_mixer_means_503_and_a_late_leg_leaves() {
    let mut lab = Lab::new();
    lab.willing = false;
    let mut phone = guest(5070);
    phone.send(&mut lab, "INVITE", "", OFFER);
    let leg = leg_of(lab.only_command());
    lab.wait(Duration::from_millis(4999));
    assert!(lab.take(5070).is_empty());
    lab.wait(Duration::from_millis(1));
    let response = last_response(lab.take(5070));
    assert_eq!(response.status, 503);
    assert!(response.headers.has("Retry-After"));
    phone.ack_failure(&mut lab, &response);
    assert_eq!(lab.counters().conferences, 0);
    lab.mixer_agrees();
    assert!(matches!(lab.only_command(), MixerRequest::Leave(gone) if *gone == leg));
}

#[test]
fn cancel_while_the_mixer_works_is_487_and_the_leg_leaves_when_it_comes() {
    for late_reply in [Ok(Some(lab::mixer_description(Some(OFFER)))), Err(MixerError::NotFound)] {
        let mut lab = Lab::new();
        lab.willing = false;
        let mut phone = guest(5070);
        phone.send(&mut lab, "INVITE", "", OFFER);
        let leg = leg_of(lab.only_command());
        let came = phone.send(&mut lab, "CANCEL 1", "", "");
        let mut codes = statuses(&came);
        codes.sort_unstable();
        assert_eq!(codes, [200, 487]);
        assert_eq!(lab.counters().conferences, 0);
        assert_eq!(lab.commands.len(), 1, "the Leave must not overtake the Join");
        lab.reply(late_reply);
        assert!(matches!(lab.only_command(), MixerRequest::Leave(gone) if *gone == leg));
        assert!(lab.take(5070).is_empty());
    }
}

#[test]
fn a_200_is_repeated_until_ack_and_given_up_after_64_t1() {
    let mut lab = Lab::new();
    let mut phone = guest(5070);
    let response = phone.ask(&mut lab, "INVITE", "", OFFER);
    assert_eq!(response.status, 200);
    lab.wait(T1 * 63);
    let again = lab.take(5070);
    assert!(statuses(&again).len() > 5 && statuses(&again).iter().all(|s| *s == 200));
    assert_eq!(lab.counters().conferences, 1);
    lab.wait(T1 + T1 / 2);
    assert_eq!(requests(&lab.take(5070), &Method::Bye).len(), 1);
    assert_eq!(lab.counters().conferences, 0);
}

#[test]
fn a_late_offer_is_the_mixers_and_the_ack_answers_it() {
    let mut lab = Lab::new();
    let mut phone = guest(5070);
    let response = phone.ask(&mut lab, "INVITE", "", "");
    assert_eq!(response.status, 200);
    assert_eq!(body(&response).media.len(), 2);
    phone.learn(&response);
    lab.willing = false;
    phone.ack(&mut lab, OFFER);
    let MixerRequest::Accept(answer) = lab.only_command().clone() else { panic!("an Accept") };
    assert!(answer.sdp.contains("m=audio 16000"));
    lab.mixer_agrees();
    assert_eq!(lab.counters().members, 1);

    // An ACK without an answer ends the session (RFC 3264 §4).
    let mut lab = Lab::new();
    let mut phone = guest(5070);
    let response = phone.ask(&mut lab, "INVITE", "", "");
    phone.learn(&response);
    let cseq = phone.cseq;
    let came = phone.send(&mut lab, &format!("ACK {cseq}"), "", "");
    assert_eq!(byes(&came), ["SIP;cause=400;text=\"no answer in ACK\""]);
    lab.wait(GRACE);
    assert_eq!(lab.counters().conferences, 0);

    // So does an answer that the mixer cannot use.
    let mut lab = Lab::new();
    let mut phone = guest(5070);
    let response = phone.ask(&mut lab, "INVITE", "", "");
    phone.learn(&response);
    lab.willing = false;
    phone.ack(&mut lab, OFFER);
    lab.mixer_refuses(MixerError::NoCommonMedia("nothing".into()));
    assert_eq!(byes(&lab.take(5070)).len(), 1);
}

#[test]
fn without_a_mixer_calls_get_503_and_it_is_used_again_when_it_is_back() {
    let mut lab = Lab::with(settings());
    let refused = |lab: &mut Lab, port| {
        let response = guest(port).ask(lab, "INVITE", "", OFFER);
        assert_eq!(response.status, 503);
        assert!(response.headers.has("Retry-After"));
    };
    refused(&mut lab, 5070);
    lab.willing = true;
    lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
    guest(5071).join(&mut lab, "room");

    lab.input(sip_registrar::Input::MixerDown);
    refused(&mut lab, 5072);
    assert!(lab.take(5071).is_empty(), "a broken stream alone ends nothing");
    lab.wait(Duration::from_secs(1));
    lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
    lab.wait(Duration::from_secs(10));
    assert!(lab.take(5071).is_empty(), "the same mixer is back in time");

    lab.input(sip_registrar::Input::MixerDown);
    lab.wait(Duration::from_secs(2));
    assert_eq!(byes(&lab.take(5071)), ["SIP;cause=503;text=\"the media mixer is gone\""]);
    lab.wait(GRACE);
    assert_eq!(lab.counters().conferences, 0);
    refused(&mut lab, 5073);
    lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
    guest(5074).join(&mut lab, "room");
}

#[test]
fn a_restarted_mixer_has_lost_the_conferences() {
    let mut lab = Lab::new();
    guest(5070).join(&mut lab, "room");
    lab.input(sip_registrar::Input::MixerDown);
    lab.mixer_says(MixerEvent::Hello { mixer: "m2".into() });
    assert_eq!(byes(&lab.take(5070)), ["SIP;cause=503;text=\"the media mixer was restarted\""]);
    guest(5071).join(&mut lab, "room");
    assert_eq!(lab.counters().members, 1);
}

#[test]
fn a_leg_whose_removal_was_lost_is_removed_when_it_is_told_to_be_silent() {
    let mut lab = Lab::new();
    let mut phone = guest(5070);
    lab.willing = false;
    phone.send(&mut lab, "INVITE", "", OFFER);
    let leg = leg_of(lab.only_command());
    lab.mixer_agrees();
    let response = last_response(lab.take(5070));
    phone.learn(&response);
    phone.ack(&mut lab, "");
    phone.send(&mut lab, "BYE", "", "");
    lab.mixer_refuses(MixerError::Unavailable("deadline".into()));
    assert!(lab.commands.is_empty());
    lab.mixer_says(MixerEvent::LegSilent(leg.clone()));
    assert!(matches!(lab.only_command(), MixerRequest::Leave(gone) if *gone == leg));
    lab.mixer_agrees();
    assert!(lab.commands.is_empty());
}

/// A member of "room" and its leg.
fn member(lab: &mut Lab, port: u16) -> (Phone, LegRef) {
    lab.willing = false;
    let mut phone = guest(port);
    phone.send(lab, "INVITE", "", OFFER);
    let leg = leg_of(lab.only_command());
    lab.mixer_agrees();
    phone.learn(&last_response(lab.take(port)));
    phone.ack(lab, "");
    lab.willing = true;
    (phone, leg)
}

fn probes(lab: &mut Lab, port: u16) -> Vec<Request> {
    let came = lab.take(port);
    assert!(byes(&came).is_empty(), "{came:?}");
    requests(&came, &Method::Options)
}

/// RFC 3261 §11, §12.2.1.2.
#[test]
fn a_silent_member_stays_as_long_as_it_answers_options() {
    let mut lab = Lab::new();
    let (phone, leg) = member(&mut lab, 5070);
    for status in [200, 405, 486, 491, 500, 401, 603] {
        lab.mixer_says(MixerEvent::LegSilent(leg.clone()));
        lab.mixer_says(MixerEvent::LegSilent(leg.clone()));
        let asked = probes(&mut lab, 5070);
        assert_eq!(asked.len(), 1, "one at a time, and again after {status}");
        assert_eq!(asked[0].headers.get("Call-ID"), Some(phone.call_id.as_str()));
        assert_eq!(asked[0].headers.get("Accept"), Some("application/sdp"));
        phone.respond(&mut lab, &asked[0], status, "x", "");
        lab.wait(T1 * 120);
        assert!(lab.take(5070).is_empty());
        assert_eq!(lab.counters().members, 1, "{status}");
    }
}

#[test]
fn a_silent_member_that_is_gone_is_ended() {
    for status in [408, 481] {
        let mut lab = Lab::new();
        let (phone, leg) = member(&mut lab, 5070);
        lab.mixer_says(MixerEvent::LegSilent(leg));
        let asked = probes(&mut lab, 5070);
        phone.respond(&mut lab, &asked[0], status, "x", "");
        let reason = format!("SIP;cause={status};text=\"no media from you any more\"");
        assert_eq!(byes(&lab.take(5070)), [reason]);
        assert_eq!(lab.counters().members, 0);
    }
    let mut lab = Lab::new();
    let (_, leg) = member(&mut lab, 5070);
    lab.mixer_says(MixerEvent::LegSilent(leg));
    lab.wait(T1 * 64 - Duration::from_millis(1));
    // Ten retransmissions (§17.1.2.2), and no BYE yet.
    assert_eq!(probes(&mut lab, 5070).len(), 11);
    lab.wait(Duration::from_millis(1));
    assert_eq!(byes(&lab.take(5070)), ["SIP;cause=408;text=\"no media from you any more\""]);
    assert_eq!(lab.counters().members, 0);
}

#[test]
fn an_answer_of_one_who_has_left_meanwhile_is_nothing() {
    let mut lab = Lab::new();
    let (mut phone, leg) = member(&mut lab, 5070);
    let (_, _) = member(&mut lab, 5071);
    lab.mixer_says(MixerEvent::LegSilent(leg));
    let asked = probes(&mut lab, 5070);
    assert_eq!(phone.ask(&mut lab, "BYE", "", "").status, 200);
    phone.respond(&mut lab, &asked[0], 481, "x", "");
    assert!(lab.take(5070).is_empty());
    assert_eq!(lab.counters().members, 1);
}

#[test]
fn what_fails_at_the_mixer_ends_those_concerned_and_nobody_else() {
    let mut lab = Lab::new();
    lab.willing = false;
    let mut legs = Vec::new();
    for (port, name) in [(5070, "a"), (5071, "a"), (5072, "b")] {
        let mut phone = guest(port);
        phone.uri = format!("sip:{name}@{SERVER}");
        phone.send(&mut lab, "INVITE", "", OFFER);
        legs.push(leg_of(lab.only_command()));
        lab.mixer_agrees();
        let response = last_response(lab.take(port));
        phone.learn(&response);
        phone.ack(&mut lab, "");
    }
    lab.willing = true;
    lab.mixer_says(MixerEvent::LegSilent(legs[0].clone()));
    lab.wait(T1 * 64);
    assert_eq!(byes(&lab.take(5070))[0], "SIP;cause=408;text=\"no media from you any more\"");
    assert_eq!(lab.counters().members, 2);
    lab.mixer_says(MixerEvent::ConferenceFailed(legs[1].conference.clone()));
    assert!(byes(&lab.take(5071))[0].starts_with("SIP;cause=500"));
    assert!(lab.take(5072).is_empty());
    lab.wait(GRACE);
    assert_eq!((lab.counters().members, lab.counters().conferences), (1, 1));
    lab.mixer_says(MixerEvent::LegSilent(legs[0].clone()));
    lab.mixer_says(MixerEvent::ConferenceFailed("unknown".into()));
    assert_eq!(lab.counters().members, 1);
}

#[test]
fn a_stop_ends_every_call_and_takes_no_new_one() {
    let mut lab = Lab::new();
    let mut inside = guest(5070);
    inside.join(&mut lab, "room");
    lab.willing = false;
    let mut waiting = guest(5071);
    waiting.send(&mut lab, "INVITE", "", OFFER);
    lab.input(sip_registrar::Input::Stop);
    let came = lab.take(5070);
    assert_eq!(byes(&came), ["SIP;cause=503;text=\"the server is shutting down\""]);
    let refused = last_response(lab.take(5071));
    assert_eq!(refused.status, 503);
    assert_eq!(guest(5072).ask(&mut lab, "INVITE", "", OFFER).status, 503);
    assert!(!lab.registrar.is_idle());
    let bye = requests(&came, &Method::Bye).remove(0);
    inside.respond(&mut lab, &bye, 200, "x", "");
    waiting.ack_failure(&mut lab, &refused);
    assert!(lab.registrar.is_idle());
}

#[test]
fn names_bodies_and_numbers_have_limits() {
    let mut lab = Lab::new();
    for (uri, status) in [
        (format!("sip:{}@{SERVER}", "x".repeat(65)), 404),
        (format!("sip:%00@{SERVER}"), 404),
        (format!("sip:{SERVER}"), 404),
        ("tel:123".to_owned(), 416),
    ] {
        let mut phone = guest(5070);
        phone.call_id.clone_from(&uri);
        phone.uri = uri;
        assert_eq!(phone.ask(&mut lab, "INVITE", "", OFFER).status, status, "{}", phone.uri);
    }
    for (headers, text, status) in [
        ("Content-Type: text/plain\r\n", "hello", 415),
        ("", "v=0\r\nnonsense", 400),
        ("Content-Encoding: gzip\r\n", OFFER, 415),
        ("Require: teleport\r\n", OFFER, 420),
    ] {
        let mut phone = guest(5071);
        phone.call_id = format!("{headers}{status}").replace([' ', '\r', '\n'], "");
        let response = phone.ask(&mut lab, "INVITE", headers, text);
        assert_eq!(response.status, status, "{headers}{text}");
        assert_eq!(response.headers.has("Accept"), status == 415);
    }
    assert_eq!(lab.counters().conferences, 0);

    // Two conferences for the guests of one address, three members in one, three conferences in all.
    for port in 5080..5083 {
        guest(port).join(&mut lab, "room");
    }
    assert_eq!(guest(5083).ask(&mut lab, "INVITE", "", OFFER).status, 486);
    guest(5084).join(&mut lab, "second");
    let mut phone = guest(5085);
    phone.uri = format!("sip:third@{SERVER}");
    assert_eq!(phone.ask(&mut lab, "INVITE", "", OFFER).status, 503);
    Phone::new("alice", 5086).with_password("wonderland").join(&mut lab, "third");
    let mut bob = Phone::new("bob", 5087).with_password("builder");
    bob.uri = format!("sip:fourth@{SERVER}");
    assert_eq!(bob.ask(&mut lab, "INVITE", "", OFFER).status, 503);
}

#[test]
fn a_name_that_is_somebodys_must_be_proved() {
    let mut lab = Lab::new();
    let mut thief = Phone::new("alice", 5070);
    thief.uri = format!("sip:room@{SERVER}");
    let response = thief.ask(&mut lab, "INVITE", "", OFFER);
    assert_eq!(response.status, 401);
    thief.ack_failure(&mut lab, &response);
    let mut alice = Phone::new("alice", 5071).with_password("wonderland");
    alice.join(&mut lab, "room");
    // Whoever has an account may not take another's name.
    let mut bob = Phone::new("bob", 5072).with_password("builder");
    bob.from = "<sip:alice@127.0.0.1>;tag=b".to_owned();
    bob.uri = format!("sip:room@{SERVER}");
    assert_eq!(bob.ask(&mut lab, "INVITE", "", OFFER).status, 403);
    assert_eq!(lab.counters().members, 1);
    // The same user twice is two devices.
    Phone::new("alice", 5073).with_password("wonderland").join(&mut lab, "room");
    assert_eq!(lab.counters().members, 2);
}

#[test]
fn a_dialog_may_change_its_transport() {
    let mut lab = Lab::new();
    let mut phone = guest(5070).over_tcp();
    let response = phone.ask(&mut lab, "INVITE", "", OFFER);
    assert_eq!(contact(&response), "<sip:room@127.0.0.1:5060;transport=tcp>;isfocus");
    phone.learn(&response);
    phone.flow = lab::udp(5070);
    phone.ack(&mut lab, "");
    assert_eq!(lab.counters().members, 1);
    assert_eq!(statuses(&phone.send(&mut lab, "BYE", "", "")), [200]);
    assert_eq!(lab.counters().members, 0);
}

#[test]
fn options_tell_what_can_be_done() {
    let mut lab = Lab::new();
    guest(5070).join(&mut lab, "room");
    for (user, status, focus) in [
        ("room@", 200, true),
        ("nobody-there-yet@", 200, false),
        ("conference@", 200, false),
        ("", 200, false),
        ("alice@", 480, false),
    ] {
        let mut phone = guest(5071);
        phone.call_id = format!("options-{user}");
        phone.uri = format!("sip:{user}{SERVER}");
        let response = last_response(phone.send(&mut lab, "OPTIONS", "", ""));
        assert_eq!(response.status, status, "{user}");
        if status == 200 {
            let allow: Vec<_> = response.headers.get_all("Allow").collect();
            assert!(allow.contains(&"INVITE") && allow.contains(&"UPDATE"));
            assert!(response.headers.list_has("Accept", "application/sdp"));
            assert!(response.headers.list_has("Supported", "timer"));
            let contact = response.headers.get("Contact").unwrap_or_default();
            assert_eq!(contact.ends_with(";isfocus"), focus, "{user} {contact}");
        }
    }
}

#[test]
fn options_of_a_stranger_find_out_nothing() {
    let mut lab = Lab::with(Settings { guests: Guests::Nobody, ..settings() });
    for (user, status) in [("room@", 401), ("alice@", 401), ("conference@", 200), ("", 200)] {
        let mut phone = guest(5071);
        phone.call_id = format!("options-{user}");
        phone.uri = format!("sip:{user}{SERVER}");
        let response = last_response(phone.send(&mut lab, "OPTIONS", "", ""));
        assert_eq!(response.status, status, "{user}");
    }
    let mut bob = Phone::new("bob", 5072).with_password("builder");
    bob.uri = format!("sip:alice@{SERVER}");
    assert_eq!(bob.ask(&mut lab, "OPTIONS", "", "").status, 480);
}

#[test]
fn a_guest_may_not_use_a_name_that_looks_like_an_account() {
    for (user, status) in
        [("alice", 401), ("Alice", 401), ("%61lice", 401), ("%41LICE", 401), ("alicia", 200)]
    {
        let mut phone = guest(5070);
        phone.from = format!("<sip:{user}@127.0.0.1>;tag=x");
        let response = phone.ask(&mut Lab::new(), "INVITE", "", OFFER);
        assert_eq!(response.status, status, "{user}");
    }
    // Who has proved to be bob is not Alice either.
    let mut bob = Phone::new("bob", 5071).with_password("builder");
    bob.from = "<sip:Alice@127.0.0.1>;tag=x".to_owned();
    bob.uri = format!("sip:room@{SERVER}");
    assert_eq!(bob.ask(&mut Lab::new(), "INVITE", "", OFFER).status, 403);
}

#[test]
fn the_doctor_knows_what_signalling_knows() {
    let mut lab = Lab::new();
    lab.willing = false;
    let mut phone = guest(5070);
    phone.send(&mut lab, "INVITE", "User-Agent: Toaster/7\r\n", OFFER);
    let waiting = lab.registrar.examine("room").unwrap();
    assert_eq!(waiting.members[0].findings, ["the INVITE waits for the media mixer"]);
    lab.mixer_agrees();
    phone.learn(&last_response(lab.take(5070)));
    let answered = lab.registrar.examine(&waiting.conference).unwrap();
    assert!(answered.members[0].findings[0].starts_with("no ACK has come for our 200"));
    phone.ack(&mut lab, "");

    let call_id = answered.members[0].call_id.clone();
    for patient in ["room", &waiting.conference, &call_id, &waiting.members[0].leg] {
        let found = lab.registrar.examine(patient).unwrap();
        assert_eq!((found.name.as_str(), found.members.len()), ("room", 1), "{patient}");
        let member = &found.members[0];
        assert!(member.findings.is_empty(), "{member:?}");
        assert_eq!(
            member.facts,
            ["guest from 127.0.0.1, SIP from 127.0.0.1:5070 by UDP", "user agent: Toaster/7"]
        );
    }
    for unknown in ["rooms", "", "nobody@nowhere"] {
        assert_eq!(lab.registrar.examine(unknown), None);
    }
}
