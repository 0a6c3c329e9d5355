//! Joining, changing and leaving: ports, gates, refusals.

use std::time::Duration;

use bytes::Bytes;
use media_codec::AudioCodec::{Opus, Pcma, Pcmu};
use media_mixer::{Event, Family, NewLeg, PortNeed};
use mixer_control::MixerError;
use sdp::SessionDescription;

use crate::phone::Phone;
use crate::world::{World, settings};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_answer_has_one_codec_and_our_ports() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Opus, 400.0).with_video(2)).unwrap();
    let answer = SessionDescription::parse(&world.phone("a").answer).unwrap();
    assert_eq!(answer.media.len(), 4);
    assert_eq!(answer.media[0].formats, ["111", "101"], "{answer}");
    assert_eq!(answer.media[1].formats, ["96"]);
    let ports: Vec<u16> = answer.media.iter().map(|media| media.port).collect();
    assert_eq!(ports, [30_000, 30_002, 30_004, 30_006]);
    assert!(answer.to_string().contains("192.0.2.1"));
}

#[test]
fn leaving_leaves_nothing_behind() {
    let mut world = World::new();
    for round in 0..3 {
        for n in 0..4u8 {
            let mut phone = Phone::new(&format!("p{n}"), n + 1, Pcmu, 400.0).with_video(2);
            phone.mux = n % 2 == 0;
            world.join(phone).unwrap();
        }
        let per_muxed = 4;
        assert_eq!(world.open.len(), 2 * per_muxed + 2 * 2 * per_muxed, "round {round}");
        world.run(SECOND);
        for n in 0..4 {
            world.leave(&format!("p{n}"));
        }
        assert!(world.open.is_empty(), "open ports: {:?}", world.open);
        assert!(world.conference.is_empty());
        assert_eq!(world.conference.stats().legs, []);
        world.phones.clear();
    }
}

#[test]
fn the_end_is_everybodys() {
    let mut world = World::new();
    for n in 1..4u8 {
        world.join(Phone::new(&format!("p{n}"), n, Pcmu, 400.0)).unwrap();
    }
    // Whom we never sent anything gets no BYE (RFC 3550 §6.3.7).
    world.run(SECOND);
    world.conference.end(world.now);
    world.deliver();
    assert!(world.conference.is_empty() && world.open.is_empty());
    for phone in world.phones.values() {
        let byes = phone
            .reports
            .iter()
            .filter(|(_, packet)| matches!(packet, rtp_session::rtcp::Rtcp::Bye(_)));
        assert_eq!(byes.count(), 1, "{}", phone.name);
    }
}

#[test]
fn refusals_say_what_is_wrong_and_change_nothing() {
    let mut tight = settings();
    tight.max_legs = 1;
    let mut world = World::with(tight);
    let plan =
        |world: &World, sdp: &str| world.conference.plan_join("a", Some(sdp), None).map(drop);
    assert!(matches!(plan(&world, "hello"), Err(MixerError::Invalid(_))));
    let head = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n";
    let g729 = format!("{head}m=audio 4000 RTP/AVP 18\r\n");
    let Err(MixerError::NoCommonMedia(why)) = plan(&world, &g729) else { panic!("G.729 accepted") };
    assert!(why.starts_with("305 "), "{why}");
    let secure = format!("{head}m=audio 4000 RTP/SAVP 0\r\n");
    assert!(matches!(plan(&world, &secure), Err(MixerError::NoCommonMedia(_))));
    world.join(Phone::new("a", 1, Pcmu, 400.0)).unwrap();
    let offer = Phone::new("b", 2, Pcmu, 400.0).offer();
    let full = world.conference.plan_join("b", Some(&offer), None);
    assert!(matches!(full, Err(MixerError::Exhausted(_))));
    let twice = world.conference.plan_join("a", Some(&offer), None);
    assert!(matches!(twice, Err(MixerError::Invalid(_))));
    assert!(matches!(world.conference.plan_reoffer("x", &offer), Err(MixerError::NotFound)));
    assert!(!world.conference.leave(world.now, "x"));
    assert_eq!(world.conference.len(), 1);
}

