//! Times of chat messages as text: RFC 3339, of which CPIM's DateTime is a profile (RFC 3862 §4.4).

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `2026-08-22T10:02:11Z` for a time since 1970-01-01T00:00:00Z; whole seconds, in UTC. What lies
/// beyond the year 9999 is written as its end.
#[must_use]
pub fn to_rfc3339(unix: Duration) -> String {
    let seconds = i64::try_from(unix.as_secs()).unwrap_or(i64::MAX).min(END);
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// The time since 1970-01-01T00:00:00Z that an RFC 3339 text names, whatever its offset. `None` for
/// another text, or a time before 1970.
#[must_use]
pub fn from_rfc3339(text: &str) -> Option<Duration> {
    let time = OffsetDateTime::parse(text.trim(), &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp()).ok().map(Duration::from_secs)
}

/// 9999-12-31T23:59:59Z.
const END: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
        ] {
            let unix = Duration::from_secs(seconds);
            assert_eq!(to_rfc3339(unix), text);
            assert_eq!(from_rfc3339(text), Some(unix));
        }
        assert_eq!(to_rfc3339(Duration::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn offsets_and_fractions_are_understood_and_nonsense_is_not() {
        // the example of RFC 3862 §4.4
        let unix = from_rfc3339("2001-02-01T12:16:49-05:00").unwrap();
        assert_eq!(to_rfc3339(unix), "2001-02-01T17:16:49Z");
        let fraction = from_rfc3339(" 2026-08-22T10:02:11.25Z ");
        assert_eq!(fraction, from_rfc3339("2026-08-22T10:02:11Z"));
        for bad in ["", "now", "2026-08-22", "2026-13-01T00:00:00Z", "1950-01-01T00:00:00Z"] {
            assert_eq!(from_rfc3339(bad), None, "{bad}");
        }
    }
}
