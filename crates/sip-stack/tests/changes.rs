//! Changing a running session: re-INVITE, UPDATE, glare, session timer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are test code too")]

mod world;

use std::time::Duration;

use sip_stack::endpoint::{
    Answer, CallId, EndReason, Event, ReinviteFailure, SessionError, SessionTimerConfig,
};
use sip_stack::message::{Method, NameAddr};
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

fn is_ack(event: &Event) -> bool {
    matches!(event, Event::Ack { .. })
}

fn is_ended(event: &Event) -> bool {
    matches!(event, Event::Ended { .. })
}

fn reinvite(world: &mut World, end: usize, call: CallId, text: &str) {
    let now = world.now;
    world.endpoint(end).reinvite(now, call, Some(body(text))).unwrap();
}

fn hang_up(world: &mut World, end: usize, call: CallId) {
    let now = world.now;
    world.endpoint(end).bye(now, call, None).unwrap();
    world.assert_no_leaks();
}

/// `end` offers, `other` accepts.
fn change(world: &mut World, end: usize, call: CallId, other: usize, other_call: CallId) {
    reinvite(world, end, call, "again");
    world.expect(other, is_reinvite);
    let now = world.now;
    world.endpoint(other).answer_reinvite(now, other_call, answer("fine")).unwrap();
    world.expect(end, is_answered);
    world.expect(other, is_ack);
}

#[test]
fn either_side_changes_the_session() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    change(&mut world, A, caller, B, callee);
    change(&mut world, B, callee, A, caller);
    change(&mut world, B, callee, A, caller);
    hang_up(&mut world, A, caller);
}

#[test]
fn a_lost_ack_of_a_reinvite_is_sent_again() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    world.lose(A, "ACK", 2);
    change(&mut world, A, caller, B, callee);
    assert_eq!(world.count("ACK"), 1 + 3);
    hang_up(&mut world, B, callee);
}

#[test]
fn an_offer_asked_for_is_answered_in_the_ack() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    let now = world.now;
    world.endpoint(B).reinvite(now, callee, None).unwrap();
    let event = world.expect(A, is_reinvite);
    assert!(matches!(event, Event::Reinvite { request, .. } if request.body.is_empty()));
    let now = world.now;
    world.endpoint(A).answer_reinvite(now, caller, answer("offer")).unwrap();
    let event = world.expect(B, is_answered);
    assert!(matches!(event, Event::ReinviteAnswered { response, .. }
        if &response.body[..] == b"offer"));
    // meanwhile the other member is asked; the 2xx comes again and is not acknowledged yet
    world.run(3 * SECOND);
    assert_eq!(world.endpoint(B).reinvite(now, callee, None), Err(SessionError::Pending));
    let now = world.now;
    world.endpoint(B).acknowledge(now, callee, Some(body("answer"))).unwrap();
    let event = world.expect(A, is_ack);
    assert!(matches!(event, Event::Ack { body: Some(b), .. } if &b.bytes[..] == b"answer"));
    hang_up(&mut world, A, caller);
}

#[test]
fn an_offer_that_the_owner_never_answers_ends_the_call() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    let now = world.now;
    world.endpoint(B).reinvite(now, callee, None).unwrap();
    world.expect(A, is_reinvite);
    let now = world.now;
    world.endpoint(A).answer_reinvite(now, caller, answer("offer")).unwrap();
    world.expect(B, is_ended);
    world.expect(A, is_ended);
    world.assert_no_leaks();
}

#[test]
fn a_refused_change_leaves_the_session_as_it_was() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    reinvite(&mut world, A, caller, "too much");
    world.expect(B, is_reinvite);
    let now = world.now;
    let warning = [("Warning".to_owned(), "304 parley \"no such media\"".to_owned())];
    world.endpoint(B).reject_reinvite(now, callee, 488, "", &warning).unwrap();
    let event = world.expect(A, is_failed);
    let Event::ReinviteFailed { failure: ReinviteFailure::Rejected(response), .. } = event else {
        panic!("{event:?}");
    };
    assert_eq!((response.status, response.headers.has("Warning")), (488, true));
    change(&mut world, A, caller, B, callee);
    hang_up(&mut world, A, caller);
}

