//! The house rules of docs/ARCHITECTURE.md, checked: who may depend on whom, what a core may not
//! touch, and how long a file may grow.

#![allow(clippy::expect_used, clippy::panic, reason = "a test program")]

mod arrows;
mod cores;
mod file_size;
mod rfc_table;

use std::path::{Path, PathBuf};

/// The workspace root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

/// Every Rust file below `dir` that is product code: no build output, tests (`tests.rs` is a test module in a
/// file of its own), benches or examples.
fn product_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                let skipped = ["target", "tests", "benches", "examples", "fuzz"];
                if !skipped.contains(&name.as_str()) && !name.starts_with('.') {
                    open.push(path);
                }
            } else if name.ends_with(".rs") && name != "tests.rs" {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The lines of a file before its trailing test module.
fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"))
}
