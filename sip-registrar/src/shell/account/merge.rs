//! One list of accounts from two sources: the configuration file, and the database.

use anyhow::{Context as _, bail};
use sip_registrar::{Account, Accounts};
use sip_stack::auth::Algorithm;

use crate::shell::config::{AccountEntry, Conference, Config};
use crate::shell::store::AccountRow;

/// The longest user name, in bytes.
const MAX_USER: usize = 128;

/// Whether somebody may have an account under this name.
pub(crate) fn check_user(user: &str, conference: &Conference) -> anyhow::Result<()> {
    let shown = user.escape_debug();
    if user.is_empty() || user.len() > MAX_USER {
        bail!("user \"{shown}\" is empty or longer than {MAX_USER} bytes");
    }
    // A colon would end it within an HA1.
    if user.contains(|c: char| c == ':' || c.is_control()) {
        bail!("user \"{shown}\" holds a colon or a control character");
    }
    for (key, taken) in [("factory", &conference.factory), ("list", &conference.list)] {
        if user == taken {
            bail!("user \"{shown}\" is conference.{key} too");
        }
    }
    Ok(())
}

/// All accounts. One that stands in both is the one of the configuration; what is not good here is
/// left out with a warning.
pub(crate) fn merge(config: &Config, rows: &[AccountRow]) -> anyhow::Result<Accounts> {
    let mut accounts = Accounts::new();
    for row in rows {
        let user = row.user.as_str();
        if row.realm != config.sip.realm {
            tracing::warn!(
                user,
                "account left out: its password was set for realm \"{}\", sip.realm is \"{}\"; \
                 set it again with `sip-registrar account passwd`",
                row.realm,
                config.sip.realm
            );
            continue;
        }
        match row.account() {
            Ok(account) if is_usable(&account, config) => accounts.insert(account),
            Ok(_) => tracing::warn!(user, "account left out: no hash for any of sip.digest"),
            Err(error) => tracing::warn!(user, %error, "account left out"),
        }
    }
    for entry in &config.accounts {
        if accounts.contains(&entry.user) {
            tracing::warn!(user = entry.user, "account of the configuration and of the database");
        }
        accounts.insert(account_of(entry, config)?);
    }
    Ok(accounts)
}

fn account_of(entry: &AccountEntry, config: &Config) -> anyhow::Result<Account> {
    let account = match &entry.password {
        Some(password) => Account::with_password(&entry.user, &config.sip.realm, password),
        None => Account::with_ha1(
            &entry.user,
            &[
                (Algorithm::Sha512_256, entry.ha1_sha512_256.as_deref()),
                (Algorithm::Sha256, entry.ha1_sha256.as_deref()),
                (Algorithm::Md5, entry.ha1_md5.as_deref()),
            ],
        )
        .with_context(|| format!("accounts: \"{}\"", entry.user))?,
    };
    if !is_usable(&account, config) {
        bail!(
            "accounts: \"{}\" could never log in: it has no hash for any algorithm of sip.digest",
            entry.user
        );
    }
    Ok(account)
}

fn is_usable(account: &Account, config: &Config) -> bool {
    config.sip.digest.iter().any(|name| account.ha1(name.algorithm()).is_some())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(user: &str, realm: &str) -> AccountRow {
        AccountRow::new(user, realm, "secret", "", Duration::ZERO)
    }

    #[test]
    fn both_sources_count_and_the_configuration_counts_more() {
        let config = Config::parse(
            "[sip]\ndigest = [\"SHA-256\", \"MD5\"]\n[[accounts]]\nuser = \"alice\"\npassword = \"other\"",
        )
        .unwrap();
        let rows = [row("alice", "parley"), row("bob", "parley"), row("carol", "elsewhere")];
        let accounts = merge(&config, &rows).unwrap();
        assert_eq!(accounts.len(), 2);
        let by_file = Account::with_password("alice", "parley", "other");
        let ha1 = |account: &Account| account.ha1(Algorithm::Sha256).cloned();
        assert_eq!(accounts.get("alice").and_then(ha1), ha1(&by_file));
        assert!(!accounts.contains("carol"));
    }

    #[test]
    fn a_hash_that_no_algorithm_asks_for_is_a_mistake() {
        let mut config = Config::parse("[sip]\ndigest = [\"SHA-256\"]").unwrap();
        let mut old = row("bob", "parley");
        old.ha1[0].1 = None;
        old.ha1[1].1 = None;
        assert!(merge(&config, &[old]).unwrap().is_empty());
        config.accounts = Config::parse(
            "[[accounts]]\nuser = \"alice\"\nha1_md5 = \"00112233445566778899aabbccddeeff\"",
        )
        .unwrap()
        .accounts;
        let error = merge(&config, &[]).unwrap_err();
        assert!(format!("{error:#}").contains("alice"), "{error:#}");
    }
}
