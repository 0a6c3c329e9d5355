//! `media.address` and `media.advertise`: one address, or a list with one of each family.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use anyhow::bail;
use media_mixer::{Addresses, Family};
use serde::Deserialize;
use tracing::warn;

/// Addresses as the file has them: `"192.0.2.1"`, or `["192.0.2.1", "2001:db8::1"]`; empty where nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct AddressList(Vec<IpAddr>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    List(Vec<String>),
}

impl TryFrom<Written> for AddressList {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let texts = match written {
            Written::One(text) if text.is_empty() => Vec::new(),
            Written::One(text) => vec![text],
            Written::List(texts) => texts,
        };
        let parse = |text: &String| {
            let parsed: Result<IpAddr, _> = text.parse();
            parsed.map_err(|_| format!("\"{text}\" is no IP address (names are not looked up)"))
        };
        let list = texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        if !list.is_empty() && Addresses::new(&list).is_none() {
            return Err("at most one IPv4 address and one IPv6 address".to_owned());
        }
        Ok(Self(list))
    }
}

impl AddressList {
    /// Nothing said.
    pub(crate) fn empty() -> Self {
        Self(Vec::new())
    }

    /// This host only, by both families.
    pub(crate) fn loopback() -> Self {
        Self(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
    }

    /// The addresses to be bound. One that this host does not have is left out with a warning, so that the defaults
    /// serve a host without IPv6 too.
    ///
    /// # Errors
    /// When none is left.
    pub(crate) fn usable(&self) -> anyhow::Result<Addresses> {
        let mut usable = Vec::new();
        for address in &self.0 {
            match UdpSocket::bind((*address, 0)) {
                Ok(_) => usable.push(*address),
                Err(error) => warn!(%address, %error, "no media by this address: cannot bind it"),
            }
        }
        match Addresses::new(&usable) {
            Some(addresses) => Ok(addresses),
            None => bail!("media.address: none of the addresses can be bound"),
        }
    }

    /// What is written into descriptions for the addresses in `bound`, `self` being `media.advertise`.
    ///
    /// # Errors
    /// When nobody could send to one of them.
    pub(crate) fn instead_of(&self, bound: Addresses) -> anyhow::Result<Addresses> {
        let told = |family: Family| self.0.iter().copied().find(|ip| Family::of(*ip) == family);
        let list: Vec<IpAddr> = bound.iter().map(|ip| told(Family::of(ip)).unwrap_or(ip)).collect();
        match (list.iter().find(|ip| ip.is_unspecified()), Addresses::new(&list)) {
            (None, Some(addresses)) => Ok(addresses),
            (address, _) => bail!(
                "media.advertise: must have an address for each family of which media.address is {}, \
                 nobody can send to that",
                address.map_or_else(String::new, IpAddr::to_string)
            ),
        }
    }

    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The addresses as written.
    ///
    /// # Errors
    /// When there are none.
    pub(crate) fn written(&self) -> anyhow::Result<Addresses> {
        match Addresses::new(&self.0) {
            Some(addresses) => Ok(addresses),
            None => bail!("media.address: must not be empty"),
        }
    }

    /// Whether each of these is of a family that `bound` has.
    pub(crate) fn all_of(&self, bound: Addresses) -> bool {
        self.0.iter().all(|ip| bound.of(Family::of(*ip)).is_some())
    }
}
