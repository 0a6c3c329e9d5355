//! A table for the terminal.

use unicode_width::UnicodeWidthStr;

/// Rows as lines, each column as wide as its widest cell; the first row is the head. Control characters
/// are dropped: cells hold what strangers wrote.
pub fn lines(rows: &[Vec<String>]) -> Vec<String> {
    let clean: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let columns = clean.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        clean.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| {
            let room = width.saturating_sub(cell.width());
            format!("{cell}{}", " ".repeat(room))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    clean.iter().map(line).collect()
}

/// Without what would move the cursor or turn the line around.
pub fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !turns(*c))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_in_any_script() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["NAME", "SUBJECT", "N"]), row(["a", "計画", "1"]), row(["b", "", "22"])];
        assert_eq!(lines(&rows), ["NAME  SUBJECT  N", "a     計画     1", "b              22"]);
        assert!(lines(&[]).is_empty());
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}"), "a[2J b");
    }
}
