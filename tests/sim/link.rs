//! The network: one lossy link for each direction between two hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use str0m_netem::{Input, Netem, NetemConfig, Output, Probability, RandomLoss};

use crate::clock::{Chance, millis};

/// A datagram on its way.
#[derive(Debug, Clone)]
pub struct Packet {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Bytes,
}

impl AsRef<[u8]> for Packet {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// How bad a link is, each way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Share of packets lost, 0 to 1.
    pub loss: f32,
    /// How long a packet takes.
    pub latency: Duration,
    /// By how much that varies, up and down; packets then overtake each other.
    pub jitter: Duration,
    /// Share of packets that arrive twice.
    pub twice: f32,
}

impl Quality {
    /// 10 ms, nothing lost.
    pub const GOOD: Self =
        Self { loss: 0.0, latency: millis(10), jitter: Duration::ZERO, twice: 0.0 };

    /// 5 % lost, 1 % twice, 30 ± 15 ms: a bad wireless network.
    pub const BAD: Self = Self { loss: 0.05, latency: millis(30), jitter: millis(15), twice: 0.01 };

    /// 20 % lost, 20 % twice, and whatever was sent within a tenth of a second in any order.
    pub const AWFUL: Self = Self { loss: 0.2, latency: millis(60), jitter: millis(55), twice: 0.2 };

    /// Nothing arrives.
    pub const BROKEN: Self = Self { loss: 1.0, ..Self::GOOD };

    fn config(self, seed: u64) -> NetemConfig {
        NetemConfig::new()
            .loss(RandomLoss::new(Probability::new(self.loss)))
            .latency(self.latency)
            .jitter(self.jitter)
            .duplicate(Probability::new(self.twice))
            .seed(seed)
    }
}

/// All links. They come into being with the first packet.
pub struct Network {
    quality: Quality,
    chance: Chance,
    links: BTreeMap<(IpAddr, IpAddr), Netem<Packet>>,
    cut: BTreeSet<(IpAddr, IpAddr)>,
}

impl Network {
    pub fn new(quality: Quality, chance: Chance) -> Self {
        Self { quality, chance, links: BTreeMap::new(), cut: BTreeSet::new() }
    }

    /// From now on all links are like this; what is on its way arrives as it would have.
    pub fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
        for link in self.links.values_mut() {
            link.set_config(quality.config(self.chance.next()));
        }
    }

    /// Between these two nothing arrives, or all does again.
    pub fn cut(&mut self, one: IpAddr, other: IpAddr, cut: bool) {
        for ends in [(one, other), (other, one)] {
            if cut {
                self.cut.insert(ends);
            } else {
                self.cut.remove(&ends);
            }
        }
    }

    /// Sends a packet; false when it is lost.
    pub fn send(&mut self, now: Instant, packet: Packet) -> bool {
        let ends = (packet.from.ip(), packet.to.ip());
        if self.cut.contains(&ends) {
            return false;
        }
        let Self { quality, chance, links, .. } = self;
        let link = links.entry(ends).or_insert_with(|| Netem::new(quality.config(chance.next())));
        let before = link.queue_len();
        link.handle_input(Input::Packet(now, packet));
        link.queue_len() > before
    }

    /// When the next packet arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.links.values().filter(|link| !link.is_empty()).map(Netem::poll_timeout).min()
    }

    /// A packet that has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<Packet> {
        let due = |link: &&mut Netem<Packet>| !link.is_empty() && link.poll_timeout() <= now;
        for link in self.links.values_mut().filter(|link| due(link)) {
            link.handle_input(Input::Timeout(now));
            while let Some(output) = link.poll_output() {
                if let Output::Packet(packet) = output {
                    return Some(packet);
                }
            }
        }
        None
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.links.values().all(Netem::is_empty)
    }
}

/// A message that shall get lost: what no quality of a link would do on demand.
#[derive(Debug, Clone)]
pub struct Accident {
    pub from: &'static str,
    pub to: &'static str,
    /// As on the ladder: `ACK`, `200 INVITE`; `*` for all SIP.
    pub what: &'static str,
    /// How often it happens.
    pub times: u32,
}

/// All accidents still to happen.
#[derive(Debug, Default)]
pub struct Accidents(Vec<Accident>);

impl Accidents {
    pub fn plan(&mut self, accident: Accident) {
        self.0.push(accident);
    }

    /// Whether this message has an accident.
    pub fn hit(&mut self, from: &str, to: &str, what: &str) -> bool {
        let accident = self.0.iter_mut().find(|accident| {
            let same = accident.what == what || accident.what == "*";
            accident.times > 0 && accident.from == from && accident.to == to && same
        });
        accident.is_some_and(|accident| {
            accident.times -= 1;
            true
        })
    }
}
