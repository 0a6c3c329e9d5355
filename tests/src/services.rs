//! The two services as a test runs them: the release binaries on free ports with a written configuration.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::lab::{Host, Namespace};
use crate::ports;
use crate::process::Program;

/// Where the release binaries are: `PARLEY_BIN_DIR`, else `target/release` of this workspace.
pub fn binary(name: &str) -> Result<PathBuf> {
    let directory = std::env::var_os("PARLEY_BIN_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release"),
        PathBuf::from,
    );
    let path = directory.join(name);
    if !path.exists() {
        bail!("{} is missing: run `make build`", path.display());
    }
    Ok(path)
}

/// An empty directory for what a test writes, under `target/`, kept for looking at afterwards.
pub fn scratch(name: &str) -> Result<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop").join(name);
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    Ok(directory.canonicalize()?)
}

/// Accounts that every test registrar knows: user and password.
pub const ACCOUNTS: &[(&str, &str)] =
    &[("alice", "wonderland"), ("bob", "builder"), ("carol", "singers")];

/// A running mixer and registrar.
#[derive(Debug)]
pub struct Services {
    /// The mixer.
    pub mixer: Program,
    /// The registrar.
    pub registrar: Program,
    /// SIP port, UDP and TCP.
    pub sip: u16,
    ip: IpAddr,
    registrar_http: u16,
    mixer_http: u16,
    control: u16,
    directory: PathBuf,
    namespace: Option<Namespace>,
}

/// What differs from the defaults of a test: where things are, and more of the configurations.
#[derive(Debug, Default)]
struct Setup<'a> {
    namespace: Option<Namespace>,
    mixer: &'a str,
    registrar: &'a str,
}

impl Services {
    /// Starts both on 127.0.0.1 with their files in `directory` and waits until they are healthy.
    pub fn start(directory: &Path) -> Result<Self> {
        Self::start_on(directory, IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// As [`start`](Self::start), with SIP and media on `ip`, a loopback address.
    pub fn start_on(directory: &Path, ip: IpAddr) -> Result<Self> {
        Self::start_at(directory, SocketAddr::new(ip, ports::free()?))
    }

    /// As [`start`](Self::start), with SIP on this loopback address: Linphone forgets the port of a conference and
    /// asks at 5060.
    pub fn start_at(directory: &Path, address: SocketAddr) -> Result<Self> {
        Self::start_with(directory, address, Setup::default())
    }

    /// As [`start`](Self::start), with these lines in the section of the registrar's configuration about conferences.
    pub fn start_meeting(directory: &Path, conference: &str) -> Result<Self> {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::free()?);
        let registrar = &format!("{conference}\n");
        Self::start_with(directory, address, Setup { registrar, ..Setup::default() })
    }

    /// On a host of a [laboratory](crate::lab), SIP at port 5060. These go into the configurations: for the
    /// mixer more sections, for the registrar more of `[conference]` and then more sections.
    pub fn start_in(host: &Host, directory: &Path, mixer: &str, registrar: &str) -> Result<Self> {
        let setup = Setup { namespace: Some(host.namespace.clone()), mixer, registrar };
        Self::start_with(directory, SocketAddr::new(host.ip, 5060), setup)
    }

    fn start_with(directory: &Path, address: SocketAddr, setup: Setup<'_>) -> Result<Self> {
        let (ip, sip) = (address.ip(), address.port());
        let Setup { namespace, mixer, registrar } = setup;
        // Guests may come from this machine; in a laboratory nobody does.
        let guests = if namespace.is_some() { "guests = \"anyone\"\n" } else { "" };
        let [registrar_http, control, mixer_http] =
            [ports::free()?, ports::free()?, ports::free()?];
        std::fs::write(
            directory.join("mixer.toml"),
            format!(
                "[control]\nlisten = \"127.0.0.1:{control}\"\n[http]\nlisten = \"127.0.0.1:{mixer_http}\"\n\
                 [media]\naddress = \"{ip}\"\n{mixer}"
            ),
        )?;
        let accounts: String = ACCOUNTS
            .iter()
            .map(|(user, password)| {
                format!("[[accounts]]\nuser = \"{user}\"\npassword = \"{password}\"\n")
            })
            .collect();
        std::fs::write(
            directory.join("registrar.toml"),
            format!(
                "[sip]\nlisten = [\"{}\"]\n{guests}[mixer]\naddress = \"127.0.0.1:{control}\"\n\
                 [http]\nlisten = \"127.0.0.1:{registrar_http}\"\n[store]\npath = \"{}\"\n[conference]\nempty_grace = 1\n{registrar}{accounts}",
                address,
                directory.join("registrar.db").display()
            ),
        )?;
        let services = Self {
            mixer: start(namespace.as_ref(), directory, "media-mixer", "mixer.toml")?,
            registrar: start(namespace.as_ref(), directory, "sip-registrar", "registrar.toml")?,
            sip,
            ip,
            registrar_http,
            mixer_http,
            control,
            directory: directory.to_owned(),
            namespace,
        };
        services.wait_healthy()?;
        Ok(services)
    }

    /// Starts the mixer again after it was ended.
    pub fn restart_mixer(&mut self) -> Result<()> {
        self.mixer = start(self.namespace.as_ref(), &self.directory, "media-mixer", "mixer.toml")?;
        self.wait_healthy()
    }

    /// The URI of a meeting.
    pub fn conference(&self, name: &str) -> String {
        format!("sip:{name}@{}", self.address())
    }

    /// Where SIP is listened to.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.sip)
    }

