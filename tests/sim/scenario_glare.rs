//! Both sides change the session at once (RFC 3261 §14.1): between them stands the B2BUA.

use sdp::Direction;

use crate::call::Changes;
use crate::clock::{millis, secs};
use crate::link::Quality;
use crate::world::World;

fn connected(seed: u64, quality: Quality) -> World {
    let mut world = World::with(seed, quality, &["alice", "bob"]);
    world.act("bob", |phone, now| phone.register(now, 7200));
    world.run_until("bob is registered", secs(30), |world| world.counters().bindings == 1);
    world.run(secs(1));
    world.dial("alice", "bob");
    world.run_until("they talk", secs(30), |world| world.talks("alice") && world.talks("bob"));
    world.run(secs(2));
    world.ladder.mark();
    world
}

fn changes(world: &World, name: &str) -> Changes {
    world.phone(name).call.as_ref().map(|call| call.changes).unwrap_or_default()
}

/// Each puts the other on hold, so both wishes can be seen in the end.
fn both_hold(world: &mut World, bob_later: u64) {
    world.act("alice", |phone, now| phone.change(now, Direction::SendOnly));
    world.run(millis(bob_later));
    world.act("bob", |phone, now| phone.change(now, Direction::SendOnly));
}

#[test]
fn two_offers_that_meet_are_refused_with_491_and_made_again() {
    let mut world = connected(1, Quality::GOOD);
    both_hold(&mut world, 0);
    world.run(secs(12));
    let refused = world.ladder.any(|rung| rung.what == "491 INVITE").len();
    assert!(refused >= 1, "they did not meet\n{}", world.ladder);
    for name in ["alice", "bob"] {
        let changes = changes(&world, name);
        assert_eq!((changes.accepted, changes.refused), (1, 0), "{name}\n{}", world.ladder);
        assert_eq!(world.direction(name), Some(Direction::Inactive), "{name}\n{}", world.ladder);
    }
    world.assert_nothing_is_left();
}

#[test]
fn they_come_to_an_end_however_they_meet() {
    for quality in [Quality::GOOD, Quality::BAD] {
        for seed in 0..20 {
            let mut world = connected(seed, quality);
            both_hold(&mut world, seed % 10 * 5);
            world.run(secs(40));
            for name in ["alice", "bob"] {
                assert!(world.talks(name), "seed {seed}: {name}\n{}", world.ladder);
                assert_eq!(changes(&world, name).refused, 0, "{seed}: {name}\n{}", world.ladder);
                let direction = world.direction(name);
                assert_eq!(
                    direction,
                    Some(Direction::Inactive),
                    "{seed}: {name}\n{}",
                    world.ladder
                );
            }
            world.assert_nothing_is_left();
        }
    }
}

#[test]
fn one_hangs_up_while_the_other_changes() {
    for after in (0..60).step_by(5) {
        let mut world = connected(2, Quality::GOOD);
        world.act("alice", |phone, now| phone.change(now, Direction::SendOnly));
        world.run(millis(after));
        world.hang_up("bob");
        world.run(secs(1));
        assert!(!world.talks("alice") && !world.talks("bob"), "{after} ms\n{}", world.ladder);
        world.assert_nothing_is_left();
    }
}
