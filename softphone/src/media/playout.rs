//! From packets to the sound of one 20 ms tick: jitter buffer, decoder, concealment, 48 kHz.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use media_codec::{AudioCodec, AudioDecoder, CodecError, MAX_DECODED_SAMPLES};
use rtp_session::{AudioPayload, JitterBuffer, JitterConfig, Playout as Next, RtpPacket};

use super::resample::Upsampler;
use super::{FRAME, RATE};

/// A tick never needs more frames than this: 20 ms hold eight frames of 2.5 ms.
const MAX_POPS: usize = 16;

/// What play-out counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlayoutStats {
    /// 20 ms frames that were made up, whole or in part.
    pub concealed: u64,
    /// Packets too late to be played.
    pub late: u64,
    /// Payloads the decoder refused.
    pub malformed: u64,
    /// How long a packet on time waits now before it is heard.
    pub delay: Duration,
}

/// Play-out of the one audio stream we hear.
pub struct Playout {
    jitter: JitterBuffer,
    decoder: Box<dyn AudioDecoder>,
    codec: AudioCodec,
    upsampler: Upsampler,
    /// Decoded, at 48 kHz, not played yet.
    ready: VecDeque<i16>,
    decoded: Vec<i16>,
    resampled: Vec<i16>,
    concealed: u64,
    malformed: u64,
}

impl Playout {
    /// For a stream of one codec.
    ///
    /// # Errors
    /// If the codec library gives no decoder.
    pub fn new(codec: AudioCodec) -> Result<Self, CodecError> {
        let payload = match codec {
            AudioCodec::Opus => AudioPayload::Opus,
            AudioCodec::Pcmu | AudioCodec::Pcma => AudioPayload::PerOctet,
        };
        Ok(Self {
            jitter: JitterBuffer::new(JitterConfig::new(codec.clock_rate(), payload)),
            decoder: codec.decoder()?,
            codec,
            upsampler: Upsampler::default(),
            ready: VecDeque::with_capacity(2 * FRAME),
            decoded: vec![0; MAX_DECODED_SAMPLES],
            resampled: Vec::new(),
            concealed: 0,
            malformed: 0,
        })
    }

    /// The codec it was made for.
    #[must_use]
    pub fn codec(&self) -> AudioCodec {
        self.codec
    }

    /// Takes a packet of the stream; nothing is decoded yet. No telephone events.
    pub fn insert(&mut self, now: Instant, packet: &RtpPacket) {
        self.jitter.insert(now, packet);
    }

    /// Writes the next 20 ms at 48 kHz into `out`. To be called at absolute 20 ms deadlines.
    pub fn tick(&mut self, now: Instant, out: &mut [i16; FRAME]) {
        let mut made_up = false;
        for _ in 0..MAX_POPS {
            if self.ready.len() >= FRAME {
                break;
            }
            made_up |= self.decode_next(now);
        }
        self.concealed += u64::from(made_up);
        let mut ready = self.ready.drain(..FRAME.min(self.ready.len()));
        out.fill_with(|| ready.next().unwrap_or(0));
    }

