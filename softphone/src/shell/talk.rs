//! What is said and typed in a call: the terminal, the log and the window hear of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use sip_stack::message::Uri;
use softphone::core::chat::{ChatLine, LineId};
use softphone::core::order::{Order, Role, address_of};
use softphone::core::phone::{Event, Phone};
use softphone::core::roster::{Change, Person, Presence};
use softphone::core::typed::{HELP, MeetingDeed, PersonDeed, Typed, read};
use softphone::device::picture::{ChatEntry, PersonRow};
use softphone::media::ice::IceEvent;

use super::moment;
use super::say::{complain, say};
use super::secrets::Secrets;
use super::view::View;

/// What typing asks the call for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing more.
    Nothing,
    /// These keys are to be pressed.
    Dial(String),
    /// The call is to be left.
    Leave,
}

/// One line of the log.
#[derive(Serialize)]
struct Logged<'a> {
    /// Seconds since 1970.
    at: f64,
    from: &'a str,
    text: &'a str,
    own: bool,
    private: bool,
}

/// The conversation of one call.
pub struct Talk {
    view: Arc<View>,
    name: String,
    /// It, if it was given and not made up.
    given_name: Option<String>,
    log: Option<File>,
    /// Lines of ours that were not taken yet.
    under_way: BTreeMap<LineId, String>,
    /// What is to be said by itself, and how long after the answer.
    script: Vec<(Duration, String)>,
}

impl Talk {
    /// A conversation shown in `view`, in which we are called `name`; also, whether that was given.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn new(
        view: Arc<View>,
        (name, given_name): (&str, Option<&str>),
        log: Option<&Path>,
    ) -> io::Result<Self> {
        let open = |path: &Path| {
            let file = OpenOptions::new().append(true).create(true).open(path);
            file.map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
        };
        let log = log.map(open).transpose()?;
        let name = name.to_owned();
        let given_name = given_name.map(str::to_owned);
        Ok(Self { view, name, given_name, log, under_way: BTreeMap::new(), script: Vec::new() })
    }

    /// Says these lines by itself, so long after the answer.
    pub fn with_script(mut self, lines: &[String], after: Duration) -> Self {
        self.script = lines.iter().map(|line| (after, line.clone())).collect();
        self
    }

    /// When the next line is to be said by itself, `since` the answer.
    pub fn next(&self) -> Option<Duration> {
        self.script.first().map(|(at, _)| *at)
    }

    /// Whether all that was to be said is said or refused.
    pub fn is_quiet(&self) -> bool {
        self.script.is_empty() && self.under_way.is_empty()
    }

    /// Time has passed since the answer.
    pub fn pass(&mut self, now: Instant, since: Duration, phone: &mut Phone) {
        while self.next().is_some_and(|at| at <= since) {
            let (_, text) = self.script.remove(0);
            self.say(now, phone, &text);
        }
    }

    /// News about the way of a line of media.
    pub fn way(&self, event: IceEvent) {
        match event {
            IceEvent::Selected { line, path } => {
                tracing::info!(line, remote = %path.remote, kind = %path.kind, local = %path.local, "way chosen");
            }
            IceEvent::Lost { line: 0 } => {
                self.notice("nobody answers at the other end of the media any more")
            }
            IceEvent::Restored { line: 0 } => self.notice("the media is back"),
            IceEvent::Lost { .. } | IceEvent::Restored { .. } => {}
        }
    }

    /// News of the conversation; others are none of ours.
    pub fn event(&mut self, event: Event) {
        match event {
            Event::Chat(line) => self.heard(&line),
            Event::Said { id } => self.said(id),
            Event::NotSaid { id, why } => self.not_said(id, &why),
            Event::Roster(changes) => self.changed(&changes),
            Event::Missed => self.notice("the caller has given up"),
            Event::Done(words) => self.notice(&words),
            Event::NotDone(why) => self.notice(&format!("not done: {why}")),
            Event::Organizer { uri, secret } => self.organizer(&uri, &secret),
            _ => {}
        }
    }

    /// We are the organizer, and must keep what shows it.
    fn organizer(&self, uri: &Uri, secret: &str) {
        let kept = Secrets::of_user()
            .map(|secrets| (secrets.keep(uri, secret, self.given_name.as_deref()), secrets));
        match kept {
            Some((Err(error), secrets)) => {
                complain(&format!("{}: {error}", secrets.path().display()));
            }
            Some((Ok(()), _)) => {
                self.notice("you have made this conference: /help lists what you may do")
            }
            None => {}
        }
    }

    /// Somebody else has said something.
    fn heard(&mut self, line: &ChatLine) {
        let at = line.at.unwrap_or_else(unix);
        let from = match line.private {
            true => format!("{} (to you)", line.from),
            false => line.from.clone(),
        };
        let time = moment::time_of_day(at);
        // further lines of one message stand under its first
        let text = line.text.replace('\n', "\n           ");
        say(&format!("[{time}] {from}: {text}"));
        self.log(at, &line.from, &line.text, false, line.private);
        self.view.add_chat(ChatEntry { time, from, text: line.text.clone(), own: false });
    }

    /// A line of ours was taken.
    fn said(&mut self, id: LineId) {
        let Some(text) = self.under_way.remove(&id) else { return };
        let (at, name) = (unix(), self.name.clone());
        self.log(at, &name, &text, true, false);
        let time = moment::time_of_day(at);
        self.view.add_chat(ChatEntry { time, from: name, text, own: true });
    }

    /// A line of ours was not taken.
    fn not_said(&mut self, id: LineId, why: &str) {
        let text = self.under_way.remove(&id).unwrap_or_default();
        self.notice(&format!("not said ({why}): {text}"));
    }

    /// Something happened that is no chat.
    pub fn notice(&self, text: &str) {
        say(&format!("* {text}"));
        let time = moment::time_of_day(unix());
        self.view.add_chat(ChatEntry {
            time,
            from: String::new(),
            text: text.to_owned(),
            own: false,
        });
    }

    /// What became different in the conference.
    fn changed(&self, changes: &[Change]) {
        for change in changes {
            self.notice(&match change {
                Change::Joined(name) => format!("{name} joined"),
                Change::Left(name) => format!("{name} left"),
                Change::Waits(name) => format!("{name} waits to be admitted (/admit {name})"),
                Change::Muted(name, true) => format!("{name} is muted"),
                Change::Muted(name, false) => format!("{name} may talk again"),
                Change::Role(name, role) => format!("{name} is {}", role.word()),
                Change::Locked(true) => "the conference is locked".to_owned(),
                Change::Locked(false) => "the conference is open again".to_owned(),
                Change::Subject(subject) => format!("it is about: {subject}"),
            });
        }
    }

    /// Something was typed.
    pub fn typed(&mut self, now: Instant, phone: &mut Phone, line: &str) -> Asked {
        match read(line) {
            Typed::Nothing => {}
            Typed::Say(text) => self.say(now, phone, &text),
            Typed::Meeting(deed) => phone.order(now, order(deed)),
            Typed::Person(deed, name) => self.person(now, phone, deed, &name),
            Typed::Dial(keys) => return Asked::Dial(keys),
            Typed::Who => self.who(phone),
            Typed::Help => HELP.iter().for_each(|line| self.notice(line)),
            Typed::Leave => return Asked::Leave,
            Typed::Wrong(why) => self.notice(&why),
        }
        Asked::Nothing
    }

    fn say(&mut self, now: Instant, phone: &mut Phone, text: &str) {
        match phone.say(now, unix(), text) {
            Ok(id) => {
                self.under_way.insert(id, text.to_owned());
            }
            Err(error) => self.notice(&format!("not said: {error}")),
        }
    }

    /// Tells the conference something about who is called `name`: somebody in it, else a user of its server.
    fn person(&self, now: Instant, phone: &mut Phone, deed: PersonDeed, name: &str) {
        let known = phone.roster().find(name).map_or(name, |person| &person.uri);
        let uri = phone.conference().and_then(|conference| address_of(known, conference));
        let Some(uri) = uri else {
            self.notice(&format!("{name} is nobody"));
            return;
        };
        let order = match deed {
            PersonDeed::Mute(on) => Order::Mute(uri, on),
            PersonDeed::Kick => Order::Kick(uri),
            PersonDeed::Invite => Order::Invite(uri),
            PersonDeed::Admit => Order::Admit(uri),
            PersonDeed::Role(role) => Order::Role(uri, role),
        };
        phone.order(now, order);
    }

    fn who(&self, phone: &Phone) {
        let roster = phone.roster();
        if !roster.is_known() {
            self.notice("nobody tells who is here");
            return;
        }
        roster.people().iter().for_each(|person| self.notice(&described(person)));
    }

    fn log(&mut self, at: Duration, from: &str, text: &str, own: bool, private: bool) {
        let Some(file) = &mut self.log else { return };
        let at = (at.as_secs_f64() * 1000.0).round() / 1000.0;
        let line = serde_json::to_string(&Logged { at, from, text, own, private });
        let written = line.map_err(io::Error::from).and_then(|line| writeln!(file, "{line}"));
        if let Err(error) = written {
            complain(&format!("--chat-log: {error}"));
            self.log = None;
        }
    }
}

