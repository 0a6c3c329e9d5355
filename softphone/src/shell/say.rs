//! Plain lines for the person at the terminal. Logs are something else: see `RUST_LOG`.
//!
//! A terminal or pipe that is gone is no reason to end a call: what cannot be written is not.

use std::io::Write;

/// Something that happened.
pub fn say(line: &str) {
    let _gone = writeln!(std::io::stdout().lock(), "{line}");
}

/// Why something did not happen.
pub fn complain(line: &str) {
    let _gone = writeln!(std::io::stderr().lock(), "softphone: {line}");
}
