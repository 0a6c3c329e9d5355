//! `[turn]` of the configuration file.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use media_mixer::Addresses;
use media_mixer::turn::{IpNet, PeerRules, Settings};
use serde::Deserialize;

use crate::shell::addresses::AddressList;
use crate::shell::config::{Config, PortRange};

/// `[turn]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Turn {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) relay_address: AddressList,
    pub(crate) relay_advertise: AddressList,
    pub(crate) relay_ports: PortRange,
    pub(crate) realm: String,
    pub(crate) secret: String,
    pub(crate) secret_file: PathBuf,
    pub(crate) max_allocations: usize,
    pub(crate) max_allocations_per_user: usize,
    pub(crate) max_permissions: usize,
    pub(crate) bandwidth: u64,
    pub(crate) max_lifetime: u64,
    pub(crate) rate: u32,
    pub(crate) allow_peers: Vec<String>,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            relay_address: AddressList::empty(),
            relay_advertise: AddressList::empty(),
            relay_ports: PortRange { first: 50_000, last: 59_999 },
            realm: "parley".to_owned(),
            secret: String::new(),
            secret_file: PathBuf::new(),
            max_allocations: 1000,
            max_allocations_per_user: 10,
            max_permissions: 64,
            bandwidth: 8000,
            max_lifetime: 3600,
            rate: 50,
            allow_peers: Vec::new(),
        }
    }
}

impl Turn {
    /// Whether there is to be a server.
    pub(crate) fn is_on(&self) -> bool {
        !self.listen.is_empty()
    }

    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.allowed()?;
        if !self.is_on() {
            return Ok(());
        }
        if self.secret.is_empty() && self.secret_file.as_os_str().is_empty() {
            bail!("turn.secret or turn.secret_file: one is needed where turn.listen is set");
        }
        let bound = self.bound()?;
        self.relay_advertise.instead_of(bound).context("turn.relay_advertise")?;
        if !self.relay_advertise.all_of(bound) {
            bail!("turn.relay_advertise: has an address of a family that is not relayed");
        }
        if self.realm.is_empty() || self.realm.len() > 128 {
            bail!("turn.realm: must be 1 to 128 octets");
        }
        if self.max_allocations == 0 || self.max_allocations_per_user == 0 || self.rate == 0 {
            bail!(
                "turn.max_allocations, turn.max_allocations_per_user and turn.rate: must be at least 1"
            );
        }
        if !(60..=86_400).contains(&self.max_lifetime) {
            bail!("turn.max_lifetime: must be 60 to 86400, it is {}", self.max_lifetime);
        }
        Ok(())
    }

    /// The addresses relays are bound to.
    pub(crate) fn bound(&self) -> anyhow::Result<Addresses> {
        if !self.relay_address.is_empty() {
            return self.relay_address.written().context("turn.relay_address");
        }
        let mut ips: Vec<IpAddr> = self.listen.iter().map(SocketAddr::ip).collect();
        ips.sort_unstable();
        ips.dedup();
        if ips.iter().any(IpAddr::is_unspecified) {
            bail!("turn.relay_address: is needed where turn.listen has {}", ips[0]);
        }
        Addresses::new(&ips)
            .context("turn.relay_address: is needed where turn.listen has many addresses")
    }

    /// The shared secret. The first line of a file is it, without spaces around it.
    pub(crate) fn secret(&self) -> anyhow::Result<Vec<u8>> {
        if !self.secret.is_empty() {
            return Ok(self.secret.clone().into_bytes());
        }
        let text = std::fs::read_to_string(&self.secret_file).with_context(|| {
            format!("turn.secret_file: cannot read \"{}\"", self.secret_file.display())
        })?;
        let secret = text.lines().next().unwrap_or_default().trim();
        if secret.is_empty() {
            bail!("turn.secret_file: {} has no first line", self.secret_file.display());
        }
        Ok(secret.as_bytes().to_vec())
    }

    fn allowed(&self) -> anyhow::Result<Vec<IpNet>> {
        let parse = |text: &String| {
            let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            net.with_context(|| {
                format!("turn.allow_peers: \"{text}\" is no network, such as 10.0.0.0/8")
            })
        };
        self.allow_peers.iter().map(parse).collect()
    }
}

