//! What can be done to a conference, by whom, whichever door it comes through: SIP, HTTP, CCMP, keypad.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::meeting::{MemberRole, Pin, Schedule, Visibility};
use super::name::ConferenceName;
use super::path::PathPolicy;

/// Who does something to a conference, or looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// An operator by a token of the HTTP interface, which has this name: may do everything.
    Operator(String),
    /// An account, proved by digest.
    Account(String),
    /// Somebody without one.
    Guest {
        /// The address it comes from.
        address: IpAddr,
        /// The user part of its From.
        user: String,
        /// The secret of a conference it has created, if it shows one.
        secret: Option<String>,
    },
}

/// A member that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// One device: by the name of its leg, [`MemberView::id`](super::MemberView::id).
    Member(String),
    /// All devices of an address of record, `sip:alice@example.org`.
    Uri(String),
    /// All that are in it, moderators and the organizer excepted.
    Everybody,
}

/// Something that is done to a conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// End it for all, now; who dials it later is told 410.
    Cancel,
    /// Let nobody else in, or let them in again.
    Lock(bool),
    /// Let newcomers wait, or not any more; then those who wait come in.
    WaitingRoom(bool),
    /// Change what was agreed about it.
    Change(Box<MeetingWish>),
    /// Remove somebody.
    Kick(Whom),
    /// Mute somebody, or let them talk again.
    Mute(Whom, bool),
    /// Let somebody in from the waiting room.
    Admit(Whom),
    /// Give somebody another role. A new organizer takes the place of the old one, who stays moderator.
    Role(Whom, MemberRole),
    /// Call this SIP URI into it.
    DialOut(String),
}

/// What is wanted of a conference that is to be made or changed. What is `None` stays as it is, or is as
/// usual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeetingWish {
    /// Its name; only when it is made. `None` makes a random one.
    pub name: Option<ConferenceName>,
    /// What its organizer is called on screens; only when it is made. `None` is the user name.
    pub organizer_name: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// Who finds it in a list.
    pub visibility: Option<Visibility>,
    /// What has to be dialled to come in; `Some(None)` takes it away.
    pub pin: Option<Option<Pin>>,
    /// The most members; `Some(None)` is the server's limit.
    pub max_members: Option<Option<usize>>,
    /// When it is planned; `Some(None)` means now.
    pub schedule: Option<Option<Schedule>>,
    /// Whether newcomers wait.
    pub waiting_room: Option<bool>,
    /// Which way its media may go.
    pub media_path: Option<PathPolicy>,
    /// Accounts that are invited.
    pub invited: Option<BTreeSet<String>>,
}

/// A conference that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its name, the user part of its URI.
    pub name: ConferenceName,
    /// What its creator can show to be known again, if it is a guest. Nobody is told twice.
    pub secret: Option<String>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The status code that SIP and HTTP share: 400, 403, 404, 409, 410, 486, 503.
    pub status: u16,
    /// Why, in one line for people.
    pub why: String,
}

impl Denied {
    /// A refusal.
    #[must_use]
    pub fn new(status: u16, why: impl Into<String>) -> Self {
        Denied { status, why: why.into() }
    }
}
