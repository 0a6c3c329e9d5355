//! The encoding side of one audio line: the mix in at every tick, packets out.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media_codec::{AudioCodec, AudioEncoder, CodecError, ExpectedLoss, MAX_ENCODED_AUDIO};
use rtp_session::{ExtensionBlock, LevelIds, Outbound, PayloadType, SendStream, Ssrc};

use super::inlet::rate_of;
use super::voices::Voices;
use crate::TICK;

/// How an Opus stream is coded: equal parameters can share one encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coding {
    /// The codec.
    pub codec: AudioCodec,
    /// Bits per second (Opus).
    pub bitrate: u32,
    /// 0 to 10 (Opus).
    pub complexity: u8,
    /// Whether the receiver wants in-band forward error correction (RFC 7587 useinbandfec).
    pub fec: bool,
    /// The loss to be prepared for, in percent, as the receiver reports it (Opus with FEC).
    pub loss: u8,
    /// Whether the receiver wants silence not to be sent (RFC 7587 usedtx).
    pub dtx: bool,
    /// The highest rate at which the receiver plays, in Hz (RFC 7587 maxplaybackrate).
    pub playback_rate: u32,
}

impl Coding {
    /// An encoder with these parameters.
    ///
    /// # Errors
    /// When the codec library gives none.
    pub fn encoder(&self) -> Result<Box<dyn AudioEncoder>, CodecError> {
        let mut encoder = self.codec.encoder()?;
        if self.codec == AudioCodec::Opus {
            encoder.set_bitrate(self.bitrate)?;
            encoder.set_complexity(self.complexity)?;
            encoder.set_max_playback_rate(self.playback_rate)?;
            encoder.set_fec(self.fec)?;
            encoder.set_expected_loss(self.loss)?;
            encoder.set_dtx(self.dtx)?;
        }
        Ok(encoder)
    }
}

/// Encodes one frame into memory of its own, to be shared by all packets that carry it.
///
/// # Errors
/// When the codec refuses the frame.
pub fn encode(
    encoder: &mut dyn AudioEncoder,
    samples: &[i16],
    scratch: &mut [u8; MAX_ENCODED_AUDIO],
) -> Result<Bytes, CodecError> {
    let length = encoder.encode(samples, scratch)?;
    Ok(Bytes::copy_from_slice(&scratch[..length]))
}

/// The stream of mixed audio toward one member.
pub struct AudioOutlet {
    coding: Coding,
    /// Samples per packet.
    frame: usize,
    stream: SendStream,
    /// Media time since the outlet began, in units of the RTP clock.
    clock: u32,
    /// The next packet follows a pause.
    marker: bool,
    /// Samples waiting for a whole packet, when packets are not as long as ticks.
    waiting: Vec<i16>,
    /// Who is in what is waiting.
    collected: Voices,
    /// How the member is told how loud the voices are (RFC 6465), if it is.
    levels: LevelIds,
    /// The encoder of this member alone: while it is in the mix it hears what nobody else hears.
    private: Option<Box<dyn AudioEncoder>>,
    loss: ExpectedLoss,
}

impl std::fmt::Debug for AudioOutlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioOutlet").field("coding", &self.coding).finish_non_exhaustive()
    }
}

/// Packet lengths we send, in milliseconds; all of them are Opus frames too (RFC 6716 §2.1.4).
const PACKET_TIMES: [u32; 4] = [10, 20, 40, 60];

/// The packet time to use: the longest of ours that is not above what the receiver prefers, 20 ms when it says nothing.
pub fn packet_time(preferred: Option<u32>, longest: Option<u32>) -> u32 {
    let wish = preferred.unwrap_or(20).min(longest.unwrap_or(u32::MAX));
    PACKET_TIMES.into_iter().rev().find(|&time| time <= wish).unwrap_or(PACKET_TIMES[0])
}

impl AudioOutlet {
    /// A stream of `packet_time` (milliseconds, one that [`packet_time`] gives) per packet.
    pub fn new(
        coding: Coding,
        payload_type: PayloadType,
        ssrc: Ssrc,
        packet_time: u32,
        seed: u64,
    ) -> Self {
        Self {
            coding,
            frame: (coding.codec.sample_rate() * packet_time / 1000) as usize,
            stream: SendStream::new(ssrc, payload_type, seed),
            clock: 0,
            marker: true,
            waiting: Vec::new(),
            collected: Voices::NOBODY,
            levels: LevelIds::default(),
            private: None,
            loss: ExpectedLoss::default(),
        }
    }

