//! Digest authentication (RFC 7616; RFC 8760 for its use in SIP).

pub mod challenge;
pub mod credentials;
pub mod digest;

pub use challenge::{Challenger, Verdict};
pub use credentials::{AnswerError, Credentials};
pub use digest::{Algorithm, Ha1};
