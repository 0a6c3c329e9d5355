//! Credentials that end by themselves: the user name is when, the password is its HMAC under a shared secret. Known as
//! the "TURN REST API" scheme, which coturn calls `use-auth-secret`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use ring::hmac;

/// A user name longer than this is not looked at; RFC 8489 §14.3 allows 508 octets.
const LONGEST_NAME: usize = 508;

/// What a client is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `EXPIRY` or `EXPIRY:NAME`, with the Unix time they end at.
    pub username: String,
    /// The HMAC-SHA1 of the user name, in Base64.
    pub password: String,
}

/// Credentials of `name` (which may be empty) until `expiry`, in Unix seconds.
pub fn credentials(secret: &[u8], name: &str, expiry: u64) -> Credentials {
    let username = if name.is_empty() { expiry.to_string() } else { format!("{expiry}:{name}") };
    let password = password(secret, &username);
    Credentials { username, password }
}

fn password(secret: &[u8], username: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    BASE64_STANDARD.encode(hmac::sign(&key, username.as_bytes()))
}

/// The key of the long-term credential mechanism (RFC 8489 §9.2.2), if the user name has not ended.
pub(super) fn key(secret: &[u8], realm: &str, username: &str, wall: u64) -> Option<[u8; 16]> {
    if username.len() > LONGEST_NAME {
        return None;
    }
    let (expiry, _) = username.split_once(':').unwrap_or((username, ""));
    // parse() takes a sign, which nobody writes
    if !expiry.bytes().all(|b| b.is_ascii_digit()) || expiry.parse::<u64>().ok()? <= wall {
        return None;
    }
    let password = password(secret, username);
    Some(Md5::digest(format!("{username}:{realm}:{password}")).into())
}

/// Whom allocations are counted for: the name, or who has none the whole user name. New credentials of the same person
/// give no new quota.
pub(super) fn owner(username: &str) -> &str {
    match username.split_once(':') {
        Some((_, name)) if !name.is_empty() => name,
        _ => username,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_those_that_openssl_computes() {
        // echo -n 1700000000:alice | openssl dgst -sha1 -hmac north -binary | base64
        let made = credentials(b"north", "alice", 1_700_000_000);
        assert_eq!(made.username, "1700000000:alice");
        assert_eq!(made.password, "Cd/49soE35ICqcJF/bCTn8Z4OyE=");
        assert_eq!(credentials(b"north", "", 5).username, "5");
    }

    #[test]
    fn names_that_have_ended_or_make_no_sense_have_no_key() {
        let key = |name: &str| key(b"north", "realm", name, 100);
        assert!(key("101:alice").is_some() && key("101").is_some());
        for bad in [
            "100:alice",
            "99",
            "",
            ":",
            "alice",
            "+101",
            "-1",
            "101x:a",
            "99999999999999999999999:a",
        ] {
            assert_eq!(key(bad), None, "{bad}");
        }
        assert_eq!(key(&format!("101:{}", "a".repeat(600))), None);
    }

    #[test]
    fn allocations_are_counted_by_name() {
        assert_eq!(owner("5:alice"), "alice");
        assert_eq!((owner("5"), owner("5:")), ("5", "5:"));
    }
}
