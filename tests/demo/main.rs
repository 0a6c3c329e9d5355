//! A real meeting, shown: starts the mixer and the registrar, lets three softphones with three voices and
//! moving pictures meet for a while, and prints who heard and saw whom. Exits 0 only if all of it held.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

mod table;
mod voices;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use system_tests::clients::Softphone;
use system_tests::listen::{Recording, voice_presence};
use system_tests::process::Program;
use system_tests::services::{binary, http_get, metric};

/// Seconds that all three are in the meeting together.
const MEETING: u64 = 20;

/// The correlation from which a voice counts as heard; an absent voice stays below 10.
const HEARD: f64 = 25.0;

fn main() -> ExitCode {
    match demo() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<bool> {
    let directory = PathBuf::from("demo-out");
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    let directory = directory.canonicalize()?;

    println!("1/5  three people record what they will say (espeak-ng)");
    let people = voices::speak(&directory)?;

    println!("2/5  the services start: media mixer and SIP registrar, with no configuration");
    let (mut mixer, mut registrar) = services(&directory)?;

    let windows = std::env::var_os("DISPLAY").is_some();
    let how = if windows { "in windows" } else { "headless: no display here" };
    println!("3/5  three softphones join sip:demo@127.0.0.1 ({how})");
    let mut phones = join(&directory, &people, windows)?;
    wait(&mut phones)?;

    println!("4/5  they leave and report");
    let mut reports = Vec::new();
    for phone in &mut phones {
        reports.push(phone.report(Duration::from_secs(20))?);
    }
    let registrar_end = registrar.terminate()?;
    let mixer_end = mixer.terminate()?;

    println!("5/5  who heard whom is taken from the recordings, by correlation with each voice\n");
    let mut presence = Vec::new();
    for phone in &phones {
        let heard = Recording::read(&phone.recording())?;
        let row: Result<Vec<f64>> = people
            .iter()
            .map(|person| Ok(voice_presence(&Recording::read(&person.voice)?, &heard)))
            .collect();
        presence.push(row?);
    }
    let held = table::print(&people, &presence, &reports, HEARD);
    println!("recordings, reports, pictures and logs: {}", directory.display());
    if !registrar_end.success() || !mixer_end.success() {
        bail!("a service did not end cleanly (registrar {registrar_end}, mixer {mixer_end})");
    }
    println!("{}", if held { "The meeting held." } else { "The meeting did NOT hold: see above." });
    Ok(held)
}

fn services(directory: &Path) -> Result<(Program, Program)> {
    for (port, what) in [(8060, "the registrar's"), (7051, "the mixer's")] {
        if http_get(port, "/healthz").is_ok() {
            bail!(
                "{what} port {port} is already served: end `make run` (or whatever runs there) first"
            );
        }
    }
    let start = |name: &str| {
        let log = directory.join(format!("{name}.log"));
        Program::start(name, Command::new(binary(name)?).stdin(Stdio::null()), &log)
    };
    let mut mixer = start("media-mixer")?;
    let mut registrar = start("sip-registrar")?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let ready =
        || http_get(8060, "/metrics").is_ok_and(|page| metric(&page, "parley_mixer_up", "") > 0.0);
    while !ready() {
        let alive = mixer.is_running() && registrar.is_running();
        if !alive || Instant::now() > deadline {
            bail!("the services did not start:\n{}\n{}", mixer.output(), registrar.output());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok((mixer, registrar))
}

fn join(directory: &Path, people: &[voices::Person], windows: bool) -> Result<Vec<Softphone>> {
    let mut phones = Vec::new();
    for (place, person) in people.iter().enumerate() {
        // they come one after another, as people do, and leave together
        let stay = (MEETING + (people.len() - 1 - place) as u64).to_string();
        let voice = format!("loop:{}", person.voice.display());
        let mut arguments =
            vec!["--mic", &voice, "--camera", "pattern", "--video-slots", "2", "--duration", &stay];
        if !windows {
            arguments.push("--headless");
        }
        phones.push(Softphone::join(directory, person.name, "sip:demo@127.0.0.1", &arguments)?);
        println!("     {} joined", person.name);
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(phones)
}

fn wait(phones: &mut [Softphone]) -> Result<()> {
    let begin = Instant::now();
    let mut said = 0;
    while phones.iter_mut().any(|phone| phone.program().is_running()) {
        let seconds = begin.elapsed().as_secs();
        if seconds >= MEETING + 15 {
            bail!("the softphones did not leave after {seconds} s");
        }
        if seconds >= said + 5 && seconds < MEETING {
            said = seconds;
            println!("     {seconds:>2} s of {MEETING}: {} in the meeting", members()?);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// How many members the registrar counts.
fn members() -> Result<f64> {
    Ok(metric(&http_get(8060, "/metrics")?, "parley_members", ""))
}
