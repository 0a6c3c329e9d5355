//! One clock for all codecs: RTP timestamps as media time.

use std::time::{Duration, Instant};

use rtp_session::{ExtRtpTime, ExtSeq, RtpPacket, Ssrc};

/// Media time and spans of it, in 1/48000 s: a whole number of them makes a unit of every RTP clock and a
/// sample of every rate we have.
pub(crate) type Ticks = i64;

/// Ticks per second.
pub(crate) const PER_SECOND: Ticks = 48_000;
/// Ticks per millisecond.
pub(crate) const MS: Ticks = PER_SECOND / 1000;

pub(crate) fn ticks(duration: Duration) -> Ticks {
    let ticks = duration.as_nanos() * PER_SECOND as u128 / 1_000_000_000;
    Ticks::try_from(ticks).unwrap_or(Ticks::MAX)
}

pub(crate) fn duration(ticks: Ticks) -> Duration {
    let nanos = u128::try_from(ticks).unwrap_or(0) * 1_000_000_000 / PER_SECOND as u128;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The listener's clock, counted from the first moment it was asked about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    epoch: Option<Instant>,
}

impl Clock {
    pub(crate) fn at(&mut self, now: Instant) -> Ticks {
        let epoch = *self.epoch.get_or_insert(now);
        match now.checked_duration_since(epoch) {
            Some(since) => ticks(since),
            None => -ticks(epoch.duration_since(now)),
        }
    }
}

/// Where a packet stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) time: Ticks,
    pub(crate) seq: ExtSeq,
    /// It came after one with a higher number.
    pub(crate) reordered: bool,
}

/// The numbers of one SSRC.
#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: Ssrc,
    /// Ticks per unit of the RTP clock.
    unit: Ticks,
    /// Media time of RTP timestamp 0 of the present clock.
    origin: Ticks,
    newest: ExtRtpTime,
    newest_seq: ExtSeq,
    /// Where the newest packet ends.
    end: Ticks,
}

/// Puts the packets of one source in order of media time, through changes of the RTP clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timeline {
    stream: Option<Stream>,
}

impl Timeline {
    /// Whether this SSRC is not the one that is followed.
    pub(crate) fn is_foreign(&self, ssrc: Ssrc) -> bool {
        self.stream.is_none_or(|stream| stream.ssrc != ssrc)
    }

    /// The SSRC that is followed.
    pub(crate) fn ssrc(&self) -> Option<Ssrc> {
        self.stream.map(|stream| stream.ssrc)
    }

    /// Follows the stream of this packet from its media time 0 on.
    pub(crate) fn start(&mut self, packet: &RtpPacket, clock_rate: u32) {
        let newest = ExtRtpTime::first(packet.timestamp());
        let unit = PER_SECOND / Ticks::from(clock_rate.clamp(1, PER_SECOND as u32));
        self.stream = Some(Stream {
            ssrc: packet.ssrc(),
            unit,
            origin: -newest.0.saturating_mul(unit),
            newest,
            newest_seq: ExtSeq::first(packet.seq()),
            end: 0,
        });
    }

    /// Where a packet belongs. With another clock rate its timestamps say nothing about those before
    /// (RFC 7160 §3): it then follows the newest one as its number tells, `typical` long each.
    pub(crate) fn place(&self, packet: &RtpPacket, clock_rate: u32, typical: Ticks) -> Place {
        let Some(mut stream) = self.stream else {
            return Place { time: 0, seq: ExtSeq::first(packet.seq()), reordered: false };
        };
        stream.change_clock(packet, clock_rate, typical);
        let seq = stream.newest_seq.nearest(packet.seq());
        let time = stream.newest.nearest(packet.timestamp());
        Place {
            time: stream.origin.saturating_add(time.0.saturating_mul(stream.unit)),
            seq,
            reordered: seq < stream.newest_seq,
        }
    }

    /// Takes note of a packet that was [placed](Self::place).
    pub(crate) fn advance(
        &mut self,
        packet: &RtpPacket,
        clock_rate: u32,
        typical: Ticks,
        end: Ticks,
    ) {
        let Some(stream) = &mut self.stream else { return };
        stream.change_clock(packet, clock_rate, typical);
        stream.newest = stream.newest.max(stream.newest.nearest(packet.timestamp()));
        stream.newest_seq = stream.newest_seq.max(stream.newest_seq.nearest(packet.seq()));
        stream.end = stream.end.max(end);
    }

    pub(crate) fn forget(&mut self) {
        self.stream = None;
    }
}

impl Stream {
    fn change_clock(&mut self, packet: &RtpPacket, clock_rate: u32, typical: Ticks) {
        let unit = PER_SECOND / Ticks::from(clock_rate.clamp(1, PER_SECOND as u32));
        if unit == self.unit {
            return;
        }
        let after = packet.seq().distance_from(self.newest_seq.wire()).max(1);
        let time = self.end + Ticks::from(after - 1) * typical;
        self.unit = unit;
        self.newest = ExtRtpTime::first(packet.timestamp());
        self.origin = time - self.newest.0.saturating_mul(unit);
    }
}
