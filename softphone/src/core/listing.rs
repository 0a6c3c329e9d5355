//! The conferences there are, as a list subscription tells of them (RFC 4662).

use std::time::Duration;

use bytes::Bytes;
use conference_info::rlmi::{self, Conferences, List};
use conference_info::{Applied, ConferenceInfo};
use serde::Serialize;
use sip_stack::message::{Request, Uri, multipart};

/// Parts of a body looked at: the list and as many conferences as any server has at a time.
const MOST: usize = 5001;

/// One conference, as a row of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What to dial.
    pub uri: String,
    /// The user part of it.
    pub name: String,
    /// What it is about.
    pub subject: String,
    /// Who made it.
    pub creator: String,
    /// How many people are in it.
    pub people: u32,
    /// The most it takes.
    pub max_people: Option<u32>,
    /// How media go, such as `mixer`; empty when nobody is in it.
    pub mode: String,
    /// Since when somebody is in it, in seconds since 1970-01-01T00:00:00Z.
    pub since: Option<u64>,
    /// When it is planned to begin, likewise.
    pub starts: Option<u64>,
    /// When it is planned to end, likewise.
    pub ends: Option<u64>,
    /// Nobody else comes in.
    pub locked: bool,
    /// A PIN has to be dialled.
    pub needs_pin: bool,
    /// Newcomers wait to be admitted.
    pub waiting_room: bool,
}

/// All conferences told of so far.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    conferences: Conferences,
    /// The Call-ID of the subscription that told them.
    series: Option<String>,
    told: bool,
}

/// What a document was good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is taken in.
    Done,
    /// It is no list, or one we have had: nothing has changed.
    Nothing,
    /// It is taken in, but others were lost: all must be asked for again.
    Gap,
}

impl Listing {
    /// Takes in a NOTIFY.
    pub fn take(&mut self, notify: &Request) -> Taken {
        let list = notify.body_of_type(rlmi::MEDIA_TYPE);
        let Some(list) = list.and_then(|list| List::parse(&list).ok()) else {
            return Taken::Nothing;
        };
        // Versions count in one subscription: another one begins anew (RFC 4662 §5.2).
        let series = notify.headers.call_id().ok().map(str::to_owned);
        if self.series != series {
            self.series = series;
            self.conferences = Conferences::default();
        }
        let parts = documents(notify);
        let document = |id: &str| {
            let found = parts.iter().find(|(name, _)| name == id);
            found.map(|(_, body)| body.as_ref())
        };
        let applied = self.conferences.apply(&list, document);
        self.told |= applied != Applied::Old;
        match applied {
            Applied::Done | Applied::Over => Taken::Done,
            Applied::Old => Taken::Nothing,
            Applied::Gap => Taken::Gap,
        }
    }

    /// Whether anything was told yet.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.told
    }

    /// The rows: what runs first, then what is planned, by name.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> =
            self.conferences.iter().map(|(uri, info)| row(uri, info)).collect();
        rows.sort_by_key(|row| {
            (row.people == 0, row.starts.filter(|_| row.people == 0), row.name.clone())
        });
        rows
    }
}

/// The parts of a multipart body by their Content-ID (RFC 2392), without angle brackets.
fn documents(notify: &Request) -> Vec<(String, Bytes)> {
    let content_type = notify.headers.content_type().ok().flatten();
    let parts = content_type.and_then(|kind| multipart::parts_up_to(&kind, &notify.body, MOST));
    let named = parts.into_iter().flatten().filter_map(|part| {
        let id = part.headers.get("Content-ID")?.trim();
        let id = id.strip_prefix('<')?.strip_suffix('>')?.to_owned();
        Some((id, part.body))
    });
    named.collect()
}

