//! Calendar time for a core that only knows `Instant`: one anchor, given at start.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Maps an `Instant` to the calendar.
#[derive(Debug, Clone, Copy)]
pub struct WallClock {
    anchor: Instant,
    unix: Duration,
}

impl WallClock {
    /// `unix` is the time since 1970-01-01T00:00:00Z at the instant `anchor`.
    #[must_use]
    pub fn new(anchor: Instant, unix: Duration) -> Self {
        WallClock { anchor, unix }
    }

    /// Time since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix(&self, now: Instant) -> Duration {
        self.unix + now.saturating_duration_since(self.anchor)
    }

    /// The instant of a time since 1970; times before the anchor are the anchor. What is too far away to
    /// be told is a century away.
    #[must_use]
    pub fn instant(&self, unix: Duration) -> Instant {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
        self.anchor + unix.saturating_sub(self.unix).min(CENTURY)
    }

    /// The value of a Date header field: `Sat, 13 Nov 2010 23:29:00 GMT` (RFC 3261 §20.17).
    #[must_use]
    pub fn date(&self, now: Instant) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let seconds = self.unix(now).as_secs();
        let days = seconds / 86_400;
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        // Days since 0000-03-01, so that the leap day is the last of its year.
        let z = days + 719_468;
        let era = z / 146_097;
        let day_of_era = z % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = (shifted_month + 2) % 12;
        let year = era * 400 + year_of_era + u64::from(month < 2);
        let name = |names: &[&'static str], index: u64| {
            usize::try_from(index).ok().and_then(|i| names.get(i).copied()).unwrap_or_default()
        };
        let mut text = String::with_capacity(29);
        let _ = write!(
            text,
            "{}, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT",
            name(&DAYS, days % 7),
            name(&MONTHS, month),
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let start = Instant::now();
        for (unix, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            // The example of RFC 3261 §20.17.
            (1_289_690_940, "Sat, 13 Nov 2010 23:29:00 GMT"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
        ] {
            let clock = WallClock::new(start, Duration::from_secs(unix));
            assert_eq!(clock.date(start), date);
        }
        let clock = WallClock::new(start, Duration::from_secs(59));
        let later = start + Duration::from_secs(5);
        assert_eq!(clock.instant(clock.unix(later)), later);
        assert_eq!(clock.instant(Duration::ZERO), start);
        assert!(clock.instant(Duration::MAX) > later);
        assert_eq!(clock.date(start + Duration::from_secs(1)), "Thu, 01 Jan 1970 00:01:00 GMT");
    }
}
