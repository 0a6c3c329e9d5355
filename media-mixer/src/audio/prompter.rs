//! Speaks prompts into what one member hears.

use std::collections::VecDeque;

use audio_playout::resample::{Decimator, Interpolator};
use bytes::Bytes;
use media_codec::{AudioCodec, AudioDecoder, CodecError};

use super::bus::Rate;

/// How much of the conference is heard behind a prompt: a quarter, 12 dB less.
const BEHIND: f32 = 0.25;

/// Octets of a recording per tick (G.722: one octet for two samples of 16 kHz).
const TICK_OCTETS: usize = 160;

/// Samples of a tick as they are decoded.
const TICK_SAMPLES: usize = Rate::Wide.tick_samples();

/// The way from the rate of the recordings to that of a member's codec.
enum Way {
    Straight,
    Up(Interpolator),
    Down(Decimator),
}

impl Way {
    fn to(rate: Rate) -> Self {
        match rate {
            Rate::Narrow => Self::Down(Decimator::new(2)),
            Rate::Wide => Self::Straight,
            Rate::Full => Self::Up(Interpolator::new(3)),
        }
    }

    fn add_to(&mut self, wide: &[i32], out: &mut [i32]) {
        match self {
            Self::Straight => {
                for (out, &sample) in out.iter_mut().zip(wide) {
                    *out += sample;
                }
            }
            Self::Up(up) => up.add_to(wide, out),
            Self::Down(down) => down.add_to(wide, out),
        }
    }
}

/// Speaks to one member; what it needs for that is made when it begins, nothing while it speaks.
pub struct Prompter {
    waiting: VecDeque<Bytes>,
    /// The recording being spoken, from here on.
    rest: Bytes,
    /// To be spoken instead, after the present one was faded out.
    instead: Option<VecDeque<Bytes>>,
    decoder: Box<dyn AudioDecoder>,
    decoded: [i16; TICK_SAMPLES],
    wide: [i32; TICK_SAMPLES],
    way: (Rate, Way),
    sum: Vec<i32>,
    /// How much of the conference is heard now.
    behind: f32,
}

