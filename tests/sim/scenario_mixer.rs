//! The mixer is late, silent, unwilling or dead.

use mixer_control::MixerError;
use sdp::Direction;
use sip_stack::endpoint::EndReason;

use crate::clock::{millis, secs};
use crate::link::Quality;
use crate::mixer::Conduct;
use crate::phone::Outcome;
use crate::world::{GRACE, World};

/// The cause a BYE gave to this one.
fn cause(world: &World, name: &str) -> Option<u32> {
    match world.outcome(name) {
        Some(Outcome::Ended(EndReason::Remote(Some(reason)))) => reason.cause,
        _ => None,
    }
}

#[test]
fn an_answer_after_four_seconds_is_waited_for() {
    let mut world = World::with(1, Quality::GOOD, &["ann"]);
    world.at_mixer(|mixer, _| mixer.conduct.thinks = secs(4));
    world.ladder.mark();
    world.dial("ann", "weekly");
    world.run(secs(5));
    assert!(world.talks("ann"));
    assert_eq!(world.ladder.of("ann"), ["> INVITE", "< 100 INVITE", "< 200 INVITE", "> ACK"]);
    world.assert_nothing_is_left();
}

#[test]
fn an_answer_that_never_comes_is_503_after_five_seconds() {
    let mut world = World::with(2, Quality::GOOD, &["ann", "ben"]);
    world.gather(&["ben"], "weekly");
    world.at_mixer(|mixer, _| mixer.conduct.silent = true);
    world.ladder.mark();
    world.dial("ann", "weekly");
    world.run(secs(6));
    assert_eq!(world.outcome("ann"), Some(&Outcome::Rejected(503)));
    let times = |from, to, what| world.ladder.times(from, to, what)[0];
    let waited = times("registrar", "ann", "503 INVITE") - times("registrar", "mixer", "JOIN");
    assert_eq!(waited, secs(5));
    assert_eq!(world.counters().members, 1, "ben is still there");
    world.at_mixer(|mixer, _| mixer.conduct.silent = false);
    world.run(secs(10));
    assert_eq!(world.mixer.legs(), 1);
    world.assert_nothing_is_left();
}

