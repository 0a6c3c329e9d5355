//! What a switch between the mixer and the direct way costs those who talk: the longest time without the other's tone
//! around each switch, and how long the other's picture stands still.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use system_tests::clients::Softphone;
use system_tests::listen::Recording;
use system_tests::services::{Services, metric};
use system_tests::signal::write_tone;

use crate::row;

/// Switches, unless `PARLEY_SWITCHES` says how many; three a call.
const SWITCHES: usize = 50;

/// A tone of −20 dB that is softer than this is not there.
const FLOOR: f64 = -30.0;

/// What is looked at before and after a switch.
const BEFORE: Duration = Duration::from_millis(500);
const AFTER: Duration = Duration::from_millis(1200);

const TONES: [(&str, f64); 2] = [("anna", 600.0), ("ben", 1300.0)];

/// What the switches of one kind cost, in milliseconds.
#[derive(Default)]
struct Costs {
    to_direct: Vec<f64>,
    to_mixer: Vec<f64>,
    pictures: Vec<f64>,
}

pub fn run(services: &Services) -> Result<()> {
    let directory = std::path::PathBuf::from("target/bench/direct").canonicalize()?;
    let wanted = std::env::var("PARLEY_SWITCHES").ok().and_then(|count| count.parse().ok());
    let calls = wanted.unwrap_or(SWITCHES).div_ceil(3);
    for (name, hertz) in TONES {
        write_tone(&directory.join(format!("{name}-tone.wav")), hertz, 48_000, 30)?;
    }
    let mut costs = Costs::default();
    for call in 0..calls {
        one(services, &directory, &format!("direct{call}"), &mut costs)?;
    }
    for (name, values) in [
        ("sound, to direct", &mut costs.to_direct),
        ("sound, to the mixer", &mut costs.to_mixer),
        ("picture, three switches", &mut costs.pictures),
    ] {
        values.sort_by(f64::total_cmp);
        let Some(worst) = values.last() else { continue };
        row(&format!("{name}: median"), values[values.len() / 2], "ms without the other");
        row(&format!("{name}: worst"), *worst, &format!("ms, of {}", values.len()));
    }
    Ok(())
}

/// A call that goes directly, through the mixer and directly again.
fn one(services: &Services, directory: &Path, name: &str, costs: &mut Costs) -> Result<()> {
    let uri = services.conference(name);
    let mut phones = Vec::new();
    for (who, _) in TONES {
        let tone = format!("loop:{}", directory.join(format!("{who}-tone.wav")).display());
        let arguments = ["--headless", "--mic", &tone, "--camera", "pattern"];
        phones.push(Softphone::join(directory, who, &uri, &arguments)?);
    }
    let mut switches = vec![(true, wait(services, true)?)];
    std::thread::sleep(AFTER + BEFORE);
    let quiet = ["--headless", "--mic", "none", "--camera", "none"];
    let mut third = Softphone::join(directory, "third", &uri, &quiet)?;
    switches.push((false, wait(services, false)?));
    std::thread::sleep(AFTER);
    third.program().terminate()?;
    switches.push((true, wait(services, true)?));
    std::thread::sleep(AFTER + BEFORE);
    let mut ends = Vec::new();
    for phone in &mut phones {
        ends.push(Instant::now());
        phone.program().terminate()?;
    }
    for (index, phone) in phones.iter_mut().enumerate() {
        let (other, hertz) = TONES[1 - index];
        let report = phone.report(Duration::from_secs(10))?;
        let heard = Recording::read(&phone.recording())?;
        for (direct, at) in &switches {
            let ago = ends[index].duration_since(*at);
            let gap = heard.longest_silence(hertz, FLOOR, ago + BEFORE, ago.saturating_sub(AFTER));
            let list = if *direct { &mut costs.to_direct } else { &mut costs.to_mixer };
            list.push(gap.as_secs_f64() * 1000.0);
        }
        let people = report["participants"].as_array().cloned().unwrap_or_default();
        let freezes = people.iter().filter(|person| person["name"] == other);
        let freezes = freezes.filter_map(|person| person["video"]["longest_freeze_ms"].as_f64());
        costs.pictures.push(freezes.fold(0.0, f64::max));
    }
    services.wait_empty()
}

/// When media have gone that way.
fn wait(services: &Services, direct: bool) -> Result<Instant> {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        let page = services.registrar_metrics()?;
        if (metric(&page, "parley_conferences_direct", "") > 0.0) == direct {
            return Ok(Instant::now());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!(
        "media do not go {} the mixer\n{}",
        if direct { "past" } else { "through" },
        services.registrar.output()
    )
}
