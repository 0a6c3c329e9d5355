//! Who is on the other side: sources, reporters, names. Every table is bounded, as strangers fill them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::rtcp::SdesChunk;
use crate::{Source, Ssrc};

/// A source of which nothing came for so long has stopped: whoever sends speaks or shows something more often.
const SILENT: Duration = Duration::from_millis(500);

/// Remote sources at once.
const MAX_SOURCES: usize = 32;
/// SSRCs and CSRCs with a name at once.
const MAX_NAMES: usize = 256;
/// Participants that only report.
const MAX_REPORTERS: usize = 64;
/// Report blocks in one report: 24 octets each, and names must fit beside them.
const MAX_BLOCKS: usize = 16;
/// Silence after which a source may be replaced when the table is full.
const REPLACEABLE_AFTER: Duration = Duration::from_secs(1);
/// Packets in sequence that prove a further source (RFC 3550 §A.1 `MIN_SEQUENTIAL`). The first one needs none:
/// signalling has announced it, and its first packet is often the start of a key frame.
const MIN_SEQUENTIAL: u16 = 2;

#[derive(Clone, Debug)]
struct Entry {
    source: Source,
    since: Instant,
    /// It carries retransmissions (RFC 4588) and no media of its own.
    repair: bool,
}

impl Entry {
    fn last_heard(&self) -> Instant {
        self.source.last_packet().unwrap_or(self.since)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    /// Few, and looked up for every packet: a scan beats a tree.
    sources: Vec<Entry>,
    /// Signalling vouches for the next new source.
    expected: bool,
    reporters: BTreeMap<Ssrc, Instant>,
    names: BTreeMap<Ssrc, (Instant, SdesChunk)>,
    /// Number of the last FIR command of (who asks, whose key frame).
    commands: BTreeMap<(Ssrc, Ssrc), u8>,
}

impl Peers {
    pub(super) fn knows(&self, ssrc: Ssrc) -> bool {
        self.source(ssrc).is_some()
            || self.reporters.contains_key(&ssrc)
            || self.names.contains_key(&ssrc)
    }

    pub(super) fn source(&self, ssrc: Ssrc) -> Option<&Source> {
        self.sources.iter().map(|entry| &entry.source).find(|source| source.ssrc() == ssrc)
    }

    pub(super) fn source_mut(&mut self, ssrc: Ssrc) -> Option<&mut Source> {
        self.sources.iter_mut().map(|entry| &mut entry.source).find(|source| source.ssrc() == ssrc)
    }

    pub(super) fn valid_sources(&self) -> impl Iterator<Item = &Source> {
        self.sources
            .iter()
            .filter(|entry| !entry.repair)
            .map(|entry| &entry.source)
            .filter(|source| source.is_valid())
    }

    /// The source with this SSRC, made if there is room; see [`Self::make_room`].
    pub(super) fn source_for(
        &mut self,
        now: Instant,
        ssrc: Ssrc,
        clock_rate: u32,
    ) -> Option<&mut Source> {
        let index = match self.position(ssrc) {
            Some(index) => index,
            None => {
                let proven = self.valid_sources().next().is_some() && !self.expected;
                self.expected = false;
                let probation = if proven { MIN_SEQUENTIAL } else { 0 };
                self.add(now, Source::new(ssrc, clock_rate, probation), false)?
            }
        };
        self.sources.get_mut(index).map(|entry| &mut entry.source)
    }

    /// Somebody else is to send, or somebody who was there before: sources that are silent, as that one is by now, are
    /// forgotten, so that what they send again is not counted from where they stopped.
    pub(super) fn expect_another(&mut self, now: Instant) {
        self.expected = true;
        let silent = |entry: &Entry| now.saturating_duration_since(entry.last_heard());
        self.sources.retain(|entry| silent(entry) < SILENT);
    }

    /// As [`Self::source_for`], for a stream of retransmissions: a packet we asked for has proved it.
    pub(super) fn repair_for(
        &mut self,
        now: Instant,
        ssrc: Ssrc,
        clock_rate: u32,
    ) -> Option<&mut Source> {
        let index = match self.position(ssrc) {
            Some(index) => index,
            None => self.add(now, Source::new(ssrc, clock_rate, 0), true)?,
        };
        self.sources.get_mut(index).map(|entry| &mut entry.source)
    }

    fn position(&self, ssrc: Ssrc) -> Option<usize> {
        self.sources.iter().position(|entry| entry.source.ssrc() == ssrc)
    }

    fn add(&mut self, now: Instant, source: Source, repair: bool) -> Option<usize> {
        if self.sources.len() >= MAX_SOURCES && !self.make_room(now) {
            return None;
        }
        self.sources.push(Entry { source, since: now, repair });
        Some(self.sources.len() - 1)
    }

