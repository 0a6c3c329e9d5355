//! The one error type of this crate.

use thiserror::Error;

/// Why a payload, a frame or a setting was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The payload is not valid for its codec.
    #[error("malformed payload: {0}")]
    Malformed(&'static str),
    /// The caller's buffer cannot take the result.
    #[error("output buffer of {have} is too small, {need} needed")]
    BufferTooSmall {
        /// Samples or bytes that are needed.
        need: usize,
        /// Samples or bytes that there are.
        have: usize,
    },
    /// The encoder cannot take a frame of this many samples.
    #[error("a frame of {0} samples cannot be encoded")]
    FrameSize(usize),
    /// Width, height, strides and plane lengths of a picture do not fit together, or the picture
    /// is larger than [`MAX_PICTURE_PIXELS`](crate::MAX_PICTURE_PIXELS).
    #[error("impossible picture layout {width}x{height}")]
    Picture {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The codec library refused.
    #[error("codec library: {0}")]
    Library(String),
}
