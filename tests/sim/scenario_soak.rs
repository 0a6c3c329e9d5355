//! A long day of one registrar and one mixer: meeting after meeting over good and bad networks, with a mixer that
//! refuses, falls silent, crashes and comes back. At the end nothing is left of any of them.

use mixer_control::MixerError;
use sdp::Direction;

use crate::call::Way;
use crate::clock::{Chance, millis, secs};
use crate::link::Quality;
use crate::mixer::Conduct;
use crate::world::World;

const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "ann", "ben", "cleo"];

/// What came of a day, so that a soak in which nothing happens is noticed.
#[derive(Debug, Default)]
struct Day {
    /// Meetings in which at least two talked at the same time.
    held: u32,
    crashes: u32,
}

/// A meeting: people come, change their minds and go, and things happen to them.
fn meeting(world: &mut World, chance: &mut Chance, room: &str, day: &mut Day) {
    world.set_quality(chance.pick(&[Quality::GOOD, Quality::BAD, Quality::BAD, Quality::AWFUL]));
    let people = &PEOPLE[..chance.pick(&[2, 3, 4, 6])];
    let mut most = 0;
    for name in people {
        if chance.below(6) == 0 {
            world.act(name, |phone, now| phone.dial_without_offer(now, room));
        } else {
            world.dial(name, room);
        }
        world.run(millis(chance.pick(&[0, 30, 200])));
    }
    for _ in 0..people.len() * 3 {
        world.run(millis(chance.pick(&[0, 20, 80, 300])));
        most = most.max(people.iter().filter(|name| world.talks(name)).count());
        let name = chance.pick(people);
        match chance.below(12) {
            0 => misfortune(world, chance, day),
            1..4 if world.phone(name).call.is_none() => world.dial(name, room),
            4..8 if world.phone(name).call.is_some() => {
                let wanted = chance.pick(&[Direction::SendRecv, Direction::SendOnly]);
                let way = chance.pick(&[Way::Reinvite, Way::ReinviteWithoutOffer, Way::Update]);
                world.act(name, |phone, now| phone.change_by(now, wanted, way));
            }
            8 => world.hang_up(name),
            _ => {}
        }
    }
    day.held += u32::from(most > 1);
    for name in people {
        world.hang_up(name);
    }
    world.at_mixer(|mixer, now| {
        mixer.conduct = Conduct::default();
        if !mixer.is_up() {
            mixer.start(now);
        }
    });
}

fn misfortune(world: &mut World, chance: &mut Chance, day: &mut Day) {
    let (gap, thinks) = (millis(chance.pick(&[50, 900, 2500])), millis(chance.pick(&[100, 7000])));
    let what = chance.below(7);
    world.at_mixer(|mixer, now| match what {
        _ if !mixer.is_up() => mixer.start(now),
        0 | 1 => {
            mixer.crash(now);
            day.crashes += 1;
        }
        2 => mixer.blink(now, gap),
        3 => mixer.fail_conferences(now),
        4 => mixer.conduct.silent = true,
        5 => mixer.conduct.thinks = thinks,
        _ => mixer.conduct.refuses = Some(MixerError::NoCommonMedia("305 none".into())),
    });
}

fn day(meetings: u32) -> Day {
    let mut world = World::with(4711, Quality::GOOD, &PEOPLE);
    let mut chance = Chance::new(1147);
    let mut day = Day::default();
    for name in &PEOPLE[..3] {
        world.act(name, |phone, now| phone.register(now, 3600));
    }
    world.run(secs(2));
    for number in 0..meetings {
        meeting(&mut world, &mut chance, &format!("meeting-{number}"), &mut day);
        // Half of them begin while the last one still ends.
        world.run(secs(chance.pick(&[0, 1, 5, 40])));
        if number % 50 == 49 {
            world.set_quality(Quality::GOOD);
            world.assert_nothing_is_left();
        }
    }
    world.set_quality(Quality::GOOD);
    world.assert_nothing_is_left();
    day
}

/// How many meetings: half a minute of work. `make soak` asks for more.
const MEETINGS: u32 = 1000;

#[test]
fn after_many_meetings_nothing_is_left() {
    let asked = std::env::var("PARLEY_SOAK_MEETINGS").ok();
    let meetings = asked.map_or(MEETINGS, |text| text.parse().expect("a number of meetings"));
    let day = day(meetings);
    assert!(day.held > meetings / 2, "most meetings are held: {day:?}");
    assert!(day.crashes > meetings / 50, "and the mixer crashes now and then: {day:?}");
}
