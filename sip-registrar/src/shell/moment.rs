//! Calendar times as people and programs write them. Everywhere else a time is a `Duration` since 1970.

use std::time::Duration;

use anyhow::{anyhow, bail};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, Zoned};

/// `2026-11-22T10:00:00.25Z` (RFC 3339).
pub(crate) fn rfc3339(since_1970: Duration) -> String {
    timestamp(since_1970).to_string()
}

/// The time of `2026-11-22T10:00:00Z` or `2026-11-22T11:00:00+01:00` (RFC 3339). `None` when it is no
/// such time, or before 1970.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Duration> {
    since_1970(text.parse().ok()?)
}

/// `2026-11-22 11:00:00` by the clock of this machine's user (TZ, /etc/localtime).
pub(crate) fn local(since_1970: Duration) -> String {
    let zoned = timestamp(since_1970).to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// What somebody types: how long ago (`2h`, `3 days`), a day or a time of the local clock
/// (`2026-11-22`, `2026-11-22 14:30`), or RFC 3339.
pub(crate) fn parse_typed(text: &str) -> anyhow::Result<Duration> {
    parse_at(text.trim(), &Zoned::now())
}

fn parse_at(text: &str, now: &Zoned) -> anyhow::Result<Duration> {
    let instant = if let Ok(instant) = text.parse::<Timestamp>() {
        instant
    } else if let Ok(civil) = text.parse::<DateTime>() {
        civil.to_zoned(now.time_zone().clone())?.timestamp()
    } else if let Ok(span) = text.parse::<Span>() {
        let ago = span.to_duration(SpanRelativeTo::from(now))?.abs();
        now.timestamp().checked_sub(ago)?
    } else {
        bail!("\"{text}\" is no time: say 2h, 3d, 2026-11-22, \"2026-11-22 14:30\"");
    };
    since_1970(instant).ok_or_else(|| anyhow!("\"{text}\" is before 1970"))
}

fn timestamp(since_1970: Duration) -> Timestamp {
    let millis = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

fn since_1970(instant: Timestamp) -> Option<Duration> {
    let since: SignedDuration = instant.duration_since(Timestamp::UNIX_EPOCH);
    Duration::try_from(since).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_programs_are_rfc_3339() {
        let time = Duration::from_millis(1_795_341_600_250);
        assert_eq!(rfc3339(time), "2026-11-22T10:00:00.25Z");
        assert_eq!(parse_rfc3339("2026-11-22T10:00:00.25Z"), Some(time));
        assert_eq!(parse_rfc3339("2026-11-22T11:00:00.25+01:00"), Some(time));
        for bad in ["", "2026-11-22", "2026-11-22T10:00:00", "1969-12-31T23:59:59Z", "now"] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
        assert!(rfc3339(Duration::MAX).starts_with("9999-12-30"));
    }

    #[test]
    fn people_may_say_how_long_ago_or_when() {
        let now: Zoned = "2026-11-22T12:00:00+02:00[+02:00]".parse().unwrap();
        let hour = 3600;
        let noon = 1_795_341_600;
        for (text, expected) in [
            ("2h", noon - 2 * hour),
            ("90 minutes", noon - hour * 3 / 2),
            ("3d", noon - 72 * hour),
            ("2026-11-22", noon - 12 * hour),
            ("2026-11-22 14:30", noon + hour * 5 / 2),
            ("2026-11-22T10:00:00Z", noon),
        ] {
            let parsed = parse_at(text, &now).unwrap();
            assert_eq!(parsed, Duration::from_secs(expected), "{text}");
        }
        for bad in ["", "yesterday", "2026-13-01", "100000 years", "1960-01-01"] {
            assert!(parse_at(bad, &now).is_err(), "{bad}");
        }
    }
}
