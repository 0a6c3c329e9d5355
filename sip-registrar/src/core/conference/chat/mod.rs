//! The chat of a conference: one room, in which every line has a sender that is known and the server's
//! time. What comes in by MESSAGE or MSRP goes out to each other member in the form its device
//! understands.
//!
//! ```text
//!  MESSAGE, SEND ──read──▶ Said ──say──▶ Line ──▶ Log (for newcomers)
//!                                         └────▶ Inbox of each other member ──relay──▶ MESSAGE, SEND
//!  answer to the sender ◀── Delivery ◀── answers of the others
//! ```

mod delivery;
mod inbox;
mod line;
mod log;
mod msrp;
mod offer;
mod read;
mod receive;
mod relay;

pub(crate) use delivery::Deliveries;
pub(crate) use inbox::Inbox;
pub(crate) use log::Log;
pub use msrp::MsrpConnection;
pub(crate) use msrp::{Desk, Side};
pub(crate) use offer::{path_offered, without_chat};

/// The longest text of one line, in bytes. It fits a SIP message over TCP (64 KB with its envelope).
pub(crate) const MAX_TEXT: usize = 32 * 1024;
