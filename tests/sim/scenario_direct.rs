//! Two talk directly, a third comes and all are mixed, two are left and talk directly again: nobody is redialled,
//! and whatever happens in the middle of it nobody's call ends (docs/CALL-FLOWS.md, RFC 3725 §7).

use std::time::Duration;

use sdp::Direction;
use sip_registrar::{Act, Actor, ConferenceName, MeetingWish, PathPolicy, Whom};
use sip_stack::endpoint::EndReason;

use crate::call::Way;
use crate::clock::{Chance, millis, secs};
use crate::link::Quality;
use crate::phone::Outcome;
use crate::world::World;

const TWO: [&str; 2] = ["ann", "ben"];
const THREE: [&str; 3] = ["ann", "ben", "cleo"];

fn world(seed: u64, quality: Quality) -> World {
    let mut world = World::with(seed, quality, &["ann", "ben", "cleo", "dan"]);
    world.let_report(&["ann", "ben", "cleo", "dan"]);
    world
}

fn weekly() -> ConferenceName {
    ConferenceName::parse("weekly").expect("a name")
}

fn act(world: &mut World, act: Act) {
    let operator = Actor::Operator("ops".into());
    world.at_registrar(|r, now| r.act(now, &operator, &weekly(), act)).expect("it can be done");
}

/// Waits until media go this way and the mixer has as many legs.
fn wait(world: &mut World, mode: &str, legs: usize, limit: Duration) {
    for _ in 0..limit.as_millis() / 50 {
        if world.mode("weekly").0 == mode && world.mixer.legs() == legs {
            return;
        }
        world.run(millis(50));
    }
    panic!(
        "not {mode} with {legs} legs: {:?}, {}\n{}",
        world.mode("weekly"),
        world.mixer.legs(),
        world.ladder
    );
}

/// Two in a conference that talk directly.
fn direct(seed: u64, quality: Quality) -> World {
    in_direct(world(seed, quality))
}

/// The same, and they see each other.
fn direct_with_cameras(seed: u64, quality: Quality) -> World {
    in_direct(with_cameras(world(seed, quality)))
}

fn with_cameras(mut world: World) -> World {
    world.let_see(&["ann", "ben", "cleo", "dan"]);
    world
}

fn in_direct(mut world: World) -> World {
    world.gather(&TWO, "weekly");
    wait(&mut world, "direct", 0, secs(10));
    world
}

/// Once the network was good for four seconds, each of these sees another.
fn see_in_peace(world: &mut World, quality: Quality, people: &[&str]) {
    world.set_quality(Quality::GOOD);
    world.run(secs(4));
    world.assert_all_see_somebody(people);
    world.set_quality(quality);
}

#[test]
fn two_talk_directly_and_the_mixer_has_nothing_of_them() {
    let mut world = direct_with_cameras(1, Quality::GOOD);
    world.assert_all_hear_each_other(&TWO);
    world.assert_all_see_somebody(&TWO);
    assert_eq!(world.mixer.open_ports(), 0);
    assert_eq!(world.counters().direct, 1);
    assert_eq!(world.counters().members, 2, "the focus knows all the same who is there");
    world.assert_nothing_is_left();
}

#[test]
fn a_third_brings_all_to_the_mixer_and_two_go_back() {
    for (seed, quality) in [(2, Quality::GOOD), (3, Quality::BAD), (4, Quality::BAD)] {
        let mut world = direct_with_cameras(seed, quality);
        world.dial("cleo", "weekly");
        wait(&mut world, "mixer", 3, secs(10));
        world.run(secs(4));
        world.assert_all_hear_each_other(&THREE);
        see_in_peace(&mut world, quality, &THREE);
        world.hang_up("ann");
        world.run(secs(6));
        assert_eq!(world.mode("weekly").0, "mixer", "who comes and goes does not make it flap");
        wait(&mut world, "direct", 0, secs(20));
        world.assert_all_hear_each_other(&["ben", "cleo"]);
        see_in_peace(&mut world, quality, &["ben", "cleo"]);
        for name in ["ben", "cleo"] {
            assert!(world.talks(name), "{}", world.ladder);
        }
        world.assert_nothing_is_left();
    }
}

