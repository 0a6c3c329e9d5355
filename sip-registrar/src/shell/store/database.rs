//! The database file: its commands and queries.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, params};
use sip_registrar::{ConferenceName, Meeting, StoreCommand, StoredBinding};

use super::calls::{self, CallRecord};
use super::history::{self, HistoryQuery, Numbered, Retention};
use super::rows::{AccountRow, read_binding};
use super::schema::{self, Found};
use super::tokens::{self, TokenRow};
use super::{Place, StoreError, meetings};

/// How long a command waits while another process writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open database.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    /// Opens the database, makes it if it is not there, and brings its tables up to date.
    ///
    /// The file is for its owner alone, and so is its directory if it has to be made.
    pub(crate) fn open(place: &Place) -> Result<Self, StoreError> {
        let (connection, path) = match place {
            Place::Memory => (Connection::open_in_memory(), PathBuf::from("memory")),
            Place::File(path) => {
                prepare(path)?;
                (Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE), path.clone())
            }
        };
        let failed = |error| StoreError::of(&path, error);
        let mut connection = connection.map_err(failed)?;
        let found = examine(&connection).map_err(failed)?;
        match found {
            Health::Ok(Found::Ours) => {}
            Health::Ok(Found::Foreign) => return Err(StoreError::Foreign(path)),
            Health::Ok(Found::Newer(found)) => {
                return Err(StoreError::Newer { path, found, known: schema::known() });
            }
            Health::Damaged(detail) => return Err(StoreError::Damaged { path, detail }),
        }
        // WAL: readers do not wait for the writer, and a crash of the process loses nothing that was
        // committed. NORMAL: a crash of the machine may lose the last moments, but never the file.
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        schema::migrate(&mut connection).map_err(failed)?;
        Ok(Database { connection, path })
    }

    /// Keeps other registrars from using the same file until the returned handle is dropped.
    pub(crate) fn lock(place: &Place) -> Result<Option<File>, StoreError> {
        let Place::File(path) = place else { return Ok(None) };
        make_directory(path)?;
        let mut beside = path.clone().into_os_string();
        beside.push(".lock");
        let beside = PathBuf::from(beside);
        let unwritable = |error| StoreError::Unwritable { path: beside.clone(), error };
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&beside);
        let file = file.map_err(unwritable)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.clone())),
            Err(TryLockError::Error(error)) => Err(unwritable(error)),
        }
    }

    /// All accounts by name.
    pub(crate) fn accounts(&self) -> Result<Vec<AccountRow>, StoreError> {
        let rows = || {
            self.connection
                .prepare_cached(
                    "SELECT user, realm, ha1_sha512_256, ha1_sha256, ha1_md5, name, created
                     FROM accounts ORDER BY user",
                )?
                .query_map([], AccountRow::read)?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        rows().map_err(|error| self.failed(error))
    }

    /// Adds an account; false if the user has one.
    pub(crate) fn add_account(&self, account: &AccountRow) -> Result<bool, StoreError> {
        let [sha512_256, sha256, md5] = account.ha1.each_ref().map(|(_, hex)| hex.as_deref());
        let done = self.connection.execute(
            "INSERT INTO accounts (user, realm, ha1_sha512_256, ha1_sha256, ha1_md5, name, created)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
            params![
                account.user,
                account.realm,
                sha512_256,
                sha256,
                md5,
                account.name,
                seconds(account.created)
            ],
        );
        done.map(|rows| rows > 0).map_err(|error| self.failed(error))
    }

    /// Gives an account the hashes and the realm of this one; false if the user has none.
    pub(crate) fn change_password(&self, account: &AccountRow) -> Result<bool, StoreError> {
        let [sha512_256, sha256, md5] = account.ha1.each_ref().map(|(_, hex)| hex.as_deref());
        let done = self.connection.execute(
            "UPDATE accounts SET realm = ?2, ha1_sha512_256 = ?3, ha1_sha256 = ?4, ha1_md5 = ?5
             WHERE user = ?1",
            params![account.user, account.realm, sha512_256, sha256, md5],
        );
        done.map(|rows| rows > 0).map_err(|error| self.failed(error))
    }

    /// Removes an account and its registrations; false if the user has none.
    pub(crate) fn remove_account(&mut self, user: &str) -> Result<bool, StoreError> {
        let remove = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM bindings WHERE user = ?1", [user])?;
            let rows = transaction.execute("DELETE FROM accounts WHERE user = ?1", [user])?;
            transaction.commit()?;
            Ok(rows > 0)
        };
        remove(&mut self.connection).map_err(|error| self.failed(error))
    }

    /// All bindings, each with its user, in the order they were registered.
    pub(crate) fn bindings(&self) -> Result<Vec<(String, StoredBinding)>, StoreError> {
        let rows = || {
            self.connection
                .prepare_cached(
                    "SELECT user, contact, path, expires, call_id, cseq, transport, local, remote,
                            outbound
                     FROM bindings ORDER BY user, position",
                )?
                .query_map([], read_binding)?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        rows().map_err(|error| self.failed(error))
    }

    /// The conferences that outlive a restart, by name.
    pub(crate) fn meetings(&self) -> Result<Vec<Meeting>, StoreError> {
        meetings::all(&self.connection).map_err(|error| self.failed(error))
    }

    /// The names of cancelled conferences, each with the time since 1970 until which it is gone.
    pub(crate) fn gone(&self) -> Result<Vec<(ConferenceName, Duration)>, StoreError> {
        meetings::all_gone(&self.connection).map_err(|error| self.failed(error))
    }

    /// The latest records of the history that match, the latest first, each with its id.
    pub(crate) fn history(&self, query: &HistoryQuery) -> Result<Vec<Numbered>, StoreError> {
        history::query(&self.connection, query).map_err(|error| self.failed(error))
    }

    /// The memberships that ended in this time, the first to end first; of one conference, or of all.
    pub(crate) fn calls(
        &self,
        conference: Option<&str>,
        since: Duration,
        until: Duration,
    ) -> Result<Vec<CallRecord>, StoreError> {
        calls::query(&self.connection, conference, since, until).map_err(|error| self.failed(error))
    }

    /// Throws away what is not to be kept any longer; returns how many records that were.
    pub(crate) fn prune(&mut self, now: Duration, keep: Retention) -> Result<usize, StoreError> {
        let pruned = meetings::prune_gone(&self.connection, now)
            .and_then(|_| history::prune(&mut self.connection, now, keep));
        pruned.map_err(|error| self.failed(error))
    }

    /// All tokens by name.
    pub(crate) fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        tokens::all(&self.connection).map_err(|error| self.failed(error))
    }

    /// Adds a token; false if there is one of this name.
    pub(crate) fn add_token(&self, token: &TokenRow) -> Result<bool, StoreError> {
        tokens::add(&self.connection, token).map_err(|error| self.failed(error))
    }

    /// Removes a token; false if there is none of this name.
    pub(crate) fn remove_token(&self, name: &str) -> Result<bool, StoreError> {
        tokens::remove(&self.connection, name).map_err(|error| self.failed(error))
    }

    /// Carries out commands in one transaction: all, or on an error none.
    pub(crate) fn write(&mut self, commands: &[StoreCommand]) -> Result<(), StoreError> {
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            for command in commands {
                match command {
                    StoreCommand::Bindings { user, bindings } => {
                        replace_bindings(&transaction, user, bindings)?;
                    }
                    StoreCommand::Meeting(meeting) => meetings::put(&transaction, meeting)?,
                    StoreCommand::MeetingOver(name) => meetings::forget(&transaction, name)?,
                    StoreCommand::MeetingGone { name, until } => {
                        meetings::gone(&transaction, name, *until)?;
                    }
                    StoreCommand::Record(record) => history::append(&transaction, record)?,
                }
            }
            transaction.commit()
        };
        write(&mut self.connection).map_err(|error| self.failed(error))
    }

    /// A number that changes when another process has changed the file.
    pub(crate) fn foreign_changes(&self) -> Result<i64, StoreError> {
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        version.map_err(|error| self.failed(error))
    }

    #[cfg(test)]
    pub(super) fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.execute_batch(sql)
    }

    fn failed(&self, error: rusqlite::Error) -> StoreError {
        StoreError::of(&self.path, error)
    }
}

