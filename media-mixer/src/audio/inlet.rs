//! The decoding side of one audio line: packets in at any time, 20 ms of samples out at every tick.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use media_codec::{AudioCodec, AudioDecoder, CodecError, MAX_DECODED_SAMPLES};
use rtp_session::{
    AudioPayload, Inserted, JitterBuffer, JitterConfig, JitterStats, PayloadType, Playout,
    RtpPacket, RtpTime,
};

use super::bus::Rate;
use super::speakers::Level;

/// Which part of a tick is faded in when somebody enters the mix in the middle of a sound: an eighth, 2.5 ms.
const FADE_IN: usize = 8;

/// Most delay the jitter buffer may build up; what comes later than this is lost.
const MAX_DELAY: Duration = Duration::from_millis(300);

/// The rate at which a codec's samples enter the bus.
pub fn rate_of(codec: AudioCodec) -> Rate {
    match codec {
        AudioCodec::Opus => Rate::Full,
        AudioCodec::Pcmu | AudioCodec::Pcma => Rate::Narrow,
    }
}

/// Where a source stands in the mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Out,
    In,
    /// This tick is its last one, faded out.
    Leaving,
}

/// Jitter buffer, decoder, and the samples of the present tick.
pub struct AudioInlet {
    codec: AudioCodec,
    payload_type: PayloadType,
    jitter: JitterBuffer,
    decoder: Box<dyn AudioDecoder>,
    /// Decoded and not yet played: a packet need not be as long as a tick.
    ahead: VecDeque<i16>,
    scratch: Vec<i16>,
    block: Vec<i16>,
    presence: Presence,
    /// Timestamp of the last frame played, for lip-sync.
    last_played: Option<RtpTime>,
    undecodable: u64,
}

impl std::fmt::Debug for AudioInlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioInlet").field("codec", &self.codec).finish_non_exhaustive()
    }
}

impl AudioInlet {
    /// Takes packets of `payload_type` only; `level_id` is the extension id of RFC 6464, when negotiated.
    ///
    /// # Errors
    /// When the codec library gives no decoder.
    pub fn new(
        codec: AudioCodec,
        payload_type: PayloadType,
        level_id: Option<u8>,
    ) -> Result<Self, CodecError> {
        let payload = match codec {
            AudioCodec::Opus => AudioPayload::Opus,
            AudioCodec::Pcmu | AudioCodec::Pcma => AudioPayload::PerOctet,
        };
        let mut config = JitterConfig::new(codec.clock_rate(), payload);
        // Waiting for the tick is delay enough on a network without jitter.
        config.min_delay = Duration::ZERO;
        config.max_delay = MAX_DELAY;
        config.audio_level_id = level_id;
        Ok(Self {
            codec,
            payload_type,
            jitter: JitterBuffer::new(config),
            decoder: codec.decoder()?,
            ahead: VecDeque::new(),
            scratch: vec![0; MAX_DECODED_SAMPLES],
            block: vec![0; rate_of(codec).tick_samples()],
            presence: Presence::Out,
            last_played: None,
            undecodable: 0,
        })
    }

    /// The codec decoded here.
    pub fn codec(&self) -> AudioCodec {
        self.codec
    }

    /// The payload type accepted here.
    pub fn payload_type(&self) -> PayloadType {
        self.payload_type
    }

    /// Takes a packet that arrived at `at`. Nothing is decoded yet.
    pub fn insert(&mut self, at: Instant, packet: &RtpPacket) -> Inserted {
        self.jitter.insert(at, packet)
    }

    /// Starts afresh: the sender changed or its numbers jumped.
    pub fn restart(&mut self) {
        self.jitter.reset();
        self.ahead.clear();
    }

    /// Brings 20 ms of samples into [`Self::block`] and returns their level.
    pub fn tick(&mut self, now: Instant) -> Level {
        let need = self.block.len();
        while self.ahead.len() < need {
            if self.play(now) == 0 {
                break;
            }
        }
        let have = need.min(self.ahead.len());
        for (sample, decoded) in self.block.iter_mut().zip(self.ahead.drain(..have)) {
            *sample = decoded;
        }
        self.block[have..].fill(0);
        Level::of(&self.block)
    }

