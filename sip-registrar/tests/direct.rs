//! Two members talk directly: every message of the switch there and back (RFC 3725 §7), and every way it can fail.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test")]

mod lab;

use std::time::Duration;

use lab::{Lab, Phone, SERVER, last_response, requests};
use mixer_control::{MixerError, MixerRequest};
use sdp::SessionDescription;
use sip_registrar::{Actor, ConferenceName};
use sip_stack::message::{Message, Method, Request};

/// What a client of ours says in its INVITE.
const REPORTS: &str = "Recv-Info: parley-media-path\r\n";

/// Two lines; the address tells whose they are.
fn offer(port: u16, lines: &str) -> String {
    format!(
        "v=0\r\no=- {port} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0\r\n{lines}"
    )
}

fn video(port: u16) -> String {
    format!("m=video {port} RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n")
}

fn joined(lab: &mut Lab, name: &str, port: u16, headers: &str, offer: &str) -> Phone {
    let mut phone = Phone::new(name, port);
    phone.uri = format!("sip:room@{SERVER}");
    let response = phone.ask(lab, "INVITE", headers, offer);
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.headers.get("Recv-Info").is_some(), !headers.is_empty());
    phone.learn(&response);
    phone.ack(lab, "");
    phone
}

/// The only re-INVITE among what was sent to this phone.
fn reinvite(lab: &mut Lab, phone: &Phone) -> Request {
    let came = lab.take(phone.port());
    let invites = requests(&came, &Method::Invite);
    assert_eq!(invites.len(), 1, "{came:?}");
    assert_eq!(
        invites[0].headers.get("Contact").unwrap(),
        "<sip:room@127.0.0.1:5060>;isfocus",
        "without it Linphone takes the conference for ended"
    );
    invites[0].clone()
}

fn description(bytes: &[u8]) -> SessionDescription {
    SessionDescription::from_bytes(bytes).expect("a description")
}

fn lines(description: &SessionDescription) -> Vec<(String, u16)> {
    description.media.iter().map(|line| (line.kind.to_string(), line.port)).collect()
}

fn mode(lab: &Lab) -> (&'static str, &'static str) {
    let name = ConferenceName::parse("room").unwrap();
    let view = lab.registrar.meeting(lab.now, &Actor::Operator("ops".into()), &name).unwrap();
    (view.mode, view.mode_why)
}

fn tell(lab: &mut Lab, phone: &mut Phone, version: u64, receives: bool) -> u16 {
    let headers = "Info-Package: parley-media-path\r\n\
                   Content-Type: application/vnd.parley.media-path+json\r\n";
    let body = format!("{{\"version\":{version},\"receives\":{receives}}}");
    let text = phone.text("INFO", headers, &body);
    lab.receive(phone.flow, &text);
    match lab.take_responses(phone.port()).into_iter().next_back() {
        Some(Message::Response(response)) => response.status,
        other => panic!("{other:?}"),
    }
}

/// Two with video who are asked to talk directly: the first has been asked for its offer.
fn asked() -> (Lab, Phone, Phone, Request) {
    let mut lab = Lab::new();
    let wide = offer(4000, &(video(4002) + &video(4004)));
    let first = joined(&mut lab, "ann", 5070, REPORTS, &wide);
    let second = joined(&mut lab, "ben", 5080, REPORTS, &offer(6000, &video(6002)));
    lab.asked.clear();
    lab.wait(Duration::from_millis(1001));
    let request = reinvite(&mut lab, &first);
    assert!(request.body.is_empty(), "it is asked for its offer");
    (lab, first, second, request)
}

/// They talk directly, and the mixer was parked for them. Returns the versions of what each was told.
fn direct() -> (Lab, Phone, Phone, [u64; 2]) {
    let (mut lab, first, second, request) = asked();
    let anew = offer(4000, &(video(4002) + &video(4004)));
    first.respond(&mut lab, &request, 200, "", &anew);
    let request = reinvite(&mut lab, &second);
    let offered = description(&request.body);
    assert_eq!(
        lines(&offered),
        [("audio".into(), 4000), ("video".into(), 4002)],
        "a picture more would have nobody to show"
    );
    assert_eq!(offered.attributes.get("parley-path"), Some("direct"));
    let chat = offered.attributes.get("parley-chat").expect("where ann takes chat");
    let (token, contact) = chat.split_once(' ').unwrap();
    assert_eq!((token.len(), contact), (32, "sip:ann@127.0.0.1:5070"));
    second.respond(&mut lab, &request, 200, "", &offer(6000, &video(6002)));
    let came = lab.take(first.port());
    let ack = requests(&came, &Method::Ack).pop().expect("the answer");
    let answer = description(&ack.body);
    assert_eq!(
        lines(&answer),
        [("audio".into(), 6000), ("video".into(), 6002), ("video".into(), 0)]
    );
    assert_eq!(
        answer.attributes.get("parley-chat"),
        Some(&*format!("{token} sip:ben@127.0.0.1:5080")),
        "the same token: it names the two, not one"
    );
    let parked = lab.asked.iter().filter(|r| matches!(r, MixerRequest::Park { parked: true, .. }));
    assert_eq!(parked.count(), 2);
    lab.take(second.port());
    let versions = [answer.origin.session_version, offered.origin.session_version];
    (lab, first, second, versions)
}

