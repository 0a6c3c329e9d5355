//! G.722 at 64 kbit/s: 7 kHz of sound in two sub-bands (ITU-T G.722 mode 1, RFC 3551 §4.5.2).
//!
//! Its RTP clock counts at 8000 Hz although it samples at 16 000, by an error of RFC 1890 that stays for the
//! sake of those who made it: a unit of the clock is an octet, which is two samples.

use audio_codec::g722::{G722Decoder as Expand, G722Encoder as Compress};
use audio_codec::{Decoder, Encoder};

use super::conceal::Concealer;
use super::{AudioDecoder, AudioEncoder, MAX_DECODED_SAMPLES};
use crate::CodecError;

const RATE: u32 = 16_000;

/// A G.722 encoder.
pub(super) struct G722Encoder {
    compress: Compress,
}

impl G722Encoder {
    pub(super) fn new() -> Self {
        Self { compress: Compress::new() }
    }
}

impl AudioEncoder for G722Encoder {
    fn sample_rate(&self) -> u32 {
        RATE
    }

    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        if samples.is_empty() || !samples.len().is_multiple_of(2) {
            return Err(CodecError::FrameSize(samples.len()));
        }
        let need = samples.len() / 2;
        if out.len() < need {
            return Err(CodecError::BufferTooSmall { need, have: out.len() });
        }
        let made = self.compress.encode_into(samples, out);
        made.map_err(|error| CodecError::Library(error.to_string()))
    }
}

/// A G.722 decoder with concealment of lost packets.
pub(super) struct G722Decoder {
    expand: Expand,
    concealer: Concealer,
}

impl G722Decoder {
    pub(super) fn new() -> Self {
        Self { expand: Expand::new(), concealer: Concealer::new(RATE as usize) }
    }
}

impl AudioDecoder for G722Decoder {
    fn sample_rate(&self) -> u32 {
        RATE
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        if payload.is_empty() {
            return Err(CodecError::Malformed("empty G.722 payload"));
        }
        let (need, have) = (payload.len() * 2, out.len());
        if need > MAX_DECODED_SAMPLES {
            return Err(CodecError::Malformed("G.722 payload longer than 360 ms"));
        }
        let Some(out) = out.get_mut(..need) else {
            return Err(CodecError::BufferTooSmall { need, have });
        };
        let made = self.expand.decode_into(payload, out);
        let made = made.map_err(|error| CodecError::Library(error.to_string()))?;
        self.concealer.heard(&mut out[..made]);
        Ok(made)
    }

    fn decode_fec(&mut self, next: &[u8], out: &mut [i16]) -> Result<(), CodecError> {
        if next.is_empty() {
            out.fill(0);
            return Err(CodecError::Malformed("empty G.722 payload"));
        }
        self.conceal(out);
        Ok(())
    }

    fn conceal(&mut self, out: &mut [i16]) {
        self.concealer.fill(out);
    }

