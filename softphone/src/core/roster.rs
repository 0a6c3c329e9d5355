//! Who is in the conference, as the focus tells (RFC 4575).

use conference_info::{
    Applied, ConferenceInfo, Endpoint, EndpointStatus, MEDIA_TYPE, Medium, MediumStatus, User,
};
use serde::Serialize;
use sip_stack::message::{Request, Uri};

use super::chat::clean_name;
use super::listing::Taken;
use super::order::{Order, Role};

/// How far somebody has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Is on the way in: calls, or is being called.
    Coming,
    /// Waits to be admitted, or holds.
    Waiting,
    /// Is in it.
    In,
}

/// Somebody in the conference; all their devices together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// The address of record.
    pub uri: String,
    /// What they are called.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// How far they have come.
    pub presence: Presence,
    /// A moderator has muted them.
    pub muted: bool,
    /// Their camera is on.
    pub video: bool,
    /// The sources of their voice, as in the packets that carry it.
    #[serde(skip)]
    pub sources: Vec<u32>,
}

/// What became different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// This person came in.
    Joined(String),
    /// This one left.
    Left(String),
    /// This one waits to be admitted.
    Waits(String),
    /// This one was muted, or may talk again.
    Muted(String, bool),
    /// This one has another role.
    Role(String, Role),
    /// Nobody else comes in, or people do again.
    Locked(bool),
    /// It is about something else.
    Subject(String),
}

/// The conference as it was told so far.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    info: Option<ConferenceInfo>,
    /// The Call-ID of the subscription that told it.
    series: Option<String>,
    people: Vec<Person>,
    /// Our own address of record: that we came is no news to us.
    own: String,
}

impl Roster {
    /// An empty one; `own` is our own address of record.
    #[must_use]
    pub fn new(own: String) -> Self {
        Self { own, ..Self::default() }
    }

    /// Takes in a NOTIFY; also tells what became different, nothing of it for the first one.
    pub fn take(&mut self, notify: &Request) -> (Taken, Vec<Change>) {
        let update = notify.body_of_type(MEDIA_TYPE);
        let Some(update) = update.and_then(|update| ConferenceInfo::parse(&update).ok()) else {
            return (Taken::Nothing, Vec::new());
        };
        // Versions count in one subscription: another one begins anew (RFC 4575 §4.3).
        let series = notify.headers.call_id().ok().map(str::to_owned);
        if self.series != series {
            self.series = series;
            if let Some(info) = &mut self.info {
                info.version = None;
            }
        }
        let before = self.info.clone();
        let applied = match &mut self.info {
            Some(info) => info.apply(update),
            None if update.state == conference_info::State::Full => {
                self.info = Some(update);
                Applied::Done
            }
            None => Applied::Gap,
        };
        match applied {
            Applied::Done => {}
            Applied::Old => return (Taken::Nothing, Vec::new()),
            Applied::Gap => return (Taken::Gap, Vec::new()),
            Applied::Over => return (Taken::Done, Vec::new()),
        }
        let people = self.info.iter().flat_map(ConferenceInfo::users).filter_map(person).collect();
        let earlier = std::mem::replace(&mut self.people, people);
        let mut changes = Vec::new();
        if let (Some(before), Some(after)) = (&before, &self.info) {
            compare(before, after, &mut changes);
            compare_people(&earlier, &self.people, &self.own, &mut changes);
        }
        (Taken::Done, changes)
    }

    /// Whether it has been told at all.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.info.is_some()
    }

    /// Whether what comes of an order is seen here.
    #[must_use]
    pub fn will_tell(&self, order: &Order) -> bool {
        let seen =
            matches!(order, Order::Lock(_) | Order::Mute(..) | Order::Kick(_) | Order::Role(..));
        seen && self.is_known()
    }

    /// The people, as the focus lists them.
    #[must_use]
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.info.as_ref().map_or("", subject)
    }

    /// Nobody else comes in.
    #[must_use]
    pub fn locked(&self) -> bool {
        self.info.as_ref().is_some_and(locked)
    }

    /// Who is meant by `text`: somebody's name or user, in any case; `None` if nobody, or more than one.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<&Person> {
        let wanted = text.to_lowercase();
        let named = |person: &&Person| person.name.to_lowercase() == wanted;
        let mut found = self.people.iter().filter(named);
        match (found.next(), found.next()) {
            (Some(person), None) => Some(person),
            _ => self.people.iter().find(|person| {
                let user = Uri::parse(&person.uri).and_then(|uri| uri.user_text());
                person.uri == text || user.is_some_and(|user| user.to_lowercase() == wanted)
            }),
        }
    }
}

