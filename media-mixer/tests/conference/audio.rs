//! Everybody hears everybody but themselves.

use std::time::Duration;

use media_codec::AudioCodec::{self, G722, Opus, Pcma, Pcmu};

use crate::phone::Phone;
use crate::world::{World, settings};

const SECOND: Duration = Duration::from_secs(1);

/// Present: at least 60 % of what was sent (a codec changes it a little, the more the more tones there are).
fn assert_hears(world: &mut World, who: &str, hertz: f64) {
    let level = world.phone(who).hears(hertz);
    assert!((600.0..1250.0).contains(&level), "{who} hears {hertz} Hz at {level}");
}

/// Absent: 30 dB below; the noise of a codec at 32 kbit/s with five tones at once is not much lower.
fn assert_deaf(world: &mut World, who: &str, hertz: f64) {
    let level = world.phone(who).hears(hertz);
    assert!(level < 30.0, "{who} hears {hertz} Hz at {level}");
}

fn listen(world: &mut World) {
    world.run(SECOND);
    world.phones.values_mut().for_each(Phone::listen_anew);
    world.run(SECOND);
}

fn meeting(codecs: &[(AudioCodec, u32)]) -> (World, Vec<(String, f64)>) {
    let mut world = World::new();
    let mut members = Vec::new();
    for (n, (codec, ptime)) in codecs.iter().enumerate() {
        let tone = 400.0 + 210.0 * n as f64;
        let name = format!("p{n}");
        let mut phone = Phone::new(&name, n as u8 + 1, *codec, tone);
        phone.ptime = *ptime;
        world.join(phone).unwrap();
        members.push((name, tone));
    }
    (world, members)
}

fn assert_n_minus_one(codecs: &[(AudioCodec, u32)]) {
    let (mut world, members) = meeting(codecs);
    listen(&mut world);
    for (listener, _) in &members {
        for (speaker, tone) in &members {
            if listener == speaker {
                assert_deaf(&mut world, listener, *tone);
            } else {
                assert_hears(&mut world, listener, *tone);
            }
        }
    }
}

#[test]
fn pcmu_hears_all_but_itself() {
    assert_n_minus_one(&[(Pcmu, 20); 3]);
}

#[test]
fn opus_hears_all_but_itself() {
    assert_n_minus_one(&[(Opus, 20); 3]);
}

#[test]
fn g722_hears_all_but_itself() {
    assert_n_minus_one(&[(G722, 20), (G722, 40), (G722, 10)]);
}

#[test]
fn all_codecs_meet() {
    assert_n_minus_one(&[(Pcmu, 20), (Pcma, 20), (Opus, 20), (G722, 60)]);
}

#[test]
fn different_packet_times_meet() {
    assert_n_minus_one(&[(Pcmu, 10), (Pcmu, 20), (Pcma, 40), (Opus, 60), (Opus, 20), (Pcmu, 60)]);
}

#[test]
fn a_silent_listener_hears_the_shared_mix_and_is_in_nobodys() {
    let (mut world, _) = meeting(&[(Pcmu, 20), (Opus, 20), (Opus, 20), (Pcmu, 20), (Opus, 20)]);
    for silent in ["p3", "p4"] {
        world.phone(silent).tone = 0.0;
    }
    listen(&mut world);
    for listener in ["p3", "p4"] {
        for hertz in [400.0, 610.0, 820.0] {
            assert_hears(&mut world, listener, hertz);
        }
        let csrcs: Vec<u32> = world.phone(listener).csrcs.iter().copied().collect();
        assert_eq!(csrcs, [0x0a00_0001, 0x0a00_0002, 0x0a00_0003], "those really mixed");
    }
    let csrcs: Vec<u32> = world.phone("p0").csrcs.iter().copied().collect();
    assert_eq!(csrcs, [0x0a00_0002, 0x0a00_0003], "and never oneself");
}

