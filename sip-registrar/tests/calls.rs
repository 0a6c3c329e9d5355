//! Two-party calls against the core: both phones are raw SIP, media would go directly.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod lab;

use std::time::Duration;

use lab::{
    HOLD, Lab, OFFER, Phone, SERVER, T1, WITH_VIDEO, body, last_response, requests, statuses,
};
use sip_stack::message::{Message, Method, Request};

const ANSWER: &str = "v=0\r\no=bob 9 9 IN IP4 10.9.9.9\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 17000 RTP/AVP 8\r\n";

fn alice() -> Phone {
    let mut phone = Phone::new("alice", 5070).with_password("wonderland");
    phone.uri = format!("sip:bob@{SERVER}");
    phone
}

fn bob(lab: &mut Lab, port: u16) -> Phone {
    let mut phone = Phone::new("bob", port).with_password("builder");
    phone.to = "<sip:bob@127.0.0.1>".to_owned();
    let response = phone.ask(lab, "REGISTER", "", "");
    assert_eq!(response.status, 200);
    phone
}

/// The one INVITE that has reached a phone.
fn invite(lab: &mut Lab, phone: &Phone) -> Request {
    let mut came = requests(&lab.take(phone.port()), &Method::Invite);
    assert_eq!(came.len(), 1, "{came:?}");
    came.remove(0)
}

/// A call that stands; what bob was sent as the INVITE.
fn connect(lab: &mut Lab) -> (Phone, Phone) {
    let mut bob = bob(lab, 5071);
    let mut alice = alice();
    alice.ask(lab, "INVITE", "", OFFER);
    let invite = invite(lab, &bob);
    bob.respond(lab, &invite, 200, "b", ANSWER);
    let response = last_response(lab.take(5070));
    assert_eq!(response.status, 200);
    alice.learn(&response);
    alice.ack(lab, "");
    bob.learn_request(&invite, "b");
    assert_eq!(requests(&lab.take(5071), &Method::Ack).len(), 1);
    assert_eq!(lab.counters().calls, 1);
    (alice, bob)
}

fn version(message_body: &[u8]) -> u64 {
    sdp::SessionDescription::from_bytes(message_body).unwrap().origin.session_version
}

#[test]
fn a_call_rings_is_answered_and_ends() {
    let mut lab = Lab::new();
    let mut bob = bob(&mut lab, 5071);
    let mut alice = alice();
    alice.from = "\"Alice\" <sip:alice@127.0.0.1>;tag=a".to_owned();
    let response = alice.ask(&mut lab, "INVITE", "Subject: lunch\r\n", OFFER);
    assert_eq!(response.status, 100);
    let invite = invite(&mut lab, &bob);
    assert_eq!(invite.uri.to_string(), "sip:bob@127.0.0.1:5071");
    assert_eq!(invite.headers.get("Subject"), Some("lunch"));
    assert_eq!(invite.headers.get_all("Max-Forwards").collect::<Vec<_>>(), ["69"]);
    let from = invite.headers.from().unwrap();
    assert_eq!(from.display_name.as_deref(), Some("Alice"));
    assert_ne!(from.tag(), Some("a"), "another dialog");
    assert_ne!(invite.headers.call_id().unwrap(), alice.call_id);
    // Media go directly, so the address is the caller's; the o= line is ours.
    let offer = String::from_utf8_lossy(&invite.body).into_owned();
    assert!(offer.contains("m=audio 16000 RTP/AVP 0 8 101") && !offer.contains("o=phone"));

    bob.respond(&mut lab, &invite, 180, "b", "");
    assert_eq!(statuses(&lab.take(5070)), [180]);
    bob.respond(&mut lab, &invite, 200, "b", ANSWER);
    let response = last_response(lab.take(5070));
    assert_eq!(response.status, 200);
    assert!(!response.headers.get("Contact").unwrap().contains("isfocus"));
    assert_eq!(body(&response).media[0].port, 17_000);
    alice.learn(&response);
    alice.ack(&mut lab, "");
    bob.learn_request(&invite, "b");
    assert_eq!(requests(&lab.take(5071), &Method::Ack).len(), 1);

    let came = bob.send(&mut lab, "BYE", "Reason: Q.850;cause=16\r\n", "");
    assert_eq!(statuses(&came), [200]);
    let bye = requests(&lab.take(5070), &Method::Bye).remove(0);
    assert!(bye.headers.get("Reason").unwrap().contains("cause=16"));
    alice.respond(&mut lab, &bye, 200, "a", "");
    assert_eq!(lab.counters().calls, 0);
    lab.wait(T1 * 70);
    assert!(lab.registrar.is_idle());
    assert!(lab.commands.is_empty(), "the mixer has no part in it");
}

