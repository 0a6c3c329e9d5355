//! The history: records that are added, read, and after a time thrown away; never changed.

use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, params, params_from_iter};
use sip_registrar::{ConferenceName, Person, Record, RecordKind};

use super::rows::{unreadable, unsigned};

/// Which records are wanted; what is `None` or empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HistoryQuery {
    /// A conference's name, or the id of one meeting.
    pub(crate) conference: Option<String>,
    /// From then on, since 1970.
    pub(crate) since: Option<Duration>,
    /// Before then, since 1970.
    pub(crate) until: Option<Duration>,
    /// What happened.
    pub(crate) kinds: Vec<RecordKind>,
    /// Who did it, or to whom: a URI or its user part.
    pub(crate) person: Option<String>,
    /// Older than the record of this id: the next page.
    pub(crate) before: Option<i64>,
    /// The most to return.
    pub(crate) limit: usize,
}

/// How long records are kept; `None` for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Records of every kind.
    pub(crate) all: Option<Duration>,
    /// Lines of chat, if that is shorter.
    pub(crate) chat: Option<Duration>,
}

/// A record and its id: later records have larger ones.
pub(crate) type Numbered = (i64, Record);

/// Columns as [`read`] takes them.
const COLUMNS: &str = "id, at, meeting, name, kind, by_uri, by_name, by_verified, whom_uri, whom_name, \
                       whom_verified, member, detail";

/// Adds a record.
pub(super) fn append(transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    let part = |person: &Option<Person>| match person {
        Some(Person { uri, name, verified }) => {
            (Some(uri.clone()), Some(name.clone()), Some(*verified))
        }
        None => (None, None, None),
    };
    let (by, whom) = (part(&record.by), part(&record.whom));
    transaction
        .prepare_cached(
            "INSERT INTO records (at, meeting, name, kind, by_uri, by_name, by_verified, whom_uri,
                                  whom_name, whom_verified, member, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            millis(record.at),
            record.meeting,
            record.name.as_str(),
            kind_name(record.kind),
            by.0,
            by.1,
            by.2,
            whom.0,
            whom.1,
            whom.2,
            record.member,
            record.detail,
        ])?;
    Ok(())
}

