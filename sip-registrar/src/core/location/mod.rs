//! The location service: which contacts an account is registered at (RFC 3261 §10.3).

mod binding;
mod devices;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use sip_stack::flow::{ConnectionId, Flow};
use sip_stack::message::NameAddr;
use thiserror::Error;

use super::clock::WallClock;
use super::store::{StoreCommand, StoredBinding};

pub use binding::{Binding, OutboundId};
pub use devices::{Device, by_preference};

/// What one REGISTER asks for one contact.
#[derive(Debug, Clone)]
pub struct ContactUpdate {
    /// The contact, without `expires`.
    pub contact: NameAddr,
    /// How long; zero removes the binding.
    pub expires: Duration,
    /// What names the binding instead of its URI (RFC 5626 §6).
    pub outbound: Option<OutboundId>,
}

/// What came with all contacts of one REGISTER.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// Its Call-ID.
    pub call_id: &'a str,
    /// Its CSeq.
    pub cseq: u32,
    /// Its Path, first value first (RFC 3327).
    pub path: &'a [NameAddr],
    /// The way it came.
    pub flow: &'a Flow,
}

/// Why a REGISTER could not be carried out; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UpdateError {
    /// An older request of the same Call-ID (RFC 3261 §10.3 step 7).
    #[error("CSeq is not higher than that of the last registration")]
    OutOfOrder,
    /// The account has too many contacts.
    #[error("too many contacts for this account")]
    TooManyContacts,
    /// The registrar has too many contacts.
    #[error("too many contacts")]
    Full,
}

/// All bindings of all accounts.
#[derive(Debug)]
pub struct Location {
    by_user: BTreeMap<String, Vec<Binding>>,
    /// Who registered over a connection; until it closes, a user may stay who has moved on.
    by_connection: BTreeMap<ConnectionId, BTreeSet<String>>,
    by_expiry: BTreeMap<(Instant, u64), String>,
    /// How many bindings came from an address and port.
    by_remote: BTreeMap<SocketAddr, usize>,
    /// Whose bindings are not what the store was last told.
    changed: BTreeSet<String>,
    next_id: u64,
    max_per_user: usize,
    max: usize,
}

impl Location {
    /// An empty location service with its bounds: contacts of one account, and of all.
    #[must_use]
    pub fn new(max_per_user: usize, max: usize) -> Self {
        Location {
            by_user: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            by_expiry: BTreeMap::new(),
            by_remote: BTreeMap::new(),
            changed: BTreeSet::new(),
            next_id: 0,
            max_per_user,
            max,
        }
    }

    /// Adds, refreshes and removes contacts of one account: all of them or, on an error, none.
    ///
    /// # Errors
    /// See [`UpdateError`].
    pub fn update(
        &mut self,
        now: Instant,
        user: &str,
        updates: &[ContactUpdate],
        registration: Registration<'_>,
    ) -> Result<(), UpdateError> {
        self.handle_timeout(now);
        let held = self.by_user.get(user).map_or(&[][..], Vec::as_slice);
        let is_stale = |update: &ContactUpdate| {
            let mut same = held.iter().filter(|b| update.is_for(b));
            same.any(|b| registration.is_older_than(b))
        };
        if updates.iter().any(is_stale) {
            return Err(UpdateError::OutOfOrder);
        }
        let count = count_after(held, updates);
        if count > held.len() {
            if count > self.max_per_user {
                return Err(UpdateError::TooManyContacts);
            }
            if self.len() + (count - held.len()) > self.max {
                return Err(UpdateError::Full);
            }
        }
        for update in updates {
            self.remove(user, |b| update.is_for(b));
            if update.expires.is_zero() {
                continue;
            }
            let binding = Binding {
                contact: update.contact.clone(),
                path: registration.path.to_vec(),
                expires_at: now + update.expires,
                flow: Some(*registration.flow),
                outbound: update.outbound.clone(),
                call_id: registration.call_id.to_owned(),
                cseq: registration.cseq,
                id: 0,
            };
            self.insert(user, binding);
            self.changed.insert(user.to_owned());
        }
        Ok(())
    }

    /// `Contact: *` with `Expires: 0`: removes every contact of the account.
    ///
    /// # Errors
    /// [`UpdateError::OutOfOrder`] when one of them was registered later in the same Call-ID.
    pub fn clear(
        &mut self,
        now: Instant,
        user: &str,
        registration: Registration<'_>,
    ) -> Result<(), UpdateError> {
        self.handle_timeout(now);
        if self.bindings(now, user).any(|b| registration.is_older_than(b)) {
            return Err(UpdateError::OutOfOrder);
        }
        self.forget(user);
        Ok(())
    }

    /// Removes every contact of an account, whoever asked for it.
    pub fn forget(&mut self, user: &str) {
        self.remove(user, |_| true);
    }

    /// Takes back a binding that was kept, if it still holds; `ours` says whether we listen on an
    /// address. What does not hold is forgotten by the store too.
    pub fn restore(
        &mut self,
        now: Instant,
        clock: &WallClock,
        user: &str,
        stored: &StoredBinding,
        ours: impl Fn(SocketAddr) -> bool,
    ) {
        let room =
            self.by_user.get(user).map_or(0, Vec::len) < self.max_per_user && self.len() < self.max;
        match Binding::from_stored(now, clock, stored, ours).filter(|_| room) {
            Some(binding) => self.insert(user, binding),
            None => {
                self.changed.insert(user.to_owned());
            }
        }
    }

