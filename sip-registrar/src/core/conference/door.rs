//! Who comes in: what an INVITE to a conference meets before the mixer is asked (RFC 4579 §5.1).

use std::time::Instant;

use sip_stack::endpoint::CallId;
use sip_stack::message::{NameAddr, Reason, Request};

use super::act::{Actor, Denied, MeetingWish};
use super::create::organizer;
use super::focus::Focus;
use super::meeting::{Meeting, MemberRole};
use super::name::{ConferenceName, sanitise_display_name};
use crate::core::history::{Person, Record, RecordKind};
use crate::core::identity::Identity;
use crate::core::registrar::Registrar;
use crate::core::reject::Reject;
use crate::core::store::StoreCommand;

/// Where somebody is who was let through the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the conference.
    Inside,
    /// In the lobby, to dial the PIN.
    AtPin {
        /// The digits so far.
        dialled: String,
        /// How often it was wrong.
        wrong: u8,
        /// When patience ends.
        until: Instant,
    },
    /// In the lobby, until a moderator lets it in.
    Waiting,
    /// Nowhere: it has only planned something and hangs up, or is hung up.
    Arranging {
        /// When patience ends.
        until: Instant,
    },
}

/// How somebody comes in.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) role: MemberRole,
    /// What a guest can show later, having opened the conference.
    pub(super) secret: Option<String>,
}

impl Registrar {
    /// Whether somebody may come in, and how. Opens the conference if there is none of that name.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        request: &Request,
        from: &NameAddr,
        actor: &Actor,
        name: &ConferenceName,
        replaces: Option<CallId>,
    ) -> Result<Entry, Reject> {
        if !self.mixer.is_up() {
            return Err(Reject::busy("the media mixer is not there"));
        }
        if self.directory.get(name).is_none() {
            let secret = self.open_by_dialling(now, request, from, actor, name)?;
            return Ok(Entry { place: Place::Inside, role: MemberRole::Organizer, secret });
        }
        let focus = self.running(now, name)?;
        let replaced = replaces.and_then(|call| focus.member(call));
        let role = focus.role_for(actor, now);
        if let Some(replaced) = replaced {
            // What it continues was let in before.
            return Ok(Entry { place: replaced.place.clone(), role, secret: None });
        }
        match self.may_enter(now, request, focus, role) {
            Ok(place) => Ok(Entry { place, role, secret: None }),
            Err(denied) => {
                let person = self.stranger(from, actor);
                let refused = Record::new(self.clock.unix(now), focus, RecordKind::Refused);
                self.record(refused.by(person).detail(&denied.why));
                let reason = Reason::sip(denied.status.into(), &denied.why).to_string();
                Err(Reject::from(denied).with("Reason", reason))
            }
        }
    }

    fn may_enter(
        &self,
        now: Instant,
        request: &Request,
        focus: &Focus,
        role: MemberRole,
    ) -> Result<Place, Denied> {
        let meeting = focus.meeting();
        if focus.len() >= focus.capacity(self.settings.max_members) {
            return Err(Denied::new(486, "the conference is full"));
        }
        if role >= MemberRole::Moderator {
            return Ok(Place::Inside);
        }
        if meeting.locked {
            return Err(Denied::new(603, "the conference is locked"));
        }
        let shown = request.headers.get("Conference-Pin").map(str::trim);
        if let Some(pin) = &meeting.pin
            && !shown.is_some_and(|shown| pin.is(shown))
        {
            return Ok(Place::at_pin(now));
        }
        Ok(Place::after_pin(meeting))
    }

    /// The first who dials a name opens the conference, and can say how it is to be. What a guest can show
    /// later to be known as its organizer.
    fn open_by_dialling(
        &mut self,
        now: Instant,
        request: &Request,
        from: &NameAddr,
        actor: &Actor,
        name: &ConferenceName,
    ) -> Result<Option<String>, Reject> {
        self.may_open(now, actor, name)?;
        let wish = MeetingWish::of_invite(&request.headers)?;
        self.check_wish(now, &wish)?;
        let secret = matches!(actor, Actor::Guest { .. }).then(|| self.tokens.hex(16));
        let organizer = organizer(actor, secret.as_deref());
        let mut meeting = Meeting::dialled(name.clone(), organizer, self.clock.unix(now));
        meeting.media_path = self.settings.media_path;
        meeting.visibility = self.settings.visibility;
        meeting.organizer_name = self.stranger(from, actor).name;
        meeting.apply(wish);
        let creator = Identity::of_actor(actor).map(|identity| identity.creator());
        let creator = creator.unwrap_or(super::Creator::Unbounded);
        self.open_focus(now, name, &creator, meeting)?;
        if self.gone.remove(name) {
            self.store(StoreCommand::MeetingOver(name.clone()));
        }
        Ok(secret)
    }

    /// Somebody who is not in the conference, as the history names it.
    fn stranger(&self, from: &NameAddr, actor: &Actor) -> Person {
        let user = from.uri.user_text().unwrap_or_default();
        let name = sanitise_display_name(from.display_name.as_deref(), &user);
        Person { name, ..self.person_of(actor, None) }
    }
}

impl Place {
    /// Somebody who has to dial the PIN.
    fn at_pin(now: Instant) -> Self {
        Place::AtPin { dialled: String::new(), wrong: 0, until: now + super::lobby::PATIENCE }
    }

    /// Somebody who has planned something and will hang up.
    pub(super) fn arranging(now: Instant) -> Self {
        Place::Arranging { until: now + super::lobby::PATIENCE }
    }

    /// When patience ends.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Place::AtPin { until, .. } | Place::Arranging { until } => Some(*until),
            Place::Inside | Place::Waiting => None,
        }
    }

    /// Where somebody comes who has dialled it, or need not.
    pub(super) fn after_pin(meeting: &Meeting) -> Self {
        if meeting.waiting_room { Place::Waiting } else { Place::Inside }
    }
}

impl From<Denied> for Reject {
    fn from(denied: Denied) -> Self {
        match denied.status {
            503 => Reject::busy(&denied.why),
            status => Reject::new(status).because(&denied.why),
        }
    }
}
