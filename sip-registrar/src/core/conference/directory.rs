//! Which conferences there are: create, find, close.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use super::focus::Focus;
use super::meeting::Meeting;
use super::name::ConferenceName;
use super::view::MemberState;

/// Who opened a conference; each has a bounded number of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Creator {
    /// An account.
    Account(String),
    /// The guests of one address.
    Guests(IpAddr),
    /// An operator, or a guest whose address a restart has made us forget: not bounded.
    Unbounded,
}

/// Why no conference could be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// This creator has too many.
    Creator,
    /// There are too many.
    Directory,
}

/// The conferences of this focus server by name.
#[derive(Debug)]
pub(crate) struct Directory {
    by_name: BTreeMap<ConferenceName, Focus>,
    by_id: BTreeMap<String, ConferenceName>,
    by_creator: BTreeMap<Creator, usize>,
    /// Those of which something is due, and when.
    due: BTreeSet<(Instant, ConferenceName)>,
    max: usize,
    max_per_creator: usize,
    touched: BTreeSet<ConferenceName>,
    /// Of which it has not been looked which way their media are to go.
    unconsidered: BTreeSet<ConferenceName>,
}

impl Directory {
    pub(crate) fn new(max: usize, max_per_creator: usize) -> Self {
        Directory {
            by_name: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_creator: BTreeMap::new(),
            due: BTreeSet::new(),
            max,
            max_per_creator,
            touched: BTreeSet::new(),
            unconsidered: BTreeSet::new(),
        }
    }

    /// The conference of this name, opened now if there is none. The id that `make` gives names the
    /// meeting at the mixer and must not have been used before.
    pub(crate) fn open(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        creator: &Creator,
        make: impl FnOnce() -> (String, Meeting),
    ) -> Result<&mut Focus, Full> {
        self.touch(name);
        if !self.by_name.contains_key(name) {
            if self.by_name.len() >= self.max {
                return Err(Full::Directory);
            }
            let held = self.by_creator.entry(creator.clone()).or_default();
            if *held >= self.max_per_creator && *creator != Creator::Unbounded {
                return Err(Full::Creator);
            }
            *held += 1;
        }
        let by_id = &mut self.by_id;
        Ok(self.by_name.entry(name.clone()).or_insert_with(|| {
            let (id, meeting) = make();
            by_id.insert(id.clone(), name.clone());
            Focus::new(now, id, creator.clone(), meeting)
        }))
    }

    /// Takes back a conference of before a restart; no bound keeps it out.
    pub(crate) fn restore(&mut self, focus: Focus) {
        let name = focus.meeting().name.clone();
        self.by_id.insert(focus.id().to_owned(), name.clone());
        *self.by_creator.entry(focus.creator().clone()).or_default() += 1;
        self.by_name.insert(name, focus);
    }

    /// Something is due of this conference at that time, or nothing.
    pub(crate) fn set_due(&mut self, name: &ConferenceName, due: Option<Instant>) {
        let Some(focus) = self.by_name.get_mut(name) else { return };
        if let Some(before) = std::mem::replace(&mut focus.due, due) {
            self.due.remove(&(before, name.clone()));
        }
        if let Some(due) = due {
            self.due.insert((due, name.clone()));
        }
    }

    /// The first conference of which something is due.
    pub(crate) fn next_due(&self) -> Option<(Instant, &ConferenceName)> {
        self.due.first().map(|(at, name)| (*at, name))
    }

    pub(crate) fn get(&self, name: &ConferenceName) -> Option<&Focus> {
        self.by_name.get(name)
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, name: &ConferenceName) -> Option<&mut Focus> {
        self.touch(name);
        self.by_name.get_mut(name)
    }

    /// The same for changes that nobody is to be told of, or that are noted by [`Self::touch`].
    pub(crate) fn look_mut(&mut self, name: &ConferenceName) -> Option<&mut Focus> {
        self.by_name.get_mut(name)
    }