    /// Decodes one more frame into `ready`; tells whether it was made up.
    fn decode_next(&mut self, now: Instant) -> bool {
        let (count, made_up) = match self.jitter.pop(now) {
            Next::Frame(frame) => match self.decoder.decode(&frame.payload, &mut self.decoded) {
                Ok(count) => (count, false),
                Err(_) => {
                    self.malformed += 1;
                    let count = bounded(frame.duration);
                    self.decoder.conceal(&mut self.decoded[..count]);
                    (count, true)
                }
            },
            Next::Missing { duration, next } => {
                let count = bounded(duration);
                let gap = &mut self.decoded[..count];
                let repaired = next.is_some_and(|next| self.decoder.decode_fec(&next, gap).is_ok());
                if !repaired {
                    self.decoder.conceal(gap);
                }
                (count, true)
            }
            Next::Empty { duration } => {
                let count = bounded(duration);
                self.decoded[..count].fill(0);
                (count, false)
            }
        };
        let decoded = &self.decoded[..count];
        if self.decoder.sample_rate() == RATE {
            self.ready.extend(decoded);
        } else {
            self.resampled.clear();
            self.upsampler.process(decoded, &mut self.resampled);
            self.ready.extend(&self.resampled);
        }
        made_up
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> PlayoutStats {
        let jitter = self.jitter.stats();
        let ready = Duration::from_secs_f64(self.ready.len() as f64 / f64::from(RATE));
        PlayoutStats {
            concealed: self.concealed,
            late: jitter.late,
            malformed: self.malformed,
            delay: jitter.delay + ready,
        }
    }
}

/// A duration in units of the RTP clock is one in samples for every codec we have.
fn bounded(duration: u32) -> usize {
    usize::try_from(duration).unwrap_or(MAX_DECODED_SAMPLES).clamp(1, MAX_DECODED_SAMPLES)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use bytes::Bytes;
    use media_codec::MAX_ENCODED_AUDIO;
    use rtp_session::{CsrcList, PayloadType, SendStream, Ssrc};

    use super::*;

    const TICK: Duration = Duration::from_millis(20);

    /// A tone of 440 Hz, sent in frames of 20 ms over a link of 30 ms that loses the given frames, as
    /// it is played.
    fn played(codec: AudioCodec, frames: u64, lost: &[u64]) -> (Vec<i16>, PlayoutStats) {
        let start = Instant::now();
        let mut encoder = codec.encoder().unwrap();
        encoder.set_fec(true).unwrap();
        encoder.set_expected_loss(10).unwrap();
        let samples = encoder.sample_rate() as usize / 50;
        let number = PayloadType::new(96).unwrap();
        let mut stream = SendStream::new(Ssrc(1), number, 7);
        let mut playout = Playout::new(codec).unwrap();
        let mut heard = Vec::new();
        for n in 0..frames {
            let now = start + TICK * n as u32;
            let tone: Vec<i16> = (0..samples)
                .map(|i| {
                    let time = (n as usize * samples + i) as f32 / encoder.sample_rate() as f32;
                    (8000.0 * (std::f32::consts::TAU * 440.0 * time).sin()) as i16
                })
                .collect();
            let mut payload = [0; MAX_ENCODED_AUDIO];
            let length = encoder.encode(&tone, &mut payload).unwrap();
            let payload = Bytes::copy_from_slice(&payload[..length]);
            let ticks = (n as usize * samples) as u32;
            let packet = stream.packet(n == 0, ticks, payload, &CsrcList::EMPTY);
            if !lost.contains(&n) {
                let packet = RtpPacket::parse(packet.to_bytes()).unwrap();
                playout.insert(now, &packet);
            }
            let mut frame = [0; FRAME];
            playout.tick(now + Duration::from_millis(5), &mut frame);
            heard.extend(frame);
        }
        (heard, playout.stats())
    }

    /// Root mean square of each 20 ms.
    fn levels(sound: &[i16]) -> Vec<f32> {
        let rms = |frame: &[i16]| {
            let sum: f32 = frame.iter().map(|sample| f32::from(*sample).powi(2)).sum();
            (sum / frame.len() as f32).sqrt()
        };
        sound.chunks(FRAME).map(rms).collect()
    }

    #[test]
    fn every_codec_is_heard_at_48_khz_without_a_gap() {
        for codec in AudioCodec::ALL {
            let (sound, stats) = played(codec, 100, &[]);
            assert_eq!(sound.len(), 100 * FRAME);
            let quiet =
                levels(&sound[20 * FRAME..]).iter().filter(|level| **level < 4500.0).count();
            assert_eq!(quiet, 0, "{codec:?}");
            assert_eq!((stats.concealed, stats.late, stats.malformed), (0, 0, 0), "{codec:?}");
            assert!(stats.delay <= Duration::from_millis(100), "{codec:?} {:?}", stats.delay);
        }
    }

    #[test]
    fn a_lost_packet_is_made_up_and_counted() {
        for codec in AudioCodec::ALL {
            let (sound, stats) = played(codec, 100, &[40, 60, 80]);
            assert!((3..=6).contains(&stats.concealed), "{codec:?} {}", stats.concealed);
            let quiet =
                levels(&sound[20 * FRAME..]).iter().filter(|level| **level < 1000.0).count();
            assert_eq!(quiet, 0, "{codec:?}: no hole is heard");
        }
    }

    #[test]
    fn nothing_received_is_silence() {
        let mut playout = Playout::new(AudioCodec::Opus).unwrap();
        let mut frame = [1; FRAME];
        playout.tick(Instant::now(), &mut frame);
        assert_eq!(frame, [0; FRAME]);
    }

    #[test]
    fn garbage_in_a_payload_is_concealed() {
        let start = Instant::now();
        let number = PayloadType::new(96).unwrap();
        let mut stream = SendStream::new(Ssrc(1), number, 7);
        let mut playout = Playout::new(AudioCodec::Opus).unwrap();
        let mut frame = [0; FRAME];
        for n in 0..50_u32 {
            // code 3 with a frame count that its length belies (RFC 6716 §3.2.5)
            let payload = Bytes::from_static(&[0xff, 0x03, 0x00]);
            let packet = stream.packet(false, n * 960, payload, &CsrcList::EMPTY);
            playout.insert(start + TICK * n, &RtpPacket::parse(packet.to_bytes()).unwrap());
            playout.tick(start + TICK * n, &mut frame);
        }
        assert_eq!(frame.len(), FRAME);
    }
}
