//! What is played at each tick: a packet, something made up for one that is missing, or silence.
//!
//! All decisions are about two media times. The *cursor* is the end of what has been decoded; *due* is what should be
//! playing now: `now - base - target`. Nothing that happens moves the cursor but packets: while one is missing, sound is
//! made up, and when it comes after all it is still played, with a longer delay that [`crate::pace`] takes back later. Only
//! when a packet after it is here, and as much has been made up as is missing, is it given up.

use std::time::Instant;

use media_codec::{AudioCodec, CodecError};
use rtp_session::{ExtSeq, RtpPacket, RtpTime};

use crate::arrivals::{Arrivals, Arrived};
use crate::line::Line;
use crate::noise::Noise;
use crate::pace::{Change, Pace};
use crate::queue::{Content, Waiting};
use crate::repair::Repair;
use crate::settings::{Inserted, PlayoutConfig, PlayoutStats};
use crate::stretch::{self, LENGTHEN_NEEDS_MS, SHORTEN_NEEDS_MS};
use crate::timeline::{MS, PER_SECOND, Ticks, duration};
use crate::voice::Voice;

/// The listener's tick.
const TICK: Ticks = 20 * MS;
/// The grain of all concealment.
const GRAIN: Ticks = PER_SECOND / 400;
/// Making up sound for longer than this only makes noise.
const LONGEST_CONCEALMENT: Ticks = 100 * MS;
/// Made-up sound is mostly faded out after so long; the background is heard instead.
const NOISE_AFTER: Ticks = 40 * MS;
/// After so long without a packet the line is silent: nobody knows whether the peer is still there.
const NOISE_LASTS: Ticks = 5 * PER_SECOND;
/// How much longer than wanted the delay may be when sound begins again after a stall. What is older is not played:
/// speaking faster takes the delay back within about a second.
const CATCH_UP: Ticks = 100 * MS;
/// Opus frames this short are discontinuous transmission (RFC 6716 §2.1.9).
const DTX_OCTETS: usize = 2;

/// From the packets of one source to the sound of every tick.
pub struct Playout {
    arrivals: Arrivals,
    voice: Voice,
    line: Line,
    noise: Noise,
    pace: Pace,
    repair: Repair,
    block: Vec<i16>,
    /// Nothing is expected: the next packet starts when its time comes.
    idle: bool,
    /// The media time of the end of what is decoded; all before it is over.
    cursor: Ticks,
    last_seq: ExtSeq,
    last_duration: Ticks,
    last_was_dtx: bool,
    /// RTP timestamp and media time of the last packet decoded, and ticks per unit of its clock.
    last_decoded: Option<(RtpTime, Ticks, Ticks)>,
    /// How much has been made up since the last packet.
    concealed: Ticks,
    /// RTP timestamp of the first sample of the block.
    position: Option<RtpTime>,
    stats: PlayoutStats,
}

impl std::fmt::Debug for Playout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Playout")
            .field("codec", &self.voice.codec())
            .field("idle", &self.idle)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

impl Playout {
    /// Plays a source that is expected to send `codec`; others are taken as they come.
    ///
    /// # Errors
    /// When the codec library gives no decoder.
    pub fn new(config: PlayoutConfig, codec: AudioCodec) -> Result<Self, CodecError> {
        Ok(Self {
            arrivals: Arrivals::new(&config),
            voice: Voice::new(config.rate, codec)?,
            line: Line::new(config.rate),
            noise: Noise::new(config.rate),
            pace: Pace::default(),
            repair: Repair::default(),
            block: vec![0; config.rate as usize / 50],
            idle: true,
            cursor: Ticks::MIN,
            last_seq: ExtSeq::default(),
            last_duration: 0,
            last_was_dtx: false,
            last_decoded: None,
            concealed: 0,
            position: None,
            stats: PlayoutStats::default(),
        })
    }

    /// Takes a packet of sound that arrived at `at`; cheap, nothing is decoded. No telephone events.
    pub fn insert(&mut self, at: Instant, codec: AudioCodec, packet: &RtpPacket) -> Inserted {
        let arrived = self.arrivals.sound(at, codec, packet, self.cursor, &mut self.stats);
        if arrived != Arrived::Same(Inserted::Unplayable) {
            self.repair.saw(codec.has_redundancy(packet.payload_ref()));
        }
        self.after(arrived)
    }

