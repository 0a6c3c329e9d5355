//! Conference control (RFC 6503): what is asked about conferences, and the answers.
//!
//! Namespaces are not compared when reading, for RFC 6503 (`…:xcon-ccmp`) and the examples of RFC 6504
//! (`…:xcon:ccmp`) do not agree; printed is the former. Elements of the data model (RFC 6501) are printed
//! with the prefix `xcon:`, by which Linphone knows them.

mod ical;
mod request;
mod response;

pub use request::{Ask, Conference, Operation, Planned, Request, Target};
pub use response::{Answer, Code, Response};

/// Media type of requests and responses (RFC 6503 §5).
pub const MEDIA_TYPE: &str = "application/ccmp+xml";
