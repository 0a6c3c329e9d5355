//! What members do during a conference: hold, resume, video, key frames, digits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod lab;

use std::time::Duration;

use lab::{
    HOLD, Lab, OFFER, Phone, SERVER, WITH_VIDEO, body, last_response, leg_of, requests, statuses,
};
use mixer_control::{MixerError, MixerEvent, MixerRequest};
use sdp::Direction;
use sip_stack::message::Method;

const FOCUS: &str = "<sip:room@127.0.0.1:5060>;isfocus";

fn guest(port: u16) -> Phone {
    let mut phone = Phone::new("zoe", port);
    phone.uri = format!("sip:room@{SERVER}");
    phone
}

fn contact(response: &sip_stack::message::Response) -> &str {
    response.headers.get("Contact").unwrap()
}

#[test]
fn hold_resume_and_video_go_through_the_mixer() {
    let mut lab = Lab::new();
    let mut phone = guest(5070);
    let first = body(&phone.join(&mut lab, "room"));
    let mut version = first.origin.session_version;
    for (offer, lines, direction) in [
        (HOLD, 1, Direction::RecvOnly),
        (OFFER, 1, Direction::SendRecv),
        (WITH_VIDEO, 2, Direction::SendRecv),
    ] {
        for method in ["INVITE", "UPDATE"] {
            let response = phone.ask(&mut lab, method, "", offer);
            assert_eq!(response.status, 200, "{method}");
            assert_eq!(contact(&response), FOCUS, "{method}");
            let answer = body(&response);
            assert_eq!(answer.media.len(), lines);
            assert_eq!(answer.media[0].direction(), direction);
            assert_eq!(answer.origin.session_id, first.origin.session_id);
            // The version counts changes of our description, not messages (RFC 3264 §8).
            let changed = u64::from(method == "INVITE");
            assert_eq!(answer.origin.session_version, version + changed, "{method}");
            version += changed;
            if method == "INVITE" {
                phone.ack(&mut lab, "");
            }
        }
    }
    assert_eq!(lab.counters().members, 1);
}

#[test]
fn an_update_without_sdp_is_answered_without_the_mixer() {
    let mut lab = Lab::new();
    let mut phone = guest(5070);
    phone.join(&mut lab, "room");
    lab.willing = false;
    let response = last_response(phone.send(&mut lab, "UPDATE", "", ""));
    assert_eq!(response.status, 200);
    assert!(lab.commands.is_empty() && response.body.is_empty());
}

#[test]
fn a_refused_or_unanswered_reinvite_changes_nothing() {
    for (reply, status) in [
        (Some(MixerError::NoCommonMedia("304 that codec is unknown".into())), 488),
        (Some(MixerError::NotFound), 481),
        (None, 503),
    ] {
        let mut lab = Lab::new();
        let mut phone = guest(5070);
        phone.join(&mut lab, "room");
        lab.willing = false;
        let came = phone.send(&mut lab, "INVITE", "", WITH_VIDEO);
        assert_eq!(statuses(&came), [100]);
        match reply {
            Some(error) => lab.mixer_refuses(error),
            None => lab.wait(Duration::from_secs(5)),
        }
        let response = last_response(lab.take(5070));
        assert_eq!(response.status, status);
        if status == 488 {
            assert_eq!(
                response.headers.get("Warning"),
                Some("304 parley \"that codec is unknown\"")
            );
        }
        phone.ack_failure(&mut lab, &response);
        if status == 503 {
            // The mixer may take the offer after all: then it must go back behind it.
            let MixerRequest::Reoffer(back) = &lab.commands[1].1 else { panic!("a Reoffer") };
            assert!(!back.sdp.contains("m=video"), "{}", back.sdp);
        }
        lab.commands.clear();
        lab.willing = true;
        assert_eq!(lab.counters().members, 1, "the call goes on");
        if status != 481 {
            assert_eq!(phone.ask(&mut lab, "INVITE", "", HOLD).status, 200);
        }
    }
}

#[test]
fn a_cancelled_reinvite_is_taken_back_at_the_mixer() {
    let mut lab = Lab::new();
    let mut phone = guest(5070);
    phone.join(&mut lab, "room");
    lab.willing = false;
    phone.send(&mut lab, "INVITE", "", HOLD);
    let cseq = phone.cseq;
    let mut codes = statuses(&phone.send(&mut lab, &format!("CANCEL {cseq}"), "", ""));
    codes.sort_unstable();
    assert_eq!(codes, [200, 487]);
    // At once, or the member's next offer would come before it.
    assert_eq!(lab.commands.len(), 2);
    let MixerRequest::Reoffer(back) = &lab.commands[1].1 else { panic!("a Reoffer") };
    assert!(!back.sdp.contains("sendonly"), "back to what was agreed before");
    lab.mixer_agrees();
    lab.mixer_agrees();
    assert!(lab.take(5070).is_empty() && lab.commands.is_empty());
}

