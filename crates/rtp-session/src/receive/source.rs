//! One remote source: is it real, what did it lose, how unevenly does it arrive (RFC 3550 §A.1, A.3, A.8).

use std::time::{Duration, Instant};

use crate::clock::{from_short_ntp, ticks_between, to_short_ntp};
use crate::rtcp::{ReportBlock, SenderInfo};
use crate::{ExtSeq, NtpTime, RtpPacket, RtpTime, Seq, Ssrc};

/// Forward jump that is still the same stream (RFC 3550 §A.1).
const MAX_DROPOUT: u16 = 3000;
/// Backward jump that is still reordering (RFC 3550 §A.1).
const MAX_MISORDER: u16 = 100;

/// Why a packet does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The source is new and has not yet sent enough packets in a row.
    #[error("source is on probation")]
    Probation,
    /// The sequence number is far off; if the next one follows it, the sender restarted.
    #[error("sequence number far off")]
    OutOfRange,
}

/// What a valid packet means to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reception {
    /// Its number with cycles.
    pub ext_seq: ExtSeq,
    /// It came after a packet with a higher number. A duplicate looks the same.
    pub late: bool,
    /// The sender restarted its numbers with this packet: loss detection and play-out must start afresh.
    pub restarted: bool,
}

/// Statistics of one remote source.
#[derive(Clone, Debug)]
pub struct Source {
    ssrc: Ssrc,
    clock_rate: u32,
    probation: u16,
    base: ExtSeq,
    highest: ExtSeq,
    /// The number that would prove a restart.
    bad_seq: Option<Seq>,
    started: bool,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    epoch: Option<Instant>,
    transit: Option<u32>,
    /// Jitter in 1/16 of a clock unit.
    jitter: u32,
    last_packet: Option<Instant>,
    last_report: Option<(Instant, SenderInfo)>,
    /// The last report was about timestamps of the present clock rate.
    mapped: bool,
}

impl Source {
    /// A source whose timestamps count at `clock_rate` Hz. It counts as valid after `probation` packets in
    /// sequence: 2 as RFC 3550 §A.1 has it; 0 when signalling or a locked address vouches for it.
    #[must_use]
    pub fn new(ssrc: Ssrc, clock_rate: u32, probation: u16) -> Self {
        Self {
            ssrc,
            clock_rate,
            probation,
            base: ExtSeq::default(),
            highest: ExtSeq::default(),
            bad_seq: None,
            started: false,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            epoch: None,
            transit: None,
            jitter: 0,
            last_packet: None,
            last_report: None,
            mapped: false,
        }
    }

    /// Takes note of a packet (RFC 3550 §A.1 `update_seq`, §A.8).
    ///
    /// # Errors
    /// When the packet does not count (yet); it should then be dropped.
    pub fn receive(&mut self, now: Instant, packet: &RtpPacket) -> Result<Reception, SourceError> {
        let reception = self.update_seq(packet.seq())?;
        self.update_jitter(now, packet.timestamp());
        self.last_packet = Some(now);
        Ok(reception)
    }

    /// As [`Source::receive`], for a packet whose payload counts at another clock rate than the stream, such
    /// as a telephone event: it does not touch the jitter.
    ///
    /// # Errors
    /// As [`Source::receive`].
    pub fn receive_foreign_clock(
        &mut self,
        now: Instant,
        packet: &RtpPacket,
    ) -> Result<Reception, SourceError> {
        let reception = self.update_seq(packet.seq())?;
        self.last_packet = Some(now);
        Ok(reception)
    }

    fn init(&mut self, seq: Seq) {
        self.base = ExtSeq::first(seq);
        self.highest = self.base;
        self.bad_seq = None;
        self.started = true;
        self.received = 0;
        self.expected_prior = 0;
        self.received_prior = 0;
        self.transit = None;
    }