    /// The next account whose bindings have changed, for the store.
    pub fn poll_changed(&mut self, clock: &WallClock) -> Option<StoreCommand> {
        let user = self.changed.pop_first()?;
        let held = self.by_user.get(&user).into_iter().flatten();
        let bindings = held.map(|b| b.to_stored(clock)).collect();
        Some(StoreCommand::Bindings { user, bindings })
    }

    /// The live contacts of an account, those that registered longest ago first.
    pub fn bindings(&self, now: Instant, user: &str) -> impl Iterator<Item = &Binding> {
        self.by_user.get(user).into_iter().flatten().filter(move |b| b.expires_at > now)
    }

    /// Everybody who has a binding.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.by_user.keys().map(String::as_str)
    }

    /// How many contacts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_expiry.len()
    }

    #[cfg(test)]
    /// Whether there is no contact at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_expiry.is_empty()
    }

    /// Whether a device is registered over a flow with this peer.
    #[must_use]
    pub fn is_known(&self, remote: SocketAddr) -> bool {
        self.by_remote.contains_key(&remote)
    }

    /// How many contacts are registered from these addresses.
    #[must_use]
    pub fn registered_from(&self, remotes: RangeInclusive<SocketAddr>) -> usize {
        self.by_remote.range(remotes).map(|(_, count)| count).sum()
    }

    /// A connection is gone. A client that keeps its flows alive makes another one; what it
    /// registered over this one reaches nobody any more (RFC 5626 §5.3, §4.4). Other clients are
    /// then reached by their Contact.
    pub fn handle_flow_closed(&mut self, connection: ConnectionId) {
        let on_it = |b: &Binding| b.flow.is_some_and(|flow| flow.connection == Some(connection));
        for user in self.by_connection.remove(&connection).unwrap_or_default() {
            self.remove(&user, |b| b.outbound.is_some() && b.path.is_empty() && on_it(b));
            for binding in self.by_user.get_mut(&user).into_iter().flatten().filter(|b| on_it(b)) {
                if let Some(flow) = binding.flow.take() {
                    uncount(&mut self.by_remote, flow.remote);
                }
                self.changed.insert(user.clone());
            }
        }
    }

    /// A flow of a client that keeps its flows alive has failed: the binding goes (RFC 5626 §7).
    pub fn handle_flow_failed(&mut self, user: &str, failed: &Binding) {
        self.remove(user, |b| b.id == failed.id && b.outbound.is_some());
    }

    /// Drops what has ended.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(entry) = self.by_expiry.first_entry() {
            let (at, id) = *entry.key();
            if at > now {
                break;
            }
            let user = entry.get().clone();
            self.remove(&user, |b| b.id == id);
        }
    }

    /// When the next contact ends.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.by_expiry.first_key_value().map(|((at, _), _)| *at)
    }

    fn insert(&mut self, user: &str, mut binding: Binding) {
        binding.id = self.next_id;
        self.next_id += 1;
        self.by_expiry.insert((binding.expires_at, binding.id), user.to_owned());
        if let Some(flow) = binding.flow {
            *self.by_remote.entry(flow.remote).or_default() += 1;
            if let Some(connection) = flow.connection {
                self.by_connection.entry(connection).or_default().insert(user.to_owned());
            }
        }
        self.by_user.entry(user.to_owned()).or_default().push(binding);
    }

    fn remove(&mut self, user: &str, which: impl Fn(&Binding) -> bool) {
        let Location { by_user, by_expiry, by_remote, changed, .. } = self;
        let Some(held) = by_user.get_mut(user) else { return };
        held.retain(|binding| {
            let gone = which(binding);
            if gone {
                by_expiry.remove(&(binding.expires_at, binding.id));
                if let Some(flow) = binding.flow {
                    uncount(by_remote, flow.remote);
                }
                changed.insert(user.to_owned());
            }
            !gone
        });
        if held.is_empty() {
            by_user.remove(user);
        }
    }
}

impl ContactUpdate {
    fn is_for(&self, binding: &Binding) -> bool {
        binding.is_for(&self.contact, self.outbound.as_ref())
    }

    fn is_same_as(&self, other: &ContactUpdate) -> bool {
        match (&self.outbound, &other.outbound) {
            (Some(own), Some(other)) => own == other,
            _ => self.contact.uri.is_equivalent(&other.contact.uri),
        }
    }
}

impl Registration<'_> {
    /// RFC 3261 §10.3 step 7.
    fn is_older_than(&self, binding: &Binding) -> bool {
        binding.call_id == self.call_id && binding.cseq >= self.cseq
    }
}

/// How many bindings there would be. One contact may be named twice: what counts is the last.
fn count_after(held: &[Binding], updates: &[ContactUpdate]) -> usize {
    let untouched = held.iter().filter(|b| !updates.iter().any(|u| u.is_for(b))).count();
    let added = updates.iter().enumerate().filter(|(index, update)| {
        let again = |later: &ContactUpdate| later.is_same_as(update);
        !update.expires.is_zero() && !updates.iter().skip(index + 1).any(again)
    });
    untouched + added.count()
}

fn uncount(by_remote: &mut BTreeMap<SocketAddr, usize>, remote: SocketAddr) {
    if let Some(count) = by_remote.get_mut(&remote) {
        *count -= 1;
        if *count == 0 {
            by_remote.remove(&remote);
        }
    }
}