#[test]
fn an_answer_after_the_503_leaves_no_leg_behind() {
    // Between the registrar's patience (5 s) and that of its connection (6 s), and beyond both.
    for thinks in [5200, 5900, 6500, 9000] {
        let mut world = World::with(3, Quality::GOOD, &["ann", "ben"]);
        world.gather(&["ben"], "weekly");
        world.at_mixer(|mixer, _| mixer.conduct.thinks = millis(thinks));
        world.dial("ann", "weekly");
        world.run(secs(5) + millis(100));
        assert_eq!(world.outcome("ann"), Some(&Outcome::Rejected(503)));
        world.at_mixer(|mixer, _| mixer.conduct.thinks = millis(0));
        world.run(secs(15));
        assert_eq!(world.mixer.legs(), 1, "{thinks} ms\n{}", world.ladder);
        assert!(world.talks("ben"));
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_refusal_is_passed_on_as_what_it_means() {
    for (refusal, status) in [
        (MixerError::NoCommonMedia("305 no codec in common".into()), 488),
        (MixerError::Invalid("line 3".into()), 400),
        (MixerError::Exhausted("no ports".into()), 503),
        (MixerError::Unavailable("inside".into()), 503),
    ] {
        let mut world = World::with(4, Quality::GOOD, &["ann"]);
        world.at_mixer(|mixer, _| mixer.conduct.refuses = Some(refusal));
        world.dial("ann", "weekly");
        world.run(secs(1));
        assert_eq!(world.outcome("ann"), Some(&Outcome::Rejected(status)));
        assert_eq!(world.counters().conferences, 0, "nobody is in it");
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_refused_change_leaves_the_session_as_it_was() {
    let mut world = World::with(5, Quality::GOOD, &["ann", "ben"]);
    world.gather(&["ann", "ben"], "weekly");
    for conduct in [
        Conduct {
            refuses: Some(MixerError::NoCommonMedia("305 none".into())),
            ..Default::default()
        },
        Conduct { silent: true, ..Default::default() },
    ] {
        world.at_mixer(|mixer, _| mixer.conduct = conduct);
        world.act("ann", |phone, now| phone.change(now, Direction::SendOnly));
        world.run(secs(7));
        let changes = world.phone("ann").call.as_ref().map(|call| call.changes);
        assert_eq!(changes.map(|changes| changes.accepted), Some(0));
        world.assert_all_hear_each_other(&["ann", "ben"]);
    }
    world.at_mixer(|mixer, _| mixer.conduct = Default::default());
    world.assert_nothing_is_left();
}

#[test]
fn a_change_that_the_mixer_makes_too_late_is_taken_back() {
    // With the registrar's connection still waiting for the reply, and not any more.
    for thinks in [5500, 8000] {
        let mut world = World::with(10, Quality::GOOD, &["ann", "ben"]);
        world.gather(&["ann", "ben"], "weekly");
        world.at_mixer(|mixer, _| mixer.conduct.thinks = millis(thinks));
        world.act("ann", |phone, now| phone.change(now, Direction::SendOnly));
        world.run(secs(5) + millis(200));
        assert_eq!(world.ladder.count("registrar", "ann", "503 INVITE"), 1);
        world.at_mixer(|mixer, _| mixer.conduct.thinks = millis(0));
        world.run(secs(15));
        world.assert_all_hear_each_other(&["ann", "ben"]);
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_leg_that_the_mixer_was_too_busy_to_remove_is_removed_later() {
    let mut world = World::with(11, Quality::GOOD, &["ann", "ben"]);
    world.gather(&["ann", "ben"], "weekly");
    world.at_mixer(|mixer, _| mixer.conduct.silent = true);
    world.hang_up("ann");
    // The first time it is told that the leg is silent, the mixer is deaf still.
    world.run(secs(62));
    assert_eq!((world.counters().members, world.mixer.legs()), (1, 2));
    world.at_mixer(|mixer, _| mixer.conduct.silent = false);
    world.run(secs(60));
    assert_eq!((world.counters().members, world.mixer.legs()), (1, 1), "{}", world.ladder);
    world.assert_nothing_is_left();
}

#[test]
fn a_crash_ends_the_calls_with_a_reason_and_the_mixer_is_used_again() {
    let mut world = World::with(6, Quality::GOOD, &["ann", "ben", "cleo"]);
    world.gather(&["ann", "ben"], "weekly");
    world.at_mixer(|mixer, now| mixer.crash(now));
    world.run(millis(100));
    world.dial("cleo", "weekly");
    world.run(secs(1));
    assert_eq!(world.outcome("cleo"), Some(&Outcome::Rejected(503)));
    world.run(secs(2));
    for name in ["ann", "ben"] {
        assert_eq!(cause(&world, name), Some(503), "{name}\n{}", world.ladder);
    }
    world.run(GRACE);
    assert_eq!(world.counters().conferences, 0);
    world.at_mixer(|mixer, now| mixer.start(now));
    world.run(secs(1));
    world.gather(&["ann", "ben", "cleo"], "weekly");
    world.assert_all_hear_each_other(&["ann", "ben", "cleo"]);
    world.assert_nothing_is_left();
}

#[test]
fn a_crash_while_somebody_joins_is_503() {
    for after in [5, 15, 120, 260, 312] {
        let mut world = World::with(7, Quality::GOOD, &["ann", "ben"]);
        world.at_mixer(|mixer, _| mixer.conduct.thinks = millis(300));
        world.dial("ann", "weekly");
        world.run(millis(after));
        world.at_mixer(|mixer, now| mixer.crash(now));
        world.run(secs(4));
        let told = (world.outcome("ann").cloned(), cause(&world, "ann"));
        // Once the 200 is out, it is a call that is ended.
        let refused = told.0 == Some(Outcome::Rejected(503));
        assert!(refused || told.1 == Some(503), "{after} ms: {told:?}\n{}", world.ladder);
        world.at_mixer(|mixer, now| mixer.start(now));
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_quick_restart_is_told_from_a_short_break() {
    let mut world = World::with(8, Quality::GOOD, &["ann", "ben"]);
    world.gather(&["ann", "ben"], "weekly");
    // The same process again after a second: nobody notices.
    world.at_mixer(|mixer, now| mixer.blink(now, secs(1)));
    world.run(secs(5));
    world.assert_all_hear_each_other(&["ann", "ben"]);
    // Another process after a second: its predecessor's conferences are gone.
    world.at_mixer(|mixer, now| {
        mixer.crash(now);
        mixer.start(now + secs(1));
    });
    world.run(secs(3));
    assert_eq!((cause(&world, "ann"), cause(&world, "ben")), (Some(503), Some(503)));
    world.gather(&["ann", "ben"], "weekly");
    world.assert_nothing_is_left();
}

#[test]
fn a_conference_that_fails_is_ended_and_can_be_opened_again() {
    let mut world = World::with(9, Quality::GOOD, &["ann", "ben"]);
    world.gather(&["ann", "ben"], "weekly");
    world.at_mixer(|mixer, now| mixer.fail_conferences(now));
    world.run(secs(1));
    assert_eq!((cause(&world, "ann"), cause(&world, "ben")), (Some(500), Some(500)));
    world.gather(&["ann", "ben"], "weekly");
    world.assert_all_hear_each_other(&["ann", "ben"]);
    world.assert_nothing_is_left();
}
