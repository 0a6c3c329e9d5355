//! Dialogs and the INVITE sessions on them (RFC 3261 §12–15): identity, sequence and routes of a
//! dialog, and one session act a file. The acts are methods of
//! [`Endpoint`](crate::endpoint::Endpoint).

mod ack;
mod bye;
mod call;
mod cancel;
mod early;
mod id;
mod incoming;
mod invite;
mod notifier;
mod offered;
mod reinvite;
mod reliable;
mod routes;
mod session_timer;
mod state;
mod subscriber;

pub(crate) use call::{Call, CallTimer, Calls, Stage};
pub use id::DialogId;
pub use notifier::Notifier;
pub use subscriber::{Order, Subscriber};
