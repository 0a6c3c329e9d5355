//! RTP header extensions of one m= line (RFC 8285 §7).

use crate::attribute::Attributes;
use crate::attribute::direction::Direction;
use crate::attribute::extmap::{ExtMap, NEGOTIATION_IDS, USABLE_IDS};
use crate::attribute::flag::EXTMAP_ALLOW_MIXED;
use crate::media::{MediaDescription, MediaKind};
use crate::session::SessionDescription;

/// An extension we understand on one kind of line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportedExtension {
    /// Where it is used.
    pub kind: MediaKind,
    /// What it is.
    pub uri: String,
    /// What we would do with it: `SendOnly` = we write but never read it.
    pub direction: Direction,
}

/// An extension both sides understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// 1..=14, the same for both directions and for the life of the line.
    pub id: u8,
    /// What it is.
    pub uri: String,
    /// Extension attributes, verbatim, as in `vad=off`; mostly empty.
    pub attributes: String,
    /// What we do with it, as far as the direction of the line lets us.
    pub direction: Direction,
    /// Whether the offer said something about the direction.
    pub(super) direction_stated: bool,
}

impl Extension {
    /// Whether the extension has this attribute, as in `vad=off`.
    pub fn has_attribute(&self, attribute: &str) -> bool {
        self.to_map(None).has_attribute(attribute)
    }

    fn to_map(&self, direction: Option<Direction>) -> ExtMap {
        let (uri, attributes) = (self.uri.clone(), self.attributes.clone());
        ExtMap { id: u16::from(self.id), direction, uri, attributes }
    }

    /// Its part of our answer on a line of this direction; `None` when the two are incompatible.
    ///
    /// A direction is stated only to an offerer who did: others might not know that it can be there, and
    /// what we do not use does no harm.
    pub(super) fn answered(&self, line: Direction) -> Option<ExtMap> {
        let stated = self.direction_stated.then_some(self.direction);
        compatible(self.direction, line).then(|| self.to_map(stated))
    }
}

/// RFC 8285 §7: a direction that does not go with that of the stream is an error; with an inactive
/// stream all go, for they tell what is used once it flows.
fn compatible(extension: Direction, line: Direction) -> bool {
    line == Direction::Inactive || extension.and(line) != Direction::Inactive
}

/// What the line at `index` says; lines of the session count for all its media (RFC 8285 §5).
fn maps(description: &SessionDescription, media: &MediaDescription) -> Vec<ExtMap> {
    media.attributes.all().chain(description.attributes.all()).collect()
}

/// Whether a side can take both forms of extensions in one stream (RFC 8285 §6).
pub(super) fn allows_mixed(description: &SessionDescription, media: &MediaDescription) -> bool {
    let states = |attributes: &Attributes| attributes.has(EXTMAP_ALLOW_MIXED);
    states(&media.attributes) || states(&description.attributes)
}

/// What to answer: those of the offer we understand, under the offerer's ids. Those that came under a
/// negotiation id get a free one, as long as there is one (RFC 8285 §7).
pub(super) fn answer(
    offer: &SessionDescription,
    media: &MediaDescription,
    supported: &[SupportedExtension],
) -> Vec<Extension> {
    let offered = maps(offer, media);
    let is_offered = |id: u8| offered.iter().any(|map| map.id == u16::from(id));
    let mut alternatives: Vec<u16> = Vec::new();
    let mut agreed: Vec<Extension> = Vec::new();
    for map in &offered {
        let ours = supported.iter().find(|ours| ours.kind == media.kind && ours.uri == map.uri);
        let Some(ours) = ours else { continue };
        let taken = |id: u8| agreed.iter().any(|other| other.id == id);
        let id = match u8::try_from(map.id) {
            Ok(id) if USABLE_IDS.contains(&map.id) => Some(id).filter(|&id| !taken(id)),
            _ if NEGOTIATION_IDS.contains(&map.id) && !alternatives.contains(&map.id) => {
                (1..=14).find(|&id| !taken(id) && !is_offered(id))
            }
            _ => None,
        };
        let theirs = map.direction.unwrap_or_default();
        let direction = theirs.reversed().and(ours.direction);
        let is_new = !agreed.iter().any(|other| other.uri == map.uri);
        if let (Some(id), true, true) = (id, is_new, direction != Direction::Inactive) {
            alternatives.push(map.id);
            agreed.push(Extension {
                id,
                uri: map.uri.clone(),
                attributes: map.attributes.clone(),
                direction,
                direction_stated: map.direction.is_some(),
            });
        }
    }
    agreed
}

/// What the answer has agreed to of what we offered. An answer may not change ids; one that does is
/// about something else.
pub(super) fn accept(
    ours: &MediaDescription,
    answer: &SessionDescription,
    theirs: &MediaDescription,
) -> Vec<Extension> {
    let answered = maps(answer, theirs);
    let mut agreed: Vec<Extension> = Vec::new();
    for map in ours.attributes.all::<ExtMap>().filter(|map| USABLE_IDS.contains(&map.id)) {
        let theirs = answered.iter().find(|theirs| theirs.id == map.id && theirs.uri == map.uri);
        let (Some(theirs), Ok(id)) = (theirs, u8::try_from(map.id)) else { continue };
        let their_direction = theirs.direction.unwrap_or_default();
        let direction = map.direction.unwrap_or_default().and(their_direction.reversed());
        if direction != Direction::Inactive && !agreed.iter().any(|other| other.id == id) {
            let (uri, attributes) = (map.uri.clone(), theirs.attributes.clone());
            let direction_stated = map.direction.is_some();
            agreed.push(Extension { id, uri, attributes, direction, direction_stated });
        }
    }
    agreed
}

/// What to offer on a line of this direction: ours under the ids the line knows them by, new ones under
/// ids still free.
pub(super) fn offer(
    kind: &MediaKind,
    line: Direction,
    known: &[Extension],
    supported: &[SupportedExtension],
) -> Vec<ExtMap> {
    let mut offered: Vec<ExtMap> = Vec::new();
    for ours in supported.iter().filter(|ours| ours.kind == *kind) {
        let known_as = known.iter().find(|known| known.uri == ours.uri);
        let taken = |id: &u16| {
            known.iter().any(|known| u16::from(known.id) == *id)
                || offered.iter().any(|map| map.id == *id)
        };
        let id = known_as
            .map(|known| u16::from(known.id))
            .or_else(|| USABLE_IDS.into_iter().find(|id| !taken(id)));
        if let Some(id) = id.filter(|_| compatible(ours.direction, line)) {
            offered.push(ExtMap {
                id,
                direction: Some(ours.direction)
                    .filter(|direction| *direction != Direction::SendRecv),
                uri: ours.uri.clone(),
                attributes: known_as.map(|known| known.attributes.clone()).unwrap_or_default(),
            });
        }
    }
    offered
}
