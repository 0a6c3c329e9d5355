//! One network namespace, and a host in it.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace. It is deleted when the last copy of this is dropped.
#[derive(Debug, Clone)]
pub struct Namespace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    ports: AtomicU32,
}

impl Drop for Inner {
    fn drop(&mut self) {
        Command::new("ip").args(["netns", "del", &self.name]).status().ok();
    }
}

impl Namespace {
    pub(super) fn create(name: &str) -> Result<Self> {
        run(Command::new("ip").args(["netns", "add", name]))?;
        let made = Self(Arc::new(Inner { name: name.to_owned(), ports: AtomicU32::new(0) }));
        made.ip("link set lo up")?;
        Ok(made)
    }

    /// Its name, as `ip netns` has it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A command that runs in it. `ip` becomes the program, so the pid is the program's.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name()]).arg(program);
        command
    }

    /// `ip ARGUMENTS` in it.
    pub fn ip(&self, arguments: &str) -> Result<()> {
        run(Command::new("ip").args(["-n", self.name()]).args(arguments.split_whitespace()))
    }

    /// `nft SCRIPT` in it.
    pub fn nft(&self, script: &str) -> Result<()> {
        run(self.command(Path::new("nft")).arg(script))
    }

    /// Calls this in it, on a thread of its own. Sockets made there stay in the namespace wherever they go.
    pub fn inside<T: Send>(&self, call: impl FnOnce() -> T + Send) -> Result<T> {
        let file = File::open(Path::new("/run/netns").join(self.name()))?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| -> Result<T> {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(call())
            });
            thread.join().map_err(|panic| anyhow::anyhow!("{:?}", panic.downcast_ref::<&str>()))?
        })
    }

    /// Joins `other` to our bridge `br0`, by an interface `eth0` of its own with this address.
    pub(super) fn plug(&self, other: &Self, ip: &str) -> Result<()> {
        let port = self.0.ports.fetch_add(1, Ordering::Relaxed);
        self.ip(&format!("link add p{port} type veth peer name eth0 netns {}", other.name()))?;
        self.ip(&format!("link set p{port} master br0"))?;
        self.ip(&format!("link set p{port} up"))?;
        other.ip(&format!("addr add {ip}/24 dev eth0"))?;
        other.ip("link set eth0 up")
    }
}

/// A host in the laboratory.
#[derive(Debug, Clone)]
pub struct Host {
    /// Where its programs run.
    pub namespace: Namespace,
    /// Its address.
    pub ip: IpAddr,
}

impl Host {
    pub(super) fn new(namespace: Namespace, ip: &str) -> Result<Self> {
        Ok(Self { namespace, ip: ip.parse()? })
    }

    /// A second address on the same network.
    pub fn add_address(&self, ip: &str) -> Result<IpAddr> {
        self.namespace.ip(&format!("addr add {ip}/24 dev eth0"))?;
        Ok(ip.parse()?)
    }

    /// Loses what matches this expression of nftables, coming or going: `udp dport 20000-29999`.
    pub fn block(&self, what: &str) -> Result<()> {
        self.namespace.nft(&format!(
            "table inet block {{ chain in {{ type filter hook input priority 0; }}; \
             chain out {{ type filter hook output priority 0; }}; }}; \
             add rule inet block in {what} drop; add rule inet block out {what} drop"
        ))
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Deletes namespaces of test programs that are no more.
pub(super) fn sweep() {
    for entry in std::fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix("parley-").and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            Command::new("ip").args(["netns", "del", &name]).status().ok();
        }
    }
}
