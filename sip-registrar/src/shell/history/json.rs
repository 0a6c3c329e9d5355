//! Records and call detail records as JSON; times are RFC 3339.

use serde::Serialize;
use sip_registrar::{Person, RecordKind};
use utoipa::ToSchema;

use crate::shell::moment::rfc3339;
use crate::shell::store::{CallRecord, Numbered};

/// One thing that happened in a conference.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Record)]
pub(crate) struct RecordJson {
    /// Later records have larger numbers.
    id: i64,
    /// When (RFC 3339).
    #[schema(format = DateTime)]
    at: String,
    /// Which meeting; unlike the conference's name it is used once.
    meeting: String,
    /// The conference's name, the user part of its URI.
    conference: String,
    /// What happened: created, changed, joined, left, refused, kicked, muted, unmuted, locked, unlocked,
    /// admitted, dialled-out, role, mode, chat, cancelled, ended.
    #[schema(value_type = String)]
    kind: RecordKind,
    /// Who did it; null when it happened by itself.
    by: Option<PersonJson>,
    /// To whom.
    whom: Option<PersonJson>,
    /// With which device: the id of a member.
    member: Option<String>,
    /// More about it in one line.
    detail: String,
}

/// Somebody, as the history names them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Person)]
pub(crate) struct PersonJson {
    /// The address of record; for an operator the name of the token.
    uri: String,
    /// What the others were shown.
    name: String,
    /// Whether digest or a token proved who it was.
    verified: bool,
}

/// A call detail record: somebody was in a conference from then to then.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct CallJson {
    conference: String,
    meeting: String,
    uri: String,
    name: String,
    verified: bool,
    joined: String,
    left: String,
    seconds: u64,
    why: String,
    user_agent: Option<String>,
}

impl From<Numbered> for RecordJson {
    fn from((id, record): Numbered) -> Self {
        RecordJson {
            id,
            at: rfc3339(record.at),
            meeting: record.meeting,
            conference: record.name.into(),
            kind: record.kind,
            by: record.by.map(PersonJson::from),
            whom: record.whom.map(PersonJson::from),
            member: record.member,
            detail: record.detail,
        }
    }
}

impl From<Person> for PersonJson {
    fn from(Person { uri, name, verified }: Person) -> Self {
        PersonJson { uri, name, verified }
    }
}

impl From<CallRecord> for CallJson {
    fn from(call: CallRecord) -> Self {
        CallJson {
            joined: rfc3339(call.joined),
            left: rfc3339(call.left),
            seconds: call.left.saturating_sub(call.joined).as_secs(),
            conference: call.conference,
            meeting: call.meeting,
            uri: call.uri,
            name: call.name,
            verified: call.verified,
            why: call.why,
            user_agent: Some(call.user_agent).filter(|agent| !agent.is_empty()),
        }
    }
}