fn row(uri: &str, info: &ConferenceInfo) -> Row {
    let description = info.description.as_ref();
    let state = info.conference_state.as_ref();
    let user = Uri::parse(uri).and_then(|uri| uri.user_text());
    let subject = description.and_then(|description| description.subject.clone());
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
    Row {
        uri: uri.to_owned(),
        name: user.unwrap_or_else(|| uri.to_owned()),
        subject: subject.unwrap_or_default(),
        creator: info.host.as_ref().and_then(|host| host.display_text.clone()).unwrap_or_default(),
        people: state.and_then(|state| state.user_count).unwrap_or(0),
        max_people: description.and_then(|description| description.maximum_user_count),
        mode: state.and_then(|state| state.media_path.clone()).unwrap_or_default(),
        since: seconds(state.and_then(|state| state.since)),
        starts: seconds(state.and_then(|state| state.starts)),
        ends: seconds(state.and_then(|state| state.ends)),
        locked: state.and_then(|state| state.locked).unwrap_or(false),
        needs_pin: state.and_then(|state| state.needs_pin).unwrap_or(false),
        waiting_room: state.and_then(|state| state.waiting_room).unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use conference_info::rlmi::{Instance, InstanceState, Resource};
    use conference_info::{ConferenceState, Description, Host, State};
    use sip_stack::message::Method;

    use super::*;

    fn resource(name: &str, state: InstanceState) -> Resource {
        let cid = Some(format!("{name}@parley"));
        let instance = Some(Instance { id: "1".to_owned(), state, cid });
        Resource { uri: format!("sip:{name}@h"), name: None, instance }
    }

    fn notify(version: u32, full: bool, resources: Vec<Resource>, rows: &[(&str, u32)]) -> Request {
        let list = List { uri: "sip:meetings@h".to_owned(), version, full, name: None, resources };
        let documents: Vec<(String, String)> = rows
            .iter()
            .map(|(name, people)| {
                let info = ConferenceInfo {
                    entity: format!("sip:{name}@h"),
                    state: State::Full,
                    description: Some(Description {
                        subject: Some(format!("about {name}")),
                        ..Description::default()
                    }),
                    host: Some(Host { display_text: Some("Ann".to_owned()), uris: Vec::new() }),
                    conference_state: Some(ConferenceState {
                        user_count: Some(*people),
                        locked: Some(true),
                        since: Some(Duration::from_secs(5)),
                        ..ConferenceState::default()
                    }),
                    ..ConferenceInfo::default()
                };
                (format!("{name}@parley"), info.to_xml())
            })
            .collect();
        let (kind, body) = rlmi::multipart(&list, &documents);
        let mut request = Request::new(Method::Notify, Uri::parse("sip:a@h").unwrap());
        request.set_body(&kind, Bytes::from(body));
        request
    }

    #[test]
    fn rows_come_and_go_and_what_runs_is_first() {
        let mut listing = Listing::default();
        assert!(!listing.is_known());
        let active = || InstanceState::Active;
        let both = vec![resource("empty", active()), resource("full", active())];
        let taken = listing.take(&notify(0, true, both, &[("empty", 0), ("full", 2)]));
        assert_eq!(taken, Taken::Done);
        let rows = listing.rows();
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["full", "empty"]);
        assert_eq!((rows[0].subject.as_str(), rows[0].creator.as_str()), ("about full", "Ann"));
        assert!(rows[0].locked && !rows[0].needs_pin && rows[0].since == Some(5));
        let gone = vec![resource("full", InstanceState::Terminated("noresource".to_owned()))];
        assert_eq!(listing.take(&notify(1, false, gone.clone(), &[])), Taken::Done);
        assert_eq!(listing.rows().len(), 1);
        assert_eq!(listing.take(&notify(1, false, gone.clone(), &[])), Taken::Nothing);
        assert_eq!(listing.take(&notify(3, false, gone, &[])), Taken::Gap);
    }

    #[test]
    fn what_is_no_list_changes_nothing() {
        let mut listing = Listing::default();
        let mut request = Request::new(Method::Notify, Uri::parse("sip:a@h").unwrap());
        assert_eq!(listing.take(&request), Taken::Nothing);
        request.set_body(rlmi::MEDIA_TYPE, Bytes::from_static(b"<list"));
        assert_eq!(listing.take(&request), Taken::Nothing);
        assert!(!listing.is_known());
    }
}
