//! What the doctor says about a whole conference, and when it speaks without being asked.

use std::time::Duration;

use bytes::Bytes;
use media_codec::AudioCodec::Pcmu;
use media_mixer::Event;
use mixer_control::{Flow, LineHealth, MixerError};

use crate::phone::Phone;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

fn health(world: &World, who: &str) -> Vec<LineHealth> {
    world.conference.doctor(world.now, Some(who)).unwrap().remove(0).lines
}

fn alarms(world: &World) -> Vec<(&str, &[String])> {
    let told = world.events.iter().filter_map(|event| match event {
        Event::MediaMissing { leg, why } => Some((leg.as_str(), why.as_slice())),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_meeting_that_works_is_well() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0).with_video(1)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0).with_video(1)).unwrap();
    world.run(SECOND * 10);
    let all = world.conference.doctor(world.now, None).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].leg.as_str(), all[0].display_name.as_str()), ("a", "A"));
    for leg in &all {
        let flows: Vec<_> =
            leg.lines.iter().map(|line| (line.medium.as_str(), line.flow)).collect();
        assert_eq!(
            flows,
            [("audio", Flow::Flows), ("video", Flow::Flows), ("video", Flow::Held)],
            "{leg:?}"
        );
        assert!(leg.lines[..2].iter().all(|line| line.findings.is_empty()), "{leg:?}");
    }
    assert!(alarms(&world).is_empty());
    assert!(matches!(world.conference.doctor(world.now, Some("x")), Err(MixerError::NotFound)));
}

#[test]
fn media_from_elsewhere_is_named_and_told_once() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0)).unwrap();
    world.phone("a").mute = true;
    let mut elsewhere = Phone::new("s", 99, Pcmu, 1500.0);
    elsewhere.lines = world.phone("a").lines.clone();
    for _ in 0..500 {
        for (to, from, bytes) in elsewhere.speak(world.now) {
            world.send(to, from, &bytes);
        }
        world.tick();
    }
    let line = &health(&world, "a")[0];
    assert_eq!(line.flow, Flow::Broken);
    assert_eq!(line.findings[0], "SDP says 10.0.0.1:4000, nothing comes from there");
    assert!(
        line.findings[1].starts_with("500 packets from 10.0.0.99:4000 refused by the gate"),
        "{line:?}"
    );
    world.run(SECOND * 60);
    let alarms = alarms(&world);
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!(alarms[0].0, "a");
    assert!(alarms[0].1[1].contains("10.0.0.99:4000"), "{alarms:?}");
}

#[test]
fn a_wrong_payload_type_a_closed_port_and_a_hold_are_named() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0)).unwrap();
    let (line, from) = (world.phones["a"].lines[0], world.phones["a"].line_address(0));
    world.phone("a").mute = true;
    let mut g729 = vec![0x80, 18];
    g729.extend([0; 30]);
    for _ in 0..300 {
        world.send(line, from, &Bytes::copy_from_slice(&g729));
        world.tick();
    }
    let port = *world.open.iter().find(|(_, number)| **number == line).unwrap().0;
    let now = world.now;
    world.conference.handle_unreachable(now, port, from, 111);
    let findings = health(&world, "a")[0].findings.join("\n");
    assert!(
        findings
            .contains("packets come with payload type 18 but the answer allows 0 and 101 and 13"),
        "{findings}"
    );
    assert!(findings.contains("what we send to 10.0.0.1:4000 does not arrive"), "{findings}");
    world.phone("a").audio_direction = "inactive";
    world.reoffer("a").unwrap();
    let line = &health(&world, "a")[0];
    assert_eq!(line.findings[0], "audio is on hold by the peer (a=inactive)");
    assert_eq!(line.flow, Flow::Held);
}

#[test]
fn when_everybody_is_cut_off_the_log_is_not_flooded() {
    let mut world = World::new();
    for n in 1..=40 {
        let mut phone = Phone::new(&format!("p{n}"), n, Pcmu, 400.0);
        phone.mute = true;
        world.join(phone).unwrap();
    }
    world.run(SECOND * 6);
    let soon = alarms(&world).len();
    assert!((1..=6).contains(&soon), "{soon}");
    world.run(SECOND * 60);
    assert_eq!(alarms(&world).len(), 40, "all are told in the end, once");
}