#[test]
fn the_offer_of_one_goes_to_the_other_and_the_answer_back() {
    let (mut lab, mut first, mut second, versions) = direct();
    assert_eq!(mode(&lab), ("direct", "two talk directly"));
    lab.asked.clear();
    assert_eq!(tell(&mut lab, &mut first, versions[0], true), 200);
    assert!(lab.asked.is_empty(), "one has told, the other has not yet");
    assert_eq!(tell(&mut lab, &mut second, versions[1], true), 200);
    let leaves = lab.asked.iter().filter(|r| matches!(r, MixerRequest::Leave(_))).count();
    assert_eq!(leaves, 2, "the mixer holds no leg of a direct conference");
    assert_eq!(lab.counters().members, 2);
    assert_eq!((lab.counters().direct, lab.counters().to_direct), (1, 1));
}

#[test]
fn o_lines_stay_those_of_each_dialog_and_versions_count_by_one() {
    let mut lab = Lab::new();
    let mut first = Phone::new("ann", 5070);
    first.uri = format!("sip:room@{SERVER}");
    let response = first.ask(&mut lab, "INVITE", REPORTS, &offer(4000, ""));
    first.learn(&response);
    first.ack(&mut lab, "");
    let before = lab::body(&response).origin;
    let second = joined(&mut lab, "ben", 5080, REPORTS, &offer(6000, ""));
    lab.wait(Duration::from_millis(1001));
    let request = reinvite(&mut lab, &first);
    first.respond(&mut lab, &request, 200, "", &offer(4000, ""));
    let request = reinvite(&mut lab, &second);
    second.respond(&mut lab, &request, 200, "", &offer(6000, ""));
    let ack = requests(&lab.take(first.port()), &Method::Ack).pop().unwrap();
    let after = description(&ack.body).origin;
    assert_eq!((&after.session_id, &after.username), (&before.session_id, &before.username));
    assert_eq!(after.address, before.address, "the other's o= line does not leak");
    assert_eq!(after.session_version, before.session_version + 1);
}

#[test]
fn a_third_brings_both_back_by_offers_of_the_mixer() {
    let (mut lab, mut first, mut second, versions) = direct();
    tell(&mut lab, &mut first, versions[0], true);
    tell(&mut lab, &mut second, versions[1], true);
    lab.asked.clear();
    let _third = joined(&mut lab, "cleo", 5090, REPORTS, &offer(8000, ""));
    let joins = lab.asked.iter().filter(|r| matches!(r, MixerRequest::Join(_))).count();
    assert_eq!(joins, 3, "the third, and both get a leg again: {:?}", lab.asked);
    for (phone, port) in [(&first, 4000), (&second, 6000)] {
        let request = reinvite(&mut lab, phone);
        let offered = description(&request.body);
        assert_eq!(offered.media[0].port, 20_000, "the mixer's");
        assert_eq!(offered.attributes.get("parley-path"), None);
        let count = if port == 4000 { 3 } else { 2 };
        assert_eq!(offered.media.len(), count, "lines never get fewer (RFC 3264 §8)");
        let answer = offer(
            port,
            &(video(port + 2) + if count == 3 { "m=video 0 RTP/AVPF 96\r\n" } else { "" }),
        );
        phone.respond(&mut lab, &request, 200, "", &answer);
        assert_eq!(requests(&lab.take(phone.port()), &Method::Ack).len(), 1);
    }
    let last: Vec<&MixerRequest> = lab.asked.iter().rev().take(4).collect();
    assert!(last.iter().any(|r| matches!(r, MixerRequest::Accept(_))), "{last:?}");
    assert!(last.iter().any(|r| matches!(r, MixerRequest::Park { parked: false, .. })));
    assert_eq!(mode(&lab), ("mixer", "more than two are there"));
    assert_eq!(lab.counters().members, 3);
}

