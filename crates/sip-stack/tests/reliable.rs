//! Reliable provisional responses (RFC 3262), and what they make possible: offers and answers, and
//! changes of the session, before the call is answered (RFC 3311, RFC 6337).

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are test code too")]

mod world;

use std::time::Duration;

use sip_stack::endpoint::{Answer, Body, CallId, EndReason, Event, SessionError};
use sip_stack::message::{Message, Method, RAck, Response, rseq};
use world::{A, B, C, World, answer, body};

const SECOND: Duration = Duration::from_secs(1);

fn is_progress(event: &Event) -> bool {
    matches!(event, Event::Progress { .. })
}

fn is_pracked(event: &Event) -> bool {
    matches!(event, Event::Pracked { .. })
}

fn is_answered(event: &Event) -> bool {
    matches!(event, Event::Answered { .. })
}

fn is_reinvite(event: &Event) -> bool {
    matches!(event, Event::Reinvite { .. })
}

fn is_changed(event: &Event) -> bool {
    matches!(event, Event::ReinviteAnswered { .. })
}

fn is_ended(event: &Event) -> bool {
    matches!(event, Event::Ended { .. })
}

/// A calls B, B has not said anything.
fn calling(world: &mut World, offer: Option<Body>, require: bool) -> (CallId, CallId) {
    let now = world.now;
    let mut invite = world.invitation(A, B, offer);
    if require {
        invite.headers.push(("Require".to_owned(), "100rel".to_owned()));
    }
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    (caller, world.incoming(B))
}

fn ring(world: &mut World, callee: CallId, status: u16, answer: Answer) {
    let now = world.now;
    world.endpoint(B).ring(now, callee, status, answer).unwrap();
}

fn progress(world: &mut World) -> Response {
    match world.expect(A, is_progress) {
        Event::Progress { response, .. } => response,
        other => panic!("{other:?}"),
    }
}

fn accept(world: &mut World, callee: CallId, with: Answer) {
    let now = world.now;
    world.endpoint(B).accept(now, callee, with).unwrap();
}

fn hang_up(world: &mut World, caller: CallId) {
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.assert_no_leaks();
}

/// 183 with the answer, acknowledged.
fn early_media(world: &mut World) -> (CallId, CallId) {
    let (caller, callee) = calling(world, Some(body("offer")), false);
    ring(world, callee, 183, answer("answer"));
    progress(world);
    world.expect(B, is_pracked);
    (caller, callee)
}

#[test]
fn a_response_with_the_answer_is_sent_reliably_and_acknowledged() {
    let mut world = World::new(2);
    let (caller, callee) = calling(&mut world, Some(body("offer")), false);
    ring(&mut world, callee, 180, Answer::default());
    let ringing = progress(&mut world);
    assert!(!ringing.headers.has("Require") && rseq(&ringing.headers).is_none());
    ring(&mut world, callee, 183, answer("answer"));
    let early = progress(&mut world);
    assert!(early.headers.list_has("Require", "100rel"));
    assert!((1..1 << 31).contains(&rseq(&early.headers).unwrap()));
    assert_eq!(&early.body[..], b"answer");
    world.expect(B, |e| matches!(e, Event::Pracked { body: None, .. }));
    accept(&mut world, callee, answer("answer"));
    let event = world.expect(A, is_answered);
    // The 200 does not say it again, the owner gets it all the same.
    assert!(matches!(event, Event::Answered { response, .. } if &response.body[..] == b"answer"));
    hang_up(&mut world, caller);
    assert_eq!(world.count("PRACK"), 2);
}

#[test]
fn a_caller_that_insists_gets_every_response_reliably_one_after_the_other() {
    let mut world = World::new(2);
    let (caller, callee) = calling(&mut world, Some(body("offer")), true);
    ring(&mut world, callee, 180, Answer::default());
    ring(&mut world, callee, 183, answer("answer"));
    ring(&mut world, callee, 182, Answer::default());
    let numbers: Vec<u32> = (0..3).map(|_| rseq(&progress(&mut world).headers).unwrap()).collect();
    assert_eq!(numbers, [numbers[0], numbers[0] + 1, numbers[0] + 2]);
    for _ in 0..3 {
        world.expect(B, is_pracked);
    }
    accept(&mut world, callee, answer("answer"));
    world.expect(A, is_answered);
    hang_up(&mut world, caller);
}