fn subject(info: &ConferenceInfo) -> &str {
    let description = info.description.as_ref();
    description.and_then(|description| description.subject.as_deref()).unwrap_or_default()
}

fn locked(info: &ConferenceInfo) -> bool {
    info.conference_state.as_ref().and_then(|state| state.locked).unwrap_or(false)
}

/// Somebody who is in it or on the way in.
fn person(user: &User) -> Option<Person> {
    let presence =
        user.endpoints.iter().filter_map(presence).max_by_key(|presence| match presence {
            Presence::Coming => 0,
            Presence::Waiting => 1,
            Presence::In => 2,
        })?;
    let shown = user
        .display_text
        .as_deref()
        .or_else(|| user.endpoints.iter().find_map(|endpoint| endpoint.display_text.as_deref()));
    let account = Uri::parse(&user.entity).and_then(|uri| uri.user_text());
    let named = shown.map(clean_name).filter(|name| !name.is_empty());
    let media = || user.endpoints.iter().flat_map(|endpoint| &endpoint.media);
    let of_kind = |kind: &'static str| media().filter(move |m| m.kind.as_deref() == Some(kind));
    let has_role = |role: &str| user.roles.iter().any(|entry| entry.eq_ignore_ascii_case(role));
    let role = match (has_role("organizer"), has_role("admin")) {
        (true, _) => Role::Organizer,
        (_, true) => Role::Moderator,
        _ => Role::Participant,
    };
    Some(Person {
        name: named
            .or_else(|| account.as_deref().map(clean_name).filter(|name| !name.is_empty()))
            .unwrap_or_else(|| clean_name(&user.entity)),
        uri: user.entity.clone(),
        role,
        presence,
        muted: user.endpoints.iter().any(is_muted),
        video: of_kind("video").any(sends),
        sources: of_kind("audio").filter_map(|medium| medium.src_id).collect(),
    })
}

fn presence(endpoint: &Endpoint) -> Option<Presence> {
    Some(match endpoint.status? {
        EndpointStatus::Connected | EndpointStatus::MutedViaFocus => Presence::In,
        EndpointStatus::OnHold => Presence::Waiting,
        EndpointStatus::Pending
        | EndpointStatus::DialingIn
        | EndpointStatus::DialingOut
        | EndpointStatus::Alerting => Presence::Coming,
        EndpointStatus::Disconnecting | EndpointStatus::Disconnected => return None,
    })
}

fn is_muted(endpoint: &Endpoint) -> bool {
    endpoint.status == Some(EndpointStatus::MutedViaFocus)
}

fn sends(medium: &Medium) -> bool {
    matches!(medium.status, Some(MediumStatus::SendRecv | MediumStatus::SendOnly))
}

fn compare(before: &ConferenceInfo, after: &ConferenceInfo, changes: &mut Vec<Change>) {
    if locked(before) != locked(after) {
        changes.push(Change::Locked(locked(after)));
    }
    if subject(before) != subject(after) {
        changes.push(Change::Subject(clean_name(subject(after))));
    }
}

