//! One allocation: a relayed address of a client, and whom it may be used for (RFC 8656 §2.3).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rtc_stun::message::TransactionId;

use super::rate::Bucket;
use super::server::Client;

/// RFC 8656 §9.
const PERMISSION: Duration = Duration::from_secs(300);
/// RFC 8656 §12.
const CHANNEL: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) client: Client,
    pub(super) username: String,
    pub(super) key: [u8; 16],
    /// Of the request that made it, which may come again.
    pub(super) transaction: TransactionId,
    pub(super) relayed: SocketAddr,
    pub(super) expires: Instant,
    permissions: BTreeMap<IpAddr, Instant>,
    channels: BTreeMap<u16, (SocketAddr, Instant)>,
    numbers: BTreeMap<SocketAddr, u16>,
    budget: Option<Bucket>,
}

/// Why something is not done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// There are as many as there may be.
    Full,
    /// The channel is another peer's, or the peer has another channel.
    Taken,
}

impl Allocation {
    #[allow(clippy::too_many_arguments, reason = "each is a field")]
    pub(super) fn new(
        now: Instant,
        client: Client,
        username: String,
        key: [u8; 16],
        transaction: TransactionId,
        relayed: SocketAddr,
        lifetime: Duration,
        bandwidth: u64,
    ) -> Self {
        Self {
            client,
            username,
            key,
            transaction,
            relayed,
            expires: now + lifetime,
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
            numbers: BTreeMap::new(),
            budget: (bandwidth > 0).then(|| Bucket::new(now, bandwidth as f64, 1.0)),
        }
    }

    /// Permits these peers, all or none.
    pub(super) fn permit(
        &mut self,
        now: Instant,
        peers: &[SocketAddr],
        most: usize,
    ) -> Result<(), Refused> {
        self.forget(now);
        let mut new: Vec<IpAddr> = peers
            .iter()
            .map(SocketAddr::ip)
            .filter(|ip| !self.permissions.contains_key(ip))
            .collect();
        new.sort_unstable();
        new.dedup();
        if self.permissions.len() + new.len() > most {
            return Err(Refused::Full);
        }
        self.permissions.extend(peers.iter().map(|peer| (peer.ip(), now + PERMISSION)));
        Ok(())
    }

    /// Binds a channel and permits its peer (RFC 8656 §12.2).
    pub(super) fn bind(
        &mut self,
        now: Instant,
        number: u16,
        peer: SocketAddr,
        most: usize,
    ) -> Result<(), Refused> {
        self.forget(now);
        match (self.channels.get(&number), self.numbers.get(&peer)) {
            (Some((bound, _)), _) if *bound != peer => return Err(Refused::Taken),
            (_, Some(bound)) if *bound != number => return Err(Refused::Taken),
            (None, _) if self.channels.len() >= most => return Err(Refused::Full),
            _ => {}
        }
        self.permit(now, &[peer], most)?;
        self.channels.insert(number, (peer, now + CHANNEL));
        self.numbers.insert(peer, number);
        Ok(())
    }

    pub(super) fn permits(&self, now: Instant, peer: SocketAddr) -> bool {
        self.permissions.get(&peer.ip()).is_some_and(|end| *end > now)
    }

    pub(super) fn peer_of(&self, now: Instant, number: u16) -> Option<SocketAddr> {
        self.channels.get(&number).filter(|(_, end)| *end > now).map(|(peer, _)| *peer)
    }

    pub(super) fn channel_of(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        let number = *self.numbers.get(&peer)?;
        self.peer_of(now, number).map(|_| number)
    }

    /// Whether so many octets may be relayed now.
    pub(super) fn afford(&mut self, now: Instant, octets: usize) -> bool {
        self.budget.as_mut().is_none_or(|budget| budget.take(now, octets as f64))
    }

    /// Takes out what has ended.
    fn forget(&mut self, now: Instant) {
        self.permissions.retain(|_, end| *end > now);
        self.channels.retain(|_, (_, end)| *end > now);
        let channels = &self.channels;
        self.numbers.retain(|_, number| channels.contains_key(number));
    }
}
