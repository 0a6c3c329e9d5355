//! Pictures: the two traits, the codecs we know, and their factory.

mod i420;
mod vp8;

pub use i420::{I420Frame, I420View, MAX_PICTURE_PIXELS};

use crate::CodecError;

/// One compressed picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPicture {
    /// The bitstream of one frame, still to be split into RTP payloads (RFC 7741 for VP8).
    pub data: Vec<u8>,
    /// Whether decoding can start here.
    pub key_frame: bool,
}

/// One decompressed picture; it borrows from the decoder until the next call.
#[derive(Debug)]
pub struct DecodedPicture<'a> {
    /// The picture.
    pub picture: I420View<'a>,
    /// The decoder noticed that data was missing; a key frame clears this. A lost whole frame is
    /// **not** noticed: watch for gaps in the RTP sequence to ask for a key frame.
    pub corrupted: bool,
}

/// How an encoder is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoEncoderConfig {
    /// Target in bit/s, at least 10 000.
    pub bitrate: u32,
    /// Expected pictures per second, 1–120; the real ones follow from the timestamps.
    pub frame_rate: u32,
    /// Speed against quality as libvpx's `cpu-used` has it, 1 (slow) to 16 (fast).
    pub speed: u8,
}

impl Default for VideoEncoderConfig {
    /// 600 kbit/s, 30 pictures per second, speed 6: about 2 ms of CPU per 640×360 picture.
    fn default() -> Self {
        Self { bitrate: 600_000, frame_rate: 30, speed: 6 }
    }
}

/// Makes compressed pictures from raw ones.
pub trait VideoEncoder: Send {
    /// Encodes one picture. The size may change at any time; a new size starts with a key frame.
    ///
    /// `timestamp` is the capture time in 1/90 000 s with any origin (the RTP timestamp, extended
    /// to 64 bits). It steers the rate control; steps are taken as 1 tick to 10 s.
    /// `None` means that the rate control dropped this picture.
    ///
    /// # Errors
    /// [`CodecError::Library`] if the codec library refuses the picture.
    fn encode(
        &mut self,
        picture: I420View<'_>,
        timestamp: u64,
    ) -> Result<Option<EncodedPicture>, CodecError>;

    /// Makes the next picture a key frame.
    fn request_key_frame(&mut self);

    /// Sets the target in bit/s (at least 10 000) from the next picture on; costs no key frame.
    ///
    /// # Errors
    /// [`CodecError::Library`] if the codec library refuses.
    fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), CodecError>;
}

/// Makes raw pictures from compressed ones.
pub trait VideoDecoder: Send {
    /// Decodes one frame; `None` if it makes no picture (hidden reference frames).
    ///
    /// # Errors
    /// [`CodecError::Malformed`] for bytes that do not decode, or as long as no key frame came;
    /// [`CodecError::Picture`] for a picture larger than [`MAX_PICTURE_PIXELS`].
    /// After an error ask the sender for a key frame and go on.
    fn decode(&mut self, data: &[u8]) -> Result<Option<DecodedPicture<'_>>, CodecError>;
}

/// The video codecs of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VideoCodec {
    /// VP8 (RFC 6386, RTP format RFC 7741).
    Vp8,
}

impl VideoCodec {
    /// The encoding name of `a=rtpmap`.
    #[must_use]
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
        }
    }

    /// Finds a codec by its encoding name, whose case does not matter (RFC 8866 §6.6).
    #[must_use]
    pub fn from_encoding_name(name: &str) -> Option<Self> {
        name.eq_ignore_ascii_case("VP8").then_some(Self::Vp8)
    }

    /// Ticks per second of the RTP timestamp (RFC 7741 §4.1).
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        90_000
    }

    /// Makes an encoder; it takes the size of the pictures it is given.
    ///
    /// # Errors
    /// [`CodecError::Library`] if the codec library gives none.
    pub fn encoder(self, config: VideoEncoderConfig) -> Result<Box<dyn VideoEncoder>, CodecError> {
        match self {
            Self::Vp8 => Ok(Box::new(vp8::Vp8Encoder::new(config))),
        }
    }

    /// Makes a decoder.
    ///
    /// # Errors
    /// [`CodecError::Library`] if the codec library gives none.
    pub fn decoder(self) -> Result<Box<dyn VideoDecoder>, CodecError> {
        match self {
            Self::Vp8 => Ok(Box::new(vp8::Vp8Decoder::new()?)),
        }
    }
}
