//! Is the other side still there?
//!
//! Media may be silent for good reasons (everybody muted, hold); then RTCP still comes every few
//! seconds. When neither comes, a request in the dialog asks; a call without any answer is lost.

use std::time::{Duration, Instant};

/// Without a packet for this long, ask.
const PROBE_AFTER: Duration = Duration::from_secs(8);
/// Without packet and answer for this long, give up.
const LOST_AFTER: Duration = Duration::from_secs(20);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Alive,
    /// Send a request in the dialog.
    Probe,
    /// The call is over.
    Lost,
}

/// Watches one call.
#[derive(Debug, Clone, Copy)]
pub struct Liveness {
    heard: Instant,
    probed: Option<Instant>,
}

impl Liveness {
    /// A call that has just been answered.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { heard: now, probed: None }
    }

    /// A packet of any kind came from the other side at `at`.
    pub fn heard(&mut self, at: Instant) {
        if at > self.heard {
            self.heard = at;
            self.probed = None;
        }
    }

    /// What to do now; `Probe` is told once per interval.
    pub fn check(&mut self, now: Instant) -> Verdict {
        if now.saturating_duration_since(self.heard) >= LOST_AFTER {
            return Verdict::Lost;
        }
        if now < self.next() {
            return Verdict::Alive;
        }
        self.probed = Some(now);
        Verdict::Probe
    }

    /// When to check next.
    #[must_use]
    pub fn next(&self) -> Instant {
        let probe = self.probed.unwrap_or(self.heard) + PROBE_AFTER;
        probe.min(self.heard + LOST_AFTER)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn silence_is_asked_about_and_then_given_up() {
        let t0 = Instant::now();
        let at = |seconds| t0 + Duration::from_secs(seconds);
        let mut call = Liveness::new(t0);
        assert_eq!(call.next(), at(8));
        assert_eq!(call.check(at(7)), Verdict::Alive);
        assert_eq!(call.check(at(8)), Verdict::Probe);
        assert_eq!(call.check(at(9)), Verdict::Alive);
        assert_eq!(call.check(at(16)), Verdict::Probe);
        assert_eq!(call.next(), at(20));
        assert_eq!(call.check(at(20)), Verdict::Lost);
    }

    #[test]
    fn any_packet_is_a_sign_of_life() {
        let t0 = Instant::now();
        let at = |seconds| t0 + Duration::from_secs(seconds);
        let mut call = Liveness::new(t0);
        assert_eq!(call.check(at(8)), Verdict::Probe);
        call.heard(at(9));
        call.heard(at(3));
        assert_eq!(call.check(at(16)), Verdict::Alive);
        assert_eq!(call.check(at(17)), Verdict::Probe);
        assert_eq!(call.check(at(28)), Verdict::Probe);
        assert_eq!(call.check(at(29)), Verdict::Lost);
    }
}
