//! When to ask a source for a key frame: many receivers want one, the source gets one request (RFC 5104 §3.5.1.1.2).

use std::time::{Duration, Instant};

/// Least time between two requests to one source. A key frame is many times as large as another frame.
pub const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// The wish for a key frame of one source.
#[derive(Debug, Default)]
pub struct KeyFrameRequests {
    wanted: bool,
    asked: Option<Instant>,
    /// Asked, and none came since.
    unanswered: bool,
    sent: u64,
}

/// A request to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The same one again, because nothing came.
    pub repeat: bool,
}

impl KeyFrameRequests {
    /// Somebody needs a key frame. However many say so, it is one wish.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// A key frame begins: all wishes are fulfilled.
    pub fn arrived(&mut self) {
        self.wanted = false;
        self.unanswered = false;
    }

    /// The request that is due, given the round trip to the source: an answer takes that long.
    pub fn poll(&mut self, now: Instant, rtt: Duration) -> Option<Request> {
        if !self.wanted {
            return None;
        }
        let wait = if self.unanswered { MIN_INTERVAL.max(rtt * 2) } else { MIN_INTERVAL };
        if self.asked.is_some_and(|asked| now.saturating_duration_since(asked) < wait) {
            return None;
        }
        let repeat = self.unanswered;
        self.asked = Some(now);
        self.unanswered = true;
        self.sent += 1;
        Some(Request { repeat })
    }

    /// Requests so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn many_wishes_are_one_request_per_half_second() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::default();
        let mut sent = Vec::new();
        for ms in 0..2_000u32 {
            requests.want();
            if requests.poll(start + MS * ms, Duration::ZERO).is_some() {
                sent.push(ms);
            }
        }
        assert_eq!(sent, [0, 500, 1000, 1500]);
    }

    #[test]
    fn an_unanswered_request_is_repeated_after_two_round_trips() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::default();
        requests.want();
        let rtt = MS * 400;
        assert_eq!(requests.poll(start, rtt), Some(Request { repeat: false }));
        assert_eq!(requests.poll(start + MS * 799, rtt), None);
        assert_eq!(requests.poll(start + MS * 800, rtt), Some(Request { repeat: true }));
    }

    #[test]
    fn a_key_frame_ends_it_and_the_next_wish_is_a_new_command() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::default();
        requests.want();
        requests.poll(start, Duration::ZERO);
        requests.arrived();
        assert_eq!(requests.poll(start + MS * 600, Duration::ZERO), None);
        requests.want();
        assert_eq!(
            requests.poll(start + MS * 601, Duration::ZERO),
            Some(Request { repeat: false })
        );
        assert_eq!(requests.sent(), 2);
    }
}