    /// Takes a packet of comfort noise (RFC 3389): the peer has stopped sending because nobody talks.
    pub fn insert_comfort_noise(&mut self, at: Instant, packet: &RtpPacket) -> Inserted {
        let arrived = self.arrivals.noise(at, packet, self.cursor, &mut self.stats);
        self.after(arrived)
    }

    fn after(&mut self, arrived: Arrived) -> Inserted {
        match arrived {
            Arrived::Same(inserted) => inserted,
            Arrived::New => {
                if self.cursor != Ticks::MIN {
                    self.stats.resyncs += 1;
                }
                self.begin_afresh();
                Inserted::Queued
            }
        }
    }

    /// Signalling says that somebody else sends from now on: one who was left before is followed at once, too.
    pub fn expect_another(&mut self) {
        self.arrivals.expect_another();
    }

    /// Throws everything away and starts afresh with the next packet. Counters stay, and what is decoded already is
    /// still played.
    pub fn reset(&mut self) {
        self.arrivals.forget_all();
        self.begin_afresh();
    }

    fn begin_afresh(&mut self) {
        self.voice.reset();
        self.noise.reset();
        self.pace.calm();
        self.idle = true;
        self.cursor = Ticks::MIN;
        self.last_was_dtx = false;
        self.last_decoded = None;
        self.concealed = 0;
    }

    /// The next 20 ms. To be called every 20 ms of the listener's clock, with the moment at which the tick was due.
    pub fn tick(&mut self, now: Instant) -> &[i16] {
        let now = self.arrivals.now(now);
        if self.arrivals.is_timeline_wrong() {
            self.reset();
            self.stats.resyncs += 1;
        }
        let margin = self.repair.margin(self.last_duration);
        let due = self.arrivals.due(now).map(|due| due - margin);
        while self.line.ahead() < self.block.len() {
            self.produce(due);
        }
        if let Some(due) = due {
            self.adjust(due);
        }
        self.measure(now, margin);
        self.position = self.position_rtp();
        self.line.play(&mut self.block);
        let silent_for = self.arrivals.silent_for(now);
        let pause = self.idle || self.concealed > NOISE_AFTER;
        self.noise.mix(&mut self.block, pause && silent_for < NOISE_LASTS);
        &self.block
    }

    /// Decodes or makes up more sound; at least one sample.
    fn produce(&mut self, due: Option<Ticks>) {
        let Some(due) = due.filter(|due| !self.idle || self.start(*due)) else {
            let missing = self.block.len() - self.line.ahead();
            self.line.push_silence(missing);
            return;
        };
        let front = self.arrivals.queue.front();
        // A gap shorter than half a tick is rounding, not a hole.
        match front.map(|front| (front.time - self.cursor, front.content)) {
            Some((gap, _)) if gap < TICK / 2 => self.play(),
            Some((_, Content::Noise)) => self.pause(),
            Some((gap, Content::Sound(_))) if self.is_pause(gap) => self.pause(),
            Some((gap, Content::Sound(codec))) => self.bridge(gap, codec, due),
            None if self.last_was_dtx || self.concealed >= LONGEST_CONCEALMENT => self.pause(),
            None => self.conceal(self.missing_grains()),
        }
    }

    /// Whether the sender was silent in the gap before the next packet: it has lasted longer than the packets that are
    /// missing by their numbers (RFC 3551 §4.1: timestamps go on in silence, numbers do not).
    fn is_pause(&self, gap: Ticks) -> bool {
        let Some(front) = self.arrivals.queue.front() else { return false };
        let after = front.seq.0.saturating_sub(self.last_seq.0);
        let lost = Ticks::try_from(after).unwrap_or(Ticks::MAX).saturating_sub(1).max(0);
        gap - lost.saturating_mul(self.last_duration) >= TICK / 2
    }

    /// Nothing is expected until the next packet's time comes.
    fn pause(&mut self) {
        self.idle = true;
        self.concealed = 0;
        self.last_decoded = None;
        self.pace.calm();
        // At least something, for produce() is to come to an end.
        let missing = self.block.len().saturating_sub(self.line.ahead());
        let fade = self.line.khz() * 5 / 2;
        self.line.push_silence(missing.min(fade));
    }

