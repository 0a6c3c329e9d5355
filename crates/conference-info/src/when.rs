//! Points in time in documents: `2026-08-22T10:00:00Z` and, in iCalendar, `20260822T100000Z`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The format of iCalendar (RFC 5545 §3.3.5), without zone.
const BASIC: &str = "%Y%m%dT%H%M%S";

fn from_unix(unix: Duration) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(unix.as_secs()).ok()?).ok()
}

fn to_unix(time: Timestamp) -> Option<Duration> {
    u64::try_from(time.as_second()).ok().map(Duration::from_secs)
}

fn in_utc(time: DateTime) -> Option<Timestamp> {
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// A point in time in UTC, whole seconds (Linphone reads the sign of an offset wrong). `None` after the
/// year 9999.
pub(crate) fn print(unix: Duration) -> Option<String> {
    Some(from_unix(unix)?.to_string())
}

/// Reads an `xs:dateTime`, or a date with time of iCalendar; without zone it is taken as UTC. `None`
/// also before 1970.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    if !text.contains('T') {
        return None;
    }
    to_unix(text.parse().ok().or_else(|| in_utc(text.parse().ok()?))?)
}

/// A point in time as iCalendar writes it.
pub(crate) fn print_basic(unix: Duration) -> Option<String> {
    Some(format!("{}Z", from_unix(unix)?.strftime(BASIC)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_printed() {
        for (unix, text, basic) in [
            (0, "1970-01-01T00:00:00Z", "19700101T000000Z"),
            (1_787_392_800, "2026-08-22T10:00:00Z", "20260822T100000Z"),
        ] {
            let unix = Duration::from_secs(unix);
            assert_eq!(print(unix).as_deref(), Some(text));
            assert_eq!(parse(text), Some(unix));
            assert_eq!(print_basic(unix).as_deref(), Some(basic));
            assert_eq!(parse(basic), Some(unix));
        }
    }

    #[test]
    fn times_of_others_are_read_and_nonsense_is_not() {
        let ten = Some(Duration::from_secs(1_787_392_800));
        for text in ["2026-08-22T10:00:00.25Z", "2026-08-22T12:00:00+02:00", "2026-08-22T10:00:00"]
        {
            assert_eq!(parse(text), ten, "{text}");
        }
        for text in ["", "now", "1969-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "20260822"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(print(Duration::MAX), None);
    }
}
