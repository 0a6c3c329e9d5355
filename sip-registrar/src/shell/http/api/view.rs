//! Conferences and members as JSON; this is where times become text.

use serde::Serialize;
use sip_registrar::{
    MeetingState, MeetingView, MemberRole, MemberState, MemberView, PathPolicy, Schedule,
    Visibility,
};
use utoipa::ToSchema;

use crate::shell::moment::rfc3339;

/// A conference.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Meeting)]
pub(super) struct MeetingJson {
    /// Unlike the name this is used for one meeting only; the history has it.
    id: String,
    /// The user part of its SIP URI.
    name: String,
    /// What it is about; may be empty.
    subject: String,
    /// Who made it.
    organizer: String,
    /// Who finds it in a list: public, members or hidden.
    #[schema(value_type = String)]
    visibility: Visibility,
    /// planned, open (nobody is in it) or running.
    #[schema(value_type = String)]
    state: MeetingState,
    #[schema(format = DateTime)]
    created: String,
    /// Since when somebody is in it.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// When it is planned.
    schedule: Option<ScheduleJson>,
    /// Whether nobody else comes in.
    locked: bool,
    /// Whether newcomers wait to be admitted.
    waiting_room: bool,
    /// Whether a PIN has to be dialled.
    has_pin: bool,
    /// The most members.
    max_members: usize,
    /// The way media go now: mixer, or direct between two.
    mode: String,
    /// Why they go this way, in words.
    mode_why: String,
    /// The way media may go: automatic, mixed or direct.
    #[schema(value_type = String)]
    media_path: PathPolicy,
    /// Those who are in it or on the way in.
    members: Vec<MemberJson>,
}

/// From when to when a conference is planned.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(super) struct ScheduleJson {
    #[schema(format = DateTime)]
    start: String,
    #[schema(format = DateTime)]
    end: Option<String>,
}

/// One device of somebody in a conference.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub(super) struct MemberJson {
    /// No other member ever has it.
    id: String,
    /// The address of record.
    uri: String,
    /// What the others are shown.
    name: String,
    /// Whether digest proved who it is.
    verified: bool,
    /// participant, moderator or organizer.
    #[schema(value_type = String)]
    role: MemberRole,
    /// How far it has come: dialing-in, dialing-out, connected, …
    #[schema(value_type = String)]
    state: MemberState,
    /// Whether a moderator has muted it.
    muted: bool,
    /// Since when it is in.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Its program.
    user_agent: String,
}

impl From<MeetingView> for MeetingJson {
    fn from(view: MeetingView) -> Self {
        MeetingJson {
            id: view.id,
            name: view.name.into(),
            subject: view.subject,
            organizer: view.organizer,
            visibility: view.visibility,
            state: view.state,
            created: rfc3339(view.created),
            since: view.since.map(rfc3339),
            schedule: view.schedule.map(ScheduleJson::from),
            locked: view.locked,
            waiting_room: view.waiting_room,
            has_pin: view.has_pin,
            max_members: view.max_members,
            mode: view.mode.to_owned(),
            mode_why: view.mode_why.to_owned(),
            media_path: view.media_path,
            members: view.members.into_iter().map(MemberJson::from).collect(),
        }
    }
}

impl From<Schedule> for ScheduleJson {
    fn from(schedule: Schedule) -> Self {
        ScheduleJson { start: rfc3339(schedule.start), end: schedule.end.map(rfc3339) }
    }
}

impl From<MemberView> for MemberJson {
    fn from(view: MemberView) -> Self {
        MemberJson {
            id: view.id,
            uri: view.uri,
            name: view.name,
            verified: view.verified,
            role: view.role,
            state: view.state,
            muted: view.muted,
            since: view.since.map(rfc3339),
            user_agent: view.user_agent,
        }
    }
}