#[test]
fn a_preview_is_never_the_answer() {
    for (require, preview) in [(false, "soon"), (true, "")] {
        let mut world = World::new(2);
        let (caller, callee) = calling(&mut world, Some(body("offer")), require);
        ring(&mut world, callee, 183, Answer { preview: true, ..answer("soon") });
        let early = progress(&mut world);
        assert_eq!(&early.body[..], preview.as_bytes());
        assert_eq!(early.headers.has("Require"), require);
        accept(&mut world, callee, answer("another"));
        let event = world.expect(A, is_answered);
        assert!(matches!(event, Event::Answered { response, .. } if response.body == "another"));
        hang_up(&mut world, caller);
    }
}

#[test]
fn who_does_not_know_the_extension_is_not_troubled_by_it() {
    let mut world = World::with(2, |end, config| {
        if end == A {
            config.supported.clear();
        }
    });
    let (caller, callee) = calling(&mut world, Some(body("offer")), false);
    ring(&mut world, callee, 183, answer("answer"));
    assert!(!progress(&mut world).headers.has("RSeq"));
    accept(&mut world, callee, answer("answer"));
    world.expect(A, is_answered);
    hang_up(&mut world, caller);
    assert_eq!(world.count("PRACK"), 0);
}

#[test]
fn lost_responses_and_pracks_are_repeated() {
    let mut world = World::new(2);
    let (caller, callee) = calling(&mut world, Some(body("offer")), false);
    world.lose(B, "183", 2);
    world.lose(A, "PRACK", 2);
    world.lose(B, "200 (PRACK)", 1);
    ring(&mut world, callee, 183, answer("answer"));
    progress(&mut world);
    world.expect(B, is_pracked);
    world.run(10 * SECOND);
    assert!(world.take(A).is_empty(), "the response is told once");
    accept(&mut world, callee, answer("answer"));
    world.expect(A, is_answered);
    hang_up(&mut world, caller);
}

#[test]
fn repeated_at_doubling_intervals_until_64_t1_then_504() {
    let mut world = World::new(2);
    let (_, callee) = calling(&mut world, Some(body("offer")), false);
    world.lose(A, "PRACK", 1000);
    let begun = world.now;
    ring(&mut world, callee, 183, answer("answer"));
    let event = world.expect(B, is_ended);
    assert!(matches!(event, Event::Ended { reason: EndReason::NoAck, .. }));
    assert_eq!((world.now - begun).as_secs(), 32);
    // at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s: no cap at T2 (RFC 3262 §3)
    assert_eq!(world.count("183"), 7);
    let event = world.expect(A, |e| matches!(e, Event::Rejected { .. }));
    assert!(matches!(event, Event::Rejected { response, .. } if response.status == 504));
    world.assert_no_leaks();
}

#[test]
fn the_200_waits_for_the_prack_of_a_description() {
    let mut world = World::new(2);
    let (caller, callee) = calling(&mut world, Some(body("offer")), false);
    world.lose(A, "PRACK", 2);
    ring(&mut world, callee, 183, answer("answer"));
    accept(&mut world, callee, answer("answer"));
    let again = Answer::default();
    let now = world.now;
    assert_eq!(world.endpoint(B).ring(now, callee, 180, again), Err(SessionError::WrongState));
    world.run(Duration::from_millis(700));
    assert_eq!(world.count("200 (INVITE)"), 0);
    world.expect(A, is_answered);
    hang_up(&mut world, caller);
}

#[test]
fn a_call_is_cancelled_while_its_200_waits() {
    let mut world = World::new(2);
    let (caller, callee) = calling(&mut world, Some(body("offer")), false);
    world.lose(A, "PRACK", 1000);
    ring(&mut world, callee, 183, answer("answer"));
    accept(&mut world, callee, answer("answer"));
    world.run(SECOND);
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.expect(B, |e| matches!(e, Event::Cancelled { .. }));
    world.assert_no_leaks();
    assert_eq!(world.count("200 (INVITE)"), 0);
}

