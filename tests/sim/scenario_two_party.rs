//! A call between two registered users (RFC 3261, B2BUA): the media flow directly.

use sdp::Direction;
use sip_stack::endpoint::EndReason;

use crate::clock::{millis, secs};
use crate::link::Quality;
use crate::phone::{Manners, Outcome};
use crate::world::World;

fn registered(seed: u64, quality: Quality) -> World {
    let mut world = World::with(seed, quality, &["alice", "bob"]);
    for name in ["alice", "bob"] {
        world.act(name, |phone, now| phone.register(now, 7200));
    }
    world.run_until("both are registered", secs(30), |world| world.counters().bindings == 2);
    world.run(secs(1));
    world.ladder.mark();
    world
}

fn connected(seed: u64, quality: Quality) -> World {
    let mut world = registered(seed, quality);
    world.dial("alice", "bob");
    world.run_until("they talk", secs(30), |world| world.talks("alice") && world.talks("bob"));
    world.run(secs(2));
    world.ladder.mark();
    world
}

#[test]
fn one_calls_the_other_and_they_hear_each_other() {
    let mut world = registered(1, Quality::GOOD);
    world.dial("alice", "bob");
    world.run_until("they talk", secs(5), |world| world.talks("alice") && world.talks("bob"));
    world.assert_all_hear_each_other(&["alice", "bob"]);
    world.hang_up("bob");
    world.run(secs(1));
    assert_eq!(
        world.ladder.of("alice"),
        [
            "> INVITE",
            "< 401 INVITE",
            "> ACK",
            "> INVITE",
            "< 100 INVITE",
            "< 180 INVITE",
            "< 200 INVITE",
            "> ACK",
            "< BYE",
            "> 200 BYE"
        ]
    );
    assert_eq!(
        world.ladder.of("bob"),
        ["< INVITE", "> 180 INVITE", "> 200 INVITE", "< ACK", "> BYE", "< 200 BYE"]
    );
    assert_eq!(world.ladder.count("registrar", "mixer", "JOIN"), 0);
    assert_eq!(world.outcome("alice"), Some(&Outcome::Ended(EndReason::Remote(None))));
}

#[test]
fn two_hear_each_other_over_a_bad_network() {
    for seed in 0..5 {
        let mut world = connected(seed, Quality::BAD);
        world.assert_all_hear_each_other(&["alice", "bob"]);
        world.assert_nothing_is_left();
    }
}

#[test]
fn hold_and_resume_reach_the_other_side() {
    let mut world = connected(2, Quality::GOOD);
    world.act("alice", |phone, now| phone.change(now, Direction::SendOnly));
    world.run(secs(1));
    assert_eq!(world.ladder.of("bob"), ["< INVITE", "> 200 INVITE", "< ACK"]);
    assert_eq!(world.direction("alice"), Some(Direction::SendOnly));
    assert_eq!(world.direction("bob"), Some(Direction::RecvOnly));
    world.listen(secs(1));
    assert!(world.hears("bob", "alice"));
    assert!(!world.hears("alice", "bob"));
    world.act("alice", |phone, now| phone.change(now, Direction::SendRecv));
    world.run(secs(1));
    world.assert_all_hear_each_other(&["alice", "bob"]);
    world.assert_nothing_is_left();
}

#[test]
fn a_caller_may_ask_for_the_offer() {
    let mut world = registered(3, Quality::GOOD);
    world.act("alice", |phone, now| phone.dial_without_offer(now, "bob"));
    world.run_until("they talk", secs(5), |world| world.talks("alice") && world.talks("bob"));
    world.run(millis(200));
    world.assert_all_hear_each_other(&["alice", "bob"]);
    world.assert_nothing_is_left();
}

#[test]
fn nobody_home_busy_or_unwilling() {
    let mut world = registered(4, Quality::GOOD);
    world.act("bob", |phone, now| phone.register(now, 0));
    world.run(secs(1));
    world.dial("alice", "bob");
    world.run(secs(1));
    assert_eq!(world.outcome("alice"), Some(&Outcome::Rejected(480)));
    world.act("bob", |phone, now| phone.register(now, 600));
    world.run(secs(1));
    for (answer, told) in [(486, 486), (603, 603), (302, 480), (503, 500)] {
        world.act("bob", |phone, _| phone.manners = Manners::Refuses(answer));
        world.dial("alice", "bob");
        world.run(secs(1));
        assert_eq!(world.outcome("alice"), Some(&Outcome::Rejected(told)));
    }
    world.assert_nothing_is_left();
}

#[test]
fn a_phone_that_is_switched_off_does_not_ring_for_ever() {
    let mut world = registered(5, Quality::GOOD);
    world.vanish("bob");
    world.dial("alice", "bob");
    world.run(secs(40));
    assert_eq!(world.outcome("alice"), Some(&Outcome::Rejected(480)));
    world.assert_nothing_is_left();
}

#[test]
fn the_caller_gives_up_while_it_rings() {
    let mut world = registered(6, Quality::GOOD);
    world.act("bob", |phone, _| phone.manners = Manners::Ignores);
    world.dial("alice", "bob");
    world.run(secs(3));
    world.ladder.mark();
    world.hang_up("alice");
    world.run(secs(1));
    assert_eq!(world.ladder.of("alice"), ["> CANCEL", "< 200 CANCEL", "< 487 INVITE", "> ACK"]);
    assert_eq!(world.ladder.of("bob"), ["< CANCEL", "> 200 CANCEL", "> 487 INVITE", "< ACK"]);
    assert_eq!(world.outcome("bob"), Some(&Outcome::Cancelled));
    world.assert_nothing_is_left();
}

#[test]
fn the_caller_gives_up_at_the_moment_of_the_answer() {
    // CANCEL and 200 cross somewhere between alice and bob, each time a little elsewhere.
    for after in (940..1060).step_by(5) {
        let mut world = registered(7, Quality::GOOD);
        world.dial("alice", "bob");
        world.run(millis(after));
        world.hang_up("alice");
        world.run(secs(2));
        assert!(!world.talks("alice") && !world.talks("bob"), "{after} ms\n{}", world.ladder);
        world.assert_nothing_is_left();
    }
}

#[test]
fn both_hang_up_at_once() {
    let mut world = connected(8, Quality::GOOD);
    world.hang_up("alice");
    world.hang_up("bob");
    world.run(secs(1));
    assert!(!world.talks("alice") && !world.talks("bob"));
    world.assert_nothing_is_left();
}

#[test]
fn a_lost_bye_is_repeated() {
    let mut world = connected(9, Quality::GOOD);
    world.lose("alice", "registrar", "BYE", 2);
    world.lose("registrar", "bob", "BYE", 1);
    world.hang_up("alice");
    world.run(secs(4));
    assert!(!world.talks("bob"));
    assert_eq!(world.ladder.count("alice", "registrar", "BYE"), 3);
    assert_eq!(world.ladder.count("registrar", "bob", "BYE"), 2);
    world.assert_nothing_is_left();
}

#[test]
fn a_peer_that_vanishes_is_given_up_when_the_other_hangs_up() {
    let mut world = connected(10, Quality::GOOD);
    world.vanish("bob");
    world.run(secs(5));
    world.hang_up("alice");
    world.assert_nothing_is_left();
}
