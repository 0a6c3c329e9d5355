//! Who may be reached through the relay (RFC 8656 §21.1.8: a relay is a way around firewalls if one lets it be).

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use ipnet::IpNet;

/// Networks that are no peer's over the internet: this host, private and link-local ones, those of the providers
/// (RFC 6598), multicast and broadcast, and IPv6 addresses that stand for IPv4 ones and would lead around the rest.
const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    // unspecified, loopback, v4-compatible
    "::/96",
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    // NAT64, discard, Teredo and its neighbours, 6to4
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2002::/16",
    // unique local, link-local, site-local, multicast
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// The rules. [`PeerRules::default`] lets every public address be reached and no other.
#[derive(Debug, Clone)]
pub struct PeerRules {
    /// Networks that may not be reached unless `allow` has them.
    pub special: Vec<IpNet>,
    /// Networks that may be reached although they are not public, or are this host's.
    pub allow: Vec<IpNet>,
    /// The addresses of this host: only its `open` ports may be reached.
    pub own: Vec<IpAddr>,
    /// Ports of this host that are there for strangers: of relays and of media.
    pub open: Vec<RangeInclusive<u16>>,
    /// Services of this host that are never reached, whatever `allow` says.
    pub closed: Vec<SocketAddr>,
}

impl Default for PeerRules {
    fn default() -> Self {
        Self {
            special: SPECIAL.iter().filter_map(|net| net.parse().ok()).collect(),
            allow: Vec::new(),
            own: Vec::new(),
            open: Vec::new(),
            closed: Vec::new(),
        }
    }
}

impl PeerRules {
    /// Whether datagrams may go to and come from this address and port.
    pub fn may_reach(&self, peer: SocketAddr) -> bool {
        // A v4-mapped address is asked for as what it is on the wire, which an operator who allows 10.0.0.0/8 does not
        // mean; so it is refused unless it is listed as such.
        let ip = peer.ip();
        if peer.port() == 0 || self.closed.contains(&SocketAddr::new(ip, peer.port())) {
            return false;
        }
        self.allowed(ip)
            || (!self.is_special(ip)
                && (!self.own.contains(&ip)
                    || self.open.iter().any(|ports| ports.contains(&peer.port()))))
    }

    /// Whether a permission for this address may be given: it is for all ports (RFC 8656 §9.2), of which
    /// [`may_reach`](Self::may_reach) judges each datagram. The port that a client names nevertheless is judged at once.
    pub(super) fn may_permit(&self, peer: SocketAddr) -> bool {
        if peer.port() == 0 {
            return self.allowed(peer.ip()) || !self.is_special(peer.ip());
        }
        self.may_reach(peer)
    }

    fn allowed(&self, ip: IpAddr) -> bool {
        self.allow.iter().any(|net| net.contains(&ip))
    }

    fn is_special(&self, ip: IpAddr) -> bool {
        self.special.iter().any(|net| net.contains(&ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_special_network_is_understood() {
        assert_eq!(PeerRules::default().special.len(), SPECIAL.len());
    }

    #[test]
    fn only_public_addresses_may_be_reached() {
        let rules = PeerRules::default();
        for public in ["203.0.113.7:9", "8.8.8.8:9", "[2001:db8::1]:9", "[2a00::1]:9"] {
            assert!(rules.may_reach(peer(public)), "{public}");
        }
        for private in [
            "0.0.0.0:9",
            "10.1.2.3:9",
            "100.64.0.1:9",
            "100.127.255.255:9",
            "127.0.0.1:9",
            "169.254.169.254:80",
            "172.31.0.1:9",
            "192.168.1.1:9",
            "198.18.0.1:9",
            "224.0.0.251:5353",
            "255.255.255.255:9",
            "[::]:9",
            "[::1]:9",
            "[::ffff:10.0.0.1]:9",
            "[::ffff:8.8.8.8]:9",
            "[64:ff9b::a00:1]:9",
            "[2002:a00:1::]:9",
            "[2001::1]:9",
            "[fd00::1]:9",
            "[fe80::1]:9",
            "[ff02::1]:9",
            "203.0.113.7:0",
        ] {
            assert!(!rules.may_reach(peer(private)), "{private}");
        }
        assert!(!rules.may_permit(peer("10.1.2.3:0")));
        assert!(rules.may_permit(peer("203.0.113.7:0")));
    }

    #[test]
    fn of_this_host_only_relays_and_media_may_be_reached() {
        let rules = PeerRules {
            own: vec!["203.0.113.7".parse().unwrap()],
            open: vec![20_000..=29_999, 50_000..=59_999],
            ..PeerRules::default()
        };
        for (port, open) in [(5060, false), (7050, false), (20_000, true), (59_999, true)] {
            assert_eq!(rules.may_reach(SocketAddr::new(rules.own[0], port)), open, "{port}");
        }
    }

    #[test]
    fn what_is_allowed_may_be_reached_but_never_a_closed_service() {
        let rules = PeerRules {
            allow: vec!["10.0.0.0/8".parse().unwrap()],
            own: vec!["10.0.0.1".parse().unwrap()],
            closed: vec![peer("10.0.0.1:7050")],
            ..PeerRules::default()
        };
        assert!(rules.may_reach(peer("10.0.0.1:5060")));
        assert!(rules.may_reach(peer("10.9.9.9:1")));
        assert!(!rules.may_reach(peer("10.0.0.1:7050")));
        assert!(!rules.may_reach(peer("192.168.0.1:1")));
        assert!(!rules.may_reach(peer("[::ffff:10.0.0.2]:1")));
    }
}
