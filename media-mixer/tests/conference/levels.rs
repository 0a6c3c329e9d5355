//! How loud everybody is, in the header of every packet: RFC 6464 from members, RFC 6465 to them.

use std::collections::BTreeSet;
use std::time::Duration;

use media_codec::AudioCodec::{Opus, Pcmu};
use media_mixer::Event;

use crate::phone::Phone;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

fn phone(name: &str, n: u8, tone: f64) -> Phone {
    let codec = if n == 1 { Opus } else { Pcmu };
    let mut phone = Phone::new(name, n, codec, tone);
    phone.levels = true;
    phone
}

/// RFC 6465 §3: as many levels as CSRCs, in the same order. Both name those who are in the packet, and four times a second
/// also those who are silent, so that everybody's state can be shown.
#[test]
fn each_listener_is_told_how_loud_each_voice_in_the_packet_is() {
    for ptime in [20, 40] {
        let mut world = World::new();
        for (n, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "silent")] {
            let tone = if name == "silent" { 0.0 } else { 200.0 + 210.0 * f64::from(n) };
            let mut phone = phone(name, n, tone);
            phone.ptime = ptime;
            world.join(phone).unwrap();
        }
        world.run(SECOND);
        world.phones.values_mut().for_each(Phone::listen_anew);
        world.run(SECOND);
        for listener in ["a", "b", "silent"] {
            let speakers: BTreeSet<u32> = ["a", "b", "c"]
                .into_iter()
                .filter(|name| *name != listener)
                .map(|name| world.phones[name].ssrc.0)
                .collect();
            let silent = world.phones["silent"].ssrc;
            let mut times_quiet = 0;
            let got = &world.phones[listener].got;
            assert!(got.len() as u32 >= 900 / ptime, "{listener}");
            for packet in got.iter().map(|got| &got.packet) {
                let told: Vec<_> = packet.csrc_levels(4).collect();
                assert_eq!(told.len(), packet.csrcs().count(), "{listener}");
                let (talking, quiet): (Vec<_>, Vec<_>) =
                    told.iter().partition(|(ssrc, _)| speakers.contains(&ssrc.0));
                let named: BTreeSet<u32> = talking.iter().map(|(ssrc, _)| ssrc.0).collect();
                assert_eq!(named, speakers, "{listener}");
                // A sine of amplitude 4000 is 21 dB below overload.
                assert!(talking.iter().all(|(_, level)| (19..=23).contains(level)), "{told:?}");
                assert!(quiet.iter().all(|told| *told == (silent, 126)), "{told:?}");
                times_quiet += quiet.len();
                assert!(packet.audio_level(3).is_none(), "RFC 6464 is for members to send");
            }
            assert_eq!((4..=5).contains(&times_quiet), listener != "silent", "{times_quiet}");
        }
        assert!(world.phones["a"].answer.contains("csrc-audio-level"));
    }
}

#[test]
fn who_offers_no_levels_gets_none() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 410.0)).unwrap();
    world.join(phone("b", 2, 620.0)).unwrap();
    world.run(SECOND);
    let a = &world.phones["a"];
    assert!(!a.answer.contains("extmap"));
    assert!(a.got.iter().all(|got| got.packet.extensions().next().is_none()));
    assert!(a.got.last().unwrap().packet.csrcs().next().is_some());
}

#[test]
fn noise_that_its_own_detector_knows_does_not_become_the_active_speaker() {
    for (speech, active) in [(true, "noisy"), (false, "talker")] {
        let mut world = World::new();
        world.join(phone("noisy", 1, 410.0)).unwrap();
        world.phone("noisy").speech = speech;
        world.run(SECOND * 2);
        world.join(phone("talker", 2, 620.0)).unwrap();
        world.run(SECOND * 3);
        let last = world.events.iter().rev().find_map(|event| match event {
            Event::ActiveSpeaker { leg } => Some(leg.clone()),
            _ => None,
        });
        assert_eq!(last.as_deref(), Some(active));
        world.phones.values_mut().for_each(Phone::listen_anew);
        world.run(SECOND);
        assert!(world.phone("talker").hears(410.0) > 700.0, "it is mixed all the same");
    }
}
