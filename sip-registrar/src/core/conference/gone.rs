//! Conferences that were cancelled: who dials one is told 410 and does not open another of that name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::meeting::Organizer;
use super::name::ConferenceName;

/// The most names kept; beyond it the one that would be forgotten first is. Somebody would have to
/// create and cancel as many to get a name back before its time.
const MAX_GONE: usize = 10_000;

/// The names of cancelled conferences. All times since 1970-01-01T00:00:00Z.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    by_name: BTreeMap<ConferenceName, Grave>,
    by_end: BTreeSet<(Duration, ConferenceName)>,
}

#[derive(Debug)]
struct Grave {
    until: Duration,
    /// Whose it was; `None` after a restart.
    organizer: Option<Organizer>,
}

impl Gone {
    /// Nobody but its organizer opens a conference of this name before `until`.
    pub(crate) fn add(
        &mut self,
        name: ConferenceName,
        until: Duration,
        organizer: Option<Organizer>,
    ) {
        self.remove(&name);
        while self.by_name.len() >= MAX_GONE {
            let Some((_, first)) = self.by_end.pop_first() else { break };
            self.by_name.remove(&first);
        }
        self.by_end.insert((until, name.clone()));
        self.by_name.insert(name, Grave { until, organizer });
    }

    /// The name is in use again. Whether it was here.
    pub(crate) fn remove(&mut self, name: &ConferenceName) -> bool {
        let Some(grave) = self.by_name.remove(name) else { return false };
        self.by_end.remove(&(grave.until, name.clone()));
        true
    }

    /// Whether a conference of this name was cancelled and its time has not passed.
    pub(crate) fn has(&self, unix: Duration, name: &ConferenceName) -> bool {
        self.by_name.get(name).is_some_and(|grave| unix < grave.until)
    }

    /// In whose hands that conference was, if that is known.
    pub(crate) fn organizer(&self, name: &ConferenceName) -> Option<&Organizer> {
        self.by_name.get(name)?.organizer.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_name_comes_back_when_its_time_has_passed_or_it_is_used_again() {
        let name = ConferenceName::parse("standup").unwrap();
        let seconds = Duration::from_secs;
        let mut gone = Gone::default();
        gone.add(name.clone(), seconds(10), None);
        assert!(gone.has(seconds(9), &name) && !gone.has(seconds(10), &name));
        gone.add(name.clone(), seconds(20), Some(Organizer::Operator));
        assert!(gone.has(seconds(19), &name));
        assert_eq!(gone.organizer(&name), Some(&Organizer::Operator));
        assert!(gone.remove(&name) && !gone.remove(&name));
        assert!(!gone.has(seconds(9), &name));
    }

    #[test]
    fn the_table_is_bounded() {
        let name = |n: usize| ConferenceName::parse(&format!("c{n}")).unwrap();
        let mut gone = Gone::default();
        for n in 0..=MAX_GONE {
            gone.add(name(n), Duration::from_secs(1 + n as u64), None);
        }
        assert_eq!((gone.by_name.len(), gone.by_end.len()), (MAX_GONE, MAX_GONE));
        assert!(!gone.has(Duration::ZERO, &name(0)) && gone.has(Duration::ZERO, &name(1)));
    }
}
