use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::lab::Host;
use crate::process::Program;
use crate::services::binary;

/// Our softphone, headless unless told otherwise.
#[derive(Debug)]
pub struct Softphone {
    /// Its name in the meeting and of its files.
    pub name: String,
    directory: PathBuf,
    program: Program,
}

impl Softphone {
    /// Joins `uri` as `name`, with whatever further arguments; writes NAME.wav (what it heard), NAME.json
    /// (its report), NAME.png (its grid of pictures) and NAME.log in `directory`.
    pub fn join(directory: &Path, name: &str, uri: &str, arguments: &[&str]) -> Result<Self> {
        Self::join_on(None, directory, name, uri, arguments)
    }

    /// As [`join`](Self::join), with its window on this X display instead of that of the environment.
    pub fn join_on(
        display: Option<&str>,
        directory: &Path,
        name: &str,
        uri: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let mut command = Command::new(binary("softphone")?);
        if let Some(display) = display {
            command.env("DISPLAY", display);
        }
        Self::join_with(command, directory, name, uri, arguments)
    }

    /// As [`join`](Self::join), on a host of a [laboratory](crate::lab).
    pub fn join_in(
        host: &Host,
        directory: &Path,
        name: &str,
        uri: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let command = host.namespace.command(&binary("softphone")?);
        Self::join_with(command, directory, name, uri, arguments)
    }

    fn join_with(
        mut command: Command,
        directory: &Path,
        name: &str,
        uri: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let file = |ending: &str| directory.join(format!("{name}.{ending}"));
        command
            .args(["join", uri, "--name", name, "--speaker", "none"])
            .args(arguments)
            .arg("--report")
            .arg(file("json"))
            .arg("--record")
            .arg(file("wav"))
            .arg("--snapshot")
            .arg(file("png"));
        let program = Program::start(name, &mut command, &file("log"))?;
        Ok(Self { name: name.to_owned(), directory: directory.to_owned(), program })
    }

    /// The running program.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Waits for its end, which must be a good one, and reads its report.
    pub fn report(&mut self, limit: Duration) -> Result<serde_json::Value> {
        let status = self.program.wait(limit)?;
        if !status.success() {
            bail!("{} ended with {status}:\n{}", self.name, self.program.output());
        }
        let file = self.directory.join(format!("{}.json", self.name));
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("{} wrote no report", self.name))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// What it heard.
    pub fn recording(&self) -> PathBuf {
        self.directory.join(format!("{}.wav", self.name))
    }

    /// The grid of pictures at the end.
    pub fn snapshot(&self) -> PathBuf {
        self.directory.join(format!("{}.png", self.name))
    }
}
