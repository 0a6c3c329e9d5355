//! A network laboratory: namespaces, NATs and a look at what passes.
//!
//! A [`Lab`] is a public network of its own with hosts on it and NAT routers, behind which there are private networks
//! with more hosts. It needs root (`ip netns`). Names hold the process id, so many may run at once; what a test leaves
//! behind because it was killed is taken away by the next one.
//!
//! ```text
//!   host("server") 198.51.100.10 ──┬── the public network, 198.51.100.0/24
//!                                  │
//!            nat(kind) 198.51.100.20 ── 192.168.1.1 ──┬── host("anna") 192.168.1.2
//!                                                     └── host("ben")  192.168.1.3
//! ```

mod capture;
mod namespace;
mod nat;
mod stun;
mod turn;

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

pub use capture::{Capture, Kind, Packet};
pub use namespace::{Host, Namespace};
pub use nat::{Nat, NatKind};
pub use stun::{binding, udp};
pub use turn::TurnClient;

/// The public network.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    hub: Namespace,
    hosts: u8,
    nats: u8,
}

impl Lab {
    /// An empty public network.
    pub fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        namespace::sweep();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("parley-{}-{count}", std::process::id());
        let hub = Namespace::create(&format!("{prefix}-hub"))
            .context("making a network namespace needs root, and iproute2")?;
        hub.ip("link add br0 type bridge")?;
        hub.ip("link set br0 up")?;
        Ok(Self { prefix, hub, hosts: 0, nats: 0 })
    }

    /// A host with a public address; the first is 198.51.100.10.
    pub fn host(&mut self, name: &str) -> Result<Host> {
        let ip = format!("198.51.100.{}", 10 + self.hosts);
        self.hosts += 1;
        let namespace = Namespace::create(&format!("{}-{name}", self.prefix))?;
        self.hub.plug(&namespace, &ip)?;
        Host::new(namespace, &ip)
    }

    /// A router that translates addresses, with a private network behind it.
    pub fn nat(&mut self, kind: NatKind) -> Result<Nat> {
        self.nats += 1;
        Nat::new(&self.prefix, &self.hub, self.nats, kind)
    }
}
