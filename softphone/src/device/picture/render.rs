//! From a scene to pixels.

use super::canvas::{Area, Canvas};
use super::scale::{Scaler, fitted};
use super::{Fonts, Scene, layout, overlay, panels};

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
        let high = (height as i32 - overlay::STATUS_HEIGHT).max(0);
        let side = panels::width(scene, width as i32);
        let room = Area { x: 0, y: 0, width: width as i32 - side, height: high };
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
        if side > 0 {
            let area = Area { x: room.width, y: 0, width: side, height: high };
            panels::draw(canvas, fonts, scene, area);
        }
        overlay::status(canvas, fonts, &scene.status);
        if scene.help {
            overlay::help(canvas, fonts);
        }
        canvas
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;
    use crate::device::picture::{ChatEntry, PersonRow, SceneTile, write_png};
    use crate::device::synthetic::TestPattern;
    use crate::device::{Camera, CameraSettings};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    fn tile(name: &str) -> SceneTile {
        let settings = CameraSettings { name: name.to_owned(), ..CameraSettings::default() };
        let mut pattern = TestPattern::new(&settings).unwrap();
        let start = Instant::now();
        pattern.picture(start);
        let picture = pattern.picture(start + Duration::from_millis(12_600)).unwrap().to_frame();
        let picture = Some(Arc::new(picture));
        SceneTile { name: name.to_owned(), picture, ..SceneTile::default() }
    }

    fn scene() -> Scene {
        Scene {
            tiles: vec![
                SceneTile { speaking: true, ..tile("Alice") },
                tile("Zoé"),
                SceneTile { picture: None, ..tile("Linphone") },
                SceneTile { own: true, muted: true, ..tile("Bob") },
            ],
            status: "standup@127.0.0.1 · 00:12 · 4 people".to_owned(),
            ..Scene::default()
        }
    }

    fn colours(canvas: &Canvas) -> usize {
        let mut colours = canvas.pixels().to_vec();
        colours.sort_unstable();
        colours.dedup();
        colours.len()
    }

    #[test]
    fn the_same_scene_makes_the_same_picture_at_any_size() {
        let mut scene = scene();
        scene.panels.chat = true;
        scene.panels.people = true;
        scene.people =
            Arc::new(vec![PersonRow { name: "Zoé".into(), ..PersonRow::default() }; 90]);
        let mut renderer = Renderer::default();
        for (width, height) in [(1280, 750), (640, 400), (97, 61), (1, 1), (0, 0), (30, 900)] {
            let first = renderer.render(&scene, width, height).clone();
            let again = Renderer::default().render(&scene, width, height) == &first;
            assert!(again, "{width}x{height}");
            assert_eq!((first.width(), first.height()), (width.max(1), height.max(1)));
        }
    }

    #[test]
    fn marks_names_and_help_are_drawn() {
        let plain = scene();
        let mut renderer = Renderer::default();
        let before = renderer.render(&plain, 1280, 750).clone();
        assert!(colours(&before) > 500);
        let mut changes: Vec<Scene> = (0..8).map(|_| plain.clone()).collect();
        changes[0].tiles[0].speaking = false;
        changes[1].tiles[1].name = "Somebody".to_owned();
        changes[2].tiles[3].muted = false;
        changes[3].help = true;
        changes[4].status.clear();
        changes[5].panels.chat = true;
        changes[6].panels.people = true;
        let text = "grüß euch 会议".to_owned();
        let said = ChatEntry { time: "12:03:11".into(), from: "Zoé".into(), text, own: false };
        changes[7].chat = Arc::new(vec![said]);
        changes[7].panels.chat = true;
        changes[7].panels.input = Some("typing".into());
        for (n, changed) in changes.iter().enumerate() {
            let after = renderer.render(changed, 1280, 750);
            assert!(*after != before, "change {n} is not seen");
        }
    }

    #[test]
    fn a_scene_becomes_a_png_file() {
        let file = crate::device::file::scratch::File::new("grid.png");
        let mut renderer = Renderer::default();
        let canvas = renderer.render(&scene(), 1280, 750).clone();
        write_png(file.path(), &canvas).unwrap();
        let decoder =
            png::Decoder::new(std::io::BufReader::new(std::fs::File::open(file.path()).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((info.width, info.height), (1280, 750));
        let at = (300 * 1280 + 200) * 3;
        let [_, red, green, blue] = canvas.pixel(200, 300).to_be_bytes();
        assert_eq!(bytes[at..at + 3], [red, green, blue]);
        assert!(write_png(std::path::Path::new("/nonexistent/a.png"), &canvas).is_err());
    }
}
