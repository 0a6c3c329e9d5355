//! The mixer as a child process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_media-mixer");

/// A running mixer; killed when dropped.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    log: String,
    config: PathBuf,
    pub(crate) control: SocketAddr,
    pub(crate) http: SocketAddr,
}

pub(crate) fn temporary_file(name: &str, text: &str) -> PathBuf {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir()
        .join(format!("media-mixer-{}-{count}-{name}.toml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

impl Program {
    /// Runs it to its end.
    pub(crate) fn output(arguments: &[&str]) -> Output {
        Command::new(BINARY).args(arguments).output().unwrap()
    }

    /// Starts it on free ports with this configuration besides.
    pub(crate) fn start(more: &str) -> Self {
        let own = "[http]\nlisten = \"127.0.0.1:0\"\n\
                   [media]\nports = \"30000-31999\"\n";
        let control = "listen = \"127.0.0.1:0\"\n";
        let text = match more.strip_prefix("[control]\n") {
            Some(rest) => format!("{own}[control]\n{control}{rest}"),
            None => format!("{own}{more}[control]\n{control}"),
        };
        let config = temporary_file("config", &text);
        let mut child = Command::new(BINARY)
            .arg("--config")
            .arg(&config)
            .env("RUST_LOG", "info")
            .env("NO_COLOR", "1")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut program = Self {
            child,
            lines,
            log: String::new(),
            config,
            control: SocketAddr::from(([127, 0, 0, 1], 0)),
            http: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let ready = loop {
            let line = program.lines.recv_timeout(Duration::from_secs(20)).expect("it starts");
            program.log += &line;
            program.log.push('\n');
            if line.contains("media-mixer is ready") {
                break line;
            }
        };
        let address = |key: &str| {
            let (_, rest) = ready.split_once(key).unwrap();
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        program.control = address("control=");
        program.http = address("http=");
        program
    }

    /// Ends it as an operator would, and returns its log.
    pub(crate) fn terminate(mut self) -> String {
        let pid = i32::try_from(self.child.id()).unwrap();
        let killed = Command::new("kill").arg(pid.to_string()).status().unwrap();
        assert!(killed.success());
        let status = self.child.wait().unwrap();
        self.log.extend(self.lines.iter().map(|line| line + "\n"));
        assert_eq!(status.code(), Some(0), "{}", self.log);
        std::mem::take(&mut self.log)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.config);
    }
}
