//! Changes of a session that fail half-way, meet each other or come round in a circle (RFC 6141, RFC
//! 5407, RFC 3261 §14).

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are test code too")]

mod world;

use std::time::Duration;

use sip_stack::endpoint::{CallId, Event, ReinviteFailure};
use sip_stack::message::{Message, Method, Request, Response, build};
use world::{A, B, World, answer, body};

const SECOND: Duration = Duration::from_secs(1);

fn is_reinvite(event: &Event) -> bool {
    matches!(event, Event::Reinvite { .. })
}

fn is_answered(event: &Event) -> bool {
    matches!(event, Event::ReinviteAnswered { .. })
}

fn is_failed(event: &Event) -> bool {
    matches!(event, Event::ReinviteFailed { .. })
}

fn hang_up(world: &mut World, end: usize, call: CallId) {
    let now = world.now;
    world.endpoint(end).bye(now, call, None).unwrap();
    world.assert_no_leaks();
}

fn requests(world: &mut World, end: usize) -> Vec<Request> {
    let sent = world.raw_outputs(end).into_iter();
    sent.filter_map(|(_, message)| match message {
        Message::Request(request) => Some(request),
        Message::Response(_) => None,
    })
    .collect()
}

/// Hands A a response as if it came from B.
fn hand(world: &mut World, response: &Response) {
    let from = world.ends[B].address;
    let text = String::from_utf8(response.to_bytes().to_vec()).unwrap();
    let sent = world.raw(A, from, &text);
    world.held.extend(sent.into_iter().map(|(_, message)| message));
}

fn held(world: &mut World, method: &Method) -> Option<Request> {
    let of = |message: &Message| matches!(message, Message::Request(r) if r.method == *method);
    let at = world.held.iter().position(of)?;
    match world.held.remove(at) {
        Message::Request(request) => Some(request),
        Message::Response(_) => None,
    }
}

/// A re-INVITE of A that B (played by hand) has answered in a reliable provisional response.
fn half_answered(world: &mut World) -> (CallId, Request) {
    let (caller, _) = world.call(A, B);
    let now = world.now;
    world.endpoint(A).reinvite(now, caller, Some(body("new offer"))).unwrap();
    let reinvite = requests(world, A).remove(0);
    let mut early = build::response_to(&reinvite, 183, "", None);
    early.headers.push("Require", "100rel");
    early.headers.push("RSeq", 9);
    early.headers.push("Contact", "<sip:B@10.0.0.2:5060>");
    early.set_body("application/sdp", "new answer");
    hand(world, &early);
    let prack = held(world, &Method::Prack).unwrap();
    let number = reinvite.headers.cseq().unwrap().number;
    assert_eq!(prack.headers.get("RAck"), Some(&*format!("9 {number} INVITE")));
    // Told once; a repetition is not acknowledged again.
    hand(world, &early);
    assert_eq!(held(world, &Method::Prack), None);
    (caller, reinvite)
}

#[test]
fn the_answer_to_a_reinvite_may_come_in_a_reliable_provisional_response() {
    let mut world = World::new(2);
    let (caller, reinvite) = half_answered(&mut world);
    let mut done = build::response_to(&reinvite, 200, "", None);
    done.headers.push("Contact", "<sip:B@10.0.0.2:5060>");
    hand(&mut world, &done);
    assert!(held(&mut world, &Method::Ack).is_some());
    let event = world.expect(A, is_answered);
    assert!(matches!(event, Event::ReinviteAnswered { response, .. }
        if &response.body[..] == b"new answer"));
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
}

#[test]
fn a_refusal_after_that_is_followed_by_what_held_before() {
    let mut world = World::new(2);
    let (_, reinvite) = half_answered(&mut world);
    hand(&mut world, &build::response_to(&reinvite, 488, "", None));
    let again = held(&mut world, &Method::Update).unwrap();
    assert_eq!(&again.body[..], b"offer", "RFC 6141 §3.4");
    let event = world.expect(A, is_failed);
    assert!(matches!(event, Event::ReinviteFailed { failure: ReinviteFailure::Rejected(r), .. }
        if r.status == 488));
}

#[test]
fn an_update_in_the_middle_of_a_reinvite_outlives_its_failure() {
    let mut world = World::new(2);
    let (caller, reinvite) = half_answered(&mut world);
    let (from, to) = (reinvite.headers.get("To").unwrap(), reinvite.headers.get("From").unwrap());
    let update = format!(
        "UPDATE sip:A@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKmid\r\n\
        From: {from}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: 1000000 UPDATE\r\n\
        Contact: <sip:B@10.0.0.2:5060>\r\nContent-Type: application/sdp\r\n\
        Content-Length: 6\r\n\r\nmiddle",
        reinvite.headers.call_id().unwrap()
    );
    let address = world.ends[B].address;
    world.raw(A, address, &update);
    let event = world.expect(A, is_reinvite);
    assert!(matches!(event, Event::Reinvite { request, .. } if &request.body[..] == b"middle"));
    let now = world.now;
    world.endpoint(A).answer_reinvite(now, caller, answer("to the middle")).unwrap();
    world.raw_outputs(A);
    hand(&mut world, &build::response_to(&reinvite, 488, "", None));
    let again = held(&mut world, &Method::Update).unwrap();
    assert_eq!(&again.body[..], b"to the middle", "the change within has been carried out");
}

