//! Which picture is in which tile.
//!
//! The grid shows everybody who is there: those whose picture comes in one of our video slots,
//! those who are only heard, and ourselves. The order is steady: a tile keeps its place until its
//! participant leaves.

use std::time::{Duration, Instant};

use super::participants::{Participant, Participants};

/// A slot whose source sent nothing for this long shows no picture any more.
const PICTURE_HOLD: Duration = Duration::from_secs(3);

/// Where the picture of a tile comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// Our own camera.
    Own,
    /// A received video slot, counted from 0.
    Slot(usize),
    /// Nothing to show but the name.
    None,
}

/// One tile of the grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Name to draw; empty when it is not known yet.
    pub name: String,
    /// What to draw.
    pub picture: Picture,
    /// Is being heard.
    pub speaking: bool,
    /// Microphone off. Known for ourselves only: nothing in RTP tells it of others.
    pub muted: bool,
    /// Ourselves.
    pub own: bool,
}

/// Our own tile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Own {
    /// Our display name.
    pub name: String,
    /// Microphone off.
    pub muted: bool,
    /// Camera running and being sent.
    pub camera: bool,
    /// Our microphone is above the speaking threshold.
    pub speaking: bool,
}

#[derive(Debug, Clone, Copy)]
struct Showing {
    source: u32,
    since: Instant,
    last: Instant,
}

/// The grid.
#[derive(Debug, Clone)]
pub struct Tiles {
    slots: Vec<Option<Showing>>,
    /// Source sets of the participants in the order of their tiles.
    order: Vec<Vec<u32>>,
}

