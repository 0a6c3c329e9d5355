//! A conference is made before anybody is in it, changed, or taken back after a restart.

use std::time::{Duration, Instant};

use sip_stack::message::Headers;

use super::act::{Actor, Created, Denied, MeetingWish};
use super::directory::{Creator, Full};
use super::focus::Focus;
use super::meeting::{Meeting, Organizer, Pin, Schedule, Secret, Visibility, sanitise_subject};
use super::name::ConferenceName;
use super::path::PathPolicy;
use crate::core::history::{Record, RecordKind};
use crate::core::identity::Identity;
use crate::core::registrar::Registrar;
use crate::core::reject::Reject;
use crate::core::settings::Guests;
use crate::core::store::StoreCommand;

/// The most accounts that are invited to one conference.
const MAX_INVITED: usize = 1000;

/// How long ago a conference may have begun that has no end.
const SINCE: Duration = Duration::from_secs(86_400);

/// The farthest day a conference can be planned for: ten years from now.
const FARTHEST: Duration = Duration::from_secs(10 * 366 * 86_400);

impl Registrar {
    /// Makes a conference that stays without anybody in it, until its end or for
    /// [`Settings::unused`](crate::Settings::unused).
    ///
    /// # Errors
    /// 400 for a wish that cannot be granted, 403 for a guest who may not, 409 for a name that is taken,
    /// 410 for the name of a conference that somebody else has cancelled, 503 when there are too many.
    pub fn create_meeting(
        &mut self,
        now: Instant,
        actor: &Actor,
        wish: MeetingWish,
    ) -> Result<Created, Denied> {
        let secret = matches!(actor, Actor::Guest { .. }).then(|| self.tokens.hex(16));
        let created = self.create(now, actor, wish, secret);
        self.drain(now);
        created
    }

    /// The same, without working off what follows from it. `secret` is what a guest will be known by.
    pub(super) fn create(
        &mut self,
        now: Instant,
        actor: &Actor,
        wish: MeetingWish,
        secret: Option<String>,
    ) -> Result<Created, Denied> {
        if self.stopping {
            return Err(Denied::new(503, "the server is shutting down"));
        }
        self.check_wish(now, &wish)?;
        let name = match wish.name.clone() {
            Some(name) => name,
            None => ConferenceName::parse(&self.tokens.hex(8))
                .ok_or_else(|| Denied::new(500, "no name"))?,
        };
        if self.is_reserved(name.as_str()) || self.directory.get(&name).is_some() {
            return Err(Denied::new(409, "this name is taken"));
        }
        self.may_create(now, actor, &name)?;
        let organizer = organizer(actor, secret.as_deref());
        let person = self.person_of(actor, None);
        let mut meeting = Meeting::dialled(name.clone(), organizer, self.clock.unix(now));
        meeting.visibility = self.settings.visibility;
        meeting.media_path = self.settings.media_path;
        let shown = wish.organizer_name.clone();
        meeting.organizer_name = shown.unwrap_or_else(|| person.name.clone());
        meeting.lasting = true;
        meeting.apply(wish);
        self.open_focus(now, &name, &creator(actor), meeting.clone())?;
        self.gone.remove(&name);
        self.store(StoreCommand::Meeting(Box::new(meeting.clone())));
        if let Some(focus) = self.directory.get(&name) {
            let made = Record::new(meeting.created, focus, RecordKind::Created);
            self.record(made.by(person).detail(meeting.subject));
        }
        tracing::info!(conference = %name, "conference created");
        self.revise(now, &name);
        self.conference_changed(&name);
        Ok(Created { name, secret })
    }

    /// Opens a conference with a new name at the mixer, unless there are too many.
    pub(super) fn open_focus(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        creator: &Creator,
        meeting: Meeting,
    ) -> Result<(), Denied> {
        let tokens = &mut self.tokens;
        let make = || (format!("{name}-{}", tokens.hex(8)), meeting);
        let opened = self.directory.open(now, name, creator, make);
        opened.map(|_| ()).map_err(|full| match full {
            Full::Creator => Denied::new(503, "you have opened too many conferences"),
            Full::Directory => Denied::new(503, "there are too many conferences"),
        })
    }

