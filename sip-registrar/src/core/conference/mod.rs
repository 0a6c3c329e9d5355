//! Conferences: the focus of RFC 4353 and RFC 4579.

mod dial_out;
mod directory;
mod focus;
mod info;
mod join;
mod leave;
mod link;
mod member;
mod name;
mod probe;
mod reoffer;
mod take_over;

pub(crate) use directory::{Creator, Directory};
pub(crate) use focus::Focus;
pub(crate) use join::description_of;
pub(crate) use member::{Member, Session};
pub use name::ConferenceName;
pub(crate) use take_over::Reference;
