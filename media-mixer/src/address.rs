//! The mixer's addresses: at most one of each family, so that members of both can meet.

use std::net::{IpAddr, SocketAddr};

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4, also when written as a mapped IPv6 address (RFC 4291 §2.5.5.2).
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family that packets to or from this address have.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// One address, or one of each family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    first: IpAddr,
    second: Option<IpAddr>,
}

impl Addresses {
    /// A single address.
    pub fn one(address: IpAddr) -> Self {
        Self { first: address, second: None }
    }

    /// `None` for an empty list, and for one with two addresses of the same family.
    pub fn new(list: &[IpAddr]) -> Option<Self> {
        match *list {
            [first] => Some(Self::one(first)),
            [first, second] if Family::of(first) != Family::of(second) => {
                Some(Self { first, second: Some(second) })
            }
            _ => None,
        }
    }

    /// All of them, the preferred one first.
    pub fn iter(self) -> impl Iterator<Item = IpAddr> {
        std::iter::once(self.first).chain(self.second)
    }

    /// The address of a family.
    pub fn of(self, family: Family) -> Option<IpAddr> {
        self.iter().find(|ip| Family::of(*ip) == family)
    }

    /// The family of this address when we have it, else that of our first address.
    pub fn family_for(self, peer: Option<IpAddr>) -> Family {
        let family = peer.map(Family::of).filter(|family| self.of(*family).is_some());
        family.unwrap_or(Family::of(self.first))
    }

    /// The address of a family; where there is none, the first.
    pub fn of_or_first(self, family: Family) -> IpAddr {
        self.of(family).unwrap_or(self.first)
    }
}

/// An IPv4 address in the clothes of IPv6 as what it is, so that it is equal to itself without them.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        // As it was: the zone of a link-local address must not get lost.
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn at_most_one_address_of_each_family() {
        assert_eq!(Addresses::new(&[]), None);
        assert_eq!(Addresses::new(&[ip("10.0.0.1"), ip("10.0.0.2")]), None);
        assert_eq!(Addresses::new(&[ip("10.0.0.1"), ip("::ffff:10.0.0.2")]), None);
        let both = Addresses::new(&[ip("::1"), ip("10.0.0.1")]).unwrap();
        assert_eq!(both.of(Family::V4), Some(ip("10.0.0.1")));
        assert_eq!(both.of(Family::V6), Some(ip("::1")));
        assert_eq!(both.family_for(None), Family::V6);
        assert_eq!(both.family_for(Some(ip("::ffff:10.0.0.9"))), Family::V4);
        assert_eq!(Addresses::one(ip("::1")).family_for(Some(ip("10.0.0.9"))), Family::V6);
    }

    #[test]
    fn mapped_addresses_are_unmapped_and_zones_kept() {
        let mapped = canonical("[::ffff:192.0.2.1]:5".parse().unwrap());
        assert_eq!(mapped, "192.0.2.1:5".parse().unwrap());
        let scoped: SocketAddr = "[fe80::1%3]:5".parse().unwrap();
        assert_eq!(canonical(scoped), scoped);
    }
}