#[test]
fn a_new_contact_that_cannot_be_reached_falls_back_to_the_way_the_peer_came() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    reinvite(&mut world, A, caller, "x");
    world.expect(B, is_reinvite);
    let now = world.now;
    let contact = NameAddr::parse("<sip:b@10.9.9.9>");
    let elsewhere = Answer { contact, ..answer("fine") };
    world.endpoint(B).answer_reinvite(now, callee, elsewhere).unwrap();
    world.expect(B, is_ack);
    hang_up(&mut world, A, caller);
    let tail = &world.ladder[world.ladder.len() - 5..];
    assert_eq!(
        tail,
        ["A>? UDP ACK", "A>B UDP ACK", "A>? UDP BYE", "A>B UDP BYE", "B>A UDP 200 (BYE)"]
    );
}

#[test]
fn a_change_in_a_dialog_the_peer_does_not_know_ends_the_call() {
    for status in [481, 408] {
        let mut world = World::new(2);
        let (caller, callee) = world.call(A, B);
        reinvite(&mut world, A, caller, "x");
        world.expect(B, is_reinvite);
        let now = world.now;
        world.endpoint(B).reject_reinvite(now, callee, status, "", &[]).unwrap();
        let event = world.expect(A, is_ended);
        let lost = EndReason::DialogLost(Some(status));
        assert!(matches!(event, Event::Ended { reason, .. } if reason == lost));
        world.expect(B, is_ended);
        world.assert_no_leaks();
    }
}

#[test]
fn a_change_that_nobody_answers_ends_the_call() {
    let mut world = World::new(2);
    let (caller, _) = world.call(A, B);
    world.lose(A, "INVITE", 1000);
    reinvite(&mut world, A, caller, "x");
    let event = world.expect(A, is_ended);
    assert!(matches!(event, Event::Ended { reason: EndReason::DialogLost(None), .. }));
    world.expect(B, is_ended);
    world.assert_no_leaks();
}

#[test]
fn an_owner_that_never_answers_a_change_is_answered_for() {
    let mut world = World::new(2);
    let (caller, _) = world.call(A, B);
    reinvite(&mut world, A, caller, "x");
    let event = world.expect(A, is_failed);
    assert!(matches!(event, Event::ReinviteFailed { failure: ReinviteFailure::Rejected(r), .. }
        if r.status == 500));
    hang_up(&mut world, A, caller);
}

#[test]
fn changes_from_both_sides_meet_and_the_owner_of_the_call_id_waits_longer() {
    for seed in 0..8 {
        let mut world = World::new(2);
        world.run(Duration::from_millis(seed)); // spreads the random waits
        let (caller, callee) = world.call(A, B);
        for _ in 0..seed {
            change(&mut world, A, caller, B, callee);
        }
        let begun = world.now;
        reinvite(&mut world, A, caller, "from A");
        reinvite(&mut world, B, callee, "from B");
        let event = world.expect(A, is_reinvite);
        assert!(matches!(event, Event::Reinvite { request, .. } if &request.body[..] == b"from B"));
        assert_eq!(world.count("491"), 2);
        // B is not the owner and comes back in 0 to 2 s (and the ways)
        assert!(world.now - begun <= 2 * SECOND + Duration::from_millis(40));
        let now = world.now;
        world.endpoint(A).answer_reinvite(now, caller, answer("yes")).unwrap();
        world.expect(B, is_answered);
        // A's offer was made for the session as it was
        let event = world.expect(A, is_failed);
        let superseded = ReinviteFailure::Superseded;
        assert!(matches!(event, Event::ReinviteFailed { failure, .. }
            if std::mem::discriminant(&failure) == std::mem::discriminant(&superseded)));
        world.run(5 * SECOND);
        change(&mut world, A, caller, B, callee);
        hang_up(&mut world, A, caller);
    }
}