#[test]
fn who_refuses_the_others_offer_leaves_the_first_with_a_valid_answer_of_the_mixer() {
    for status in [488, 603] {
        let (mut lab, first, second, request) = asked();
        first.respond(&mut lab, &request, 200, "", &offer(4000, &(video(4002) + &video(4004))));
        let request = reinvite(&mut lab, &second);
        second.respond(&mut lab, &request, status, "", "");
        let ack = requests(&lab.take(first.port()), &Method::Ack).pop().expect("an ACK");
        let answer = description(&ack.body);
        assert_eq!(answer.media[0].port, 20_000, "an offer has to be answered (RFC 3264 §4)");
        assert_eq!(mode(&lab).0, "mixer");
        assert_eq!((lab.counters().members, lab.counters().direct_failures), (2, 1));
    }
}

#[test]
fn who_makes_no_offer_when_asked_stays_as_it_is() {
    for (status, body) in [(488, ""), (200, ""), (500, "")] {
        let (mut lab, first, second, request) = asked();
        first.respond(&mut lab, &request, status, "", body);
        assert_eq!(mode(&lab).0, "mixer");
        assert_eq!(lab.counters().members, 2, "{status}");
        assert!(requests(&lab.take(second.port()), &Method::Invite).is_empty());
        assert_eq!(lab.counters().direct_failures, 1);
    }
}

#[test]
fn a_dialog_that_is_gone_ends_and_the_other_stays() {
    let (mut lab, first, second, request) = asked();
    first.respond(&mut lab, &request, 200, "", &offer(4000, &(video(4002) + &video(4004))));
    let request = reinvite(&mut lab, &second);
    second.respond(&mut lab, &request, 481, "", "");
    let ack = requests(&lab.take(first.port()), &Method::Ack).pop().expect("an ACK");
    assert_eq!(description(&ack.body).media[0].port, 20_000);
    assert_eq!(lab.counters().members, 1);
}

#[test]
fn the_peers_own_offer_in_the_middle_gets_491() {
    let (mut lab, first, mut second, request) = asked();
    let response = last_response(second.send(&mut lab, "INVITE", "", &offer(6010, &video(6002))));
    assert_eq!(response.status, 491, "nothing of the two is changed meanwhile (RFC 3725 §7)");
    second.ack_failure(&mut lab, &response);
    first.respond(&mut lab, &request, 200, "", &offer(4000, &(video(4002) + &video(4004))));
    assert_eq!(reinvite(&mut lab, &second).method, Method::Invite);
}

#[test]
fn without_signs_of_media_they_go_back_after_five_seconds() {
    let (mut lab, mut first, second, versions) = direct();
    assert_eq!(tell(&mut lab, &mut first, versions[0] + 7, true), 200, "about something else");
    assert_eq!(tell(&mut lab, &mut first, versions[0], true), 200);
    lab.wait(Duration::from_millis(5001));
    assert_eq!(mode(&lab), ("mixer", "media did not arrive on the direct way"));
    for phone in [&first, &second] {
        assert_eq!(description(&reinvite(&mut lab, phone).body).media[0].port, 20_000);
    }
    assert_eq!(lab.counters().direct_failures, 1);
}

#[test]
fn media_that_stop_bring_them_back_at_once() {
    let (mut lab, mut first, mut second, versions) = direct();
    tell(&mut lab, &mut first, versions[0], true);
    tell(&mut lab, &mut second, versions[1], true);
    tell(&mut lab, &mut second, versions[1], false);
    assert_eq!(mode(&lab), ("mixer", "media do not come any more"));
    assert_eq!(description(&reinvite(&mut lab, &first).body).media[0].port, 20_000);
}

#[test]
fn a_mixer_that_refuses_does_not_end_their_calls() {
    let (mut lab, mut first, mut second, versions) = direct();
    tell(&mut lab, &mut first, versions[0], true);
    tell(&mut lab, &mut second, versions[1], true);
    lab.willing = false;
    tell(&mut lab, &mut second, versions[1], false);
    for _ in 0..2 {
        lab.mixer_refuses(MixerError::Exhausted("no ports".into()));
    }
    assert_eq!(lab.counters().members, 2);
    lab.willing = true;
    lab.wait(Duration::from_millis(2001));
    assert_eq!(description(&reinvite(&mut lab, &first).body).media[0].port, 20_000, "once more");
}

