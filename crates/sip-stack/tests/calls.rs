//! Calls between endpoints over a network that loses and delays: how they begin and how they end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are test code too")]

mod world;

use std::time::Duration;

use sip_stack::auth::{Algorithm, Challenger, Credentials, Ha1, Verdict};
use sip_stack::endpoint::{EndReason, Event, Failure, SessionError};
use sip_stack::flow::{Hop, Target, Transport};
use sip_stack::message::Reason;
use world::{A, B, C, World, answer, body};

const SECOND: Duration = Duration::from_secs(1);

fn ended(event: &Event) -> bool {
    matches!(event, Event::Ended { .. })
}

fn reason(event: Event) -> EndReason {
    match event {
        Event::Ended { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_from_invite_to_bye() {
    let mut world = World::new(2);
    let now = world.now;
    let invite = world.invitation(A, B, Some(body("offer")));
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    let callee = world.incoming(B);
    let now = world.now;
    world.endpoint(B).ring(now, callee, 180, Default::default()).unwrap();
    world.expect(A, |e| matches!(e, Event::Progress { response, .. } if response.status == 180));
    let now = world.now;
    world.endpoint(B).accept(now, callee, answer("answer")).unwrap();
    let event = world.expect(A, |e| matches!(e, Event::Answered { .. }));
    let Event::Answered { call, response } = event else { unreachable!() };
    assert_eq!((call, &response.body[..]), (caller, &b"answer"[..]));
    world.expect(B, |e| matches!(e, Event::Ack { body: None, .. }));
    let now = world.now;
    let kicked = Reason::sip(200, "removed by host");
    world.endpoint(A).bye(now, caller, Some(kicked.clone())).unwrap();
    assert_eq!(reason(world.expect(A, ended)), EndReason::Local);
    assert_eq!(reason(world.expect(B, ended)), EndReason::Remote(Some(kicked)));
    world.run(SECOND);
    assert_eq!(
        world.ladder,
        [
            "A>B UDP INVITE",
            "B>A UDP 100 (INVITE)",
            "B>A UDP 180 (INVITE)",
            "B>A UDP 200 (INVITE)",
            "A>B UDP ACK",
            "A>B UDP BYE",
            "B>A UDP 200 (BYE)",
        ]
    );
    let now = world.now;
    assert_eq!(world.endpoint(A).bye(now, caller, None), Err(SessionError::UnknownCall));
    world.assert_no_leaks();
}

#[test]
fn the_called_side_hangs_up() {
    let mut world = World::new(2);
    let (_, callee) = world.call(A, B);
    let now = world.now;
    world.endpoint(B).bye(now, callee, None).unwrap();
    assert_eq!(reason(world.expect(A, ended)), EndReason::Remote(None));
    world.assert_no_leaks();
}

#[test]
fn a_lost_ack_is_sent_again_for_each_2xx() {
    let mut world = World::new(2);
    world.lose(A, "ACK", 3);
    world.call(A, B);
    assert_eq!(world.count("200 (INVITE)"), 4);
    assert_eq!(world.count("ACK"), 4);
    // 0.5 + 1 + 2 s after the first, and three ways of 10 ms
    assert_eq!(world.millis(), 3530);
    world.run(100 * SECOND);
    assert!(world.take(A).is_empty() && world.take(B).is_empty());
}

#[test]
fn a_lost_2xx_is_sent_again() {
    let mut world = World::new(2);
    world.lose(B, "200 (INVITE)", 2);
    let (caller, _) = world.call(A, B);
    assert_eq!(world.count("200 (INVITE)"), 3);
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.assert_no_leaks();
}

#[test]
fn a_lost_invite_is_sent_again_and_the_copy_is_absorbed() {
    let mut world = World::new(2);
    world.lose(A, "INVITE", 1);
    world.lose(B, "100", 1);
    let now = world.now;
    let invite = world.invitation(A, B, None);
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    world.run(5 * SECOND);
    let incoming = world.take(B);
    assert_eq!(incoming.len(), 1, "{incoming:?}");
    // lost; its 100 lost; the third is answered and stops the sending
    assert_eq!(world.count("INVITE"), 3 + world.count("(INVITE)"));
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.assert_no_leaks();
}

#[test]
fn without_any_ack_the_called_side_gives_up_after_64_t1() {
    let mut world = World::new(2);
    world.lose(A, "ACK", 1000);
    let now = world.now;
    let invite = world.invitation(A, B, Some(body("offer")));
    world.endpoint(A).invite(now, invite).unwrap();
    let callee = world.incoming(B);
    let now = world.now;
    world.endpoint(B).accept(now, callee, answer("answer")).unwrap();
    assert_eq!(reason(world.expect(B, ended)), EndReason::NoAck);
    assert_eq!((world.now - now).as_secs(), 32);
    assert!(matches!(reason(world.expect(A, ended)), EndReason::Remote(Some(_))));
    // 0, 0.5, 1.5, 3.5 s, then every 4 s until 32 s
    assert_eq!(world.count("200 (INVITE)"), 11);
    world.assert_no_leaks();
}

#[test]
fn a_call_survives_a_fifth_of_all_datagrams_lost() {
    for seed in 0..40 {
        let mut world = World::new(2);
        world.lose_percent(20, seed);
        let (caller, callee) = world.call(A, B);
        world.run(SECOND);
        let now = world.now;
        world.endpoint(A).reinvite(now, caller, Some(body("offer 2"))).unwrap();
        world.expect(B, |e| matches!(e, Event::Reinvite { .. }));
        let now = world.now;
        world.endpoint(B).answer_reinvite(now, callee, answer("answer 2")).unwrap();
        world.expect(A, |e| matches!(e, Event::ReinviteAnswered { .. }));
        world.expect(B, |e| matches!(e, Event::Ack { .. }));
        let now = world.now;
        world.endpoint(B).bye(now, callee, None).unwrap();
        world.expect(A, ended);
        world.assert_no_leaks();
    }
}

#[test]
fn a_reliable_transport_repeats_nothing() {
    let mut world = World::new(2);
    let mut invite = world.invitation(A, B, Some(body("offer")));
    invite.target = Some(tcp(&world, B));
    let now = world.now;
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    let callee = world.incoming(B);
    world.run(20 * SECOND);
    let now = world.now;
    world.endpoint(B).reject(now, callee, 486, "", &[]).unwrap();
    let event = world.expect(A, |e| matches!(e, Event::Rejected { .. }));
    let Event::Rejected { call, response } = event else { unreachable!() };
    assert_eq!((call, response.status), (caller, 486));
    world.run(SECOND);
    assert_eq!(
        world.ladder,
        ["A>B TCP INVITE", "B>A TCP 100 (INVITE)", "B>A TCP 486 (INVITE)", "A>B TCP ACK"]
    );
    // timers D, I and K are zero, so nothing is kept
    assert_eq!(world.endpoint(A).alive(), Default::default());
    assert_eq!(world.endpoint(B).alive(), Default::default());
}

fn tcp(world: &World, end: usize) -> Target {
    let hop = Hop::from_uri(&world.uri(end));
    Target::Hop(Hop { transport: Some(Transport::Tcp), ..hop })
}

#[test]
fn a_refusal_is_acknowledged_each_time_it_comes() {
    let mut world = World::new(2);
    let now = world.now;
    let invite = world.invitation(A, B, None);
    world.endpoint(A).invite(now, invite).unwrap();
    let callee = world.incoming(B);
    world.lose(A, "ACK", 2);
    let now = world.now;
    let contact = [("Contact".to_owned(), "<sip:else@10.0.0.9>;isfocus".to_owned())];
    world.endpoint(B).reject(now, callee, 302, "", &contact).unwrap();
    let event = world.expect(A, |e| matches!(e, Event::Rejected { .. }));
    let Event::Rejected { response, .. } = event else { unreachable!() };
    assert_eq!(response.headers.get("Contact"), Some("<sip:else@10.0.0.9>;isfocus"));
    world.run(5 * SECOND);
    assert_eq!((world.count("302"), world.count("ACK")), (3, 3));
    assert!(world.take(A).is_empty());
    world.assert_no_leaks();
}

#[test]
fn cancel_before_the_answer() {
    let mut world = World::new(2);
    let now = world.now;
    let invite = world.invitation(A, B, None);
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    let callee = world.incoming(B);
    world.run(SECOND);
    let now = world.now;
    let elsewhere = Reason::sip(200, "Call completed elsewhere");
    world.endpoint(A).bye(now, caller, Some(elsewhere.clone())).unwrap();
    assert_eq!(reason(world.expect(A, ended)), EndReason::Local);
    let event = world.expect(B, |e| matches!(e, Event::Cancelled { .. }));
    let Event::Cancelled { call, reason } = event else { unreachable!() };
    assert_eq!((call, reason), (callee, Some(elsewhere)));
    let now = world.now;
    let late = world.endpoint(B).accept(now, callee, answer("late"));
    assert_eq!(late, Err(SessionError::UnknownCall));
    world.run(SECOND);
    assert_eq!(
        world.ladder[2..],
        ["A>B UDP CANCEL", "B>A UDP 200 (CANCEL)", "B>A UDP 487 (INVITE)", "A>B UDP ACK"]
    );
    world.assert_no_leaks();
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let mut world = World::new(2);
    world.lose(B, "100", 1);
    let now = world.now;
    let invite = world.invitation(A, B, None);
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.expect(B, |e| matches!(e, Event::Cancelled { .. }));
    assert_eq!(
        world.ladder[..4],
        ["A>B UDP INVITE", "B>A UDP 100 (INVITE)", "A>B UDP INVITE", "B>A UDP 100 (INVITE)"]
    );
    assert_eq!(world.ladder[4], "A>B UDP CANCEL");
    world.assert_no_leaks();
}

#[test]
fn a_cancel_that_crosses_the_answer_becomes_a_bye() {
    let mut world = World::new(2);
    let now = world.now;
    let invite = world.invitation(A, B, Some(body("offer")));
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    let callee = world.incoming(B);
    world.run(SECOND);
    let now = world.now;
    world.endpoint(B).accept(now, callee, answer("answer")).unwrap();
    world.endpoint(A).bye(now, caller, None).unwrap();
    assert!(matches!(reason(world.expect(B, ended)), EndReason::Remote(None)));
    assert_eq!(reason(world.take(A).remove(0)), EndReason::Local);
    assert_eq!(world.count("481"), 0, "the CANCEL still matched its INVITE");
    assert_eq!((world.count("ACK"), world.count("A>B UDP BYE")), (1, 1));
    world.assert_no_leaks();
}

#[test]
fn a_cancelled_invite_without_final_response_is_forgotten() {
    let mut world = World::new(2);
    world.lose(B, "487", 1000);
    world.lose(B, "200 (CANCEL)", 1000);
    let now = world.now;
    let invite = world.invitation(A, B, None);
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    world.incoming(B);
    world.run(SECOND);
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.assert_no_leaks();
}

#[test]
fn nobody_picks_up() {
    let mut world = World::new(2);
    let now = world.now;
    let mut invite = world.invitation(A, B, None);
    invite.ring_timeout = Some(20 * SECOND);
    world.endpoint(A).invite(now, invite).unwrap();
    assert_eq!(reason(world.expect(A, ended)), EndReason::NoAnswer);
    assert_eq!(world.millis(), 20_000);
    world.expect(B, |e| matches!(e, Event::Cancelled { .. }));
    world.assert_no_leaks();
}

#[test]
fn a_call_that_nobody_here_answers_is_refused() {
    let mut world = World::with(2, |end, config| {
        config.ring_timeout = if end == A { 1000 * SECOND } else { 60 * SECOND };
    });
    let now = world.now;
    let invite = world.invitation(A, B, None);
    world.endpoint(A).invite(now, invite).unwrap();
    let event = world.expect(A, |e| matches!(e, Event::Rejected { .. }));
    assert!(matches!(event, Event::Rejected { response, .. } if response.status == 480));
    assert_eq!(reason(world.expect(B, ended)), EndReason::NoAnswer);
    world.assert_no_leaks();
}

#[test]
fn an_incoming_call_refused_by_bye_takes_the_reason_as_status() {
    let mut world = World::new(2);
    let now = world.now;
    let invite = world.invitation(A, B, None);
    world.endpoint(A).invite(now, invite).unwrap();
    let callee = world.incoming(B);
    let now = world.now;
    world.endpoint(B).bye(now, callee, Some(Reason::sip(603, "no"))).unwrap();
    let event = world.expect(A, |e| matches!(e, Event::Rejected { .. }));
    assert!(matches!(event, Event::Rejected { response, .. } if response.status == 603));
    world.assert_no_leaks();
}

#[test]
fn nobody_there() {
    let mut world = World::new(2);
    world.lose(A, "INVITE", 1000);
    let now = world.now;
    let invite = world.invitation(A, B, None);
    world.endpoint(A).invite(now, invite).unwrap();
    let told = reason(world.expect(A, ended));
    assert_eq!(told, EndReason::Unreachable(Failure::TimedOut));
    // at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s
    assert_eq!((world.millis(), world.count("INVITE")), (32_000, 7));
    world.assert_no_leaks();
}

#[test]
fn a_refused_connection_ends_the_call_at_once() {
    let mut world = World::new(2);
    world.ends[B].listens_tcp = false;
    let mut invite = world.invitation(A, B, None);
    invite.target = Some(tcp(&world, B));
    let now = world.now;
    world.endpoint(A).invite(now, invite).unwrap();
    let told = reason(world.expect(A, ended));
    assert_eq!(told, EndReason::Unreachable(Failure::Transport));
    assert_eq!(world.endpoint(A).alive(), Default::default());
}

#[test]
fn a_long_invite_goes_over_tcp_and_by_udp_if_that_is_refused() {
    for listens in [true, false] {
        let mut world = World::new(2);
        world.ends[B].listens_tcp = listens;
        let invite = world.invitation(A, B, Some(body(&"x".repeat(1300))));
        let (caller, _) = world.call_by(A, B, invite);
        let used = if listens { "A>B TCP INVITE" } else { "A>B UDP INVITE" };
        assert_eq!(world.ladder[usize::from(!listens)], used);
        assert_eq!(world.ladder[0], "A>B TCP INVITE");
        let now = world.now;
        world.endpoint(A).bye(now, caller, None).unwrap();
        world.assert_no_leaks();
    }
}

#[test]
fn a_dialog_goes_on_by_udp_when_its_connection_is_gone() {
    let mut world = World::new(2);
    let mut invite = world.invitation(A, B, None); // asks for an offer
    invite.target = Some(tcp(&world, B));
    let now = world.now;
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    let callee = world.incoming(B);
    let now = world.now;
    world.endpoint(B).accept(now, callee, answer("offer")).unwrap();
    world.expect(A, |e| matches!(e, Event::Answered { .. }));
    world.close(A, B);
    let now = world.now;
    world.endpoint(A).acknowledge(now, caller, Some(body("answer"))).unwrap();
    let event = world.expect(B, |e| matches!(e, Event::Ack { .. }));
    assert!(matches!(event, Event::Ack { body: Some(b), .. } if &b.bytes[..] == b"answer"));
    let now = world.now;
    world.endpoint(B).reinvite(now, callee, Some(body("offer 2"))).unwrap();
    world.expect(A, |e| matches!(e, Event::Reinvite { .. }));
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.expect(B, ended);
    let by_udp = ["A>B UDP ACK", "B>A UDP INVITE", "A>B UDP BYE"];
    assert!(by_udp.iter().all(|line| world.ladder.iter().any(|l| l == line)));
    world.assert_no_leaks();
}

#[test]
fn the_second_phone_that_answers_is_hung_up() {
    let mut world = World::new(3);
    world.fork = Some((B, C));
    world.lose(A, "ACK", 2);
    let now = world.now;
    let invite = world.invitation(A, B, Some(body("offer")));
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    for end in [B, C] {
        let callee = world.incoming(end);
        let now = world.now;
        world.endpoint(end).accept(now, callee, answer("answer")).unwrap();
    }
    world.run(10 * SECOND);
    let events = world.take(A);
    assert!(matches!(events[..], [Event::Answered { .. }]), "{events:?}");
    let events = world.take(B);
    assert!(matches!(events[..], [Event::Ack { .. }]), "{events:?}");
    let events = world.take(C);
    let gone = matches!(events.last(), Some(Event::Ended { reason: EndReason::Remote(_), .. }));
    assert!(gone, "{events:?}");
    assert_eq!(world.count("A>C UDP BYE"), 1);
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.assert_no_leaks();
}

#[test]
fn both_hang_up_at_once() {
    let mut world = World::new(2);
    let (caller, callee) = world.call(A, B);
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.endpoint(B).bye(now, callee, None).unwrap();
    world.run(SECOND);
    for end in [A, B] {
        let events = world.take(end);
        assert!(matches!(events[..], [Event::Ended { reason: EndReason::Local, .. }]));
    }
    assert_eq!(world.count("200 (BYE)"), 2);
    world.assert_no_leaks();
}

#[test]
fn the_called_side_waits_for_the_ack_before_its_bye() {
    let mut world = World::new(2);
    world.lose(A, "ACK", 1);
    let now = world.now;
    let invite = world.invitation(A, B, Some(body("offer")));
    world.endpoint(A).invite(now, invite).unwrap();
    let callee = world.incoming(B);
    let now = world.now;
    world.endpoint(B).accept(now, callee, answer("answer")).unwrap();
    world.endpoint(B).bye(now, callee, None).unwrap();
    assert_eq!(reason(world.take(B).remove(0)), EndReason::Local);
    world.expect(A, ended);
    let bye = world.ladder.iter().position(|line| line == "B>A UDP BYE").unwrap();
    assert_eq!(world.ladder[bye - 1], "A>B UDP ACK");
    assert_eq!(world.count("200 (INVITE)"), 2);
    world.assert_no_leaks();
}

#[test]
fn a_bye_that_nobody_answers_is_given_up() {
    let mut world = World::new(2);
    let (caller, _) = world.call(A, B);
    world.lose(A, "BYE", 1000);
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.run(100 * SECOND);
    assert_eq!(world.endpoint(A).alive(), Default::default());
}

#[test]
fn a_challenge_is_answered_inside_the_call() {
    let mut world = World::new(2);
    let mut challenger = Challenger::new(world.now, "parley", &[Algorithm::Sha256], [9; 32]);
    let ha1 = Ha1::from_password(Algorithm::Sha256, "alice", "parley", "secret");
    let mut invite = world.invitation(A, B, Some(body("offer")));
    invite.credentials = Some(Credentials::new("alice", "secret"));
    let now = world.now;
    let caller = world.endpoint(A).invite(now, invite).unwrap();
    let mut asked = 0;
    let callee = loop {
        let event = world.expect(B, |e| matches!(e, Event::IncomingCall { .. }));
        let Event::IncomingCall { call, request, .. } = event else { unreachable!() };
        let now = world.now;
        let verdict = challenger.verify(now, &request, |_, _| Some(ha1.clone()));
        if matches!(verdict, Verdict::Ok { .. }) {
            break call;
        }
        asked += 1;
        let headers: Vec<(String, String)> = challenger
            .challenges(now, &request, false)
            .iter()
            .map(|c| ("WWW-Authenticate".to_owned(), c.to_string()))
            .collect();
        world.endpoint(B).reject(now, call, 401, "", &headers).unwrap();
    };
    assert_eq!(asked, 1);
    let now = world.now;
    world.endpoint(B).accept(now, callee, answer("answer")).unwrap();
    world.expect(A, |e| matches!(e, Event::Answered { .. }));
    world.expect(B, |e| matches!(e, Event::Ack { .. }));
    let now = world.now;
    world.endpoint(A).bye(now, caller, None).unwrap();
    world.expect(B, ended);
    world.assert_no_leaks();
}
