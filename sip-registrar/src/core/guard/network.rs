//! Networks and sources: whom limits are for.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

/// Addresses with a common prefix, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `ADDRESS/BITS`, or an address alone.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Network { address, bits })
    }

    /// Whether an address is in it. An IPv4 address is also found in its IPv6 spelling.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differs = own.to_bits() ^ other.to_bits();
                differs.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differs = own.to_bits() ^ other.to_bits();
                differs.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

/// Who is limited: an IPv4 address, or the /64 that one IPv6 host can choose its addresses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source(IpAddr);

/// The part of an IPv6 address that is the host's own choice (RFC 4291 §2.5.1).
const HOST_BITS: u128 = u64::MAX as u128;

impl Source {
    pub(crate) fn of(address: IpAddr) -> Self {
        Source(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !HOST_BITS)),
            address => address,
        })
    }

    /// All its addresses and ports.
    pub(crate) fn remotes(self) -> RangeInclusive<SocketAddr> {
        let last = match self.0 {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() | HOST_BITS)),
            address => address,
        };
        SocketAddr::new(self.0, 0)..=SocketAddr::new(last, u16::MAX)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_read_and_hold_their_addresses() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("::1", "::1", true),
        ] {
            assert_eq!(Network::parse(network).unwrap().contains(ip(address)), inside, "{network}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "example.org", "10/8", "/8"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_host_with_many_ipv6_addresses_is_one_source() {
        let source = Source::of(ip("2001:db8:1:2:3:4:5:6"));
        assert_eq!(source, Source::of(ip("2001:db8:1:2::9")));
        assert_ne!(source, Source::of(ip("2001:db8:1:3::9")));
        assert_eq!(source.to_string(), "2001:db8:1:2::/64");
        assert!(source.remotes().contains(&"[2001:db8:1:2:ffff::1]:5060".parse().unwrap()));
        let old = Source::of(ip("::ffff:192.0.2.7"));
        assert_eq!(old.to_string(), "192.0.2.7");
        assert!(old.remotes().contains(&"192.0.2.7:1".parse().unwrap()));
        assert!(!old.remotes().contains(&"192.0.2.8:1".parse().unwrap()));
    }
}
