//! Documents about conferences as plain values, without clock, sockets or SIP:
//!
//! - [`ConferenceInfo`]: who is in a conference (RFC 4575), in full or only what has changed;
//!   [`difference`] makes the latter, [`ConferenceInfo::apply`] takes it in.
//! - [`rlmi`]: many conferences in one notification (RFC 4662).
//! - [`resource_lists`]: lists of addresses that requests bring (RFC 4826, RFC 5366, RFC 5367).
//! - [`ccmp`]: requests about conferences and their answers (RFC 6503).
//!
//! Whatever is read comes from strangers: documents are bounded in length and number of nodes, have no
//! DTD and so no entities, and what is not known in them is skipped.

mod apply;
pub mod ccmp;
mod diff;
mod document;
mod parse;
mod print;
pub mod resource_lists;
pub mod rlmi;
mod when;
mod xml;

pub use apply::Applied;
pub use diff::difference;
pub use document::{
    AvailableMedium, CallInfo, ConfUri, ConferenceInfo, ConferenceState, Description,
    DisconnectionMethod, Endpoint, EndpointStatus, Execution, Host, JoiningMethod, Medium,
    MediumStatus, State, User, Users,
};
pub use xml::{DocumentError, MAX_DOCUMENT};

/// Media type of a [`ConferenceInfo`] (RFC 4575 §9.2).
pub const MEDIA_TYPE: &str = "application/conference-info+xml";
