//! Labels (RFC 4574): what is what on the lines we send, and lines that ask for one member's picture.

use std::time::Duration;

use media_codec::AudioCodec::Pcmu;
use media_mixer::Event;
use mixer_control::{LineDirection, MixerError, SourceLine};
use sdp::SessionDescription;

use crate::phone::{CAMERA, Phone, TILE, VideoOffer};
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

fn phone(n: u8, tiles: usize) -> Phone {
    Phone::new(&format!("p{n}"), n, Pcmu, 200.0 + 210.0 * f64::from(n)).with_video(tiles)
}

/// What the focus was told last about a member.
fn sources(world: &World, who: &str) -> Vec<SourceLine> {
    let told = world.events.iter().rev().find_map(|event| match event {
        Event::Sources { leg, lines } if leg == who => Some(lines.clone()),
        _ => None,
    });
    told.expect("sources")
}

fn label_of(world: &World, who: &str) -> String {
    sources(world, who)[1].label.clone()
}

/// `p` asks for the picture of that label on its video line `line`, from the next offer on.
fn ask(phone: &mut Phone, line: usize, label: &str) {
    phone.more.insert(line, format!("a=content:thumbnail\r\na=label:{label}\r\n"));
}

fn seen(world: &mut World, who: &str, line: usize) -> Vec<String> {
    let pictures = world.phone(who).pictures(line).into_iter();
    let mut names: Vec<String> = pictures.map(|(name, _, _)| name).collect();
    names.dedup();
    names
}

#[test]
fn the_focus_is_told_the_sources_of_a_leg_at_once_and_when_they_are_known() {
    let mut world = World::new();
    world.join(phone(1, 1)).unwrap();
    world.phone("p1").camera_on = false;
    world.phone("p1").mute = true;
    world.run(SECOND);
    let line = |index, medium: &str, ssrc, direction, label: &str| SourceLine {
        index,
        medium: medium.to_owned(),
        ssrc,
        direction,
        label: label.to_owned(),
    };
    let expected = |audio, video| {
        vec![
            line(0, "audio", audio, LineDirection::SendRecv, "a1-0"),
            line(1, "video", video, LineDirection::SendRecv, "v1-1"),
            line(2, "video", None, LineDirection::RecvOnly, "v1-2"),
        ]
    };
    let told = |world: &World| {
        world.events.iter().filter(|event| matches!(event, Event::Sources { .. })).count()
    };
    assert_eq!(sources(&world, "p1"), expected(None, None));
    world.phone("p1").camera_on = true;
    world.phone("p1").mute = false;
    world.run(SECOND);
    let ssrcs = [world.phones["p1"].ssrc.0, world.phones["p1"].video_ssrc.0].map(Some);
    assert_eq!(sources(&world, "p1"), expected(ssrcs[0], ssrcs[1]));
    let before = told(&world);
    assert!(before <= 3, "{before}");
    world.run(SECOND);
    assert_eq!(told(&world), before, "no news, no event");
    world.phone("p1").ssrc.0 += 1000;
    world.phone("p1").restart_stream();
    world.run(SECOND);
    assert_eq!(sources(&world, "p1")[0].ssrc, Some(world.phones["p1"].ssrc.0));
    world.phone("p1").audio_direction = "recvonly";
    world.reoffer("p1").unwrap();
    world.run(SECOND);
    assert_eq!(sources(&world, "p1")[0].direction, LineDirection::RecvOnly);
    assert_eq!(sources(&world, "p1")[0].label, "a1-0", "the label stays");
}

