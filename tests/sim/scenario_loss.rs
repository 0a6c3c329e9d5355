//! Single messages get lost or arrive twice (RFC 3261 §13.3.1.4, §17).

use std::time::Duration;

use sip_stack::endpoint::EndReason;

use crate::clock::{millis, secs};
use crate::link::Quality;
use crate::phone::Outcome;
use crate::world::{PATIENCE, World};

#[test]
fn an_ack_that_never_comes_ends_the_call_after_32_seconds() {
    let mut world = World::with(1, Quality::GOOD, &["ann", "ben"]);
    world.gather(&["ben"], "weekly");
    world.ladder.mark();
    world.lose_all("ann", "registrar", "ACK");
    world.dial("ann", "weekly");
    world.run(PATIENCE + secs(1));
    // T1, then doubled up to T2 = 4 s (§13.3.1.4).
    let sent = world.ladder.times("registrar", "ann", "200 INVITE");
    let gaps: Vec<Duration> = sent.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let expected = [500, 1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000, 4000];
    assert_eq!(gaps, expected.map(millis));
    let bye = world.ladder.times("registrar", "ann", "BYE");
    assert_eq!(bye, [sent[0] + PATIENCE], "{}", world.ladder);
    assert_eq!(world.ladder.count("registrar", "mixer", "LEAVE"), 1);
    assert_eq!((world.counters().members, world.counters().joins), (1, 1), "ann never joined");
    assert_eq!(world.mixer.legs(), 1);
    assert!(matches!(world.outcome("ann"), Some(Outcome::Ended(EndReason::Remote(_)))));
    world.assert_nothing_is_left();
}

#[test]
fn a_lost_ack_is_made_up_for_by_the_next_one() {
    let mut world = World::with(2, Quality::GOOD, &["ann"]);
    world.ladder.mark();
    world.lose("ann", "registrar", "ACK", 3);
    world.dial("ann", "weekly");
    world.run(secs(10));
    assert_eq!(world.ladder.count("registrar", "ann", "200 INVITE"), 4);
    assert_eq!(world.ladder.count("ann", "registrar", "ACK"), 4);
    assert!(world.talks("ann"));
    assert_eq!(world.counters().joins, 1);
    world.assert_nothing_is_left();
}

#[test]
fn one_who_hangs_up_before_its_ack_has_come_is_let_go() {
    let mut world = World::with(3, Quality::GOOD, &["ann"]);
    world.lose("ann", "registrar", "ACK", 1);
    world.dial("ann", "weekly");
    world.run(millis(100));
    world.hang_up("ann");
    world.run(secs(2));
    assert_eq!((world.counters().members, world.mixer.legs()), (0, 0));
    world.assert_nothing_is_left();
}

#[test]
fn a_lost_200_is_sent_again() {
    let mut world = World::with(4, Quality::GOOD, &["ann"]);
    world.ladder.mark();
    world.lose("registrar", "ann", "200 INVITE", 2);
    world.dial("ann", "weekly");
    world.run(secs(3));
    assert_eq!(
        world.ladder.of("ann"),
        ["> INVITE", "< 100 INVITE", "x< 200 INVITE", "x< 200 INVITE", "< 200 INVITE", "> ACK"]
    );
    assert_eq!(world.mixer.legs(), 1);
    world.assert_nothing_is_left();
}

#[test]
fn a_caller_out_of_reach_costs_nothing_in_the_end() {
    let mut world = World::with(5, Quality::GOOD, &["ann"]);
    world.lose_all("registrar", "ann", "*");
    world.dial("ann", "weekly");
    world.run(PATIENCE + secs(1));
    assert!(matches!(world.outcome("ann"), Some(Outcome::Ended(EndReason::Unreachable(_)))));
    // A BYE that nobody answers takes another 32 s.
    world.run(PATIENCE + secs(10));
    assert_eq!((world.counters().members, world.mixer.legs()), (0, 0));
    world.assert_nothing_is_left();
}

#[test]
fn a_lost_bye_is_sent_again_and_its_lost_answer_too() {
    let mut world = World::with(6, Quality::GOOD, &["ann", "ben"]);
    world.gather(&["ann", "ben"], "weekly");
    world.ladder.mark();
    world.lose("ann", "registrar", "BYE", 1);
    world.lose("registrar", "ann", "200 BYE", 1);
    world.hang_up("ann");
    world.run(secs(5));
    assert_eq!(world.ladder.of("ann"), ["x> BYE", "> BYE", "x< 200 BYE", "> BYE", "< 200 BYE"]);
    assert_eq!(world.ladder.count("registrar", "mixer", "LEAVE"), 1);
    assert_eq!(world.counters().leaves, 1);
    world.assert_nothing_is_left();
}

#[test]
fn an_invite_that_arrives_twice_makes_one_leg() {
    let twice = Quality { twice: 1.0, ..Quality::GOOD };
    let mut world = World::with(7, twice, &["ann"]);
    world.ladder.mark();
    world.dial("ann", "weekly");
    world.run(secs(2));
    assert_eq!(world.ladder.count("registrar", "mixer", "JOIN"), 1);
    assert_eq!((world.counters().members, world.mixer.legs()), (1, 1));
    // Each INVITE is answered, by the same responses (§17.2.1).
    assert_eq!(world.ladder.count("registrar", "ann", "100 INVITE"), 2);
    world.assert_nothing_is_left();
}

#[test]
fn an_invite_whose_answers_are_late_makes_one_leg() {
    let mut world = World::with(8, Quality::GOOD, &["ann"]);
    world.at_mixer(|mixer, _| mixer.conduct.thinks = secs(3));
    world.ladder.mark();
    world.lose("registrar", "ann", "100 INVITE", 2);
    world.dial("ann", "weekly");
    world.run(secs(5));
    assert_eq!(world.ladder.count("ann", "registrar", "INVITE"), 3);
    assert_eq!(world.ladder.count("registrar", "mixer", "JOIN"), 1);
    assert!(world.talks("ann"));
    world.assert_nothing_is_left();
}

#[test]
fn everything_may_arrive_twice_and_in_disorder() {
    for seed in 0..20 {
        let mut world = World::with(seed, Quality::AWFUL, &["alice", "ann"]);
        world.dial("alice", "weekly");
        world.dial("ann", "weekly");
        world.run(secs(30));
        assert!(world.talks("alice") && world.talks("ann"), "seed {seed}\n{}", world.ladder);
        assert_eq!(world.mixer.legs(), 2, "seed {seed}\n{}", world.ladder);
        world.assert_nothing_is_left();
    }
}
