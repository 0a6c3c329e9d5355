//! `softphone devices`: what there is, by the names `softphone join` takes.

use std::process::ExitCode;

use softphone::device::hardware::list_devices;

use super::say::say;

/// Runs the command.
pub fn devices() -> ExitCode {
    let found = list_devices();
    section("Microphones (--mic NAME)", &found.microphones);
    say("  also: default, FILE.wav, loop:FILE.wav, tone:HERTZ, none\n");
    section("Speakers (--speaker NAME)", &found.speakers);
    say("  also: default, FILE.wav, none\n");
    let cameras: Vec<String> =
        found.cameras.iter().map(|(number, name)| format!("{number}  ({name})")).collect();
    section("Cameras (--camera NUMBER or NAME)", &cameras);
    say("  also: default, FILE.y4m, FILE.ivf, pattern, none");
    ExitCode::SUCCESS
}

fn section(title: &str, names: &[String]) {
    say(title);
    if names.is_empty() {
        say("  none found");
    }
    for name in names {
        say(&format!("  {name}"));
    }
}
