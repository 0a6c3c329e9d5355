//! SIP registrar, B2BUA and conference focus (RFC 3261, RFC 4353, RFC 4579).
//!
//! [`Registrar`] is the whole of it as one value without sockets, clock or random numbers of its
//! own: hand it an [`Input`] and the time, drain its [`Output`]s, wake it when
//! [`Registrar::poll_timeout`] says. The program around it (`src/shell`) owns all the rest.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")
)]

mod core;

pub use crate::core::{
    Account, AccountError, Accounts, Act, Actor, CcmpAnswer, Chart, CommandId, ConferenceName,
    Counters, Created, Denied, Examination, FactoryAnswer, GuardNumbers, Guests, HttpLogin, Input,
    InvitePolicy, Login, MAX_SUBJECT, Meeting, MeetingState, MeetingView, MeetingWish, MemberRole,
    MemberState, MemberView, MsrpConnection, Network, Organizer, Output, PathPolicy, Person, Pin,
    Protection, Record, RecordKind, Registrar, Schedule, Secret, Settings, StoreCommand,
    StoredBinding, StoredFlow, Visibility, WallClock, Whom, sanitise_subject,
};
