//! A sender, a network and a listener on a virtual clock.
#![allow(clippy::disallowed_methods, reason = "a virtual clock needs one Instant to start from")]
#![allow(dead_code, reason = "each test uses a part")]

use std::time::{Duration, Instant};

use audio_playout::{Playout, PlayoutConfig, PlayoutStats};
use bytes::Bytes;
use media_codec::{AudioCodec, MAX_ENCODED_AUDIO};
use rtp_session::{CsrcList, PayloadType, RtpPacket, RtpTime, SendStream, Ssrc};

pub const TICK: Duration = Duration::from_millis(20);
/// The path's least transit in milliseconds.
pub const PATH_MS: f64 = 40.0;

/// xorshift: the same numbers in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 0 to 1.
    pub fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// One direction of a call.
pub struct Call {
    pub codec: AudioCodec,
    pub rate: u32,
    pub seconds: u64,
    /// Packet lengths in milliseconds, in turn.
    pub ptimes: &'static [u32],
    /// The sender's clock is this much faster than ours.
    pub ppm: f64,
    pub min_delay: Duration,
    pub fec: bool,
    /// What is said: amplitude by time in seconds.
    pub sound: fn(f64) -> f64,
    /// Whether a packet spoken at this second is sent at all.
    pub speaks: fn(f64) -> bool,
    /// Milliseconds on top of the path, or nothing for a lost packet; by packet number and second.
    pub network: Box<dyn FnMut(u64, f64) -> Vec<f64>>,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            codec: AudioCodec::Pcmu,
            rate: 8000,
            seconds: 20,
            ptimes: &[20],
            ppm: 0.0,
            min_delay: Duration::ZERO,
            fec: false,
            sound: voice,
            speaks: |_| true,
            network: Box::new(|_, _| vec![0.0]),
        }
    }
}

/// What the listener got.
pub struct Heard {
    pub sound: Vec<i16>,
    pub rate: u32,
    /// (second, milliseconds from the mouth to the ear) for each tick that played something of the stream.
    pub delays: Vec<(f64, f64)>,
    pub stats: PlayoutStats,
    pub ticks: usize,
}

/// A steady tone of 440 Hz.
pub fn tone(time: f64) -> f64 {
    8000.0 * (std::f64::consts::TAU * 440.0 * time).sin()
}

/// Vowels of a gliding pitch around 130 Hz in syllables, with little pauses.
pub fn voice(time: f64) -> f64 {
    let phase = 130.0 * time - 12.0 / 1.7 * (1.7 * time).cos() * 2.0;
    let syllable = (time * 4.0).fract();
    let envelope = if syllable < 0.8 { (syllable / 0.8 * std::f64::consts::PI).sin() } else { 0.0 };
    let formant = 1.0 + 0.5 * (time * 2.3).sin();
    let harmonics: f64 = (1..14)
        .map(|k| {
            let weight = 1.0 / (1.0 + (f64::from(k) - 4.0 * formant).powi(2) / 6.0);
            weight * (std::f64::consts::TAU * phase * f64::from(k)).sin()
        })
        .sum();
    3500.0 * envelope * harmonics
}

impl Call {
    /// Packets as (second of arrival, packet), in order of arrival, and the timestamp of second 0.
    fn packets(&mut self) -> (Vec<(f64, RtpPacket)>, RtpTime) {
        let mut encoder = self.codec.encoder().unwrap();
        if self.fec {
            encoder.set_fec(true).unwrap();
            encoder.set_expected_loss(10).unwrap();
        }
        let clock = u64::from(self.codec.clock_rate());
        let rate = u64::from(self.codec.sample_rate());
        let mut stream = SendStream::new(Ssrc(1), PayloadType::new(96).unwrap(), 7);
        let mut origin = None;
        let mut arrivals = Vec::new();
        let (mut sample, mut number) = (0u64, 0u64);
        while sample < self.seconds * rate {
            let ptime = self.ptimes[number as usize % self.ptimes.len()];
            let count = rate * u64::from(ptime) / 1000;
            let spoken = sample as f64 / rate as f64;
            let pcm: Vec<i16> = (sample..sample + count)
                .map(|n| (self.sound)(n as f64 / rate as f64).clamp(-32e3, 32e3) as i16)
                .collect();
            let ticks = (sample * clock / rate) as u32;
            sample += count;
            let mut payload = [0; MAX_ENCODED_AUDIO];
            let length = encoder.encode(&pcm, &mut payload).unwrap();
            if !(self.speaks)(spoken) {
                continue;
            }
            let payload = Bytes::copy_from_slice(&payload[..length]);
            let packet = stream.packet(number == 0, ticks, payload, &CsrcList::EMPTY);
            let packet = RtpPacket::parse(packet.to_bytes()).unwrap();
            origin.get_or_insert(RtpTime(packet.timestamp().0.wrapping_sub(ticks)));
            // A packet leaves when its last sample is spoken; a fast clock speaks early.
            let left = sample as f64 / rate as f64 / (1.0 + self.ppm * 1e-6);
            for extra in (self.network)(number, spoken) {
                arrivals.push((left + (PATH_MS + extra) / 1000.0, packet.clone()));
            }
            number += 1;
        }
        arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
        (arrivals, origin.unwrap())
    }

