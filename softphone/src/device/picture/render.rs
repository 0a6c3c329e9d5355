//! From a scene to pixels.

use super::canvas::{Area, Canvas};
use super::scale::{Scaler, fitted};
use super::{Fonts, Scene, layout, overlay};

const BACKGROUND: u32 = 0x0018_1c22;
const TILE: u32 = 0x0026_2c36;
/// No window is larger than this on a side; more is cut off.
const LARGEST: usize = 8192;

/// Draws scenes. It keeps fonts and buffers between frames; what it draws depends on the scene and
/// the size alone.
#[derive(Debug, Default)]
pub struct Renderer {
    canvas: Canvas,
    fonts: Fonts,
    scaler: Scaler,
}

impl Renderer {
    /// Draws a scene at `width` × `height` pixels.
    pub fn render(&mut self, scene: &Scene, width: usize, height: usize) -> &Canvas {
        let Self { canvas, fonts, scaler } = self;
        let (width, height) = (width.clamp(1, LARGEST), height.clamp(1, LARGEST));
        canvas.reset(width, height, BACKGROUND);
        let room = Area {
            x: 0,
            y: 0,
            width: width as i32,
            height: (height as i32 - overlay::STATUS_HEIGHT).max(0),
        };
        for (tile, area) in scene.tiles.iter().zip(layout::grid(room, scene.tiles.len())) {
            canvas.fill(area, TILE);
            match &tile.picture {
                Some(picture) => {
                    let place = fitted(area, picture.width(), picture.height());
                    scaler.draw(canvas, picture.view(), place);
                }
                None => overlay::placeholder(canvas, fonts, tile, area),
            }
            overlay::marks(canvas, fonts, tile, area);
        }
        overlay::status(canvas, fonts, &scene.status);
        if scene.help {
            overlay::help(canvas, fonts);
        }
        canvas
    }
}
