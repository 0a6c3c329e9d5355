//! Muted by the focus, and apart from the others in the lobby.

use std::time::Duration;

use media_codec::AudioCodec::{self, G722, Opus, Pcmu};
use media_mixer::Event;
use mixer_control::MixerError;

use crate::phone::Phone;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

fn tone(n: u8) -> f64 {
    200.0 + 210.0 * f64::from(n)
}

fn phone(n: u8, codec: AudioCodec) -> Phone {
    let mut phone = Phone::new(&format!("p{n}"), n, codec, tone(n)).with_video(2);
    phone.levels = true;
    phone
}

fn meeting(codecs: [AudioCodec; 3]) -> World {
    let mut world = World::new();
    for (n, codec) in (1..).zip(codecs) {
        world.join(phone(n, codec)).unwrap();
    }
    world
}

fn control(world: &mut World, leg: &str, muted: bool, lobby: bool) {
    let now = world.now;
    world.conference.control(now, leg, muted, lobby).unwrap();
    world.deliver();
}

fn listen(world: &mut World) {
    world.run(Duration::from_millis(500));
    world.phones.values_mut().for_each(Phone::listen_anew);
    world.run(SECOND);
}

fn hears(world: &mut World, who: &str, speaker: u8) -> bool {
    let level = world.phone(who).hears(tone(speaker));
    assert!(!(60.0..600.0).contains(&level), "{who} hears {speaker} at {level}");
    level > 100.0
}

fn is_seen(world: &mut World, who: &str, by: &str) -> bool {
    (1..=3).any(|line| world.phone(by).pictures(line).iter().any(|(name, _, _)| name == who))
}

/// The largest difference of two samples, beyond what the tones themselves have: a click.
fn largest_step(heard: &[i16]) -> i32 {
    heard.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}

#[test]
fn who_is_muted_is_heard_by_nobody_and_hears_on() {
    let mut world = meeting([Pcmu, Opus, G722]);
    listen(&mut world);
    assert!(hears(&mut world, "p1", 2) && hears(&mut world, "p3", 2));
    control(&mut world, "p2", true, false);
    listen(&mut world);
    assert!(!hears(&mut world, "p1", 2) && !hears(&mut world, "p3", 2));
    for (who, speaker) in [("p1", 3), ("p2", 1), ("p2", 3), ("p3", 1)] {
        assert!(hears(&mut world, who, speaker), "{who} hears {speaker} as before");
    }
    assert!(is_seen(&mut world, "p2", "p1"), "its picture goes on");
    control(&mut world, "p2", false, false);
    world.phones.values_mut().for_each(Phone::listen_anew);
    world.run(Duration::from_millis(200));
    assert!(hears(&mut world, "p1", 2), "at once");
}

#[test]
fn muting_and_unmuting_does_not_click() {
    let mut world = meeting([Pcmu, Pcmu, Pcmu]);
    world.phone("p1").tone = 0.0;
    world.phone("p3").tone = 0.0;
    world.run(SECOND);
    world.phone("p1").listen_anew();
    world.run(SECOND);
    let ordinary = largest_step(&world.phone("p1").heard.clone());
    world.phone("p1").listen_anew();
    for n in 0..20 {
        control(&mut world, "p2", n % 2 == 0, false);
        world.run(Duration::from_millis(130));
    }
    let with_mutes = largest_step(&world.phone("p1").heard.clone());
    assert!(with_mutes <= ordinary * 5 / 4, "{with_mutes} after {ordinary}");
}

/// Linphone takes 127 for muted and every other level for not muted, and wants one at least every 250 ms.
#[test]
fn level_127_is_for_the_muted_only() {
    let mut world = meeting([Pcmu, Pcmu, Pcmu]);
    world.phone("p3").tone = 0.0;
    world.run(SECOND * 2);
    control(&mut world, "p2", true, false);
    listen(&mut world);
    let ssrcs = ["p2", "p3"].map(|name| world.phones[name].ssrc);
    let own = world.phones["p1"].ssrc;
    let mut told = [Vec::new(), Vec::new()];
    for got in world.phones["p1"].got.iter().filter(|got| got.line == world.phones["p1"].lines[0]) {
        let levels: Vec<_> = got.packet.csrc_levels(4).collect();
        assert!(levels.iter().all(|(ssrc, _)| *ssrc != own), "nobody is told about themselves");
        for (ssrc, told) in ssrcs.iter().zip(&mut told) {
            told.extend(
                levels.iter().filter(|(other, _)| other == ssrc).map(|(_, l)| (got.at, *l)),
            );
        }
    }
    for (told, muted) in told.iter().zip([true, false]) {
        assert!(told.len() >= 4, "{told:?}");
        assert!(told.iter().all(|(_, level)| (*level == 127) == muted), "{told:?}");
        let gaps = told.windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(gaps.max().unwrap() <= Duration::from_millis(250));
    }
}

