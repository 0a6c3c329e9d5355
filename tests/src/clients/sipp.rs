use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::ports;
use crate::process::Program;

/// SIPp running one of the scenarios in `tests/interop/scenarios`, which anybody can run by hand too.
#[derive(Debug)]
pub struct Sipp {
    scenario: String,
    program: Program,
    messages: PathBuf,
}

impl Sipp {
    /// Starts `scenario` against 127.0.0.1:`port` for the user part `user`; `arguments` are SIPp's own.
    pub fn start(
        directory: &Path,
        scenario: &str,
        port: u16,
        user: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/scenarios");
        let label = format!("sipp-{scenario}-{user}");
        let messages = directory.join(format!("{label}.msg"));
        let (sip, media) = (ports::free()?, ports::free()?);
        let mut command = Command::new("sipp");
        command
            .current_dir(directory)
            .arg("-sf")
            .arg(scenarios.join(format!("{scenario}.xml")))
            .arg(format!("127.0.0.1:{port}"))
            .args(["-s", user, "-i", "127.0.0.1", "-mi", "127.0.0.1"])
            .args(["-p", &sip.to_string(), "-mp", &media.to_string()])
            .args(["-nostdin", "-recv_timeout", "8000", "-trace_msg", "-message_file"])
            .arg(&messages)
            .args(["-trace_err", "-error_file"])
            .arg(directory.join(format!("{label}.err")))
            .args(arguments)
            .stdin(Stdio::null());
        if !arguments.contains(&"-m") {
            command.args(["-m", "1", "-l", "1"]);
        }
        let program =
            Program::start(&label, &mut command, &directory.join(format!("{label}.log")))?;
        Ok(Self { scenario: scenario.to_owned(), program, messages })
    }

    /// Waits for its end; every step of the scenario must have happened.
    pub fn passed(&mut self, limit: Duration) -> Result<()> {
        let status = self.program.wait(limit)?;
        if !status.success() {
            bail!("sipp {} failed ({status}):\n{}", self.scenario, self.messages());
        }
        Ok(())
    }

    /// Every message that went over the wire.
    pub fn messages(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.messages).unwrap_or_default()).into_owned()
    }
}