#[test]
fn reports_are_read_or_refused_as_their_rfc_says() {
    let (mut lab, mut first, _, versions) = direct();
    let json = "Content-Type: application/vnd.parley.media-path+json\r\n";
    for (headers, body, status) in [
        ("Info-Package: other\r\n".to_owned(), "", 469),
        (format!("Info-Package: parley-media-path\r\n{json}"), "{", 400),
        ("Info-Package: parley-media-path\r\nContent-Type: text/plain\r\n".to_owned(), "x", 415),
    ] {
        let response = last_response(first.send(&mut lab, "INFO", &headers, body));
        assert_eq!(response.status, status, "{headers}");
        if status == 469 {
            assert_eq!(response.headers.get("Recv-Info"), Some("parley-media-path"));
        }
    }
    assert_eq!(tell(&mut lab, &mut first, versions[0], true), 200);
    assert_eq!(mode(&lab).0, "direct");
}

#[test]
fn a_new_offer_goes_to_the_other_and_its_refusal_back() {
    let (mut lab, mut first, second, versions) = direct();
    tell(&mut lab, &mut first, versions[0], true);
    let off = offer(
        4000,
        "m=video 4002 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\na=inactive\r\nm=video 0 RTP/AVPF 96\r\n",
    );
    for (answer, status) in [(offer(6000, &video(6002)), 200), (String::new(), 488)] {
        let text = first.text("INVITE", "", &off);
        lab.receive(first.flow, &text);
        let request = reinvite(&mut lab, &second);
        assert_eq!(
            lines(&description(&request.body)),
            [("audio".into(), 4000), ("video".into(), 4002)]
        );
        second.respond(&mut lab, &request, status, "", &answer);
        let response = last_response(lab.take(first.port()));
        assert_eq!(response.status, status);
        if status == 200 {
            let answer = lab::body(&response);
            let expected = [("audio".into(), 6000), ("video".into(), 6002), ("video".into(), 0)];
            assert_eq!(lines(&answer), expected);
            first.ack(&mut lab, "");
        } else {
            first.ack_failure(&mut lab, &response);
        }
        lab.take(second.port());
    }
    assert_eq!(mode(&lab).0, "direct");
}

/// A phone with an account, somewhere else than this machine.
fn far(lab: &mut Lab, name: &str, password: &str, host: &str, port: u16) -> Phone {
    let mut phone = Phone::new(name, port).with_password(password);
    phone.flow.local = "192.0.2.1:5060".parse().unwrap();
    phone.flow.remote = format!("{host}:{port}").parse().unwrap();
    phone.contact = format!("<sip:{name}@{host}:{port}>");
    phone.uri = format!("sip:room@{SERVER}");
    let at_home = offer(port, "").replace("127.0.0.1", host);
    let response = phone.ask(lab, "INVITE", REPORTS, &at_home);
    assert_eq!(response.status, 200, "{response:?}");
    phone.learn(&response);
    phone.ack(lab, "");
    phone
}

#[test]
fn nobody_has_others_send_their_media_to_a_stranger() {
    for stranger in ["198.51.100.7", "203.0.113.99"] {
        let mut lab = Lab::new();
        let first = far(&mut lab, "alice", "wonderland", "198.51.100.7", 5070);
        let second = far(&mut lab, "bob", "builder", "203.0.113.9", 5080);
        lab.wait(Duration::from_millis(1001));
        let request = requests(&lab.take(5070), &Method::Invite).pop().expect("it is asked");
        let anew = offer(5070, "").replace("127.0.0.1", stranger);
        first.respond(&mut lab, &request, 200, "", &anew);
        let passed_on = requests(&lab.take(second.port()), &Method::Invite);
        if stranger == "198.51.100.7" {
            assert_eq!(passed_on.len(), 1, "it is where its SIP comes from");
            continue;
        }
        assert!(passed_on.is_empty(), "{passed_on:?}");
        let ack = requests(&lab.take(5070), &Method::Ack).pop().expect("an ACK");
        assert_eq!(description(&ack.body).media[0].port, 20_000, "it stays at the mixer");
    }
}

/// Clients without RTCP feedback ask by INFO (RFC 5168), and there is no mixer to ask now.
#[test]
fn a_key_frame_is_asked_of_the_other() {
    let (mut lab, mut first, second, _) = direct();
    let body = "<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder>\
                </vc_primitive></media_control>";
    let headers = "Content-Type: application/media_control+xml\r\n";
    lab.asked.clear();
    assert_eq!(last_response(first.send(&mut lab, "INFO", headers, body)).status, 200);
    let asked = requests(&lab.take(second.port()), &Method::Info).pop().expect("an INFO");
    assert!(String::from_utf8_lossy(&asked.body).contains("picture_fast_update"));
    assert!(lab.asked.is_empty(), "{:?}", lab.asked);
}
