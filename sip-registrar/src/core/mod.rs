//! The registrar without input or output: registration, two-party calls, conferences.

mod accounts;
mod call;
mod ccmp;
mod clock;
mod conference;
mod counters;
mod doctor;
mod guard;
mod history;
mod identity;
mod location;
mod login;
mod mixer;
mod refer;
mod register;
mod registrar;
mod reject;
mod route;
mod settings;
mod store;

pub use accounts::{Account, AccountError, Accounts};
pub use ccmp::CcmpAnswer;
pub use clock::WallClock;
pub use conference::{
    Act, Actor, ConferenceName, Created, Denied, MAX_SUBJECT, Meeting, MeetingState, MeetingView,
    MeetingWish, MemberRole, MemberState, MemberView, MsrpConnection, Organizer, PathPolicy, Pin,
    Schedule, Secret, Visibility, Whom, sanitise_subject,
};
pub use counters::Counters;
pub use doctor::{Chart, Examination};
pub use guard::{GuardNumbers, Network, Protection};
pub use history::{Person, Record, RecordKind};
pub use login::{HttpLogin, Login};
pub use mixer::CommandId;
pub use registrar::{Input, Output, Registrar};
pub use settings::{FactoryAnswer, Guests, InvitePolicy, Settings};
pub use store::{StoreCommand, StoredBinding, StoredFlow};
