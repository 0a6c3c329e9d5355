//! How many bits per second our picture may take.
//!
//! The ceiling is ours, the far end lowers it by REMB (draft-alvestrand-rmcat-remb-03) or TMMBR (RFC 5104), and reported
//! loss lowers it further: above 10 % the rate is cut by half the loss, below 2 % it grows by 8 %
//! per report, between it stays (the rule of draft-ietf-rmcat-gcc-02 §6).

/// Bounds of the picture's bit rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Bits per second below which a picture is not worth sending.
    pub floor: u32,
    /// Bits per second we start with and never exceed.
    pub ceiling: u32,
}

/// The rate our encoder should run at.
#[derive(Debug, Clone)]
pub struct VideoRate {
    limits: RateLimits,
    by_loss: u32,
    by_remote: Option<u32>,
}

impl VideoRate {
    /// Starts at the ceiling.
    #[must_use]
    pub fn new(limits: RateLimits) -> Self {
        Self { limits, by_loss: limits.ceiling, by_remote: None }
    }

    /// The far end can receive this many bits per second (REMB, TMMBR), or has not said so lately.
    pub fn set_remote(&mut self, bits_per_second: Option<u64>) {
        self.by_remote = bits_per_second.map(|bits| u32::try_from(bits).unwrap_or(u32::MAX));
    }

    /// A receiver report said this fraction of our packets was lost, 0.0 to 1.0.
    pub fn loss(&mut self, fraction: f64) {
        let now = f64::from(self.by_loss);
        let next = if fraction > 0.10 {
            now * (1.0 - 0.5 * fraction.min(1.0))
        } else if fraction < 0.02 {
            now * 1.08
        } else {
            now
        };
        self.by_loss = (next as u32).clamp(self.limits.floor, self.limits.ceiling);
    }

    /// Bits per second to encode at.
    #[must_use]
    pub fn target(&self) -> u32 {
        let rate = self.by_remote.map_or(self.by_loss, |remote| self.by_loss.min(remote));
        rate.clamp(self.limits.floor, self.limits.ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RateLimits = RateLimits { floor: 50_000, ceiling: 800_000 };

    #[test]
    fn remb_is_obeyed_within_our_limits() {
        let mut rate = VideoRate::new(LIMITS);
        assert_eq!(rate.target(), 800_000);
        rate.set_remote(Some(300_000));
        assert_eq!(rate.target(), 300_000);
        rate.set_remote(Some(1));
        assert_eq!(rate.target(), 50_000);
        rate.set_remote(Some(u64::MAX));
        assert_eq!(rate.target(), 800_000);
        rate.set_remote(Some(300_000));
        rate.set_remote(None);
        assert_eq!(rate.target(), 800_000, "it does not hold for ever");
    }

    #[test]
    fn loss_cuts_and_silence_about_loss_lets_it_grow() {
        let mut rate = VideoRate::new(LIMITS);
        rate.loss(0.2);
        assert_eq!(rate.target(), 720_000);
        rate.loss(0.05);
        assert_eq!(rate.target(), 720_000);
        rate.loss(0.0);
        assert_eq!(rate.target(), 777_600);
        rate.loss(0.0);
        assert_eq!(rate.target(), 800_000);
        for _ in 0..100 {
            rate.loss(1.0);
        }
        assert_eq!(rate.target(), 50_000);
    }
}
