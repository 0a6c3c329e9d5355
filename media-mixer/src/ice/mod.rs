//! ICE as a server with a public address does it: *lite* (RFC 8445 §2.5). We make no checks, we answer those of the
//! member; where they come from is where it can be reached, and which of these places it prefers it tells by
//! USE-CANDIDATE. So this knows no timers: a few addresses, and the two credentials.

mod checked;
mod credentials;
mod lite;

pub(crate) use checked::Checked;
pub(crate) use credentials::Credentials;
pub use credentials::IceSecret;
pub(crate) use lite::{Check, LiteAgent};
