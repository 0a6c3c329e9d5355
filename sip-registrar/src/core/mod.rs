//! The registrar without input or output: registration, two-party calls, conferences.

mod accounts;
mod call;
mod clock;
mod conference;
mod counters;
mod doctor;
mod guard;
mod identity;
mod location;
mod mixer;
mod refer;
mod register;
mod registrar;
mod reject;
mod route;
mod settings;
mod store;

pub use accounts::{Account, AccountError, Accounts};
pub use clock::WallClock;
pub use conference::ConferenceName;
pub use counters::Counters;
pub use doctor::{Chart, Examination};
pub use guard::{GuardNumbers, Network, Protection};
pub use mixer::CommandId;
pub use registrar::{Input, Output, Registrar};
pub use settings::{Guests, Settings};
pub use store::{StoreCommand, StoredBinding, StoredFlow};