#[test]
fn packets_keep_coming_when_nobody_speaks() {
    let (mut world, _) = meeting(&[(Pcmu, 20), (Opus, 20)]);
    for name in ["p0", "p1"] {
        world.phone(name).mute = true;
    }
    listen(&mut world);
    for name in ["p0", "p1"] {
        assert_eq!(world.phone(name).got.len(), 50, "{name}");
        assert!(world.phone(name).loudness() < 5.0);
        assert!(world.phone(name).csrcs.is_empty());
    }
}

/// Numbers and timestamps of one stream without a hole, whatever encoder made the packets.
#[test]
fn the_stream_is_continuous_while_members_start_and_stop_talking() {
    let (mut world, _) = meeting(&[(Opus, 20), (Opus, 20), (Pcmu, 20)]);
    for round in 0..8 {
        world.phone("p1").tone = if round % 2 == 0 { 0.0 } else { 610.0 };
        world.run(SECOND);
    }
    for (name, step) in [("p0", 960), ("p1", 960), ("p2", 160)] {
        let got = &world.phone(name).got;
        assert_eq!(got.len(), 400);
        for pair in got.windows(2) {
            assert_eq!(pair[1].packet.seq(), pair[0].packet.seq().next());
            assert_eq!(pair[1].packet.timestamp().distance_from(pair[0].packet.timestamp()), step);
            assert_eq!(pair[1].packet.ssrc(), pair[0].packet.ssrc());
        }
    }
}

/// A member that starts to talk moves from the shared to a private encoder: what it hears of the others must not click.
#[test]
fn what_a_member_hears_does_not_stumble_when_it_starts_to_talk() {
    let (mut world, _) = meeting(&[(Opus, 20), (Opus, 20), (Opus, 20)]);
    world.phone("p1").tone = 0.0;
    world.phone("p2").tone = 0.0;
    world.run(SECOND * 2);
    world.phone("p1").listen_anew();
    world.phone("p1").tone = 610.0;
    world.run(Duration::from_millis(300));
    // A 400 Hz sine of amplitude 4000 steps by at most 209 from sample to sample.
    let heard = &world.phone("p1").heard;
    let worst = heard.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max();
    assert!(worst.unwrap() < 350, "a step of {worst:?}");
}

#[test]
fn keys_pressed_are_not_heard() {
    let (mut world, _) = meeting(&[(Pcmu, 20), (Pcmu, 20), (Pcmu, 20)]);
    listen(&mut world);
    world.phone("p0").dtmf = true;
    world.run(SECOND);
    world.phones.values_mut().for_each(Phone::listen_anew);
    world.run(SECOND);
    assert!(world.phone("p1").hears(820.0) > 750.0, "the others go on");
    assert_deaf(&mut world, "p1", 400.0);
    for key_tone in [770.0, 1340.0] {
        assert_deaf(&mut world, "p1", key_tone);
    }
    let others = world.phone("p1").loudness();
    assert!((others - 1000.0).abs() < 60.0, "nothing but p2 is heard: {others}");
}

#[test]
fn muted_and_held_members_are_silent_to_others_and_come_back() {
    let (mut world, _) = meeting(&[(Pcmu, 20), (Opus, 20), (Pcmu, 20)]);
    world.phone("p0").mute = true;
    listen(&mut world);
    assert_deaf(&mut world, "p1", 400.0);
    assert_hears(&mut world, "p0", 610.0);
    world.phone("p0").mute = false;
    listen(&mut world);
    assert_hears(&mut world, "p1", 400.0);
    // Hold: it neither sends nor is sent to (RFC 3264 §8.4).
    world.phone("p0").audio_direction = "inactive";
    world.reoffer("p0").unwrap();
    listen(&mut world);
    assert_deaf(&mut world, "p1", 400.0);
    assert_eq!(world.phone("p0").got.len(), 0);
    world.phone("p0").audio_direction = "sendrecv";
    world.reoffer("p0").unwrap();
    listen(&mut world);
    assert_hears(&mut world, "p1", 400.0);
    assert_hears(&mut world, "p0", 610.0);
    // One-way hold: music may go in, nothing comes out.
    world.phone("p0").audio_direction = "sendonly";
    world.reoffer("p0").unwrap();
    listen(&mut world);
    assert_hears(&mut world, "p1", 400.0);
    assert_eq!(world.phone("p0").got.len(), 0);
}

