//! Runs every fuzz body over its committed corpus, on the stable toolchain.

#![allow(clippy::expect_used, clippy::panic, reason = "a test program")]

use std::path::{Path, PathBuf};

use fuzz_bodies::TARGETS;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("a readable entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_committed_input_passes_its_fuzz_body() {
    for target in TARGETS {
        let directory = corpus().join(target.name);
        let inputs = names(&directory);
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for input in inputs {
            let bytes = std::fs::read(directory.join(&input)).expect("a readable input");
            let found = std::panic::catch_unwind(|| (target.body)(&bytes));
            assert!(found.is_ok(), "{} fails on corpus/{}/{input}", target.name, target.name);
        }
    }
}

#[test]
fn every_target_has_a_body_and_every_body_a_target() {
    let wanted: Vec<String> = {
        let mut names: Vec<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&corpus()), wanted);
    let programs: Vec<String> = names(&corpus().join("../fuzz_targets"))
        .into_iter()
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .collect();
    assert_eq!(programs, wanted);
}