#[test]
fn a_refused_reoffer_leaves_the_leg_as_it_was() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0)).unwrap();
    let ports = world.open.clone();
    let offer = world.phone("a").offer().replace("RTP/AVP 0 101", "RTP/AVP 18");
    assert!(matches!(world.reoffer_text("a", &offer), Err(MixerError::NoCommonMedia(_))));
    assert!(matches!(world.reoffer_text("a", "v=1"), Err(MixerError::Invalid(_))));
    assert_eq!(world.open, ports);
    world.run(SECOND);
    assert!(world.phone("b").hears(400.0) > 750.0);
    assert!(world.phone("a").hears(610.0) > 750.0);
}

#[test]
fn a_codec_can_change_in_the_middle() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0)).unwrap();
    world.run(SECOND);
    let old = world.phones.remove("a").unwrap();
    let mut new = Phone::new("a", 1, Pcma, 400.0);
    let answer = world.reoffer_text("a", &new.offer()).unwrap();
    new.take_answer(&answer);
    assert_eq!(new.lines, old.lines, "the port stays");
    world.phones.insert("a".to_owned(), new);
    world.run(SECOND);
    world.phones.values_mut().for_each(Phone::listen_anew);
    world.run(SECOND);
    assert!(world.phone("a").hears(610.0) > 750.0);
    assert!(world.phone("b").hears(400.0) > 750.0);
    let before = old.got.last().unwrap().packet.seq();
    let after = world.phone("a").got[0].packet.seq();
    assert_eq!(after.distance_from(before), 51, "one unbroken stream");
}

#[test]
fn video_is_added_dropped_and_added_again() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0).with_video(0)).unwrap();
    assert_eq!(world.open.len(), 3);
    world.phone("a").video = vec![crate::phone::CAMERA];
    world.reoffer("a").unwrap();
    assert_eq!(world.open.len(), 4);
    world.run(SECOND);
    assert!(world.phone("b").pictures(1).len() > 20);
    world.phone("a").video[0].direction = "off";
    let answer = world.reoffer("a").unwrap();
    assert!(answer.contains("m=video 0 "), "{answer}");
    assert_eq!(world.open.len(), 3);
    world.phone("b").listen_anew();
    world.run(SECOND);
    assert_eq!(world.phone("b").pictures(1).len(), 0);
    world.phone("a").video[0].direction = "sendrecv";
    world.phone("a").want_key = true;
    world.reoffer("a").unwrap();
    world.run(SECOND);
    assert!(world.phone("b").pictures(1).len() > 15);
    assert!(world.phone("a").pictures(1).len() > 15);
}

#[test]
fn a_member_may_move_to_another_port_by_a_new_offer() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0)).unwrap();
    world.run(SECOND);
    world.phone("a").address.set_port(6000);
    world.tick();
    let before = world.conference.stats().legs[0].lines[0].counters;
    assert!(before.refused > 0, "without an offer nobody else is let in");
    world.reoffer("a").unwrap();
    world.phone("a").listen_anew();
    world.phone("b").listen_anew();
    world.run(SECOND);
    assert!(world.phone("a").hears(610.0) > 750.0);
    assert!(world.phone("b").hears(400.0) > 750.0);
}

