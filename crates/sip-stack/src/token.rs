//! Branches, tags, Call-IDs and other random words, from a generator that the caller seeds.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use crate::message::Request;

/// Makes the random words of SIP. The same seed makes the same words, which lets tests repeat.
///
/// The seed must come from the system's generator in production: tags and Call-IDs keep strangers
/// out of dialogs (RFC 3261 §19.3 asks for 32 cryptographically random bits; these have 64 or
/// more).
#[derive(Debug)]
pub struct Tokens {
    rng: StdRng,
    /// What [`Tokens::tag_of`] mixes in, so that nobody else can tell a tag beforehand.
    key: [u8; 32],
}

impl Tokens {
    /// A maker of words seeded with `seed`.
    pub fn new(seed: [u8; 32]) -> Tokens {
        let mut rng = StdRng::from_seed(seed);
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Tokens { rng, key }
    }

    /// A new Via branch: the magic cookie and 96 bits (RFC 3261 §8.1.1.7).
    pub fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.hex(12))
    }

    /// A new From or To tag of 64 bits (RFC 3261 §19.3).
    pub fn tag(&mut self) -> String {
        self.hex(8)
    }

    /// The To tag of an answer to `request` that leaves no trace with us: the same each time the same
    /// request comes (RFC 3261 §8.2.7), and different for any other.
    pub fn tag_of(&self, request: &Request) -> String {
        let mut hash = Sha256::new().chain_update(self.key);
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            hash.update(request.headers.get(name).unwrap_or_default());
            hash.update([0]);
        }
        hex::encode(hash.finalize().get(..8).unwrap_or_default())
    }

    /// A new Call-ID of 128 bits without a host part: it need not tell where we are.
    pub fn call_id(&mut self) -> String {
        self.hex(16)
    }

    /// A new client nonce for digest (RFC 7616 §3.4).
    pub fn cnonce(&mut self) -> String {
        self.hex(8)
    }

    /// A first CSeq number: small enough to count up for years (RFC 3261 §8.1.1.5 wants < 2³¹).
    pub fn cseq(&mut self) -> u32 {
        self.rng.next_u32() % 10_000 + 1
    }

    /// A number below `bound` (0 for a bound of 0), for timers with a random part.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32().checked_rem(bound).unwrap_or(0)
    }

    /// `bytes` random bytes in lower-case hexadecimal.
    pub fn hex(&mut self, bytes: usize) -> String {
        let mut raw = vec![0; bytes];
        self.rng.fill_bytes(&mut raw);
        hex::encode(raw)
    }

    /// A fresh seed, to give a child its own generator.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_words_and_no_repeats() {
        let (mut a, mut b) = (Tokens::new([7; 32]), Tokens::new([7; 32]));
        let branch = a.branch();
        assert_eq!(branch, b.branch());
        assert!(branch.starts_with("z9hG4bK") && branch.len() == 31);
        assert_ne!(a.tag(), a.tag());
        assert_ne!(a.tag(), Tokens::new([8; 32]).tag());
        assert!((1..=10_000).contains(&a.cseq()));
        assert_eq!(a.below(0), 0);
    }
}
