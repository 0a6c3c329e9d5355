//! Which of the streams on a member's line is *the* one.
//!
//! A line has one voice or picture. Its SSRC changes when a device is changed, music on hold begins, or an SSRC
//! collides. What follows from a change costs everybody: names are told anew, key frames are asked for. So a member may
//! change often enough for any honest purpose, and no more.

use std::time::{Duration, Instant};

use rtp_session::{Received, Ssrc};

/// A stream that has sent nothing for so long may be replaced by another one of the same line, also by one that was
/// there before: a member's music on hold ends, and its voice is back.
pub(crate) const ABANDONED_AFTER: Duration = Duration::from_millis(500);

/// So many changes within [`WINDOW`] are followed; a packet of a further SSRC is dropped.
const MAX_CHANGES: usize = 4;

/// See [`MAX_CHANGES`].
const WINDOW: Duration = Duration::from_secs(2);

/// What a packet is to its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Followed {
    /// Of the stream we follow.
    Current,
    /// Of the stream we follow, which began anew with it.
    Restarted,
    /// The first of the stream we follow from now on.
    Changed,
    /// Of another stream: to be dropped.
    Other,
}

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct Follow {
    ssrc: Option<Ssrc>,
    last_packet: Option<Instant>,
    /// The last changes, in no order.
    changes: [Option<Instant>; MAX_CHANGES],
}

impl Follow {
    /// The stream we follow.
    pub(crate) fn ssrc(&self) -> Option<Ssrc> {
        self.ssrc
    }

    /// When its last packet came.
    pub(crate) fn last_packet(&self) -> Option<Instant> {
        self.last_packet
    }

    /// A packet that counts.
    pub(crate) fn packet(&mut self, now: Instant, received: &Received) -> Followed {
        if self.ssrc == Some(received.ssrc) {
            self.last_packet = Some(now);
            return if received.first { Followed::Restarted } else { Followed::Current };
        }
        let abandoned = self
            .last_packet
            .is_none_or(|last| now.saturating_duration_since(last) >= ABANDONED_AFTER);
        if !(received.first || abandoned) || !self.may_change(now) {
            return Followed::Other;
        }
        self.ssrc = Some(received.ssrc);
        self.last_packet = Some(now);
        Followed::Changed
    }

    /// The member said good-bye to a stream: if it is this one, the next may follow at once.
    pub(crate) fn left(&mut self, ssrc: Ssrc) {
        if self.ssrc == Some(ssrc) {
            self.last_packet = None;
        }
    }

    fn may_change(&mut self, now: Instant) -> bool {
        let free = |at: &&mut Option<Instant>| {
            at.is_none_or(|at| now.saturating_duration_since(at) >= WINDOW)
        };
        let Some(free) = self.changes.iter_mut().find(free) else { return false };
        *free = Some(now);
        true
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;
    use rtp_session::ExtSeq;

    const MS: Duration = Duration::from_millis(1);

    fn packet(ssrc: u32, first: bool) -> Received {
        Received { ssrc: Ssrc(ssrc), ext_seq: ExtSeq::default(), late: false, first }
    }

    #[test]
    fn a_new_stream_is_followed_and_an_old_one_comes_back_when_it_is_silent() {
        let t = Instant::now();
        let mut follow = Follow::default();
        assert_eq!(follow.packet(t, &packet(1, true)), Followed::Changed);
        assert_eq!(follow.packet(t, &packet(1, false)), Followed::Current);
        assert_eq!(follow.packet(t, &packet(1, true)), Followed::Restarted);
        assert_eq!(follow.packet(t + MS, &packet(2, true)), Followed::Changed);
        assert_eq!(follow.packet(t + 2 * MS, &packet(1, false)), Followed::Other);
        assert_eq!(follow.packet(t + 502 * MS, &packet(1, false)), Followed::Changed);
        follow.left(Ssrc(1));
        assert_eq!(follow.packet(t + 503 * MS, &packet(2, false)), Followed::Changed);
    }

    #[test]
    fn whoever_changes_without_end_is_followed_now_and_then() {
        let t = Instant::now();
        let mut follow = Follow::default();
        let mut changes = 0;
        for n in 0..10_000u32 {
            changes += u32::from(follow.packet(t + n * MS, &packet(n, true)) == Followed::Changed);
            follow.left(Ssrc(n));
        }
        assert_eq!(changes, 20, "four in two seconds, for ten seconds");
    }
}
