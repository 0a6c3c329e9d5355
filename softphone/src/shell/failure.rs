//! Why a command did not do what it was asked for, and how the terminal and the exit code tell.

use std::process::ExitCode;

use softphone::core::outcome::Outcome;

use super::say::complain;

/// Exit code for wrong usage, the same as clap's.
const USAGE: u8 = 2;

/// What went wrong before, or instead of, an outcome.
#[derive(Debug)]
pub enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// Anything else.
    Outcome(Outcome),
}

impl Failure {
    /// Something on this machine.
    pub fn local(error: impl ToString) -> Self {
        Self::Outcome(Outcome::Local(error.to_string()))
    }

    /// Tells it.
    pub fn complain(&self) -> ExitCode {
        match self {
            Failure::Usage(what) => {
                complain(&format!("{what}\nTry 'softphone --help'."));
                ExitCode::from(USAGE)
            }
            Failure::Outcome(outcome) => ended(outcome),
        }
    }
}

/// The end of a command that has said by itself what went well.
pub fn ended(outcome: &Outcome) -> ExitCode {
    if outcome.exit_code() != 0 {
        complain(&outcome.to_string());
    }
    ExitCode::from(outcome.exit_code())
}