    /// Decodes or replaces the next frame; returns how many samples that made.
    fn play(&mut self, now: Instant) -> usize {
        let limit = |duration: u32| (duration as usize).min(MAX_DECODED_SAMPLES);
        let made = match self.jitter.pop(now) {
            Playout::Frame(frame) => {
                self.last_played = Some(frame.timestamp);
                match self.decoder.decode(&frame.payload, &mut self.scratch) {
                    Ok(made) => made,
                    Err(_) => {
                        self.undecodable += 1;
                        let made = limit(frame.duration);
                        self.decoder.conceal(&mut self.scratch[..made]);
                        made
                    }
                }
            }
            Playout::Missing { duration, next } => {
                let made = limit(duration);
                let out = &mut self.scratch[..made];
                let repaired = next.is_some_and(|next| self.decoder.decode_fec(&next, out).is_ok());
                if !repaired {
                    self.decoder.conceal(out);
                }
                made
            }
            Playout::Empty { duration } => {
                let made = limit(duration);
                self.scratch[..made].fill(0);
                made
            }
        };
        self.ahead.extend(&self.scratch[..made]);
        made
    }

    /// Decides whether this source is in the mix of this tick, and fades its block where it enters or leaves in the
    /// middle of a sound: a step would be heard as a click. Returns whether the block is to be added.
    pub fn enter_mix(&mut self, heard: bool) -> bool {
        self.presence = match (self.presence, heard) {
            (Presence::Out | Presence::Leaving, true) => {
                let ramp = rate_of(self.codec).tick_samples() / FADE_IN;
                for (index, sample) in self.block[..ramp].iter_mut().enumerate() {
                    *sample = scale(*sample, index, ramp);
                }
                Presence::In
            }
            (Presence::In, true) => Presence::In,
            (Presence::In, false) => {
                let ramp = self.block.len();
                for (index, sample) in self.block.iter_mut().enumerate() {
                    *sample = scale(*sample, ramp - index, ramp);
                }
                Presence::Leaving
            }
            (Presence::Leaving | Presence::Out, false) => Presence::Out,
        };
        self.presence != Presence::Out
    }

    /// Whether the block is part of the mix of this tick.
    pub fn is_mixed(&self) -> bool {
        self.presence != Presence::Out
    }

    /// The samples of this tick, as they entered the mix.
    pub fn block(&self) -> &[i16] {
        &self.block
    }

    /// Media time of the frame played last.
    pub fn last_played(&self) -> Option<RtpTime> {
        self.last_played
    }

    /// Counters of the jitter buffer.
    pub fn jitter_stats(&self) -> JitterStats {
        self.jitter.stats()
    }

    /// Packets the decoder refused.
    pub fn undecodable(&self) -> u64 {
        self.undecodable
    }
}

fn scale(sample: i16, part: usize, whole: usize) -> i16 {
    (i32::from(sample) * part as i32 / whole as i32) as i16
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;

    fn inlet() -> AudioInlet {
        AudioInlet::new(AudioCodec::Pcmu, PayloadType::PCMU, None).unwrap()
    }

    fn largest_step(block: &[i16]) -> i32 {
        block.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap()
    }

    #[test]
    fn entering_and_leaving_the_mix_does_not_click() {
        let mut inlet = inlet();
        inlet.block.fill(8000);
        assert!(inlet.enter_mix(true));
        assert_eq!(inlet.block[0], 0);
        assert_eq!(inlet.block[20..], [8000; 140]);
        assert!(largest_step(&inlet.block) <= 400);
        inlet.block.fill(8000);
        assert!(inlet.enter_mix(true) && inlet.is_mixed());
        assert_eq!(inlet.block, [8000; 160], "in the mix nothing is changed");
        assert!(inlet.enter_mix(false), "the last tick is faded out");
        assert_eq!(inlet.block[0], 8000);
        assert!(inlet.block[159] <= 50 && largest_step(&inlet.block) <= 50);
        assert!(!inlet.enter_mix(false) && !inlet.is_mixed());
    }

    #[test]
    fn without_packets_there_is_silence() {
        let mut inlet = inlet();
        inlet.block.fill(1);
        assert_eq!(inlet.tick(Instant::now()), Level::SILENCE);
        assert_eq!(inlet.block(), [0; 160]);
    }
}
