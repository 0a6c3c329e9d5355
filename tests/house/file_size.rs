use super::{code_lines, product_files, root};

/// A longer file is several rooms in one.
const MAX_LINES: usize = 500;

#[test]
fn no_file_is_longer_than_a_room() {
    let long: Vec<String> = product_files(&root())
        .into_iter()
        .filter_map(|file| {
            let text = std::fs::read_to_string(&file).expect("a readable file");
            let lines = code_lines(&text).count();
            (lines > MAX_LINES).then(|| format!("{} has {lines} lines", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "split these: {long:#?}");
}

#[test]
fn library_roots_hold_docs_and_modules_only() {
    for file in product_files(&root()) {
        if !file.ends_with("src/lib.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a readable file");
        for line in code_lines(&text) {
            let code = line.trim_start();
            let is_item =
                ["fn ", "pub fn ", "impl ", "struct ", "pub struct ", "enum ", "pub enum "]
                    .iter()
                    .any(|start| code.starts_with(start));
            assert!(!is_item, "{}: `{line}` belongs into a module of its own", file.display());
        }
    }
}
