//! Keys pressed at a phone (RFC 4733).

use std::time::Duration;

use media_codec::AudioCodec::Pcmu;
use media_mixer::Event;

use crate::phone::Phone;
use crate::world::World;

fn digits(world: &World) -> String {
    let digit = |event: &Event| match event {
        Event::Digit { leg, digit } if leg == "a" => Some(*digit),
        _ => None,
    };
    world.events.iter().filter_map(digit).collect()
}

fn send(world: &mut World, event: u8, at: u32, duration: u16, end: bool) {
    let phone = world.phone("a");
    let (to, from) = (phone.lines[0], phone.line_address(0));
    let bytes = phone.key(event, at, duration, end);
    world.send(to, from, &bytes);
}

/// A key as RFC 4733 §2.5.1.2 and §2.5.1.4 send it: several times while it is down, its end three times.
fn press(world: &mut World, event: u8, at: u32) {
    for duration in [400, 800, 1200] {
        send(world, event, at, duration, false);
    }
    for _ in 0..3 {
        send(world, event, at, 1600, true);
    }
}

fn meeting(lobby: bool) -> World {
    let mut world = World::new();
    world.join_at(Phone::new("a", 1, Pcmu, 410.0), lobby).unwrap();
    world.run(Duration::from_millis(200));
    world
}

#[test]
fn every_key_is_told_once_in_the_lobby_and_out_of_it() {
    for lobby in [false, true] {
        let mut world = meeting(lobby);
        for (n, event) in [1, 2, 2, 0, 11].into_iter().enumerate() {
            press(&mut world, event, 100_000 + 8_000 * n as u32);
            world.run(Duration::from_millis(100));
        }
        assert_eq!(digits(&world), "1220#");
    }
}

#[test]
fn a_key_of_which_only_an_end_arrives_is_told() {
    let mut world = meeting(true);
    send(&mut world, 12, 50_000, 1600, true);
    send(&mut world, 12, 50_000, 1600, true);
    assert_eq!(digits(&world), "A");
}

#[test]
fn events_that_are_no_keys_are_not_told() {
    let mut world = meeting(false);
    for event in [16, 36, 255] {
        press(&mut world, event, 1000 * u32::from(event));
    }
    assert_eq!(digits(&world), "");
}

/// Each digit is a message to the focus: a phone that invents them must not drown it.
#[test]
fn nobody_presses_hundreds_of_keys_a_second() {
    let mut world = meeting(false);
    let before = world.now;
    for n in 0..5_000u32 {
        send(&mut world, (n % 10) as u8, 100_000 + 10 * n, 400, true);
        if n % 10 == 0 {
            world.tick();
        }
    }
    let seconds = (world.now - before).as_secs_f64();
    let told = digits(&world).len() as f64;
    assert!((20.0..40.0 + seconds * 13.0).contains(&told), "{told} in {seconds} s");
    world.run(Duration::from_secs(4));
    press(&mut world, 9, 3_000_000);
    assert!(digits(&world).ends_with('9'), "and then it can press keys again");
}
