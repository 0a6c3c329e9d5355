//! Pictures as three planes: brightness, and two of colour at half the width and height.

use crate::CodecError;

/// No picture larger than this is encoded or decoded: 4K, 3840 × 2160.
pub const MAX_PICTURE_PIXELS: u64 = 3840 * 2160;

/// An owned picture whose planes have no padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct I420Frame {
    width: u32,
    height: u32,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

/// A borrowed picture. Constructing it checks that the planes hold what the sizes promise, which
/// the codec wrappers rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct I420View<'a> {
    width: u32,
    height: u32,
    planes: [&'a [u8]; 3],
    strides: [usize; 3],
}

/// Width or height of a colour plane.
const fn half(size: u32) -> u32 {
    size.div_ceil(2)
}

fn check(width: u32, height: u32) -> Result<(), CodecError> {
    // VP8 has 14 bits for each side (RFC 6386 §9.1).
    let sides = 1..=16_383;
    if sides.contains(&width)
        && sides.contains(&height)
        && u64::from(width) * u64::from(height) <= MAX_PICTURE_PIXELS
    {
        Ok(())
    } else {
        Err(CodecError::Picture { width, height })
    }
}

impl I420Frame {
    /// A black picture.
    ///
    /// # Errors
    /// [`CodecError::Picture`] for an empty or too large one ([`MAX_PICTURE_PIXELS`]).
    pub fn black(width: u32, height: u32) -> Result<Self, CodecError> {
        check(width, height)?;
        let colour = half(width) as usize * half(height) as usize;
        Ok(Self {
            width,
            height,
            // Video range: 16 is black (ITU-R BT.601).
            y: vec![16; width as usize * height as usize],
            u: vec![128; colour],
            v: vec![128; colour],
        })
    }

    /// A picture of these planes, whose strides are `width` and half of it, rounded up.
    ///
    /// # Errors
    /// [`CodecError::Picture`] if sizes and planes do not fit together.
    pub fn from_planes(
        width: u32,
        height: u32,
        y: Vec<u8>,
        u: Vec<u8>,
        v: Vec<u8>,
    ) -> Result<Self, CodecError> {
        check(width, height)?;
        let colour = half(width) as usize * half(height) as usize;
        if y.len() == width as usize * height as usize && u.len() == colour && v.len() == colour {
            Ok(Self { width, height, y, u, v })
        } else {
            Err(CodecError::Picture { width, height })
        }
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The picture, borrowed.
    #[must_use]
    pub fn view(&self) -> I420View<'_> {
        let colour = half(self.width) as usize;
        I420View {
            width: self.width,
            height: self.height,
            planes: [&self.y, &self.u, &self.v],
            strides: [self.width as usize, colour, colour],
        }
    }

    /// The three planes Y, U, V, to draw into.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        [&mut self.y, &mut self.u, &mut self.v]
    }

    /// Takes over another picture, reusing the memory where the size is the same.
    pub fn copy_from(&mut self, view: I420View<'_>) {
        (self.width, self.height) = (view.width, view.height);
        for (n, plane) in [&mut self.y, &mut self.u, &mut self.v].into_iter().enumerate() {
            plane.clear();
            for row in view.rows(n) {
                plane.extend_from_slice(row);
            }
        }
    }
}

impl<'a> I420View<'a> {
    /// Borrows planes Y, U, V of which each row starts `strides[n]` bytes after the one before.
    ///
    /// # Errors
    /// [`CodecError::Picture`] if a stride is shorter than its row, a plane shorter than its rows,
    /// or the picture empty or too large.
    pub fn new(
        width: u32,
        height: u32,
        planes: [&'a [u8]; 3],
        strides: [usize; 3],
    ) -> Result<Self, CodecError> {
        check(width, height)?;
        let sizes = [(width, height), (half(width), half(height)), (half(width), half(height))];
        for ((plane, stride), (columns, rows)) in planes.iter().zip(strides).zip(sizes) {
            let needed = stride
                .checked_mul(rows as usize - 1)
                .and_then(|before| before.checked_add(columns as usize));
            // libvpx takes strides as C int.
            let fits = stride >= columns as usize
                && i32::try_from(stride).is_ok()
                && needed.is_some_and(|needed| plane.len() >= needed);
            if !fits {
                return Err(CodecError::Picture { width, height });
            }
        }
        Ok(Self { width, height, planes, strides })
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The planes Y, U, V with their strides in bytes.
    #[must_use]
    pub fn planes(&self) -> ([&'a [u8]; 3], [usize; 3]) {
        (self.planes, self.strides)
    }

    /// The rows of plane 0 (Y), 1 (U) or 2 (V) without padding; nothing for another number.
    pub fn rows(&self, plane: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (columns, rows) = if plane == 0 {
            (self.width, self.height)
        } else {
            (half(self.width), half(self.height))
        };
        let data = self.planes.get(plane).copied().unwrap_or_default();
        let stride = self.strides.get(plane).copied().unwrap_or(1);
        data.chunks(stride).take(rows as usize).filter_map(move |row| row.get(..columns as usize))
    }

    /// An owned copy.
    #[must_use]
    pub fn to_frame(&self) -> I420Frame {
        let mut frame =
            I420Frame { width: 0, height: 0, y: Vec::new(), u: Vec::new(), v: Vec::new() };
        frame.copy_from(*self);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_left_out_when_copied() {
        // 3 × 3 with strides 5, 4 and 2; the last row may lack its padding.
        let y = [1, 2, 3, 0, 0, 4, 5, 6, 0, 0, 7, 8, 9];
        let u = [1, 2, 0, 0, 3, 4];
        let v = [5, 6, 7, 8];
        let view = I420View::new(3, 3, [&y, &u, &v], [5, 4, 2]).unwrap();
        let frame = view.to_frame();
        let planes = frame.view().planes();
        assert_eq!(planes.0[0], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(planes.0[1], [1, 2, 3, 4]);
        assert_eq!(planes.0[2], [5, 6, 7, 8]);
        assert_eq!(planes.1, [3, 2, 2]);
    }

    #[test]
    fn impossible_layouts_are_refused() {
        let big = vec![0; 64];
        let planes: [&[u8]; 3] = [&big, &big, &big];
        assert!(I420View::new(8, 8, planes, [8, 4, 4]).is_ok());
        for (width, height, strides) in [
            (0, 8, [8, 4, 4]),
            (8, 0, [8, 4, 4]),
            (8, 8, [7, 4, 4]),
            (8, 8, [8, 3, 4]),
            (8, 9, [8, 4, 4]),
            (8, 8, [usize::MAX, 4, 4]),
            (16_384, 1, [16_384, 8192, 8192]),
            (u32::MAX, u32::MAX, [8, 4, 4]),
        ] {
            assert!(I420View::new(width, height, planes, strides).is_err(), "{width}x{height}");
        }
        assert!(I420Frame::black(3840, 2161).is_err());
        assert!(I420Frame::from_planes(2, 2, vec![0; 4], vec![0], vec![0; 2]).is_err());
    }
}
