//! User name fragment and password of a line.

use std::fmt;

use is::{DefaultSha1HmacProvider, Sha1HmacProvider as _};

use crate::random::Random;

/// What passwords are made from. The numbers of a conference's seed will not do: members see some of them (SSRC,
/// CNAME), and whoever could compute a password from these could draw another member's media to himself.
#[derive(Clone, PartialEq, Eq)]
pub struct IceSecret([u8; 32]);

impl IceSecret {
    /// Out of a generator nobody can predict.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }
}

impl fmt::Debug for IceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IceSecret(…)")
    }
}

/// By what checks name and prove that they mean this line (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// The ice-chars of RFC 8839 §5.4, each worth six bits.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Credentials {
    /// New ones: 48 bits and 120 bits + 24 bits of a keyed hash, more than the 24 and 128 that RFC 8445 §5.3 asks for.
    pub(crate) fn new(secret: &IceSecret, random: &mut Random) -> Self {
        let label = [random.next_u64().to_be_bytes(), random.next_u64().to_be_bytes()].concat();
        Self {
            ufrag: text(secret, &[b"ufrag", &label], 8),
            pwd: text(secret, &[b"pwd", &label], 24),
        }
    }
}

/// At most 26 characters: as many as 160 bits give.
fn text(secret: &IceSecret, payloads: &[&[u8]], length: usize) -> String {
    let hash = DefaultSha1HmacProvider.sha1_hmac(&secret.0, payloads);
    let bits = hash.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let bits: Vec<u8> = bits.collect();
    let sextets = bits.chunks_exact(6).take(length);
    let numbers = sextets.map(|bits| bits.iter().fold(0, |sum, bit| sum << 1 | usize::from(*bit)));
    numbers.filter_map(|number| ALPHABET.get(number)).map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_long_enough_differ_and_depend_on_the_secret() {
        let (one, other) = (IceSecret::new([1; 32]), IceSecret::new([2; 32]));
        let mut random = Random::new(7);
        let first = Credentials::new(&one, &mut random);
        let second = Credentials::new(&one, &mut random);
        assert_eq!((first.ufrag.len(), first.pwd.len()), (8, 24));
        assert_ne!(first.pwd, second.pwd);
        assert_ne!(first.ufrag, second.ufrag);
        assert_ne!(Credentials::new(&other, &mut Random::new(7)).pwd, first.pwd);
        assert!(!format!("{first:?} {one:?}").contains(&first.pwd));
    }
}
