//! Opus by libopus (RFC 6716), mono at 48 kHz; RFC 7587 lets a receiver ignore a stereo hint, and
//! libopus mixes stereo packets down by itself.

use audiopus::coder::{Decoder, Encoder, GenericCtl};
use audiopus::packet::{self, Packet};
use audiopus::{Application, Bandwidth, Bitrate, Channels, MutSignals, SampleRate};

use super::{AudioDecoder, AudioEncoder, MAX_DECODED_SAMPLES};
use crate::CodecError;

/// 2.5 ms, the grain of all Opus durations.
const GRAIN: usize = 120;
/// The frame lengths an encoder takes: 2.5, 5, 10, 20, 40 and 60 ms.
const FRAMES: [usize; 6] = [120, 240, 480, 960, 1920, 2880];

fn library(error: audiopus::Error) -> CodecError {
    CodecError::Library(error.to_string())
}

/// An Opus encoder tuned for speech.
#[derive(Debug)]
pub(super) struct OpusEncoder {
    encoder: Encoder,
    dtx: bool,
}

impl OpusEncoder {
    /// 32 kbit/s and complexity 5: 0.2 ms of CPU per 20 ms, and speech near transparency.
    pub(super) fn new() -> Result<Self, CodecError> {
        let encoder = Encoder::new(SampleRate::Hz48000, Channels::Mono, Application::Voip)
            .map_err(library)?;
        let mut this = Self { encoder, dtx: false };
        this.set_bitrate(32_000)?;
        this.set_complexity(5)?;
        Ok(this)
    }
}

impl AudioEncoder for OpusEncoder {
    fn sample_rate(&self) -> u32 {
        48_000
    }

    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        if !FRAMES.contains(&samples.len()) {
            return Err(CodecError::FrameSize(samples.len()));
        }
        if out.is_empty() {
            return Err(CodecError::BufferTooSmall { need: 1, have: 0 });
        }
        let bytes = self.encoder.encode(samples, out).map_err(library)?;
        // libopus: "if the return value is 2 bytes or less, the packet does not need to be sent".
        Ok(if self.dtx && bytes <= 2 { 0 } else { bytes })
    }

    fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), CodecError> {
        let rate = i32::try_from(bits_per_second.clamp(6000, 510_000)).unwrap_or(32_000);
        self.encoder.set_bitrate(Bitrate::BitsPerSecond(rate)).map_err(library)
    }

    fn set_complexity(&mut self, complexity: u8) -> Result<(), CodecError> {
        self.encoder.set_complexity(complexity.min(10)).map_err(library)
    }

    fn set_expected_loss(&mut self, percent: u8) -> Result<(), CodecError> {
        self.encoder.set_packet_loss_perc(percent.min(100)).map_err(library)
    }

    fn set_fec(&mut self, on: bool) -> Result<(), CodecError> {
        self.encoder.set_inband_fec(on).map_err(library)
    }

    fn set_max_playback_rate(&mut self, hertz: u32) -> Result<(), CodecError> {
        // RFC 7587 §3.1.1, table 1: half of it is the bandwidth.
        let bandwidth = match hertz {
            0..12_000 => Bandwidth::Narrowband,
            12_000..16_000 => Bandwidth::Mediumband,
            16_000..24_000 => Bandwidth::Wideband,
            24_000..48_000 => Bandwidth::Superwideband,
            _ => Bandwidth::Fullband,
        };
        self.encoder.set_max_bandwidth(bandwidth).map_err(library)
    }

    fn set_dtx(&mut self, on: bool) -> Result<(), CodecError> {
        self.encoder.set_dtx(on).map_err(library)?;
        self.dtx = on;
        Ok(())
    }
}

/// An Opus decoder.
#[derive(Debug)]
pub(super) struct OpusDecoder {
    decoder: Decoder,
}

impl OpusDecoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        let decoder = Decoder::new(SampleRate::Hz48000, Channels::Mono).map_err(library)?;
        Ok(Self { decoder })
    }

    /// Lets libopus fill `out`, whose length need not be a whole number of its grains.
    fn fill(&mut self, next: Option<&[u8]>, out: &mut [i16]) -> Result<(), CodecError> {
        let mut rest = out;
        // One call makes at most 120 ms. Only the last stretch is the neighbour of `next`.
        while rest.len() > MAX_DECODED_SAMPLES {
            let (head, tail) = rest.split_at_mut(MAX_DECODED_SAMPLES);
            self.fill_grains(None, head)?;
            rest = tail;
        }
        let odd = rest.len() % GRAIN;
        let (head, tail) = rest.split_at_mut(rest.len() - odd);
        if odd > 0 {
            let mut grain = [0; GRAIN];
            self.fill_grains(None, &mut grain)?;
            tail.copy_from_slice(&grain[..odd]);
        }
        if head.is_empty() { Ok(()) } else { self.fill_grains(next, head) }
    }

    fn fill_grains(&mut self, next: Option<&[u8]>, out: &mut [i16]) -> Result<(), CodecError> {
        let packet = next.map(Packet::try_from).transpose().map_err(library)?;
        let fec = packet.is_some();
        let signals = MutSignals::try_from(&mut *out).map_err(library)?;
        let made = self.decoder.decode(packet, signals, fec).map_err(library)?;
        if let Some(missing) = out.get_mut(made..) {
            missing.fill(0);
        }
        Ok(())
    }
}

