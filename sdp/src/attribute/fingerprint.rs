//! `a=fingerprint` (RFC 8122 §5).

use std::fmt;

use super::{TypedAttribute, split_word};

/// `a=fingerprint:<hash function> <hash of the certificate>`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Hash function, in lower case (Linphone and baresip write it in capitals).
    pub hash_function: String,
    /// The digest.
    pub digest: Vec<u8>,
}

impl TypedAttribute for Fingerprint {
    const NAME: &'static str = "fingerprint";

    fn from_value(value: &str) -> Option<Self> {
        let (hash_function, digest) = split_word(value);
        let octet = |pair: &str| match pair.len() {
            2 => u8::from_str_radix(pair, 16).ok(),
            _ => None,
        };
        Some(Self {
            hash_function: hash_function.to_ascii_lowercase(),
            digest: digest.trim().split(':').map(octet).collect::<Option<_>>()?,
        })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.digest.iter().map(|octet| format!("{octet:02X}")).collect();
        write!(f, "{} {}", self.hash_function, pairs.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let fingerprint = Fingerprint::from_value("SHA-256 67:2a:B8").unwrap();
        assert_eq!(fingerprint.digest, [0x67, 0x2a, 0xb8]);
        assert_eq!(fingerprint.to_string(), "sha-256 67:2A:B8");
        assert_eq!(Fingerprint::from_value("sha-256 67:2"), None);
        assert_eq!(Fingerprint::from_value("sha-256"), None);
    }
}
