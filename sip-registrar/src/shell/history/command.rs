//! `sip-registrar history`: reads the database; the service may be running.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;
use sip_registrar::RecordKind;

use super::json::{CallJson, RecordJson};
use super::table::table;
use crate::shell::config::Config;
use crate::shell::moment;
use crate::shell::store::{Database, HistoryQuery, parse_kind};

/// What of the history is wanted.
#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    /// A conference by its name, or one meeting by its id; without it, all.
    name: Option<String>,
    /// Only what happened since then: how long ago (2h, 3d), a day or a time (2026-11-22,
    /// "2026-11-22 14:30", RFC 3339).
    #[arg(long, value_name = "WHEN", value_parser = moment::parse_typed)]
    since: Option<Duration>,
    /// Only what happened before then, in the same forms.
    #[arg(long, value_name = "WHEN", value_parser = moment::parse_typed)]
    until: Option<Duration>,
    /// Only these kinds: created, changed, joined, left, refused, kicked, muted, unmuted, locked,
    /// unlocked, admitted, dialled-out, role, mode, chat, cancelled, ended.
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    kind: Vec<RecordKind>,
    /// Only what this person did or had done to them: a URI or its user part.
    #[arg(long, value_name = "USER")]
    person: Option<String>,
    /// The latest so many records.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
    /// One JSON object a line instead of a table; times in UTC.
    #[arg(long)]
    json: bool,
    /// Call detail records instead, one JSON object a line: who was in which conference, from when to
    /// when; by the time of leaving.
    #[arg(long, conflicts_with_all = ["kind", "person", "limit", "json"])]
    cdr: bool,
}

fn kind(name: &str) -> Result<RecordKind, String> {
    parse_kind(name).ok_or_else(|| format!("there is no kind \"{name}\"; see --help"))
}

/// Prints what is wanted.
pub(crate) fn run(config: &Config, arguments: HistoryArguments) -> anyhow::Result<()> {
    if arguments.since.zip(arguments.until).is_some_and(|(since, until)| since >= until) {
        bail!("--since must be before --until");
    }
    let database = Database::open(&config.store.place()?)?;
    let text = if arguments.cdr {
        let since = arguments.since.unwrap_or_default();
        let until = arguments.until.unwrap_or(Duration::MAX);
        let calls = database.calls(arguments.name.as_deref(), since, until)?;
        lines(calls.into_iter().map(CallJson::from))?
    } else {
        let mut records = database.history(&HistoryQuery {
            conference: arguments.name,
            since: arguments.since,
            until: arguments.until,
            kinds: arguments.kind,
            person: arguments.person,
            before: None,
            limit: arguments.limit,
        })?;
        records.reverse();
        match arguments.json {
            true => lines(records.into_iter().map(RecordJson::from))?,
            false => table(&records),
        }
    };
    // A closed pipe (`| head`) is no failure worth words.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

fn lines<T: serde::Serialize>(values: impl Iterator<Item = T>) -> anyhow::Result<String> {
    let mut text = String::new();
    for value in values {
        text += &serde_json::to_string(&value).map_err(|error| anyhow!(error))?;
        text.push('\n');
    }
    Ok(text)
}
