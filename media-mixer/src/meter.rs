//! What flowed on one m-line in the last seconds.

use std::time::{Duration, Instant};

/// Samples kept, one a second: losses are told over the five seconds between them. A single lost packet among the fifty
/// of one second would look like a bad network.
const KEPT: usize = 6;

/// Counters at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Octets of media packets from the member.
    pub octets_in: u64,
    /// Octets of media packets to the member.
    pub octets_out: u64,
    /// Packets that came from the member.
    pub received: u64,
    /// Packets that did not.
    pub lost: i64,
}

/// See the module's description.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    /// The oldest first; `len` of them.
    readings: [Option<(Instant, Reading)>; KEPT],
    /// Of what we sent, as the member reported last, in 1/256.
    lost_out: u8,
}

impl Meter {
    /// Takes a reading; to be called once a second.
    pub fn read(&mut self, now: Instant, reading: Reading) {
        self.readings.rotate_left(1);
        self.readings[KEPT - 1] = Some((now, reading));
    }

    /// The member tells how much it lost of what we sent, in 1/256 (RFC 3550 §6.4.1).
    pub fn reported(&mut self, fraction: u8) {
        self.lost_out = fraction;
    }

    /// Kilobits from and to the member in the last second; 0 before the second reading.
    pub fn kbit(&self) -> (f64, f64) {
        let [.., Some((before, old)), Some((after, new))] = self.readings else {
            return (0.0, 0.0);
        };
        let time = after.saturating_duration_since(before).max(Duration::from_millis(1));
        let kbit = |octets: u64| octets as f64 * 8.0 / 1000.0 / time.as_secs_f64();
        (
            kbit(new.octets_in.saturating_sub(old.octets_in)),
            kbit(new.octets_out.saturating_sub(old.octets_out)),
        )
    }

    /// Percent lost of what the member sent in the last seconds.
    pub fn loss_percent(&self) -> f64 {
        let oldest = self.readings.iter().flatten().next();
        let (Some((_, old)), Some((_, new))) = (oldest, self.readings[KEPT - 1]) else {
            return 0.0;
        };
        // A source that restarted counts from 0 again.
        let lost = new.lost.saturating_sub(old.lost).max(0) as f64;
        let received = new.received.saturating_sub(old.received) as f64;
        let all = lost + received;
        if all > 0.0 { lost * 100.0 / all } else { 0.0 }
    }

    /// Percent lost of what we sent, as the member reported last.
    pub fn loss_out_percent(&self) -> f64 {
        f64::from(self.lost_out) * 100.0 / 256.0
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn tells_the_rate_of_the_last_second_and_the_losses_of_the_last_five() {
        let start = Instant::now();
        let mut meter = Meter::default();
        assert_eq!((meter.kbit(), meter.loss_percent()), ((0.0, 0.0), 0.0));
        let mut reading = Reading::default();
        meter.read(start, reading);
        assert_eq!((meter.kbit(), meter.loss_percent()), ((0.0, 0.0), 0.0));
        for second in 1..=10 {
            reading.octets_in += 8_000;
            reading.octets_out += if second == 10 { 16_000 } else { 0 };
            reading.received += 45;
            reading.lost += if second <= 5 { 50 } else { 5 };
            meter.read(start + SECOND * second, reading);
        }
        assert_eq!(meter.kbit(), (64.0, 128.0));
        assert_eq!(meter.loss_percent(), 10.0, "what was long ago is forgotten");
    }

    #[test]
    fn counters_that_start_again_are_no_loss() {
        let start = Instant::now();
        let mut meter = Meter::default();
        let old = Reading { octets_in: 9, octets_out: 9, received: 900, lost: 90 };
        meter.read(start, old);
        meter.read(start + SECOND, Reading { received: 10, ..Reading::default() });
        assert_eq!((meter.kbit(), meter.loss_percent()), ((0.0, 0.0), 0.0));
        meter.reported(64);
        assert_eq!(meter.loss_out_percent(), 25.0);
    }
}