    /// Whether somebody may make a conference of this name, which there is none of.
    fn may_create(&self, now: Instant, actor: &Actor, name: &ConferenceName) -> Result<(), Denied> {
        if matches!(actor, Actor::Guest { .. }) && self.settings.guests == Guests::Anyone {
            // What is made need not be dialled: nobody would have to be where the request came from.
            return Err(Denied::new(403, "guests open conferences by dialling them only"));
        }
        let again = match (actor, self.gone.organizer(name)) {
            (Actor::Operator(_), _) => true,
            (Actor::Account(user), Some(Organizer::Account(before))) => user == before,
            (Actor::Guest { secret: Some(shown), .. }, Some(Organizer::Guest(secret))) => {
                secret.is(shown)
            }
            _ => false,
        };
        if again { self.may_guests_open(actor) } else { self.may_open(now, actor, name) }
    }

    /// Whether somebody may open a conference of this name by dialling it. A cancelled one is over for
    /// its organizer as well, who would wait in it alone.
    pub(super) fn may_open(
        &self,
        now: Instant,
        actor: &Actor,
        name: &ConferenceName,
    ) -> Result<(), Denied> {
        if self.gone.has(self.clock.unix(now), name) {
            return Err(Denied::new(410, "this conference was cancelled"));
        }
        self.may_guests_open(actor)
    }

    fn may_guests_open(&self, actor: &Actor) -> Result<(), Denied> {
        if matches!(actor, Actor::Guest { .. }) && !self.settings.guests_create {
            return Err(Denied::new(403, "guests do not open conferences here"));
        }
        Ok(())
    }

    /// Whether what is wanted can be granted.
    pub(super) fn check_wish(&self, now: Instant, wish: &MeetingWish) -> Result<(), Denied> {
        if let Some(Some(most)) = wish.max_members
            && !(1..=self.settings.max_members).contains(&most)
        {
            let limit = self.settings.max_members;
            return Err(Denied::new(400, format!("the most members must be 1 to {limit}")));
        }
        if let Some(Some(Schedule { start, end })) = wish.schedule {
            if end.is_some_and(|end| end <= start) {
                return Err(Denied::new(400, "it would end before it begins"));
            }
            let unix = self.clock.unix(now);
            // who begins now has a clock of its own, and says so in whole seconds
            let last = end.unwrap_or(start + SINCE);
            if last < unix || last.max(start) > unix + FARTHEST {
                return Err(Denied::new(400, "this is not a time that can be planned for"));
            }
        }
        if wish.invited.as_ref().is_some_and(|invited| invited.len() > MAX_INVITED) {
            return Err(Denied::new(400, format!("at most {MAX_INVITED} can be invited")));
        }
        Ok(())
    }

    /// Whether a user part names something else than a conference.
    fn is_reserved(&self, user: &str) -> bool {
        user == self.settings.factory || self.settings.accounts.taken_for(user).is_some()
    }

    /// Takes back a conference of before a restart, before anything else happens.
    pub fn restore_meeting(&mut self, now: Instant, meeting: Meeting) {
        let name = meeting.name.clone();
        if self.is_reserved(name.as_str()) || self.directory.get(&name).is_some() {
            self.store(StoreCommand::MeetingOver(name));
            return;
        }
        let id = format!("{name}-{}", self.tokens.hex(8));
        let creator = match &meeting.organizer {
            Organizer::Account(user) => Creator::Account(user.clone()),
            Organizer::Guest(_) | Organizer::Operator => Creator::Unbounded,
        };
        self.directory.restore(Focus::new(now, id, creator, meeting));
        self.revise(now, &name);
    }

    /// Takes back the name of a conference that was cancelled before a restart: it is gone until then,
    /// since 1970-01-01T00:00:00Z. Whose it was is forgotten, so only an operator opens it earlier.
    pub fn restore_gone(&mut self, name: ConferenceName, until: Duration) {
        self.gone.add(name, until, None);
    }
}

