//! Speech and sound: the two traits, the codecs we know, and their factory.

mod conceal;
mod expected_loss;
mod g711;
mod g722;
mod opus;
mod payload;

pub use expected_loss::ExpectedLoss;

use crate::CodecError;

/// No decoder writes more samples than this for one payload: 120 ms at 48 kHz, the longest Opus
/// packet (RFC 6716 §3.2.5), and 720 ms of G.711.
pub const MAX_DECODED_SAMPLES: usize = 5760;

/// No encoder writes more bytes than this for one frame: three Opus frames of 1275 bytes with
/// their lengths (RFC 6716 §3.4), or 480 ms of G.711.
pub const MAX_ENCODED_AUDIO: usize = 3840;

/// Makes payloads from mono samples.
pub trait AudioEncoder: Send {
    /// Samples per second of what [`encode`](Self::encode) takes: 48 000 for Opus, 8000 for G.711.
    fn sample_rate(&self) -> u32;

    /// Encodes one frame into `out` and returns the bytes written; 0 means that nothing has to be
    /// sent now (DTX) while the RTP timestamp goes on.
    ///
    /// A frame is 20 ms as a rule. Opus takes 2.5, 5, 10, 20, 40 and 60 ms, G.711 any length.
    ///
    /// # Errors
    /// [`CodecError::FrameSize`] for a length the codec does not have,
    /// [`CodecError::BufferTooSmall`] if `out` cannot hold the result.
    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError>;

    /// Sets the target in bit/s; clamped to 6000–510 000 by Opus, ignored by fixed-rate codecs.
    fn set_bitrate(&mut self, _bits_per_second: u32) -> Result<(), CodecError> {
        Ok(())
    }

    /// Sets how much work is spent, 0–10 (clamped); ignored by codecs without the choice.
    fn set_complexity(&mut self, _complexity: u8) -> Result<(), CodecError> {
        Ok(())
    }

    /// Tells the loss to prepare for in percent, 0–100 (clamped), as the receiver reports it.
    fn set_expected_loss(&mut self, _percent: u8) -> Result<(), CodecError> {
        Ok(())
    }

    /// Switches in-band forward error correction (`useinbandfec`, RFC 7587 §6.1).
    fn set_fec(&mut self, _on: bool) -> Result<(), CodecError> {
        Ok(())
    }

    /// Tells the highest rate at which the receiver plays, in Hz: what it cannot play need not be coded
    /// (`maxplaybackrate`, RFC 7587 §6.1).
    fn set_max_playback_rate(&mut self, _hertz: u32) -> Result<(), CodecError> {
        Ok(())
    }

    /// Switches discontinuous transmission (`usedtx`, RFC 7587 §6.1).
    fn set_dtx(&mut self, _on: bool) -> Result<(), CodecError> {
        Ok(())
    }
}

/// Makes mono samples from payloads. One decoder serves one stream and is fed in playing order.
pub trait AudioDecoder: Send {
    /// Samples per second of what is written: 48 000 for Opus, 8000 for G.711.
    fn sample_rate(&self) -> u32;

    /// Decodes a payload of any packet time and returns the samples written to `out`.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] for bytes that are no payload of this codec,
    /// [`CodecError::BufferTooSmall`] if `out` cannot hold them all; [`MAX_DECODED_SAMPLES`] is
    /// always enough for what can be decoded at all. After an error, conceal and go on.
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError>;

    /// Fills `out` with the lost sound just before `next`, using the redundancy in `next` if there
    /// is any and concealment if not. Then call [`decode`](Self::decode) with `next` as usual.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] if `next` is no payload of this codec; `out` is then silence.
    fn decode_fec(&mut self, next: &[u8], out: &mut [i16]) -> Result<(), CodecError>;

    /// Fills `out` with a plausible continuation of what was decoded last, fading out when the
    /// loss goes on.
    fn conceal(&mut self, out: &mut [i16]);

    /// Forgets everything: what is decoded next belongs to another stream.
    fn reset(&mut self);
}

/// The audio codecs of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AudioCodec {
    /// Opus (RFC 6716, RTP format RFC 7587), coded in mono.
    Opus,
    /// G.722 at 64 kbit/s (RFC 3551 §4.5.2): samples at 16 kHz under an RTP clock of 8 kHz.
    G722,
    /// G.711 µ-law (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law (RFC 3551 §4.5.14).
    Pcma,
}

impl AudioCodec {
    /// All of them, best first.
    pub const ALL: [Self; 4] = [Self::Opus, Self::G722, Self::Pcmu, Self::Pcma];

    /// The encoding name of `a=rtpmap`.
    #[must_use]
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G722 => "G722",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// Finds a codec by its encoding name, whose case does not matter (RFC 8866 §6.6).
    #[must_use]
    pub fn from_encoding_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.encoding_name().eq_ignore_ascii_case(name))
    }

    /// Ticks per second of the RTP timestamp.
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 | Self::Pcmu | Self::Pcma => 8000,
        }
    }

    /// Samples per second of what its encoder takes and its decoder makes.
    #[must_use]
    pub const fn sample_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 => 16_000,
            Self::Pcmu | Self::Pcma => 8000,
        }
    }

    /// How long a payload plays, in units of the RTP clock, without decoding it; `None` when it cannot
    /// be played.
    #[must_use]
    pub fn duration(self, payload: &[u8]) -> Option<u32> {
        match self {
            Self::Opus => payload::opus_duration(payload),
            Self::G722 | Self::Pcmu | Self::Pcma => payload::sampled_duration(payload),
        }
    }

    /// Whether a payload also holds a coarse copy of the frame before it, to be had by
    /// [`AudioDecoder::decode_fec`] when that one is lost.
    #[must_use]
    pub fn has_redundancy(self, payload: &[u8]) -> bool {
        self == Self::Opus && payload::opus_redundancy(payload)
    }

    /// The payload type RFC 3551 §6 assigns, if it does.
    #[must_use]
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Opus => None,
            Self::G722 => Some(9),
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
        }
    }

    /// Makes an encoder.
    ///
    /// # Errors
    /// [`CodecError::Library`] if the codec library gives none.
    pub fn encoder(self) -> Result<Box<dyn AudioEncoder>, CodecError> {
        Ok(match self {
            Self::Opus => Box::new(opus::OpusEncoder::new()?),
            Self::G722 => Box::new(g722::G722Encoder::new()),
            Self::Pcmu => Box::new(g711::G711Encoder::new(g711::Law::Mu)),
            Self::Pcma => Box::new(g711::G711Encoder::new(g711::Law::A)),
        })
    }

    /// Makes a decoder.
    ///
    /// # Errors
    /// [`CodecError::Library`] if the codec library gives none.
    pub fn decoder(self) -> Result<Box<dyn AudioDecoder>, CodecError> {
        Ok(match self {
            Self::Opus => Box::new(opus::OpusDecoder::new()?),
            Self::G722 => Box::new(g722::G722Decoder::new()),
            Self::Pcmu => Box::new(g711::G711Decoder::new(g711::Law::Mu)),
            Self::Pcma => Box::new(g711::G711Decoder::new(g711::Law::A)),
        })
    }
}
