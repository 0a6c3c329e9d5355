//! `softphone list`: the conferences there are; who chooses one joins it.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use sip_stack::message::Uri;
use softphone::core::errand::{Event, Task};
use softphone::core::listing::{Listing, Row, Taken};
use tokio::sync::mpsc;

use super::cli::{Join, List, Who};
use super::errand::{self, Next};
use super::failure::{Failure, ended};
use super::join::join;
use super::say::{complain, say};
use super::way::{Way, sip_uri};
use super::{lines, moment, table};

/// Runs the command.
pub fn list(args: &List) -> ExitCode {
    match look(args) {
        Ok(code) => code,
        Err(failure) => failure.complain(),
    }
}

fn look(args: &List) -> Result<ExitCode, Failure> {
    let server = sip_uri(&args.server)?;
    let uri = Uri { params: server.params, ..Uri::sip(Some(&args.list), server.host, server.port) };
    let way = Way::find(&uri, &args.who)?;
    let chooses = !args.json && io::stdin().is_terminal() && io::stdout().is_terminal();
    let typed = if chooses { Some(typed().map_err(Failure::local)?) } else { None };
    // who may choose needs the list until then
    let live = args.watch || chooses;
    let shown =
        Screen { args, live, chooses, listing: Listing::default(), drawn: None, chosen: None };
    let shown = std::cell::RefCell::new(shown);
    let task = |_| Task::Look { uri: uri.clone(), live };
    let on_event = |event| shown.borrow_mut().event(event);
    let on_line = |line: &str| shown.borrow_mut().line(line);
    let outcome = errand::run(&way, &uri, task, typed, on_event, on_line)?;
    let mut shown = shown.into_inner();
    if !live && shown.listing.is_known() {
        shown.draw();
    }
    match shown.chosen {
        Some(row) => {
            if row.needs_pin {
                say("it wants a PIN: type /pin and the digits when you are there");
            }
            let who = Who { user: Some(way.user), ..args.who.clone() };
            Ok(join(&Join::new(row.uri, who)))
        }
        None => Ok(ended(&outcome)),
    }
}

/// What is typed; the channel ends with it.
fn typed() -> io::Result<mpsc::Receiver<String>> {
    let (lines, inbox) = mpsc::channel(1);
    lines::read(move |line| line.is_some_and(|line| lines.blocking_send(line).is_ok()))?;
    Ok(inbox)
}

/// What is shown, and what was chosen of it.
struct Screen<'a> {
    args: &'a List,
    live: bool,
    chooses: bool,
    listing: Listing,
    drawn: Option<Vec<Row>>,
    chosen: Option<Row>,
}

impl Screen<'_> {
    fn event(&mut self, event: Event) -> Next {
        let Event::State(notify) = event else { return Next::Go };
        match self.listing.take(&notify) {
            Taken::Nothing => Next::Go,
            Taken::Gap => Next::Again,
            Taken::Done => {
                if self.live {
                    self.draw();
                }
                Next::Go
            }
        }
    }

    fn draw(&mut self) {
        let rows = self.listing.rows();
        let first = self.drawn.is_none();
        let changed = self.drawn.as_ref() != Some(&rows);
        // a long list comes in portions
        let more = self.drawn.as_ref().is_some_and(|drawn| rows.len() > drawn.len());
        if !changed || !(first || more || self.args.watch) {
            // who looks once chooses from what was shown
            return;
        }
        if self.args.json {
            say(&serde_json::to_string(&rows).unwrap_or_default());
        } else {
            if self.args.watch && io::stdout().is_terminal() {
                // the whole screen anew (ECMA-48 CUP and ED)
                prompt("\u{1b}[H\u{1b}[2J");
            } else if !first {
                say("");
            }
            show(&rows);
            if self.chooses {
                self.ask(&rows);
            }
        }
        self.drawn = Some(rows);
    }

    fn ask(&self, rows: &[Row]) {
        if !rows.is_empty() {
            prompt("number of the one to join, Enter for none: ");
        } else if !self.args.watch {
            prompt("Enter to leave: ");
        }
    }

    fn line(&mut self, line: &str) -> Next {
        let line = line.trim();
        if line.is_empty() || line == "q" {
            return Next::Stop;
        }
        let rows = self.drawn.as_deref().unwrap_or_default();
        let number = line.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        self.chosen = number.and_then(|index| rows.get(index)).cloned();
        if self.chosen.is_some() {
            return Next::Stop;
        }
        complain(&format!("there is no number {line}"));
        self.ask(rows);
        Next::Go
    }
}

fn prompt(text: &str) {
    let mut out = io::stdout();
    // a terminal that is gone is noticed by reading
    let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn show(rows: &[Row]) {
    if rows.is_empty() {
        say("no conferences");
        return;
    }
    let head = ["#", "NAME", "SUBJECT", "CREATOR", "PEOPLE", "MODE", "SINCE", ""];
    let mut cells = vec![head.map(str::to_owned).to_vec()];
    cells.extend(rows.iter().enumerate().map(|(index, row)| cells_of(index, row)));
    table::lines(&cells).iter().for_each(|line| say(line));
}

fn cells_of(index: usize, row: &Row) -> Vec<String> {
    let when = |seconds: u64| moment::day_and_time(Duration::from_secs(seconds));
    let since = match (row.since, row.starts) {
        (Some(since), _) => when(since),
        (None, Some(starts)) => format!("from {}", when(starts)),
        (None, None) => String::new(),
    };
    let marks =
        [(row.needs_pin, "PIN"), (row.locked, "locked"), (row.waiting_room, "waiting room")];
    let marks: Vec<&str> = marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark).collect();
    vec![
        (index + 1).to_string(),
        row.name.clone(),
        row.subject.clone(),
        row.creator.clone(),
        row.people.to_string(),
        row.mode.clone(),
        since,
        marks.join(", "),
    ]
}
