//! Conferences: the focus of RFC 4353 and RFC 4579.

mod act;
mod arrange;
mod chat;
mod create;
mod dial_out;
mod directory;
mod door;
mod end;
mod factory;
mod focus;
mod gone;
mod info;
mod join;
mod leave;
mod link;
mod lobby;
mod meeting;
mod member;
mod moderate;
mod name;
mod path;
mod perform;
mod probe;
mod reoffer;
mod roster;
mod take_over;
mod view;

pub use act::{Act, Actor, Created, Denied, MeetingWish, Whom};
pub use chat::MsrpConnection;
pub(crate) use chat::{Deliveries, Desk};
pub(crate) use create::flag;
pub(crate) use directory::{Creator, Directory};
pub(crate) use focus::Focus;
pub(crate) use gone::Gone;
pub(crate) use join::description_of;
pub use meeting::{
    MAX_SUBJECT, Meeting, MemberRole, Organizer, Pin, Schedule, Secret, Visibility,
    sanitise_subject,
};
pub(crate) use member::{Member, Session};
pub use name::ConferenceName;
pub use path::PathPolicy;
pub(crate) use roster::{EVENTS, Rosters, SubscriptionId};
pub(crate) use take_over::Reference;
pub use view::{MeetingState, MeetingView, MemberState, MemberView};
