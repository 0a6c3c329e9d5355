use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::ports;
use crate::process::Program;

/// How a baresip is set up.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// A camera: its synthetic one.
    pub video: bool,
    /// Audio codecs in its own words, e.g. `opus` or `pcmu`; empty: all.
    pub codecs: String,
    /// `udp` or `tcp`; empty: udp.
    pub transport: String,
    /// Registrar `host:port` and password.
    pub registrar: Option<(String, String)>,
    /// Whom its command `message TEXT` writes to; empty: nobody.
    pub writes_to: String,
}

/// Debian's `baresip`, commanded over its control port.
#[derive(Debug)]
pub struct Baresip {
    program: Program,
    control: TcpStream,
    directory: PathBuf,
}

impl Baresip {
    /// Starts it as `user`, playing the WAV file `plays` (48 kHz mono).
    pub fn start(directory: &Path, user: &str, plays: &Path, setup: &Setup) -> Result<Self> {
        let home = directory.join(format!("{user}-home"));
        std::fs::create_dir_all(&home)?;
        let (sip, control) = (ports::free()?, ports::free()?);
        std::fs::write(home.join("config"), config(&home, sip, control, plays, setup.video))?;
        std::fs::write(home.join("accounts"), account(user, sip, setup))?;
        let contact = &setup.writes_to;
        let contacts =
            if contact.is_empty() { String::new() } else { format!("\"room\" <{contact}>\n") };
        std::fs::write(home.join("contacts"), contacts)?;
        std::fs::write(home.join("current_contact"), contact)?;
        let log = directory.join(format!("{user}.log"));
        let mut command = Command::new("baresip");
        command.args(["-4", "-s", "-v", "-f"]).arg(&home).current_dir(&home).stdin(Stdio::null());
        let program = Program::start(user, &mut command, &log)?;
        let deadline = Instant::now() + Duration::from_secs(8);
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", control)) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(50))
                }
                Err(error) => {
                    bail!("baresip opened no control port: {error}\n{}", program.output())
                }
            }
        };
        Ok(Self { program, control: stream, directory: home })
    }

    /// Sends a command with its parameters, e.g. `dial sip:x@y`.
    pub fn command(&mut self, line: &str) -> Result<()> {
        let (command, parameters) = line.split_once(' ').unwrap_or((line, ""));
        let message = serde_json::json!({ "command": command, "params": parameters }).to_string();
        write!(self.control, "{}:{message},", message.len())?;
        Ok(())
    }

    /// Writes the picture it sees to a PNG file.
    pub fn snapshot(&mut self, file: &Path) -> Result<()> {
        self.command(&format!("snapshot_recv {}", file.display()))
    }

    /// Hangs up and quits; the recording is then complete.
    pub fn quit(&mut self) -> Result<()> {
        self.command("hangup")?;
        std::thread::sleep(Duration::from_millis(800));
        self.command("quit")?;
        self.program.wait(Duration::from_secs(10))?;
        Ok(())
    }

    /// What it heard in its only call.
    pub fn recording(&self) -> Result<PathBuf> {
        std::fs::read_dir(&self.directory)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with("dump-") && name.ends_with("dec.wav")
            })
            .with_context(|| format!("baresip recorded nothing\n{}", self.program.output()))
    }

    /// What it printed.
    pub fn output(&self) -> String {
        self.program.output()
    }
}

fn config(home: &Path, sip: u16, control: u16, plays: &Path, video: bool) -> String {
    let media = sip + 5000;
    let mut text = format!(
        "poll_method epoll\nsip_listen 127.0.0.1:{sip}\ncall_local_timeout 120\ncall_max_calls 10\n\
         audio_player aubridge,null\naudio_source aufile,{}\naudio_alert aubridge,null\n\
         ausrc_srate 48000\nauplay_srate 48000\nausrc_channels 1\nauplay_channels 1\n\
         ausrc_format s16\nauplay_format s16\nauenc_format s16\naudec_format s16\naudio_buffer 20-160\n\
         video_size 640x480\nvideo_bitrate 500000\nvideo_fps 15\nvidenc_format yuv420p\n\
         rtp_ports {media}-{}\nrtcp_mux no\njitter_buffer_delay 5-10\nrtp_stats yes\n\
         module_path /usr/lib/baresip/modules\nsnd_path {}\nopus_bitrate 28000\n\
         ctrl_tcp_listen 127.0.0.1:{control}\nringback_disabled yes\n",
        plays.display(),
        media + 98,
        home.display()
    );
    let mut modules = vec!["opus", "g711", "g722", "sndfile", "aufile", "aubridge"];
    if video {
        text += "video_source fakevideo,nil\nvideo_display fakevideo,nil\n";
        modules.extend(["vp8", "snapshot", "swscale", "fakevideo"]);
    }
    for module in modules {
        text += &format!("module {module}.so\n");
    }
    text += "module_tmp uuid.so\nmodule_tmp account.so\n";
    for module in ["contact", "debug_cmd", "menu", "ctrl_tcp"] {
        text += &format!("module_app {module}.so\n");
    }
    text
}

fn account(user: &str, sip: u16, setup: &Setup) -> String {
    let transport = if setup.transport.is_empty() { "udp" } else { &setup.transport };
    let (domain, interval, password) = match &setup.registrar {
        Some((registrar, password)) => (registrar.clone(), 300, password.as_str()),
        None => (format!("127.0.0.1:{sip}"), 0, ""),
    };
    let mut line = format!(
        "<sip:{user}@{domain};transport={transport}>;regint={interval};auth_pass={password};answermode=auto"
    );
    if !setup.codecs.is_empty() {
        line += &format!(";audio_codecs={}", setup.codecs);
    }
    if setup.video {
        line += ";video_codecs=vp8";
    }
    line + "\n"
}
