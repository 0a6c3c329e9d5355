//! What a participant costs: CPU time of the server processes per work done, and the delay that the mixer adds.
//! Results with the machine they were taken on are in docs/performance.md.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

mod audio;
mod cpu;
mod delay;
mod direct;
mod legs;
mod signalling;
mod video;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use system_tests::services::Services;

/// Best of the rivals on the same kind of work and machine, to hold our numbers against.
pub const BARS: &[(&str, f64)] = &[
    ("pcmu 1x100", 0.12),
    ("vp8 mesh 20", 7.4),
    ("added delay p99", 21.0),
    ("sound, to direct: median", 100.0),
    ("sound, to direct: worst", 300.0),
    ("sound, to the mixer: median", 100.0),
    ("sound, to the mixer: worst", 300.0),
    ("picture, three switches: median", 400.0),
    ("picture, three switches: worst", 1000.0),
    ("register", 66.0),
    ("call set-up", 1000.0),
];

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.iter().any(|name| name.starts_with('-')) {
        println!(
            "usage: bench [PART ...]     parts: audio, video, delay, direct, signalling (default: all)"
        );
        return ExitCode::from(2);
    }
    match run(&names) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

type Part = fn(&Services) -> Result<()>;

fn run(names: &[String]) -> Result<()> {
    let parts: [(&str, Part); 5] = [
        ("audio", audio::run),
        ("video", video::run),
        ("delay", delay::run),
        ("direct", direct::run),
        ("signalling", signalling::run),
    ];
    println!("{}", cpu::machine());
    println!("{:<34} {:>12} {:<34} {:>10}", "work", "measured", "unit", "bar");
    for (name, part) in parts {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            // a fresh pair of services for each part: no part sees the leftovers of another
            let directory = PathBuf::from("target/bench").join(name);
            std::fs::create_dir_all(&directory)?;
            let mut services =
                Services::start_meeting(&directory.canonicalize()?, "direct_again = 1")?;
            part(&services)?;
            services.registrar.terminate()?;
            services.mixer.terminate()?;
        }
    }
    Ok(())
}

/// Prints one result.
pub fn row(work: &str, measured: f64, unit: &str) {
    let bar = BARS
        .iter()
        .find(|(name, _)| *name == work)
        .map_or_else(|| "-".to_owned(), |(_, bar)| bar.to_string());
    println!("{work:<34} {measured:>12.3} {unit:<34} {bar:>10}");
}