    fn reset(&mut self) {
        self.expand = Expand::new();
        self.concealer.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A sweep from 300 Hz and a tone of 5 kHz, as FFmpeg codes it.
    const CODED: [u8; 120] = [
        0xfa, 0x18, 0x9b, 0x20, 0x84, 0xa0, 0xa0, 0x20, 0xa3, 0xaa, 0x2b, 0xab, 0x2c, 0x30, 0xb4,
        0x3c, 0x98, 0x94, 0x10, 0x8f, 0x12, 0x14, 0x9a, 0x39, 0xf3, 0xae, 0x2d, 0xaf, 0x74, 0x3e,
        0x97, 0x13, 0x52, 0xd6, 0x1d, 0xf7, 0x70, 0x6e, 0xb2, 0x7a, 0xd8, 0x93, 0x14, 0xd9, 0x79,
        0x71, 0xae, 0x74, 0xdf, 0x96, 0x53, 0x98, 0xf9, 0x71, 0xae, 0x78, 0xd8, 0xd3, 0x16, 0xfc,
        0xee, 0x71, 0xb8, 0x56, 0xd2, 0x9c, 0x76, 0xae, 0xf4, 0x59, 0x92, 0x59, 0xf6, 0xad, 0x76,
        0x96, 0xd4, 0x5b, 0xaf, 0x71, 0x5e, 0xd4, 0x16, 0xf3, 0x6f, 0x7e, 0x94, 0x56, 0x74, 0xed,
        0x3f, 0xd2, 0x5a, 0x32, 0xb0, 0x5c, 0xd0, 0xfd, 0x2e, 0xf7, 0xd3, 0x59, 0xb1, 0x71, 0xd6,
        0x95, 0x77, 0xb0, 0xde, 0x50, 0xb8, 0x6d, 0xda, 0xd4, 0x3a, 0xee, 0x5a, 0x13, 0xf2, 0x32,
    ];
    /// What FFmpeg decodes from the last 20 octets of it, after the others.
    const DECODED: [i16; 40] = [
        6450, 5846, 4521, -5915, -10775, -5939, -4347, -2004, 9010, 10193, 3870, 2998, -2810,
        -10890, -8307, -1283, 491, 6911, 11372, 4217, -2692, -3837, -9734, -8925, 994, 6694, 5777,
        8595, 3523, -7888, -9243, -4749, -4428, 3580, 11537, 6696, 37, -2130, -8208, -10304,
    ];

    fn sound(count: usize) -> Vec<i16> {
        let turn = std::f64::consts::TAU / 16_000.0;
        (0..count)
            .map(|n| n as f64)
            .map(|n| {
                let sweep = 9000.0 * (turn * (300.0 + n * 4.0) * n).sin();
                (sweep + 3000.0 * (turn * 5000.0 * n).sin()) as i16
            })
            .collect()
    }

    /// How far FFmpeg's decoding is above the difference to `octets` as decoded here, in decibels.
    fn likeness(octets: &[u8]) -> f64 {
        let mut out = [0; 240];
        assert_eq!(G722Decoder::new().decode(octets, &mut out), Ok(240));
        let signal: f64 = DECODED.iter().map(|a| f64::from(*a).powi(2)).sum();
        let pairs = DECODED.iter().zip(&out[200..]);
        let noise: f64 = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
        10.0 * (signal / noise).log10()
    }

    /// The two differ in rounding, far below what the codec itself adds.
    #[test]
    fn what_ffmpeg_coded_is_decoded_as_ffmpeg_does() {
        assert!(likeness(&CODED) > 40.0, "{} dB", likeness(&CODED));
    }

    #[test]
    fn the_same_sound_is_coded_as_ffmpeg_does() {
        let mut out = [0; 120];
        assert_eq!(G722Encoder::new().encode(&sound(240), &mut out), Ok(120));
        assert!(likeness(&out) > 30.0, "{} dB", likeness(&out));
    }

    #[test]
    fn sound_comes_back_well_above_its_noise_over_the_whole_band() {
        for hertz in [200.0, 1000.0, 3000.0, 5500.0] {
            let turn = std::f64::consts::TAU * hertz / 16_000.0;
            let tone: Vec<i16> =
                (0..3200).map(|n| (8000.0 * (turn * f64::from(n)).sin()) as i16).collect();
            let mut payload = [0; 1600];
            let mut out = [0; 3200];
            G722Encoder::new().encode(&tone, &mut payload).unwrap();
            G722Decoder::new().decode(&payload, &mut out).unwrap();
            // The filter banks delay by 22 samples.
            let pairs = || tone[1600..3100].iter().zip(&out[1622..3122]);
            let signal: f64 = pairs().map(|(a, _)| f64::from(*a).powi(2)).sum();
            let noise: f64 = pairs().map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
            let snr = 10.0 * (signal / noise).log10();
            assert!(snr > 12.0, "{hertz} Hz: {snr} dB");
        }
    }

    #[test]
    fn lengths_are_checked() {
        let mut encoder = G722Encoder::new();
        let mut decoder = G722Decoder::new();
        assert_eq!(encoder.encode(&[], &mut [0; 4]), Err(CodecError::FrameSize(0)));
        assert_eq!(encoder.encode(&[0; 3], &mut [0; 4]), Err(CodecError::FrameSize(3)));
        let small = CodecError::BufferTooSmall { need: 5, have: 4 };
        assert_eq!(encoder.encode(&[0; 10], &mut [0; 4]), Err(small));
        assert!(matches!(decoder.decode(&[], &mut [0; 4]), Err(CodecError::Malformed(_))));
        let small = CodecError::BufferTooSmall { need: 6, have: 4 };
        assert_eq!(decoder.decode(&[0; 3], &mut [0; 4]), Err(small));
        let long = decoder.decode(&[0; 3000], &mut [0; 6000]);
        assert!(matches!(long, Err(CodecError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn any_octets_and_any_samples_are_taken(
            payload in prop::collection::vec(any::<u8>(), 1..800),
            samples in prop::collection::vec(any::<i16>(), 1..400),
        ) {
            let mut out = [0; MAX_DECODED_SAMPLES];
            prop_assert_eq!(G722Decoder::new().decode(&payload, &mut out), Ok(payload.len() * 2));
            let doubled: Vec<i16> = samples.iter().flat_map(|&sample| [sample, sample]).collect();
            let mut octets = [0; 800];
            let made = G722Encoder::new().encode(&doubled, &mut octets);
            prop_assert_eq!(made, Ok(samples.len()));
        }
    }
}
