//! Tokens of the HTTP interface: what they allow, and the commands that make them.

mod command;
mod scope;

pub(crate) use command::{TokenCommand, run};
pub(crate) use scope::Scope;