    /// Gives up a source that never proved itself, or else the one that has been silent for longest, if that is long
    /// enough: a peer that takes a new SSRC again and again is still heard, and one that sends with all of them at once
    /// gains no more.
    fn make_room(&mut self, now: Instant) -> bool {
        let unproven = self.sources.iter().position(|entry| !entry.source.is_valid());
        let stalest = || {
            let entries = self.sources.iter().enumerate();
            let (index, entry) = entries.min_by_key(|(_, entry)| entry.last_heard())?;
            let silent = now.saturating_duration_since(entry.last_heard());
            (silent >= REPLACEABLE_AFTER).then_some(index)
        };
        let Some(index) = unproven.or_else(stalest) else { return false };
        self.sources.remove(index);
        true
    }

    pub(super) fn heard_from(&mut self, now: Instant, ssrc: Ssrc) {
        if self.reporters.len() < MAX_REPORTERS || self.reporters.contains_key(&ssrc) {
            self.reporters.insert(ssrc, now);
        }
    }

    /// Everybody who reports or sends, without us.
    pub(super) fn members(&self) -> usize {
        let silent = self.reporters.keys().filter(|ssrc| self.source(**ssrc).is_none());
        silent.count() + self.valid_sources().count()
    }

    /// Those who sent media within the last `since` (RFC 3550 §6.3.5).
    pub(super) fn senders(&self, now: Instant, since: Duration) -> usize {
        let lately = |at: Instant| now.saturating_duration_since(at) < since;
        let sources = self.sources.iter().map(|entry| &entry.source);
        sources.filter(|s| s.is_valid() && s.last_packet().is_some_and(lately)).count()
    }

    /// Whether the description says anything new.
    pub(super) fn named(&mut self, now: Instant, chunk: &SdesChunk) -> bool {
        if let Some((heard, known)) = self.names.get_mut(&chunk.ssrc) {
            *heard = now;
            // A packet may leave out what has not changed (RFC 3550 §6.3.9).
            let mut merged = chunk.clone();
            merged.cname = merged.cname.or_else(|| known.cname.clone());
            merged.name = merged.name.or_else(|| known.name.clone());
            let changed = *known != merged;
            *known = merged;
            return changed;
        }
        if self.names.len() >= MAX_NAMES {
            let stalest = self.names.iter().min_by_key(|(_, (heard, _))| *heard);
            if let Some(ssrc) = stalest.map(|(ssrc, _)| *ssrc) {
                self.names.remove(&ssrc);
            }
        }
        self.names.insert(chunk.ssrc, (now, chunk.clone()));
        true
    }

    pub(super) fn name_of(&self, ssrc: Ssrc) -> Option<&SdesChunk> {
        self.names.get(&ssrc).map(|(_, chunk)| chunk)
    }

    /// Forgets a source that said BYE; whether it was known.
    pub(super) fn left(&mut self, ssrc: Ssrc) -> bool {
        let sources = self.sources.len();
        self.sources.retain(|entry| entry.source.ssrc() != ssrc);
        let reported = self.reporters.remove(&ssrc).is_some();
        let named = self.names.remove(&ssrc).is_some();
        self.commands.retain(|(asker, _), _| *asker != ssrc);
        reported || named || self.sources.len() != sources
    }

    /// Whether this FIR command is no repetition (RFC 5104 §4.3.1.1).
    pub(super) fn is_new_command(&mut self, asker: Ssrc, media: Ssrc, command: u8) -> bool {
        if self.commands.len() >= MAX_REPORTERS && !self.commands.contains_key(&(asker, media)) {
            self.commands.pop_first();
        }
        self.commands.insert((asker, media), command) != Some(command)
    }

    /// Forgets who has been silent for `timeout` (RFC 3550 §6.3.5); whether there was somebody.
    pub(super) fn prune(&mut self, now: Instant, timeout: Duration) -> bool {
        let before = self.members();
        let alive = |heard: Instant| now.saturating_duration_since(heard) < timeout;
        let reporters = &self.reporters;
        self.sources.retain(|entry| {
            let reported = reporters.get(&entry.source.ssrc()).copied();
            alive(entry.last_heard()) || reported.is_some_and(alive)
        });
        self.reporters.retain(|_, heard| alive(*heard));
        // Names of contributors are repeated in turns, and so less often than reports.
        self.names.retain(|_, (heard, _)| now.saturating_duration_since(*heard) < timeout * 10);
        self.members() < before
    }

    /// The sources to report on now; all in turn when there are many.
    pub(super) fn reportable(&mut self) -> impl Iterator<Item = &mut Source> {
        if self.sources.len() > MAX_BLOCKS {
            self.sources.rotate_left(MAX_BLOCKS);
        }
        self.sources
            .iter_mut()
            .map(|entry| &mut entry.source)
            .filter(|source| source.is_valid())
            .take(MAX_BLOCKS)
    }
}
