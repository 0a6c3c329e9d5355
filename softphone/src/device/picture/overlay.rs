//! What stands on top of the tiles: names, marks, the status line and the help.

use super::canvas::{Area, Canvas};
use super::{Colour, Fonts, SceneTile};

pub(super) const WHITE: Colour = 0x00ff_ffff;
pub(super) const GREY: Colour = 0x00a8_b0bc;
pub(super) const RED: Colour = 0x00d0_3a3a;
pub(super) const SPEAKING: Colour = 0x003d_dc84;
pub(super) const PANEL: Colour = 0x000c_1016;

/// Height of the status line.
pub(super) const STATUS_HEIGHT: i32 = 30;

const KEYS: [(&str, &str); 8] = [
    ("m", "microphone off and on"),
    ("v", "camera off and on"),
    ("p", "people shown and hidden"),
    ("c", "chat shown and hidden"),
    ("Enter", "write; /help lists commands"),
    ("0-9*#", "telephone keys"),
    ("?", "this help"),
    ("q", "leave the meeting"),
];

/// A name without picture: large, in the middle.
pub(super) fn placeholder(canvas: &mut Canvas, fonts: &mut Fonts, tile: &SceneTile, area: Area) {
    let size = (area.height / 6).clamp(10, 44) as u16;
    let name = if tile.name.is_empty() { "…" } else { &tile.name };
    let text = fonts.fit(name, size, area.width as f32 * 0.9);
    let width = fonts.width(&text, size) as i32;
    let at = (area.x + (area.width - width) / 2, area.y + area.height / 2 + i32::from(size) / 3);
    canvas.text(fonts, &text, size, at, GREY);
}

/// The name in the corner, and the marks.
pub(super) fn marks(canvas: &mut Canvas, fonts: &mut Fonts, tile: &SceneTile, area: Area) {
    let size = (area.height / 16).clamp(11, 20) as u16;
    let high = i32::from(size) * 8 / 5;
    let line = area.y + area.height - high;
    let base = line + high * 7 / 10;
    let mut left = area.x;
    if tile.muted {
        let width = fonts.width("muted", size) as i32 + high * 2 / 3;
        canvas.shade(Area { x: left, y: line, width, height: high }, RED, 230);
        canvas.text(fonts, "muted", size, (left + high / 3, base), WHITE);
        left += width;
    }
    // Without a picture the name stands in the middle already.
    if tile.picture.is_some() || tile.own {
        let label = match (tile.own, tile.picture.is_some()) {
            (true, true) => format!("{} (you)", tile.name),
            (true, false) => "you".to_owned(),
            (false, _) => tile.name.clone(),
        };
        let room = area.x + area.width - left - high * 2 / 3;
        let text = fonts.fit(&label, size, room as f32);
        let width = fonts.width(&text, size) as i32 + high * 2 / 3;
        canvas.shade(Area { x: left, y: line, width, height: high }, PANEL, 170);
        canvas.text(fonts, &text, size, (left + high / 3, base), WHITE);
    }
    if tile.speaking {
        canvas.outline(area, (area.height / 90).clamp(2, 5), SPEAKING);
    }
}

/// The line at the bottom, with a hint to the help on the right.
pub(super) fn status(canvas: &mut Canvas, fonts: &mut Fonts, text: &str) {
    let (width, height) = (canvas.width() as i32, canvas.height() as i32);
    let area = Area { x: 0, y: height - STATUS_HEIGHT, width, height: STATUS_HEIGHT };
    canvas.fill(area, PANEL);
    let base = height - STATUS_HEIGHT / 3;
    let hint = "? help";
    let hint_width = fonts.width(hint, 14) as i32;
    canvas.text(fonts, hint, 14, (width - hint_width - 10, base), GREY);
    let room = width - hint_width - 40;
    if room > 20 {
        let text = fonts.fit(text, 15, room as f32);
        canvas.text(fonts, &text, 15, (10, base), WHITE);
    }
}

/// The keys, on a panel in the middle.
pub(super) fn help(canvas: &mut Canvas, fonts: &mut Fonts) {
    let (width, height) = (canvas.width() as i32, canvas.height() as i32);
    let panel = Area { x: (width - 360) / 2, y: (height - 290) / 2, width: 360, height: 290 };
    canvas.shade(panel, PANEL, 225);
    canvas.outline(panel, 1, GREY);
    canvas.text(fonts, "Keys", 18, (panel.x + 24, panel.y + 38), WHITE);
    for (n, (key, what)) in (0..).zip(KEYS) {
        let base = panel.y + 72 + n * 28;
        canvas.text(fonts, key, 16, (panel.x + 28, base), SPEAKING);
        canvas.text(fonts, what, 16, (panel.x + 88, base), WHITE);
    }
}