#[test]
fn who_is_not_registered_is_unavailable_and_guests_must_say_who_they_are() {
    let mut lab = Lab::new();
    assert_eq!(alice().ask(&mut lab, "INVITE", "", OFFER).status, 480);
    bob(&mut lab, 5071);
    let mut guest = Phone::new("zoe", 5072);
    guest.uri = format!("sip:bob@{SERVER}");
    assert_eq!(guest.ask(&mut lab, "INVITE", "", OFFER).status, 401);
    assert_eq!(lab.counters().calls, 0);
}

#[test]
fn a_call_that_has_run_in_circles_ends() {
    let mut lab = Lab::new();
    bob(&mut lab, 5071);
    let mut caller = alice();
    caller.max_forwards = 0;
    assert_eq!(caller.ask(&mut lab, "INVITE", "", OFFER).status, 483);
    caller.max_forwards = 1;
    caller.ask(&mut lab, "INVITE", "", OFFER);
    let invite = requests(&lab.take(5071), &Method::Invite).remove(0);
    assert_eq!(invite.headers.max_forwards(), Ok(Some(0)));
}

#[test]
fn all_devices_ring_and_the_first_answer_wins() {
    let mut lab = Lab::new();
    let devices = [bob(&mut lab, 5071), bob(&mut lab, 5072), bob(&mut lab, 5073)];
    let mut alice = alice();
    alice.ask(&mut lab, "INVITE", "", OFFER);
    let invites: Vec<_> = devices.iter().map(|d| invite(&mut lab, d)).collect();
    for (device, invite) in devices.iter().zip(&invites) {
        device.respond(&mut lab, invite, 180, "b", "");
    }
    devices[0].respond(&mut lab, &invites[0], 486, "b", "");
    assert_eq!(statuses(&lab.take(5070)), [180, 180, 180]);
    devices[2].respond(&mut lab, &invites[2], 200, "b", ANSWER);
    assert_eq!(statuses(&lab.take(5070)), [200]);
    let cancels = requests(&lab.take(5072), &Method::Cancel);
    assert_eq!(cancels.len(), 1);
    assert!(cancels[0].headers.get("Reason").unwrap().contains("Call completed elsewhere"));
    // The CANCEL comes too late: that device has answered too, and is hung up on.
    devices[1].respond(&mut lab, &invites[1], 200, "b", ANSWER);
    let came = lab.take(5072);
    assert_eq!(requests(&came, &Method::Ack).len(), 1);
    assert_eq!(requests(&came, &Method::Bye).len(), 1);
    assert!(lab.take(5070).is_empty());
    assert_eq!(lab.counters().calls, 1);
}

#[test]
fn the_best_refusal_is_passed_on() {
    for (first, second, seen) in
        [(486, 404, 404), (480, 603, 603), (503, 302, 480), (503, 503, 500)]
    {
        let mut lab = Lab::new();
        let devices = [bob(&mut lab, 5071), bob(&mut lab, 5072)];
        let mut alice = alice();
        alice.ask(&mut lab, "INVITE", "", OFFER);
        for (device, status) in devices.iter().zip([first, second]) {
            let invite = invite(&mut lab, device);
            device.respond(&mut lab, &invite, status, "b", "");
        }
        let response = last_response(lab.take(5070));
        assert_eq!(response.status, seen, "{first} {second}");
        alice.ack_failure(&mut lab, &response);
        assert_eq!(lab.counters().calls, 0);
        lab.wait(T1 * 70);
        assert!(lab.registrar.is_idle());
    }
}

#[test]
fn a_decline_by_one_device_ends_the_ringing_of_the_others() {
    let mut lab = Lab::new();
    let devices = [bob(&mut lab, 5071), bob(&mut lab, 5072)];
    alice().ask(&mut lab, "INVITE", "", OFFER);
    let declining = invite(&mut lab, &devices[0]);
    let other = invite(&mut lab, &devices[1]);
    devices[1].respond(&mut lab, &other, 180, "b", "");
    devices[0].respond(&mut lab, &declining, 603, "b", "");
    assert_eq!(statuses(&lab.take(5070)), [180, 603]);
    assert_eq!(requests(&lab.take(5072), &Method::Cancel).len(), 1);
}

#[test]
fn a_cancel_reaches_every_device() {
    let mut lab = Lab::new();
    let devices = [bob(&mut lab, 5071), bob(&mut lab, 5072)];
    let mut alice = alice();
    alice.ask(&mut lab, "INVITE", "", OFFER);
    for device in &devices {
        let invite = invite(&mut lab, device);
        device.respond(&mut lab, &invite, 180, "b", "");
    }
    lab.take(5070);
    let cseq = alice.cseq;
    let text = alice.text(&format!("CANCEL {cseq}"), "", "");
    lab.receive(alice.flow, &text);
    let mut codes = statuses(&lab.take(5070));
    codes.sort_unstable();
    assert_eq!(codes, [200, 487]);
    for device in &devices {
        assert_eq!(requests(&lab.take(device.port()), &Method::Cancel).len(), 1);
    }
    assert_eq!(lab.counters().calls, 0);
}

