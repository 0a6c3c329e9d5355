//! Records as a table for people, in local time.

use sip_registrar::Person;

use crate::shell::moment::local;
use crate::shell::store::{Numbered, kind_name};

/// The table, without heading when there is nothing in it.
pub(super) fn table(records: &[Numbered]) -> String {
    let heading = ["WHEN", "CONFERENCE", "WHAT", "WHO", "DETAIL"].map(str::to_owned);
    let rows: Vec<[String; 5]> = records.iter().map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let all = || std::iter::once(&heading).chain(&rows);
    let mut widths = [0; 4];
    for (index, width) in widths.iter_mut().enumerate() {
        let cells = all().filter_map(|row| row.get(index));
        *width = cells.map(|cell| cell.chars().count()).max().unwrap_or_default();
    }
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line += &format!("{cell:width$}  ");
        }
        line += &row[4];
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn row(numbered: &Numbered) -> [String; 5] {
    let (_, record) = numbered;
    let who = match (&record.by, &record.whom) {
        (Some(by), Some(whom)) => format!("{} → {}", shown(by), shown(whom)),
        (Some(person), None) | (None, Some(person)) => shown(person),
        (None, None) => "-".to_owned(),
    };
    let kind = kind_name(record.kind);
    [local(record.at), record.name.to_string(), kind, who, one_line(&record.detail)]
}

/// `Alice <sip:alice@example.org>`; a `?` behind what nobody has proved.
fn shown(person: &Person) -> String {
    let doubt = if person.verified { "" } else { " ?" };
    match person.name.as_str() {
        "" => format!("{}{doubt}", one_line(&person.uri)),
        name => format!("{} <{}>{doubt}", one_line(name), one_line(&person.uri)),
    }
}

/// What others have written must not steer the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sip_registrar::{ConferenceName, Record, RecordKind};

    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_nothing_steers_the_terminal() {
        let person =
            |name: &str, verified| Person { uri: "sip:z@h".into(), name: name.into(), verified };
        let record = |kind, whom, detail: &str| Record {
            at: Duration::ZERO,
            meeting: "a-1".into(),
            name: ConferenceName::parse("standup").unwrap(),
            kind,
            by: Some(person("Zoé", true)),
            whom,
            member: None,
            detail: detail.into(),
        };
        let records = [
            (1, record(RecordKind::Joined, None, "baresip")),
            (2, record(RecordKind::Kicked, Some(person("", false)), "\u{1b}[2J\r\nx")),
        ];
        let text = table(&records);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        let column = |line: &str, what: &str| line.split(what).next().map(|l| l.chars().count());
        assert_eq!(column(lines[0], "WHAT"), column(lines[1], "joined"));
        assert_eq!(column(lines[0], "DETAIL"), column(lines[1], "baresip"));
        assert!(lines[2].contains("kicked  Zoé <sip:z@h> → sip:z@h ?   [2J  x"), "{text}");
        assert_eq!(table(&[]), "");
    }
}