/// The roster's src-id is what is seen as CSRC, also where two members have the same SSRC.
#[test]
fn the_sources_told_are_the_csrcs_others_see() {
    let mut world = World::new();
    world.join(phone(1, 1)).unwrap();
    for n in [2, 3] {
        let mut twin = phone(n, 1);
        twin.ssrc.0 = 0x0a0a_0a0a;
        twin.restart_stream();
        world.join(twin).unwrap();
    }
    world.run(SECOND * 3);
    let told: Vec<u32> =
        ["p2", "p3"].iter().flat_map(|who| sources(&world, who)).filter_map(|l| l.ssrc).collect();
    assert_eq!(told.len(), 4);
    let seen = &world.phones["p1"].csrcs;
    assert!(told.iter().all(|ssrc| seen.contains(ssrc)), "{told:?} {seen:?}");
}

#[test]
fn every_line_we_send_has_a_label_of_its_own() {
    let mut world = World::new();
    let mut phone = phone(1, 2);
    phone.video.push(VideoOffer { direction: "sendonly", ..CAMERA });
    world.join(phone).unwrap();
    let labels = |sdp: &str| -> Vec<String> {
        let parsed = SessionDescription::parse(sdp).unwrap();
        let label = |media: &sdp::MediaDescription| {
            media.attributes.get("label").unwrap_or("none").to_owned()
        };
        parsed.media.iter().map(label).collect()
    };
    let answer = world.phones["p1"].answer.clone();
    assert_eq!(labels(&answer), ["1", "2", "tile2", "tile3", "none"]);
    assert_eq!(labels(&world.reoffer("p1").unwrap()), labels(&answer), "they stay");
    let plan = world.conference.plan_offer("p1").unwrap();
    let granted = world.grant(&plan);
    let now = world.now;
    let offer = world.conference.renegotiate(now, plan, &granted).unwrap();
    assert_eq!(labels(&offer)[..4], ["1", "2", "tile2", "tile3"]);
}

#[test]
fn a_line_with_a_members_label_shows_that_member_only_and_others_none_of_it() {
    let mut world = World::new();
    for n in 1..=4 {
        world.join(phone(n, 0)).unwrap();
    }
    world.run(SECOND);
    let main = seen(&mut world, "p1", 1);
    let [two, four] = ["p2", "p4"].map(|who| label_of(&world, who));
    let phone = world.phone("p1");
    phone.video.extend([TILE, TILE, TILE]);
    ask(phone, 1, &four);
    ask(phone, 2, &two);
    let answer = SessionDescription::parse(&world.reoffer("p1").unwrap()).unwrap();
    for (index, label) in [(2, &four), (3, &two)] {
        let media = &answer.media[index];
        assert_eq!(media.attributes.get("label"), Some(label.as_str()));
        assert_eq!(media.attributes.get("content"), Some("thumbnail"));
        assert!(media.attributes.has("sendonly"));
    }
    world.phone("p1").listen_anew();
    world.run(SECOND * 2);
    assert_eq!(seen(&mut world, "p1", 2), ["p4"]);
    assert_eq!(seen(&mut world, "p1", 3), ["p2"]);
    assert_eq!(seen(&mut world, "p1", 1), main[main.len() - 1..], "the first is as it was");
    assert_eq!(seen(&mut world, "p1", 4).len(), 1, "a tile without a label shows another");
    assert!(world.phone("p1").pictures(2)[0].2, "a key frame was asked for");
    world.leave("p4");
    world.phone("p1").listen_anew();
    world.run(SECOND);
    assert_eq!(seen(&mut world, "p1", 2), [""; 0], "nobody else is shown there");
    // The line is used for another member.
    let three = label_of(&world, "p3");
    ask(world.phone("p1"), 1, &three);
    world.reoffer("p1").unwrap();
    world.phone("p1").listen_anew();
    world.run(SECOND);
    assert_eq!(seen(&mut world, "p1", 2), ["p3"]);
}