/// The latest records that match, the latest first.
pub(super) fn query(
    connection: &Connection,
    query: &HistoryQuery,
) -> rusqlite::Result<Vec<Numbered>> {
    let mut conditions = vec!["1".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    // Every `?` of a condition stands for the same value.
    let mut wanted = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(conference) = &query.conference {
        wanted("(name = ? OR meeting = ?)", conference.clone().into());
    }
    if let Some(since) = query.since {
        wanted("at >= ?", millis(since).into());
    }
    if let Some(until) = query.until {
        wanted("at < ?", millis(until).into());
    }
    if let Some(person) = &query.person {
        let one = |column: &str| {
            format!(
                "{column} = ? OR substr({column}, 1, length(?) + 5) = 'sip:' || ? || '@' \
                 OR substr({column}, 1, length(?) + 6) = 'sips:' || ? || '@'"
            )
        };
        wanted(&format!("({} OR {})", one("by_uri"), one("whom_uri")), person.clone().into());
    }
    if let Some(before) = query.before {
        wanted("id < ?", before.into());
    }
    let kinds: Vec<String> = query.kinds.iter().map(|kind| kind_name(*kind)).collect();
    if !kinds.is_empty() {
        let first = values.len() + 1;
        let places: Vec<String> = (first..first + kinds.len()).map(|n| format!("?{n}")).collect();
        conditions.push(format!("kind IN ({})", places.join(", ")));
        values.extend(kinds.into_iter().map(Value::from));
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM records WHERE {} ORDER BY id DESC LIMIT {}",
        conditions.join(" AND "),
        i64::try_from(query.limit).unwrap_or(i64::MAX)
    );
    connection.prepare_cached(&sql)?.query_map(params_from_iter(values), read)?.collect()
}

/// Throws away what is older than it is to be kept; returns how many records that were.
///
/// Only what lies before the times noted in the table `retention` can be deleted at all: triggers see
/// to that, whoever tries.
pub(super) fn prune(
    connection: &mut Connection,
    now: Duration,
    retention: Retention,
) -> rusqlite::Result<usize> {
    let transaction = connection.transaction()?;
    let chat = [retention.chat, retention.all].into_iter().flatten().min();
    let mut deleted = 0;
    for (what, keep, condition) in [("all", retention.all, "1"), ("chat", chat, "kind = 'chat'")] {
        let before = keep.map_or(0, |keep| millis(now.saturating_sub(keep)));
        transaction
            .prepare_cached("UPDATE retention SET before = ?2 WHERE what = ?1")?
            .execute(params![what, before])?;
        let delete = format!("DELETE FROM records WHERE at < ?1 AND {condition}");
        deleted += transaction.prepare_cached(&delete)?.execute([before])?;
    }
    transaction.commit()?;
    Ok(deleted)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Numbered> {
    let person = |first: usize| -> rusqlite::Result<Option<Person>> {
        let Some(uri) = row.get(first)? else { return Ok(None) };
        let name: Option<String> = row.get(first + 1)?;
        let verified: Option<bool> = row.get(first + 2)?;
        let (name, verified) = (name.unwrap_or_default(), verified.unwrap_or_default());
        Ok(Some(Person { uri, name, verified }))
    };
    let record = Record {
        at: Duration::from_millis(unsigned(row, 1)?),
        meeting: row.get(2)?,
        name: ConferenceName::parse(&row.get::<_, String>(3)?).ok_or_else(|| unreadable(3))?,
        kind: parse_kind(&row.get::<_, String>(4)?).ok_or_else(|| unreadable(4))?,
        by: person(5)?,
        whom: person(8)?,
        member: row.get(11)?,
        detail: row.get(12)?,
    };
    Ok((row.get(0)?, record))
}

/// A kind of record by its name, `dialled-out`.
pub(crate) fn parse_kind(name: &str) -> Option<RecordKind> {
    serde_json::from_value(name.into()).ok()
}

/// The name of a kind of record.
pub(crate) fn kind_name(kind: RecordKind) -> String {
    match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(name)) => name,
        // Never: a variant without fields is a string in JSON.
        _ => String::new(),
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::store::{Database, Place};
    use sip_registrar::StoreCommand;

    const SECOND: Duration = Duration::from_secs(1);

    fn record(at: u64, name: &str, kind: RecordKind, by: &str) -> Record {
        Record {
            at: Duration::from_secs(at),
            meeting: format!("{name}-1"),
            name: ConferenceName::parse(name).unwrap(),
            kind,
            by: Some(Person { uri: by.to_owned(), name: "A \"b\"".into(), verified: true }),
            whom: None,
            member: Some("leg".into()),
            detail: "hello 会议".into(),
        }
    }

    fn filled() -> Database {
        let mut database = Database::open(&Place::Memory).unwrap();
        let all = [
            record(10, "a", RecordKind::Joined, "sip:alice@h"),
            record(20, "b", RecordKind::Joined, "sip:bob@h"),
            record(30, "a", RecordKind::Chat, "sip:alice@h"),
            record(40, "a", RecordKind::DialledOut, "sip:alice2@h"),
            record(50, "a", RecordKind::Left, "sip:alice@h"),
        ];
        let commands = all.map(|record| StoreCommand::Record(Box::new(record)));
        database.write(&commands).unwrap();
        database
    }

    fn times(database: &Database, query: HistoryQuery) -> Vec<u64> {
        let query = HistoryQuery { limit: query.limit.max(2), ..query };
        database.history(&query).unwrap().iter().map(|(_, r)| r.at.as_secs()).collect()
    }

    #[test]
    fn records_are_found_by_what_is_known_of_them() {
        let database = filled();
        let all = || HistoryQuery { limit: 100, ..HistoryQuery::default() };
        let full = database.history(&all()).unwrap();
        assert_eq!(full[0].1, record(50, "a", RecordKind::Left, "sip:alice@h"));
        assert_eq!(times(&database, all()), [50, 40, 30, 20, 10]);
        for conference in ["b", "b-1"] {
            let query = HistoryQuery { conference: Some(conference.into()), ..all() };
            assert_eq!(times(&database, query), [20], "{conference}");
        }
        let between = HistoryQuery { since: Some(20 * SECOND), until: Some(40 * SECOND), ..all() };
        assert_eq!(times(&database, between), [30, 20]);
        let kinds = vec![RecordKind::DialledOut, RecordKind::Chat];
        assert_eq!(times(&database, HistoryQuery { kinds, ..all() }), [40, 30]);
        for person in ["alice", "sip:alice@h"] {
            let query = HistoryQuery { person: Some(person.into()), ..all() };
            assert_eq!(times(&database, query), [50, 30, 10], "{person}");
        }
        for nobody in ["ali", "%", "' OR 1 --"] {
            let query = HistoryQuery { person: Some(nobody.into()), ..all() };
            assert!(times(&database, query).is_empty(), "{nobody}");
        }
        let first = database.history(&HistoryQuery { limit: 2, ..all() }).unwrap();
        let next = HistoryQuery { before: first.last().map(|(id, _)| *id), limit: 2, ..all() };
        assert_eq!(times(&database, next), [30, 20]);
    }

    #[test]
    fn records_are_thrown_away_when_they_are_old_and_chat_sooner() {
        let mut database = filled();
        let now = 100 * SECOND;
        let keep = |all, chat| Retention { all, chat };
        assert_eq!(database.prune(now, keep(None, None)).unwrap(), 0);
        assert_eq!(database.prune(now, keep(Some(85 * SECOND), Some(60 * SECOND))).unwrap(), 2);
        assert_eq!(times(&database, HistoryQuery::default()), [50, 40]);
        assert_eq!(database.prune(now, keep(Some(SECOND), Some(90 * SECOND))).unwrap(), 3);
    }

    #[test]
    fn a_record_cannot_be_changed_nor_taken_away() {
        let mut database = filled();
        database
            .prune(100 * SECOND, Retention { all: Some(75 * SECOND), chat: Some(65 * SECOND) })
            .unwrap();
        for refused in [
            "UPDATE records SET detail = 'never said'",
            "DELETE FROM records WHERE at = 50000",
            "DELETE FROM records",
            "INSERT OR REPLACE INTO records (id, at, meeting, name, kind, detail)
             SELECT id, at, meeting, name, kind, 'never said' FROM records WHERE at = 50000",
        ] {
            let error = database.execute(refused).unwrap_err().to_string();
            assert!(error.contains("history"), "{refused}: {error}");
        }
        assert_eq!(
            times(&database, HistoryQuery { limit: 100, ..HistoryQuery::default() }),
            [50, 40]
        );
    }
}