impl std::fmt::Debug for Prompter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prompter").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl Prompter {
    /// Will speak these recordings, one after the other.
    ///
    /// # Errors
    /// When the codec library gives no decoder.
    pub fn new(recordings: VecDeque<Bytes>) -> Result<Self, CodecError> {
        Ok(Self {
            waiting: recordings,
            rest: Bytes::new(),
            instead: None,
            decoder: AudioCodec::G722.decoder()?,
            decoded: [0; TICK_SAMPLES],
            wide: [0; TICK_SAMPLES],
            way: (Rate::Wide, Way::Straight),
            sum: Vec::with_capacity(Rate::Full.tick_samples()),
            behind: 1.0,
        })
    }

    /// Speaks these instead of what it speaks now; none of them: falls silent.
    pub fn instead(&mut self, recordings: VecDeque<Bytes>) {
        self.instead = Some(recordings);
    }

    /// Whether all is said and the conference is heard as before.
    pub fn is_done(&self) -> bool {
        !self.speaks() && self.instead.is_none() && self.behind >= 1.0
    }

    fn speaks(&self) -> bool {
        !self.rest.is_empty() || !self.waiting.is_empty()
    }

    /// Speaks a tick: mixes it with `pcm`, what the member would hear, which steps back for it.
    pub fn tick(&mut self, rate: Rate, pcm: &mut [i16]) {
        if self.way.0 != rate {
            self.way = (rate, Way::to(rate));
        }
        let last = self.instead.is_some();
        self.decode();
        if last {
            let whole = self.wide.len() as i32;
            for (sample, left) in self.wide.iter_mut().zip((0..whole).rev()) {
                *sample = *sample * left / whole;
            }
        }
        self.sum.clear();
        self.sum.resize(pcm.len(), 0);
        self.way.1.add_to(&self.wide, &mut self.sum);
        let target = if self.speaks() && !last { BEHIND } else { 1.0 };
        let step = (target - self.behind) / pcm.len().max(1) as f32;
        for (heard, &spoken) in pcm.iter_mut().zip(&self.sum) {
            self.behind += step;
            let sum = (f32::from(*heard) * self.behind) as i32 + spoken;
            *heard = sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
        self.behind = target;
        if let Some(recordings) = self.instead.take() {
            self.waiting = recordings;
            self.rest = Bytes::new();
        }
    }

    /// The next 20 ms of recordings, silence where there is no more.
    fn decode(&mut self) {
        self.wide.fill(0);
        let mut at = 0;
        while at < TICK_SAMPLES {
            if self.rest.is_empty() {
                let Some(next) = self.waiting.pop_front() else { return };
                self.rest = next;
                self.decoder.reset();
            }
            let octets = self.rest.split_to(self.rest.len().min(TICK_OCTETS - at / 2));
            let Ok(samples) = self.decoder.decode(&octets, &mut self.decoded) else { continue };
            for (wide, &sample) in self.wide[at..].iter_mut().zip(&self.decoded[..samples]) {
                *wide = i32::from(sample);
            }
            at += samples.max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second of a 1 kHz tone, coded.
    fn tone() -> Bytes {
        let pcm: Vec<i16> = (0..16_000)
            .map(|n| (8000.0 * (f64::from(n) * std::f64::consts::TAU / 16.0).sin()) as i16)
            .collect();
        let mut encoder = AudioCodec::G722.encoder().unwrap();
        let mut out = [0; media_codec::MAX_ENCODED_AUDIO];
        let ticks = pcm.chunks(320).flat_map(|tick| {
            let length = encoder.encode(tick, &mut out).unwrap();
            out[..length].to_vec()
        });
        ticks.collect()
    }

    fn spoken(rate: Rate, prompter: &mut Prompter, background: i16) -> Vec<i16> {
        let mut heard = Vec::new();
        while !prompter.is_done() {
            let mut pcm = vec![background; rate.tick_samples()];
            prompter.tick(rate, &mut pcm);
            heard.extend(pcm);
            assert!(heard.len() < 10 * 48_000, "it ends");
        }
        heard
    }

    fn power(pcm: &[i16]) -> f64 {
        pcm.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / pcm.len() as f64
    }

    #[test]
    fn is_heard_as_recorded_at_every_rate() {
        for rate in [Rate::Narrow, Rate::Wide, Rate::Full] {
            let mut prompter = Prompter::new([tone(), tone()].into()).unwrap();
            let heard = spoken(rate, &mut prompter, 0);
            let second = rate.tick_samples() * 50;
            assert!(heard.len() >= 2 * second && heard.len() <= 2 * second + second / 10);
            let middle = power(&heard[second / 2..second]);
            assert!((middle / 3.2e7 - 1.0).abs() < 0.1, "{rate:?}: {middle}");
        }
    }

    #[test]
    fn the_conference_steps_back_without_a_step() {
        let quiet = Bytes::from_iter(vec![0xffu8; 8000]);
        let mut prompter = Prompter::new([quiet].into()).unwrap();
        let heard = spoken(Rate::Narrow, &mut prompter, 8000);
        assert!((i32::from(heard[4000]) - 2000).abs() < 60, "{}", heard[4000]);
        assert!(heard.windows(2).all(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs() < 120));
        assert!(*heard.last().unwrap() > 7900);
    }

    #[test]
    fn another_prompt_replaces_the_present_one_and_none_ends_it_without_a_click() {
        let mut prompter = Prompter::new([tone()].into()).unwrap();
        let mut pcm = [0; 320];
        for _ in 0..10 {
            pcm.fill(0);
            prompter.tick(Rate::Wide, &mut pcm);
        }
        prompter.instead([].into());
        pcm.fill(0);
        prompter.tick(Rate::Wide, &mut pcm);
        assert!(power(&pcm[..100]) > 1e7 && pcm[310..].iter().all(|sample| sample.abs() < 400));
        assert!(prompter.is_done());
        prompter.instead([tone()].into());
        assert!(!prompter.is_done());
        assert!(power(&spoken(Rate::Wide, &mut prompter, 0)) > 1e7);
    }

    #[test]
    fn any_octets_are_a_recording() {
        for recording in [Bytes::new(), Bytes::from_static(&[7]), Bytes::from_static(&[0; 161])] {
            let mut prompter = Prompter::new([recording.clone(), recording].into()).unwrap();
            spoken(Rate::Full, &mut prompter, 0);
        }
    }
}
