//! The history for people and programs: `sip-registrar history`, and the JSON form of records.

mod command;
mod json;
mod table;

pub(crate) use command::{HistoryArguments, run};
pub(crate) use json::RecordJson;