fn replace_bindings(
    transaction: &Transaction<'_>,
    user: &str,
    bindings: &[StoredBinding],
) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM bindings WHERE user = ?1")?.execute([user])?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO bindings (user, position, contact, path, expires, call_id, cseq, transport,
                               local, remote, outbound)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for (position, binding) in (0i64..).zip(bindings) {
        insert.execute(params![
            user,
            position,
            binding.contact,
            binding.path.join("\n"),
            i64::try_from(binding.expires_at.as_millis()).unwrap_or(i64::MAX),
            binding.call_id,
            binding.cseq,
            binding.flow.map(|flow| flow.transport.as_str()),
            binding.flow.map(|flow| flow.local.to_string()),
            binding.flow.map(|flow| flow.remote.to_string()),
            binding.outbound,
        ])?;
    }
    Ok(())
}

enum Health {
    Ok(Found),
    Damaged(String),
}

fn examine(connection: &Connection) -> rusqlite::Result<Health> {
    connection.busy_timeout(PATIENCE)?;
    let verdict: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if verdict != "ok" {
        return Ok(Health::Damaged(verdict));
    }
    schema::inspect(connection).map(Health::Ok)
}

/// Makes the directory and an empty file, for the owner alone. SQLite would make the file readable
/// for all, and gives its side files the mode of the main one.
fn prepare(path: &Path) -> Result<(), StoreError> {
    make_directory(path)?;
    let made = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(|error| StoreError::Unwritable { path: path.to_owned(), error })
}

fn make_directory(path: &Path) -> Result<(), StoreError> {
    let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) else {
        return Ok(());
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| StoreError::Unwritable { path: directory.to_owned(), error })
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