#[test]
fn strangers_are_refused_and_counted() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0)).unwrap();
    let mut stranger = Phone::new("s", 99, Pcmu, 1500.0);
    stranger.lines = world.phone("a").lines.clone();
    for _ in 0..50 {
        for (to, from, bytes) in stranger.speak(world.now) {
            world.send(to, from, &bytes);
        }
        world.tick();
    }
    assert!(world.phone("b").hears(1500.0) < 10.0);
    assert!(world.astray.is_empty(), "and nothing is sent to them");
    assert_eq!(world.conference.stats().legs[0].lines[0].counters.refused, 50);
    // What is neither RTP nor RTCP is counted when it is the member's, and else refused like the rest.
    let line = world.phone("a").lines[0];
    for junk in [&b"hello"[..], &[0x80; 5], &[0xff; 200], &[0x80, 0]] {
        world.send(line, world.phones["a"].line_address(0), &Bytes::copy_from_slice(junk));
        world.send(line, "203.0.113.5:9".parse().unwrap(), &Bytes::copy_from_slice(junk));
    }
    let counters = world.conference.stats().legs[0].lines[0].counters;
    assert_eq!((counters.invalid, counters.refused), (4, 54));
}

/// Behind one NAT address there may be many; whoever sends first would have the line for good.
#[test]
fn only_media_that_was_agreed_on_takes_a_line() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0)).unwrap();
    let line = world.phones["a"].lines[0];
    let neighbour = "10.0.0.1:7777".parse().unwrap();
    let mut opus = vec![0x80, 111];
    opus.extend([0; 30]);
    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    stun.extend([7; 12]);
    for stray in [opus, stun, vec![], vec![0x81, 200, 0, 1, 9, 9, 9, 9], vec![0x80; 11]] {
        world.send(line, neighbour, &Bytes::from(stray));
    }
    world.run(SECOND);
    assert!(world.phone("a").hears(610.0) > 750.0, "and it is not sent to the neighbour");
    assert!(world.phone("b").hears(400.0) > 750.0);
    assert!(world.astray.is_empty());
}

#[test]
fn an_offer_that_repeats_the_old_address_lets_nobody_else_in() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0)).unwrap();
    world.run(SECOND / 5);
    world.reoffer("a").unwrap();
    // Somebody else of the same host is faster than the member's next packet.
    let mut thief = Phone::new("t", 1, Pcmu, 1500.0);
    thief.address.set_port(9000);
    thief.lines = world.phones["a"].lines.clone();
    for (to, from, bytes) in thief.speak(world.now) {
        world.send(to, from, &bytes);
    }
    world.run(SECOND);
    assert!(world.astray.is_empty());
    assert!(world.phone("a").hears(610.0) > 750.0);
    assert!(world.phone("b").hears(400.0) > 750.0);
}

/// An offer of ours with a line more that never got to the member; or a client that forgets lines (RFC 3264 §8).
#[test]
fn lines_missing_in_an_offer_are_off() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0).with_video(1)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0).with_video(1)).unwrap();
    assert_eq!(world.open.len(), 6);
    let whole = world.phones["a"].offer();
    let voice_only = whole.split("m=video").next().unwrap();
    let answer = world.reoffer_text("a", voice_only).unwrap();
    assert_eq!(SessionDescription::parse(&answer).unwrap().media.len(), 1);
    assert_eq!(world.open.len(), 4, "their ports are given back");
    world.run(SECOND);
    assert!(world.phone("b").hears(400.0) > 750.0);
    assert!(world.phone("b").pictures(1).is_empty());
    let answer = world.reoffer_text("a", &whole).unwrap();
    world.phone("a").take_answer(&answer);
    world.run(SECOND);
    assert!(world.phone("b").pictures(1).len() > 15, "and they can come back");
    world.leave("a");
    world.leave("b");
    assert!(world.open.is_empty());
}

