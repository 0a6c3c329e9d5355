//! Tokens of the HTTP interface. What is kept of one is its hash.

use std::time::Duration;

use rusqlite::{Connection, params};
use sip_registrar::Secret;

use super::rows::unsigned;

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenRow {
    /// What people call it; the history names it as who did something.
    pub(crate) name: String,
    /// How it is recognised.
    pub(crate) hash: Secret,
    /// What may be done with it, in words.
    pub(crate) scopes: Vec<String>,
    /// When it was made, since 1970.
    pub(crate) created: Duration,
}

/// All tokens by name.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<TokenRow>> {
    connection
        .prepare_cached("SELECT name, hash, scopes, created FROM tokens ORDER BY name")?
        .query_map([], |row| {
            let hash: String = row.get(1)?;
            let unreadable = |_| super::rows::unreadable(1);
            Ok(TokenRow {
                name: row.get(0)?,
                hash: serde_json::from_value(hash.into()).map_err(unreadable)?,
                scopes: row.get::<_, String>(2)?.split_whitespace().map(str::to_owned).collect(),
                created: Duration::from_secs(unsigned(row, 3)?),
            })
        })?
        .collect()
}

/// Adds a token; false if there is one of this name.
pub(super) fn add(connection: &Connection, token: &TokenRow) -> rusqlite::Result<bool> {
    let hash = match serde_json::to_value(&token.hash) {
        Ok(serde_json::Value::String(hash)) => hash,
        Ok(_) => return Err(rusqlite::Error::InvalidQuery),
        Err(error) => return Err(rusqlite::Error::ToSqlConversionFailure(error.into())),
    };
    let created = i64::try_from(token.created.as_secs()).unwrap_or(i64::MAX);
    let rows = connection.execute(
        "INSERT INTO tokens (name, hash, scopes, created) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
        params![token.name, hash, token.scopes.join(" "), created],
    )?;
    Ok(rows > 0)
}

/// Removes a token; false if there is none of this name.
pub(super) fn remove(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    Ok(connection.execute("DELETE FROM tokens WHERE name = ?1", [name])? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::store::{Database, Place};

    #[test]
    fn a_token_is_kept_as_its_hash() {
        let database = Database::open(&Place::Memory).unwrap();
        let token = TokenRow {
            name: "ci".into(),
            hash: Secret::of("very secret"),
            scopes: vec!["meetings:read".into(), "history".into()],
            created: Duration::from_secs(7),
        };
        assert!(database.add_token(&token).unwrap());
        assert!(!database.add_token(&token).unwrap());
        assert_eq!(database.tokens().unwrap(), [token]);
        assert!(database.tokens().unwrap()[0].hash.is("very secret"));
        assert!(database.remove_token("ci").unwrap() && !database.remove_token("ci").unwrap());
    }
}