#[test]
fn without_anything_carried_out_a_refusal_is_not_followed_by_anything() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    for method in [Method::Invite, Method::Update] {
        let now = world.now;
        let offer = Some(body("too much"));
        match method {
            Method::Update => world.endpoint(A).update(now, caller, offer).unwrap(),
            _ => world.endpoint(A).reinvite(now, caller, offer).unwrap(),
        }
        world.expect(B, is_reinvite);
        let now = world.now;
        world.endpoint(B).reject_reinvite(now, callee, 488, "", &[]).unwrap();
        world.expect(A, is_failed);
        let sent = world.ladder.len();
        world.run(20 * SECOND);
        assert!(world.ladder[sent..].iter().all(|line| line.contains("ACK")), "{method}");
    }
    hang_up(&mut world, A, caller);
}

#[test]
fn a_peer_that_is_not_through_is_asked_again_when_it_said() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    let now = world.now;
    world.endpoint(A).reinvite(now, caller, Some(body("again"))).unwrap();
    for wait in [2, 0] {
        world.expect(B, is_reinvite);
        let now = world.now;
        let later = [("Retry-After".to_owned(), wait.to_string())];
        world.endpoint(B).reject_reinvite(now, callee, 500, "", &later).unwrap();
        let refused = world.now;
        world.expect_ladder("A>B UDP INVITE");
        assert_eq!((world.now - refused).as_secs(), wait.max(1));
    }
    world.expect(B, is_reinvite);
    let now = world.now;
    world.endpoint(B).answer_reinvite(now, callee, answer("at last")).unwrap();
    world.expect(A, is_answered);
    assert!(world.take(A).is_empty());
    hang_up(&mut world, A, caller);
}

#[test]
fn a_peer_that_is_never_through_is_given_up() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    let now = world.now;
    world.endpoint(A).update(now, caller, Some(body("again"))).unwrap();
    for _ in 0..3 {
        world.expect(B, is_reinvite);
        let now = world.now;
        let later = [("Retry-After".to_owned(), "1".to_owned())];
        world.endpoint(B).reject_reinvite(now, callee, 500, "", &later).unwrap();
    }
    let event = world.expect(A, is_failed);
    assert!(matches!(event, Event::ReinviteFailed { failure: ReinviteFailure::Rejected(r), .. }
        if r.status == 500));
    hang_up(&mut world, A, caller);
}

#[test]
fn a_bye_of_the_caller_before_the_answer_ends_the_invite_too() {
    let mut world = World::new(1);
    let from = "10.0.0.9:5060".parse().unwrap();
    let message = |method: &str, cseq: u32, to: &str| {
        format!(
            "{method} sip:A@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK{cseq}\r\n\
            From: <sip:x@h>;tag=x\r\nTo: {to}\r\nCall-ID: c\r\nCSeq: {cseq} {method}\r\n\
            Contact: <sip:x@10.0.0.9>\r\n\r\n"
        )
    };
    world.raw(A, from, &message("INVITE", 1, "<sip:A@10.0.0.1>"));
    let call = world.incoming(A);
    let now = world.now;
    world.endpoint(A).ring(now, call, 180, Default::default()).unwrap();
    let Some((_, Message::Response(ringing))) = world.raw_outputs(A).pop() else { panic!() };
    let to = ringing.headers.get("To").unwrap().to_owned();
    let answers: Vec<(u16, Method)> = world
        .raw(A, from, &message("BYE", 2, &to))
        .into_iter()
        .filter_map(|(_, message)| match message {
            Message::Response(r) => Some((r.status, r.headers.cseq().unwrap().method)),
            Message::Request(_) => None,
        })
        .collect();
    assert_eq!(answers, [(200, Method::Bye), (487, Method::Invite)]);
    assert!(matches!(world.take(A).pop(), Some(Event::Ended { .. })));
}

#[test]
fn an_invite_that_comes_back_to_its_sender_is_a_loop() {
    let mut world = World::new(1);
    let now = world.now;
    let invite = world.invitation(A, A, Some(body("offer")));
    world.endpoint(A).invite(now, invite).unwrap();
    let event = world.expect(A, |e| matches!(e, Event::Rejected { .. }));
    assert!(matches!(event, Event::Rejected { response, .. } if response.status == 482));
    world.assert_no_leaks();
}

#[test]
fn an_ended_call_is_no_live_call_while_its_bye_is_under_way() {
    let mut world = World::new(2);
    let (caller, _) = world.call(A, B);
    world.lose(A, "BYE", 1000);
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    let alive = world.endpoint(A).alive();
    assert_eq!((alive.calls, alive.ended), (0, 1));
    world.run(40 * SECOND);
    assert_eq!(world.endpoint(A).alive().ended, 0);
}
