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
    /// Ourselves: drawn mirrored, as people know themselves, and marked.
    pub own: bool,
}
