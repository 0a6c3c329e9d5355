//! When the sound is to run faster or slower than it was spoken.

use crate::stretch::Care;
use crate::timeline::{MS, Ticks};

/// Delay beyond the target that is left alone: a tick, up to which may be due to the place of the packets between the
/// ticks, and a little more.
const ENOUGH: Ticks = 23 * MS;
/// Ticks that a deviation must last: one late tick of the caller is none.
const PERSISTENT: u32 = 3;
/// Ticks between two changes, and between two when there is much to catch up: at most 15 ms of 80, or of 40.
const REST: u32 = 3;
const SHORT_REST: u32 = 1;
/// Excess from which the sound is shortened with less care for how it sounds, and with none.
const MUCH: Ticks = 60 * MS;
const VERY_MUCH: Ticks = 150 * MS;
/// Attempts in vain after which a worse place is taken, and after which any.
const PATIENCE: u32 = 50;
const LONG_PATIENCE: u32 = 150;
/// Likeness of two periods that nobody hears being laid over each other, and one that is heard but little.
const ALIKE: f32 = 0.85;
const SIMILAR: f32 = 0.6;
/// Any likeness at all.
const ANY: f32 = -1.0;
/// Root mean square below which sound is silence, whatever the background: -60 dBov.
const SILENCE: f32 = 33.0;
/// Sound is silence up to so many times the background noise.
const ABOVE_BACKGROUND: f32 = 1.5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Shorten,
    Lengthen,
}

#[derive(Debug, Default)]
pub(crate) struct Pace {
    wanted: Option<Change>,
    lasted: u32,
    rest: u32,
    in_vain: u32,
}

impl Pace {
    /// To be asked once a tick. `slack` is how long before it is decoded the next packet should have been here, `excess`
    /// the delay beyond the target: slack and what is still ahead then.
    pub(crate) fn decide(&mut self, slack: Ticks, excess: Ticks) -> Option<Change> {
        self.rest = self.rest.saturating_sub(1);
        let wanted = if excess > ENOUGH {
            Change::Shorten
        } else if slack < 0 {
            Change::Lengthen
        } else {
            self.calm();
            return None;
        };
        if self.wanted != Some(wanted) {
            self.calm();
            self.wanted = Some(wanted);
        }
        self.lasted += 1;
        (self.lasted >= PERSISTENT && self.rest == 0).then_some(wanted)
    }

    /// How choosy to be about the place, with so much `excess` and such a background (root mean square).
    pub(crate) fn care(&self, excess: Ticks, background: f32) -> Care {
        let likeness = if excess > VERY_MUCH || self.in_vain > LONG_PATIENCE {
            ANY
        } else if excess > MUCH || self.in_vain > PATIENCE {
            SIMILAR
        } else {
            ALIKE
        };
        Care { likeness, silence: SILENCE.max(background * ABOVE_BACKGROUND) }
    }

    /// What came of a change.
    pub(crate) fn done(&mut self, changed: bool, excess: Ticks) {
        if changed {
            self.in_vain = 0;
            self.rest = if excess > MUCH { SHORT_REST } else { REST } + 1;
        } else {
            self.in_vain += 1;
        }
    }

    /// The delay is right, or there is nothing to change.
    pub(crate) fn calm(&mut self) {
        self.wanted = None;
        self.lasted = 0;
        self.in_vain = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_within_a_tick_is_left_alone() {
        let mut pace = Pace::default();
        for excess in 0..=23 {
            for _ in 0..10 {
                assert_eq!(pace.decide(excess * MS, excess * MS), None, "{excess} ms");
            }
        }
    }

    #[test]
    fn only_what_lasts_is_changed_and_not_in_every_tick() {
        let mut pace = Pace::default();
        let mut changes = Vec::new();
        for n in 0..12 {
            if let Some(change) = pace.decide(20 * MS, 40 * MS) {
                pace.done(true, 40 * MS);
                changes.push((n, change));
            }
        }
        let every_fourth = [2, 6, 10].map(|n| (n, Change::Shorten));
        assert_eq!(changes, every_fourth);
        assert_eq!(pace.decide(-5 * MS, 2 * MS), None, "the other way is another matter");
    }

    #[test]
    fn haste_and_vain_attempts_lower_the_care() {
        let mut pace = Pace::default();
        assert_eq!(pace.care(30 * MS, 0.0).likeness, ALIKE);
        assert_eq!(pace.care(100 * MS, 0.0).likeness, SIMILAR);
        assert_eq!(pace.care(200 * MS, 0.0).likeness, ANY);
        for _ in 0..60 {
            pace.done(false, 30 * MS);
        }
        assert_eq!(pace.care(30 * MS, 0.0).likeness, SIMILAR);
        for _ in 0..100 {
            pace.done(false, 30 * MS);
        }
        assert_eq!(pace.care(30 * MS, 0.0).likeness, ANY);
        pace.done(true, 30 * MS);
        assert_eq!(pace.care(30 * MS, 100.0).silence, 150.0);
    }
}
