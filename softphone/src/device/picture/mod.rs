//! Drawing: the grid of pictures, text, and PNG files. Pure: no window is needed.

mod canvas;
mod font_files;
mod fonts;
mod layout;
mod overlay;
mod panels;
mod png_file;
mod render;
mod scale;
mod scene;

pub use canvas::{Canvas, Colour};
pub use fonts::Fonts;
pub use png_file::write_png;
pub use render::Renderer;
pub use scene::{ChatEntry, Panels, PersonRow, Scene, SceneTile};