#[test]
fn who_is_muted_is_never_the_active_speaker() {
    let mut world = meeting([Pcmu, Pcmu, Pcmu]);
    for n in 2..=3 {
        world.phone(&format!("p{n}")).tone = 0.0;
    }
    world.run(SECOND * 2);
    let speaker = |world: &World| {
        world.events.iter().rev().find_map(|event| match event {
            Event::ActiveSpeaker { leg } => Some(leg.clone()),
            _ => None,
        })
    };
    assert_eq!(speaker(&world).as_deref(), Some("p1"));
    control(&mut world, "p1", true, false);
    world.phone("p2").tone = tone(2);
    world.run(SECOND / 2);
    assert_eq!(speaker(&world).as_deref(), Some("p2"), "the floor is free at once");
    world.phone("p2").tone = 0.0;
    world.events.clear();
    world.run(SECOND * 5);
    assert_eq!(speaker(&world), None, "the muted one talks on, and does not get it");
}

#[test]
fn in_the_lobby_nobody_is_heard_or_seen_or_named_either_way() {
    let mut world = World::new();
    for (n, codec) in [(1, Pcmu), (2, Opus)] {
        world.join(phone(n, codec)).unwrap();
    }
    for (n, codec) in [(3, Opus), (4, G722)] {
        world.join_at(phone(n, codec), true).unwrap();
    }
    world.run(SECOND * 6);
    let insiders = [world.phones["p1"].ssrc.0, world.phones["p2"].ssrc.0];
    for who in ["p3", "p4"] {
        let phone = world.phone(who);
        assert!(phone.got.len() > 250, "it gets sound, for its firewall");
        let loudest = phone.heard.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(loudest < Some(40), "but silence: {loudest:?}");
        assert!(phone.csrcs.is_empty(), "{:?}", phone.csrcs);
        assert!((1..=3).all(|line| phone.video_packets(line).is_empty()));
        let reports = format!("{:?}", phone.reports);
        assert!(!reports.contains("P1") && !reports.contains("P2"), "{reports}");
        let video = world.phones[who].video_ssrc;
        for insider in ["p1", "p2"] {
            assert!(!is_seen(&mut world, who, insider));
            let phone = &world.phones[insider];
            assert!(phone.csrcs.iter().all(|csrc| insiders.contains(csrc) || *csrc != video.0));
            assert!(!phone.csrcs.contains(&world.phones[who].ssrc.0));
            assert!(!format!("{:?}", phone.reports).contains(&who.to_uppercase()));
        }
    }
    for (who, others) in [("p1", [2, 3, 4]), ("p2", [1, 3, 4])] {
        let heard = others.map(|n| hears(&mut world, who, n));
        assert_eq!(heard, [true, false, false], "{who}");
    }
    let in_lobby =
        |event: &Event| matches!(event, Event::ActiveSpeaker { leg } if leg == "p3" || leg == "p4");
    assert!(!world.events.iter().any(in_lobby));
}

#[test]
fn who_is_let_in_is_there_at_once_for_everybody() {
    let mut world = World::new();
    world.join(phone(1, Pcmu)).unwrap();
    world.join_at(phone(2, Opus), true).unwrap();
    world.run(SECOND * 2);
    let asked = |world: &World, who: &str| world.phones[who].key_requests.len();
    let before = [asked(&world, "p1"), asked(&world, "p2")];
    world.phones.values_mut().for_each(Phone::listen_anew);
    control(&mut world, "p2", false, false);
    world.run(Duration::from_millis(600));
    assert!(asked(&world, "p1") > before[0] && asked(&world, "p2") > before[1], "key frames");
    for (who, other) in [("p1", "p2"), ("p2", "p1")] {
        assert!(is_seen(&mut world, other, who), "{who} sees {other}");
        assert!(world.phone(who).pictures(1)[0].2, "from a key frame on");
    }
    assert!(hears(&mut world, "p1", 2) && hears(&mut world, "p2", 1));
    world.run(SECOND * 5);
    assert!(format!("{:?}", world.phones["p1"].reports).contains("P2"), "its name is told now");
}