/// Samples of a payload, or why it is none (RFC 6716 §3.4).
fn samples_of(payload: &[u8]) -> Result<usize, CodecError> {
    let packet =
        Packet::try_from(payload).map_err(|_| CodecError::Malformed("empty Opus payload"))?;
    match packet::nb_samples(packet, SampleRate::Hz48000) {
        Ok(samples @ 1..=MAX_DECODED_SAMPLES) => Ok(samples),
        _ => Err(CodecError::Malformed("impossible Opus duration")),
    }
}

impl AudioDecoder for OpusDecoder {
    fn sample_rate(&self) -> u32 {
        48_000
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let need = samples_of(payload)?;
        let have = out.len();
        let Some(out) = out.get_mut(..need) else {
            return Err(CodecError::BufferTooSmall { need, have });
        };
        let packet = Packet::try_from(payload).map_err(library)?;
        let signals = MutSignals::try_from(out).map_err(library)?;
        self.decoder
            .decode(Some(packet), signals, false)
            .map_err(|_| CodecError::Malformed("Opus payload does not decode"))
    }

    fn decode_fec(&mut self, next: &[u8], out: &mut [i16]) -> Result<(), CodecError> {
        let filled = samples_of(next).and_then(|_| self.fill(Some(next), out));
        if filled.is_err() {
            out.fill(0);
        }
        filled
    }

    fn conceal(&mut self, out: &mut [i16]) {
        if self.fill(None, out).is_err() {
            out.fill(0);
        }
    }

