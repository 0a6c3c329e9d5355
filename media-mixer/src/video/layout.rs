//! Who is shown where: a pure function from what is shown, who sends and who spoke to what is to be shown.

use super::LineId;
use crate::leg::LegId;

/// Fills a member's slots.
///
/// - Who is shown stays where they are: a picture does not jump to another tile.
/// - A new sender takes the first free slot; a leaver's slot becomes free.
/// - With more senders than slots, those shown are who spoke last. With one slot that is the active speaker.
///
/// `shown` is the present content of the slots, in line order. `senders` are the lines with a picture in order of joining,
/// the member's own excluded. `spoke` lists who had the floor, the latest first.
pub fn fill(shown: &[Option<LineId>], senders: &[LineId], spoke: &[LegId]) -> Vec<Option<LineId>> {
    let mut wanted: Vec<LineId> = senders.to_vec();
    if wanted.len() > shown.len() {
        // Stable: those with equal rank stay in order of joining, those who are shown before those who are not.
        let rank = |line: &LineId| {
            let turn = spoke.iter().position(|leg| *leg == line.leg).unwrap_or(usize::MAX);
            (turn, !shown.contains(&Some(*line)))
        };
        wanted.sort_by_key(rank);
        wanted.truncate(shown.len());
    }
    let mut filled: Vec<Option<LineId>> =
        shown.iter().map(|line| line.filter(|line| wanted.contains(line))).collect();
    wanted.retain(|line| !filled.contains(&Some(*line)));
    // Newcomers in order of joining, whatever made them wanted.
    wanted.sort_by_key(|line| senders.iter().position(|sender| sender == line));
    let mut newcomers = wanted.into_iter();
    for slot in filled.iter_mut().filter(|slot| slot.is_none()) {
        *slot = newcomers.next();
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(leg: u32) -> LineId {
        LineId { leg: LegId(leg), line: 1 }
    }

    fn lines(legs: &[u32]) -> Vec<LineId> {
        legs.iter().copied().map(line).collect()
    }

    fn slots(legs: &[u32]) -> Vec<Option<LineId>> {
        legs.iter().map(|&leg| (leg != 0).then(|| line(leg))).collect()
    }

    fn spoke(legs: &[u32]) -> Vec<LegId> {
        legs.iter().copied().map(LegId).collect()
    }

    #[test]
    fn senders_fill_slots_in_order_and_stay_there() {
        assert_eq!(fill(&slots(&[0, 0, 0]), &lines(&[2, 3]), &[]), slots(&[2, 3, 0]));
        assert_eq!(fill(&slots(&[2, 3, 0]), &lines(&[2, 3, 4]), &spoke(&[4])), slots(&[2, 3, 4]));
        assert_eq!(fill(&slots(&[2, 3, 4]), &lines(&[3, 4]), &[]), slots(&[0, 3, 4]));
        assert_eq!(fill(&slots(&[0, 3, 4]), &lines(&[3, 4, 5]), &[]), slots(&[5, 3, 4]));
    }

    #[test]
    fn with_too_few_slots_a_speaker_replaces_who_was_silent_longest() {
        let all = lines(&[2, 3, 4, 5]);
        assert_eq!(fill(&slots(&[2, 3]), &all, &[]), slots(&[2, 3]), "nobody spoke: first come");
        assert_eq!(fill(&slots(&[2, 3]), &all, &spoke(&[5, 3])), slots(&[5, 3]));
        assert_eq!(fill(&slots(&[5, 3]), &all, &spoke(&[3, 5])), slots(&[5, 3]), "no jump");
        assert_eq!(fill(&slots(&[5, 3]), &all, &spoke(&[4, 3, 5])), slots(&[4, 3]));
    }

    #[test]
    fn one_slot_shows_the_active_speaker_and_to_the_speaker_the_one_before() {
        let others_of_3 = lines(&[2, 4]);
        assert_eq!(fill(&slots(&[2]), &lines(&[2, 3, 4]), &spoke(&[3, 4])), slots(&[3]));
        assert_eq!(fill(&slots(&[2]), &others_of_3, &spoke(&[3, 4])), slots(&[4]));
    }

    proptest! {
        #[test]
        fn no_slot_is_wasted_and_nobody_is_shown_twice(
            before in proptest::collection::vec(0u32..8, 0..6),
            senders in proptest::collection::btree_set(1u32..9, 0..9),
            speakers in proptest::collection::vec(1u32..9, 0..5),
        ) {
            let mut seen = std::collections::BTreeSet::new();
            let before: Vec<u32> = before.into_iter().map(|leg| if seen.insert(leg) { leg } else { 0 }).collect();
            let senders: Vec<u32> = senders.into_iter().collect();
            let shown = slots(&before);
            let after = fill(&shown, &lines(&senders), &spoke(&speakers));
            prop_assert_eq!(after.len(), shown.len());
            let mut filled: Vec<LineId> = after.iter().flatten().copied().collect();
            prop_assert_eq!(filled.len(), senders.len().min(shown.len()), "as many as possible");
            filled.sort();
            filled.dedup();
            prop_assert_eq!(filled.len(), senders.len().min(shown.len()), "each once");
            prop_assert!(filled.iter().all(|line| senders.contains(&line.leg.0)));
            for (old, new) in shown.iter().zip(&after) {
                if old.is_some() && old != new {
                    prop_assert!(!after.contains(old), "nobody moves to another slot");
                }
            }
            prop_assert_eq!(&fill(&after, &lines(&senders), &spoke(&speakers)), &after, "stable");
        }
    }
}