impl Meeting {
    /// Takes over what is wanted, the name excepted.
    pub(super) fn apply(&mut self, wish: MeetingWish) {
        let MeetingWish {
            name: _,
            organizer_name: _,
            subject,
            visibility,
            pin,
            max_members,
            schedule,
            waiting_room,
            media_path,
            invited,
        } = wish;
        if let Some(subject) = subject {
            self.subject = sanitise_subject(&subject);
        }
        self.visibility = visibility.unwrap_or(self.visibility);
        self.pin = pin.unwrap_or_else(|| self.pin.take());
        self.max_members = max_members.unwrap_or(self.max_members);
        self.schedule = schedule.unwrap_or(self.schedule);
        self.waiting_room = waiting_room.unwrap_or(self.waiting_room);
        self.media_path = media_path.unwrap_or(self.media_path);
        if let Some(invited) = invited {
            self.invited = invited;
        }
    }
}

impl MeetingWish {
    /// What an INVITE that opens a conference says about it: Subject (RFC 3261 §20.36) and header fields of
    /// ours.
    pub(super) fn of_invite(headers: &Headers) -> Result<Self, Reject> {
        let bad = |name: &str| Reject::new(400).because(name);
        let pin = headers.get("Conference-Pin").map(str::trim);
        let pin = pin
            .map(|digits| Pin::parse(digits).ok_or_else(|| bad("Conference-Pin: 4 to 16 digits")));
        let visibility = headers.get("Conference-Visibility").map(|word| {
            Visibility::parse(word.trim())
                .ok_or_else(|| bad("Conference-Visibility: public, members or hidden"))
        });
        let most = headers.get("Conference-Max-Members").map(|number| {
            let most = number.trim().parse::<usize>();
            most.map_err(|_| bad("Conference-Max-Members: a number"))
        });
        let waiting = headers
            .get("Conference-Waiting-Room")
            .map(|word| flag(word.trim()).ok_or_else(|| bad("Conference-Waiting-Room: 1 or 0")));
        let path = headers.get("Conference-Media-Path").map(|word| {
            PathPolicy::parse(word.trim())
                .ok_or_else(|| bad("Conference-Media-Path: automatic, mixed or direct"))
        });
        Ok(MeetingWish {
            subject: headers.get("Subject").map(str::to_owned),
            pin: pin.transpose()?.map(Some),
            visibility: visibility.transpose()?,
            max_members: most.transpose()?.map(Some),
            waiting_room: waiting.transpose()?,
            media_path: path.transpose()?,
            ..MeetingWish::default()
        })
    }
}

impl Visibility {
    /// From the word that configuration and header fields use.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            ("public", Visibility::Public),
            ("members", Visibility::Members),
            ("hidden", Visibility::Hidden),
        ]
        .into_iter()
        .find_map(|(name, visibility)| name.eq_ignore_ascii_case(word).then_some(visibility))
    }
}

/// `1` or `0`, `yes` or `no`, `true` or `false`.
pub(crate) fn flag(word: &str) -> Option<bool> {
    let is = |names: [&str; 3]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
    if is(["1", "yes", "true"]) {
        return Some(true);
    }
    is(["0", "no", "false"]).then_some(false)
}

/// In whose hands a conference of this actor is; `secret` is what a guest can show.
pub(super) fn organizer(actor: &Actor, secret: Option<&str>) -> Organizer {
    match actor {
        Actor::Operator(_) => Organizer::Operator,
        Actor::Account(user) => Organizer::Account(user.clone()),
        Actor::Guest { .. } => Organizer::Guest(Secret::of(secret.unwrap_or_default())),
    }
}

/// In whose name the conferences of this actor are counted.
fn creator(actor: &Actor) -> Creator {
    Identity::of_actor(actor).map_or(Creator::Unbounded, |identity| identity.creator())
}
