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
