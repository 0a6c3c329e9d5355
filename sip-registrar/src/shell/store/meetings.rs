//! Conferences that outlive a restart, and those that were cancelled.

use std::time::Duration;

use rusqlite::{Connection, Transaction, params};
use sip_registrar::{ConferenceName, Meeting};

use super::rows::unsigned;

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

/// All conferences that are kept, by name. One that cannot be understood is left out with a warning:
/// it must not keep the others from coming back.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Meeting>> {
    let mut statement =
        connection.prepare_cached("SELECT name, agreed FROM meetings ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut meetings = Vec::new();
    for row in rows {
        let (name, agreed): (String, String) = row?;
        match serde_json::from_str(&agreed) {
            Ok(meeting) => meetings.push(meeting),
            Err(error) => tracing::warn!(conference = ?name, %error, "kept, but not understood"),
        }
    }
    Ok(meetings)
}

/// The names of cancelled conferences, each with the time since 1970 until which it is gone.
pub(super) fn all_gone(
    connection: &Connection,
) -> rusqlite::Result<Vec<(ConferenceName, Duration)>> {
    let mut statement = connection.prepare_cached("SELECT name, until FROM gone ORDER BY name")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, Duration::from_secs(unsigned(row, 1)?)))
    })?;
    let named = |(name, until): (String, Duration)| Some((ConferenceName::parse(&name)?, until));
    rows.filter_map(|row| row.map(named).transpose()).collect()
}

/// Forgets that conferences were cancelled which nobody needs to be told any more.
pub(super) fn prune_gone(connection: &Connection, now: Duration) -> rusqlite::Result<usize> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    connection.prepare_cached("DELETE FROM gone WHERE until <= ?1")?.execute([now])
}
