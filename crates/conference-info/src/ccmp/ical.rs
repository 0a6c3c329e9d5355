//! The two lines of an iCalendar object that say when a conference is (RFC 5545, RFC 6501 §4.2.5).

use std::time::Duration;

use super::Planned;
use crate::when;

/// The longest duration taken: a year.
const MAX_DURATION: Duration = Duration::from_secs(366 * 86_400);

/// Begin and end of the first event.
pub(crate) fn parse(text: &str) -> Option<Planned> {
    let mut start = None;
    let mut end = None;
    let mut duration = None;
    for line in text.lines() {
        let Some((name, value)) = line.trim().split_once(':') else { continue };
        // Parameters such as TZID stand behind the name; zones of the local kind are taken as UTC.
        let name = name.split(';').next().unwrap_or_default();
        match name.to_ascii_uppercase().as_str() {
            "DTSTART" if start.is_none() => start = when::parse(value),
            "DTEND" if end.is_none() => end = when::parse(value),
            "DURATION" if duration.is_none() => duration = parse_duration(value),
            _ => {}
        }
    }
    let start = start?;
    let end = end.or_else(|| start.checked_add(duration?)).filter(|end| *end > start);
    Some(Planned { start, end })
}

/// `PT1H30M`, `P1D`, `P1W` (RFC 5545 §3.3.6).
fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim().trim_start_matches('+').strip_prefix('P')?;
    let mut total: u64 = 0;
    let mut digits = String::new();
    for c in text.chars() {
        let unit = match c {
            '0'..='9' if digits.len() < 9 => {
                digits.push(c);
                continue;
            }
            'T' => continue,
            'W' => 7 * 86_400,
            'D' => 86_400,
            'H' => 3600,
            'M' => 60,
            'S' => 1,
            _ => return None,
        };
        total += unit * std::mem::take(&mut digits).parse::<u64>().ok()?;
    }
    let duration = Duration::from_secs(total);
    (digits.is_empty() && total > 0 && duration <= MAX_DURATION).then_some(duration)
}

/// An iCalendar object with one event. `uid` names it. As Linphone writes them: begin and duration.
pub(crate) fn print(planned: &Planned, uid: &str) -> Option<String> {
    let start = when::print_basic(planned.start)?;
    let duration = planned.end.map(|end| {
        let minutes = end.saturating_sub(planned.start).as_secs().div_ceil(60);
        format!("DURATION:PT{}H{}M\r\n", minutes / 60, minutes % 60)
    });
    Some(format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Parley//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:{start}\r\nDTSTART:{start}\r\n{}END:VEVENT\r\nEND:VCALENDAR\r\n",
        duration.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(start: u64, end: Option<u64>) -> Planned {
        Planned { start: Duration::from_secs(start), end: end.map(Duration::from_secs) }
    }

    #[test]
    fn begin_and_end_are_read_as_they_are_printed() {
        for case in [planned(1_787_392_800, Some(1_787_398_200)), planned(1_787_392_800, None)] {
            assert_eq!(parse(&print(&case, "x").unwrap()), Some(case));
        }
    }

    #[test]
    fn the_end_may_be_told_as_such_or_as_a_duration() {
        let day = 86_400;
        let at = 1_192_631_400;
        for (line, length) in [
            ("DTEND:20071017T153000Z", Some(3600)),
            ("DURATION:PT1H30M", Some(5400)),
            ("DURATION:P1DT1S", Some(day + 1)),
            ("DURATION:P2W", Some(14 * day)),
            ("DTEND:20071017T133000Z", None),
            ("DURATION:PT", None),
            ("DURATION:P9999999999W", None),
            ("DURATION:P99999W", None),
        ] {
            let text = format!("BEGIN:VEVENT\n DTSTART;TZID=UTC:20071017T143000Z\n  {line}\n");
            assert_eq!(parse(&text), Some(planned(at, length.map(|l| at + l))), "{line}");
        }
        assert_eq!(parse("DTEND:20071017T153000Z"), None);
    }
}
