//! From the planes of a picture to pixels of a canvas, at another size.

use media_codec::I420View;
use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix, yuv420_to_bgra};

use super::Colour;
use super::canvas::{Area, Canvas, blend};

/// The largest area with the proportions of `width` × `height` in the middle of `area`.
pub(super) fn fitted(area: Area, width: u32, height: u32) -> Area {
    let (w, h) = (i64::from(width).max(1), i64::from(height).max(1));
    let (aw, ah) = (i64::from(area.width), i64::from(area.height));
    let (fw, fh) = if w * ah > h * aw { (aw, aw * h / w) } else { (ah * w / h, ah) };
    Area {
        x: area.x + ((aw - fw) / 2) as i32,
        y: area.y + ((ah - fh) / 2) as i32,
        width: fw as i32,
        height: fh as i32,
    }
}

/// Draws pictures; keeps its buffers between frames.
#[derive(Debug, Default)]
pub(super) struct Scaler {
    bgra: Vec<u8>,
    pixels: Vec<Colour>,
    columns: Vec<(usize, usize, u32)>,
}

impl Scaler {
    /// Draws the whole picture into `area`, whose proportions the caller has made to fit.
    pub fn draw(&mut self, canvas: &mut Canvas, picture: I420View<'_>, area: Area) {
        if area.width <= 0 || area.height <= 0 || !self.convert(picture) {
            return;
        }
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        self.columns.clear();
        self.columns.extend((0..area.width).map(|x| place(x, area.width, width)));
        for y in 0..area.height {
            let (upper, lower, share) = place(y, area.height, height);
            let row = |n: usize| self.pixels.get(n * width..(n + 1) * width).unwrap_or_default();
            let (upper, lower) = (row(upper), row(lower));
            let Some((skipped, line)) = canvas.row_mut(area, area.y + y) else { continue };
            for (pixel, column) in line.iter_mut().zip(self.columns.iter().skip(skipped)) {
                let (left, right, across) = *column;
                let at = |row: &[Colour], n: usize| row.get(n).copied().unwrap_or(0);
                let top = blend(at(upper, left), at(upper, right), across);
                let bottom = blend(at(lower, left), at(lower, right), across);
                *pixel = blend(top, bottom, share);
            }
        }
    }

    /// Makes 0RGB pixels of the picture at its own size.
    fn convert(&mut self, picture: I420View<'_>) -> bool {
        let (planes, strides) = picture.planes();
        let (width, height) = (picture.width(), picture.height());
        let image = YuvPlanarImage {
            y_plane: planes[0],
            y_stride: strides[0] as u32,
            u_plane: planes[1],
            u_stride: strides[1] as u32,
            v_plane: planes[2],
            v_stride: strides[2] as u32,
            width,
            height,
        };
        self.bgra.resize(width as usize * height as usize * 4, 0);
        let matrix = YuvStandardMatrix::Bt601;
        if yuv420_to_bgra(&image, &mut self.bgra, width * 4, YuvRange::Limited, matrix).is_err() {
            return false;
        }
        self.pixels.clear();
        let (pixels, _) = self.bgra.as_chunks::<4>();
        self.pixels.extend(pixels.iter().map(|p| u32::from_le_bytes(*p) & 0x00ff_ffff));
        true
    }
}

/// Which two of `from` pixels lie around the middle of pixel `n` of `to`, and the share (0 to 256)
/// of the second.
fn place(n: i32, to: i32, from: usize) -> (usize, usize, u32) {
    let last = from.saturating_sub(1);
    let middle = (i64::from(n) * 2 + 1) * from as i64 * 128 / i64::from(to.max(1)) - 128;
    let middle = middle.max(0) as usize;
    let first = (middle / 256).min(last);
    (first, (first + 1).min(last), (middle % 256) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use media_codec::I420Frame;

    #[test]
    fn pictures_keep_their_proportions() {
        let area = Area { x: 10, y: 20, width: 100, height: 100 };
        assert_eq!(fitted(area, 200, 100), Area { x: 10, y: 45, width: 100, height: 50 });
        assert_eq!(fitted(area, 1, 2), Area { x: 35, y: 20, width: 50, height: 100 });
        assert_eq!(fitted(area, 0, 0).width, 100);
    }

    #[test]
    fn same_size_is_copied_and_other_sizes_are_blended() {
        assert_eq!(place(3, 8, 8), (3, 4, 0));
        assert_eq!(place(0, 8, 4), (0, 1, 0));
        assert_eq!(place(1, 8, 4), (0, 1, 64));
        assert_eq!(place(7, 8, 4), (3, 3, 64));
        assert_eq!(place(1, 2, 8), (5, 6, 128));
    }

    #[test]
    fn black_white_and_colour_arrive() {
        let mut frame = I420Frame::black(16, 8).unwrap();
        let [y, u, v] = frame.planes_mut();
        y.chunks_mut(16).for_each(|row| row[8..].fill(235));
        u.fill(128);
        v.fill(128);
        let mut canvas = Canvas::default();
        canvas.reset(40, 20, 0x00ff_0000);
        let area = Area { x: 4, y: 2, width: 32, height: 16 };
        Scaler::default().draw(&mut canvas, frame.view(), area);
        assert_eq!(canvas.pixel(5, 5), 0);
        assert_eq!(canvas.pixel(34, 5), 0x00ff_ffff);
        assert_eq!(canvas.pixel(3, 5), 0x00ff_0000);
        // Outside of the canvas and at no size nothing happens.
        for (x, width) in [(-20, 32), (30, 32), (500, 32), (0, 0)] {
            Scaler::default().draw(&mut canvas, frame.view(), Area { x, y: -3, width, height: 40 });
        }
    }
}
