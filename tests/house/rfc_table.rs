//! docs/RFCS.md claims; this holds it to its word.

use super::root;

const COLUMNS: &str = "| Behaviour source | What | State | File | Test(s) |";

/// The features a row may be waiting for.
const PLANNED: &[&str] = &["secure media and transports", "meeting functions"];

/// A cell with nothing to name; never allowed in a row that is done.
const NOTHING: &str = "–";

struct Row<'a> {
    line: usize,
    state: &'a str,
    files: Vec<&'a str>,
    tests: Vec<&'a str>,
}

impl Row<'_> {
    /// What is wrong with the row, in words; nothing if all is well.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let reason =
            |state: &str| self.state.strip_prefix(state).is_some_and(|why| !why.is_empty());
        let planned = self.state.strip_prefix("planned: ");
        if let Some(feature) = planned {
            if !PLANNED.contains(&feature) {
                faults.push(format!("`{feature}` is none of {PLANNED:?}"));
            }
        } else if self.state != "done" && !reason("not done: ") {
            faults.push(format!("`{}` is no state", self.state));
        }
        let must_name = self.state == "done";
        for file in self.files.iter().filter(|file| must_name || **file != NOTHING) {
            if !root().join(file).exists() {
                faults.push(format!("{file} does not exist"));
            }
        }
        for test in self.tests.iter().filter(|test| must_name || **test != NOTHING) {
            faults.extend(fault_of_test(test));
        }
        faults
    }
}

/// Why `path::function` names no test, if so.
fn fault_of_test(test: &str) -> Option<String> {
    let Some((path, function)) = test.rsplit_once("::") else {
        return Some(format!("`{test}` is not `path::function`"));
    };
    let Ok(text) = std::fs::read_to_string(root().join(path)) else {
        return Some(format!("{path} cannot be read"));
    };
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let start = |line: &&str| {
        let code = line.strip_prefix("async ").unwrap_or(line);
        code.strip_prefix("fn ")
            .and_then(|code| code.strip_prefix(function))
            .is_some_and(|rest| rest.starts_with('('))
    };
    let Some(at) = lines.iter().position(start) else {
        return Some(format!("{path} has no `fn {function}`"));
    };
    let marked = lines[..at]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
        .any(|line| line.contains("test]") || line.contains("test("));
    (!marked).then(|| format!("`{function}` in {path} is no test"))
}

/// The parts of a cell, without their code marks.
fn names(cell: &str) -> Vec<&str> {
    cell.split("<br>").map(|name| name.trim().trim_matches('`')).collect()
}

/// All rows of the page, and what is wrong with its form.
fn read(text: &str) -> (Vec<Row<'_>>, Vec<String>) {
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let is_row = line.starts_with('|') && line != COLUMNS && !line.starts_with("|---");
        if !is_row {
            continue;
        }
        let inner = line.strip_prefix('|').unwrap_or(line);
        let inner = inner.trim_end().strip_suffix('|').unwrap_or(inner);
        let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
        match cells[..] {
            [source, what, state, file, test]
                if cells.iter().all(|cell| !cell.is_empty())
                    && source != NOTHING
                    && what != NOTHING =>
            {
                rows.push(Row { line: index + 1, state, files: names(file), tests: names(test) });
            }
            _ => faults.push(format!("line {}: five full cells, please: {line}", index + 1)),
        }
    }
    (rows, faults)
}

#[test]
fn every_row_of_the_rfc_table_names_tests_that_exist() {
    let text = std::fs::read_to_string(root().join("docs/RFCS.md")).expect("docs/RFCS.md");
    let (rows, mut faults) = read(&text);
    for row in rows {
        faults.extend(row.faults().into_iter().map(|fault| format!("line {}: {fault}", row.line)));
    }
    assert!(faults.is_empty(), "docs/RFCS.md: {faults:#?}");
}

#[test]
fn a_row_that_claims_too_much_is_found() {
    let here = "tests/house/rfc_table.rs";
    for (row, good) in [
        (
            format!(
                "| RFC 1 §1 | x | done | {here} | `{here}::a_row_that_claims_too_much_is_found` |"
            ),
            true,
        ),
        (format!("| RFC 1 §1 | x | done | {here} | {here}::names |"), false),
        (format!("| RFC 1 §1 | x | done | {here} | {here}::a_row |"), false),
        (format!("| RFC 1 §1 | x | done | {here} | – |"), false),
        (
            format!(
                "| RFC 1 §1 | x | done | no.rs | {here}::a_row_that_claims_too_much_is_found |"
            ),
            false,
        ),
        (format!("| RFC 1 §1 | x | done | {here} | |"), false),
        (format!("| RFC 1 §1 | x | finished | {here} | – |"), false),
        ("| RFC 1 §1 | x | not done: | – | – |".to_owned(), false),
        ("| RFC 1 §1 | x | not done: nobody asks | – | – |".to_owned(), true),
        ("| RFC 1 §1 | x | planned: meeting functions | – | – |".to_owned(), true),
        ("| RFC 1 §1 | x | planned: some day | – | – |".to_owned(), false),
    ] {
        let (rows, faults) = read(&row);
        let faults = faults.len() + rows.iter().map(|row| row.faults().len()).sum::<usize>();
        assert_eq!(faults == 0, good, "{row}");
    }
}
