//! What is agreed about conferences holds on bad networks too: who is removed, muted or kept outside, and
//! what has ended (RFC 4353 §5).

use sip_registrar::{Act, Actor, ConferenceName, MeetingWish, Pin, Whom};
use sip_stack::endpoint::EndReason;

use crate::clock::secs;
use crate::link::Quality;
use crate::phone::Outcome;
use crate::world::{PATIENCE, World};

const THREE: [&str; 3] = ["ann", "ben", "cleo"];

fn weekly() -> ConferenceName {
    ConferenceName::parse("weekly").expect("a name")
}

/// An operator does something to the conference `weekly`.
fn act(world: &mut World, act: Act) {
    let operator = Actor::Operator("ops".into());
    world.at_registrar(|r, now| r.act(now, &operator, &weekly(), act)).expect("it can be done");
}

fn reason(world: &World, name: &str) -> Option<(u32, String)> {
    match world.outcome(name) {
        Some(Outcome::Ended(EndReason::Remote(Some(reason)))) => {
            Some((reason.cause?, reason.text.clone()?))
        }
        _ => None,
    }
}

#[test]
fn a_cancelled_conference_is_over_for_all_and_for_good() {
    for seed in 0..5 {
        let mut world = World::with(seed, Quality::BAD, &["ann", "ben", "cleo", "alice"]);
        world.gather(&THREE, "weekly");
        act(&mut world, Act::Cancel);
        world.dial("alice", "weekly");
        world.run(PATIENCE);
        for name in THREE {
            let told = Some((410, "the conference was cancelled by ops".to_owned()));
            assert_eq!(reason(&world, name), told, "{name}, seed {seed}\n{}", world.ladder);
        }
        assert_eq!(world.outcome("alice"), Some(&Outcome::Rejected(410)), "{}", world.ladder);
        assert_eq!((world.counters().conferences, world.mixer.legs()), (0, 0));
        world.assert_nothing_is_left();
    }
}

#[test]
fn who_is_muted_is_heard_by_nobody_until_it_is_unmuted() {
    let mut world = World::with(3, Quality::GOOD, &THREE);
    world.gather(&THREE, "weekly");
    world.assert_all_hear_each_other(&THREE);
    let ben = Whom::Uri(world.aor("ben"));
    act(&mut world, Act::Mute(ben.clone(), true));
    world.run(secs(3));
    world.listen(secs(1));
    for (ear, voice, hears) in
        [("ann", "ben", false), ("ann", "cleo", true), ("ben", "ann", true), ("cleo", "ben", false)]
    {
        assert_eq!(world.hears(ear, voice), hears, "{ear} and {voice}");
    }
    act(&mut world, Act::Mute(ben, false));
    world.run(secs(3));
    world.assert_all_hear_each_other(&THREE);
    world.assert_nothing_is_left();
}

#[test]
fn nobody_hears_the_lobby_nor_is_heard_there() {
    let mut world = World::with(4, Quality::GOOD, &THREE);
    world.gather(&["ann", "ben"], "weekly");
    let wish = MeetingWish { pin: Some(Pin::parse("4711")), ..MeetingWish::default() };
    act(&mut world, Act::Change(Box::new(wish)));
    world.gather(&["cleo"], "weekly");
    assert_eq!(world.counters().members, 2);
    // The prompt is over by then.
    world.run(secs(20));
    world.listen(secs(1));
    for (ear, voice) in [("ann", "cleo"), ("ben", "cleo"), ("cleo", "ann"), ("cleo", "ben")] {
        assert!(!world.hears(ear, voice), "{ear} and {voice}");
    }
    let cleo = Whom::Uri(world.aor("cleo"));
    act(&mut world, Act::Admit(cleo));
    world.run(secs(5));
    assert_eq!(world.counters().members, 3);
    world.assert_all_hear_each_other(&THREE);
    world.assert_nothing_is_left();
}

#[test]
fn one_is_removed_and_the_others_go_on() {
    for seed in 0..5 {
        let mut world = World::with(seed, Quality::BAD, &THREE);
        world.gather(&THREE, "weekly");
        let cleo = Whom::Uri(world.aor("cleo"));
        act(&mut world, Act::Kick(cleo));
        world.run(PATIENCE);
        assert_eq!(reason(&world, "cleo"), Some((200, "removed by ops".to_owned())));
        assert!(world.talks("ann") && world.talks("ben"), "seed {seed}\n{}", world.ladder);
        assert_eq!((world.counters().members, world.mixer.legs()), (2, 2));
        world.assert_nothing_is_left();
    }
}
