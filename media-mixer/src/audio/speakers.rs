//! Who is heard, and who is *the* speaker.
//!
//! Both look at the level of each member's decoded 20 ms (RFC 6464 scale: 0 is the loudest, 127 is digital silence).
//! At most M members feed the mix, the loudest ones, held over the pauses between words. The active speaker is one of
//! them, and changes only when another has clearly taken over: pictures follow it, and pictures must not flap.

use std::collections::BTreeMap;

/// A level in −dBov as RFC 6464 counts it: 0 = overload, 127 = digital silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(pub u8);

impl Level {
    /// Digital silence.
    pub const SILENCE: Self = Self(127);

    /// As others are told: 127 would say that the voice is muted (Linphone reads it so), which is more than silent.
    pub fn of_voice(self) -> Self {
        self.min(Self(126))
    }

    /// The level of a block of samples: RMS over full scale.
    pub fn of(pcm: &[i16]) -> Self {
        let energy: u64 = pcm.iter().map(|&sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
        if energy == 0 {
            return Self::SILENCE;
        }
        let mean = energy as f32 / pcm.len() as f32;
        let dbov = 10.0 * (mean / (32768.0 * 32768.0)).log10();
        Self((-dbov).round().clamp(0.0, 126.0) as u8)
    }

    /// Decibels above [`AUDIBLE`], 0 when below.
    fn above_floor(self) -> f32 {
        f32::from(AUDIBLE.0.saturating_sub(self.0))
    }
}

/// Quieter than this is room noise: nobody misses it in the mix.
const AUDIBLE: Level = Level(60);

/// How many ticks a member stays in the mix after the last audible one (400 ms: pauses between words).
const HANG_OVER: u32 = 20;

/// An incumbent of the mix counts as this much louder, so that two equals do not alternate (decibels).
const INCUMBENT_BONUS: f32 = 3.0;

/// Share of the old value kept per tick in the slow level: a time constant of about one second.
const SLOW: f32 = 0.98;

/// The active speaker keeps the floor for at least this many ticks (1 s).
const MIN_HOLD: u32 = 50;

/// A challenger's slow level must exceed the active speaker's by this factor …
const CHALLENGE: f32 = 1.3;

/// … and this many decibels, so that a cough in silence does not take the floor.
const CHALLENGE_FLOOR: f32 = 3.0;

#[derive(Debug)]
struct Voice {
    /// Fast level in dB above the floor: rises at once, falls 1 dB per tick.
    fast: f32,
    /// Slow level: a leaky average of the dB above the floor.
    slow: f32,
    /// Ticks since the last audible one.
    quiet_for: u32,
    heard: bool,
}

/// Chooses the members that feed the mix and the active speaker. `K` names a member.
#[derive(Debug)]
pub struct Speakers<K> {
    at_most: usize,
    voices: BTreeMap<K, Voice>,
    /// The active speaker: stays the last one while everybody is silent.
    active: Option<K>,
    held_for: u32,
    ranking: Vec<(f32, K)>,
}

impl<K: Ord + Copy> Speakers<K> {
    /// At most `at_most` members are mixed at a time.
    pub fn new(at_most: usize) -> Self {
        Self { at_most, voices: BTreeMap::new(), active: None, held_for: 0, ranking: Vec::new() }
    }

    /// Takes one member's level of this tick, as it was decoded. `speech`: whether the member's own voice detector hears
    /// speech in it (RFC 6464, the V bit); without one it is all taken for speech. Who claims to be silent cannot be the
    /// active speaker: noise and music do not draw the picture. Nobody becomes louder by a claim.
    pub fn hear(&mut self, who: K, level: Level, speech: bool) {
        let voice = self.voices.entry(who).or_insert(Voice {
            fast: 0.0,
            slow: 0.0,
            quiet_for: HANG_OVER,
            heard: false,
        });
        let above = level.above_floor();
        voice.fast = (voice.fast - 1.0).max(above);
        let spoken = if speech { above } else { 0.0 };
        voice.slow = voice.slow * SLOW + spoken * (1.0 - SLOW);
        voice.quiet_for = if above > 0.0 { 0 } else { voice.quiet_for.saturating_add(1) };
    }

    /// Forgets a member.
    pub fn remove(&mut self, who: K) {
        self.voices.remove(&who);
        if self.active == Some(who) {
            self.active = None;
            self.held_for = MIN_HOLD;
        }
    }

    /// Ends a tick: decides who is heard. Returns the new active speaker if it changed.
    pub fn decide(&mut self) -> Option<K> {
        self.ranking.clear();
        for (&who, voice) in &mut self.voices {
            if voice.quiet_for < HANG_OVER {
                let bonus = if voice.heard { INCUMBENT_BONUS } else { 0.0 };
                self.ranking.push((voice.fast + bonus, who));
            }
            voice.heard = false;
        }
        if self.ranking.len() > self.at_most {
            self.ranking.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            self.ranking.truncate(self.at_most);
        }
        for (_, who) in &self.ranking {
            if let Some(voice) = self.voices.get_mut(who) {
                voice.heard = true;
            }
        }
        self.follow()
    }

