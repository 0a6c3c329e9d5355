//! The softphone's program; `softphone --help` says what it does.

mod shell;

use std::process::ExitCode;

fn main() -> ExitCode {
    shell::run()
}
