//! Plain lines for the person at the terminal. Logs are something else: see `RUST_LOG`.
//!
//! A terminal or pipe that is gone is no reason to end a call: what cannot be written is not.

use std::io::Write;

use super::table::printable;

/// Something that happened.
pub fn say(line: &str) {
    let _gone = writeln!(std::io::stdout().lock(), "{}", clean(line));
}

/// Why something did not happen.
pub fn complain(line: &str) {
    let _gone = writeln!(std::io::stderr().lock(), "softphone: {}", clean(line));
}

/// Reasons, names and texts come from strangers: what would command the terminal is left out.
fn clean(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}
