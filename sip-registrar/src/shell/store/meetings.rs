//! Conferences that outlive a restart, and those that were cancelled.

use std::time::Duration;

use rusqlite::{Transaction, params};
use sip_registrar::{ConferenceName, Meeting};

/// Keeps what was agreed about a conference.
pub(super) fn put(transaction: &Transaction<'_>, meeting: &Meeting) -> rusqlite::Result<()> {
    let agreed = serde_json::to_string(meeting)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    transaction
        .prepare_cached("DELETE FROM gone WHERE name = ?1")?
        .execute([meeting.name.as_str()])?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO meetings (name, agreed) VALUES (?1, ?2)")?
        .execute(params![meeting.name.as_str(), agreed])?;
    Ok(())
}

/// Forgets a conference that is over.
pub(super) fn forget(transaction: &Transaction<'_>, name: &ConferenceName) -> rusqlite::Result<()> {
    for table in ["meetings", "gone"] {
        let delete = format!("DELETE FROM {table} WHERE name = ?1");
        transaction.prepare_cached(&delete)?.execute([name.as_str()])?;
    }
    Ok(())
}

/// Notes that a conference was cancelled.
pub(super) fn gone(
    transaction: &Transaction<'_>,
    name: &ConferenceName,
    until: Duration,
) -> rusqlite::Result<()> {
    forget(transaction, name)?;
    transaction
        .prepare_cached("INSERT INTO gone (name, until) VALUES (?1, ?2)")?
        .execute(params![name.as_str(), i64::try_from(until.as_secs()).unwrap_or(i64::MAX)])?;
    Ok(())
}