    fn update_seq(&mut self, seq: Seq) -> Result<Reception, SourceError> {
        if !self.started {
            self.init(seq);
            if self.probation > 0 {
                self.probation -= 1;
                if self.probation > 0 {
                    return Err(SourceError::Probation);
                }
            }
            self.received = 1;
            return Ok(Reception { ext_seq: self.base, late: false, restarted: false });
        }
        if self.probation > 0 {
            if seq == self.highest.wire().next() {
                self.probation -= 1;
                self.highest = self.highest.next();
                if self.probation > 0 {
                    return Err(SourceError::Probation);
                }
                self.init(seq);
                self.received = 1;
                return Ok(Reception { ext_seq: self.base, late: false, restarted: false });
            }
            // Not in sequence: this packet is the first of a new try.
            self.init(seq);
            self.probation = self.probation.max(1);
            return Err(SourceError::Probation);
        }
        let forward = seq.0.wrapping_sub(self.highest.wire().0);
        let backward = self.highest.wire().0.wrapping_sub(seq.0);
        let mut restarted = false;
        let mut late = false;
        let ext_seq;
        if forward != 0 && forward < MAX_DROPOUT {
            self.highest = self.highest.nearest(seq);
            ext_seq = self.highest;
        } else if backward <= MAX_MISORDER {
            late = true;
            ext_seq = self.highest.nearest(seq);
        } else if self.bad_seq == Some(seq) {
            // Two packets in a row on the other side of the jump: the sender restarted (RFC 3550 §A.1).
            self.init(seq);
            restarted = true;
            ext_seq = self.base;
        } else {
            self.bad_seq = Some(seq.next());
            return Err(SourceError::OutOfRange);
        }
        self.bad_seq = None;
        self.received += 1;
        Ok(Reception { ext_seq, late, restarted })
    }

    fn update_jitter(&mut self, now: Instant, timestamp: RtpTime) {
        let epoch = *self.epoch.get_or_insert(now);
        let arrival = ticks_between(epoch, now, self.clock_rate) as u32;
        let transit = arrival.wrapping_sub(timestamp.0);
        if let Some(before) = self.transit {
            // A jump of the timestamp is no jitter: more than 10 s off says nothing about the network.
            let d = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            if d < self.clock_rate.saturating_mul(10) {
                self.jitter =
                    self.jitter.wrapping_add(d).wrapping_sub(self.jitter.wrapping_add(8) >> 4);
            }
        }
        self.transit = Some(transit);
    }

    /// Takes note of the source's own report: it maps its timestamps to its wall clock.
    pub fn sender_report(&mut self, now: Instant, info: SenderInfo) {
        self.last_report = Some((now, info));
        self.mapped = true;
    }

    /// Its codec changed, and with it what its timestamps count (RFC 7160): what the old ones said about jitter and
    /// wall clock does not hold for the new ones.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        if clock_rate != self.clock_rate {
            let jitter =
                u64::from(self.jitter) * u64::from(clock_rate) / u64::from(self.clock_rate.max(1));
            self.jitter = u32::try_from(jitter).unwrap_or(u32::MAX);
            self.clock_rate = clock_rate;
            self.transit = None;
            self.mapped = false;
        }
    }

    /// The number with cycles of a packet of this stream that did not come by itself (a retransmission), and whether it
    /// is older than the newest. `None` when it is too far off to belong here.
    pub(crate) fn place_of(&self, seq: Seq) -> Option<(ExtSeq, bool)> {
        let place = self.highest.nearest(seq);
        let near = place.0.abs_diff(self.highest.0) < u64::from(MAX_DROPOUT);
        (self.is_valid() && near && place >= self.base).then_some((place, place < self.highest))
    }

    /// The block to report about this source now; starts a new interval (RFC 3550 §A.3, §6.4.1).
    pub fn report(&mut self, now: Instant) -> ReportBlock {
        let expected = self.expected();
        let lost = i64::try_from(expected).unwrap_or(i64::MAX)
            - i64::try_from(self.received).unwrap_or(i64::MAX);
        let expected_interval = expected.saturating_sub(self.expected_prior);
        let received_interval = self.received.saturating_sub(self.received_prior);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let lost_interval = expected_interval.saturating_sub(received_interval);
        let fraction_lost = (lost_interval << 8)
            .checked_div(expected_interval)
            .map_or(0, |fraction| fraction.min(255) as u8);
        let (last_sr, delay) = match self.last_report {
            Some((at, info)) => {
                (info.ntp.middle(), to_short_ntp(now.saturating_duration_since(at)))
            }
            None => (0, 0),
        };
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_seq: self.highest.0.wrapping_sub(0x1_0000) as u32,
            jitter: self.jitter >> 4,
            last_sr,
            delay_since_last_sr: delay,
        }
    }

    fn expected(&self) -> u64 {
        if self.is_valid() { (self.highest.0 + 1).saturating_sub(self.base.0) } else { 0 }
    }

    /// The sender's wall clock at media time `timestamp`, as far as its last report tells: for playing sound
    /// and picture together (RFC 3550 §6.4.1).
    #[must_use]
    pub fn ntp_of(&self, timestamp: RtpTime) -> Option<NtpTime> {
        let (_, info) = self.last_report.filter(|_| self.mapped)?;
        let ticks = i64::from(timestamp.distance_from(info.rtp));
        let fixed = i128::from(ticks) * (1i128 << 32) / i128::from(self.clock_rate.max(1));
        Some(NtpTime((i128::from(info.ntp.0) + fixed) as u64))
    }

    /// Who it is.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Units per second of its timestamps.
    #[must_use]
    pub const fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    /// It has sent enough in sequence.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.started && self.probation == 0
    }

    /// When its last valid packet came.
    #[must_use]
    pub const fn last_packet(&self) -> Option<Instant> {
        self.last_packet
    }

    /// Valid packets since it (re)started.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Packets lost since it (re)started; less than zero when duplicates outnumber losses.
    #[must_use]
    pub fn lost(&self) -> i64 {
        self.expected().cast_signed() - self.received.cast_signed()
    }

    /// Interarrival jitter (RFC 3550 §6.4.1).
    #[must_use]
    pub fn jitter(&self) -> Duration {
        crate::clock::ticks_to_duration(i64::from(self.jitter >> 4), self.clock_rate)
    }
}

