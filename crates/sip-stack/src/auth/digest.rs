//! The digest computation (RFC 7616 §3.4.1), for client and server alike.

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use std::fmt;
use subtle::ConstantTimeEq;

/// A hash algorithm of RFC 8760. The `-sess` variants are not used in SIP and not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// MD5: broken, but the only one that many phones know.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256 (the truncated one with its own initial values).
    Sha512_256,
}

impl Algorithm {
    /// The name in the `algorithm` parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512_256 => "SHA-512-256",
        }
    }

    /// The algorithm called `name`, in any case.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256]
            .into_iter()
            .find(|a| a.as_str().eq_ignore_ascii_case(name))
    }

    /// The hash of `text` in lower-case hexadecimal.
    pub fn hash(self, text: &str) -> String {
        match self {
            Algorithm::Md5 => hex::encode(Md5::digest(text)),
            Algorithm::Sha256 => hex::encode(Sha256::digest(text)),
            Algorithm::Sha512_256 => hex::encode(Sha512_256::digest(text)),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `H(user:realm:password)`: all that a server needs to keep of a password. Whoever has it can log
/// in as that user in that realm, so it is a secret, and `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    algorithm: Algorithm,
    hex: String,
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({}, …)", self.algorithm)
    }
}

impl Ha1 {
    /// Computes it from a password.
    pub fn from_password(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> Ha1 {
        Ha1 { algorithm, hex: algorithm.hash(&format!("{user}:{realm}:{password}")) }
    }

    /// Takes one that was computed before, as hexadecimal in any case. `None` if it has not the
    /// right length or is no hexadecimal.
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Option<Ha1> {
        let bytes = if algorithm == Algorithm::Md5 { 16 } else { 32 };
        let ok = text.len() == 2 * bytes && text.bytes().all(|b| b.is_ascii_hexdigit());
        ok.then(|| Ha1 { algorithm, hex: text.to_ascii_lowercase() })
    }

    /// The algorithm it was made with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The secret itself, for storing.
    pub fn as_hex(&self) -> &str {
        &self.hex
    }

    /// The `response` value for a request.
    pub fn response(&self, asked: &Asked<'_>) -> String {
        let h = |text: &str| self.algorithm.hash(text);
        let ha2 = h(&format!("{}:{}", asked.method, asked.uri));
        let (ha1, nonce) = (&self.hex, asked.nonce);
        match &asked.count {
            Some(Count { nc, cnonce }) => h(&format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}")),
            None => h(&format!("{ha1}:{nonce}:{ha2}")),
        }
    }

    /// Whether `response` is right, in a time that does not depend on where it differs.
    pub fn matches(&self, asked: &Asked<'_>, response: &str) -> bool {
        let right = self.response(asked);
        right.as_bytes().ct_eq(response.to_ascii_lowercase().as_bytes()).into()
    }
}

/// What a response is computed over, besides the secret.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// The `uri` parameter, letter by letter.
    pub uri: &'a str,
    /// The server's nonce.
    pub nonce: &'a str,
    /// What `qop=auth` adds; `None` is the form of RFC 2069.
    pub count: Option<Count<'a>>,
}

/// The parameters that come with `qop=auth`, as text.
#[derive(Debug, Clone)]
pub struct Count<'a> {
    /// Eight hexadecimal digits.
    pub nc: &'a str,
    /// The client's nonce.
    pub cnonce: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(algorithm: Algorithm, password: &str, asked: &Asked<'_>) -> String {
        let realm = match asked.cnonce() {
            "0a4f113b" => "testrealm@host.com",
            _ => "http-auth@example.org",
        };
        Ha1::from_password(algorithm, "Mufasa", realm, password).response(asked)
    }

    impl Asked<'_> {
        fn cnonce(&self) -> &str {
            self.count.as_ref().map_or("", |c| c.cnonce)
        }
    }

    #[test]
    fn rfc_7616_section_3_9_1() {
        let asked = Asked {
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            count: Some(Count {
                nc: "00000001",
                cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            }),
        };
        let (md5, sha) = (Algorithm::Md5, Algorithm::Sha256);
        assert_eq!(answer(md5, "Circle of Life", &asked), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            answer(sha, "Circle of Life", &asked),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn rfc_2617_section_3_5() {
        let asked = Asked {
            method: "GET",
            uri: "/dir/index.html",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            count: Some(Count { nc: "00000001", cnonce: "0a4f113b" }),
        };
        let md5 = answer(Algorithm::Md5, "Circle Of Life", &asked);
        assert_eq!(md5, "6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn rfc_7616_section_3_9_2() {
        let asked = Asked {
            method: "GET",
            uri: "/doe.json",
            nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            count: Some(Count {
                nc: "00000001",
                cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
            }),
        };
        let sha = Algorithm::Sha512_256;
        let ha1 = Ha1::from_password(sha, "Jäsøn Doe", "api@example.org", "Secret, or not?");
        // the RFC prints ae66e67d…, which is no SHA-512/256 of FIPS 180-4; this is, as its errata say
        let right = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5";
        assert_eq!(ha1.response(&asked), right);
    }

    #[test]
    fn sha_512_256_has_its_own_initial_values() {
        // FIPS 180-4 example: SHA-512/256("abc")
        let hash = Algorithm::Sha512_256.hash("abc");
        assert_eq!(hash, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23");
    }

    #[test]
    fn stored_secrets_are_checked_and_hidden() {
        let ha1 = Ha1::from_password(Algorithm::Sha256, "a", "b", "c");
        assert_eq!(
            Ha1::from_hex(Algorithm::Sha256, &ha1.as_hex().to_uppercase()),
            Some(ha1.clone())
        );
        assert_eq!(Ha1::from_hex(Algorithm::Md5, ha1.as_hex()), None);
        assert!(!format!("{ha1:?}").contains(ha1.as_hex()));
    }
}