/// The people as the window lists them; `speaking` are the sources that are heard now.
pub fn rows(people: &[Person], speaking: &BTreeSet<u32>) -> Vec<PersonRow> {
    let remark = |person: &Person| match (person.presence, person.role) {
        (Presence::Coming, _) => "on the way",
        (Presence::Waiting, _) => "waiting",
        (Presence::In, Role::Participant) => "",
        (Presence::In, role) => role.word(),
    };
    let row = |person: &Person| PersonRow {
        name: person.name.clone(),
        remark: remark(person).to_owned(),
        muted: person.muted,
        speaking: !person.muted && person.sources.iter().any(|source| speaking.contains(source)),
    };
    people.iter().map(row).collect()
}

fn order(deed: MeetingDeed) -> Order {
    match deed {
        MeetingDeed::Lock(on) => Order::Lock(on),
        MeetingDeed::WaitingRoom(on) => Order::WaitingRoom(on),
        MeetingDeed::Mute(on) => Order::MuteAll(on),
        MeetingDeed::Cancel => Order::Cancel,
    }
}

/// Somebody in one line.
fn described(person: &Person) -> String {
    let mut words = vec![person.role.word()];
    match person.presence {
        Presence::Coming => words.push("on the way"),
        Presence::Waiting => words.push("waiting"),
        Presence::In => {}
    }
    if person.muted {
        words.push("muted");
    }
    format!("{} <{}> {}", person.name, person.uri, words.join(", "))
}

fn unix() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
