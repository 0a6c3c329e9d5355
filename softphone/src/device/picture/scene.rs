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
            Scene { tiles: vec![SceneTile { speaking: true, ..tile.clone() }], ..scene.clone() },
            Scene { tiles: vec![SceneTile { picture: None, ..tile.clone() }], ..scene.clone() },
            Scene { tiles: vec![SceneTile { picture: copied, ..tile }], ..scene.clone() },
        ] {
            assert!(!scene.looks_like(&other));
        }
    }
}
