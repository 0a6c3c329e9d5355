//! What counts as heard and seen.

use std::path::Path;
use std::process::Command;

use system_tests::listen::Recording;

/// Tones are played at −20 dB; one that is there half of the time, at a third of its level, is heard.
const HEARD: f64 = -30.0;

/// Below this a tone is not there. An echo or a leak would be at −20 dB; the noise of Opus under four
/// tones at once, at 32 kbit/s, was measured at up to −44 dB where nobody plays anything.
const ABSENT: f64 = -38.0;

/// The recording holds all tones of `present` and never, not for 300 ms, one of `absent`.
pub fn assert_hears(who: &str, file: &Path, present: &[f64], absent: &[f64]) {
    let heard = Recording::read(file).expect("a recording");
    for tone in present {
        let level = heard.tone_level(*tone);
        assert!(
            level > HEARD,
            "{who} does not hear {tone} Hz ({level:.1} dB in {:.1} s of {})",
            heard.seconds(),
            file.display()
        );
    }
    for tone in absent {
        let level = heard.tone_longest(*tone);
        assert!(level < ABSENT, "{who} hears {tone} Hz ({level:.1} dB in {})", file.display());
    }
}

/// The file is a picture with something on it, not one flat colour.
pub fn assert_picture(who: &str, file: &Path) {
    let output = Command::new("identify")
        .args(["-format", "%w %h %k"])
        .arg(file)
        .output()
        .expect("imagemagick (scripts/deps test)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<u32> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [width, height, colours] = numbers[..] else {
        panic!(
            "{who} wrote no picture {}: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr)
        )
    };
    assert!(width >= 160 && height >= 120 && colours > 8, "{who} sees nothing: {text}");
}

/// The colour of a picture at a place: red, green, blue.
pub fn colour_of(file: &Path, x: u32, y: u32) -> [u8; 3] {
    let output = Command::new("convert")
        .arg(file)
        .args(["-crop", &format!("1x1+{x}+{y}"), "-depth", "8", "rgb:-"])
        .output()
        .expect("imagemagick (scripts/deps test)");
    let [red, green, blue] = output.stdout[..] else { panic!("no picture: {}", file.display()) };
    [red, green, blue]
}

/// How many pictures of `speaker` the softphone's report says it decoded.
pub fn frames_of(report: &serde_json::Value, speaker: &str) -> u64 {
    report["participants"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| entry["name"] == speaker)
        .filter_map(|entry| entry["video"]["frames_decoded"].as_u64())
        .sum()
}
