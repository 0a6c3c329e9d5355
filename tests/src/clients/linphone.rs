use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::ports;
use crate::process::Program;

/// Debian's `linphonec`, with files as sound card and its static picture as camera.
#[derive(Debug)]
pub struct Linphone {
    program: Program,
    recording: PathBuf,
    /// The log of liblinphone, with every SIP message.
    pub log: PathBuf,
}

impl Linphone {
    /// Starts it as `user`, playing the WAV file `plays` (16 kHz mono). `video` switches its camera on.
    pub fn start(directory: &Path, user: &str, plays: &Path, video: bool) -> Result<Self> {
        let home = directory.join(format!("{user}-home"));
        std::fs::create_dir_all(home.join(".local/share/linphone"))?;
        std::fs::create_dir_all(home.join(".config/linphone"))?;
        let (sip, audio, video_port) = (ports::free()?, ports::free()?, ports::free()?);
        let camera = u8::from(video);
        let settings = home.join("linphonerc");
        std::fs::write(
            &settings,
            format!(
                "[sip]\nsip_port={sip}\nsip_tcp_port=0\nsip_tls_port=0\ndefault_proxy=-1\nguess_hostname=0\n\
                 contact=\"{user}\" <sip:{user}@127.0.0.1>\nmedia_encryption=none\nuse_ipv6=0\n\
                 register_only_when_network_is_up=0\n\
                 [rtp]\naudio_rtp_port={audio}\nvideo_rtp_port={video_port}\nbind_address=127.0.0.1\navpf=0\n\
                 [video]\ncapture=1\ndisplay=1\nautomatically_initiate={camera}\nautomatically_accept=1\n\
                 show_local=0\nself_view=0\nsize=vga\ndevice=StaticImage: Static picture\n\
                 [sound]\nechocancellation=0\n[misc]\nreal_early_media=0\n[storage]\nuri={}\n",
                home.join("linphone.db").display()
            ),
        )?;
        let log = directory.join(format!("{user}-liblinphone.log"));
        let mut command = Command::new("linphonec");
        command.arg("-c").arg(&settings).args(["-d", "6", "-l"]).arg(&log);
        if video {
            command.arg("-V");
        }
        command
            .env("HOME", &home)
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env_remove("DISPLAY")
            .stdin(Stdio::piped());
        let program = Program::start(user, &mut command, &directory.join(format!("{user}.log")))?;
        let recording = directory.join(format!("{user}.wav"));
        let mut client = Self { program, recording: recording.clone(), log };
        std::thread::sleep(Duration::from_millis(700));
        client.command("soundcard use files")?;
        client.command(&format!("play {}", plays.display()))?;
        client.command(&format!("record {}", recording.display()))?;
        Ok(client)
    }

    /// Types a command.
    pub fn command(&mut self, line: &str) -> Result<()> {
        let input = self.program.child().stdin.as_mut().context("linphonec has no input")?;
        writeln!(input, "{line}")?;
        // its loop reads one command per turn
        std::thread::sleep(Duration::from_millis(150));
        Ok(())
    }

    /// Registers with an account.
    pub fn register(&mut self, user: &str, host: &str, password: &str) -> Result<()> {
        self.command(&format!("register sip:{user}@{host} sip:{host} {password}"))
    }

    /// Writes the picture it sees to a JPEG file at its next frame.
    pub fn snapshot(&mut self, file: &Path) -> Result<()> {
        self.command(&format!("snapshot {}", file.display()))
    }

    /// Hangs up and quits; the recording is then complete.
    pub fn quit(&mut self) -> Result<()> {
        self.command("terminate all")?;
        std::thread::sleep(Duration::from_millis(800));
        self.command("quit")?;
        self.program.wait(Duration::from_secs(10))?;
        Ok(())
    }

    /// What it heard.
    pub fn recording(&self) -> &Path {
        &self.recording
    }

    /// What it printed.
    pub fn output(&self) -> String {
        self.program.output()
    }
}
