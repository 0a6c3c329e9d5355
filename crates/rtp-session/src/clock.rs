//! Instants as media timestamps and as NTP time, each anchored once.

use std::time::{Duration, Instant};

use crate::RtpTime;

/// `later - earlier` in units of a clock of `rate` Hz; negative when `later` is the earlier one.
pub(crate) fn ticks_between(earlier: Instant, later: Instant, rate: u32) -> i64 {
    let ticks = |d: Duration| {
        let whole = d.as_secs().saturating_mul(u64::from(rate));
        let part = u64::from(d.subsec_nanos()) * u64::from(rate) / 1_000_000_000;
        i64::try_from(whole.saturating_add(part)).unwrap_or(i64::MAX)
    };
    match later.checked_duration_since(earlier) {
        Some(d) => ticks(d),
        None => -ticks(earlier.duration_since(later)),
    }
}

/// The duration of `ticks` at `rate` Hz; zero for a negative number or a clock that stands still.
pub(crate) fn ticks_to_duration(ticks: i64, rate: u32) -> Duration {
    let nanos = u128::try_from(ticks).unwrap_or(0) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A media clock: which timestamp a moment has (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug)]
pub struct MediaClock {
    anchor: Instant,
    start: RtpTime,
    rate: u32,
}

impl MediaClock {
    /// A clock of `rate` Hz that shows `start` at `anchor`.
    #[must_use]
    pub const fn new(rate: u32, anchor: Instant, start: RtpTime) -> Self {
        Self { anchor, start, rate }
    }

    /// The timestamp of `now`, also before the anchor.
    #[must_use]
    pub fn at(&self, now: Instant) -> RtpTime {
        RtpTime(self.start.0.wrapping_add(ticks_between(self.anchor, now, self.rate) as u32))
    }

    /// Units per second.
    #[must_use]
    pub const fn rate(&self) -> u32 {
        self.rate
    }

    /// How many units `duration` has.
    #[must_use]
    pub fn ticks(&self, duration: Duration) -> u32 {
        (duration.as_nanos() * u128::from(self.rate) / 1_000_000_000) as u32
    }

    /// How long `ticks` units are.
    #[must_use]
    pub fn duration(&self, ticks: u32) -> Duration {
        ticks_to_duration(i64::from(ticks), self.rate)
    }
}

/// Wall-clock time as RTCP writes it: seconds since 1900 in 32.32 fixed point (RFC 3550 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The middle 32 bits: seconds in 16.16, as LSR and DLSR count them.
    #[must_use]
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// Instants as NTP time. Anchored once, so that a stepped wall clock never steps a stream.
#[derive(Clone, Copy, Debug)]
pub struct NtpClock {
    anchor: Instant,
    start: u64,
}

/// Seconds between 1900 and 1970.
const NTP_UNIX_OFFSET: u64 = 2_208_988_800;

fn to_fixed(d: Duration) -> u64 {
    (d.as_secs() << 32) | ((u64::from(d.subsec_nanos()) << 32) / 1_000_000_000)
}

impl NtpClock {
    /// A clock which says that `anchor` was `since_unix_epoch` after 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn new(anchor: Instant, since_unix_epoch: Duration) -> Self {
        let start = to_fixed(since_unix_epoch).wrapping_add(NTP_UNIX_OFFSET << 32);
        Self { anchor, start }
    }

    /// The NTP time of `now`, also before the anchor.
    #[must_use]
    pub fn at(&self, now: Instant) -> NtpTime {
        NtpTime(match now.checked_duration_since(self.anchor) {
            Some(d) => self.start.wrapping_add(to_fixed(d)),
            None => self.start.wrapping_sub(to_fixed(self.anchor.duration_since(now))),
        })
    }
}

/// A duration in units of 1/65536 s, as DLSR counts it; saturating.
pub(crate) fn to_short_ntp(d: Duration) -> u32 {
    u32::try_from(to_fixed(d.min(Duration::from_secs(65535))) >> 16).unwrap_or(u32::MAX)
}

/// Units of 1/65536 s as a duration.
pub(crate) fn from_short_ntp(units: u32) -> Duration {
    Duration::from_nanos(u64::from(units) * 1_000_000_000 / 65536)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;

    #[test]
    fn a_media_clock_counts_from_its_anchor_and_wraps() {
        let t = Instant::now();
        let clock = MediaClock::new(48000, t, RtpTime(u32::MAX - 479));
        assert_eq!(clock.at(t + Duration::from_millis(20)), RtpTime(480));
        assert_eq!(clock.ticks(Duration::from_millis(20)), 960);
        assert_eq!(clock.duration(960), Duration::from_millis(20));
        let later = MediaClock::new(8000, t + Duration::from_secs(1), RtpTime(8000));
        assert_eq!(later.at(t), RtpTime(0));
    }

    #[test]
    fn ntp_time_of_a_known_moment() {
        // RFC 3550 §6.4.1 figure 2: SR sent at 0xb44db705:20000000 = 10 November 1995 11:33:25.125 UTC.
        let t = Instant::now();
        let clock = NtpClock::new(t, Duration::from_millis(816_003_205_125));
        assert_eq!(clock.at(t), NtpTime(0xb44d_b705_2000_0000));
        assert_eq!(clock.at(t).middle(), 0xb705_2000);
        assert_eq!(clock.at(t + Duration::from_millis(500)), NtpTime(0xb44d_b705_a000_0000));
    }

    #[test]
    fn short_ntp_there_and_back() {
        assert_eq!(to_short_ntp(Duration::from_millis(5250)), 0x0005_4000);
        assert_eq!(from_short_ntp(0x0005_4000), Duration::from_millis(5250));
        assert_eq!(to_short_ntp(Duration::from_secs(1 << 40)), 0xffff_0000);
    }
}
