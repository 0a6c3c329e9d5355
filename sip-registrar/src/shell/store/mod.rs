//! What outlives a restart: accounts, registrations, conferences and their history, in one SQLite file.
//!
//! [`Database`] is the file with its commands and queries, used at start and by `sip-registrar
//! account`, `history` and `token`. While the service runs, [`Keeper`] owns it on a thread of its own: nothing that a packet
//! waits for ever waits for a disk.

mod calls;
mod database;
mod error;
mod history;
mod keeper;
mod meetings;
mod place;
mod rows;
mod schema;
mod tokens;

pub(crate) use calls::CallRecord;
pub(crate) use database::Database;
pub(crate) use error::StoreError;
pub(crate) use history::{HistoryQuery, Numbered, Retention, kind_name, parse_kind};
pub(crate) use keeper::{Desk, Keeper, KeeperNumbers, Kept, Unanswered};
pub(crate) use place::Place;
pub(crate) use rows::AccountRow;
pub(crate) use tokens::TokenRow;
