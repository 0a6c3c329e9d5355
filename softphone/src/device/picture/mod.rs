//! Drawing: the grid of pictures, text, and PNG files. Pure: no window is needed.

mod scene;

pub use scene::{Scene, SceneTile};