    /// Notes that a conference may have changed.
    pub(crate) fn touch(&mut self, name: &ConferenceName) {
        self.unconsidered.insert(name.clone());
        if !self.touched.contains(name) {
            self.touched.insert(name.clone());
            if let Some(focus) = self.by_name.get_mut(name) {
                focus.revision = focus.revision.saturating_add(1);
            }
        }
    }

    /// One of those whose media may have to go another way, since this was last asked.
    pub(crate) fn take_unconsidered(&mut self) -> Option<ConferenceName> {
        self.unconsidered.pop_first()
    }

    pub(crate) fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// The conferences that may have changed, come or gone since this was last asked.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<ConferenceName> {
        std::mem::take(&mut self.touched)
    }

    /// The conference that has this id at the mixer.
    pub(crate) fn by_id(&self, id: &str) -> Option<&Focus> {
        self.by_id.get(id).and_then(|name| self.by_name.get(name))
    }

    /// The name of the conference that has this id at the mixer.
    pub(crate) fn name_of(&self, id: &str) -> Option<&ConferenceName> {
        self.by_id.get(id)
    }

    /// Forgets a conference; nobody is in it any more.
    pub(crate) fn close(&mut self, name: &ConferenceName) -> Option<Focus> {
        self.set_due(name, None);
        self.touch(name);
        let focus = self.by_name.remove(name)?;
        self.by_id.remove(focus.id());
        if let Some(held) = self.by_creator.get_mut(focus.creator()) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.by_creator.remove(focus.creator());
            }
        }
        Some(focus)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// How many members there are, by how far they have come.
    pub(crate) fn members_by_state(&self) -> BTreeMap<&'static str, usize> {
        let mut numbers: BTreeMap<_, _> =
            MemberState::ALL.into_iter().map(|state| (state.as_str(), 0)).collect();
        for (_, member) in self.iter().flat_map(Focus::members) {
            *numbers.entry(MemberState::of(member).as_str()).or_default() += 1;
        }
        numbers
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Focus> {
        self.by_name.values()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::meeting::Organizer;
    use super::*;

    fn made(id: &str) -> (String, Meeting) {
        let name = ConferenceName::parse("any").unwrap();
        (id.to_owned(), Meeting::dialled(name, Organizer::Operator, Duration::ZERO))
    }

    fn name(text: &str) -> ConferenceName {
        ConferenceName::parse(text).unwrap()
    }

    #[test]
    fn a_conference_is_opened_once_and_found_by_name_and_id() {
        let now = Instant::now();
        let mut directory = Directory::new(2, 2);
        let alice = Creator::Account("alice".into());
        let focus = directory.open(now, &name("a"), &alice, || made("a-1"));
        assert_eq!(focus.unwrap().id(), "a-1");
        let again = directory.open(now, &name("a"), &alice, || unreachable!());
        assert_eq!(again.unwrap().id(), "a-1");
        assert_eq!(directory.len(), 1);
        assert!(directory.by_id("a-1").is_some());
        assert!(directory.by_id("a-2").is_none());
        assert!(directory.close(&name("a")).is_some());
        assert!(directory.by_id("a-1").is_none());
        assert!(directory.close(&name("a")).is_none());
    }

    #[test]
    fn bounds_are_per_creator_and_in_all() {
        let now = Instant::now();
        let mut directory = Directory::new(2, 1);
        let here = Creator::Guests("127.0.0.1".parse().unwrap());
        let alice = Creator::Account("alice".into());
        let bob = Creator::Account("bob".into());
        assert!(directory.open(now, &name("a"), &here, || made("1")).is_ok());
        let full = directory.open(now, &name("b"), &here, || made("2"));
        assert_eq!(full.map(|_| ()), Err(Full::Creator));
        assert!(directory.open(now, &name("b"), &alice, || made("2")).is_ok());
        let full = directory.open(now, &name("c"), &bob, || made("3"));
        assert_eq!(full.map(|_| ()), Err(Full::Directory));
        directory.close(&name("a"));
        assert!(directory.open(now, &name("c"), &here, || made("3")).is_ok());
    }
}