#[test]
fn a_change_that_meets_a_refused_one_is_sent_again_by_itself() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    let begun = world.now;
    reinvite(&mut world, A, caller, "from A");
    reinvite(&mut world, B, callee, "from B");
    world.expect(A, is_reinvite);
    let now = world.now;
    world.endpoint(A).reject_reinvite(now, caller, 488, "", &[]).unwrap();
    world.expect(B, is_failed);
    world.expect(B, is_reinvite);
    let waited = world.now - begun;
    assert!(waited >= Duration::from_millis(2100) && waited <= Duration::from_millis(4060));
    let now = world.now;
    world.endpoint(B).answer_reinvite(now, callee, answer("yes")).unwrap();
    world.expect(A, is_answered);
    hang_up(&mut world, A, caller);
}

#[test]
fn endless_glare_is_given_up() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    reinvite(&mut world, A, caller, "x");
    for _ in 0..3 {
        world.expect(B, is_reinvite);
        let now = world.now;
        world.endpoint(B).reject_reinvite(now, callee, 491, "", &[]).unwrap();
    }
    let event = world.expect(A, is_failed);
    assert!(matches!(event, Event::ReinviteFailed { failure: ReinviteFailure::Glare, .. }));
    assert_eq!(world.count("491"), 3);
    hang_up(&mut world, A, caller);
}

#[test]
fn a_change_passed_on_for_somebody_else_is_not_tried_again() {
    for method in [Method::Invite, Method::Update] {
        let mut world = World::new(2);
        let (caller, callee) = world.call(A, B);
        let now = world.now;
        world.endpoint(A).pass_on_change(now, caller, method, Some(body("x"))).unwrap();
        world.expect(B, is_reinvite);
        let now = world.now;
        world.endpoint(B).reject_reinvite(now, callee, 491, "", &[]).unwrap();
        let event = world.expect(A, is_failed);
        assert!(matches!(event, Event::ReinviteFailed { failure: ReinviteFailure::Glare, .. }));
        world.run(10 * SECOND);
        assert_eq!(world.count("491"), 1);
        change(&mut world, B, callee, A, caller);
        hang_up(&mut world, A, caller);
    }
}

#[test]
fn only_one_change_of_ours_at_a_time() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    reinvite(&mut world, A, caller, "x");
    let now = world.now;
    let second = world.endpoint(A).reinvite(now, caller, None);
    assert_eq!(second, Err(SessionError::Pending));
    world.expect(B, is_reinvite);
    let now = world.now;
    assert_eq!(world.endpoint(B).reinvite(now, callee, None), Err(SessionError::Pending));
    hang_up(&mut world, B, callee);
}

#[test]
fn a_bye_crosses_a_reinvite() {
    // RFC 5407 §3.2.2
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    reinvite(&mut world, B, callee, "x");
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.run(SECOND);
    assert!(matches!(world.take(A)[..], [Event::Ended { reason: EndReason::Local, .. }]));
    assert!(matches!(world.take(B)[..], [Event::Ended { reason: EndReason::Remote(_), .. }]));
    assert_eq!((world.count("481 (INVITE)"), world.count("200 (BYE)")), (1, 1));
    world.assert_no_leaks();
}

#[test]
fn a_bye_right_after_ones_own_reinvite_still_acknowledges_the_2xx() {
    // RFC 5407 §3.2.3: the 200 to the re-INVITE comes after the BYE went out
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    reinvite(&mut world, B, callee, "x");
    world.expect(A, is_reinvite);
    let now = world.now;
    world.endpoint(A).answer_reinvite(now, caller, answer("y")).unwrap();
    world.endpoint(B).bye(now, callee, None).unwrap();
    world.run(SECOND);
    assert_eq!(world.count("B>A UDP ACK"), 1);
    world.assert_no_leaks();
}

/// Nobody repeats the lost 2xx after the BYE, and nothing in RFC 3261 §17.1.1.2 ends the waiting.
#[test]
fn a_reinvite_whose_answer_is_lost_is_forgotten_after_the_bye() {
    for hangs_up in [A, B] {
        let mut world = World::new(2);
        let (caller, callee) = world.call(A, B);
        reinvite(&mut world, A, caller, "again");
        world.expect(B, is_reinvite);
        world.run(Duration::from_millis(100)); // A has the 100
        world.lose(B, "200 (INVITE)", 1);
        let now = world.now;
        world.endpoint(B).answer_reinvite(now, callee, answer("fine")).unwrap();
        let call = if hangs_up == A { caller } else { callee };
        hang_up(&mut world, hangs_up, call);
    }
}