#[test]
fn a_device_that_does_not_answer_at_all_is_given_up() {
    let mut lab = Lab::new();
    bob(&mut lab, 5071);
    alice().ask(&mut lab, "INVITE", "", OFFER);
    lab.wait(T1 * 64 + T1);
    let status = last_response(lab.take(5070)).status;
    assert!(matches!(status, 408 | 480), "{status}");
    assert_eq!(lab.counters().calls, 0);
}

#[test]
fn a_late_offer_passes_both_ways() {
    let mut lab = Lab::new();
    let mut bob = bob(&mut lab, 5071);
    let mut alice = alice();
    alice.ask(&mut lab, "INVITE", "", "");
    let invite = invite(&mut lab, &bob);
    assert!(invite.body.is_empty());
    bob.respond(&mut lab, &invite, 200, "b", ANSWER);
    assert!(requests(&lab.take(5071), &Method::Ack).is_empty(), "its offer is not answered yet");
    let response = last_response(lab.take(5070));
    assert_eq!(body(&response).media[0].port, 17_000);
    alice.learn(&response);
    alice.ack(&mut lab, &OFFER.replace("0 8 101", "8"));
    let ack = requests(&lab.take(5071), &Method::Ack).remove(0);
    assert!(String::from_utf8_lossy(&ack.body).contains("m=audio 16000 RTP/AVP 8"));
    bob.learn_request(&invite, "b");
    assert_eq!(statuses(&bob.send(&mut lab, "BYE", "", "")), [200]);
}

#[test]
fn an_answer_without_a_description_is_no_answer() {
    let mut lab = Lab::new();
    let bob = bob(&mut lab, 5071);
    alice().ask(&mut lab, "INVITE", "", OFFER);
    let invite = invite(&mut lab, &bob);
    bob.respond(&mut lab, &invite, 200, "b", "");
    assert_eq!(last_response(lab.take(5070)).status, 502);
    assert_eq!(requests(&lab.take(5071), &Method::Bye).len(), 1);
    assert_eq!(lab.counters().calls, 0);
}

#[test]
fn changes_pass_from_either_side() {
    let mut lab = Lab::new();
    let (mut alice, mut bob) = connect(&mut lab);
    // Alice holds by re-INVITE.
    alice.send(&mut lab, "INVITE", "", HOLD);
    let change = invite(&mut lab, &bob);
    assert!(String::from_utf8_lossy(&change.body).contains("a=sendonly"));
    assert_eq!(version(&change.body), 2);
    bob.respond(&mut lab, &change, 200, "b", &format!("{ANSWER}a=recvonly\r\n"));
    let response = last_response(lab.take(5070));
    assert_eq!(response.status, 200);
    assert_eq!(version(&response.body), 2);
    alice.ack(&mut lab, "");
    assert_eq!(requests(&lab.take(5071), &Method::Ack).len(), 1);

    // Bob adds video by UPDATE; alice's Allow is not known, so it comes as a re-INVITE.
    let came = bob.send(&mut lab, "UPDATE", "", WITH_VIDEO);
    assert!(statuses(&came).is_empty());
    let change = invite(&mut lab, &alice);
    assert!(String::from_utf8_lossy(&change.body).contains("m=video 16002"));
    let answer = WITH_VIDEO.replace("16002", "18002");
    alice.respond(&mut lab, &change, 200, "alice5070", &answer);
    let response = last_response(lab.take(5071));
    assert_eq!(response.status, 200);
    assert_eq!(body(&response).media[1].port, 18_002);
    assert_eq!(lab.counters().calls, 1);
}

#[test]
fn a_refused_change_is_refused_and_the_call_goes_on() {
    for (refused, seen) in [(488, 488), (603, 603), (401, 403)] {
        let mut lab = Lab::new();
        let (mut alice, mut bob) = connect(&mut lab);
        alice.send(&mut lab, "INVITE", "", WITH_VIDEO);
        let change = invite(&mut lab, &bob);
        bob.respond(&mut lab, &change, refused, "b", "");
        let response = last_response(lab.take(5070));
        assert_eq!(response.status, seen);
        alice.ack_failure(&mut lab, &response);
        assert_eq!(lab.counters().calls, 1);
        assert_eq!(statuses(&bob.send(&mut lab, "BYE", "", "")), [200]);
    }
}