    /// Packets are lost before the next one, which is here: restores or makes up what is missing, then goes on.
    fn bridge(&mut self, gap: Ticks, codec: AudioCodec, due: Ticks) {
        let left = gap - self.concealed;
        if left < GRAIN {
            if let Some(front) = self.arrivals.queue.front() {
                self.cursor = front.time;
            }
            return self.play();
        }
        let Some(front) = self.arrivals.queue.front() else { return };
        let copied = if codec.has_redundancy(&front.payload) { front.duration } else { 0 };
        if copied > 0 && left < copied + GRAIN {
            return self.recover(codec, left);
        }
        if self.is_too_late(due) {
            // Behind anyway: what is lost need not be lived through.
            self.cursor += left;
            return;
        }
        let left = ((left - copied).max(GRAIN) / GRAIN) as usize;
        self.conceal(left.min(self.missing_grains()));
    }

    /// Whether so much has to be caught up that a gap is welcome.
    fn is_too_late(&self, due: Ticks) -> bool {
        due - self.cursor > CATCH_UP
    }

    /// Restores `left` of the packet before the next one from the copy that this one has of it.
    fn recover(&mut self, codec: AudioCodec, left: Ticks) {
        let grains = (left / GRAIN) as usize;
        let Some(front) = self.arrivals.queue.front() else { return };
        let time = front.time;
        match self.voice.recover(codec, &front.payload, grains) {
            Some(sound) => {
                self.line.push(sound);
                self.stats.recovered += 1;
                self.cursor = time;
                self.concealed = 0;
            }
            None => self.conceal(grains),
        }
    }

    /// Concealment that fills the present tick.
    fn missing_grains(&self) -> usize {
        let grain = self.line.khz() * 5 / 2;
        (self.block.len().saturating_sub(self.line.ahead())).div_ceil(grain).max(1)
    }

    fn conceal(&mut self, grains: usize) {
        if self.concealed == 0 {
            self.stats.concealments += 1;
        }
        self.line.push(self.voice.conceal(grains));
        let length = grains as Ticks * GRAIN;
        self.concealed += length;
        self.stats.concealed_ms += (length / MS) as u64;
    }

    /// Decodes the packet at the front of the queue.
    fn play(&mut self) {
        let Some(packet) = self.arrivals.queue.pop() else { return };
        let Content::Sound(codec) = packet.content else {
            self.hush(&packet);
            return;
        };
        let lost = packet.seq.0.saturating_sub(self.last_seq.0).saturating_sub(1);
        self.repair.played(self.last_decoded.is_some() && lost > 0);
        let apart = self.idle || self.last_decoded.is_none() || self.voice.codec() != Some(codec);
        match self.voice.decode(codec, &packet.payload) {
            Ok(sound) => {
                self.noise.heard(sound);
                if apart {
                    self.line.push_apart(sound);
                } else {
                    self.line.push(sound);
                }
                self.concealed = 0;
                self.stats.played += 1;
            }
            Err(_) => {
                self.stats.undecodable += 1;
                self.conceal((packet.duration / GRAIN).max(1) as usize);
            }
        }
        self.arrivals.was_timely();
        self.cursor = packet.end();
        self.last_seq = packet.seq;
        self.last_duration = packet.duration;
        self.last_was_dtx = codec == AudioCodec::Opus && packet.payload.len() <= DTX_OCTETS;
        let unit = PER_SECOND / Ticks::from(codec.clock_rate());
        self.last_decoded = Some((packet.timestamp, packet.time, unit));
        self.idle = false;
    }

    /// The peer says that nobody talks, and how loud its background is.
    fn hush(&mut self, packet: &Waiting) {
        self.noise.told(packet.payload.first().map_or(127, |level| level & 0x7f));
        self.cursor = self.cursor.max(packet.time);
        self.last_seq = packet.seq;
        self.last_was_dtx = false;
        self.pause();
    }

    /// Ends the pause if the time of the next packet has come; what is too old is not played.
    fn start(&mut self, due: Ticks) -> bool {
        while let Some(front) = self.arrivals.queue.front() {
            if front.time > due {
                return false;
            }
            if front.content == Content::Noise {
                self.play();
                continue;
            }
            if due - front.time <= CATCH_UP.max(front.duration) {
                self.cursor = front.time;
                self.concealed = 0;
                self.idle = false;
                self.last_decoded = None;
                return true;
            }
            if let Some(old) = self.arrivals.queue.pop() {
                self.cursor = self.cursor.max(old.end());
                self.last_seq = old.seq;
                self.stats.late += 1;
                self.arrivals.was_late();
            }
        }
        false
    }

