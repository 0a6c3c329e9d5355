//! How often a subscriber is notified (RFC 4575 §3.9: at most once in five seconds is recommended).

use std::time::{Duration, Instant};

/// One notification in this time, in the long run.
const INTERVAL: Duration = Duration::from_secs(5);

/// So many may follow each other at once. Linphone asks before its ACK: it is told of itself then, after
/// the ACK and when the first packet has told its source, and is not to look at half of it for seconds.
const BURST: u8 = 4;

/// A leaky bucket of notifications.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    left: u8,
    since: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Pace { left: BURST, since: now }
    }

    /// When the next notification may be sent; not later than `now` if at once.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        while self.left < BURST && self.since + INTERVAL <= now {
            self.left += 1;
            self.since += INTERVAL;
        }
        if self.left == BURST {
            self.since = now;
        }
        if self.left > 0 { now } else { self.since + INTERVAL }
    }

    /// One has been sent.
    pub(super) fn take(&mut self) {
        self.left = self.left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_go_at_once_and_then_one_in_five_seconds() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for _ in 0..BURST {
            assert_eq!(pace.next(start), start);
            pace.take();
        }
        let next = start + INTERVAL;
        assert_eq!(pace.next(start + Duration::from_secs(1)), next);
        assert_eq!(pace.next(next), next);
        pace.take();
        assert_eq!(pace.next(next), next + INTERVAL);
        // After a long silence there are no more than at first.
        let late = start + Duration::from_secs(1000);
        for _ in 0..BURST {
            assert_eq!(pace.next(late), late);
            pace.take();
        }
        assert_eq!(pace.next(late), late + INTERVAL);
    }
}
