//! Times as people write and read them, in their own zone.

use std::time::Duration;

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan, Zoned};

/// A time on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Since 1970-01-01T00:00:00Z.
    At(Duration),
    /// So long after another.
    After(Duration),
}

impl Moment {
    /// Since 1970-01-01T00:00:00Z, if what it may be counted from is `base`.
    pub fn counted_from(self, base: Duration) -> Duration {
        match self {
            Moment::At(time) => time,
            Moment::After(time) => base.saturating_add(time),
        }
    }

    /// Reads `2026-11-23 10:00`, `10:00` (the next one), `2026-11-23T09:00Z` or `+90m`.
    ///
    /// # Errors
    /// What a time looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        read(text, &Zoned::now()).ok_or_else(|| {
            "expected a time like \"2026-11-23 10:00\", 10:00, 2026-11-23T09:00Z or +90m".to_owned()
        })
    }
}

fn read(text: &str, now: &Zoned) -> Option<Moment> {
    if let Some(text) = text.strip_prefix('+') {
        let after: SignedDuration = text.parse().ok()?;
        return Some(Moment::After(after.try_into().ok()?));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return since_epoch(at);
    }
    if let Ok(at) = text.parse::<DateTime>() {
        return since_epoch(at.to_zoned(now.time_zone().clone()).ok()?.timestamp());
    }
    let at = now.with().time(text.parse::<Time>().ok()?).build().ok()?;
    let day: Span = if at <= *now { 1.day() } else { 0.days() };
    since_epoch(at.checked_add(day).ok()?.timestamp())
}

fn since_epoch(at: Timestamp) -> Option<Moment> {
    let since = at.as_duration();
    Some(Moment::At(since.try_into().ok()?))
}

/// The time of day in our zone, as `12:03:11`.
pub fn time_of_day(since_epoch: Duration) -> String {
    shown(since_epoch, "%H:%M:%S", &TimeZone::system())
}

/// Day and time in our zone, as `2026-11-23 10:00`; today's without the day.
pub fn day_and_time(since_epoch: Duration) -> String {
    let zone = TimeZone::system();
    let day = "%Y-%m-%d";
    let today = Zoned::now().strftime(day).to_string() == shown(since_epoch, day, &zone);
    shown(since_epoch, if today { "%H:%M" } else { "%Y-%m-%d %H:%M" }, &zone)
}

fn shown(since_epoch: Duration, format: &str, zone: &TimeZone) -> String {
    let since = SignedDuration::try_from(since_epoch).ok();
    let at = since.and_then(|since| Timestamp::from_duration(since).ok()).unwrap_or_default();
    at.to_zoned(zone.clone()).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now: Zoned = "2026-11-22T22:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let at = |text: &str| match read(text, &now) {
            Some(Moment::At(since)) => {
                let since = SignedDuration::try_from(since).unwrap();
                Some(Timestamp::from_duration(since).unwrap().to_string())
            }
            _ => None,
        };
        assert_eq!(at("2026-11-23 10:00").as_deref(), Some("2026-11-23T09:00:00Z"));
        assert_eq!(at("2026-11-23T10:00").as_deref(), Some("2026-11-23T09:00:00Z"));
        assert_eq!(at("2026-11-23T10:00Z").as_deref(), Some("2026-11-23T10:00:00Z"));
        assert_eq!(at("23:30").as_deref(), Some("2026-11-22T22:30:00Z"));
        assert_eq!(at("10:00").as_deref(), Some("2026-11-23T09:00:00Z"), "tomorrow");
        let after = |minutes: u64| Some(Moment::After(Duration::from_secs(60 * minutes)));
        assert_eq!(read("+90m", &now), after(90));
        assert_eq!(read("+1h30m", &now), after(90));
        for wrong in ["", "soon", "25:00", "+", "+-5m", "2026-13-01 10:00"] {
            assert_eq!(read(wrong, &now), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_shown_in_the_zone_of_who_reads() {
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        let noon = Duration::from_secs(12 * 3600 + 3 * 60 + 11);
        assert_eq!(shown(noon, "%H:%M:%S", &zone), "21:03:11");
        assert_eq!(shown(Duration::MAX, "%H", &TimeZone::UTC), "00");
    }
}