/// Round-trip time out of a report block about us that arrived at `now` (RFC 3550 §6.4.1). `None` when the
/// peer has not had a report of ours yet, or when the numbers make no sense.
#[must_use]
pub(crate) fn round_trip(now: NtpTime, block: &ReportBlock) -> Option<Duration> {
    if block.last_sr == 0 {
        return None;
    }
    let units = now.middle().wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr);
    // Clocks tick apart: a round trip slightly below zero is zero; one above a minute is nonsense.
    if units.cast_signed() < 0 {
        return (units.cast_signed() > -6554).then_some(Duration::ZERO);
    }
    Some(from_short_ntp(units)).filter(|&rtt| rtt < Duration::from_secs(60))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;
    use crate::testing::packet;

    fn feed(source: &mut Source, now: Instant, seq: u16) -> Result<Reception, SourceError> {
        source.receive(now, &packet(1, seq, u32::from(seq) * 160, &[0]))
    }

    #[test]
    fn two_packets_in_sequence_end_probation() {
        let t = Instant::now();
        let mut source = Source::new(Ssrc(1), 8000, 2);
        assert_eq!(feed(&mut source, t, 10), Err(SourceError::Probation));
        assert_eq!(feed(&mut source, t, 12), Err(SourceError::Probation));
        assert!(!source.is_valid());
        assert_eq!(
            source.report(t),
            ReportBlock { ssrc: Ssrc(1), highest_seq: 12, ..ReportBlock::default() }
        );
        assert!(feed(&mut source, t, 13).is_ok());
        assert!(source.is_valid());
        assert_eq!(source.received(), 1);
        assert_eq!(source.lost(), 0);
    }

    #[test]
    fn sequence_numbers_of_rfc_3550_a1() {
        type Expected = Result<(i64, bool, bool), SourceError>;
        let t = Instant::now();
        // (input, extended number relative to the first, late, restarted) or the reason for refusal.
        let rows: &[(u16, Expected)] = &[
            (65530, Ok((0, false, false))),
            (65535, Ok((5, false, false))),
            (2, Ok((8, false, false))),
            (65533, Ok((3, true, false))),
            (2, Ok((8, true, false))),
            (3001, Ok((3007, false, false))),
            (6001, Err(SourceError::OutOfRange)),
            (3002, Ok((3008, false, false))),
            (6002, Err(SourceError::OutOfRange)),
            (40000, Err(SourceError::OutOfRange)),
            (2902, Ok((2908, true, false))),
            (2901, Err(SourceError::OutOfRange)),
            (50000, Err(SourceError::OutOfRange)),
            (50001, Ok((0, false, true))),
            (50002, Ok((1, false, false))),
        ];
        let mut source = Source::new(Ssrc(1), 8000, 0);
        let mut first = None;
        for (i, &(seq, expected)) in rows.iter().enumerate() {
            let got = feed(&mut source, t, seq).map(|r| {
                if r.restarted || first.is_none() {
                    first = Some(r.ext_seq.0);
                }
                (r.ext_seq.0.cast_signed() - first.unwrap().cast_signed(), r.late, r.restarted)
            });
            assert_eq!(got, expected, "row {i}: {seq}");
        }
    }

    #[test]
    fn losses_of_rfc_3550_a3() {
        let t = Instant::now();
        let mut source = Source::new(Ssrc(1), 8000, 0);
        for seq in (65500..=65535).chain(0..=63) {
            if seq % 4 != 0 {
                feed(&mut source, t, seq).unwrap();
            }
        }
        let block = source.report(t);
        // The first was 65501, so 99 were expected and 75 came.
        assert_eq!(block.lost, 24);
        assert_eq!(block.fraction_lost, (24 * 256 / 99) as u8);
        assert_eq!(block.highest_seq, 0x1_003f);
        // Nothing lost in the next interval, and duplicates make less than nothing.
        for seq in [64, 65, 65, 65] {
            feed(&mut source, t, seq).unwrap();
        }
        let block = source.report(t);
        assert_eq!(block.fraction_lost, 0);
        assert_eq!(block.lost, 22);
        // Nothing came at all.
        assert_eq!(source.report(t).fraction_lost, 0);
    }

    #[test]
    fn more_duplicates_than_losses_are_a_negative_loss() {
        let t = Instant::now();
        let mut source = Source::new(Ssrc(1), 8000, 0);
        for _ in 0..5 {
            feed(&mut source, t, 7).unwrap();
        }
        assert_eq!(source.report(t).lost, -4);
    }

    #[test]
    fn jitter_of_rfc_3550_a8() {
        let t = Instant::now();
        let mut source = Source::new(Ssrc(1), 8000, 0);
        // Arrival in ms; timestamps every 20 ms. |D| = 0, 80, 80, 0 units.
        let mut jitter = 0i64;
        for (i, (arrival, d)) in
            [(0, 0), (20, 0), (50, 80), (60, 80), (80, 0)].into_iter().enumerate()
        {
            let at = t + Duration::from_millis(arrival);
            // The timestamps wrap on the way.
            let timestamp = (u32::MAX - 200).wrapping_add(160 * i as u32);
            source.receive(at, &packet(1, i as u16, timestamp, &[0])).unwrap();
            jitter += d - ((jitter + 8) >> 4);
            assert_eq!(i64::from(source.report(at).jitter), jitter >> 4, "packet {i}");
        }
        // 80, then 80 - (88 >> 4) + 80 = 155, then 155 - (163 >> 4) = 145, all in sixteenths.
        assert_eq!(jitter, 145);
        assert_eq!(source.jitter(), Duration::from_micros(9 * 125));
    }

    #[test]
    fn a_timestamp_jump_is_no_jitter() {
        let t = Instant::now();
        let mut source = Source::new(Ssrc(1), 8000, 0);
        source.receive(t, &packet(1, 1, 0, &[0])).unwrap();
        source.receive(t, &packet(1, 2, 1 << 30, &[0])).unwrap();
        assert_eq!(source.jitter(), Duration::ZERO);
    }

    #[test]
    fn round_trip_of_rfc_3550_figure_2() {
        let block = ReportBlock {
            last_sr: 0xb705_2000,
            delay_since_last_sr: 0x0005_4000,
            ..ReportBlock::default()
        };
        let now = NtpTime(0xb44d_b710_8000_0000);
        // 0xb710:8000 - 0x0005:4000 - 0xb705:2000 = 0x0006:2000 = 6.125 s.
        assert_eq!(round_trip(now, &block), Some(Duration::from_millis(6125)));
        assert_eq!(round_trip(now, &ReportBlock::default()), None);
        let early = NtpTime(0xb44d_b70a_5fff_0000);
        assert_eq!(round_trip(early, &block), Some(Duration::ZERO));
        let nonsense = NtpTime(0xb44d_0000_0000_0000);
        assert_eq!(round_trip(nonsense, &block), None);
    }

    #[test]
    fn a_sender_report_maps_media_time_to_wall_clock() {
        let t = Instant::now();
        let mut source = Source::new(Ssrc(1), 90_000, 0);
        assert_eq!(source.ntp_of(RtpTime(0)), None);
        source.sender_report(
            t,
            SenderInfo { ntp: NtpTime(5 << 32), rtp: RtpTime(10), ..SenderInfo::default() },
        );
        assert_eq!(source.ntp_of(RtpTime(90_010)), Some(NtpTime(6 << 32)));
        assert_eq!(
            source.ntp_of(RtpTime(10u32.wrapping_sub(45_000))),
            Some(NtpTime((4 << 32) | (1 << 31)))
        );
        feed(&mut source, t, 1).unwrap();
        let block = source.report(t + Duration::from_millis(500));
        assert_eq!(block.last_sr, 5 << 16);
        assert_eq!(block.delay_since_last_sr, 0x8000);
    }
}
