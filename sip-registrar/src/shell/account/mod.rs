//! Accounts: those of the configuration and those of the database, and the commands for the latter.

mod command;
mod merge;
mod password;

pub(crate) use command::{AccountCommand, run};
pub(crate) use merge::{check_user, merge};
