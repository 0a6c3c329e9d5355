//! When to make a key frame, and when to ask for one.

use std::time::{Duration, Instant};

/// At most one key frame per 500 ms, however many ask (RFC 5104 §3.5.1.2 lets a sender do so).
pub const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// How long the packets of a key frame may take, the repair of lost ones included.
const ARRIVAL: Duration = Duration::from_millis(300);

/// The sending side: gathers wishes for a key frame of our picture.
#[derive(Debug, Clone, Default)]
pub struct KeyFrameGate {
    wanted: bool,
    last: Option<Instant>,
    /// So many wishes more are granted without a wait.
    free: u8,
}

/// Key frames that somebody new may have at once: the first often comes before the way there is open.
const FREE: u8 = 2;

impl KeyFrameGate {
    /// A receiver asked by PLI or FIR, or a new receiver is there.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// The picture goes to somebody else from now on, who has none of it: how often the one of before asked does not count.
    pub fn somebody_else(&mut self) {
        *self = Self { wanted: true, last: None, free: FREE };
    }

    /// Whether the encoder shall make a key frame now. A wish that comes too early is kept.
    pub fn take(&mut self, now: Instant) -> bool {
        let due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= MIN_INTERVAL);
        if !(self.wanted && (due || self.free > 0)) {
            return false;
        }
        if !due {
            self.free -= 1;
        }
        self.wanted = false;
        self.last = Some(now);
        true
    }
}

/// The receiving side of one picture: asks for a key frame until one comes.
#[derive(Debug, Clone, Default)]
pub struct KeyFrameWish {
    open: bool,
    /// Not to ask before.
    next: Option<Instant>,
    count: u64,
}

impl KeyFrameWish {
    /// The decoder cannot go on without a key frame.
    pub fn want(&mut self) {
        self.open = true;
    }

    /// The picture comes from somebody else from now on, whom nobody has asked yet.
    pub fn somebody_else(&mut self) {
        self.next = None;
    }

    /// A key frame arrived whole.
    pub fn satisfied(&mut self) {
        self.open = false;
    }

    /// A key frame has begun to arrive: it is not asked for while it may still become whole.
    pub fn arriving(&mut self, now: Instant) {
        self.next = Some(self.next.map_or(now + ARRIVAL, |next| next.max(now + ARRIVAL)));
    }

    /// Whether the decoder waits for a key frame.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether to send a PLI now; repeated while none came.
    pub fn take(&mut self, now: Instant) -> bool {
        if !self.open || self.next().is_some_and(|at| now < at) {
            return false;
        }
        self.next = Some(now + MIN_INTERVAL);
        self.count += 1;
        true
    }

    /// When [`take`](Self::take) may next say yes.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.next.filter(|_| self.open)
    }

    /// How often we asked.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn many_wishes_make_one_key_frame_and_an_early_one_waits() {
        let t0 = Instant::now();
        let mut gate = KeyFrameGate::default();
        assert!(!gate.take(t0));
        gate.want();
        gate.want();
        assert!(gate.take(t0));
        assert!(!gate.take(t0));
        gate.want();
        assert!(!gate.take(t0 + MIN_INTERVAL / 2));
        assert!(gate.take(t0 + MIN_INTERVAL), "the wish was kept");
    }

    #[test]
    fn who_has_just_come_waits_for_nothing() {
        let t0 = Instant::now();
        let (mut gate, mut wish) = (KeyFrameGate::default(), KeyFrameWish::default());
        gate.want();
        wish.want();
        assert!(gate.take(t0) && wish.take(t0));
        gate.somebody_else();
        wish.somebody_else();
        assert!(gate.take(t0) && wish.take(t0));
        assert!(!gate.take(t0) && !wish.take(t0), "once");
        for granted in [true, true, false] {
            gate.want();
            assert_eq!(
                gate.take(t0),
                granted,
                "the first two may be lost on a way that is not open yet"
            );
        }
    }

    #[test]
    fn a_pli_is_repeated_until_the_key_frame_is_there() {
        let t0 = Instant::now();
        let mut wish = KeyFrameWish::default();
        assert!(!wish.take(t0));
        wish.want();
        assert!(wish.take(t0));
        assert!(!wish.take(t0 + MIN_INTERVAL / 2));
        assert_eq!(wish.next(), Some(t0 + MIN_INTERVAL));
        assert!(wish.take(t0 + MIN_INTERVAL));
        wish.satisfied();
        assert!(!wish.take(t0 + MIN_INTERVAL * 4));
        assert_eq!((wish.count(), wish.next()), (2, None));
        wish.want();
        assert!(wish.take(t0 + MIN_INTERVAL * 4));
    }

    #[test]
    fn a_key_frame_that_is_arriving_is_not_asked_for() {
        let t0 = Instant::now();
        let mut wish = KeyFrameWish::default();
        wish.arriving(t0);
        wish.want();
        assert!(!wish.take(t0));
        assert!(wish.take(t0 + ARRIVAL), "it did not become whole");
    }
}