    fn reset(&mut self) {
        // Fails only for a decoder that is none.
        let _ = self.decoder.reset_state();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: usize = 960;

    /// A voice-like sound: harmonics of a gliding pitch under a slow envelope.
    fn voice(frames: usize) -> Vec<i16> {
        let mut phase = 0.0_f64;
        (0..frames * FRAME)
            .map(|n| {
                let time = n as f64 / 48_000.0;
                phase += (140.0 + 30.0 * (time * 3.0).sin()) / 48_000.0;
                let envelope = 0.6 + 0.4 * (time * 12.0).sin();
                let sound: f64 = (1..12)
                    .map(|k| (std::f64::consts::TAU * phase * f64::from(k)).sin() / f64::from(k))
                    .sum();
                (6000.0 * envelope * sound) as i16
            })
            .collect()
    }

    /// Decodes with every 5th packet lost; `lost` says what fills the holes.
    fn lossy(
        packets: &[Vec<u8>],
        mut lost: impl FnMut(&mut OpusDecoder, &[u8], &mut [i16]),
    ) -> Vec<i16> {
        let mut decoder = OpusDecoder::new().unwrap();
        let mut sound = Vec::new();
        for (n, packet) in packets.iter().enumerate() {
            let mut out = [0; FRAME];
            match packets.get(n + 1) {
                Some(next) if n % 5 == 3 => lost(&mut decoder, next, &mut out),
                _ => assert_eq!(decoder.decode(packet, &mut out).unwrap(), FRAME),
            }
            sound.extend_from_slice(&out);
        }
        sound
    }

    /// Error energy of the lost frames against the lossless decoding.
    fn error(sound: &[i16], reference: &[i16]) -> f64 {
        sound
            .chunks(FRAME)
            .zip(reference.chunks(FRAME))
            .enumerate()
            .filter(|(n, _)| n % 5 == 3)
            .flat_map(|(_, (a, b))| a.iter().zip(b))
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
            .sum()
    }

    fn encode(sound: &[i16], encoder: &mut OpusEncoder) -> Vec<Vec<u8>> {
        sound
            .chunks(FRAME)
            .map(|frame| {
                let mut out = [0; 1500];
                let bytes = encoder.encode(frame, &mut out).unwrap();
                out[..bytes].to_vec()
            })
            .collect()
    }

    #[test]
    fn redundancy_repairs_a_loss_better_than_concealment_and_that_better_than_nothing() {
        let mut encoder = OpusEncoder::new().unwrap();
        encoder.set_fec(true).unwrap();
        encoder.set_expected_loss(20).unwrap();
        let packets = encode(&voice(100), &mut encoder);
        let mut decoder = OpusDecoder::new().unwrap();
        let whole: Vec<i16> = packets
            .iter()
            .flat_map(|packet| {
                let mut out = [0; FRAME];
                decoder.decode(packet, &mut out).unwrap();
                out
            })
            .collect();
        let fec = error(&lossy(&packets, |d, next, out| d.decode_fec(next, out).unwrap()), &whole);
        let plc = error(&lossy(&packets, |d, _, out| d.conceal(out)), &whole);
        let zero = error(&lossy(&packets, |_, _, out| out.fill(0)), &whole);
        assert!(fec < plc / 2.0, "FEC {fec} PLC {plc}");
        assert!(plc < zero, "PLC {plc} silence {zero}");
    }

    #[test]
    fn bitrate_is_met_and_silence_is_not_sent_with_dtx() {
        let mut encoder = OpusEncoder::new().unwrap();
        for rate in [16_000, 64_000] {
            encoder.set_bitrate(rate).unwrap();
            let bytes: usize = encode(&voice(100), &mut encoder).iter().map(Vec::len).sum();
            let sent = bytes as f64 * 8.0 / 2.0;
            let ratio = sent / f64::from(rate);
            assert!((0.7..1.3).contains(&ratio), "{rate} became {sent}");
        }
        encoder.set_dtx(true).unwrap();
        let silent = encode(&[0; 100 * FRAME], &mut encoder);
        let unsent = silent.iter().filter(|packet| packet.is_empty()).count();
        assert!(unsent > 60, "{unsent} of 100 unsent");
    }

    #[test]
    fn what_the_receiver_cannot_play_is_not_coded() {
        // The bandwidth is in the first octet of each packet (RFC 6716 §3.1, table 2).
        let noise: Vec<i16> =
            (0..FRAME * 50).map(|n| ((n * n * 7919 % 65_521) as i32 - 32_760) as i16 / 4).collect();
        let mut encoder = OpusEncoder::new().unwrap();
        encoder.set_bitrate(64_000).unwrap();
        let widest = |encoder: &mut OpusEncoder| {
            let packets = encode(&noise, encoder);
            let configs = packets.iter().map(|packet| packet[0] >> 3);
            configs
                .map(|config| match config {
                    0..=3 | 16..=19 => 8000,
                    4..=7 => 12_000,
                    8..=11 | 20..=23 => 16_000,
                    12 | 13 | 24..=27 => 24_000,
                    _ => 48_000,
                })
                .max()
                .unwrap()
        };
        for rate in [8000, 16_000, 24_000] {
            encoder.set_max_playback_rate(rate).unwrap();
            assert!(widest(&mut encoder) <= rate, "{rate}");
        }
    }

    #[test]
    fn all_frame_lengths_go_through_and_others_are_refused() {
        let mut encoder = OpusEncoder::new().unwrap();
        let mut decoder = OpusDecoder::new().unwrap();
        let mut payload = [0; 4000];
        let mut out = [0; MAX_DECODED_SAMPLES];
        for samples in FRAMES {
            let bytes = encoder.encode(&vec![500; samples], &mut payload).unwrap();
            assert_eq!(decoder.decode(&payload[..bytes], &mut out).unwrap(), samples);
            assert_eq!(
                decoder.decode(&payload[..bytes], &mut out[..samples - 1]),
                Err(CodecError::BufferTooSmall { need: samples, have: samples - 1 })
            );
        }
        for samples in [0, 1, 160, 959, 2881] {
            let result = encoder.encode(&vec![0; samples], &mut payload);
            assert_eq!(result, Err(CodecError::FrameSize(samples)));
        }
        assert!(encoder.encode(&[0; FRAME], &mut []).is_err());
    }

    #[test]
    fn settings_out_of_range_are_clamped() {
        let mut encoder = OpusEncoder::new().unwrap();
        encoder.set_bitrate(0).unwrap();
        encoder.set_bitrate(u32::MAX).unwrap();
        encoder.set_complexity(255).unwrap();
        encoder.set_expected_loss(255).unwrap();
    }

    #[test]
    fn concealment_fills_any_length() {
        let mut decoder = OpusDecoder::new().unwrap();
        for samples in [0, 1, 119, 120, 960, 1000, 5760, 5761, 20_000] {
            decoder.conceal(&mut vec![7; samples]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn garbage_never_panics(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..6),
            lost in 0_usize..3000,
        ) {
            let mut decoder = OpusDecoder::new().unwrap();
            let mut out = [0; MAX_DECODED_SAMPLES];
            for packet in packets {
                if let Ok(samples) = decoder.decode(&packet, &mut out) {
                    prop_assert!(samples <= out.len());
                }
                let _ = decoder.decode_fec(&packet, &mut out[..lost]);
                decoder.conceal(&mut out[..lost]);
            }
        }
    }
}
