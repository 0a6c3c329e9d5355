//! The softphone's window on a virtual screen, driven by real keys.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use system_tests::clients::{Softphone, VirtualDisplay};
use system_tests::listen::Recording;
use system_tests::services::{Services, scratch};
use system_tests::signal::write_tone;

use crate::hearing::{assert_picture, frames_of};

const TONE: f64 = 440.0;

/// How many pixels of two screenshots differ.
fn difference(a: &Path, b: &Path) -> u64 {
    let output = Command::new("compare")
        .args(["-metric", "AE", "-fuzz", "10%"])
        .args([a, b])
        .arg("null:")
        .output()
        .expect("imagemagick (scripts/deps test)");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).expect("a number")
        as u64
}

#[test]
fn keys_mute_stop_the_camera_help_and_leave() {
    let directory = scratch("window").expect("a directory");
    let services = Services::start(&directory).expect("services");
    let display = VirtualDisplay::start(&directory).expect("a display");
    let uri = services.conference("window");
    let tone = directory.join("tone.wav");
    write_tone(&tone, TONE, 48_000, 10).expect("a tone");
    let mic = format!("loop:{}", tone.display());

    let quiet = ["--headless", "--mic", "none", "--camera", "pattern", "--duration", "20"];
    let mut ben = Softphone::join(&directory, "ben", &uri, &quiet).expect("a softphone");
    let seen = ["--mic", mic.as_str(), "--camera", "pattern"];
    let mut anna = Softphone::join_on(Some(&display.name), &directory, "anna", &uri, &seen)
        .expect("a softphone");
    display.focus("anna").expect("a window");
    std::thread::sleep(Duration::from_secs(4));
    let shot = |name: &str| {
        let file = directory.join(name);
        display.screenshot(&file).expect("a screenshot");
        file
    };
    let before = shot("1-meeting.png");
    assert_picture("anna's window", &before);

    display.press("question").expect("a key");
    let help = shot("2-help.png");
    assert!(difference(&before, &help) > 5000, "the help covers a part of the window");
    display.press("question").expect("a key");
    display.press("m").expect("a key");
    shot("3-muted.png");
    std::thread::sleep(Duration::from_secs(4));
    display.press("v").expect("a key");
    std::thread::sleep(Duration::from_secs(4));
    shot("4-camera-off.png");
    display.press("q").expect("a key");
    anna.report(Duration::from_secs(5)).expect("q leaves with a good end");
    let report = ben.report(Duration::from_secs(30)).expect("a report");

    let heard = Recording::read(&ben.recording()).expect("a recording");
    let rate = heard.rate as usize;
    let part = |from: usize, seconds: usize| Recording {
        samples: heard.samples[from * rate..(from + seconds) * rate].to_vec(),
        rate: heard.rate,
    };
    let speaking = part(2, 2).tone_level(TONE);
    assert!(speaking > -30.0, "ben hears anna ({speaking:.1} dB)");
    // muted about 6 s after ben joined at the latest; she leaves 15 s after
    let muted = part(10, 3).tone_level(TONE);
    assert!(muted < -60.0, "ben hears nothing of the muted anna ({muted:.1} dB)");
    let frames = frames_of(&report, "anna");
    assert!(
        (60..320).contains(&frames),
        "the camera was on for about 10 s of 15: {frames} pictures"
    );
}
