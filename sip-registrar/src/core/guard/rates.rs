//! A token bucket and a count of failures per source, for the sources heard of most recently.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Source;

/// A source that sends too much is logged at most this often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The sources heard of most recently.
#[derive(Debug)]
pub(super) struct Rates {
    /// Messages a second; 0 = no limit.
    rate: u32,
    burst: u32,
    max: usize,
    entries: BTreeMap<Source, Entry>,
    /// Use → source: the first was used least recently.
    by_use: BTreeMap<u64, Source>,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    last_use: u64,
    /// Messages that may come, in units of a second's worth of one: `rate` of them a second.
    tokens: Duration,
    filled: Instant,
    told: Option<Instant>,
    failures: u32,
    /// When the first of `failures` was.
    failing_since: Instant,
}

impl Rates {
    pub(super) fn new(rate: u32, burst: u32, max: usize) -> Self {
        let (entries, by_use) = (BTreeMap::new(), BTreeMap::new());
        Rates { rate, burst: burst.max(1), max: max.max(1), entries, by_use, uses: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes a token; false if there is none left.
    pub(super) fn take(&mut self, now: Instant, source: Source) -> bool {
        if self.rate == 0 {
            return true;
        }
        let (each, full) = (self.each(), self.full());
        let entry = self.entry(now, source);
        let since = now.saturating_duration_since(entry.filled);
        entry.filled = now.max(entry.filled);
        entry.tokens = entry.tokens.saturating_add(since).min(full);
        if let Some(left) = entry.tokens.checked_sub(each) {
            entry.tokens = left;
            return true;
        }
        if entry.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY) {
            entry.told = Some(now);
            tracing::warn!(%source, "source sends too much: messages are dropped");
        }
        false
    }

    /// Counts a failure; how many there have been within `window`.
    pub(super) fn count_failure(&mut self, now: Instant, source: Source, window: Duration) -> u32 {
        let entry = self.entry(now, source);
        if now.saturating_duration_since(entry.failing_since) > window {
            entry.failures = 0;
        }
        if entry.failures == 0 {
            entry.failing_since = now;
        }
        entry.failures = entry.failures.saturating_add(1);
        entry.failures
    }

    pub(super) fn forget_failures(&mut self, source: Source) {
        if let Some(entry) = self.entries.get_mut(&source) {
            entry.failures = 0;
        }
    }

    /// What one message takes of a bucket.
    fn each(&self) -> Duration {
        Duration::from_secs(1) / self.rate.max(1)
    }

    /// What a full bucket holds.
    fn full(&self) -> Duration {
        self.each().saturating_mul(self.burst)
    }

    /// The entry of a source, now the one used most recently.
    fn entry(&mut self, now: Instant, source: Source) -> &mut Entry {
        self.uses += 1;
        let (uses, full) = (self.uses, self.full());
        if let Some(entry) = self.entries.get(&source) {
            self.by_use.remove(&entry.last_use);
        } else if self.entries.len() >= self.max
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.by_use.insert(uses, source);
        let entry = self.entries.entry(source).or_insert(Entry {
            last_use: uses,
            tokens: full,
            filled: now,
            told: None,
            failures: 0,
            failing_since: now,
        });
        entry.last_use = uses;
        entry
    }
}