#[test]
fn whoever_is_left_alone_is_at_the_mixer_again() {
    for seed in 10..16 {
        let mut world = direct(seed, Quality::BAD);
        world.hang_up(TWO[seed as usize % 2]);
        wait(&mut world, "mixer", 1, secs(10));
        world.gather(&["cleo"], "weekly");
        wait(&mut world, "direct", 0, secs(25));
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_policy_keeps_it_mixed_and_clients_that_tell_nothing_too() {
    let mut world = world(20, Quality::GOOD);
    world.gather(&TWO[..1], "weekly");
    let wish = MeetingWish { media_path: Some(PathPolicy::Mixed), ..MeetingWish::default() };
    act(&mut world, Act::Change(Box::new(wish)));
    world.gather(&TWO[1..], "weekly");
    world.run(secs(20));
    assert_eq!(world.mode("weekly"), ("mixer", "this conference is always mixed"));
    assert_eq!(world.mixer.legs(), 2);

    let mut world = World::with(21, Quality::GOOD, &TWO);
    world.gather(&TWO, "weekly");
    world.run(secs(20));
    assert_eq!(world.mode("weekly"), ("mixer", "neither client tells whether media arrive"));
    let wish = MeetingWish { media_path: Some(PathPolicy::Direct), ..MeetingWish::default() };
    act(&mut world, Act::Change(Box::new(wish)));
    wait(&mut world, "direct", 0, secs(10));
    world.assert_all_hear_each_other(&TWO);
    world.assert_nothing_is_left();
}

#[test]
fn a_way_that_does_not_work_is_left_and_not_tried_for_ever() {
    let mut world = world(30, Quality::GOOD);
    world.cut("ann", "ben", true);
    world.gather(&TWO, "weekly");
    for time in [secs(12), secs(40)] {
        world.run(time);
        wait(&mut world, "mixer", 2, secs(10));
        world.assert_all_hear_each_other(&TWO);
    }
    assert_eq!(world.counters().direct_failures, 2, "{}", world.ladder);
    world.run(secs(60));
    assert_eq!(world.mode("weekly"), ("mixer", "it was tried twice and did not work"));
    assert_eq!(world.counters().direct_failures, 2);
    world.assert_nothing_is_left();
}

#[test]
fn a_client_that_refuses_stays_as_it_is() {
    for stubborn in TWO {
        let mut world = world(31, Quality::GOOD);
        world.act(stubborn, |phone, _| phone.stubborn = true);
        world.gather(&TWO, "weekly");
        world.run(secs(60));
        assert_eq!(world.mode("weekly"), ("mixer", "it was tried twice and did not work"));
        world.assert_all_hear_each_other(&TWO);
        world.assert_nothing_is_left();
    }
}

#[test]
fn the_second_one_that_does_not_answer_costs_the_first_nothing() {
    let mut world = world(32, Quality::GOOD);
    world.gather(&TWO[..1], "weekly");
    world.gather(&TWO[1..], "weekly");
    world.lose("registrar", "ben", "INVITE", 6);
    world.run(secs(7));
    assert_eq!(world.mode("weekly").0, "mixer");
    world.listen(secs(1));
    assert!(world.hears("ann", "ben") && world.hears("ben", "ann"), "{}", world.ladder);
    world.run(secs(30));
    assert!(world.talks("ann") && world.talks("ben"), "{}", world.ladder);
    world.assert_nothing_is_left();
}

/// One of two is muted by a moderator: that only the mixer can do.
#[test]
fn what_only_the_mixer_can_do_brings_them_back() {
    let mut world = direct(33, Quality::GOOD);
    let ben = Whom::Uri(world.aor("ben"));
    act(&mut world, Act::Mute(ben.clone(), true));
    wait(&mut world, "mixer", 2, secs(5));
    world.run(secs(4));
    world.listen(secs(1));
    assert!(!world.hears("ann", "ben") && world.hears("ben", "ann"));
    act(&mut world, Act::Mute(ben, false));
    wait(&mut world, "direct", 0, secs(25));
    world.assert_all_hear_each_other(&TWO);
    world.assert_nothing_is_left();
}

#[test]
fn hold_is_between_the_two() {
    let mut world = direct(34, Quality::GOOD);
    world.act("ann", |phone, now| phone.change(now, Direction::SendOnly));
    world.run(secs(2));
    assert_eq!(world.direction("ann"), Some(Direction::SendOnly), "{}", world.ladder);
    assert_eq!(world.direction("ben"), Some(Direction::RecvOnly), "{}", world.ladder);
    world.act("ann", |phone, now| phone.change(now, Direction::SendRecv));
    world.run(secs(2));
    assert_eq!((world.mode("weekly").0, world.mixer.legs()), ("direct", 0));
    world.assert_all_hear_each_other(&TWO);
    world.assert_nothing_is_left();
}

#[test]
fn a_mixer_that_dies_is_nothing_to_two_who_do_without() {
    let mut world = direct(35, Quality::GOOD);
    world.at_mixer(|mixer, now| mixer.crash(now));
    world.run(secs(5));
    world.assert_all_hear_each_other(&TWO);
    world.at_mixer(|mixer, now| mixer.start(now));
    world.run(secs(1));
    world.dial("cleo", "weekly");
    wait(&mut world, "mixer", 3, secs(10));
    world.run(secs(3));
    world.assert_all_hear_each_other(&THREE);
    world.assert_nothing_is_left();
}

#[test]
fn two_who_are_gone_at_once_are_noticed() {
    let mut world = direct(36, Quality::GOOD);
    world.run(secs(150));
    assert_eq!(world.counters().members, 2, "who is there answers");
    world.vanish("ann");
    world.vanish("ben");
    world.run(secs(60 + 35));
    assert_eq!(world.counters().members, 0, "{}", world.ladder);
    world.assert_nothing_is_left();
}

#[test]
fn pictures_go_on_however_the_session_is_changed() {
    for (seed, way) in [(36, Way::Reinvite), (37, Way::ReinviteWithoutOffer), (38, Way::Update)] {
        let mut world = with_cameras(world(seed, Quality::GOOD));
        // The mixer offers, and the answer comes in the ACK.
        world.act("ann", |phone, now| phone.dial_without_offer(now, "weekly"));
        world.run(secs(2));
        world.gather(&["ben"], "weekly");
        world.run(secs(15));
        world.assert_all_see_somebody(&TWO);
        world.act("ann", |phone, now| phone.change_by(now, Direction::SendRecv, way));
        world.run(secs(5));
        world.assert_all_hear_each_other(&TWO);
        world.assert_all_see_somebody(&TWO);
        world.assert_nothing_is_left();
    }
}

/// Who has no camera refuses the line, and the voices go directly all the same.
#[test]
fn one_camera_of_two_is_no_trouble() {
    for owner in TWO {
        let mut world = world(39, Quality::GOOD);
        world.let_see(&[owner]);
        let mut world = in_direct(world);
        world.assert_all_hear_each_other(&TWO);
        world.let_see(&["cleo"]);
        world.dial("cleo", "weekly");
        wait(&mut world, "mixer", 3, secs(10));
        world.run(secs(4));
        world.assert_all_hear_each_other(&THREE);
        world.assert_all_see_somebody(&[owner, "cleo"]);
        world.assert_nothing_is_left();
    }
}

/// Whatever happens, and whenever in the switch.
#[test]
fn the_middle_of_a_switch_can_be_anywhere() {
    for seed in 40..100 {
        let mut world = with_cameras(world(seed, Quality::BAD));
        let mut chance = Chance::new(seed);
        world.gather(&TWO, "weekly");
        // The switch begins after a second, and takes some hundred milliseconds.
        world.run(millis(chance.below(60) * 20));
        match seed % 4 {
            0 => world.dial("cleo", "weekly"),
            1 => world.hang_up("ann"),
            2 => world.hang_up("ben"),
            _ => world.act("ben", |phone, now| phone.change(now, Direction::SendRecv)),
        }
        world.run(secs(12));
        let inside: Vec<&str> = THREE.into_iter().filter(|name| world.talks(name)).collect();
        let expected = [3, 1, 1, 2][seed as usize % 4];
        assert_eq!(inside.len(), expected, "seed {seed}\n{}", world.ladder);
        world.assert_all_hear_each_other(&inside);
        see_in_peace(&mut world, Quality::BAD, &inside);
        world.assert_nothing_is_left();
    }
}

/// Two hundred stories of people who come and go.
#[test]
fn nobody_is_cut_off_or_deaf_or_blind_whoever_comes_and_goes() {
    let mut went_direct = 0;
    for seed in 1000..1200 {
        let mut world = with_cameras(world(seed, Quality::BAD));
        let mut chance = Chance::new(seed);
        let people = ["ann", "ben", "cleo", "dan"];
        for _ in 0..8 {
            let name = chance.pick(&people);
            if world.phone(name).call.is_none() {
                world.dial(name, "weekly");
            } else if world.talks(name) && chance.below(3) == 0 {
                world.hang_up(name);
            }
            let pause = chance.pick(&[20, 300, 1000, 1500, 4000, 12_000]);
            world.run(millis(pause));
            for name in people {
                // Nobody's call ended but by its own hand.
                let own = Outcome::Ended(EndReason::Local);
                let cut = world.phone(name).outcomes.iter().find(|outcome| **outcome != own);
                assert!(cut.is_none(), "seed {seed}: {name} {cut:?}\n{}", world.ladder);
            }
        }
        went_direct += world.counters().to_direct;
        // In the end all who are there hear each other; a switch may be under way.
        world.run(secs(10));
        let inside: Vec<&str> = people.into_iter().filter(|name| world.talks(name)).collect();
        world.set_quality(Quality::GOOD);
        world.run(secs(4));
        world.assert_all_hear_each_other(&inside);
        world.assert_all_see_somebody(&inside);
        world.assert_nothing_is_left();
    }
    assert!(went_direct > 100, "only {went_direct} switches");
}