impl Tiles {
    /// A grid for `slots` received pictures.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self { slots: vec![None; slots], order: Vec::new() }
    }

    /// A picture of `source` was decoded in `slot`. Slots we do not have are ignored.
    pub fn picture(&mut self, now: Instant, slot: usize, source: u32) {
        let Some(place) = self.slots.get_mut(slot) else { return };
        match place {
            Some(showing) if showing.source == source => showing.last = now,
            _ => *place = Some(Showing { source, since: now, last: now }),
        }
    }

    /// The source whose picture a slot shows.
    #[must_use]
    pub fn source_of(&self, slot: usize) -> Option<u32> {
        self.slots.get(slot).copied().flatten().map(|showing| showing.source)
    }

    /// The tiles to draw now; ourselves last.
    pub fn layout(&mut self, now: Instant, participants: &Participants, own: &Own) -> Vec<Tile> {
        let people: Vec<Participant> =
            participants.list(now).into_iter().filter(|p| p.present).collect();
        // Two sources become one person when their description comes: the first place counts.
        let mut places: Vec<usize> = Vec::new();
        for order in &self.order {
            let person = people.iter().position(|p| order.iter().any(|s| p.sources.contains(s)));
            places.extend(person.filter(|index| !places.contains(index)));
        }
        let newcomers: Vec<usize> = (0..people.len()).filter(|i| !places.contains(i)).collect();
        places.extend(newcomers);
        let seated = || places.iter().filter_map(|index| people.get(*index));
        self.order = seated().map(|person| person.sources.clone()).collect();
        let mut tiles: Vec<Tile> = seated()
            .map(|person| Tile {
                name: person.label(),
                picture: self.slot_of(now, person).map_or(Picture::None, Picture::Slot),
                speaking: person.speaking,
                muted: false,
                own: false,
            })
            .collect();
        tiles.push(Tile {
            name: own.name.clone(),
            picture: if own.camera { Picture::Own } else { Picture::None },
            speaking: own.speaking && !own.muted,
            muted: own.muted,
            own: true,
        });
        tiles
    }

    /// The slot that shows a person; of two (a switch is going on) the newer one.
    fn slot_of(&self, now: Instant, person: &Participant) -> Option<usize> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| slot.map(|slot| (index, slot)))
            .filter(|(_, slot)| person.sources.contains(&slot.source))
            .filter(|(_, slot)| now.saturating_duration_since(slot.last) < PICTURE_HOLD)
            .max_by_key(|(_, slot)| slot.since)
            .map(|(index, _)| index)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;

    fn own() -> Own {
        Own { name: "me".into(), muted: false, camera: true, speaking: true }
    }

    fn people(now: Instant) -> Participants {
        let mut all = Participants::default();
        for (audio, video, name) in [(10, 11, "Ann"), (20, 21, "Bob")] {
            all.describe(now, audio, Some(name), Some(name));
            all.describe(now, video, Some(name), Some(name));
        }
        all
    }

    fn row(tiles: &[Tile]) -> Vec<(&str, Picture)> {
        tiles.iter().map(|t| (t.name.as_str(), t.picture)).collect()
    }

    #[test]
    fn everybody_has_a_tile_and_we_are_last() {
        let t0 = Instant::now();
        let mut tiles = Tiles::new(2);
        tiles.picture(t0, 1, 11);
        let layout = tiles.layout(t0, &people(t0), &own());
        let expected = [("Ann", Picture::Slot(1)), ("Bob", Picture::None), ("me", Picture::Own)];
        assert_eq!(row(&layout), expected);
        assert!(layout[2].own && layout[2].speaking);
    }

    #[test]
    fn a_slot_that_switches_takes_the_picture_with_it() {
        let t0 = Instant::now();
        let mut tiles = Tiles::new(1);
        tiles.picture(t0, 0, 11);
        tiles.picture(t0, 0, 21);
        tiles.picture(t0, 7, 11);
        let layout = tiles.layout(t0, &people(t0), &own());
        assert_eq!(layout[0].picture, Picture::None);
        assert_eq!(layout[1].picture, Picture::Slot(0));
        assert_eq!(tiles.source_of(0), Some(21));
        assert_eq!(tiles.source_of(7), None);
    }

    #[test]
    fn a_picture_that_stopped_goes_and_the_person_stays() {
        let t0 = Instant::now();
        let mut tiles = Tiles::new(1);
        tiles.picture(t0, 0, 11);
        let layout = tiles.layout(t0 + PICTURE_HOLD, &people(t0), &own());
        assert_eq!(layout[0].picture, Picture::None);
        assert_eq!(layout.len(), 3);
    }

    #[test]
    fn tiles_keep_their_place_when_others_come_and_go() {
        let t0 = Instant::now();
        let mut tiles = Tiles::new(4);
        let mut all = people(t0);
        tiles.layout(t0, &all, &own());
        all.describe(t0, 5, Some("Cyn"), Some("Cyn")); // a lower source number, yet the last to come
        let names = |tiles: &[Tile]| tiles.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&tiles.layout(t0, &all, &own())), ["Ann", "Bob", "Cyn", "me"]);
        all.bye(10);
        all.bye(11);
        assert_eq!(names(&tiles.layout(t0, &all, &own())), ["Bob", "Cyn", "me"]);
    }

    #[test]
    fn two_sources_become_one_tile_when_they_are_described() {
        let t0 = Instant::now();
        let mut tiles = Tiles::new(1);
        let mut all = Participants::default();
        all.audio_packet(t0, 1, &[10]);
        all.video_packet(t0, 0, 2, Some(11), 0, 0.0);
        let later = t0 + Duration::from_secs(4);
        tiles.picture(later, 0, 11);
        assert_eq!(tiles.layout(later, &all, &own()).len(), 3);
        for source in [10, 11] {
            all.describe(later, source, Some("Ann"), Some("Ann"));
        }
        let layout = tiles.layout(later, &all, &own());
        assert_eq!(row(&layout), [("Ann", Picture::Slot(0)), ("me", Picture::Own)]);
    }

    #[test]
    fn mute_hides_the_speaking_mark() {
        let t0 = Instant::now();
        let own = Own { muted: true, camera: false, ..own() };
        let layout = Tiles::new(0).layout(t0, &Participants::default(), &own);
        assert_eq!(row(&layout), [("me", Picture::None)]);
        assert!(layout[0].muted && !layout[0].speaking);
    }
}
