//! What strangers and broken members send: nothing of it may stop a conference.

use bytes::Bytes;
use media_codec::AudioCodec::{Opus, Pcmu};
use proptest::prelude::*;

use crate::phone::Phone;
use crate::world::World;

fn meeting() -> World {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Opus, 400.0).with_video(1)).unwrap();
    let mut other = Phone::new("b", 2, Pcmu, 610.0).with_video(1);
    other.mux = false;
    world.join(other).unwrap();
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Datagrams that look like RTP or RTCP from the right address, with anything inside.
    #[test]
    fn random_datagrams_do_not_stop_a_conference(
        datagrams in proptest::collection::vec(
            (0usize..3, prop_oneof![Just(0u8), Just(96), Just(111), Just(101), 192u8..=223, any::<u8>()],
             proptest::collection::vec(any::<u8>(), 0..80), any::<bool>()),
            1..40,
        ),
    ) {
        let mut world = meeting();
        for (line, second, rest, odd) in datagrams {
            for name in ["a", "b"] {
                let mut bytes = vec![0x80, second];
                bytes.extend(&rest);
                let from = world.phone(name).line_address(line);
                let mut to = world.phone(name).lines[line];
                if odd && name == "b" {
                    to += 1;
                }
                world.send(to, from, &Bytes::from(bytes));
            }
            world.tick();
        }
        world.leave("a");
        world.leave("b");
        prop_assert!(world.open.is_empty());
    }

    /// Packets of a real member with bits turned over.
    #[test]
    fn damaged_packets_do_not_stop_a_conference(
        damage in proptest::collection::vec((0usize..600, any::<u8>()), 1..60),
    ) {
        let mut world = meeting();
        for (at, value) in damage {
            for name in ["a", "b"] {
                let now = world.now;
                for (to, from, bytes) in world.phone(name).speak(now) {
                    let mut bytes = bytes.to_vec();
                    let at = at % bytes.len();
                    bytes[at] ^= value;
                    world.send(to, from, &Bytes::from(bytes));
                }
            }
            world.tick();
        }
    }

    /// Offers with lines lost, doubled or swapped.
    #[test]
    fn broken_offers_are_answered_or_refused(
        edits in proptest::collection::vec((0usize..30, 0usize..30, 0u8..3), 0..6),
    ) {
        let mut world = meeting();
        let offer = world.phone("a").offer();
        let mut lines: Vec<&str> = offer.lines().collect();
        for (a, b, edit) in edits {
            let (a, b) = (a % lines.len(), b % lines.len());
            match edit {
                0 => { lines.remove(a); }
                1 => lines.insert(b, lines[a]),
                _ => lines.swap(a, b),
            }
            if lines.is_empty() {
                break;
            }
        }
        let text = lines.join("\r\n") + "\r\n";
        let ports = world.open.len();
        if world.reoffer_text("a", &text).is_err() {
            prop_assert_eq!(world.open.len(), ports, "refused: as it was");
        }
        world.tick();
        world.leave("a");
        world.leave("b");
        prop_assert!(world.open.is_empty(), "{:?}", world.open);
    }
}
