//! The history: records that are added and never changed.

use rusqlite::{Transaction, params};
use sip_registrar::{Person, Record};

/// Adds a record.
pub(super) fn append(transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    let part = |person: &Option<Person>| match person {
        Some(Person { uri, name, verified }) => {
            (Some(uri.clone()), Some(name.clone()), Some(*verified))
        }
        None => (None, None, None),
    };
    let (by, whom) = (part(&record.by), part(&record.whom));
    let kind = serde_json::to_value(record.kind)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    transaction
        .prepare_cached(
            "INSERT INTO records (at, meeting, name, kind, by_uri, by_name, by_verified, whom_uri,
                                  whom_name, whom_verified, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            i64::try_from(record.at.as_millis()).unwrap_or(i64::MAX),
            record.meeting,
            record.name.as_str(),
            kind.as_str(),
            by.0,
            by.1,
            by.2,
            whom.0,
            whom.1,
            whom.2,
            record.detail,
        ])?;
    Ok(())
}
