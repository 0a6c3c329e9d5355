//! What can be seen of conferences from outside: the values that HTTP, lists and the roster show.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::act::Actor;
use super::focus::Focus;
use super::meeting::{MemberRole, Organizer, Schedule, Visibility};
use super::member::Member;
use super::name::ConferenceName;
use super::path::PathPolicy;
use crate::core::identity::Identity;
use crate::core::registrar::Registrar;

/// How far a conference has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MeetingState {
    /// Its time has not come and nobody is in it.
    Planned,
    /// Nobody is in it, but it is open.
    Open,
    /// Somebody is in it.
    Running,
}

/// A conference from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MeetingView {
    /// Unlike the name this is used for one meeting only.
    pub id: String,
    /// The user part of its URI.
    pub name: ConferenceName,
    /// What it is about.
    pub subject: String,
    /// Who made it, as shown on screens.
    pub organizer: String,
    /// Who finds it in a list.
    pub visibility: Visibility,
    /// How far it has come.
    pub state: MeetingState,
    /// When it was created, since 1970-01-01T00:00:00Z.
    pub created: Duration,
    /// Since when somebody is in it.
    pub since: Option<Duration>,
    /// When it is planned.
    pub schedule: Option<Schedule>,
    /// Whether nobody else comes in.
    pub locked: bool,
    /// Whether newcomers wait to be admitted.
    pub waiting_room: bool,
    /// Whether a PIN has to be dialled.
    pub has_pin: bool,
    /// The most members.
    pub max_members: usize,
    /// The way media go: `mixer` or `direct`.
    pub mode: &'static str,
    /// Why they go this way, in words.
    pub mode_why: &'static str,
    /// The ways they may go.
    pub media_path: PathPolicy,
    /// Those who are in it or on the way in.
    pub members: Vec<MemberView>,
}

/// How far a member has come (RFC 4575 §5.7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    /// On the way in.
    DialingIn,
    /// Is being called.
    DialingOut,
    /// In the lobby: dials the PIN, or waits to be admitted.
    Waiting,
    /// In it.
    Connected,
}

/// One device of somebody in a conference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberView {
    /// The name of its leg; no other member ever has it.
    pub id: String,
    /// The address of record, `sip:alice@example.org`.
    pub uri: String,
    /// What the others are shown.
    pub name: String,
    /// Whether digest proved who it is.
    pub verified: bool,
    /// What it may do.
    pub role: MemberRole,
    /// How far it has come.
    pub state: MemberState,
    /// Whether a moderator has muted it.
    pub muted: bool,
    /// Since when it is in, since 1970-01-01T00:00:00Z.
    pub since: Option<Duration>,
    /// Its program.
    pub user_agent: String,
}

impl Registrar {
    /// The conferences that `viewer` may see, by name.
    #[must_use]
    pub fn meetings(&self, now: Instant, viewer: &Actor) -> Vec<MeetingView> {
        let seen = self.directory.iter().filter(|focus| focus.is_listed_for(viewer));
        seen.map(|focus| self.meeting_view(now, viewer, focus)).collect()
    }

    /// One conference, if there is such a one and `viewer` may see it.
    #[must_use]
    pub fn meeting(
        &self,
        now: Instant,
        viewer: &Actor,
        name: &ConferenceName,
    ) -> Option<MeetingView> {
        let focus = self.directory.get(name).filter(|focus| focus.is_listed_for(viewer))?;
        Some(self.meeting_view(now, viewer, focus))
    }

    fn meeting_view(&self, now: Instant, viewer: &Actor, focus: &Focus) -> MeetingView {
        let meeting = focus.meeting();
        let unix = self.clock.unix(now);
        let state = match meeting.schedule {
            _ if focus.present() > 0 => MeetingState::Running,
            Some(schedule) if schedule.start > unix => MeetingState::Planned,
            _ => MeetingState::Open,
        };
        // Who could not just walk in does not see who is there.
        let open = meeting.pin.is_none() && !meeting.waiting_room && !meeting.locked;
        let shown = open || focus.may_watch(viewer);
        MeetingView {
            id: focus.id().to_owned(),
            name: meeting.name.clone(),
            subject: meeting.subject.clone(),
            organizer: meeting.organizer_name.clone(),
            visibility: meeting.visibility,
            state,
            created: meeting.created,
            since: focus.members().filter_map(|(_, member)| member.since).min(),
            schedule: meeting.schedule,
            locked: meeting.locked,
            waiting_room: meeting.waiting_room,
            has_pin: meeting.pin.is_some(),
            max_members: meeting.max_members.unwrap_or(self.settings.max_members),
            mode: focus.path.as_str(),
            mode_why: focus.path.why,
            media_path: meeting.media_path,
            members: focus
                .members()
                .filter(|(_, member)| shown && member.is_seen_by(focus.role_of(viewer)))
                .map(|(_, member)| MemberView::of(member))
                .collect(),
        }
    }
}

impl Focus {
    /// Whether `viewer` finds this conference in a list.
    pub(crate) fn is_listed_for(&self, viewer: &Actor) -> bool {
        self.is_run_by(viewer)
            || match self.meeting().visibility {
                Visibility::Public => true,
                Visibility::Members => self.concerns(viewer),
                Visibility::Hidden => false,
            }
    }

    /// Whether `viewer` is its organizer, or an operator.
    pub(crate) fn is_run_by(&self, viewer: &Actor) -> bool {
        match (viewer, &self.meeting().organizer) {
            (Actor::Operator(_), _) => true,
            (Actor::Account(user), Organizer::Account(organizer)) => user == organizer,
            (Actor::Guest { secret: Some(shown), .. }, Organizer::Guest(secret)) => {
                secret.is(shown)
            }
            _ => false,
        }
    }

    /// Whether `viewer` is in it, or was invited.
    fn concerns(&self, viewer: &Actor) -> bool {
        let named = match viewer {
            Actor::Account(user) => {
                let meeting = self.meeting();
                meeting.invited.contains(user) || meeting.moderators.contains(user)
            }
            _ => false,
        };
        named || Identity::of_actor(viewer).is_some_and(|identity| self.has(&identity))
    }
}

impl MemberState {
    pub(crate) const ALL: [MemberState; 4] = [
        MemberState::DialingIn,
        MemberState::DialingOut,
        MemberState::Waiting,
        MemberState::Connected,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            MemberState::DialingIn => "dialing-in",
            MemberState::DialingOut => "dialing-out",
            MemberState::Waiting => "waiting",
            MemberState::Connected => "connected",
        }
    }

    pub(crate) fn of(member: &Member) -> Self {
        match (&member.dial, member.joined) {
            (Some(_), _) => MemberState::DialingOut,
            (None, false) => MemberState::DialingIn,
            (None, true) if member.is_inside() => MemberState::Connected,
            (None, true) => MemberState::Waiting,
        }
    }
}

impl MemberView {
    fn of(member: &Member) -> Self {
        MemberView {
            id: member.leg.clone(),
            uri: member.aor.clone(),
            name: member.display_name.clone(),
            verified: matches!(member.identity, Identity::Account(_)),
            role: member.role,
            state: MemberState::of(member),
            muted: member.muted,
            since: member.since,
            user_agent: member.provenance.user_agent().to_owned(),
        }
    }
}