    /// Brings the delay nearer to where it should be, by making what is ahead shorter or longer.
    fn adjust(&mut self, due: Ticks) {
        if self.idle || self.concealed > 0 {
            self.pace.calm();
            return;
        }
        // When the next packet is needed, and what is left of this one then.
        let ticks = (self.line.ahead() / self.block.len()) as Ticks;
        let left = self.span(self.line.ahead() % self.block.len());
        let slack = due + ticks * TICK - self.cursor;
        let excess = slack + left;
        let Some(change) = self.pace.decide(slack, excess) else { return };
        let needed = match change {
            Change::Shorten => SHORTEN_NEEDS_MS,
            Change::Lengthen => LENGTHEN_NEEDS_MS,
        };
        if !self.look_ahead(needed * self.line.khz()) {
            return;
        }
        let care = self.pace.care(excess, self.noise.level());
        // A packet cannot be had before it comes: ticks see it at certain places only.
        let room = self.samples(excess - slack.rem_euclid(TICK));
        let samples = match change {
            Change::Shorten => stretch::shorten(&mut self.line, care, room),
            Change::Lengthen => stretch::lengthen(&mut self.line, care),
        };
        self.pace.done(samples > 0, excess);
        let milliseconds = (samples / self.line.khz()) as u64;
        match change {
            Change::Shorten => self.stats.shortened_ms += milliseconds,
            Change::Lengthen => self.stats.lengthened_ms += milliseconds,
        }
        // What was ahead may be less than the tick now.
        while self.line.ahead() < self.block.len() {
            self.produce(Some(due));
        }
    }

    /// Decodes ahead until so many samples are there, as far as packets follow without a gap.
    fn look_ahead(&mut self, samples: usize) -> bool {
        while self.line.ahead() < samples {
            let follows = self.arrivals.queue.front().is_some_and(|front| {
                front.content != Content::Noise && front.time - self.cursor < TICK / 2
            });
            if !follows {
                return false;
            }
            self.play();
        }
        true
    }

    /// Keeps the delay of the sample that is played next, for the statistics.
    fn measure(&mut self, now: Ticks, margin: Ticks) {
        self.stats.target = duration(self.arrivals.target() + margin);
        let Some(base) = self.arrivals.base().filter(|_| !self.idle) else { return };
        self.stats.delay = duration(now - base - self.next_time());
    }

    /// The media time of the sample that is played next.
    fn next_time(&self) -> Ticks {
        self.cursor + self.concealed - self.span(self.line.ahead())
    }

    /// How long so many samples play.
    fn span(&self, samples: usize) -> Ticks {
        samples as Ticks * MS / self.line.khz() as Ticks
    }

    /// How many samples play so long.
    fn samples(&self, span: Ticks) -> usize {
        usize::try_from(span).unwrap_or(0) * self.line.khz() / MS as usize
    }

    fn position_rtp(&self) -> Option<RtpTime> {
        let (timestamp, time, unit) = self.last_decoded?;
        let units = (self.next_time() - time).div_euclid(unit);
        Some(RtpTime(timestamp.0.wrapping_add(units as u32)))
    }

    /// The RTP timestamp of the first sample of the last tick, for playing sound and picture together; `None` while
    /// nothing of the stream is played.
    #[must_use]
    pub const fn position(&self) -> Option<RtpTime> {
        self.position
    }

    /// The codec of the last sound.
    #[must_use]
    pub fn codec(&self) -> Option<AudioCodec> {
        self.voice.codec()
    }

    /// The sound of the last tick.
    #[must_use]
    pub fn block(&self) -> &[i16] {
        &self.block
    }

    /// The sound of the last tick, to be faded or muted by the caller.
    pub fn block_mut(&mut self) -> &mut [i16] {
        &mut self.block
    }

    /// Counters and delay.
    #[must_use]
    pub const fn stats(&self) -> PlayoutStats {
        self.stats
    }

    /// Packets waiting.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.arrivals.queue.len()
    }
}
