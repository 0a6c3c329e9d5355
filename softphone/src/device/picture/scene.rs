//! What a window shows.

use std::sync::Arc;

use media_codec::I420Frame;

/// Everything a window shows.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// The grid, in reading order.
    pub tiles: Vec<SceneTile>,
    /// The line at the bottom: where we are, for how long, with whom.
    pub status: String,
    /// Whether the keys are explained on top.
    pub help: bool,
    /// What was said, oldest first.
    pub chat: Arc<Vec<ChatEntry>>,
    /// Who is in the conference, as its focus tells.
    pub people: Arc<Vec<PersonRow>>,
    /// Which panels stand beside the grid.
    pub panels: Panels,
}

/// Something that was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatEntry {
    /// When, as it is to be shown.
    pub time: String,
    /// Who; empty for what nobody has said but happened.
    pub from: String,
    /// What; may have several lines.
    pub text: String,
    /// By ourselves.
    pub own: bool,
}

/// Somebody in the conference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonRow {
    /// The name.
    pub name: String,
    /// What they are beside participants, such as `organizer`; what keeps them out, such as `waiting`.
    pub remark: String,
    /// A moderator has muted them.
    pub muted: bool,
    /// Is heard.
    pub speaking: bool,
}

/// The panels beside the grid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Panels {
    /// The chat is shown.
    pub chat: bool,
    /// The people are shown.
    pub people: bool,
    /// What is being typed; `None`: keys are commands.
    pub input: Option<String>,
    /// How many lines of the chat are scrolled back.
    pub scroll: usize,
}

/// One participant.
#[derive(Debug, Clone, Default)]
pub struct SceneTile {
    /// Name to draw.
    pub name: String,
    /// Picture to draw, at its own proportions; without one the name stands in the middle.
    pub picture: Option<Arc<I420Frame>>,
    /// Draws the speaking mark, a bright frame.
    pub speaking: bool,
    /// Draws the muted mark.
    pub muted: bool,
    /// Ourselves, marked as such.
    pub own: bool,
}

impl Scene {
    /// Whether drawing the other scene would make the same picture. Pictures count as the same if
    /// they are the same value in memory, so that this costs nothing.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        self.status == other.status
            && self.help == other.help
            && self.panels == other.panels
            && (Arc::ptr_eq(&self.chat, &other.chat) || self.chat == other.chat)
            && (Arc::ptr_eq(&self.people, &other.people) || self.people == other.people)
            && self.tiles.len() == other.tiles.len()
            && self.tiles.iter().zip(&other.tiles).all(|(a, b)| a.looks_like(b))
    }
}

impl SceneTile {
    fn looks_like(&self, other: &Self) -> bool {
        let same_picture = match (&self.picture, &other.picture) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        same_picture
            && self.name == other.name
            && (self.speaking, self.muted, self.own) == (other.speaking, other.muted, other.own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_picture_or_mark_is_a_reason_to_draw() {
        let picture = Arc::new(I420Frame::black(2, 2).unwrap());
        let tile = SceneTile { picture: Some(Arc::clone(&picture)), ..SceneTile::default() };
        let scene = Scene { tiles: vec![tile.clone()], ..Scene::default() };
        assert!(scene.looks_like(&scene.clone()));
        let copied = Some(Arc::new((*picture).clone()));
        for other in [
            Scene { help: true, ..scene.clone() },
            Scene { status: "1".into(), ..scene.clone() },
            Scene { tiles: vec![], ..scene.clone() },
            Scene { chat: Arc::new(vec![ChatEntry::default()]), ..scene.clone() },
            Scene { people: Arc::new(vec![PersonRow::default()]), ..scene.clone() },
            Scene { panels: Panels { chat: true, ..Panels::default() }, ..scene.clone() },
            Scene { tiles: vec![SceneTile { speaking: true, ..tile.clone() }], ..scene.clone() },
            Scene { tiles: vec![SceneTile { picture: None, ..tile.clone() }], ..scene.clone() },
            Scene { tiles: vec![SceneTile { picture: copied, ..tile }], ..scene.clone() },
        ] {
            assert!(!scene.looks_like(&other));
        }
    }
}
