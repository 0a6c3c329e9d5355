use std::net::SocketAddr;
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
        Self::start_at(directory, scenario, ([127, 0, 0, 1], port).into(), user, arguments)
    }

    /// As [`start`](Self::start), against any loopback address.
    pub fn start_at(
        directory: &Path,
        scenario: &str,
        server: SocketAddr,
        user: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let own = server.ip().to_string();
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/scenarios");
        let label = format!("sipp-{scenario}-{user}");
        let messages = directory.join(format!("{label}.msg"));
        // SIPp also takes the two ports after the one for audio, for video
        let (sip, media, _video) = (ports::free()?, ports::free()?, ports::free()?);
        let mut command = Command::new("sipp");
        command
            .current_dir(directory)
            .arg("-sf")
            .arg(scenarios.join(format!("{scenario}.xml")))
            .arg(server.to_string())
            .args(["-s", user, "-i", &own, "-mi", &own])
            .args(["-p", &sip.to_string(), "-mp", &media.to_string()])
            .args(["-nostdin", "-recv_timeout", "8000", "-trace_err", "-error_file"])
            .arg(directory.join(format!("{label}.err")))
            .args(arguments)
            .stdin(Stdio::null());
        // of many calls nobody reads the messages
        if !arguments.contains(&"-m") {
            command.args(["-m", "1", "-l", "1", "-trace_msg", "-message_file"]).arg(&messages);
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

    /// Whether its calls still go on.
    pub fn is_running(&mut self) -> bool {
        self.program.is_running()
    }

    /// Every message that went over the wire; nothing of a run of many calls.
    pub fn messages(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.messages).unwrap_or_default()).into_owned()
    }
}