    /// The address of the mixer's control service.
    pub fn mixer_control(&self) -> String {
        format!("http://127.0.0.1:{}", self.control)
    }

    /// Where the registrar serves this path over HTTP.
    pub fn registrar_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.registrar_http)
    }

    /// The registrar's configuration file.
    pub fn registrar_config(&self) -> PathBuf {
        self.directory.join("registrar.toml")
    }

    /// The registrar's metrics page.
    pub fn registrar_metrics(&self) -> Result<String> {
        self.get(self.registrar_http, "/metrics")
    }

    /// The conferences as the registrar tells of them at `/api/v1/meetings`.
    pub fn meetings(&self) -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&self.get(self.registrar_http, "/api/v1/meetings")?)?)
    }

    /// The mixer's metrics page.
    pub fn mixer_metrics(&self) -> Result<String> {
        self.get(self.mixer_http, "/metrics")
    }

    /// What the registrar's HTTP API says of a public conference.
    pub fn meeting(&self, name: &str) -> Result<serde_json::Value> {
        let text = self.get(self.registrar_http, &format!("/api/v1/meetings/{name}"))?;
        Ok(serde_json::from_str(&text)?)
    }

    fn get(&self, port: u16, path: &str) -> Result<String> {
        match &self.namespace {
            Some(namespace) => namespace.inside(|| http_get(port, path))?,
            None => http_get(port, path),
        }
    }

    /// Waits until no conference is left: they stay for a moment after their last member.
    pub fn wait_empty(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let page = self.registrar_metrics()?;
            if metric(&page, "parley_conferences", "") == 0.0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("conferences are left\n{page}\n{}", self.registrar.output());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until both are healthy and the registrar has found its mixer.
    pub fn wait_healthy(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let found = self
                .get(self.mixer_http, "/healthz")
                .and_then(|_| self.registrar_metrics())
                .is_ok_and(|page| metric(&page, "parley_mixer_up", "") > 0.0);
            if found {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "the services did not find each other\n{}\n{}",
                    self.mixer.output(),
                    self.registrar.output()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn start(
    namespace: Option<&Namespace>,
    directory: &Path,
    name: &str,
    config: &str,
) -> Result<Program> {
    let log = directory.join(format!("{name}.log"));
    let program = binary(name)?;
    let mut command = match namespace {
        Some(namespace) => namespace.command(&program),
        None => Command::new(program),
    };
    Program::start(name, command.arg("--config").arg(directory.join(config)), &log)
}

/// The sum of all samples of a metric whose labels contain `labels`.
pub fn metric(page: &str, name: &str, labels: &str) -> f64 {
    page.lines()
        .filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && line.contains(labels)
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// The body of an HTTP answer 200 from 127.0.0.1.
pub fn http_get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("half an HTTP answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{path}: {}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::metric;

    #[test]
    fn metrics_are_summed_by_label() {
        let page = "# HELP a_total x\na_total{leg=\"1\"} 3\na_total{leg=\"2\"} 4\na_total_b 9\n";
        assert_eq!(metric(page, "a_total", ""), 7.0);
        assert_eq!(metric(page, "a_total", "leg=\"2\""), 4.0);
    }
}
