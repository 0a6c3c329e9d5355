//! Who is banned, and until when.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use super::Source;

/// Registered phones of one banned source that may turn out to guess too; beyond, all are banned.
const MAX_PHONES: usize = 256;

/// All bans.
#[derive(Debug)]
pub(super) struct Bans {
    by_source: BTreeMap<Source, Ban>,
    by_end: BTreeSet<(Instant, Source)>,
    max: usize,
}

#[derive(Debug)]
struct Ban {
    end: Instant,
    /// Phones that are banned although they are registered.
    phones: BTreeSet<SocketAddr>,
}

impl Bans {
    pub(super) fn new(max: usize) -> Self {
        Bans { by_source: BTreeMap::new(), by_end: BTreeSet::new(), max: max.max(1) }
    }

    pub(super) fn len(&self) -> usize {
        self.by_source.len()
    }

    /// Bans a source. When there are too many, the ban that ends first is lifted.
    pub(super) fn impose(&mut self, source: Source, end: Instant) {
        if self.by_source.len() >= self.max
            && let Some((_, first)) = self.by_end.pop_first()
        {
            self.by_source.remove(&first);
        }
        if let Some(before) = self.by_source.insert(source, Ban { end, phones: BTreeSet::new() }) {
            self.by_end.remove(&(before.end, source));
        }
        self.by_end.insert((end, source));
    }

    pub(super) fn is_banned(&self, now: Instant, source: Source) -> bool {
        self.by_source.get(&source).is_some_and(|ban| ban.end > now)
    }

    /// Whether the ban of a source meets this peer.
    pub(super) fn holds(
        &self,
        now: Instant,
        source: Source,
        remote: SocketAddr,
        is_registered: impl FnOnce() -> bool,
    ) -> bool {
        let Some(ban) = self.by_source.get(&source).filter(|ban| ban.end > now) else {
            return false;
        };
        ban.phones.len() >= MAX_PHONES || ban.phones.contains(&remote) || !is_registered()
    }

    /// Bans a registered phone as well.
    pub(super) fn extend_to(&mut self, source: Source, remote: SocketAddr) {
        if let Some(ban) = self.by_source.get_mut(&source)
            && ban.phones.len() < MAX_PHONES
        {
            ban.phones.insert(remote);
        }
    }

    /// Takes out a ban that is over.
    pub(super) fn pop_over(&mut self, now: Instant) -> Option<Source> {
        let (_, source) = *self.by_end.first().filter(|(end, _)| *end <= now)?;
        self.by_end.pop_first();
        self.by_source.remove(&source);
        Some(source)
    }

    pub(super) fn next_end(&self) -> Option<Instant> {
        self.by_end.first().map(|(end, _)| *end)
    }
}
