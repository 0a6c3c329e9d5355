//! Text: an embedded Latin font, and whatever the system has for other scripts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use fontdue::{Font, FontSettings, Metrics};

/// A clean system has no font at all; this one knows Latin, Greek, Cyrillic, Arabic and symbols.
const LATIN: &[u8] = include_bytes!("../../../assets/DejaVuSans.ttf");

/// Where distributions keep a font for Chinese, Japanese and Korean.
const FALLBACKS: [&str; 6] = [
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/arphic/uming.ttc",
];

/// Names come from strangers, so that the glyphs kept have a limit.
const KEPT_GLYPHS: usize = 2000;

struct Glyph {
    metrics: Metrics,
    coverage: Vec<u8>,
}

/// The fonts and the glyphs drawn with them so far.
#[derive(Default)]
pub struct Fonts {
    /// `None` inside: tried and not found.
    latin: Option<Option<Font>>,
    fallback: Option<Option<Font>>,
    glyphs: BTreeMap<(char, u16), Glyph>,
}

impl fmt::Debug for Fonts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fonts").field("glyphs", &self.glyphs.len()).finish_non_exhaustive()
    }
}

/// Parses a font for the sizes we use. Takes 45 ms for ours, up to 0.5 s for a whole CJK font.
fn parse(data: &[u8]) -> Option<Font> {
    let settings = FontSettings { scale: 24.0, load_substitutions: false, ..Default::default() };
    Font::from_bytes(data, settings).ok()
}

impl Fonts {
    /// The glyph of a character from the first font that has it.
    fn glyph(&mut self, character: char, size: u16) -> Option<&Glyph> {
        let Self { latin, fallback, glyphs } = self;
        if glyphs.len() >= KEPT_GLYPHS {
            glyphs.clear();
        }
        let place = match glyphs.entry((character, size)) {
            Entry::Occupied(kept) => return Some(kept.into_mut()),
            Entry::Vacant(place) => place,
        };
        let latin = latin.get_or_insert_with(|| parse(LATIN)).as_ref()?;
        let font = if latin.has_glyph(character) {
            latin
        } else {
            // Reading a big font costs time and memory: only when somebody needs it.
            let found = fallback.get_or_insert_with(|| {
                FALLBACKS.iter().find_map(|path| parse(&std::fs::read(path).ok()?))
            });
            found.as_ref().filter(|font| font.has_glyph(character)).unwrap_or(latin)
        };
        let (metrics, coverage) = font.rasterize(character, f32::from(size));
        Some(place.insert(Glyph { metrics, coverage }))
    }

    /// Width of a line in pixels.
    pub fn width(&mut self, text: &str, size: u16) -> f32 {
        printable(text).filter_map(|c| Some(self.glyph(c, size)?.metrics.advance_width)).sum()
    }

    /// The text if it fits into `width` pixels, else its beginning and an ellipsis.
    pub fn fit(&mut self, text: &str, size: u16, width: f32) -> String {
        if self.width(text, size) <= width {
            return text.to_owned();
        }
        let room = width - self.width("…", size);
        let mut used = 0.0;
        let mut fitting = String::new();
        for character in printable(text) {
            used += self.glyph(character, size).map_or(0.0, |g| g.metrics.advance_width);
            if used > room {
                break;
            }
            fitting.push(character);
        }
        fitting.push('…');
        fitting
    }

    /// Draws a line whose base line starts at `at`: `plot` gets each pixel touched and how much
    /// of it is covered, 255 being all.
    pub fn draw(
        &mut self,
        text: &str,
        size: u16,
        at: (i32, i32),
        mut plot: impl FnMut(i32, i32, u8),
    ) {
        let mut pen = at.0 as f32;
        for character in printable(text) {
            let Some(Glyph { metrics, coverage }) = self.glyph(character, size) else { continue };
            let left = pen.round() as i32 + metrics.xmin;
            let top = at.1 - metrics.ymin - metrics.height as i32;
            for (row, line) in coverage.chunks(metrics.width.max(1)).enumerate() {
                for (column, covered) in line.iter().enumerate().filter(|(_, c)| **c > 0) {
                    plot(left + column as i32, top + row as i32, *covered);
                }
            }
            pen += metrics.advance_width;
        }
    }
}

/// Without what would draw a box or turn the line around.
fn printable(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| {
        !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ink(fonts: &mut Fonts, text: &str) -> u64 {
        let mut sum = 0;
        fonts.draw(text, 20, (0, 20), |_, _, coverage| sum += u64::from(coverage));
        sum
    }

    #[test]
    fn accents_are_drawn_and_controls_are_not() {
        let mut fonts = Fonts::default();
        assert!(ink(&mut fonts, "é") > ink(&mut fonts, "e"));
        assert_eq!(ink(&mut fonts, "\n\u{202e}\0 "), 0);
        assert_eq!(fonts.width("", 20), 0.0);
    }

    #[test]
    fn long_text_ends_with_an_ellipsis() {
        let mut fonts = Fonts::default();
        assert_eq!(fonts.fit("Zoé", 16, 100.0), "Zoé");
        let fitted = fonts.fit("A name that is far too long for its tile", 16, 100.0);
        assert!(fitted.ends_with('…') && fonts.width(&fitted, 16) <= 100.0, "{fitted}");
        assert_eq!(fonts.fit("Zoé", 16, 0.0), "…");
    }

    #[test]
    fn kept_glyphs_have_a_limit() {
        let mut fonts = Fonts::default();
        for character in ('\u{20}'..='\u{2fff}').take(2 * KEPT_GLYPHS) {
            fonts.width(&character.to_string(), 8);
        }
        assert!(fonts.glyphs.len() <= KEPT_GLYPHS);
    }
}
