//! What is spoken to one leg.

use std::time::Duration;

use bytes::Bytes;
use media_codec::AudioCodec::{G722, Opus, Pcma, Pcmu};
use media_codec::MAX_ENCODED_AUDIO;
use media_mixer::Prompts;
use mixer_control::{MixerError, Prompt};

use crate::phone::Phone;
use crate::world::{World, settings};

const SECOND: Duration = Duration::from_secs(1);

/// What the prompts of these tests sound like, hertz.
const SPOKEN: f64 = 1500.0;

/// A second of a tone as a recording.
fn recording(hertz: f64) -> Bytes {
    let mut encoder = G722.encoder().unwrap();
    let mut out = [0; MAX_ENCODED_AUDIO];
    let sample =
        |n: usize| (4000.0 * (n as f64 * hertz / 16_000.0 * std::f64::consts::TAU).sin()) as i16;
    let pcm: Vec<i16> = (0..16_000).map(sample).collect();
    pcm.chunks(320)
        .flat_map(|tick| {
            let length = encoder.encode(tick, &mut out).unwrap();
            out[..length].to_vec()
        })
        .collect()
}

fn world() -> World {
    let prompts = Prompts::built_in()
        .with(Prompt::EnterPin, recording(SPOKEN))
        .with(Prompt::WrongPin, recording(1000.0));
    World::with(media_mixer::Settings { prompts, ..settings() })
}

fn play(world: &mut World, leg: &str, prompts: &[Prompt]) {
    world.conference.play(leg, prompts).unwrap();
}

#[test]
fn a_prompt_is_heard_in_every_codec_and_by_nobody_else() {
    for lobby in [false, true] {
        for (codec, ptime) in [(Pcmu, 20), (Pcma, 40), (G722, 20), (Opus, 20), (Opus, 60)] {
            let mut world = world();
            world.join(Phone::new("talker", 1, Pcmu, 410.0)).unwrap();
            world.join(Phone::new("other", 2, codec, 0.0)).unwrap();
            let mut phone = Phone::new("spoken-to", 3, codec, 0.0);
            phone.ptime = ptime;
            world.join_at(phone, lobby).unwrap();
            world.run(SECOND);
            play(&mut world, "spoken-to", &[Prompt::EnterPin]);
            world.run(SECOND / 5);
            world.phones.values_mut().for_each(Phone::listen_anew);
            world.run(SECOND * 3 / 5);
            let spoken = world.phone("spoken-to").hears(SPOKEN);
            assert!((700.0..1200.0).contains(&spoken), "{codec:?} {ptime} ms: {spoken}");
            let behind = world.phone("spoken-to").hears(410.0);
            let expected = if lobby { 0.0..10.0 } else { 150.0..350.0 };
            assert!(expected.contains(&behind), "{codec:?} {ptime} ms: {behind}");
            assert!(world.phone("other").hears(SPOKEN) < 30.0);
            assert!(world.phone("other").hears(410.0) > 600.0);
            world.run(SECOND);
            world.phones.values_mut().for_each(Phone::listen_anew);
            world.run(SECOND / 2);
            assert!(world.phone("spoken-to").hears(SPOKEN) < 30.0, "it ends");
            let after = world.phone("spoken-to").hears(410.0);
            assert_eq!(after > 600.0, !lobby, "{codec:?} {ptime} ms: {after}");
        }
    }
}

#[test]
fn prompts_follow_each_other_and_new_ones_replace_them() {
    let mut world = world();
    world.join_at(Phone::new("a", 1, Pcmu, 0.0), true).unwrap();
    let listen = |world: &mut World, time: Duration| {
        world.phone("a").listen_anew();
        world.run(time);
        [1000.0, SPOKEN].map(|hertz| world.phone("a").hears(hertz) > 500.0)
    };
    play(&mut world, "a", &[Prompt::WrongPin, Prompt::EnterPin]);
    world.run(SECOND / 5);
    assert_eq!(listen(&mut world, SECOND / 2), [true, false]);
    world.run(SECOND / 2);
    assert_eq!(listen(&mut world, SECOND / 2), [false, true]);
    play(&mut world, "a", &[Prompt::WrongPin]);
    world.run(SECOND / 5);
    assert_eq!(listen(&mut world, SECOND / 2), [true, false], "instead");
    play(&mut world, "a", &[]);
    world.run(SECOND / 5);
    assert_eq!(listen(&mut world, SECOND / 2), [false, false], "silence");
    play(&mut world, "a", &[Prompt::EnterPin]);
    world.run(SECOND / 5);
    assert_eq!(listen(&mut world, SECOND / 2), [false, true]);
}

#[test]
fn a_prompt_waits_while_the_sound_is_on_hold() {
    let mut world = world();
    let mut phone = Phone::new("a", 1, Pcmu, 0.0);
    phone.audio_direction = "sendonly";
    world.join(phone).unwrap();
    play(&mut world, "a", &[Prompt::EnterPin]);
    world.run(SECOND * 2);
    world.phone("a").audio_direction = "sendrecv";
    world.reoffer("a").unwrap();
    world.phone("a").listen_anew();
    world.run(SECOND);
    assert!(world.phone("a").hears(SPOKEN) > 600.0);
}

#[test]
fn every_built_in_prompt_is_speech_of_a_sensible_length() {
    for prompt in Prompt::ALL {
        let recording = Prompts::built_in().recording(prompt);
        let seconds = recording.len() as f64 / 8000.0;
        assert!((0.8..4.0).contains(&seconds), "{prompt:?}: {seconds} s");
        let mut pcm = vec![0; recording.len() * 2];
        let mut decoder = G722.decoder().unwrap();
        for (octets, out) in recording.chunks(160).zip(pcm.chunks_mut(320)) {
            decoder.decode(octets, out).unwrap();
        }
        let rms = |pcm: &[i16]| {
            (pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len() as f64).sqrt()
        };
        assert!(rms(&pcm) > 1500.0, "{prompt:?} is heard well");
        assert!(rms(&pcm[pcm.len() - 1600..]) < 100.0, "{prompt:?} ends with a pause");
    }
    let all: usize = Prompt::ALL.iter().map(|p| Prompts::built_in().recording(*p).len()).sum();
    assert!(all < 300_000);
}

#[test]
fn nobody_is_spoken_to_without_end_and_an_unknown_leg_is_an_error() {
    let mut world = world();
    world.join(Phone::new("a", 1, Pcmu, 0.0)).unwrap();
    assert!(matches!(
        world.conference.play("a", &[Prompt::Alone; 17]),
        Err(MixerError::Invalid(_))
    ));
    assert_eq!(world.conference.play("b", &[Prompt::Alone]), Err(MixerError::NotFound));
}