    /// Lets the listener hear it all.
    pub fn run(mut self) -> Heard {
        let (arrivals, origin) = self.packets();
        let mut config = PlayoutConfig::new(self.rate);
        config.min_delay = self.min_delay;
        let mut playout = Playout::new(config, self.codec).unwrap();
        let start = Instant::now();
        let clock = f64::from(self.codec.clock_rate());
        let mut arrivals = arrivals.into_iter().peekable();
        let mut heard = Heard {
            sound: Vec::new(),
            rate: self.rate,
            delays: Vec::new(),
            stats: PlayoutStats::default(),
            ticks: (self.seconds * 50) as usize,
        };
        for n in 0..heard.ticks {
            // Somewhere between the packets.
            let second = n as f64 * 0.02 + 0.007;
            while let Some((at, packet)) = arrivals.next_if(|(at, _)| *at <= second) {
                playout.insert(start + Duration::from_secs_f64(at), self.codec, &packet);
            }
            let block = playout.tick(start + Duration::from_secs_f64(second));
            heard.sound.extend_from_slice(block);
            if let Some(position) = playout.position() {
                let spoken = f64::from(position.distance_from(origin)) / clock;
                let spoken = spoken / (1.0 + self.ppm * 1e-6);
                heard.delays.push((second, (second - spoken) * 1000.0));
            }
        }
        heard.stats = playout.stats();
        heard
    }
}

impl Heard {
    /// Delays on top of the path and the length of a packet of 20 ms, sorted, from `from` seconds on.
    fn extra(&self, from: f64) -> Vec<f64> {
        let mut delays: Vec<f64> = self
            .delays
            .iter()
            .filter(|(second, _)| *second >= from)
            .map(|(_, delay)| delay - PATH_MS - 20.0)
            .collect();
        delays.sort_by(f64::total_cmp);
        delays
    }

    pub fn mean_delay(&self, from: f64) -> f64 {
        let delays = self.extra(from);
        delays.iter().sum::<f64>() / delays.len() as f64
    }

    pub fn delay_percentile(&self, from: f64, share: f64) -> f64 {
        let delays = self.extra(from);
        delays[((delays.len() - 1) as f64 * share) as usize]
    }

    /// Milliseconds made up, as a share of the whole.
    pub fn concealed(&self) -> f64 {
        self.stats.concealed_ms as f64 / (self.ticks as f64 * 20.0)
    }

    /// The largest difference of neighbouring samples, after the first 100 ms: a predictor that starts
    /// from nothing, as that of G.722, overshoots when a tone sets in, on the best of networks.
    pub fn largest_step(&self) -> i32 {
        let settled = &self.sound[self.rate as usize / 10..];
        let steps = settled.windows(2).map(|pair| i32::from(pair[1]) - i32::from(pair[0]));
        steps.map(i32::abs).max().unwrap()
    }

    /// The longest stretch in which nothing above 1 % of full scale is heard, in milliseconds, after `from` seconds.
    pub fn longest_gap(&self, from: f64) -> f64 {
        let skip = (from * f64::from(self.rate)) as usize;
        let (mut longest, mut present) = (0usize, 0usize);
        for &sample in &self.sound[skip..] {
            present = if sample.unsigned_abs() > 320 { 0 } else { present + 1 };
            longest = longest.max(present);
        }
        longest as f64 * 1000.0 / f64::from(self.rate)
    }

    /// Cycles per second, by upward crossings of zero, from `from` seconds on.
    pub fn pitch(&self, from: f64) -> f64 {
        let sound = &self.sound[(from * f64::from(self.rate)) as usize..];
        let crossings = sound.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        crossings as f64 * f64::from(self.rate) / sound.len() as f64
    }
}

/// Some instant.
pub fn start() -> Instant {
    Instant::now()
}