#[test]
fn a_label_of_nobody_is_refused_by_port_0() {
    let mut world = World::new();
    world.join(phone(1, 0)).unwrap();
    world.join(phone(2, 0)).unwrap();
    world.join_at(phone(3, 0), true).unwrap();
    world.run(SECOND);
    let own = label_of(&world, "p1");
    let in_lobby = label_of(&world, "p3");
    let voice = sources(&world, "p2")[0].label.clone();
    // What we call our own lines asks for nobody: a client repeats it that answers an offer of ours.
    let refused = ["v99-1", "nonsense", &own, &in_lobby, &voice].map(|label| (label, false));
    for (label, taken) in refused.into_iter().chain([("2", true), ("tile2", true)]) {
        let mut phone = phone(1, 1);
        ask(&mut phone, 1, label);
        let text = world.reoffer_text("p1", &phone.offer()).unwrap();
        let answer = SessionDescription::parse(&text).unwrap();
        let ports: Vec<bool> = answer.media.iter().map(|media| media.port != 0).collect();
        assert_eq!(ports, [true, true, taken], "{label}");
    }
    // Who waits in the lobby is shown nobody, whatever it has heard of.
    let two = label_of(&world, "p2");
    let mut waiting = phone(3, 1);
    ask(&mut waiting, 1, &two);
    let text = world.reoffer_text("p3", &waiting.offer()).unwrap();
    assert_eq!(SessionDescription::parse(&text).unwrap().media[2].port, 0);
    // A camera may be called anything.
    let mut named = phone(1, 0);
    named.more.insert(0, "a=label:my-camera\r\n".to_owned());
    let text = world.reoffer_text("p1", &named.offer()).unwrap();
    assert!(text.contains("a=label:my-camera"), "{text}");
    assert_ne!(SessionDescription::parse(&text).unwrap().media[1].port, 0);
}

#[test]
fn an_offer_of_nothing_but_unknown_labels_leads_to_nothing() {
    let world = World::new();
    let offer = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n\
        m=video 4000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=recvonly\r\na=label:v1-1\r\n";
    let refused = world.conference.plan_join("p9", Some(offer), None);
    assert!(matches!(refused, Err(MixerError::NoCommonMedia(why)) if why.starts_with("304 ")));
}

/// Linphone sends its camera twice when it can: large where the speaker is shown, small for the tiles of others.
#[test]
fn a_thumbnail_is_not_a_second_member() {
    let mut world = World::new();
    let mut twice = phone(1, 0);
    twice.video.push(VideoOffer { direction: "sendonly", ..CAMERA });
    twice.more.insert(1, "a=content:thumbnail\r\n".to_owned());
    world.join(twice).unwrap();
    world.join(phone(2, 2)).unwrap();
    for _ in 0..100 {
        // The same frames on its second line, as another stream.
        let (to, from) = (world.phones["p1"].lines[2], world.phones["p1"].line_address(2));
        for bytes in world.phone("p1").thumbnail() {
            world.send(to, from, &bytes);
        }
        world.tick();
    }
    assert_eq!(seen(&mut world, "p2", 1), ["p1"]);
    assert_eq!(seen(&mut world, "p2", 2), [""; 0], "not shown twice");
    let thumbnail = sources(&world, "p1")[2].label.clone();
    ask(world.phone("p2"), 1, &thumbnail);
    world.reoffer("p2").unwrap();
    for _ in 0..100 {
        let (to, from) = (world.phones["p1"].lines[2], world.phones["p1"].line_address(2));
        for bytes in world.phone("p1").thumbnail() {
            world.send(to, from, &bytes);
        }
        world.tick();
    }
    let csrcs = |world: &World, line: usize| -> Vec<u32> {
        let phone = &world.phones["p2"];
        let mut csrcs: Vec<u32> = phone
            .video_packets(line)
            .iter()
            .flat_map(|got| got.packet.csrcs())
            .map(|c| c.0)
            .collect();
        csrcs.dedup();
        csrcs
    };
    let told = sources(&world, "p1");
    assert_eq!(csrcs(&world, 2), [told[2].ssrc.unwrap()], "but to who asks for it");
    assert_eq!(csrcs(&world, 1), [told[1].ssrc.unwrap()]);
}
