//! G.711: 8-bit logarithmic samples at 8 kHz (ITU-T G.711, RFC 3551 §4.5.14).

use super::conceal::Concealer;
use super::{AudioDecoder, AudioEncoder};
use crate::CodecError;

/// Which of the two curves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Law {
    Mu,
    A,
}

static MU_LAW: [i16; 256] = table(Law::Mu);
static A_LAW: [i16; 256] = table(Law::A);

const fn table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match law {
            Law::Mu => expand_mu(byte as u8),
            Law::A => expand_a(byte as u8),
        };
        byte += 1;
    }
    table
}

/// G.711 table 2: eight segments that double in step, offset by 33 of 14 bits, all bits inverted.
const fn expand_mu(byte: u8) -> i16 {
    let code = !byte;
    let step = ((code & 0x0f) as i16) << 3;
    let magnitude = ((step + 132) << ((code >> 4) & 7)) - 132;
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

/// G.711 table 1: the first two segments share a step, then it doubles; even bits inverted.
const fn expand_a(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let segment = (code >> 4) & 7;
    let step = ((code & 0x0f) as i16) << 4;
    let magnitude = if segment == 0 { step + 8 } else { (step + 264) << (segment - 1) };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

fn compress_mu(sample: i16) -> u8 {
    // Negative values by one's complement, so that both signs use the same 8192 magnitudes.
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = if sample < 0 { !sample } else { sample };
    // 33..=8158 in 14-bit units; clipped before the top segment overflows.
    let biased = ((magnitude >> 2) as u16 + 33).min(0x1fff);
    // The highest set bit is bit 5 at least, thanks to the offset.
    let segment = 10 - biased.leading_zeros() as u16;
    let mantissa = (biased >> (segment + 1)) & 0x0f;
    !(sign | ((segment << 4) | mantissa) as u8)
}

fn compress_a(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = (if sample < 0 { !sample } else { sample } >> 4) as u16;
    let code = if magnitude < 32 {
        // Segments 0 and 1 are linear.
        magnitude
    } else {
        let segment = 12 - magnitude.leading_zeros() as u16;
        (segment << 4) | ((magnitude >> (segment - 1)) & 0x0f)
    };
    (sign | code as u8) ^ 0x55
}

/// A G.711 encoder; it has no state but its curve.
#[derive(Debug)]
pub(super) struct G711Encoder {
    law: Law,
}

impl G711Encoder {
    pub(super) fn new(law: Law) -> Self {
        Self { law }
    }
}

impl AudioEncoder for G711Encoder {
    fn sample_rate(&self) -> u32 {
        8000
    }

    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        if samples.is_empty() {
            return Err(CodecError::FrameSize(0));
        }
        if out.len() < samples.len() {
            return Err(CodecError::BufferTooSmall { need: samples.len(), have: out.len() });
        }
        let compress = match self.law {
            Law::Mu => compress_mu,
            Law::A => compress_a,
        };
        for (byte, sample) in out.iter_mut().zip(samples) {
            *byte = compress(*sample);
        }
        Ok(samples.len())
    }
}

/// A G.711 decoder with concealment of lost packets.
#[derive(Debug)]
pub(super) struct G711Decoder {
    table: &'static [i16; 256],
    concealer: Concealer,
}

impl G711Decoder {
    pub(super) fn new(law: Law) -> Self {
        let table = match law {
            Law::Mu => &MU_LAW,
            Law::A => &A_LAW,
        };
        Self { table, concealer: Concealer::new(8000) }
    }
}

impl AudioDecoder for G711Decoder {
    fn sample_rate(&self) -> u32 {
        8000
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        if payload.is_empty() {
            return Err(CodecError::Malformed("empty G.711 payload"));
        }
        if payload.len() > super::MAX_DECODED_SAMPLES {
            return Err(CodecError::Malformed("G.711 payload longer than 720 ms"));
        }
        let have = out.len();
        let Some(out) = out.get_mut(..payload.len()) else {
            return Err(CodecError::BufferTooSmall { need: payload.len(), have });
        };
        for (sample, byte) in out.iter_mut().zip(payload) {
            *sample = self.table[usize::from(*byte)];
        }
        self.concealer.heard(out);
        Ok(out.len())
    }

    fn decode_fec(&mut self, next: &[u8], out: &mut [i16]) -> Result<(), CodecError> {
        if next.is_empty() {
            out.fill(0);
            return Err(CodecError::Malformed("empty G.711 payload"));
        }
        self.conceal(out);
        Ok(())
    }

    fn conceal(&mut self, out: &mut [i16]) {
        self.concealer.fill(out);
    }

    fn reset(&mut self) {
        self.concealer.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ends_and_middle_of_the_curves_are_those_of_the_itu_tables() {
        for (byte, sample) in
            [(0x00, -32124), (0x80, 32124), (0xff, 0), (0x7f, 0), (0xfe, 8), (0x7e, -8)]
        {
            assert_eq!(expand_mu(byte), sample, "{byte:#04x}");
        }
        for (byte, sample) in
            [(0xd5, 8), (0x55, -8), (0xaa, 32256), (0x2a, -32256), (0xd4, 24), (0x80, 5504)]
        {
            assert_eq!(expand_a(byte), sample, "{byte:#04x}");
        }
    }

    /// G.711 tables 5 and 6: these eight bytes, repeated, are a 1 kHz tone of 0 dBm0.
    #[test]
    fn digital_reference_tone_is_a_sine_of_nominal_level() {
        let a_law = [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4];
        let mu_law = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e];
        // Overload in dBm0 times 100 (G.711 §4).
        for (bytes, table, overload, full) in
            [(a_law, &A_LAW, 314, 32768.0), (mu_law, &MU_LAW, 317, 32636.0)]
        {
            let samples = bytes.map(|byte: u8| f64::from(table[usize::from(byte)]));
            let power = samples.iter().map(|s| s * s).sum::<f64>() / 8.0;
            let level = 10.0 * (power / (full * full / 2.0)).log10() + f64::from(overload) / 100.0;
            assert!(level.abs() < 0.05, "{level} dBm0");
            let fundamental: f64 = samples
                .iter()
                .enumerate()
                .map(|(n, s)| s * ((n as f64 + 0.5) * std::f64::consts::FRAC_PI_4).sin())
                .sum::<f64>()
                / 4.0;
            let share = fundamental * fundamental / 2.0 / power;
            assert!(share > 0.999, "distorted: {share}");
        }
    }

    #[test]
    fn every_code_survives_expanding_and_compressing() {
        for byte in 0..=255_u8 {
            assert_eq!(compress_a(expand_a(byte)), byte);
            // 0x7f is µ-law's negative zero.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(compress_mu(expand_mu(byte)), expected);
        }
    }

    #[test]
    fn every_sample_is_coded_within_half_a_step() {
        for sample in i16::MIN..=i16::MAX {
            for decoded in [expand_mu(compress_mu(sample)), expand_a(compress_a(sample))] {
                let error = (i32::from(sample) - i32::from(decoded)).abs();
                // Steps are a 16th of a segment that spans an octave; the ends clip.
                let allowed = (i32::from(sample).abs() / 31 + 16).max(8);
                assert!(error <= allowed, "{sample} became {decoded}");
            }
        }
    }

    #[test]
    fn lengths_are_checked() {
        let mut encoder = G711Encoder::new(Law::Mu);
        let mut decoder = G711Decoder::new(Law::Mu);
        assert_eq!(encoder.encode(&[], &mut [0; 4]), Err(CodecError::FrameSize(0)));
        assert_eq!(
            encoder.encode(&[0; 5], &mut [0; 4]),
            Err(CodecError::BufferTooSmall { need: 5, have: 4 })
        );
        assert!(matches!(decoder.decode(&[], &mut [0; 4]), Err(CodecError::Malformed(_))));
        assert_eq!(
            decoder.decode(&[0; 5], &mut [0; 4]),
            Err(CodecError::BufferTooSmall { need: 5, have: 4 })
        );
        assert!(matches!(
            decoder.decode(&[0; 6000], &mut [0; 6000]),
            Err(CodecError::Malformed(_))
        ));
    }

    proptest! {
        #[test]
        fn any_packet_time_is_decoded(payload in prop::collection::vec(any::<u8>(), 1..2000)) {
            let mut out = [0; super::super::MAX_DECODED_SAMPLES];
            for law in [Law::Mu, Law::A] {
                let mut decoder = G711Decoder::new(law);
                prop_assert_eq!(decoder.decode(&payload, &mut out), Ok(payload.len()));
            }
        }
    }
}
