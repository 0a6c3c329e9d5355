//! The tables, and how a file of an older version gets them.

use rusqlite::{Connection, TransactionBehavior};

/// Marks a file as ours (`PRAGMA application_id`): "PRLY".
pub(super) const APPLICATION_ID: i64 = 0x5052_4c59;

/// One step a version; `PRAGMA user_version` counts those a file has taken. Steps that were released
/// never change: what comes to mind later is another step.
const STEPS: &[&str] = &[
    "
    CREATE TABLE accounts (
        user TEXT PRIMARY KEY,
        realm TEXT NOT NULL,            -- the HA1 values are good in this realm only
        ha1_sha512_256 TEXT,
        ha1_sha256 TEXT,
        ha1_md5 TEXT,
        name TEXT NOT NULL DEFAULT '',  -- for people
        created INTEGER NOT NULL        -- seconds since 1970
    ) STRICT;
    CREATE TABLE bindings (
        user TEXT NOT NULL,
        position INTEGER NOT NULL,      -- who registered longest ago is first
        contact TEXT NOT NULL,          -- as in REGISTER, without expires
        path TEXT NOT NULL,             -- a value a line (RFC 3327)
        expires INTEGER NOT NULL,       -- milliseconds since 1970
        call_id TEXT NOT NULL,
        cseq INTEGER NOT NULL,
        transport TEXT,                 -- the flow it came over, if that is known
        local TEXT,
        remote TEXT,
        outbound INTEGER NOT NULL,      -- 1: +sip.instance and reg-id name it (RFC 5626)
        PRIMARY KEY (user, position)
    ) STRICT;
",
    "
    CREATE TABLE meetings (
        name TEXT PRIMARY KEY,          -- the user part of the URI
        agreed TEXT NOT NULL            -- what was agreed about it, as JSON
    ) STRICT;
    CREATE TABLE gone (
        name TEXT PRIMARY KEY,          -- of a conference that was cancelled
        until INTEGER NOT NULL          -- seconds since 1970
    ) STRICT;
    CREATE TABLE records (              -- the history: rows are added and never changed
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,            -- milliseconds since 1970
        meeting TEXT NOT NULL,          -- unlike the name it is used once
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        by_uri TEXT,                    -- who did it
        by_name TEXT,
        by_verified INTEGER,            -- 1: proved by digest or token
        whom_uri TEXT,                  -- to whom
        whom_name TEXT,
        whom_verified INTEGER,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX records_by_name ON records (name, at);
    CREATE INDEX records_by_time ON records (at);
",
    "
    ALTER TABLE records ADD COLUMN member TEXT; -- the device: joined and left of one belong together
    CREATE INDEX records_by_meeting ON records (meeting, member);
    CREATE TABLE retention (            -- what happened before may be forgotten
        what TEXT PRIMARY KEY,
        before INTEGER NOT NULL         -- milliseconds since 1970
    ) STRICT;
    INSERT INTO retention VALUES ('all', 0), ('chat', 0);
    CREATE TRIGGER records_never_change BEFORE UPDATE ON records BEGIN
        SELECT RAISE(ABORT, 'the history is never changed');
    END;
    CREATE TRIGGER records_are_added_once BEFORE INSERT ON records
        WHEN EXISTS (SELECT 1 FROM records WHERE id = NEW.id) BEGIN
        SELECT RAISE(ABORT, 'the history is never changed');
    END;
    CREATE TRIGGER records_stay BEFORE DELETE ON records
        WHEN OLD.at >= (SELECT max(before) FROM retention
                        WHERE what = 'all' OR what = OLD.kind) BEGIN
        SELECT RAISE(ABORT, 'the history is only forgotten when it is old');
    END;
    CREATE TABLE tokens (               -- who may use the HTTP interface
        name TEXT PRIMARY KEY,
        hash TEXT NOT NULL,             -- SHA-256 of the token, which is random
        scopes TEXT NOT NULL,           -- with blanks between
        created INTEGER NOT NULL        -- seconds since 1970
    ) STRICT;
",
];

/// The schema this program works with.
pub(super) fn known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// What is found in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Ours, or empty and ready to be.
    Ours,
    /// Of another program.
    Foreign,
    /// Ours, but of a newer version.
    Newer(i64),
}

/// Looks whose file this is.
pub(super) fn inspect(connection: &Connection) -> rusqlite::Result<Found> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match application {
        APPLICATION_ID if version > known() => Found::Newer(version),
        APPLICATION_ID => Found::Ours,
        0 if version == 0 && objects == 0 => Found::Ours,
        _ => Found::Foreign,
    })
}

/// Takes the steps that a file has not taken: all, or on an error none.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    // Immediate: two processes that start together must not both see an empty file.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let taken = usize::try_from(version).unwrap_or(0);
    for step in STEPS.iter().skip(taken) {
        transaction.execute_batch(step)?;
    }
    if taken < STEPS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", known())?;
    }
    transaction.commit()
}
