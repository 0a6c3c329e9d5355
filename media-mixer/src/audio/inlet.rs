//! The decoding side of one audio line: packets in at any time, 20 ms of samples out at every tick.

use std::time::Instant;

use audio_playout::{Inserted, Playout, PlayoutConfig, PlayoutStats};
use media_codec::{AudioCodec, CodecError};
use rtp_session::{PayloadType, RtpPacket, RtpTime};

use super::bus::Rate;
use super::speakers::Level;

/// Which part of a tick is faded in when somebody enters the mix in the middle of a sound: an eighth, 2.5 ms.
const FADE_IN: usize = 8;

/// The rate at which a codec's samples enter the bus.
pub fn rate_of(codec: AudioCodec) -> Rate {
    match codec {
        AudioCodec::Opus => Rate::Full,
        AudioCodec::G722 => Rate::Wide,
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

/// The play-out of a member's voice, and its place in the mix.
#[derive(Debug)]
pub struct AudioInlet {
    codec: AudioCodec,
    payload_type: PayloadType,
    playout: Playout,
    presence: Presence,
}

impl AudioInlet {
    /// Takes packets of `payload_type`, and of comfort noise.
    ///
    /// # Errors
    /// When the codec library gives no decoder.
    pub fn new(codec: AudioCodec, payload_type: PayloadType) -> Result<Self, CodecError> {
        // At the codec's own rate: conversions are done once for all, by the bus. Waiting for the tick is delay enough
        // on a network without jitter.
        let config = PlayoutConfig::new(codec.sample_rate());
        Ok(Self {
            codec,
            payload_type,
            playout: Playout::new(config, codec)?,
            presence: Presence::Out,
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

    /// Whether packets of this payload type are sound, or the comfort noise that stands for it. Telephone events are
    /// neither.
    pub fn takes(&self, payload_type: PayloadType) -> bool {
        payload_type == self.payload_type || payload_type == PayloadType::COMFORT_NOISE
    }

    /// Takes a packet that arrived at `at`. Nothing is decoded yet.
    pub fn insert(&mut self, at: Instant, packet: &RtpPacket) -> Inserted {
        if packet.payload_type() == self.payload_type {
            self.playout.insert(at, self.codec, packet)
        } else {
            self.playout.insert_comfort_noise(at, packet)
        }
    }

    /// Starts afresh: the sender changed or its numbers jumped.
    pub fn restart(&mut self) {
        self.playout.reset();
    }

    /// Brings the 20 ms of the tick that is due at `now` into [`Self::block`] and returns their level.
    pub fn tick(&mut self, now: Instant) -> Level {
        Level::of(self.playout.tick(now))
    }

    /// Decides whether this source is in the mix of this tick, and fades its block where it enters or leaves in the
    /// middle of a sound: a step would be heard as a click. Returns whether the block is to be added.
    pub fn enter_mix(&mut self, heard: bool) -> bool {
        self.presence = match (self.presence, heard) {
            (Presence::Out | Presence::Leaving, true) => {
                fade_in(self.playout.block_mut());
                Presence::In
            }
            (Presence::In, true) => Presence::In,
            (Presence::In, false) => {
                fade_out(self.playout.block_mut());
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
        self.playout.block()
    }

    /// The media time of the block, for lip-sync; `None` while nothing of the stream is played.
    pub fn position(&self) -> Option<RtpTime> {
        self.playout.position()
    }

    /// Counters and delay.
    pub fn stats(&self) -> PlayoutStats {
        self.playout.stats()
    }
}

fn fade_in(block: &mut [i16]) {
    let ramp = block.len() / FADE_IN;
    for (index, sample) in block.iter_mut().take(ramp).enumerate() {
        *sample = scale(*sample, index, ramp);
    }
}

fn fade_out(block: &mut [i16]) {
    let ramp = block.len();
    for (index, sample) in block.iter_mut().enumerate() {
        *sample = scale(*sample, ramp - index, ramp);
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
        AudioInlet::new(AudioCodec::Pcmu, PayloadType::PCMU).unwrap()
    }

    fn largest_step(block: &[i16]) -> i32 {
        block.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap()
    }

    #[test]
    fn entering_and_leaving_the_mix_does_not_click() {
        let mut inlet = inlet();
        inlet.playout.block_mut().fill(8000);
        assert!(inlet.enter_mix(true));
        assert_eq!(inlet.block()[0], 0);
        assert_eq!(inlet.block()[20..], [8000; 140]);
        assert!(largest_step(inlet.block()) <= 400);
        inlet.playout.block_mut().fill(8000);
        assert!(inlet.enter_mix(true) && inlet.is_mixed());
        assert_eq!(inlet.block(), [8000; 160], "in the mix nothing is changed");
        assert!(inlet.enter_mix(false), "the last tick is faded out");
        assert_eq!(inlet.block()[0], 8000);
        assert!(inlet.block()[159] <= 50 && largest_step(inlet.block()) <= 50);
        assert!(!inlet.enter_mix(false) && !inlet.is_mixed());
    }

    #[test]
    fn without_packets_there_is_silence() {
        let mut inlet = inlet();
        inlet.playout.block_mut().fill(1);
        assert_eq!(inlet.tick(Instant::now()), Level::SILENCE);
        assert_eq!(inlet.block(), [0; 160]);
    }
}
