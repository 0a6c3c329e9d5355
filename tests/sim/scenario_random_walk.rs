//! People come, go, hold and change their minds at random, over a bad network; in the end nothing is
//! left. And the same seed tells the same story.

use sdp::Direction;

use crate::clock::{Chance, millis, secs};
use crate::link::Quality;
use crate::world::World;

const PEOPLE: [&str; 6] = ["alice", "bob", "ann", "ben", "cleo", "dan"];
const ROOMS: [&str; 2] = ["weekly", "daily"];

/// One walk of `steps` steps.
fn walk(seed: u64, steps: u32) -> World {
    let mut world = World::with(seed, Quality::BAD, &PEOPLE);
    let mut chance = Chance::new(!seed);
    for name in ["alice", "bob"] {
        world.act(name, |phone, now| phone.register(now, 3600));
    }
    world.run(secs(2));
    for _ in 0..steps {
        step(&mut world, &mut chance);
        // Mostly at once, so that acts meet in the middle of each other.
        let pause = chance.pick(&[0, 0, 7, 30, 61, 150, 400, 1000]);
        world.run(millis(pause));
        let members = world.counters().members;
        let busy = PEOPLE.iter().filter(|name| world.phone(name).call.is_some()).count();
        assert!(members <= PEOPLE.len(), "{members} members, {busy} calls");
    }
    world
}

fn step(world: &mut World, chance: &mut Chance) {
    let name = chance.pick(&PEOPLE);
    let in_call = world.phone(name).call.is_some();
    match chance.below(10) {
        0..4 if !in_call => world.dial(name, chance.pick(&ROOMS)),
        4 if !in_call => {
            let room = chance.pick(&ROOMS);
            world.act(name, |phone, now| phone.dial_without_offer(now, room));
        }
        5 if !in_call => world.dial(name, chance.pick(&["alice", "bob", "conference"])),
        6 | 7 if in_call => {
            let wanted = chance.pick(&[Direction::SendRecv, Direction::SendOnly]);
            world.act(name, |phone, now| phone.change(now, wanted));
        }
        8 => {
            let thinks = chance.pick(&[0, 0, 100, 1500, 7000]);
            world.at_mixer(|mixer, _| mixer.conduct.thinks = millis(thinks));
        }
        _ => world.hang_up(name),
    }
}

#[test]
fn whatever_they_do_nothing_is_left() {
    for seed in 0..200 {
        let mut world = walk(seed, 40);
        world.at_mixer(|mixer, _| mixer.conduct.thinks = millis(0));
        world.assert_nothing_is_left();
    }
}

#[test]
fn whatever_they_do_a_crash_of_the_mixer_leaves_nothing() {
    for seed in 1000..1040 {
        let mut world = walk(seed, 20);
        world.at_mixer(|mixer, now| mixer.crash(now));
        world.run(secs(1));
        world.at_mixer(|mixer, now| mixer.start(now));
        world.at_mixer(|mixer, _| mixer.conduct.thinks = millis(0));
        world.assert_nothing_is_left();
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in [1, 2, 3] {
        let (one, other) = (walk(seed, 40), walk(seed, 40));
        assert_eq!(one.elapsed(), other.elapsed());
        assert_eq!(one.ladder, other.ladder);
        assert_eq!(one.received("ann"), other.received("ann"));
    }
    assert_ne!(walk(1, 40).ladder, walk(2, 40).ladder);
}
