//! Call detail records, made of the history: who was in which conference, from when to when.

use std::time::Duration;

use rusqlite::Connection;

use super::rows::unsigned;

/// One finished membership: a device came into a conference and left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallRecord {
    /// The meeting; unlike the conference's name it is used once.
    pub(crate) meeting: String,
    /// The conference's name.
    pub(crate) conference: String,
    /// Who it was.
    pub(crate) uri: String,
    /// What the others were shown.
    pub(crate) name: String,
    /// Whether digest proved who it was.
    pub(crate) verified: bool,
    /// When it came, since 1970.
    pub(crate) joined: Duration,
    /// When it left, since 1970.
    pub(crate) left: Duration,
    /// Why it left.
    pub(crate) why: String,
    /// Its program; may be empty.
    pub(crate) user_agent: String,
}

/// The memberships that ended in this time, the first to end first. One whose beginning is not kept
/// any more is left out.
pub(super) fn query(
    connection: &Connection,
    conference: Option<&str>,
    since: Duration,
    until: Duration,
) -> rusqlite::Result<Vec<CallRecord>> {
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT l.meeting, l.name, l.by_uri, l.by_name, l.by_verified, j.at, l.at, l.detail, j.detail
             FROM records l
             JOIN records j ON j.meeting = l.meeting AND j.member = l.member AND j.kind = 'joined'
             WHERE l.kind = 'left' AND l.at >= ?1 AND l.at < ?2 AND l.by_uri IS NOT NULL
               AND (?3 IS NULL OR l.name = ?3 OR l.meeting = ?3)
             ORDER BY l.id",
        )?
        .query_map((millis(since), millis(until), conference), |row| {
            Ok(CallRecord {
                meeting: row.get(0)?,
                conference: row.get(1)?,
                uri: row.get(2)?,
                name: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
                verified: row.get::<_, Option<bool>>(4)?.unwrap_or_default(),
                joined: Duration::from_millis(unsigned(row, 5)?),
                left: Duration::from_millis(unsigned(row, 6)?),
                why: row.get(7)?,
                user_agent: row.get(8)?,
            })
        })?
        .collect()
}

#[cfg(test)]
mod tests {
    use sip_registrar::{ConferenceName, Person, Record, RecordKind, StoreCommand};

    use super::*;
    use crate::shell::store::{Database, Place};

    #[test]
    fn two_devices_of_one_person_are_two_calls() {
        let mut database = Database::open(&Place::Memory).unwrap();
        let record = |at, kind, leg: &str, detail: &str| {
            StoreCommand::Record(Box::new(Record {
                at: Duration::from_secs(at),
                meeting: "a-1".into(),
                name: ConferenceName::parse("a").unwrap(),
                kind,
                by: Some(Person { uri: "sip:zoé@h".into(), name: "Zoé".into(), verified: true }),
                whom: None,
                member: Some(leg.into()),
                detail: detail.into(),
            }))
        };
        let all = [
            record(1, RecordKind::Joined, "1", "phone"),
            record(2, RecordKind::Joined, "2", "laptop"),
            record(3, RecordKind::Joined, "3", "stays"),
            record(5, RecordKind::Left, "2", "BYE"),
            record(9, RecordKind::Left, "1", "kicked"),
        ];
        database.write(&all).unwrap();
        let calls = |conference, since, until| {
            let time = Duration::from_secs;
            let calls = database.calls(conference, time(since), time(until)).unwrap();
            let shown = |call: &CallRecord| {
                (
                    call.joined.as_secs(),
                    call.left.as_secs(),
                    call.user_agent.clone(),
                    call.why.clone(),
                )
            };
            calls.iter().map(shown).collect::<Vec<_>>()
        };
        let laptop = (2, 5, "laptop".to_owned(), "BYE".to_owned());
        let phone = (1, 9, "phone".to_owned(), "kicked".to_owned());
        assert_eq!(calls(None, 0, 100), [laptop.clone(), phone.clone()]);
        assert_eq!(calls(Some("a"), 6, 100), [phone]);
        assert_eq!(calls(Some("a-1"), 0, 9), [laptop]);
        assert!(calls(Some("b"), 0, 100).is_empty());
    }
}