fn compare_people(before: &[Person], after: &[Person], own: &str, changes: &mut Vec<Change>) {
    let find = |all: &[Person], uri: &str| all.iter().find(|person| person.uri == uri).cloned();
    let is_in = |person: &Person| person.presence == Presence::In;
    for old in before {
        if is_in(old) && !find(after, &old.uri).as_ref().is_some_and(is_in) {
            changes.push(Change::Left(old.name.clone()));
        }
    }
    for new in after {
        let name = || new.name.clone();
        let old = find(before, &new.uri);
        match (&old, new.presence) {
            (Some(old), Presence::In) if is_in(old) => {
                if old.muted != new.muted {
                    changes.push(Change::Muted(name(), new.muted));
                }
                if old.role != new.role {
                    changes.push(Change::Role(name(), new.role));
                }
            }
            (_, Presence::In) if new.uri == own => {}
            (_, Presence::In) => changes.push(Change::Joined(name())),
            (old, Presence::Waiting)
                if old.as_ref().is_none_or(|old| old.presence != Presence::Waiting) =>
            {
                changes.push(Change::Waits(name()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use conference_info::{ConferenceState, Description, State, Users};
    use sip_stack::message::Method;

    use super::*;

    fn user(name: &str, status: EndpointStatus, roles: &[&str]) -> User {
        let medium = |kind: &str, id: u32, status| Medium {
            id: id.to_string(),
            kind: Some(kind.to_owned()),
            src_id: Some(id),
            status: Some(status),
            ..Medium::default()
        };
        let endpoint = Endpoint {
            entity: format!("sip:{name}@10.0.0.1"),
            status: Some(status),
            media: vec![
                medium("audio", 7, MediumStatus::SendRecv),
                medium("video", 8, MediumStatus::RecvOnly),
            ],
            ..Endpoint::default()
        };
        User {
            entity: format!("sip:{name}@h"),
            display_text: Some(name.to_uppercase()),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            endpoints: vec![endpoint],
            ..User::default()
        }
    }

    fn notify(version: u32, state: State, locked: bool, users: Vec<User>) -> Request {
        let info = ConferenceInfo {
            entity: "sip:room@h".to_owned(),
            state,
            version: Some(version),
            description: Some(Description {
                subject: Some("Plan B".to_owned()),
                ..Description::default()
            }),
            conference_state: Some(ConferenceState {
                locked: Some(locked),
                ..ConferenceState::default()
            }),
            users: Some(Users { state, list: users }),
            ..ConferenceInfo::default()
        };
        let mut request = Request::new(Method::Notify, Uri::parse("sip:a@h").unwrap());
        request.set_body(MEDIA_TYPE, Bytes::from(info.to_xml()));
        request
    }

    #[test]
    fn people_come_change_and_go() {
        use EndpointStatus::{Connected, MutedViaFocus, OnHold};
        let mut roster = Roster::default();
        let first =
            vec![user("ann", Connected, &["organizer", "admin"]), user("bob", Connected, &[])];
        let (taken, changes) = roster.take(&notify(1, State::Full, false, first));
        assert_eq!(
            (taken, changes.len()),
            (Taken::Done, 0),
            "who was there before has not come now"
        );
        let ann = &roster.people()[0];
        assert_eq!(
            (ann.name.as_str(), ann.role, ann.presence),
            ("ANN", Role::Organizer, Presence::In)
        );
        assert_eq!((ann.sources.as_slice(), ann.video), (&[7][..], false));
        assert_eq!(roster.subject(), "Plan B");

        let second = vec![user("bob", MutedViaFocus, &["admin"]), user("cy", OnHold, &[])];
        let (_, changes) = roster.take(&notify(2, State::Partial, true, second));
        let expected = [
            Change::Locked(true),
            Change::Muted("BOB".to_owned(), true),
            Change::Role("BOB".to_owned(), Role::Moderator),
            Change::Waits("CY".to_owned()),
        ];
        assert_eq!(changes, expected);
        assert!(roster.locked() && roster.people().len() == 3);

        let third = vec![user("ann", Connected, &["organizer"]), user("cy", Connected, &[])];
        let (_, changes) = roster.take(&notify(3, State::Full, true, third));
        assert_eq!(changes, [Change::Left("BOB".to_owned()), Change::Joined("CY".to_owned())]);
    }

    #[test]
    fn a_gap_is_told_and_nonsense_changes_nothing() {
        let mut roster = Roster::default();
        let one = || vec![user("ann", EndpointStatus::Connected, &[])];
        assert_eq!(roster.take(&notify(1, State::Partial, false, one())).0, Taken::Gap);
        assert_eq!(roster.take(&notify(1, State::Full, false, one())).0, Taken::Done);
        assert_eq!(roster.take(&notify(5, State::Partial, true, one())).0, Taken::Gap);
        assert_eq!(roster.take(&notify(1, State::Full, true, one())).0, Taken::Nothing);
        let mut wrong = notify(2, State::Full, true, one());
        wrong.set_body(MEDIA_TYPE, Bytes::from_static(b"<conference-info"));
        assert_eq!(roster.take(&wrong).0, Taken::Nothing);
        assert!(!roster.locked());
    }

    #[test]
    fn people_are_found_by_name_or_user() {
        let mut roster = Roster::default();
        let both = vec![
            user("ann", EndpointStatus::Connected, &[]),
            User {
                display_text: Some("Zoé".to_owned()),
                ..user("z", EndpointStatus::Connected, &[])
            },
        ];
        roster.take(&notify(1, State::Full, false, both));
        let found = |text| roster.find(text).map(|person| person.uri.as_str());
        assert_eq!(found("zoé"), Some("sip:z@h"));
        assert_eq!(found("ZOÉ"), Some("sip:z@h"));
        assert_eq!(found("Z"), Some("sip:z@h"));
        assert_eq!(found("sip:ann@h"), Some("sip:ann@h"));
        assert_eq!(found("eve"), None);
    }
}
