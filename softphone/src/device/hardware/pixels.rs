//! From what cameras deliver to I420.

use std::panic::{AssertUnwindSafe, catch_unwind};

use media_codec::I420Frame;
use nokhwa::Buffer;
use nokhwa::pixel_format::RgbFormat;
use nokhwa::utils::FrameFormat;
use yuv::{
    BufferStoreMut, YuvConversionMode, YuvPackedImage, YuvPlanarImageMut, YuvRange,
    YuvStandardMatrix, rgb_to_yuv420, yuyv422_to_yuv420,
};

/// A picture of a camera; `None` if its bytes are not what its format promises.
pub(super) fn to_i420(buffer: &Buffer) -> Option<I420Frame> {
    let size = buffer.resolution();
    let (width, height) = (size.width(), size.height());
    let bytes = buffer.buffer();
    match buffer.source_frame_format() {
        FrameFormat::YUYV => from_yuyv(width, height, bytes),
        FrameFormat::NV12 => from_nv12(width, height, bytes),
        FrameFormat::GRAY => {
            let mut frame = I420Frame::black(width, height).ok()?;
            copy(frame.planes_mut()[0], bytes)?;
            Some(frame)
        }
        FrameFormat::RAWRGB => from_rgb(width, height, bytes),
        FrameFormat::RAWBGR => {
            let rgb: Vec<u8> =
                bytes.as_chunks::<3>().0.iter().flat_map(|[b, g, r]| [*r, *g, *b]).collect();
            from_rgb(width, height, &rgb)
        }
        FrameFormat::MJPEG => {
            let mut rgb = vec![0; width as usize * height as usize * 3];
            // mozjpeg reports damage by unwinding.
            let decoded = catch_unwind(AssertUnwindSafe(|| {
                buffer.decode_image_to_buffer::<RgbFormat>(&mut rgb)
            }));
            decoded.ok()?.ok()?;
            from_rgb(width, height, &rgb)
        }
    }
}

fn copy(to: &mut [u8], from: &[u8]) -> Option<()> {
    to.copy_from_slice(from.get(..to.len())?);
    Some(())
}

fn borrowed(frame: &mut I420Frame) -> YuvPlanarImageMut<'_, u8> {
    let (width, height) = (frame.width(), frame.height());
    let [y, u, v] = frame.planes_mut();
    YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(y),
        y_stride: width,
        u_plane: BufferStoreMut::Borrowed(u),
        u_stride: width.div_ceil(2),
        v_plane: BufferStoreMut::Borrowed(v),
        v_stride: width.div_ceil(2),
        width,
        height,
    }
}

fn from_yuyv(width: u32, height: u32, bytes: &[u8]) -> Option<I420Frame> {
    let mut frame = I420Frame::black(width, height).ok()?;
    let stride = width.div_ceil(2) * 4;
    let yuy = bytes.get(..stride as usize * height as usize)?;
    let packed = YuvPackedImage { yuy, yuy_stride: stride, width, height };
    yuyv422_to_yuv420(&mut borrowed(&mut frame), &packed).ok()?;
    Some(frame)
}

fn from_nv12(width: u32, height: u32, bytes: &[u8]) -> Option<I420Frame> {
    let mut frame = I420Frame::black(width, height).ok()?;
    let [y, u, v] = frame.planes_mut();
    copy(y, bytes)?;
    let pairs = bytes.get(y.len()..y.len() + 2 * u.len())?;
    for ((u, v), pair) in u.iter_mut().zip(v).zip(pairs.as_chunks::<2>().0) {
        [*u, *v] = *pair;
    }
    Some(frame)
}

fn from_rgb(width: u32, height: u32, rgb: &[u8]) -> Option<I420Frame> {
    let mut frame = I420Frame::black(width, height).ok()?;
    let rgb = rgb.get(..width as usize * height as usize * 3)?;
    rgb_to_yuv420(
        &mut borrowed(&mut frame),
        rgb,
        width * 3,
        YuvRange::Limited,
        YuvStandardMatrix::Bt601,
        YuvConversionMode::Balanced,
    )
    .ok()?;
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nokhwa::utils::Resolution;

    fn planes(format: FrameFormat, bytes: &[u8]) -> Option<[Vec<u8>; 3]> {
        let buffer = Buffer::new(Resolution::new(4, 2), bytes, format);
        to_i420(&buffer).map(|frame| frame.view().planes().0.map(<[u8]>::to_vec))
    }

    #[test]
    fn each_format_lands_in_the_right_planes() {
        let grey = vec![128; 2];
        let yuyv = [10, 50, 20, 60, 30, 70, 40, 80].repeat(2);
        let expected = [[10, 20, 30, 40].repeat(2), vec![50, 70], vec![60, 80]];
        assert_eq!(planes(FrameFormat::YUYV, &yuyv), Some(expected.clone()));
        let nv12 = [10, 20, 30, 40, 10, 20, 30, 40, 50, 60, 70, 80];
        assert_eq!(planes(FrameFormat::NV12, &nv12), Some(expected));
        let gray = planes(FrameFormat::GRAY, &[9; 8]);
        assert_eq!(gray, Some([vec![9; 8], grey.clone(), grey.clone()]));
        let white = planes(FrameFormat::RAWRGB, &[255; 24]);
        assert_eq!(white, Some([vec![235; 8], grey.clone(), grey]));
    }

    #[test]
    fn bytes_that_are_missing_make_no_picture() {
        for format in [
            FrameFormat::YUYV,
            FrameFormat::NV12,
            FrameFormat::GRAY,
            FrameFormat::RAWRGB,
            FrameFormat::RAWBGR,
            FrameFormat::MJPEG,
        ] {
            assert_eq!(planes(format, &[1; 5]), None, "{format}");
        }
    }
}