    /// Tells how loud the voices are under this extension id, or not (RFC 6465).
    pub fn set_mixer_level_id(&mut self, id: Option<u8>) {
        self.levels = LevelIds { client: None, mixer: id };
    }

    /// Whether the member is told how loud the voices are.
    pub fn tells_levels(&self) -> bool {
        self.levels.mixer.is_some()
    }

    /// How it is coded.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// The member reports how much it lost of the last interval, in 1/256 (RFC 3550 §6.4.1): so much is to be
    /// prepared for (RFC 7587 §3.3).
    pub fn reported_loss(&mut self, fraction: u8) {
        self.loss.report(fraction);
        let percent = self.loss.percent();
        if !self.coding.fec || percent == self.coding.loss {
            return;
        }
        self.coding.loss = percent;
        if let Some(encoder) = &mut self.private {
            // Refused by codecs without redundancy only, which are not asked.
            let _ = encoder.set_expected_loss(percent);
        }
    }

    /// Goes on under another SSRC (RFC 3550 §8.2).
    pub fn set_ssrc(&mut self, ssrc: Ssrc) {
        self.stream.set_ssrc(ssrc);
    }

    /// Takes over the numbering of the outlet this one replaces: the receiver sees one stream go on.
    pub fn continue_from(&mut self, old: Self) {
        self.loss = old.loss;
        if self.coding.fec {
            self.coding.loss = self.loss.percent();
        }
        let payload_type = self.stream.payload_type();
        if old.coding.codec.clock_rate() == self.coding.codec.clock_rate() {
            self.clock = old.clock;
            self.stream = old.stream;
            self.stream.set_payload_type(payload_type);
        }
        if old.coding == self.coding && old.frame == self.frame {
            self.private = old.private;
            self.waiting = old.waiting;
            self.collected = old.collected;
            self.marker = old.marker;
        }
    }

    /// Time goes on without a packet: skipped ticks, or nobody to send to.
    pub fn pause(&mut self, ticks: u32) {
        self.clock = self.clock.wrapping_add(ticks.wrapping_mul(self.units(self.tick_samples())));
        self.waiting.clear();
        self.collected = Voices::NOBODY;
        self.marker = true;
    }

    /// Whether packets are as long as ticks, so that an encoding can be shared.
    pub fn is_aligned(&self) -> bool {
        self.frame == self.tick_samples()
    }

    /// Sends an encoding shared with others; nothing when it says that nothing need be sent.
    pub fn send_shared(&mut self, payload: Bytes, voices: &Voices) -> Option<Outbound> {
        self.private = None;
        self.packet(payload, voices, self.tick_samples() as u32)
    }

    /// Whether the next [`Self::send_own`] starts a cold encoder: one that has a past is to be warmed with the last
    /// ticks of what the member heard, or the decoder would stumble over the change.
    pub fn wants_warming(&self) -> bool {
        self.coding.codec == AudioCodec::Opus && self.is_aligned() && self.private.is_none()
    }

    /// Runs a tick through the private encoder without sending it.
    pub fn warm(&mut self, samples: &[i16], scratch: &mut [u8; MAX_ENCODED_AUDIO]) {
        if let Ok(encoder) = self.private_encoder() {
            let _ = encoder.encode(samples, scratch);
        }
    }

    /// Encodes a tick for this member alone, which begins at `now`; calls `send` for each packet that became full, with
    /// the moment its own first sample belongs to: a packet longer than a tick began ticks ago, the second of two in a
    /// tick begins in the middle of it. Sender reports map timestamps by it (RFC 3550 §6.4.1).
    ///
    /// # Errors
    /// When there is no encoder or it refuses the frame.
    pub fn send_own(
        &mut self,
        now: Instant,
        samples: &[i16],
        voices: &Voices,
        scratch: &mut [u8; MAX_ENCODED_AUDIO],
        mut send: impl FnMut(Instant, Outbound),
    ) -> Result<(), CodecError> {
        if self.is_aligned() {
            let payload = encode(self.private_encoder()?, samples, scratch)?;
            if let Some(packet) = self.packet(payload, voices, samples.len() as u32) {
                send(now, packet);
            }
            return Ok(());
        }
        let tick = TICK.as_nanos() as u64 / samples.len().max(1) as u64;
        let sample_time = |count: usize| Duration::from_nanos(tick * count as u64);
        let mut begins = now.checked_sub(sample_time(self.waiting.len())).unwrap_or(now);
        self.waiting.extend_from_slice(samples);
        self.collected.merge(voices);
        while self.waiting.len() >= self.frame {
            let frame: Vec<i16> = self.waiting.drain(..self.frame).collect();
            let payload = encode(self.private_encoder()?, &frame, scratch)?;
            let collected = self.collected;
            if let Some(packet) = self.packet(payload, &collected, frame.len() as u32) {
                send(begins, packet);
            }
            begins += sample_time(frame.len());
            // What is left over is of this tick.
            self.collected = if self.waiting.is_empty() { Voices::NOBODY } else { *voices };
        }
        Ok(())
    }

