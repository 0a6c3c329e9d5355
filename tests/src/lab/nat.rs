//! Routers that translate addresses, in the words of RFC 4787 and of RFC 3489, which everybody still uses.

use anyhow::Result;

use super::namespace::{Host, Namespace};

/// How a NAT maps and filters UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatKind {
    /// One mapping for all destinations, and anybody may send to it (endpoint-independent mapping and filtering).
    FullCone,
    /// One mapping for all destinations; only where something was sent to, may send back (endpoint-independent
    /// mapping, address and port-dependent filtering).
    PortRestricted,
    /// A mapping for each destination, and the same filtering.
    Symmetric,
}

/// A router with a private network behind it.
#[derive(Debug)]
pub struct Nat {
    /// The router itself.
    pub router: Host,
    prefix: String,
    number: u8,
    kind: NatKind,
    hosts: u8,
}

impl Nat {
    pub(super) fn new(prefix: &str, hub: &Namespace, number: u8, kind: NatKind) -> Result<Self> {
        let public = format!("198.51.100.{}", 10 + 10 * number);
        let namespace = Namespace::create(&format!("{prefix}-nat{number}"))?;
        hub.plug(&namespace, &public)?;
        namespace.ip("link add br0 type bridge")?;
        namespace.ip(&format!("addr add 192.168.{number}.1/24 dev br0"))?;
        namespace.ip("link set br0 up")?;
        namespace.inside(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1"))??;
        // What nobody asked for is lost, as at home. An answer by ICMP would tell the sender, and its entry in the table
        // of connections would take the mapping that a host needs a moment later to reach the same sender.
        namespace.nft(
            "table ip lab { \
               chain pre { type nat hook prerouting priority -100; }; \
               chain post { type nat hook postrouting priority 100; }; \
               chain in { type filter hook input priority 0; \
                 iifname eth0 ct state established,related accept; \
                 iifname eth0 meta l4proto { tcp, udp } drop; }; \
               chain forward { type filter hook forward priority 0; \
                 iifname eth0 ct state new ct status & dnat == 0 drop; }; \
             }",
        )?;
        match kind {
            // Each host has a public address of its own, see `host`.
            NatKind::FullCone => {}
            NatKind::PortRestricted => {
                namespace.nft("add rule ip lab post oifname eth0 masquerade persistent")?;
            }
            // Without fully-random the port stays what it was as long as nobody else has it.
            NatKind::Symmetric => {
                namespace.nft("add rule ip lab post oifname eth0 masquerade fully-random")?;
            }
        }
        let router = Host::new(namespace, &public)?;
        Ok(Self { router, prefix: prefix.to_owned(), number, kind, hosts: 0 })
    }

    /// A host behind it.
    pub fn host(&mut self, name: &str) -> Result<Host> {
        let (number, last) = (self.number, 2 + self.hosts);
        let namespace = Namespace::create(&format!("{}-{name}", self.prefix))?;
        let ip = format!("192.168.{number}.{last}");
        let router = &self.router.namespace;
        router.plug(&namespace, &ip)?;
        namespace.ip(&format!("route add default via 192.168.{number}.1"))?;
        if self.kind == NatKind::FullCone {
            let public = format!("198.51.100.{}", 10 + 10 * number + self.hosts);
            if self.hosts > 0 {
                self.router.add_address(&public)?;
            }
            router.nft(&format!(
                "add rule ip lab post oifname eth0 ip saddr {ip} snat to {public}"
            ))?;
            router.nft(&format!(
                "add rule ip lab pre iifname eth0 ip daddr {public} meta l4proto udp dnat to {ip}"
            ))?;
        }
        self.hosts += 1;
        Host::new(namespace, &ip)
    }

    /// Loses what matches this expression of nftables on its way through, in either direction.
    pub fn block(&self, what: &str) -> Result<()> {
        self.router.namespace.nft(&format!("insert rule ip lab forward {what} drop"))
    }
}
