//! Who has an account: the users of digest authentication, by their HA1 (RFC 7616 §3.4.2).

use std::collections::BTreeMap;
use std::fmt;

use sip_stack::auth::{Algorithm, Ha1};
use thiserror::Error;

/// The algorithms that an HA1 is computed for.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5];

/// One user who may register, and whose calls must be authenticated.
#[derive(Clone)]
pub struct Account {
    user: String,
    ha1: Vec<Ha1>,
}

/// Stored HA1 values are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccountError {
    /// There is none.
    #[error("at least one HA1 is needed")]
    NoHash,
    /// Not the right number of hexadecimal digits.
    #[error("the HA1 for {0} is not a hash in hexadecimal digits")]
    BadHash(Algorithm),
}

impl Account {
    /// An account from a password; only its hashes, one per algorithm, are kept.
    #[must_use]
    pub fn with_password(user: &str, realm: &str, password: &str) -> Self {
        let ha1 = ALGORITHMS.map(|a| Ha1::from_password(a, user, realm, password)).into();
        Account { user: user.to_owned(), ha1 }
    }

    /// An account from stored hashes in hexadecimal, for those algorithms that there is one for.
    ///
    /// # Errors
    /// When there is none, or one is not hexadecimal of the right length.
    pub fn with_ha1(
        user: &str,
        stored: &[(Algorithm, Option<&str>)],
    ) -> Result<Self, AccountError> {
        let ha1 = stored
            .iter()
            .filter_map(|(algorithm, hex)| Some((*algorithm, (*hex)?)))
            .map(|(a, hex)| Ha1::from_hex(a, hex).ok_or(AccountError::BadHash(a)))
            .collect::<Result<Vec<_>, _>>()?;
        if ha1.is_empty() {
            return Err(AccountError::NoHash);
        }
        Ok(Account { user: user.to_owned(), ha1 })
    }

    /// The user name, as in digest and in `sip:USER@host`.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The stored hash for this algorithm.
    #[must_use]
    pub fn ha1(&self, algorithm: Algorithm) -> Option<&Ha1> {
        self.ha1.iter().find(|ha1| ha1.algorithm() == algorithm)
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
