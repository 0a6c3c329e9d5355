//! Rows of the tables as values.

use std::time::Duration;

use rusqlite::Row;
use rusqlite::types::Type;
use sip_registrar::{Account, AccountError, StoredBinding, StoredFlow};
use sip_stack::auth::{Algorithm, Ha1};
use sip_stack::flow::Transport;

/// An account as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AccountRow {
    /// The user name.
    pub(crate) user: String,
    /// The realm its hashes are good in.
    pub(crate) realm: String,
    /// HA1 per algorithm in hexadecimal, as far as they are known.
    pub(crate) ha1: [(Algorithm, Option<String>); 3],
    /// What people call the user; may be empty.
    pub(crate) name: String,
    /// When it was made, since 1970.
    pub(crate) created: Duration,
}

// Hashes are as good as the password within the realm: keep them out of logs.
impl std::fmt::Debug for AccountRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountRow").field("user", &self.user).finish_non_exhaustive()
    }
}

impl AccountRow {
    /// An account with hashes of this password for every algorithm.
    pub(crate) fn new(
        user: &str,
        realm: &str,
        password: &str,
        name: &str,
        created: Duration,
    ) -> Self {
        let ha1 = [Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5]
            .map(|a| (a, Some(Ha1::from_password(a, user, realm, password).as_hex().to_owned())));
        let [user, realm, name] = [user, realm, name].map(str::to_owned);
        AccountRow { user, realm, ha1, name, created }
    }

    /// For the core.
    pub(crate) fn account(&self) -> Result<Account, AccountError> {
        let ha1 = self.ha1.each_ref().map(|(algorithm, hex)| (*algorithm, hex.as_deref()));
        Account::with_ha1(&self.user, &ha1)
    }

    /// Columns: user, realm, ha1_sha512_256, ha1_sha256, ha1_md5, name, created.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(AccountRow {
            user: row.get(0)?,
            realm: row.get(1)?,
            ha1: [
                (Algorithm::Sha512_256, row.get(2)?),
                (Algorithm::Sha256, row.get(3)?),
                (Algorithm::Md5, row.get(4)?),
            ],
            name: row.get(5)?,
            created: Duration::from_secs(unsigned(row, 6)?),
        })
    }
}

/// A binding and whose it is. Columns: user, contact, path, expires, call_id, cseq, transport, local,
/// remote, outbound.
pub(super) fn read_binding(row: &Row<'_>) -> rusqlite::Result<(String, StoredBinding)> {
    let transport: Option<String> = row.get(6)?;
    let flow = match transport {
        None => None,
        Some(name) => Some(StoredFlow {
            transport: Transport::from_name(&name).ok_or_else(|| unreadable(6))?,
            local: row.get::<_, String>(7)?.parse().map_err(|_| unreadable(7))?,
            remote: row.get::<_, String>(8)?.parse().map_err(|_| unreadable(8))?,
        }),
    };
    let binding = StoredBinding {
        contact: row.get(1)?,
        path: row.get::<_, String>(2)?.lines().map(str::to_owned).collect(),
        expires_at: Duration::from_millis(unsigned(row, 3)?),
        call_id: row.get(4)?,
        cseq: row.get(5)?,
        flow,
        outbound: row.get(9)?,
    };
    Ok((row.get(0)?, binding))
}

/// SQLite's integers have a sign.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| unreadable(column))
}

/// A value that is not what we write.
pub(super) fn unreadable(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, "cannot be read".into())
}