#[test]
fn a_bye_refuses_the_reinvite_that_waits_for_its_answer() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    reinvite(&mut world, A, caller, "x");
    world.expect(B, is_reinvite);
    hang_up(&mut world, B, callee);
    assert_eq!(world.count("487 (INVITE)"), 1);
}

#[test]
fn a_reinvite_that_overtakes_the_ack_stands_for_it() {
    // RFC 5407 §3.1.4
    let mut world = World::new(2);
    world.lose(A, "ACK", 1);
    let now = world.now;
    let invite = world.invitation(A, B, Some(body("offer")));
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    let callee = world.incoming(B);
    let now = world.now;
    world.endpoint(B).accept(now, callee, answer("answer")).unwrap();
    world.expect(A, |e| matches!(e, Event::Answered { .. }));
    change(&mut world, A, caller, B, callee);
    world.run(SECOND);
    assert_eq!(world.count("491"), 0);
    hang_up(&mut world, A, caller);
}

#[test]
fn a_reinvite_that_overtakes_the_answer_in_the_ack_is_refused_491() {
    // RFC 5407 §3.1.5
    let mut world = World::new(2);
    world.lose(A, "ACK", 1);
    let now = world.now;
    let invite = world.invitation(A, B, None);
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    let callee = world.incoming(B);
    let now = world.now;
    world.endpoint(B).accept(now, callee, answer("offer")).unwrap();
    world.expect(A, |e| matches!(e, Event::Answered { .. }));
    let now = world.now;
    world.endpoint(A).acknowledge(now, caller, Some(body("answer"))).unwrap();
    reinvite(&mut world, A, caller, "x");
    world.expect(B, is_ack);
    world.expect(B, is_reinvite);
    assert_eq!(world.count("491"), 1);
    let now = world.now;
    world.endpoint(B).answer_reinvite(now, callee, answer("y")).unwrap();
    world.expect(A, is_answered);
    hang_up(&mut world, A, caller);
}

#[test]
fn update_changes_the_session_without_ack() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    assert!(world.endpoint(A).peer_allows(caller, &Method::Update));
    assert!(world.endpoint(B).peer_allows(callee, &Method::Update));
    let now = world.now;
    world.endpoint(A).update(now, caller, Some(body("offer 2"))).unwrap();
    let event = world.expect(B, is_reinvite);
    assert!(matches!(event, Event::Reinvite { request, .. } if request.method == Method::Update));
    let now = world.now;
    world.endpoint(B).answer_reinvite(now, callee, answer("answer 2")).unwrap();
    world.expect(A, is_answered);
    // without body it is nobody's business
    let now = world.now;
    world.endpoint(B).update(now, callee, None).unwrap();
    world.expect(B, is_answered);
    assert!(world.take(A).is_empty());
    assert_eq!(world.count("ACK"), 1);
    hang_up(&mut world, A, caller);
}

#[test]
fn an_update_meets_an_update() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    let now = world.now;
    world.endpoint(A).update(now, caller, Some(body("a"))).unwrap();
    world.endpoint(B).update(now, callee, Some(body("b"))).unwrap();
    world.expect(A, is_reinvite);
    assert_eq!(world.count("491 (UPDATE)"), 2);
    let now = world.now;
    world.endpoint(A).answer_reinvite(now, caller, answer("yes")).unwrap();
    world.expect(B, is_answered);
    hang_up(&mut world, A, caller);
}

fn timers(world_of: usize) -> World {
    World::with(world_of, |_, config| {
        config.session_timer = Some(SessionTimerConfig { expires: 100, min_se: 90 });
    })
}

#[test]
fn a_session_is_refreshed_by_update_for_as_long_as_it_lasts() {
    let mut world = timers(2);
    let (caller, _) = world.call(A, B);
    world.run(1000 * SECOND);
    assert!(world.take(A).is_empty() && world.take(B).is_empty());
    // the caller refreshes, each 50 s
    assert_eq!(world.count("A>B UDP UPDATE"), 19);
    assert_eq!(world.count("B>A UDP UPDATE"), 0);
    hang_up(&mut world, A, caller);
}