#[test]
fn changes_that_meet_are_told_to_wait() {
    let mut lab = Lab::new();
    let (mut alice, mut bob) = connect(&mut lab);
    alice.send(&mut lab, "INVITE", "", HOLD);
    let change = invite(&mut lab, &bob);
    let response = last_response(bob.send(&mut lab, "INVITE", "", WITH_VIDEO));
    assert_eq!(response.status, 491);
    // Bob refuses likewise. Alice is told, so that both ends wait and try again; we do not.
    bob.respond(&mut lab, &change, 491, "b", "");
    assert_eq!(last_response(lab.take(5070)).status, 491);
    lab.wait(T1 * 10);
    assert!(requests(&lab.take(5071), &Method::Invite).is_empty());
    bob.send(&mut lab, "INVITE", "", WITH_VIDEO);
    assert_eq!(requests(&lab.take(5070), &Method::Invite).len(), 1);
}

#[test]
fn a_late_offer_change_passes_both_ways() {
    let mut lab = Lab::new();
    let (mut alice, bob) = connect(&mut lab);
    alice.send(&mut lab, "INVITE", "", "");
    let change = invite(&mut lab, &bob);
    assert!(change.body.is_empty());
    bob.respond(&mut lab, &change, 200, "b", &ANSWER.replace("17000", "17004"));
    let response = last_response(lab.take(5070));
    assert_eq!(body(&response).media[0].port, 17_004);
    alice.ack(&mut lab, &OFFER.replace("16000", "16004"));
    let ack = requests(&lab.take(5071), &Method::Ack).remove(0);
    assert!(String::from_utf8_lossy(&ack.body).contains("m=audio 16004"));
}

#[test]
fn a_change_taken_back_is_taken_back_on_the_other_side() {
    let mut lab = Lab::new();
    let (mut alice, bob) = connect(&mut lab);
    alice.send(&mut lab, "INVITE", "", HOLD);
    let cseq = alice.cseq;
    let change = invite(&mut lab, &bob);
    let mut codes = statuses(&alice.send(&mut lab, &format!("CANCEL {cseq}"), "", ""));
    codes.sort_unstable();
    assert_eq!(codes, [200, 487]);
    bob.respond(&mut lab, &change, 200, "b", &format!("{ANSWER}a=recvonly\r\n"));
    let back = invite(&mut lab, &bob);
    assert!(!String::from_utf8_lossy(&back.body).contains("sendonly"));
    bob.respond(&mut lab, &back, 200, "b", ANSWER);
    assert!(lab.take(5070).is_empty());
    assert_eq!(lab.counters().calls, 1);
}

#[test]
fn info_and_message_pass_and_so_do_their_answers() {
    let mut lab = Lab::new();
    let (mut alice, bob) = connect(&mut lab);
    let kind = "Content-Type: application/dtmf-relay\r\n";
    assert!(alice.send(&mut lab, "INFO", kind, "Signal=5").is_empty());
    let info = requests(&lab.take(5071), &Method::Info).remove(0);
    assert_eq!(&info.body[..], b"Signal=5");
    assert_eq!(info.headers.get("Content-Type"), Some("application/dtmf-relay"));
    bob.respond(&mut lab, &info, 415, "b", "");
    assert_eq!(statuses(&lab.take(5070)), [415]);

    let kind = "Content-Type: text/plain\r\n";
    assert!(alice.send(&mut lab, "MESSAGE", kind, "hello").is_empty());
    let message = requests(&lab.take(5071), &Method::Message).remove(0);
    assert_eq!(&message.body[..], b"hello");
    bob.respond(&mut lab, &message, 200, "b", "");
    assert_eq!(statuses(&lab.take(5070)), [200]);

    // Not in bob's Allow.
    let came = alice.send(&mut lab, "PUBLISH", "Event: presence\r\n", "");
    assert_eq!(statuses(&came), [405]);
}

#[test]
fn a_phone_behind_a_connection_is_called_over_it() {
    let mut lab = Lab::new();
    let mut bob = Phone::new("bob", 40_000).with_password("builder").over_tcp();
    bob.to = "<sip:bob@127.0.0.1>".to_owned();
    let contact = "Contact: <sip:bob@10.0.0.7:5060;transport=tcp>\r\n";
    let text_contact = bob.ask(&mut lab, "REGISTER", contact, "");
    assert_eq!(text_contact.status, 200);
    alice().ask(&mut lab, "INVITE", "", OFFER);
    let came = requests(&lab.take(40_000), &Method::Invite);
    assert!(!came.is_empty());
    assert!(came[0].headers.get("Via").unwrap().starts_with("SIP/2.0/TCP"));
    assert!(came[0].headers.get("Contact").unwrap().contains("transport=tcp"));
}

#[test]
fn a_stop_ends_both_sides() {
    let mut lab = Lab::new();
    connect(&mut lab);
    lab.input(sip_registrar::Input::Stop);
    for port in [5070, 5071] {
        let came: Vec<Message> = lab.take(port);
        assert_eq!(requests(&came, &Method::Bye).len(), 1);
    }
    lab.wait(Duration::from_secs(40));
    assert!(lab.registrar.is_idle());
}