#[test]
fn the_200_overtakes_a_response_without_description_whose_prack_is_taken_all_the_same() {
    let mut world = World::new(2);
    let (caller, callee) = calling(&mut world, Some(body("offer")), true);
    world.lose(A, "PRACK", 1);
    ring(&mut world, callee, 180, Answer::default());
    accept(&mut world, callee, answer("answer"));
    world.expect(A, is_answered);
    world.expect_ladder("200 (PRACK)");
    assert_eq!(world.count("180"), 1);
    hang_up(&mut world, caller);
}

#[test]
fn a_prack_that_matches_nothing_is_answered_481() {
    let mut world = World::new(2);
    let invite = |more: &str| {
        format!(
            "INVITE sip:b@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKi\r\n\
            From: <sip:x@h>;tag=x\r\nTo: <sip:b@10.0.0.2>\r\nCall-ID: c\r\nCSeq: 5 INVITE\r\n\
            Contact: <sip:x@10.0.0.9>\r\n{more}\r\n"
        )
    };
    let from = "10.0.0.9:5060".parse().unwrap();
    world.raw(B, from, &invite("Require: 100rel\r\n"));
    let callee = world.incoming(B);
    let now = world.now;
    world.endpoint(B).ring(now, callee, 180, Answer::default()).unwrap();
    let sent = world.raw_outputs(B);
    let Some((_, Message::Response(ringing))) = sent.last() else { panic!("{sent:?}") };
    let number = rseq(&ringing.headers).unwrap();
    let to = ringing.headers.get("To").unwrap().to_owned();
    let mut cseq = 5;
    let mut prack = |world: &mut World, rack: &str| {
        cseq += 1;
        let text = format!(
            "PRACK sip:b@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKp{cseq}\r\n\
            From: <sip:x@h>;tag=x\r\nTo: {to}\r\nCall-ID: c\r\nCSeq: {cseq} PRACK\r\n{rack}\r\n"
        );
        match world.raw(B, from, &text).pop() {
            Some((_, Message::Response(response))) => response.status,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(prack(&mut world, ""), 400);
    assert_eq!(prack(&mut world, "RAck: nonsense\r\n"), 400);
    for wrong in [
        format!("{} 5 INVITE", number + 1),
        format!("{number} 4 INVITE"),
        format!("{number} 5 UPDATE"),
    ] {
        assert_eq!(prack(&mut world, &format!("RAck: {wrong}\r\n")), 481, "{wrong}");
    }
    let right = format!("RAck: {number} 5 INVITE\r\n");
    assert_eq!(prack(&mut world, &right), 200);
    assert_eq!(prack(&mut world, &right), 481, "it is acknowledged already");
}

#[test]
fn an_offer_in_the_response_is_answered_in_the_prack() {
    let mut world = World::new(2);
    let (caller, callee) = calling(&mut world, None, false);
    ring(&mut world, callee, 183, answer("offer"));
    let early = progress(&mut world);
    let tag = early.headers.to().unwrap().tag().unwrap().to_owned();
    world.run(3 * SECOND);
    let now = world.now;
    let wrong = world.endpoint(A).answer_progress(now, caller, "nobody", body("answer"));
    assert_eq!(wrong, Err(SessionError::WrongState));
    world.endpoint(A).answer_progress(now, caller, &tag, body("answer")).unwrap();
    let again = world.endpoint(A).answer_progress(now, caller, &tag, body("answer"));
    assert_eq!(again, Err(SessionError::WrongState));
    let event = world.expect(B, is_pracked);
    assert!(matches!(event, Event::Pracked { body: Some(b), .. } if &b.bytes[..] == b"answer"));
    accept(&mut world, callee, answer("not said again"));
    let event = world.expect(A, is_answered);
    assert!(matches!(event, Event::Answered { response, .. } if response.body.is_empty()));
    world.expect(B, |e| matches!(e, Event::Ack { body: None, .. }));
    hang_up(&mut world, caller);
}

#[test]
fn an_offer_in_a_response_that_the_owner_never_answers_fails_the_call() {
    let mut world = World::new(2);
    let (_, callee) = calling(&mut world, None, false);
    ring(&mut world, callee, 183, answer("offer"));
    let event = world.expect(A, |e| matches!(e, Event::Rejected { .. }));
    assert!(matches!(event, Event::Rejected { response, .. } if response.status == 504));
    world.assert_no_leaks();
}

#[test]
fn an_offer_in_the_prack_is_answered_in_its_200() {
    let mut world = World::new(2);
    let from = "10.0.0.9:5060".parse().unwrap();
    let message = |method: &str, cseq: u32, to: &str, more: &str| {
        format!(
            "{method} sip:b@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK{cseq}\r\n\
            From: <sip:x@h>;tag=x\r\nTo: {to}\r\nCall-ID: c\r\nCSeq: {cseq} {method}\r\n\
            Contact: <sip:x@10.0.0.9>\r\nContent-Type: application/sdp\r\n{more}"
        )
    };
    let plain = "<sip:b@10.0.0.2>";
    let offer = "Supported: 100rel\r\nContent-Length: 5\r\n\r\noffer";
    world.raw(B, from, &message("INVITE", 1, plain, offer));
    let callee = world.incoming(B);
    let now = world.now;
    world.endpoint(B).ring(now, callee, 183, answer("answer")).unwrap();
    let sent = world.raw_outputs(B);
    let Some((_, Message::Response(early))) = sent.last() else { panic!("{sent:?}") };
    let rack = RAck { rseq: rseq(&early.headers).unwrap(), cseq: 1, method: Method::Invite };
    let to = early.headers.get("To").unwrap().to_owned();
    let offer = format!("RAck: {rack}\r\nContent-Length: 5\r\n\r\nagain");
    world.raw(B, from, &message("PRACK", 2, &to, &offer));
    let event = world.expect(B, is_reinvite);
    assert!(matches!(event, Event::Reinvite { request, .. } if request.method == Method::Prack));
    accept(&mut world, callee, Answer::default());
    assert!(world.raw_outputs(B).is_empty(), "the 200 to the INVITE waits for the answer");
    let now = world.now;
    world.endpoint(B).answer_reinvite(now, callee, answer("yes")).unwrap();
    let answers: Vec<_> = world
        .raw_outputs(B)
        .into_iter()
        .map(|(_, message)| match message {
            Message::Response(r) => (r.status, r.headers.cseq().unwrap().method, r.body),
            Message::Request(request) => panic!("{request:?}"),
        })
        .collect();
    assert_eq!(answers[0], (200, Method::Prack, "yes".into()));
    assert_eq!(answers[1], (200, Method::Invite, "".into()));
}

#[test]
fn each_phone_of_a_fork_has_an_early_dialog_and_the_first_200_wins() {
    let mut world = World::new(3);
    world.fork = Some((B, C));
    let now = world.now;
    let invite = world.invitation(A, B, Some(body("offer")));
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    let (at_b, at_c) = (world.incoming(B), world.incoming(C));
    for (end, call, text) in [(B, at_b, "of B"), (C, at_c, "of C"), (B, at_b, ""), (C, at_c, "")] {
        let now = world.now;
        let with = if text.is_empty() { Answer::default() } else { answer(text) };
        world.endpoint(end).ring(now, call, 183, with).unwrap();
        let early = progress(&mut world);
        assert_eq!(&early.body[..], text.as_bytes());
    }
    world.run(SECOND);
    assert_eq!(world.count("200 (PRACK)"), 2);
    let now = world.now;
    world.endpoint(C).accept(now, at_c, Answer::default()).unwrap();
    world.run(Duration::from_millis(5));
    let now = world.now;
    world.endpoint(B).accept(now, at_b, Answer::default()).unwrap();
    let event = world.expect(A, is_answered);
    let Event::Answered { response, .. } = event else { unreachable!() };
    assert_eq!(&response.body[..], b"of C");
    // The other one is acknowledged and hung up, with a CSeq above that of its PRACK.
    world.expect(B, is_ended);
    assert_eq!(world.count("500"), 0);
    hang_up(&mut world, caller);
}

#[test]
fn early_dialog_terminated_is_acknowledged_and_ends_only_that_dialog() {
    let mut world = World::new(2);
    let (caller, callee) = calling(&mut world, Some(body("offer")), true);
    ring(&mut world, callee, 180, Answer::default());
    progress(&mut world);
    ring(&mut world, callee, 199, Answer::default());
    assert_eq!(progress(&mut world).status, 199);
    world.expect(B, is_pracked);
    world.expect(B, is_pracked);
    // Its 200 has crossed, or it has changed its mind.
    accept(&mut world, callee, answer("answer"));
    world.expect(A, is_answered);
    hang_up(&mut world, caller);
}

#[test]
fn an_update_before_the_answer_from_either_side() {
    let mut world = World::new(2);
    let (caller, callee) = early_media(&mut world);
    for (end, call, other, other_call) in [(A, caller, B, callee), (B, callee, A, caller)] {
        let now = world.now;
        world.endpoint(end).update(now, call, Some(body("new offer"))).unwrap();
        let event = world.expect(other, is_reinvite);
        assert!(
            matches!(event, Event::Reinvite { request, .. } if request.method == Method::Update)
        );
        let now = world.now;
        world.endpoint(other).answer_reinvite(now, other_call, answer("new answer")).unwrap();
        world.expect(end, is_changed);
    }
    let now = world.now;
    assert_eq!(world.endpoint(A).reinvite(now, caller, None), Err(SessionError::WrongState));
    accept(&mut world, callee, Answer::default());
    world.expect(A, is_answered);
    hang_up(&mut world, caller);
}

#[test]
fn an_update_before_offer_and_answer_are_through_is_too_early() {
    let mut world = World::new(2);
    let (caller, callee) = calling(&mut world, Some(body("offer")), false);
    ring(&mut world, callee, 180, Answer::default());
    progress(&mut world);
    let now = world.now;
    let update = Some(body("new offer"));
    assert_eq!(
        world.endpoint(A).update(now, caller, update.clone()),
        Err(SessionError::WrongState)
    );
    assert_eq!(world.endpoint(B).update(now, callee, update), Err(SessionError::WrongState));
    accept(&mut world, callee, answer("answer"));
    world.expect(A, is_answered);
    hang_up(&mut world, caller);
}

#[test]
fn updates_that_meet_before_the_answer_get_491_and_are_tried_again() {
    let mut world = World::new(2);
    let (caller, callee) = early_media(&mut world);
    let now = world.now;
    world.endpoint(A).update(now, caller, Some(body("a"))).unwrap();
    world.endpoint(B).update(now, callee, Some(body("b"))).unwrap();
    // B does not own the Call-ID and comes back first.
    world.expect(A, is_reinvite);
    assert_eq!(world.count("491"), 2);
    let now = world.now;
    world.endpoint(A).answer_reinvite(now, caller, answer("yes")).unwrap();
    world.expect(B, is_changed);
    accept(&mut world, callee, Answer::default());
    world.expect(A, is_answered);
    hang_up(&mut world, caller);
}

#[test]
fn a_cancel_ends_what_goes_on_before_the_answer() {
    let mut world = World::new(2);
    let (caller, callee) = early_media(&mut world);
    let now = world.now;
    world.endpoint(B).update(now, callee, Some(body("new"))).unwrap();
    world.expect(A, is_reinvite);
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.expect(B, |e| matches!(e, Event::Cancelled { .. }));
    world.assert_no_leaks();
    assert_eq!(world.count("487 (UPDATE)"), 1);
}

#[test]
fn a_fifth_of_all_datagrams_is_lost() {
    for seed in 0..20 {
        let mut world = World::new(2);
        world.lose_percent(20, seed);
        let (caller, callee) = calling(&mut world, Some(body("offer")), true);
        ring(&mut world, callee, 180, Answer::default());
        ring(&mut world, callee, 183, answer("answer"));
        accept(&mut world, callee, answer("answer"));
        let event = world.expect(A, is_answered);
        assert!(matches!(event, Event::Answered { response, .. } if response.body == "answer"));
        hang_up(&mut world, caller);
    }
}
