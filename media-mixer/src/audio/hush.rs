//! Tells who is silent and who is muted (RFC 6465).
//!
//! A roster that shows a sign beside each name needs a level of everybody, not only of those in the mix. Linphone sends
//! and expects one at least every 250 ms, takes 127 for muted and anything else for not muted. So one packet in so many
//! names also those who contribute nothing, to members who agreed on levels.

use std::collections::BTreeMap;
use std::ops::Bound;

use rtp_session::Ssrc;

use super::speakers::Level;
use super::voices::Voices;
use crate::leg::{Leg, LegId};
use crate::settings::MAX_VOICES;

/// Ticks from one such packet to the next: 240 ms.
const ROUND: u32 = 12;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Hush {
    ticks: u32,
    /// Who is told about in this tick.
    told: Vec<(LegId, Ssrc, Level)>,
    /// Who was told about last: where there are too many for one packet they take turns.
    last: Option<LegId>,
}

impl Hush {
    /// Decides who is told about in this tick, beside those in the mix.
    pub(crate) fn tick(&mut self, legs: &BTreeMap<LegId, Leg>, mixed: &[(LegId, Ssrc, Level)]) {
        self.told.clear();
        self.ticks = self.ticks.wrapping_add(1);
        if !self.ticks.is_multiple_of(ROUND) {
            return;
        }
        // Nobody is told about themselves, so one more than fits.
        let room = (MAX_VOICES + 1).saturating_sub(mixed.len());
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let until = self.last.map_or(Bound::Excluded(LegId(0)), Bound::Included);
        let in_turn =
            legs.range((after, Bound::Unbounded)).chain(legs.range((Bound::Unbounded, until)));
        let quiet = in_turn.filter_map(|(&id, leg)| {
            let audio = leg.audio().filter(|audio| audio.public != Ssrc(0) && !leg.lobby)?;
            let level = if leg.muted { Level::SILENCE } else { audio.level.of_voice() };
            let is_mixed = mixed.iter().any(|(other, _, _)| *other == id);
            (!is_mixed).then_some((id, audio.public, level))
        });
        self.told.extend(quiet.take(room));
        self.last = self.told.last().map(|(id, _, _)| *id);
    }

    /// Adds them to what `listener` is told.
    pub(crate) fn add_to(&self, voices: &mut Voices, listener: LegId) {
        for (_, ssrc, level) in self.told.iter().filter(|(id, _, _)| *id != listener) {
            voices.push(*ssrc, *level);
        }
    }
}