    /// Whether this member feeds the mix of this tick.
    pub fn is_heard(&self, who: K) -> bool {
        self.voices.get(&who).is_some_and(|voice| voice.heard)
    }

    fn follow(&mut self) -> Option<K> {
        self.held_for = self.held_for.saturating_add(1);
        let (&who, challenger) = self
            .voices
            .iter()
            .filter(|(_, voice)| voice.heard)
            .max_by(|a, b| a.1.slow.total_cmp(&b.1.slow))?;
        let holder =
            self.active.and_then(|active| self.voices.get(&active)).map(|voice| voice.slow);
        let takes_over = match holder {
            Some(_) if self.active == Some(who) => false,
            Some(held) => {
                self.held_for >= MIN_HOLD
                    && challenger.slow > held * CHALLENGE
                    && challenger.slow > held + CHALLENGE_FLOOR
            }
            None => true,
        };
        if !takes_over {
            return None;
        }
        self.active = Some(who);
        self.held_for = 0;
        self.active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: Level = Level(20);
    const SOFT: Level = Level(40);

    fn tick(speakers: &mut Speakers<u32>, levels: &[(u32, Level)]) -> Option<u32> {
        for &(who, level) in levels {
            speakers.hear(who, level, true);
        }
        speakers.decide()
    }

    #[test]
    fn levels_follow_rfc_6464() {
        assert_eq!(Level::of(&[0; 160]), Level::SILENCE);
        assert_eq!(Level::of(&[i16::MIN; 160]), Level(0), "full-scale square wave is 0 dBov");
        assert_eq!(Level::of(&[3277; 160]), Level(20), "a tenth is 20 dB less");
        assert_eq!(Level::of(&[1; 160]), Level(90));
        assert_eq!(Level::of(&[]), Level::SILENCE);
    }

    #[test]
    fn at_most_m_are_heard_and_they_are_the_loudest() {
        let mut speakers = Speakers::new(2);
        tick(&mut speakers, &[(1, SOFT), (2, LOUD), (3, LOUD), (4, Level::SILENCE)]);
        assert_eq!([1, 2, 3, 4].map(|who| speakers.is_heard(who)), [false, true, true, false]);
    }

    #[test]
    fn a_pause_between_words_does_not_drop_a_speaker() {
        let mut speakers = Speakers::new(2);
        tick(&mut speakers, &[(1, LOUD)]);
        for _ in 0..HANG_OVER - 1 {
            tick(&mut speakers, &[(1, Level::SILENCE)]);
            assert!(speakers.is_heard(1));
        }
        tick(&mut speakers, &[(1, Level::SILENCE)]);
        assert!(!speakers.is_heard(1));
    }

    #[test]
    fn the_floor_passes_to_who_really_talks_and_does_not_flap() {
        let mut speakers = Speakers::new(8);
        assert_eq!(tick(&mut speakers, &[(1, LOUD), (2, Level::SILENCE)]), Some(1));
        for _ in 0..100 {
            assert_eq!(tick(&mut speakers, &[(1, LOUD), (2, Level::SILENCE)]), None);
        }
        for round in 0..10 {
            let loud = if round % 2 == 0 {
                [(1, LOUD), (2, Level(18))]
            } else {
                [(1, Level(18)), (2, LOUD)]
            };
            assert_eq!(tick(&mut speakers, &loud), None, "equals do not alternate");
        }
        let changes: Vec<u32> = (0..150)
            .filter_map(|_| tick(&mut speakers, &[(1, Level::SILENCE), (2, LOUD)]))
            .collect();
        assert_eq!(changes, [2], "the floor passes once");
        for _ in 0..200 {
            assert_eq!(tick(&mut speakers, &[(1, Level::SILENCE), (2, Level::SILENCE)]), None);
        }
        assert_eq!(speakers.active, Some(2), "silence keeps the last speaker");
    }

    #[test]
    fn noise_is_heard_but_does_not_take_the_floor() {
        let mut speakers = Speakers::new(8);
        tick(&mut speakers, &[(1, SOFT), (2, Level::SILENCE)]);
        for _ in 0..500 {
            speakers.hear(1, SOFT, true);
            speakers.hear(2, LOUD, false);
            assert_eq!(speakers.decide(), None);
            assert!(speakers.is_heard(2), "what it sends is mixed all the same");
        }
        assert_eq!(speakers.active, Some(1));
    }

    #[test]
    fn a_leaver_gives_the_floor_away() {
        let mut speakers = Speakers::new(8);
        tick(&mut speakers, &[(1, LOUD), (2, SOFT)]);
        speakers.remove(1);
        assert_eq!(speakers.active, None);
        assert_eq!(tick(&mut speakers, &[(2, SOFT)]), Some(2));
        assert!(!speakers.is_heard(1));
    }
}
