//! Why the store cannot be used, in words that help.

use std::path::PathBuf;

use thiserror::Error;

/// The store cannot be used.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    /// No place was given and none can be found.
    #[error(
        "cannot tell where to keep accounts and registrations: HOME is not set; say it in store.path"
    )]
    NoPlace,
    /// The directory, the file or the lock beside it cannot be made.
    #[error("cannot write {path} ({error}); who runs the registrar must be able to (store.path)")]
    Unwritable {
        /// What could not be written.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Another registrar has it.
    #[error("another registrar uses {0}; give each its own store.path")]
    InUse(PathBuf),
    /// SQLite cannot read it.
    #[error(
        "{path} is damaged or no SQLite database ({detail}); put a backup in its place, or move it \
         away to begin anew, without the accounts and registrations in it"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// It is a good SQLite database, but not of ours.
    #[error("{0} is the database of another program (store.path)")]
    Foreign(PathBuf),
    /// A newer version of us has changed its tables.
    #[error("{path} was written by a newer version (schema {found}; this one knows up to {known})")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Anything else SQLite has to say.
    #[error("{path}: {error}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        error: rusqlite::Error,
    },
}

impl StoreError {
    /// What an error of SQLite at this file means.
    pub(super) fn of(path: &std::path::Path, error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{CannotOpen, DatabaseCorrupt, NotADatabase, ReadOnly};
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => {
                StoreError::Damaged { path, detail: error.to_string() }
            }
            Some(ReadOnly | CannotOpen) => {
                StoreError::Unwritable { path, error: std::io::Error::other(error.to_string()) }
            }
            _ => StoreError::Sqlite { path, error },
        }
    }
}
