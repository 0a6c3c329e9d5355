//! People come, go, hold and change their minds at random, over a bad network; in the end nothing is
//! left. And the same seed tells the same story.

use mixer_control::MixerError;
use sdp::Direction;

use crate::call::Way;
use crate::clock::{Chance, millis, secs};
use crate::link::Quality;
use crate::mixer::Conduct;
use crate::world::World;

const PEOPLE: [&str; 6] = ["alice", "bob", "ann", "ben", "cleo", "dan"];
const ROOMS: [&str; 2] = ["weekly", "daily"];

/// What may happen beside what people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The mixer thinks, sometimes longer than anybody waits.
    Slow,
    /// It also refuses, keeps silent, fails, dies and comes back.
    Cruel,
}

/// One walk of `steps` steps.
fn walk(seed: u64, steps: u32, quality: Quality, fate: Fate) -> World {
    let mut world = World::with(seed, quality, &PEOPLE);
    let mut chance = Chance::new(!seed);
    for name in ["alice", "bob"] {
        world.act(name, |phone, now| phone.register(now, 3600));
    }
    world.run(secs(2));
    for _ in 0..steps {
        match chance.below(8) {
            0 if fate == Fate::Cruel => misfortune(&mut world, &mut chance),
            1 => {
                let thinks = chance.pick(&[0, 0, 100, 1500, 7000]);
                world.at_mixer(|mixer, _| mixer.conduct.thinks = millis(thinks));
            }
            _ => step(&mut world, &mut chance),
        }
        // Mostly at once, so that acts meet in the middle of each other.
        let pause = chance.pick(&[0, 0, 7, 30, 61, 150, 400, 1000]);
        world.run(millis(pause));
    }
    world.at_mixer(|mixer, now| {
        mixer.conduct = Conduct::default();
        if !mixer.is_up() {
            mixer.start(now);
        }
    });
    world
}

/// Somebody does something.
fn step(world: &mut World, chance: &mut Chance) {
    let name = chance.pick(&PEOPLE);
    let in_call = world.phone(name).call.is_some();
    match chance.below(8) {
        0..4 if !in_call => world.dial(name, chance.pick(&ROOMS)),
        4 if !in_call => {
            let room = chance.pick(&ROOMS);
            world.act(name, |phone, now| phone.dial_without_offer(now, room));
        }
        5 if !in_call => world.dial(name, chance.pick(&["alice", "bob", "conference"])),
        2..7 if in_call => {
            let wanted = chance.pick(&[Direction::SendRecv, Direction::SendOnly]);
            let way = chance.pick(&[
                Way::Reinvite,
                Way::Reinvite,
                Way::ReinviteWithoutOffer,
                Way::Update,
            ]);
            world.act(name, |phone, now| phone.change_by(now, wanted, way));
        }
        _ => world.hang_up(name),
    }
}

/// Something happens to the mixer.
fn misfortune(world: &mut World, chance: &mut Chance) {
    let gap = millis(chance.pick(&[50, 900, 2500]));
    let what = chance.below(6);
    world.at_mixer(|mixer, now| match what {
        _ if !mixer.is_up() => mixer.start(now),
        0 => mixer.crash(now),
        1 => mixer.blink(now, gap),
        2 => mixer.fail_conferences(now),
        3 => mixer.conduct.silent = !mixer.conduct.silent,
        4 => mixer.conduct.refuses = Some(MixerError::NoCommonMedia("305 none".into())),
        _ => mixer.conduct.refuses = None,
    });
}

#[test]
fn whatever_they_do_nothing_is_left() {
    for seed in 0..200 {
        walk(seed, 40, Quality::BAD, Fate::Slow).assert_nothing_is_left();
    }
}

#[test]
fn whatever_happens_to_the_mixer_nothing_is_left() {
    for seed in 1000..1060 {
        walk(seed, 60, Quality::BAD, Fate::Cruel).assert_nothing_is_left();
    }
}

#[test]
fn whatever_the_network_does_nothing_is_left() {
    for seed in 2000..2030 {
        let mut world = walk(seed, 40, Quality::AWFUL, Fate::Slow);
        world.set_quality(Quality::GOOD);
        world.assert_nothing_is_left();
    }
}

/// When people and network have come to rest, phones, focus and mixer agree who is in a conference,
/// and who is, hears the others.
#[test]
fn in_the_end_all_agree() {
    for seed in 3000..3016 {
        let mut world = walk(seed, 30, Quality::BAD, Fate::Slow);
        world.set_quality(Quality::GOOD);
        world.run(secs(5));
        for name in PEOPLE {
            world.act(name, |phone, now| phone.change(now, Direction::SendRecv));
        }
        // What still rings or waits for an ACK or the mixer comes to its end.
        world.run(secs(35));
        let in_room = |name: &&str| world.talks(name) && ROOMS.contains(&world.dialled(name));
        let members: Vec<&str> = PEOPLE.iter().copied().filter(in_room).collect();
        let own = |name: &&str| world.talks(name) && world.dialled(name) == "conference";
        let alone = PEOPLE.iter().filter(|name| own(name)).count();
        let counters = world.counters();
        let all = members.len() + alone;
        assert_eq!((counters.members, world.mixer.legs()), (all, all), "{seed}\n{}", world.ladder);
        world.listen(secs(1));
        for ear in &members {
            for voice in &members {
                let together = ear != voice && world.dialled(ear) == world.dialled(voice);
                let hears = world.hears(ear, voice);
                assert_eq!(hears, together, "{seed}: {ear}, {voice}\n{}", world.ladder);
            }
        }
        world.assert_nothing_is_left();
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = |seed| walk(seed, 40, Quality::BAD, Fate::Cruel);
    for seed in [1, 2, 3] {
        let (one, other) = (story(seed), story(seed));
        assert_eq!(one.elapsed(), other.elapsed());
        assert_eq!(one.ladder, other.ladder);
        assert_eq!(one.received("ann"), other.received("ann"));
    }
    assert_ne!(story(1).ladder, story(2).ladder);
}