#[test]
fn who_is_sent_back_to_the_lobby_is_gone_for_the_others() {
    let mut world = meeting([Pcmu, Opus, Pcmu]);
    world.run(SECOND * 3);
    control(&mut world, "p2", false, true);
    listen(&mut world);
    for who in ["p1", "p3"] {
        assert!(!hears(&mut world, who, 2) && !is_seen(&mut world, "p2", who));
        let gone = world.phones["p2"].ssrc.0;
        assert!(!world.phones[who].csrcs.contains(&gone));
        let bye = "Bye";
        assert!(
            world.phones[who].reports.iter().any(|(_, rtcp)| format!("{rtcp:?}").starts_with(bye))
        );
    }
    assert!(!hears(&mut world, "p2", 1) && !is_seen(&mut world, "p1", "p2"));
    control(&mut world, "p2", false, false);
    listen(&mut world);
    assert!(hears(&mut world, "p1", 2) && hears(&mut world, "p2", 1));
    assert!(is_seen(&mut world, "p2", "p1") && is_seen(&mut world, "p1", "p2"));
}

#[test]
fn the_same_state_again_changes_nothing_and_an_unknown_leg_is_an_error() {
    let mut world = meeting([Pcmu, Pcmu, Pcmu]);
    world.run(SECOND);
    control(&mut world, "p2", true, false);
    world.run(SECOND);
    let requests = world.phones["p1"].key_requests.len();
    world.events.clear();
    for _ in 0..50 {
        control(&mut world, "p2", true, false);
        world.tick();
    }
    assert_eq!(world.phones["p1"].key_requests.len(), requests);
    assert!(world.events.is_empty(), "{:?}", world.events);
    let now = world.now;
    let unknown = world.conference.control(now, "nobody", true, true);
    assert_eq!(unknown, Err(MixerError::NotFound));
}

#[test]
fn muted_before_the_first_packet_and_through_a_new_offer() {
    let mut world = meeting([Pcmu, Pcmu, Pcmu]);
    control(&mut world, "p1", true, false);
    listen(&mut world);
    assert!(!hears(&mut world, "p2", 1));
    world.phone("p1").ptime = 40;
    world.reoffer("p1").unwrap();
    listen(&mut world);
    assert!(!hears(&mut world, "p2", 1), "a new offer does not unmute");
}

#[test]
fn a_parked_leg_is_sent_nothing_and_goes_on_where_it_was() {
    let mut world = meeting([Pcmu, Opus, G722]);
    listen(&mut world);
    world.conference.park(world.now, "p1", true).unwrap();
    world.run(Duration::from_millis(100));
    let sent = |world: &World| {
        let stats = world.conference.stats();
        let lines = stats.legs.iter().filter(|leg| leg.name == "p1").flat_map(|leg| &leg.lines);
        lines.map(|line| line.counters.packets_out).sum::<u64>()
    };
    let before = sent(&world);
    listen(&mut world);
    assert_eq!(sent(&world), before);
    assert!(hears(&mut world, "p2", 1), "it is heard all the same");
    assert!(!hears(&mut world, "p1", 2));
    world.conference.park(world.now, "p1", false).unwrap();
    listen(&mut world);
    assert!(hears(&mut world, "p1", 2) && hears(&mut world, "p1", 3));
    assert_eq!(world.conference.park(world.now, "nobody", true), Err(MixerError::NotFound));
}

#[test]
fn a_leg_that_was_parked_when_a_camera_came_sees_it_afterwards() {
    let mut world = World::new();
    let mut watcher = Phone::new("p1", 1, Pcmu, 0.0).with_video(0);
    watcher.camera_on = false;
    world.join(watcher).unwrap();
    world.conference.park(world.now, "p1", true).unwrap();
    world.join(Phone::new("p2", 2, Pcmu, 0.0).with_video(0)).unwrap();
    world.run(Duration::from_millis(500));
    assert!(world.phone("p1").got.is_empty());
    world.conference.park(world.now, "p1", false).unwrap();
    world.run(SECOND);
    let port = world.phone("p1").lines[1];
    let pictures = world.phone("p1").got.iter().filter(|got| got.line == port).count();
    assert!(pictures > 20, "{pictures}");
}
