use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::process::Program;

/// A virtual screen (Xvfb) with a keyboard that is typed on by xdotool.
#[derive(Debug)]
pub struct VirtualDisplay {
    server: Program,
    /// For the environment variable DISPLAY.
    pub name: String,
}

impl VirtualDisplay {
    /// A screen of 1280 by 800 pixels with a number that nobody uses.
    pub fn start(directory: &Path) -> Result<Self> {
        for number in 60..90 {
            let socket = format!("/tmp/.X11-unix/X{number}");
            if Path::new(&socket).exists() {
                continue;
            }
            let name = format!(":{number}");
            let mut command = Command::new("Xvfb");
            command.args([name.as_str(), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]);
            let mut server = Program::start("Xvfb", &mut command, &directory.join("xvfb.log"))?;
            let deadline = Instant::now() + Duration::from_secs(10);
            while server.is_running() && Instant::now() < deadline {
                if Path::new(&socket).exists() {
                    std::thread::sleep(Duration::from_millis(300));
                    return Ok(Self { server, name });
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        bail!("no virtual display could be started")
    }

    /// Gives the window whose title contains `title` the keyboard, waiting until it is there.
    pub fn focus(&self, title: &str) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(15);
        while Instant::now() < deadline {
            let found = self.xdotool(&[
                "search",
                "--onlyvisible",
                "--name",
                title,
                "windowfocus",
                "--sync",
            ]);
            if found.is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        bail!("no window '{title}' on {}: {}", self.name, self.server.output())
    }

    /// Presses a key, named as X names it.
    pub fn press(&self, key: &str) -> Result<()> {
        self.xdotool(&["key", key])?;
        // a person takes longer; the window shows the effect with its next picture
        std::thread::sleep(Duration::from_millis(500));
        Ok(())
    }

    /// Writes what is on the screen to a PNG file.
    pub fn screenshot(&self, file: &Path) -> Result<()> {
        let status = Command::new("import")
            .args(["-display", &self.name, "-window", "root"])
            .arg(file)
            .status()?;
        if !status.success() {
            bail!("import could not take a screenshot");
        }
        Ok(())
    }

    fn xdotool(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new("xdotool").env("DISPLAY", &self.name).args(arguments).output()?;
        if !output.status.success() {
            bail!("xdotool: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}
