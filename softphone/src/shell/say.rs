//! Plain lines for the person at the terminal. Logs are something else: see `RUST_LOG`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the terminal is the user interface")]

/// Something that happened.
pub fn say(line: &str) {
    println!("{line}");
}

/// Why something did not happen.
pub fn complain(line: &str) {
    eprintln!("softphone: {line}");
}
