//! A picture of 0RGB pixels to draw into.

use super::Fonts;

/// 0x00RRGGBB.
pub type Colour = u32;

/// A part of a canvas, in pixels; it may reach outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
}

/// A picture of 0RGB pixels, as windows take them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Colour>,
}

/// Mixes two colours; `share` of 255 is all `over`.
pub(super) fn mix(under: Colour, over: Colour, share: u8) -> Colour {
    blend(under, over, u32::from(share) + u32::from(share >> 7))
}

/// Mixes two colours; `share` goes from 0 to 256. Red and blue travel in one word.
pub(super) fn blend(under: Colour, over: Colour, share: u32) -> Colour {
    const RED_BLUE: u32 = 0x00ff_00ff;
    const GREEN: u32 = 0x0000_ff00;
    let red_blue = (under & RED_BLUE) * (256 - share) + (over & RED_BLUE) * share;
    let green = (under & GREEN) * (256 - share) + (over & GREEN) * share;
    (red_blue >> 8) & RED_BLUE | (green >> 8) & GREEN
}

impl Canvas {
    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels, row by row without padding.
    #[must_use]
    pub fn pixels(&self) -> &[Colour] {
        &self.pixels
    }

    /// The colour at a place; black outside.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> Colour {
        if x < self.width { self.pixels.get(y * self.width + x).copied().unwrap_or(0) } else { 0 }
    }

    /// Takes a size and one colour everywhere.
    pub(super) fn reset(&mut self, width: usize, height: usize, colour: Colour) {
        (self.width, self.height) = (width, height);
        self.pixels.clear();
        self.pixels.resize(width * height, colour);
    }

    /// The part of a row that lies in both the area and the canvas.
    pub(super) fn row_mut(&mut self, area: Area, y: i32) -> Option<(usize, &mut [Colour])> {
        let row = usize::try_from(y).ok().filter(|row| *row < self.height)?;
        let start = area.x.max(0) as usize;
        let end = (area.x + area.width).clamp(0, self.width as i32) as usize;
        let skipped = (start as i32 - area.x).max(0) as usize;
        let base = row * self.width;
        (start < end)
            .then(|| self.pixels.get_mut(base + start..base + end))
            .flatten()
            .map(|p| (skipped, p))
    }

    pub(super) fn fill(&mut self, area: Area, colour: Colour) {
        for y in area.y..area.y + area.height {
            if let Some((_, row)) = self.row_mut(area, y) {
                row.fill(colour);
            }
        }
    }

    /// Lets what is there shine through.
    pub(super) fn shade(&mut self, area: Area, colour: Colour, share: u8) {
        for y in area.y..area.y + area.height {
            if let Some((_, row)) = self.row_mut(area, y) {
                row.iter_mut().for_each(|pixel| *pixel = mix(*pixel, colour, share));
            }
        }
    }

    /// The edge of an area, `thick` pixels to the inside.
    pub(super) fn outline(&mut self, area: Area, thick: i32, colour: Colour) {
        let Area { x, y, width, height } = area;
        for side in [
            Area { x, y, width, height: thick },
            Area { x, y: y + height - thick, width, height: thick },
            Area { x, y, width: thick, height },
            Area { x: x + width - thick, y, width: thick, height },
        ] {
            self.fill(side, colour);
        }
    }

    /// Writes one line; `at` is where its base line starts.
    pub(super) fn text(
        &mut self,
        fonts: &mut Fonts,
        text: &str,
        size: u16,
        at: (i32, i32),
        colour: Colour,
    ) {
        let (width, height) = (self.width as i32, self.height as i32);
        fonts.draw(text, size, at, |x, y, coverage| {
            if (0..width).contains(&x)
                && (0..height).contains(&y)
                && let Some(pixel) = self.pixels.get_mut((y * width + x) as usize)
            {
                *pixel = mix(*pixel, colour, coverage);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_mix_channel_by_channel() {
        assert_eq!(mix(0x0010_2030, 0x00f0_e0d0, 0), 0x0010_2030);
        assert_eq!(mix(0x0010_2030, 0x00f0_e0d0, 255), 0x00f0_e0d0);
        assert_eq!(mix(0x0000_0000, 0x00ff_ffff, 128), 0x0080_8080);
        assert_eq!(mix(0x00ff_0000, 0x0000_00ff, 128), 0x007e_0080);
    }

    #[test]
    fn drawing_outside_is_cut_off() {
        let mut canvas = Canvas::default();
        canvas.reset(4, 4, 0);
        canvas.fill(Area { x: -2, y: -2, width: 3, height: 3 }, 1);
        canvas.fill(Area { x: 3, y: 3, width: 100, height: 100 }, 2);
        canvas.fill(Area { x: 9, y: 9, width: 3, height: 3 }, 3);
        canvas.fill(Area { x: 1, y: 1, width: -1, height: 3 }, 4);
        canvas.text(&mut Fonts::default(), "far outside", 30, (-500, 2), 5);
        assert_eq!((canvas.pixel(0, 0), canvas.pixel(1, 0), canvas.pixel(3, 3)), (1, 0, 2));
        assert_eq!(canvas.pixels().iter().filter(|p| **p != 0).count(), 2);
    }
}