#[test]
fn rtcp_has_its_own_port_unless_multiplexed() {
    let mut world = World::new();
    let mut phone = Phone::new("a", 1, Pcmu, 400.0);
    phone.mux = false;
    let plan = world.conference.plan_join("a", Some(&phone.offer()), None).unwrap();
    assert_eq!(
        plan.needs().collect::<Vec<_>>(),
        [PortNeed::Pair { family: Family::V4, video: false, rtcp: true }]
    );
    world.join(phone).unwrap();
    assert_eq!(world.open.values().copied().collect::<Vec<_>>(), [30_000, 30_001]);
    assert!(!world.phone("a").answer.contains("rtcp-mux"));
    world.run(SECOND * 8);
    let from: std::collections::BTreeSet<u16> =
        world.phone("a").reports.iter().map(|(line, _)| *line).collect();
    assert_eq!(from, [30_001].into(), "RTCP comes from the odd port");
    // A later offer takes multiplexing up, and the port is given back; then it is given up again.
    world.phone("a").mux = true;
    world.reoffer("a").unwrap();
    assert_eq!(world.open.len(), 1);
    world.phone("a").mux = false;
    world.reoffer("a").unwrap();
    assert_eq!(world.open.values().copied().collect::<Vec<_>>(), [30_000, 30_001]);
}

fn late_join(world: &mut World, name: &str) -> String {
    let plan = world.conference.plan_join(name, None, None).unwrap();
    let granted = world.grant(&plan);
    let new = NewLeg::default();
    world.conference.join(world.now, new, plan, &granted).unwrap()
}

#[test]
fn a_late_offer_is_ours_and_takes_effect_with_the_answer() {
    let mut world = World::new();
    world.join(Phone::new("b", 2, Pcmu, 610.0)).unwrap();
    let offer = late_join(&mut world, "a");
    let parsed = SessionDescription::parse(&offer).unwrap();
    assert_eq!(parsed.media.len(), 2);
    assert_eq!(world.open.len(), 5);
    world.run(SECOND);
    // Answered with one line only, in RTP/AVP, as simple phones do.
    let mut phone = Phone::new("a", 1, Pcmu, 400.0);
    world.conference.accept(world.now, "a", &phone.offer()).unwrap();
    phone.lines = vec![parsed.media[0].port];
    world.phones.insert("a".to_owned(), phone);
    world.deliver();
    assert_eq!(
        world.open.len(),
        2,
        "refused lines and unused RTCP ports are closed: {:?}",
        world.open
    );
    world.run(SECOND);
    world.phones.values_mut().for_each(Phone::listen_anew);
    world.run(SECOND);
    assert!(world.phone("a").hears(610.0) > 750.0);
    assert!(world.phone("b").hears(400.0) > 750.0);
    let again = world.conference.accept(world.now, "a", &world.phones["a"].offer());
    assert!(matches!(again, Err(MixerError::Invalid(_))), "an offer is answered once");
    world.leave("a");
    world.leave("b");
    assert!(world.open.is_empty());
}

#[test]
fn a_late_offer_never_answered_leaves_nothing() {
    let mut world = World::new();
    late_join(&mut world, "a");
    world.run(SECOND);
    world.leave("a");
    assert!(world.open.is_empty(), "{:?}", world.open);
}

#[test]
fn an_offer_of_ours_in_the_middle_keeps_ports_and_sound() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Opus, 400.0).with_video(1)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0)).unwrap();
    world.run(SECOND);
    let ports = world.open.clone();
    for round in 0..3 {
        let plan = world.conference.plan_offer("a").unwrap();
        let granted = world.grant(&plan);
        let offer = world.conference.renegotiate(world.now, plan, &granted).unwrap();
        world.deliver();
        let parsed = SessionDescription::parse(&offer).unwrap();
        assert_eq!(parsed.media.len(), 3);
        let lines: Vec<u16> = parsed.media.iter().map(|media| media.port).collect();
        assert_eq!(lines, world.phone("a").lines);
        if round == 1 {
            // The focus gives up on it: another offer replaces it.
            continue;
        }
        let answer = world.phone("a").offer();
        world.conference.accept(world.now, "a", &answer).unwrap();
        world.deliver();
        assert_eq!(world.open, ports);
    }
    world.phones.values_mut().for_each(Phone::listen_anew);
    world.run(SECOND);
    assert!(world.phone("a").hears(610.0) > 750.0);
    assert!(world.phone("b").hears(400.0) > 750.0);
}

