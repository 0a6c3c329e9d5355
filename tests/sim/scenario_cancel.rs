//! An INVITE to a conference is taken back (RFC 3261 §9), at every moment there is.

use sip_stack::endpoint::EndReason;

use crate::clock::{millis, secs};
use crate::link::Quality;
use crate::phone::Outcome;
use crate::world::World;

/// A world in which the mixer takes half a second, so that there is something to cancel.
fn world(seed: u64) -> World {
    let mut world = World::with(seed, Quality::GOOD, &["ann", "ben"]);
    world.at_mixer(|mixer, _| mixer.conduct.thinks = millis(500));
    world.ladder.mark();
    world
}

#[test]
fn before_the_100_has_come() {
    let mut world = world(1);
    world.dial("ann", "weekly");
    world.run(millis(5));
    world.hang_up("ann");
    world.run(secs(1));
    // No CANCEL before a provisional response (§9.1): it waits for the 100.
    assert_eq!(
        world.ladder.of("ann"),
        ["> INVITE", "< 100 INVITE", "> CANCEL", "< 200 CANCEL", "< 487 INVITE", "> ACK"]
    );
    assert_eq!(world.counters().members, 0);
    world.assert_nothing_is_left();
}

#[test]
fn while_the_mixer_thinks() {
    let mut world = world(2);
    world.dial("ann", "weekly");
    world.run(millis(300));
    world.hang_up("ann");
    world.run(secs(2));
    assert_eq!(
        world.ladder.of("registrar"),
        [
            "< INVITE",
            "> JOIN",
            "> 100 INVITE",
            "< CANCEL",
            "> 200 CANCEL",
            "> 487 INVITE",
            "< ACK",
            // The leg that came into being for nobody is taken away again.
            "< ok JOIN",
            "> LEAVE",
            "< ok LEAVE"
        ]
    );
    world.assert_nothing_is_left();
}

#[test]
fn while_the_mixer_thinks_and_then_refuses() {
    let mut world = world(3);
    world.dial("ann", "weekly");
    world.run(millis(300));
    world.hang_up("ann");
    world.at_mixer(|mixer, _| {
        mixer.conduct.refuses = Some(mixer_control::MixerError::NoCommonMedia("305 none".into()));
    });
    world.run(secs(1));
    assert_eq!(world.ladder.count("registrar", "ann", "487 INVITE"), 1);
    assert_eq!(world.ladder.count("registrar", "ann", "488 INVITE"), 0);
    world.assert_nothing_is_left();
}

#[test]
fn after_the_200_has_been_sent() {
    let mut world = world(4);
    world.dial("ann", "weekly");
    // The 200 leaves at 512 ms and arrives at 522 ms.
    world.run(millis(517));
    world.hang_up("ann");
    world.run(secs(1));
    // The CANCEL comes too late to have an effect (§9.2): the call stands, and is ended by BYE.
    assert_eq!(
        world.ladder.of("ann"),
        [
            "> INVITE",
            "< 100 INVITE",
            "< 200 INVITE",
            "> CANCEL",
            "> ACK",
            "> BYE",
            "< 200 CANCEL",
            "< 200 BYE"
        ]
    );
    assert_eq!(world.outcome("ann"), Some(&Outcome::Ended(EndReason::Local)));
    assert_eq!((world.counters().members, world.mixer.legs()), (0, 0));
    world.assert_nothing_is_left();
}

#[test]
fn at_any_moment_and_whatever_gets_lost() {
    for seed in 0..60 {
        let mut world = World::with(seed, Quality::BAD, &["ann", "ben"]);
        world.at_mixer(|mixer, _| mixer.conduct.thinks = millis(200));
        world.gather(&["ben"], "weekly");
        world.dial("ann", "weekly");
        world.run(millis(seed * 7));
        world.hang_up("ann");
        // If the CANCEL finds no call and the BYE is lost, it takes the time of a missing ACK.
        world.run_until("only ben is in", secs(40), |world| {
            (world.counters().members, world.mixer.legs()) == (1, 1)
        });
        world.run(secs(2));
        assert_eq!(world.mixer.legs(), 1, "seed {seed}\n{}", world.ladder);
        assert!(world.talks("ben"), "seed {seed}\n{}", world.ladder);
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_retransmitted_cancel_is_answered_and_has_no_other_effect() {
    let mut world = world(5);
    world.lose("registrar", "ann", "200 CANCEL", 2);
    world.lose("registrar", "ann", "487 INVITE", 1);
    world.dial("ann", "weekly");
    world.run(millis(100));
    world.hang_up("ann");
    world.run(secs(5));
    assert_eq!(world.ladder.count("ann", "registrar", "CANCEL"), 3);
    assert_eq!(world.ladder.count("registrar", "ann", "487 INVITE"), 2);
    assert_eq!(world.ladder.count("registrar", "mixer", "JOIN"), 1);
    world.assert_nothing_is_left();
}