#[test]
fn without_update_a_session_is_refreshed_by_reinvite() {
    let mut world = World::with(2, |_, config| {
        config.session_timer = Some(SessionTimerConfig { expires: 100, min_se: 90 });
        config.allow.retain(|method| *method != Method::Update);
    });
    let (caller, callee) = world.call(A, B);
    for _ in 0..3 {
        let event = world.expect(B, is_reinvite);
        assert!(matches!(event, Event::Reinvite { request, .. } if &request.body[..] == b"offer"));
        let now = world.now;
        world.endpoint(B).answer_reinvite(now, callee, answer("answer")).unwrap();
        world.expect(A, |e| matches!(e, Event::Refreshed { .. }));
    }
    assert_eq!(world.count("UPDATE"), 0);
    hang_up(&mut world, A, caller);
}

#[test]
fn the_called_side_refreshes_for_a_caller_without_session_timer() {
    let mut world = World::with(2, |end, config| {
        if end == B {
            config.session_timer = Some(SessionTimerConfig { expires: 100, min_se: 90 });
        }
    });
    let (caller, _) = world.call(A, B);
    world.run(500 * SECOND);
    assert_eq!(world.count("B>A UDP UPDATE"), 9);
    hang_up(&mut world, A, caller);
}

#[test]
fn a_session_whose_refresher_has_vanished_expires() {
    let mut world = timers(2);
    world.call(A, B);
    let begun = world.now;
    world.lose(A, "", 1000); // A's network is gone
    let event = world.expect(B, is_ended);
    assert!(matches!(event, Event::Ended { reason: EndReason::SessionExpired, .. }));
    assert!((world.now - begun).as_secs() <= 68);
    world.expect(A, is_ended);
    world.assert_no_leaks();
}

#[test]
fn a_too_small_interval_is_raised() {
    let mut world = World::with(2, |end, config| {
        let (expires, min_se) = if end == A { (90, 90) } else { (600, 300) };
        config.session_timer = Some(SessionTimerConfig { expires, min_se });
    });
    let (caller, _) = world.call(A, B);
    assert_eq!((world.count("422"), world.count("A>B UDP INVITE")), (1, 2));
    let begun = world.now;
    world.expect_ladder("UPDATE");
    let waited = world.now - begun + Duration::from_millis(10);
    assert_eq!(waited.as_secs(), 150);
    hang_up(&mut world, A, caller);
}

#[test]
fn requests_inside_a_call() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    let now = world.now;
    let fast_update = sip_stack::endpoint::Body {
        content_type: "application/media_control+xml".to_owned(),
        bytes: "<picture_fast_update/>".into(),
    };
    let sent =
        world.endpoint(A).request(now, caller, Method::Info, &[], Some(fast_update)).unwrap();
    let event = world.expect(B, |e| matches!(e, Event::InDialog { .. }));
    let Event::InDialog { call, transaction, request } = event else { unreachable!() };
    assert_eq!((call, &request.method), (callee, &Method::Info));
    let now = world.now;
    world.endpoint(B).respond_status(now, transaction, 200, "").unwrap();
    let event = world.expect(A, |e| matches!(e, Event::Response { .. }));
    assert!(matches!(event, Event::Response { transaction, response, .. }
        if transaction == sent && response.status == 200));
    hang_up(&mut world, A, caller);
}

#[test]
fn a_message_that_fails_leaves_the_call_alone_and_an_info_does_not() {
    for (method, ends) in [(Method::Message, false), (Method::Info, true)] {
        let mut world = World::new(2);
        let (caller, _) = world.call(A, B);
        let now = world.now;
        world.endpoint(A).request(now, caller, method, &[], Some(body("x"))).unwrap();
        let event = world.expect(B, |e| matches!(e, Event::InDialog { .. }));
        let Event::InDialog { transaction, .. } = event else { unreachable!() };
        let now = world.now;
        world.endpoint(B).respond_status(now, transaction, 481, "").unwrap();
        world.expect(A, |e| matches!(e, Event::Response { .. }));
        world.run(SECOND);
        assert_eq!(world.take(A).iter().any(is_ended), ends);
        let now = world.now;
        let _ = world.endpoint(A).bye(now, caller, None);
        world.assert_no_leaks();
    }
}
