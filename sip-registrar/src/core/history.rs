//! What has happened in conferences: records that are written once and never changed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::conference::{ConferenceName, Focus};
use super::registrar::{Output, Registrar};
use super::store::StoreCommand;

/// Somebody, as the history names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The address of record, `sip:alice@example.org`; for an operator the name of the token.
    pub uri: String,
    /// What the others were shown.
    pub name: String,
    /// Whether digest or a token proved who it is.
    pub verified: bool,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, since 1970-01-01T00:00:00Z.
    pub at: Duration,
    /// Which meeting; unlike its name it is used once.
    pub meeting: String,
    /// The conference's name, the user part of its URI.
    pub name: ConferenceName,
    /// What happened.
    pub kind: RecordKind,
    /// Who did it; `None` when it happened by itself.
    pub by: Option<Person>,
    /// To whom it was done.
    pub whom: Option<Person>,
    /// With which device: [`MemberView::id`](super::conference::MemberView::id). Joined and left of the
    /// same device belong together.
    pub member: Option<String>,
    /// More about it in one line: the subject, the program somebody came with, why somebody left, what
    /// was written in the chat.
    pub detail: String,
}

/// Kinds of things that happen in a conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordKind {
    /// It was created, or opened by the first who dialled it.
    Created,
    /// Subject, times, PIN or visibility were changed.
    Changed,
    /// Somebody came in; the detail names the program.
    Joined,
    /// Somebody left; the detail says how.
    Left,
    /// Somebody was refused at the door: wrong PIN, locked, full.
    Refused,
    /// Somebody was removed.
    Kicked,
    /// Somebody, or everybody, was muted.
    Muted,
    /// The same taken back.
    Unmuted,
    /// The door was locked.
    Locked,
    /// The door was opened.
    Unlocked,
    /// Somebody was let in from the waiting room.
    Admitted,
    /// Somebody was called by the conference.
    DialledOut,
    /// Somebody got another role.
    Role,
    /// Media go another way now: through the mixer, or directly.
    Mode,
    /// A line of chat.
    Chat,
    /// It was cancelled.
    Cancelled,
    /// It ended by itself.
    Ended,
}

impl Record {
    /// Something has happened in this conference, `at` after 1970.
    pub(crate) fn new(at: Duration, focus: &Focus, kind: RecordKind) -> Self {
        Record {
            at,
            meeting: focus.id().to_owned(),
            name: focus.meeting().name.clone(),
            kind,
            by: None,
            whom: None,
            member: None,
            detail: String::new(),
        }
    }

    /// Who did it.
    pub(crate) fn by(mut self, person: Person) -> Self {
        self.by = Some(person);
        self
    }

    /// With which device.
    pub(crate) fn member(mut self, leg: impl Into<String>) -> Self {
        self.member = Some(leg.into());
        self
    }

    /// To whom it was done.
    pub(crate) fn whom(mut self, person: Person) -> Self {
        self.whom = Some(person);
        self
    }

    /// More about it.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

impl Registrar {
    /// Notes in the history what has happened.
    pub(crate) fn record(&mut self, record: Record) {
        self.store(StoreCommand::Record(Box::new(record)));
    }

    /// Has something kept beyond a restart.
    pub(crate) fn store(&mut self, command: StoreCommand) {
        self.push_output(Output::Store(command));
    }
}
