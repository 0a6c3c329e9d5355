//! Opus, G.722, G.711 and VP8 behind small traits; the only crate that names codec libraries.
//!
//! Everything that comes from a peer is untrusted: decoders answer garbage with an error or with
//! a wrong sound or picture, never with a panic, and never with more memory than the limits below.
//!
//! ```
//! use media_codec::{AudioCodec, AudioDecoder, AudioEncoder};
//!
//! # fn main() -> Result<(), media_codec::CodecError> {
//! let mut encoder = AudioCodec::Pcmu.encoder()?;
//! let mut decoder = AudioCodec::Pcmu.decoder()?;
//! let mut payload = [0; 160];
//! let mut samples = [0; 160];
//! let bytes = encoder.encode(&[1000; 160], &mut payload)?;
//! assert_eq!(decoder.decode(&payload[..bytes], &mut samples)?, 160);
//! # Ok(())
//! # }
//! ```

mod audio;
mod error;
mod video;

pub use audio::{
    AudioCodec, AudioDecoder, AudioEncoder, ExpectedLoss, MAX_DECODED_SAMPLES, MAX_ENCODED_AUDIO,
};
pub use error::CodecError;
pub use video::{
    DecodedPicture, EncodedPicture, I420Frame, I420View, MAX_PICTURE_PIXELS, VideoCodec,
    VideoDecoder, VideoEncoder, VideoEncoderConfig,
};
