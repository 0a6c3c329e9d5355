//! Requests and their answers: authentication (RFC 8489 §9.2), Allocate, Refresh, CreatePermission, ChannelBind (RFC 8656).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ring::hmac;
use rtc_stun::attributes::*;
use rtc_stun::message::*;

use super::allocation::{Allocation, Refused};
use super::credentials::{key, owner};
use super::message::{CHANNELS, Received, Writer};
use super::server::{Client, Opening, Output, RelayId, Server};
use crate::Family;

/// RFC 8656 §7.2: what an allocation gets if nothing else is asked for.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);
/// RFC 8656 §5: a nonce should be good for an hour at most.
const NONCE: u64 = 3600;
/// IANA's number of UDP, in REQUESTED-TRANSPORT.
const UDP: u8 = 17;

/// An error response: code and reason.
struct Reject(u16, &'static str);

const BAD_REQUEST: Reject = Reject(400, "Bad Request");
const FORBIDDEN: Reject = Reject(403, "Forbidden");
const MISMATCH: Reject = Reject(437, "Allocation Mismatch");
const OTHER_FAMILY: Reject = Reject(443, "Peer Address Family Mismatch");
const QUOTA: Reject = Reject(486, "Allocation Quota Reached");
const FULL: Reject = Reject(508, "Insufficient Capacity");

/// Who has proven to be somebody.
struct Proven {
    username: String,
    key: [u8; 16],
}

impl Server {
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        wall: u64,
        client: Client,
        request: Received,
    ) {
        let method = request.kind().method;
        let known = [
            METHOD_BINDING,
            METHOD_ALLOCATE,
            METHOD_REFRESH,
            METHOD_CREATE_PERMISSION,
            METHOD_CHANNEL_BIND,
        ];
        if !known.contains(&method) {
            return self.answer(client, reject(&request, &BAD_REQUEST).plain());
        }
        if method == METHOD_BINDING {
            return self.answer(client, unknown(&request).plain());
        }
        let Some(proven) = self.prove(wall, client, &request) else { return };
        if !request.unknown().is_empty() {
            return self.answer(client, unknown(&request).signed(&proven.key));
        }
        let key = proven.key;
        let outcome = match method {
            METHOD_ALLOCATE => return self.allocate(now, client, request, proven),
            METHOD_REFRESH => self.refresh(now, client, &request, &proven),
            METHOD_CREATE_PERMISSION => self.create_permission(now, client, &request, &proven),
            _ => self.bind_channel(now, client, &request, &proven),
        };
        let answer = outcome.unwrap_or_else(|why| reject(&request, &why));
        self.answer(client, answer.signed(&key));
    }

    /// RFC 8489 §9.2.4. Who does not pass is answered here.
    fn prove(&mut self, wall: u64, client: Client, request: &Received) -> Option<Proven> {
        if !request.is_signed() {
            self.challenge(wall, client, request, &Reject(401, "Unauthorized"));
            return None;
        }
        let text = |kind| request.text(kind);
        let (Some(username), Some(realm), Some(nonce)) =
            (text(ATTR_USERNAME), text(ATTR_REALM), text(ATTR_NONCE))
        else {
            self.answer(client, reject(request, &BAD_REQUEST).plain());
            return None;
        };
        if !self.is_nonce(wall, client, nonce) {
            self.challenge(wall, client, request, &Reject(438, "Stale Nonce"));
            return None;
        }
        let key = (realm == self.settings.realm)
            .then(|| key(&self.settings.secret, realm, username, wall))
            .flatten()
            .filter(|key| request.is_signed_with(key));
        let Some(key) = key else {
            self.stats.refused_credentials += 1;
            self.challenge(wall, client, request, &Reject(401, "Unauthorized"));
            return None;
        };
        Some(Proven { username: username.to_owned(), key })
    }

    fn challenge(&mut self, wall: u64, client: Client, request: &Received, why: &Reject) {
        let mut answer = reject(request, why);
        answer.add(ATTR_REALM, self.settings.realm.as_bytes());
        answer.add(ATTR_NONCE, self.nonce(client, wall + NONCE).as_bytes());
        self.answer(client, answer.plain());
    }

    /// When it ends, signed for this client; so nothing need be remembered of strangers.
    fn nonce(&self, client: Client, expiry: u64) -> String {
        let tag = hmac::sign(&self.nonces, nonce_input(client, expiry).as_bytes());
        format!("{expiry:x}-{}", hex::encode(tag))
    }

    fn is_nonce(&self, wall: u64, client: Client, nonce: &str) -> bool {
        let read = || {
            let (expiry, tag) = nonce.split_once('-')?;
            Some((u64::from_str_radix(expiry, 16).ok()?, hex::decode(tag).ok()?))
        };
        read().is_some_and(|(expiry, tag)| {
            expiry > wall
                && hmac::verify(&self.nonces, nonce_input(client, expiry).as_bytes(), &tag).is_ok()
        })
    }

    /// RFC 8656 §7.2.
    fn allocate(&mut self, now: Instant, client: Client, request: Received, proven: Proven) {
        let key = proven.key;
        if let Some(allocation) =
            self.clients.get(&client).and_then(|relay| self.allocations.get(relay))
        {
            // The same request again: its answer was lost.
            let answer = if allocation.transaction == request.transaction() {
                allocated(&request, allocation, now)
            } else {
                reject(&request, &MISMATCH)
            };
            return self.answer(client, answer.signed(&key));
        }
        if self.opening.values().any(|opening| opening.client == client) {
            return;
        }
        match self.may_allocate(&request, &proven) {
            Ok((family, even)) => {
                let relay = self.next;
                self.next = RelayId(relay.0 + 1);
                let Proven { username, key } = proven;
                self.opening.insert(relay, Opening { request, client, username, key, family });
                self.wish(Output::Open { relay, family, even });
            }
            Err(why) => {
                if matches!(why.0, 486 | 508) {
                    self.stats.refused_quota += 1;
                }
                self.answer(client, reject(&request, &why).signed(&key));
            }
        }
    }

    /// The family asked for, and whether its port must be even.
    fn may_allocate(&self, request: &Received, proven: &Proven) -> Result<(Family, bool), Reject> {
        match request.octet(ATTR_REQUESTED_TRANSPORT) {
            None => return Err(BAD_REQUEST),
            Some(UDP) => {}
            Some(_) => return Err(Reject(442, "Unsupported Transport Protocol")),
        }
        let family = match request.octet(ATTR_REQUESTED_ADDRESS_FAMILY) {
            None | Some(1) => Family::V4,
            Some(2) => Family::V6,
            Some(_) => return Err(Reject(440, "Address Family not Supported")),
        };
        if self.settings.relayed.of(family).is_none() {
            return Err(Reject(440, "Address Family not Supported"));
        }
        // The next port cannot be kept for later (its R bit), which is a matter of capacity by RFC 8656 §7.2.
        let even = request.octet(ATTR_EVEN_PORT);
        if even.is_some_and(|octet| octet & 0x80 != 0) {
            return Err(FULL);
        }

        let asking = owner(&proven.username);
        let of_user = self.allocations.values().map(|allocation| &allocation.username);
        let opening = self.opening.values().map(|opening| &opening.username);
        if of_user.chain(opening).filter(|name| owner(name) == asking).count()
            >= self.settings.max_per_user
        {
            return Err(QUOTA);
        }
        if self.allocations.len() + self.opening.len() >= self.settings.max_allocations {
            return Err(FULL);
        }
        Ok((family, even.is_some()))
    }

    /// The shell has opened a relay socket at this port, or could not.
    pub fn relay_opened(&mut self, now: Instant, relay: RelayId, port: Option<u16>) {
        let Some(opening) = self.opening.remove(&relay) else { return };
        let Opening { request, client, username, key, family } = opening;
        let ip = self.settings.relayed.of(family);
        let (Some(ip), Some(port)) = (ip, port) else {
            self.stats.refused_quota += 1;
            return self.answer(client, reject(&request, &FULL).signed(&key));
        };
        let allocation = Allocation::new(
            now,
            client,
            username,
            key,
            request.transaction(),
            SocketAddr::new(ip, port),
            self.lifetime(request.lifetime()),
            self.settings.bandwidth,
        );
        let answer = allocated(&request, &allocation, now).signed(&key);
        self.keep(now, relay, allocation);
        self.answer(client, answer);
    }

    /// At least the default, at most what the operator allows (RFC 8656 §7.2).
    fn lifetime(&self, asked: Option<u32>) -> Duration {
        let asked = asked.map_or(DEFAULT_LIFETIME, |seconds| Duration::from_secs(seconds.into()));
        asked.max(DEFAULT_LIFETIME).min(self.settings.max_lifetime)
    }

    /// The allocation of who asks. Another user's is answered 441 (RFC 8656 §5).
    fn own(
        &mut self,
        client: Client,
        proven: &Proven,
    ) -> Result<(RelayId, &mut Allocation), Reject> {
        let relay = *self.clients.get(&client).ok_or(MISMATCH)?;
        let allocation = self.allocations.get_mut(&relay).ok_or(MISMATCH)?;
        if allocation.username != proven.username || allocation.key != proven.key {
            return Err(Reject(441, "Wrong Credentials"));
        }
        Ok((relay, allocation))
    }

    /// RFC 8656 §8.2.
    fn refresh(
        &mut self,
        now: Instant,
        client: Client,
        request: &Received,
        proven: &Proven,
    ) -> Result<Writer, Reject> {
        let lifetime = match request.lifetime() {
            Some(0) => Duration::ZERO,
            asked => self.lifetime(asked),
        };
        let (relay, allocation) = self.own(client, proven)?;
        let family = request.octet(ATTR_REQUESTED_ADDRESS_FAMILY);
        let own = if allocation.relayed.is_ipv4() { 1 } else { 2 };
        if family.is_some_and(|family| family != own) {
            return Err(OTHER_FAMILY);
        }
        allocation.expires = now + lifetime;
        if lifetime.is_zero() {
            self.end(relay);
        }
        let mut answer = Writer::success(request);
        answer.add(ATTR_LIFETIME, &seconds(lifetime));
        Ok(answer)
    }

    /// RFC 8656 §10.2.
    fn create_permission(
        &mut self,
        now: Instant,
        client: Client,
        request: &Received,
        proven: &Proven,
    ) -> Result<Writer, Reject> {
        let most = self.settings.max_permissions;
        let peers = request.peers();
        let permitted = peers.iter().flatten().all(|peer| self.settings.peers.may_permit(*peer));
        let (_, allocation) = self.own(client, proven)?;
        let peers = peers.ok_or(BAD_REQUEST)?;
        if peers.iter().any(|peer| peer.is_ipv4() != allocation.relayed.is_ipv4()) {
            return Err(OTHER_FAMILY);
        }
        if !permitted {
            self.stats.refused_peers += 1;
            return Err(FORBIDDEN);
        }
        let outcome = allocation.permit(now, &peers, most);
        self.granted(outcome)?;
        Ok(Writer::success(request))
    }

    /// RFC 8656 §12.2.
    fn bind_channel(
        &mut self,
        now: Instant,
        client: Client,
        request: &Received,
        proven: &Proven,
    ) -> Result<Writer, Reject> {
        let most = self.settings.max_permissions;
        let peer = request.peers().and_then(|peers| peers.first().copied());
        let permitted = peer.is_none_or(|peer| self.settings.peers.may_reach(peer));
        let (_, allocation) = self.own(client, proven)?;
        let peer = peer.ok_or(BAD_REQUEST)?;
        let number = request
            .get(ATTR_CHANNEL_NUMBER)
            .and_then(|value| value.first_chunk::<2>())
            .map(|value| u16::from_be_bytes(*value))
            .filter(|number| CHANNELS.contains(number))
            .ok_or(BAD_REQUEST)?;
        if peer.is_ipv4() != allocation.relayed.is_ipv4() {
            return Err(OTHER_FAMILY);
        }
        if !permitted {
            self.stats.refused_peers += 1;
            return Err(FORBIDDEN);
        }
        let outcome = allocation.bind(now, number, peer, most);
        self.granted(outcome)?;
        Ok(Writer::success(request))
    }

    fn granted(&mut self, outcome: Result<(), Refused>) -> Result<(), Reject> {
        outcome.map_err(|why| match why {
            Refused::Taken => BAD_REQUEST,
            Refused::Full => {
                self.stats.refused_quota += 1;
                FULL
            }
        })
    }
}

fn nonce_input(client: Client, expiry: u64) -> String {
    format!("{expiry:x} {} {}", client.listener, client.address)
}

fn seconds(lifetime: Duration) -> [u8; 4] {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX).to_be_bytes()
}

fn reject(request: &Received, why: &Reject) -> Writer {
    Writer::error(request, why.0, why.1)
}

/// RFC 8489 §6.3.1: 420 names what was not understood.
fn unknown(request: &Received) -> Writer {
    let mut answer = Writer::error(request, 420, "Unknown Attribute");
    let kinds: Vec<u8> =
        request.unknown().iter().flat_map(|kind| kind.value().to_be_bytes()).collect();
    answer.add(ATTR_UNKNOWN_ATTRIBUTES, &kinds);
    answer
}

fn allocated(request: &Received, allocation: &Allocation, now: Instant) -> Writer {
    let mut answer = Writer::success(request);
    answer.address(ATTR_XOR_RELAYED_ADDRESS, allocation.relayed);
    let left = allocation.expires.saturating_duration_since(now);
    answer.add(ATTR_LIFETIME, &seconds(left));
    answer.address(ATTR_XORMAPPED_ADDRESS, allocation.client.address);
    answer
}
