//! Who has an account: the users of digest authentication, by their HA1 (RFC 7616 §3.4.2).

use std::collections::BTreeMap;
use std::fmt;

use sip_stack::auth::{Algorithm, Ha1};
use thiserror::Error;

/// One user who may register, and whose calls must be authenticated.
#[derive(Clone)]
pub struct Account {
    user: String,
    sha256: Option<Ha1>,
    md5: Option<Ha1>,
}

/// An HA1 in the configuration is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccountError {
    /// Neither the SHA-256 nor the MD5 value is there.
    #[error("one of ha1_sha256 and ha1_md5 is needed")]
    NoHash,
    /// Not the right number of hexadecimal digits.
    #[error("{0} is not a hash in hexadecimal digits")]
    BadHash(&'static str),
}

impl Account {
    /// An account from a password; only its hashes are kept.
    #[must_use]
    pub fn with_password(user: &str, realm: &str, password: &str) -> Self {
        Account {
            user: user.to_owned(),
            sha256: Some(Ha1::from_password(Algorithm::Sha256, user, realm, password)),
            md5: Some(Ha1::from_password(Algorithm::Md5, user, realm, password)),
        }
    }

    /// An account from stored hashes in hexadecimal.
    ///
    /// # Errors
    /// When neither is given, or one is not hexadecimal of the right length.
    pub fn with_ha1(
        user: &str,
        sha256: Option<&str>,
        md5: Option<&str>,
    ) -> Result<Self, AccountError> {
        if sha256.is_none() && md5.is_none() {
            return Err(AccountError::NoHash);
        }
        let read = |algorithm, text: Option<&str>, name| {
            text.map(|t| Ha1::from_hex(algorithm, t).ok_or(AccountError::BadHash(name))).transpose()
        };
        Ok(Account {
            user: user.to_owned(),
            sha256: read(Algorithm::Sha256, sha256, "ha1_sha256")?,
            md5: read(Algorithm::Md5, md5, "ha1_md5")?,
        })
    }

    /// The user name, as in digest and in `sip:USER@host`.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The stored hash for this algorithm.
    #[must_use]
    pub fn ha1(&self, algorithm: Algorithm) -> Option<&Ha1> {
        match algorithm {
            Algorithm::Sha256 => self.sha256.as_ref(),
            Algorithm::Md5 => self.md5.as_ref(),
            Algorithm::Sha512_256 => None,
        }
    }
}

// Hashes are as good as the password within the realm: keep them out of logs.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

/// All accounts of the realm.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    by_user: BTreeMap<String, Account>,
    /// Lower-case spelling → user.
    by_folded: BTreeMap<String, String>,
}

impl Accounts {
    /// Nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an account, replacing one of the same user.
    pub fn insert(&mut self, account: Account) {
        self.by_folded.insert(account.user.to_lowercase(), account.user.clone());
        self.by_user.insert(account.user.clone(), account);
    }

    /// The account of a user; user parts are compared byte for byte (RFC 3261 §19.1.4).
    #[must_use]
    pub fn get(&self, user: &str) -> Option<&Account> {
        self.by_user.get(user)
    }

    /// Whether this user has an account.
    #[must_use]
    pub fn contains(&self, user: &str) -> bool {
        self.by_user.contains_key(user)
    }

    /// The user that people would take `name` for: it, or one that differs in case only. Whose name
    /// it is for a machine, [`contains`](Self::contains) knows.
    #[must_use]
    pub fn taken_for(&self, name: &str) -> Option<&str> {
        let exact = self.by_user.get(name).map(Account::user);
        exact.or_else(|| self.by_folded.get(&name.to_lowercase()).map(String::as_str))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_user.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }
}
