//! Who is in a conference, and which conferences there are, told to those who subscribe to it: the
//! conference event package (RFC 4575) and event lists (RFC 4662) over RFC 6665.

mod document;
mod list;
mod notify;
mod pace;
mod silence;
mod subscribe;
mod subscription;
mod table;

pub(crate) use subscribe::EVENTS;
pub(crate) use subscription::SubscriptionId;
pub(crate) use table::Rosters;