#[test]
fn a_reinvite_without_sdp_brings_the_mixers_offer() {
    let mut lab = Lab::new();
    let mut phone = guest(5070);
    phone.join(&mut lab, "room");
    let response = phone.ask(&mut lab, "INVITE", "", "");
    assert_eq!(response.status, 200);
    assert_eq!(contact(&response), FOCUS);
    assert!(body(&response).media.len() >= 2);
    lab.willing = false;
    phone.ack(&mut lab, OFFER);
    assert!(matches!(lab.only_command(), MixerRequest::Accept(_)));
    // Until the mixer has taken it, the exchange is not through (RFC 3261 §14.2).
    let response = last_response(phone.send(&mut lab, "INVITE", "", HOLD));
    assert_eq!(response.status, 500);
    assert!(response.headers.has("Retry-After"));
    phone.ack_failure(&mut lab, &response);
    lab.mixer_agrees();
    lab.willing = true;
    assert_eq!(phone.ask(&mut lab, "INVITE", "", HOLD).status, 200);
}

#[test]
fn key_frames_are_asked_for_in_both_directions() {
    let mut lab = Lab::new();
    let mut phone = guest(5070);
    lab.willing = false;
    phone.send(&mut lab, "INVITE", "", WITH_VIDEO);
    let leg = leg_of(lab.only_command());
    lab.mixer_agrees();
    let response = last_response(lab.take(5070));
    phone.learn(&response);
    phone.ack(&mut lab, "");

    let picture = "<?xml version=\"1.0\"?><media_control><vc_primitive><to_encoder>\
        <picture_fast_update/></to_encoder></vc_primitive></media_control>";
    let kind = "Content-Type: application/media_control+xml\r\n";
    assert_eq!(phone.ask(&mut lab, "INFO", kind, picture).status, 200);
    assert!(matches!(lab.only_command(), MixerRequest::RefreshVideo(of) if *of == leg));
    lab.mixer_agrees();

    lab.mixer_says(MixerEvent::KeyFrameWanted(leg.clone()));
    lab.mixer_says(MixerEvent::KeyFrameWanted(leg.clone()));
    let asked = requests(&lab.take(5070), &Method::Info);
    assert_eq!(asked.len(), 1, "one at a time");
    assert_eq!(asked[0].headers.get("Content-Type"), Some("application/media_control+xml"));
    assert!(String::from_utf8_lossy(&asked[0].body).contains("<picture_fast_update/>"));
    // Not now, says Linphone while a re-INVITE is on its way.
    phone.respond(&mut lab, &asked[0], 491, "x", "");
    lab.mixer_says(MixerEvent::KeyFrameWanted(leg.clone()));
    let asked = requests(&lab.take(5070), &Method::Info);
    assert_eq!(asked.len(), 1);
    phone.respond(&mut lab, &asked[0], 415, "x", "");
    lab.mixer_says(MixerEvent::KeyFrameWanted(leg));
    assert!(lab.take(5070).is_empty(), "a phone that refuses is not asked again");
}

#[test]
fn info_bodies_are_taken_or_refused_by_their_type() {
    let mut lab = Lab::new();
    let mut phone = guest(5070);
    phone.join(&mut lab, "room");
    for (headers, text, status) in [
        ("Content-Type: application/dtmf-relay\r\n", "Signal=1\r\nDuration=100\r\n", 200),
        ("Content-Type: application/dtmf\r\n", "1", 200),
        ("", "", 200),
        ("Content-Type: text/html\r\n", "<b>", 415),
        ("Info-Package: foo\r\nContent-Type: text/plain\r\n", "x", 469),
    ] {
        let response = phone.ask(&mut lab, "INFO", headers, text);
        assert_eq!(response.status, status, "{headers}");
        assert_eq!(response.headers.has("Accept"), status == 415);
        assert_eq!(response.headers.has("Recv-Info"), status == 469);
    }
    assert_eq!(phone.ask(&mut lab, "PUBLISH", "Content-Type: text/plain\r\n", "hi").status, 405);
    assert_eq!(phone.ask(&mut lab, "REFER", "Refer-To: <sip:x@y>\r\n", "").status, 403);
    let response = phone.ask(&mut lab, "OPTIONS", "", "");
    assert_eq!((response.status, contact(&response)), (200, FOCUS));
    assert_eq!(lab.counters().members, 1);
}
