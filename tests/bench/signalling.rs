//! CPU of the registrar per REGISTER with digest and per call set-up, driven by SIPp.

use std::time::Duration;

use anyhow::Result;
use system_tests::clients::Sipp;
use system_tests::services::Services;

use crate::{cpu, row};

const LIMIT: Duration = Duration::from_secs(60);

/// At rates that keep the registrar busy but lose nothing: with a message now and then each costs two
/// changes of process on top.
pub fn run(services: &Services) -> Result<()> {
    let directory = std::path::Path::new("target/bench/signalling").canonicalize()?;
    let measure = |scenario: &str,
                   user: &str,
                   count: u32,
                   rate: &str,
                   arguments: &[&str]|
     -> Result<(f64, f64)> {
        let registrar = cpu::seconds(services.registrar.pid())?;
        let mixer = cpu::seconds(services.mixer.pid())?;
        let count_text = count.to_string();
        let all = [&["-m", &count_text, "-r", rate, "-l", "200"], arguments].concat();
        Sipp::start(&directory, scenario, services.sip, user, &all)?.passed(LIMIT)?;
        let each = |now: f64, before: f64| (now - before) / f64::from(count) * 1e6;
        Ok((
            each(cpu::seconds(services.registrar.pid())?, registrar),
            each(cpu::seconds(services.mixer.pid())?, mixer),
        ))
    };
    let (registrar, _) =
        measure("register", "alice", 20_000, "4000", &["-au", "alice", "-ap", "wonderland"])?;
    row("register", registrar, "CPU-us, challenge included");
    let (registrar, mixer) = measure("join_brief", "setup", 3000, "1000", &[])?;
    row("call set-up", registrar + mixer, "CPU-us, INVITE to BYE, both services");
    row("    registrar alone", registrar, "CPU-us");
    Ok(())
}