#[test]
fn at_most_so_many_voices_are_mixed_the_loudest() {
    let mut few = settings();
    few.voices = 2;
    let mut world = World::with(few);
    for n in 0..4u8 {
        let mut phone = Phone::new(&format!("p{n}"), n + 1, Pcmu, 400.0 + 210.0 * f64::from(n));
        if n == 3 {
            phone.tone = 0.0;
        }
        world.join(phone).unwrap();
    }
    listen(&mut world);
    let heard = [400.0, 610.0, 820.0].map(|hertz| world.phone("p3").hears(hertz) > 750.0);
    assert_eq!(heard.iter().filter(|heard| **heard).count(), 2);
    assert_eq!(world.phone("p3").csrcs.len(), 2, "and they do not alternate");
}

#[test]
fn two_conferences_do_not_hear_each_other() {
    let (mut one, _) = meeting(&[(Pcmu, 20), (Opus, 20)]);
    let mut other = World::new();
    other.join(Phone::new("x", 7, Pcmu, 1500.0)).unwrap();
    other.join(Phone::new("y", 8, Opus, 1720.0)).unwrap();
    for _ in 0..100 {
        one.tick();
        other.tick();
    }
    for hertz in [1500.0, 1720.0] {
        assert_deaf(&mut one, "p0", hertz);
    }
    for hertz in [400.0, 610.0] {
        assert_deaf(&mut other, "x", hertz);
    }
}

#[test]
fn a_stall_of_the_mixer_is_caught_up_and_nobody_drifts() {
    let (mut world, _) = meeting(&[(Pcmu, 20), (Opus, 20)]);
    world.run(SECOND);
    world.phones.values_mut().for_each(Phone::listen_anew);
    world.stall(50);
    let got = &world.phone("p0").got;
    assert_eq!(got.len(), 5, "at most five ticks are made up");
    let first = got[0].packet.timestamp();
    assert_eq!(got[4].packet.timestamp().distance_from(first), 4 * 160);
    assert_eq!(world.conference.stats().ticks.skipped, 45);
    world.run(SECOND);
    let times: Vec<_> = world.phone("p0").got.iter().map(|got| got.packet.timestamp()).collect();
    let span = times.last().unwrap().distance_from(times[0]);
    assert_eq!(span, 54 * 160);
    listen(&mut world);
    assert_hears(&mut world, "p0", 610.0);
}

#[test]
fn the_active_speaker_is_told() {
    let (mut world, _) = meeting(&[(Pcmu, 20), (Pcmu, 20)]);
    world.phone("p1").tone = 0.0;
    world.run(SECOND * 3);
    world.phone("p0").tone = 0.0;
    world.phone("p1").tone = 610.0;
    world.run(SECOND * 4);
    let speakers: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            media_mixer::Event::ActiveSpeaker { leg } => Some(leg.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(speakers, ["p0", "p1"]);
}

/// Music on hold comes under another SSRC, and then the first one is back.
#[test]
fn a_member_may_change_its_ssrc_and_change_back() {
    let (mut world, _) = meeting(&[(Pcmu, 20), (Pcmu, 20)]);
    world.run(SECOND);
    let mut music = Phone::new("p0", 1, Pcmu, 1500.0);
    music.ssrc = rtp_session::Ssrc(77);
    music.restart_stream();
    music.lines = world.phone("p0").lines.clone();
    world.phone("p0").mute = true;
    world.phone("p1").listen_anew();
    for _ in 0..100 {
        for (to, from, bytes) in music.speak(world.now) {
            world.send(to, from, &bytes);
        }
        world.tick();
    }
    assert_hears(&mut world, "p1", 1500.0);
    world.run(SECOND);
    world.phone("p0").mute = false;
    listen(&mut world);
    assert_hears(&mut world, "p1", 400.0);
    assert_deaf(&mut world, "p1", 1500.0);
}