    fn private_encoder(&mut self) -> Result<&mut dyn AudioEncoder, CodecError> {
        let encoder = match self.private.take() {
            Some(encoder) => encoder,
            None => self.coding.encoder()?,
        };
        Ok(&mut **self.private.insert(encoder))
    }

    /// The next packet. An empty payload is discontinuous transmission: time goes on, numbers do not, and the packet
    /// after it is marked (RFC 3551 §4.1).
    fn packet(&mut self, payload: Bytes, voices: &Voices, samples: u32) -> Option<Outbound> {
        let at = self.clock;
        self.clock = self.clock.wrapping_add(self.units(samples as usize));
        if payload.is_empty() {
            self.marker = true;
            return None;
        }
        let marker = std::mem::take(&mut self.marker);
        let mut extensions = ExtensionBlock::EMPTY;
        self.levels.write(&mut extensions, None, &voices.levels());
        let csrcs = voices.csrcs();
        Some(self.stream.packet_with_extensions(marker, at, payload, &csrcs, &extensions))
    }

    /// Units of the RTP clock that so many samples last: G.722 has half as many (RFC 3551 §4.5.2).
    fn units(&self, samples: usize) -> u32 {
        samples as u32 / (self.coding.codec.sample_rate() / self.coding.codec.clock_rate())
    }

