//! REGISTER with digest (RFC 3261 §10, §22).

use crate::clock::{millis, secs};
use crate::link::Quality;
use crate::world::World;

#[test]
fn a_phone_registers_with_digest_and_is_found() {
    let mut world = World::with(1, Quality::GOOD, &["alice", "bob"]);
    world.act("bob", |phone, now| phone.register(now, 600));
    world.run(secs(1));
    assert_eq!(
        world.ladder.of("bob"),
        ["> REGISTER", "< 401 REGISTER", "> REGISTER", "< 200 REGISTER"]
    );
    let response = world.phone("bob").registered.as_ref().expect("an answer");
    assert_eq!(response.status, 200);
    let contact = response.headers.get("Contact").expect("the binding");
    assert!(contact.contains("127.0.1.2") && contact.ends_with("expires=600"), "{contact}");
    assert_eq!(world.counters().bindings, 1);
}

#[test]
fn a_binding_goes_when_it_is_taken_away_or_runs_out() {
    let mut world = World::with(2, Quality::GOOD, &["alice", "bob"]);
    for name in ["alice", "bob"] {
        world.act(name, |phone, now| phone.register(now, 600));
    }
    world.run(secs(599));
    assert_eq!(world.counters().bindings, 2);
    world.act("alice", |phone, now| phone.register(now, 0));
    world.run(millis(500));
    assert_eq!(world.counters().bindings, 1);
    world.run(secs(2));
    assert_eq!(world.counters().bindings, 0);
    world.assert_nothing_is_left();
}

#[test]
fn a_lost_request_or_response_is_repeated() {
    let mut world = World::with(3, Quality::GOOD, &["bob"]);
    world.lose("bob", "registrar", "REGISTER", 1);
    world.lose("registrar", "bob", "401 REGISTER", 1);
    world.act("bob", |phone, now| phone.register(now, 600));
    world.run(secs(5));
    assert_eq!(
        world.ladder.of("bob"),
        [
            "x> REGISTER",
            "> REGISTER",
            "x< 401 REGISTER",
            "> REGISTER",
            "< 401 REGISTER",
            "> REGISTER",
            "< 200 REGISTER"
        ]
    );
}

#[test]
fn registering_works_on_bad_links_every_time() {
    for seed in 0..50 {
        let mut world = World::with(seed, Quality::BAD, &["alice", "bob", "carol"]);
        for name in ["alice", "bob", "carol"] {
            world.act(name, |phone, now| phone.register(now, 600));
        }
        world.run(secs(20));
        for name in ["alice", "bob", "carol"] {
            let status = world.phone(name).registered.as_ref().map(|response| response.status);
            assert_eq!(status, Some(200), "seed {seed}, {name}\n{}", world.ladder);
        }
    }
}

#[test]
fn a_guest_cannot_register() {
    let mut world = World::with(4, Quality::GOOD, &["ann"]);
    world.act("ann", |phone, now| phone.register(now, 600));
    world.run(secs(1));
    assert_eq!(world.ladder.of("ann"), ["> REGISTER", "< 401 REGISTER"]);
    assert_eq!(world.counters().bindings, 0);
}
