//! Which loss an encoder should be prepared for, out of what the receiver reports.

/// Share of what was that stays with each report: reports come every few seconds, and one bad interval is no
/// reason to spend bits on redundancy for long.
const MEMORY: f32 = 0.7;
/// What an encoder is told, in percent, from which loss on. Few values, so that many receivers share one encoding.
const STEPS: [(f32, u8); 3] = [(0.12, 20), (0.05, 10), (0.01, 5)];
/// A loss must have sunk to this share of a step's threshold before the step is left.
const LEAVE: f32 = 0.7;
/// Before the first report.
const UNKNOWN: u8 = 5;

/// The expected loss of one receiver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedLoss {
    smoothed: Option<f32>,
    percent: u8,
}

impl Default for ExpectedLoss {
    fn default() -> Self {
        Self { smoothed: None, percent: UNKNOWN }
    }
}

impl ExpectedLoss {
    /// The receiver reports that it lost so much of the last interval, in 1/256 (RFC 3550 §6.4.1).
    pub fn report(&mut self, fraction: u8) {
        let lost = f32::from(fraction) / 256.0;
        let smoothed = self.smoothed.map_or(lost, |old| old * MEMORY + lost * (1.0 - MEMORY));
        self.smoothed = Some(smoothed);
        let reached = |(from, percent): &(f32, u8)| {
            let from = if *percent <= self.percent { from * LEAVE } else { *from };
            smoothed >= from
        };
        self.percent = STEPS.iter().find(|step| reached(step)).map_or(0, |(_, percent)| *percent);
    }

    /// What to tell the encoder, in percent.
    #[must_use]
    pub const fn percent(&self) -> u8 {
        self.percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(reports: impl IntoIterator<Item = u8>) -> u8 {
        let mut loss = ExpectedLoss::default();
        reports.into_iter().for_each(|fraction| loss.report(fraction));
        loss.percent()
    }

    #[test]
    fn reports_are_followed_in_steps() {
        assert_eq!(after([]), UNKNOWN);
        assert_eq!(after([0]), 0);
        assert_eq!(after([5; 5]), 5);
        assert_eq!(after([26; 5]), 10);
        assert_eq!(after([100; 5]), 20);
    }

    #[test]
    fn one_bad_interval_passes_and_a_border_does_not_flap() {
        assert!(after([0, 0, 0, 26]) <= 5);
        assert_eq!(after([26, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 0);
        let mut loss = ExpectedLoss::default();
        (0..5).for_each(|_| loss.report(14));
        for fraction in [12, 13, 12, 14, 12, 12] {
            loss.report(fraction);
            assert_eq!(loss.percent(), 10);
        }
    }
}