fn silent(world: &World, who: &str) -> usize {
    let told = |event: &&Event| matches!(event, Event::LegSilent { leg } if leg == who);
    world.events.iter().filter(told).count()
}

/// RFC 6263 §4: an empty datagram, STUN, an unknown payload type, a wrong version of RTP.
#[test]
fn keep_alives_are_life_and_those_of_strangers_are_not() {
    let stun = [&[0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    let unknown = [&[0x80, 127, 0, 1][..], &[0; 8]].concat();
    for (keep_alive, from, times) in [
        (&[][..], "10.0.0.1:4000", 0),
        (&stun, "10.0.0.1:4000", 0),
        (&unknown, "10.0.0.1:4000", 0),
        (&[0; 12], "10.0.0.1:4000", 0),
        (&stun, "203.0.113.7:4000", 2),
    ] {
        let mut world = World::new();
        let mut quiet = Phone::new("a", 1, Pcmu, 400.0);
        quiet.mute = true;
        world.join(quiet).unwrap();
        let line = world.phones["a"].lines[0];
        for _ in 0..15 {
            world.send(line, from.parse().unwrap(), &Bytes::copy_from_slice(keep_alive));
            world.run(SECOND * 10);
        }
        assert_eq!(silent(&world, "a"), times, "{keep_alive:02x?} from {from}");
    }
}

#[test]
fn who_is_on_hold_owes_no_sign_of_life_and_who_comes_back_does() {
    for held in ["inactive", "recvonly"] {
        let mut world = World::new();
        let mut phone = Phone::new("a", 1, Pcmu, 400.0);
        phone.audio_direction = held;
        world.join(phone).unwrap();
        world.run(SECOND * 200);
        assert_eq!(silent(&world, "a"), 0, "{held}");
        world.phone("a").audio_direction = "sendrecv";
        world.phone("a").mute = true;
        world.reoffer("a").unwrap();
        world.run(SECOND * 59);
        assert_eq!(silent(&world, "a"), 0, "{held}: the time starts with the end of the hold");
        world.run(SECOND * 2);
        assert_eq!(silent(&world, "a"), 1, "{held}");
    }
}

#[test]
fn a_leg_without_rtp_and_rtcp_is_told_and_again_while_it_lasts() {
    let mut world = World::new();
    let mut quiet = Phone::new("a", 1, Pcmu, 400.0);
    quiet.mute = true;
    world.join(quiet).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0)).unwrap();
    world.run(SECOND * 59);
    assert_eq!(silent(&world, "a"), 0);
    world.run(SECOND * 2);
    assert_eq!(silent(&world, "a"), 1);
    world.run(SECOND * 88);
    assert_eq!(silent(&world, "a"), 2);
    // Muted is not dead: RTCP alone keeps it.
    let report = Bytes::from_static(&[0x80, 201, 0, 1, 10, 0, 0, 1]);
    for _ in 0..13 {
        let (line, from) = (world.phone("a").lines[0], world.phone("a").address);
        world.send(line, from, &report);
        world.run(SECOND * 10);
    }
    assert_eq!(silent(&world, "a"), 2);
    assert_eq!(
        world
            .events
            .iter()
            .filter(|event| matches!(event, Event::LegSilent { leg } if leg == "b"))
            .count(),
        0
    );
}

#[test]
fn noise_that_only_begins_like_rtcp_does_not_take_the_line() {
    let mut world = World::new();
    let mut late = Phone::new("a", 1, Pcmu, 400.0);
    late.mute = true;
    world.join(late).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0)).unwrap();
    let line = world.phone("a").lines[0];
    let own = world.phone("a").address;
    let other = std::net::SocketAddr::new(own.ip(), own.port() + 1000);
    world.send(line, other, &Bytes::from_static(&[0x80, 200]));
    world.run(SECOND);
    assert!(world.phone("a").hears(610.0) > 750.0, "the mix still goes where the description says");
}
