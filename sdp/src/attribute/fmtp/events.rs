//! The events of telephone-event (RFC 4733 §2.4.1).

use super::FormatParameters;

/// Which events a receiver understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events(Vec<(u8, u8)>);

impl Events {
    /// Whether it understands this one: 0–9 are the digits, 10 `*`, 11 `#`, 12–15 A–D, 16 flash.
    pub fn contains(&self, event: u8) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&event))
    }
}

/// More ranges than there can be events between them.
const MAX_RANGES: usize = 128;

impl From<&FormatParameters> for Events {
    /// A comma-separated list of numbers and ranges, `0-15,66`. RFC 4733 §2.4.1: without a list it is
    /// 0–15; so it is with one that says nothing.
    fn from(parameters: &FormatParameters) -> Self {
        // `events=` is the name the list has as a media type parameter (RFC 4733 §7.1.1).
        let list = parameters.get("events").unwrap_or(parameters.as_str());
        let ranges = list.split(',').filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
        });
        let ranges: Vec<(u8, u8)> = ranges.take(MAX_RANGES).collect();
        if ranges.is_empty() { Self(vec![(0, 15)]) } else { Self(ranges) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges() {
        for (text, some, none) in [
            ("0-15", vec![0, 9, 15], vec![16, 255]),
            ("", vec![0, 15], vec![16]),
            ("vbr=on", vec![0, 15], vec![16]),
            ("0-11", vec![0, 11], vec![12]),
            ("0-15,66,70-72", vec![15, 66, 71], vec![16, 67, 73]),
            ("0 - 9 , 16", vec![9, 16], vec![10]),
            ("events=0-9", vec![9], vec![10]),
            ("15-0", vec![], vec![0, 15]),
        ] {
            let events = Events::from(&FormatParameters::new(text));
            assert!(some.iter().all(|event| events.contains(*event)), "{text}");
            assert!(!none.iter().any(|event| events.contains(*event)), "{text}");
        }
    }
}