/// What the server needs to know, in a mixer of this configuration on a host with these addresses.
pub(crate) fn settings(config: &Config, host: &[IpAddr]) -> anyhow::Result<Settings> {
    let turn = &config.turn;
    let bound = turn.bound()?;
    let media = config.media.address.written()?;
    let relayed = turn.relay_advertise.instead_of(bound)?;
    let advertised = config.media.advertise.instead_of(media)?;
    let mut own: Vec<IpAddr> = host.to_vec();
    own.extend([bound, relayed, media, advertised].into_iter().flat_map(Addresses::iter));
    own.extend(turn.listen.iter().map(SocketAddr::ip));
    own.sort_unstable();
    own.dedup();
    let services = turn.listen.iter().copied().chain([config.control.listen, config.http.listen]);
    let closed = services
        .flat_map(|service| {
            let everywhere = service.ip().is_unspecified();
            let ips = if everywhere { own.clone() } else { vec![service.ip()] };
            ips.into_iter().map(move |ip| SocketAddr::new(ip, service.port()))
        })
        .collect();
    let open = [turn.relay_ports, config.media.ports].map(|range| range.first..=range.last).into();
    Ok(Settings {
        realm: turn.realm.clone(),
        secret: turn.secret()?,
        relayed,
        peers: PeerRules { allow: turn.allowed()?, own, open, closed, ..PeerRules::default() },
        max_allocations: turn.max_allocations,
        max_per_user: turn.max_allocations_per_user,
        max_permissions: turn.max_permissions,
        // kbit/s
        bandwidth: turn.bandwidth.saturating_mul(125),
        max_lifetime: Duration::from_secs(turn.max_lifetime),
        rate: turn.rate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_values_are_refused_with_their_key() {
        for (text, key) in [
            ("listen = [\"192.0.2.1:3478\"]", "turn.secret"),
            ("listen = [\"0.0.0.0:3478\"]\nsecret = \"s\"", "turn.relay_address"),
            ("listen = [\"192.0.2.1:1\", \"192.0.2.2:1\"]\nsecret = \"s\"", "turn.relay_address"),
            ("listen = [\"192.0.2.1:3478\"]\nsecret = \"s\"\nmax_lifetime = 1", "max_lifetime"),
            ("listen = [\"192.0.2.1:3478\"]\nsecret = \"s\"\nrate = 0", "turn.rate"),
            ("listen = [\"192.0.2.1:3478\"]\nsecret = \"s\"\nrealm = \"\"", "turn.realm"),
            ("listen = [\"example.org\"]", "listen"),
            ("allow_peers = [\"10/8\"]", "turn.allow_peers"),
        ] {
            let error = format!("{:#}", Config::parse(&format!("[turn]\n{text}")).unwrap_err());
            assert!(error.contains(key), "{text}: {error}");
        }
    }

    #[test]
    fn the_services_of_this_host_are_closed_to_peers() {
        let config = Config::parse(
            "[control]\nlisten = \"0.0.0.0:7050\"\n[media]\naddress = \"203.0.113.7\"\n\
             [turn]\nlisten = [\"203.0.113.7:3478\"]\nsecret = \"s\"\nallow_peers = [\"192.0.2.0/24\", \"10.0.0.1\"]\n",
        )
        .unwrap();
        let rules = settings(&config, &["10.0.0.1".parse().unwrap()]).unwrap().peers;
        let may = |peer: &str| rules.may_reach(peer.parse().unwrap());
        assert!(may("203.0.113.7:20000") && may("203.0.113.7:50000") && may("10.0.0.1:9"));
        assert!(!may("203.0.113.7:3478") && !may("203.0.113.7:5060"));
        assert!(!may("10.0.0.1:7050"), "not even where everything else is allowed");
    }
}