    fn tick_samples(&self) -> usize {
        rate_of(self.coding.codec).tick_samples()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;

    fn coding(codec: AudioCodec) -> Coding {
        Coding {
            codec,
            bitrate: 32_000,
            complexity: 0,
            fec: false,
            loss: 0,
            dtx: false,
            playback_rate: 48_000,
        }
    }

    fn outlet(codec: AudioCodec, packet_time: u32) -> AudioOutlet {
        AudioOutlet::new(coding(codec), PayloadType::PCMU, Ssrc(1), packet_time, 7)
    }

    fn packets(outlet: &mut AudioOutlet, ticks: usize) -> Vec<Outbound> {
        timed(outlet, ticks, Instant::now()).into_iter().map(|(_, packet)| packet).collect()
    }

    /// Packets with the moments they belong to.
    fn timed(outlet: &mut AudioOutlet, ticks: usize, mut now: Instant) -> Vec<(Instant, Outbound)> {
        let mut scratch = [0; MAX_ENCODED_AUDIO];
        let mut sent = Vec::new();
        let tick = vec![100; outlet.tick_samples()];
        for _ in 0..ticks {
            let send = |at, packet| sent.push((at, packet));
            outlet.send_own(now, &tick, &Voices::NOBODY, &mut scratch, send).unwrap();
            now += TICK;
        }
        sent
    }

    #[test]
    fn each_packet_belongs_to_the_moment_of_its_first_sample() {
        for time in [10, 20, 40, 60] {
            let start = Instant::now();
            let sent = timed(&mut outlet(AudioCodec::Pcmu, time), 12, start);
            for (n, (at, _)) in sent.iter().enumerate() {
                let expected = start + Duration::from_millis(u64::from(time)) * n as u32;
                assert_eq!(*at, expected, "packet {n} of {time} ms");
            }
        }
    }

    #[test]
    fn the_receivers_packet_time_is_honoured() {
        assert_eq!(packet_time(None, None), 20);
        assert_eq!(packet_time(Some(30), None), 20);
        assert_eq!(packet_time(Some(40), Some(20)), 20);
        assert_eq!(packet_time(Some(60), None), 60);
        assert_eq!(packet_time(Some(5), None), 10);
        assert_eq!(packet_time(Some(1000), None), 60);
    }

    #[test]
    fn packets_of_any_length_cover_the_same_time() {
        for (time, per_six_ticks) in [(10, 12), (20, 6), (40, 3), (60, 2)] {
            let sent = packets(&mut outlet(AudioCodec::Pcmu, time), 6);
            assert_eq!(sent.len(), per_six_ticks, "{time} ms");
            for (n, packet) in sent.iter().enumerate() {
                assert_eq!(packet.payload.len(), time as usize * 8);
                let since = packet.timestamp().distance_from(sent[0].timestamp());
                assert_eq!(since as usize, n * time as usize * 8);
                assert_eq!(packet.seq().distance_from(sent[0].seq()) as usize, n);
            }
        }
    }

    #[test]
    fn g722_counts_at_8000_hz_whatever_it_samples_at() {
        let sent = packets(&mut outlet(AudioCodec::G722, 20), 3);
        assert!(sent.iter().all(|packet| packet.payload.len() == 160));
        assert_eq!(sent[2].timestamp().distance_from(sent[0].timestamp()), 320);
    }

    #[test]
    fn a_pause_moves_time_but_not_numbers_and_is_marked() {
        let mut outlet = outlet(AudioCodec::Pcmu, 20);
        let before = packets(&mut outlet, 1);
        outlet.pause(10);
        let after = packets(&mut outlet, 1);
        assert_eq!(after[0].timestamp().distance_from(before[0].timestamp()), 11 * 160);
        assert_eq!(after[0].seq().distance_from(before[0].seq()), 1);
        assert_eq!(after[0].header.as_slice()[1] & 0x80, 0x80, "marker");
    }

    #[test]
    fn silence_is_not_sent_to_who_wants_it_so_and_time_goes_on() {
        let dtx = Coding { dtx: true, ..coding(AudioCodec::Opus) };
        let mut outlet = AudioOutlet::new(dtx, PayloadType::PCMU, Ssrc(1), 20, 7);
        let mut scratch = [0; MAX_ENCODED_AUDIO];
        let mut sent = Vec::new();
        let mut send = |outlet: &mut AudioOutlet, tick: &[i16], sent: &mut Vec<Outbound>| {
            let keep = |_, packet| sent.push(packet);
            outlet.send_own(Instant::now(), tick, &Voices::NOBODY, &mut scratch, keep).unwrap();
        };
        (0..200).for_each(|_| send(&mut outlet, &[0; 960], &mut sent));
        assert!(sent.len() < 60, "{} packets in 4 s of silence", sent.len());
        let tone: Vec<i16> = (0..960).map(|n| (n % 96 * 100) as i16).collect();
        send(&mut outlet, &tone, &mut sent);
        let (first, last) = (&sent[0], &sent[sent.len() - 1]);
        assert_eq!(last.timestamp().distance_from(first.timestamp()), 200 * 960);
        assert_eq!(last.seq().distance_from(first.seq()) as usize, sent.len() - 1);
        assert_eq!(last.header.as_slice()[1] & 0x80, 0x80, "marker");
        let updates = sent.windows(2).map(|p| p[1].timestamp().distance_from(p[0].timestamp()));
        assert!(updates.max().unwrap() <= 48_000 / 2, "comfort updates come");
    }

    #[test]
    fn reported_loss_reaches_the_coding_of_who_wants_redundancy() {
        for (fec, expected) in [(true, 20), (false, 0)] {
            let mut outlet = AudioOutlet::new(
                Coding { fec, ..coding(AudioCodec::Opus) },
                PayloadType::PCMU,
                Ssrc(1),
                20,
                7,
            );
            packets(&mut outlet, 2);
            (0..5).for_each(|_| outlet.reported_loss(60));
            assert_eq!(outlet.coding().loss, expected);
        }
    }

    #[test]
    fn a_new_outlet_of_the_same_clock_goes_on_with_the_numbers() {
        let mut old = outlet(AudioCodec::Pcmu, 20);
        let before = packets(&mut old, 3);
        let mut new = outlet(AudioCodec::Pcma, 40);
        new.continue_from(old);
        let after = packets(&mut new, 2);
        assert_eq!(after[0].seq(), before[2].seq().next());
        assert_eq!(after[0].timestamp().distance_from(before[2].timestamp()), 160);
    }
}
