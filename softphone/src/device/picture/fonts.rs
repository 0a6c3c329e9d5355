//! Text: an embedded Latin font, and whatever the system has for other scripts.

use std::collections::BTreeMap;
use std::fmt;

use fontdue::{Font, FontSettings, Metrics};

use super::font_files;

/// A clean system has no font at all; this one knows Latin, Greek, Cyrillic, Arabic and symbols.
const LATIN: &[u8] = include_bytes!("../../../assets/DejaVuSans.ttf");

/// Names come from strangers, so that the glyphs kept have a limit.
const KEPT_GLYPHS: usize = 2000;

/// Characters for which the system is asked; each question takes a moment, and strangers choose the characters.
const MOST_LOOKUPS: usize = 64;
/// Further fonts kept; one for Chinese takes 20 MB.
const MOST_FONTS: usize = 6;

struct Glyph {
    metrics: Metrics,
    coverage: Vec<u8>,
}

/// The fonts and the glyphs drawn with them so far.
#[derive(Default)]
pub struct Fonts {
    /// `None` inside: tried and not found.
    latin: Option<Option<Font>>,
    /// Those of the system that were needed so far.
    others: Vec<Font>,
    lookups: usize,
    glyphs: BTreeMap<(char, u16), Glyph>,
}

impl fmt::Debug for Fonts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fonts").field("glyphs", &self.glyphs.len()).finish_non_exhaustive()
    }
}

/// Whether a font can draw a character: fonts of coloured pictures know it, but have no outline of it.
fn has(font: &Font, character: char) -> bool {
    font.has_glyph(character) && font.metrics(character, 24.0).width > 0
}

/// Parses a font for the sizes we use. Takes 45 ms for ours, up to 0.5 s for a whole CJK font.
fn parse(data: &[u8]) -> Option<Font> {
    let settings = FontSettings { scale: 24.0, load_substitutions: false, ..Default::default() };
    Font::from_bytes(data, settings).ok()
}

impl Fonts {
    /// The glyph of a character from the first font that has it.
    fn glyph(&mut self, character: char, size: u16) -> Option<&Glyph> {
        if self.glyphs.len() >= KEPT_GLYPHS {
            self.glyphs.clear();
        }
        if !self.glyphs.contains_key(&(character, size)) {
            let glyph = self.draw_glyph(character, size)?;
            self.glyphs.insert((character, size), glyph);
        }
        self.glyphs.get(&(character, size))
    }

    fn draw_glyph(&mut self, character: char, size: u16) -> Option<Glyph> {
        let latin = self.latin.get_or_insert_with(|| parse(LATIN)).as_ref()?;
        let known = latin.has_glyph(character);
        if !known && !self.others.iter().any(|font| has(font, character)) {
            self.look_up(character);
        }
        let latin = self.latin.as_ref()?.as_ref()?;
        let other = self.others.iter().find(|font| has(font, character)).filter(|_| !known);
        let (metrics, coverage) = other.unwrap_or(latin).rasterize(character, f32::from(size));
        Some(Glyph { metrics, coverage })
    }

    /// Reading a big font costs time and memory: only when somebody needs it.
    fn look_up(&mut self, character: char) {
        if self.lookups >= MOST_LOOKUPS || self.others.len() >= MOST_FONTS {
            return;
        }
        self.lookups += 1;
        let fonts = font_files::with(character).into_iter();
        let mut fonts = fonts.filter_map(|file| parse(&std::fs::read(file).ok()?));
        self.others.extend(fonts.find(|font| has(font, character)));
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

    /// The text in lines of at most `width` pixels, broken between words where that is possible.
    pub fn wrap(&mut self, text: &str, size: u16, width: f32) -> Vec<String> {
        let mut lines = Vec::new();
        for paragraph in text.split('\n') {
            let mut line = String::new();
            let mut used = 0.0;
            for word in paragraph.split_inclusive(' ') {
                let length = self.width(word.trim_end(), size);
                if used > 0.0 && used + length > width {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                for character in printable(word) {
                    let advance =
                        self.glyph(character, size).map_or(0.0, |g| g.metrics.advance_width);
                    // a word longer than a line, or a script without blanks; a blank at the end may stand out
                    if used > 0.0 && used + advance > width && character != ' ' {
                        lines.push(std::mem::take(&mut line));
                        used = 0.0;
                    }
                    line.push(character);
                    used += advance;
                }
            }
            lines.push(line);
        }
        lines
    }

    /// The end of the text that fits into `width` pixels.
    pub fn tail<'a>(&mut self, text: &'a str, size: u16, width: f32) -> &'a str {
        let mut used = 0.0;
        let mut start = text.len();
        for (at, character) in text.char_indices().rev() {
            used += self.width(character.encode_utf8(&mut [0; 4]), size);
            if used > width {
                break;
            }
            start = at;
        }
        text.get(start..).unwrap_or_default()
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
    fn lines_are_broken_between_words_and_within_long_ones() {
        let mut fonts = Fonts::default();
        let width = fonts.width("one two", 16);
        assert_eq!(fonts.wrap("one two three\nfour", 16, width), ["one two ", "three", "four"]);
        assert_eq!(fonts.wrap("", 16, width), [""]);
        let broken = fonts.wrap(&"x".repeat(50), 16, width);
        assert!(broken.len() > 3 && broken.concat() == "x".repeat(50));
        assert!(broken.iter().all(|line| fonts.width(line, 16) <= width));
        assert_eq!(fonts.wrap("xyz", 16, 0.0), ["x", "y", "z"], "no room is no endless loop");
        assert_eq!(fonts.tail("one two", 16, width), "one two");
        let end = fonts.tail("zero one two", 16, width);
        assert!(end.ends_with("two") && !end.contains("zero"));
        assert_eq!(fonts.tail("é", 16, 0.0), "");
    }

    #[test]
    fn kept_glyphs_have_a_limit() {
        // nobody is asked any more
        let mut fonts = Fonts { lookups: MOST_LOOKUPS, ..Fonts::default() };
        for character in ('\u{20}'..='\u{2fff}').take(2 * KEPT_GLYPHS) {
            fonts.width(&character.to_string(), 8);
        }
        assert!(fonts.glyphs.len() <= KEPT_GLYPHS);
    }
}
