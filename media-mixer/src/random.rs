//! Numbers out of the conference's seed.

use std::fmt::Write as _;

use rtp_session::Ssrc;

/// `SplitMix64`: every seed gives a good sequence. For SSRCs, sequence numbers and names, nothing secret.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn ssrc(&mut self) -> Ssrc {
        Ssrc((self.next_u64() >> 32) as u32)
    }

    /// A canonical name of 96 random bits (RFC 7022 §4.2).
    pub(crate) fn cname(&mut self) -> String {
        let mut name = String::with_capacity(24);
        let _ = write!(name, "{:016x}{:08x}", self.next_u64(), self.next_u64() as u32);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_name_says_nothing_and_is_never_the_same() {
        let mut random = Random::new(1);
        let (one, other) = (random.cname(), random.cname());
        assert_ne!(one, other);
        assert!(one.len() == 24 && one.chars().all(|digit| digit.is_ascii_hexdigit()));
        assert_ne!(Random::new(2).cname(), one);
    }
}
