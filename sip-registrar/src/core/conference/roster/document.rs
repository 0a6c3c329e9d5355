//! The document of a conference (RFC 4575 §5).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conference_info::{
    AvailableMedium, CallInfo, ConfUri, ConferenceInfo, ConferenceState, Description, Endpoint,
    EndpointStatus, Execution, Host, JoiningMethod, Medium, MediumStatus, State, User, Users,
};
use mixer_control::{LineDirection, SourceLine};
use sip_stack::message::Uri;

use crate::core::conference::door::Place;
use crate::core::conference::{
    Actor, ConferenceName, Focus, Meeting, Member, MemberRole, MemberState,
};
use crate::core::identity::Identity;
use crate::core::registrar::Registrar;

/// The most users who have come or changed in one document. Some 40 kB: a datagram holds 64, and whoever
/// is left out is told of in the next one.
const MAX_NEWS: usize = 50;

impl Registrar {
    /// A conference with everybody in it, under no name yet: subscribers know it under different hosts.
    /// Those who were in `before` keep their order, for a changed order cannot be told as a change.
    pub(crate) fn roster(&self, focus: &Focus, before: Option<&ConferenceInfo>) -> ConferenceInfo {
        let mut users: Vec<User> = Vec::new();
        let shown = focus.members().filter(|(_, member)| member.is_seen_by(MemberRole::Moderator));
        for (_, member) in shown {
            let endpoint = endpoint_of(member);
            match users.iter_mut().find(|user| user.entity == member.aor) {
                Some(user) => user.endpoints.push(endpoint),
                None => users.push(User { endpoints: vec![endpoint], ..user_of(member) }),
            }
        }
        if let Some(before) = before {
            let known: BTreeMap<&str, usize> =
                before.users().map(|u| u.entity.as_str()).zip(0..).collect();
            users
                .sort_by_key(|user| known.get(user.entity.as_str()).copied().unwrap_or(usize::MAX));
        }
        let inside = focus.members().filter(|(_, member)| member.is_inside());
        let count = inside.map(|(_, member)| &member.aor).collect::<BTreeSet<_>>().len();
        ConferenceInfo {
            users: Some(Users { state: State::Full, list: users }),
            ..self.summary(focus, count)
        }
    }

    /// What a list tells of a conference: all but the people.
    fn summary(&self, focus: &Focus, count: usize) -> ConferenceInfo {
        let meeting = focus.meeting();
        let max = meeting.max_members.unwrap_or(self.settings.max_members);
        ConferenceInfo {
            entity: String::new(),
            state: State::Full,
            version: None,
            description: Some(description(meeting, max)),
            host: (!meeting.organizer_name.is_empty()).then(|| Host {
                display_text: Some(meeting.organizer_name.clone()),
                uris: Vec::new(),
            }),
            conference_state: Some(ConferenceState {
                user_count: Some(u32::try_from(count).unwrap_or(u32::MAX)),
                active: Some(count > 0),
                locked: Some(meeting.locked),
                media_path: Some(focus.path.as_str().to_owned()),
                since: focus.members().filter_map(|(_, member)| member.since).min().map(whole),
                starts: meeting.schedule.map(|schedule| whole(schedule.start)),
                ends: meeting.schedule.and_then(|schedule| schedule.end).map(whole),
                needs_pin: Some(meeting.pin.is_some()),
                waiting_room: Some(meeting.waiting_room),
            }),
            users: None,
        }
    }

    /// A row of the list: a conference that `viewer` may find there.
    pub(super) fn listed(
        &self,
        name: &ConferenceName,
        viewer: &Actor,
        known_as: &Uri,
    ) -> Option<ConferenceInfo> {
        let focus = self.directory.get(name).filter(|focus| focus.is_listed_for(viewer))?;
        Some(named(self.summary(focus, focus.present()), name, known_as))
    }

    /// What one subscriber is told: under the host it knows, and with its own dialogs. Those of others
    /// are their secret: who knows a dialog may take it over (RFC 3891).
    pub(crate) fn roster_for(
        &self,
        shared: &ConferenceInfo,
        focus: &Focus,
        viewer: &Actor,
        known_as: &Uri,
    ) -> ConferenceInfo {
        let mut info = named(shared.clone(), &focus.meeting().name, known_as);
        if let Some(users) = &mut info.users
            && focus.role_of(viewer) < MemberRole::Moderator
        {
            // Who waits in the lobby is the business of those who let people in.
            for user in &mut users.list {
                user.endpoints.retain(|endpoint| endpoint.waiting != Some(true));
            }
            users.list.retain(|user| !user.endpoints.is_empty());
        }
        let viewer = Identity::of_actor(viewer);
        let own = focus.members().filter(|(_, member)| Some(&member.identity) == viewer.as_ref());
        let own: Vec<_> = own.collect();
        if let Some(users) = &mut info.users {
            // Who has not sent its ACK yet is there in a moment, or not at all: only who asks before its own
            // finds itself.
            let ours: Vec<String> = own.iter().map(|(_, member)| entity_of(member)).collect();
            let comes = |e: &Endpoint| e.status == Some(EndpointStatus::DialingIn);
            for user in &mut users.list {
                user.endpoints.retain(|e| !comes(e) || ours.contains(&e.entity));
            }
            users.list.retain(|user| !user.endpoints.is_empty());
        }
        for (call, member) in own {
            let Some(dialog) = self.endpoint.dialog_id(call) else { continue };
            let entity = entity_of(member);
            let users = info.users.iter_mut().flat_map(|users| &mut users.list);
            let mut endpoints = users.flat_map(|user| &mut user.endpoints);
            if let Some(endpoint) = endpoints.find(|endpoint| endpoint.entity == entity) {
                endpoint.call_info = Some(CallInfo {
                    call_id: dialog.call_id.clone(),
                    from_tag: dialog.remote_tag.clone(),
                    to_tag: dialog.local_tag.clone(),
                });
            }
        }
        info
    }
}

/// `info` with no more news than one document holds, and whether some were left out. Whoever has left is
/// always told: that is short.
pub(super) fn in_portions(
    told: Option<&ConferenceInfo>,
    mut info: ConferenceInfo,
) -> (ConferenceInfo, bool) {
    let known: BTreeMap<&str, &User> =
        told.into_iter().flat_map(ConferenceInfo::users).map(|u| (u.entity.as_str(), u)).collect();
    let mut left = MAX_NEWS;
    let mut cut = false;
    if let Some(users) = &mut info.users {
        let list = std::mem::take(&mut users.list);
        users.list = list
            .into_iter()
            .filter_map(|user| match known.get(user.entity.as_str()) {
                Some(before) if **before == user => Some(user),
                _ if left > 0 => {
                    left -= 1;
                    Some(user)
                }
                before => {
                    cut = true;
                    before.map(|before| (*before).clone())
                }
            })
            .collect();
    }
    (info, cut)
}

/// The URI of a conference as a subscriber knows it.
pub(super) fn uri_of(name: &ConferenceName, known_as: &Uri) -> String {
    Uri::sip(Some(name.as_str()), known_as.host.clone(), known_as.port).to_string()
}

fn named(mut info: ConferenceInfo, name: &ConferenceName, known_as: &Uri) -> ConferenceInfo {
    info.entity = uri_of(name, known_as);
    if let Some(description) = &mut info.description {
        // Linphone refuses a conference with more than one.
        description.conf_uris = vec![ConfUri {
            uri: info.entity.clone(),
            display_text: None,
            purpose: Some("participation".to_owned()),
        }];
    }
    info
}

/// Documents know whole seconds only.
fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

fn description(meeting: &Meeting, max: usize) -> Description {
    let medium = |label: &str, kind: &str| AvailableMedium {
        label: label.to_owned(),
        display_text: None,
        kind: kind.to_owned(),
        status: Some(MediumStatus::SendRecv),
    };
    let title = match meeting.subject.as_str() {
        "" => meeting.name.as_str(),
        subject => subject,
    };
    Description {
        display_text: Some(title.to_owned()),
        subject: (!meeting.subject.is_empty()).then(|| meeting.subject.clone()),
        free_text: None,
        conf_uris: Vec::new(),
        maximum_user_count: u32::try_from(max).ok(),
        available_media: vec![medium("1", "audio"), medium("2", "video"), medium("3", "text")],
    }
}

fn user_of(member: &Member) -> User {
    let roles: &[&str] = match member.role {
        MemberRole::Organizer => &["admin", "organizer", "speaker"],
        MemberRole::Moderator => &["admin", "speaker"],
        MemberRole::Participant => &["participant", "speaker"],
    };
    User {
        entity: member.aor.clone(),
        display_text: Some(member.display_name.clone()),
        roles: roles.iter().map(ToString::to_string).collect(),
        ..User::default()
    }
}

/// A device: named like a GRUU (RFC 5627), for its real address is nobody's business.
fn entity_of(member: &Member) -> String {
    format!("{};gr={}", member.aor, member.leg)
}

fn endpoint_of(member: &Member) -> Endpoint {
    let media = media_of(member);
    let holds = media.first().is_some_and(|audio| {
        matches!(audio.status, Some(MediumStatus::SendOnly | MediumStatus::Inactive))
    });
    let status = match MemberState::of(member) {
        MemberState::DialingIn => EndpointStatus::DialingIn,
        MemberState::DialingOut => EndpointStatus::DialingOut,
        MemberState::Waiting => EndpointStatus::OnHold,
        MemberState::Connected if member.muted => EndpointStatus::MutedViaFocus,
        MemberState::Connected if holds => EndpointStatus::OnHold,
        MemberState::Connected => EndpointStatus::Connected,
    };
    let program = member.provenance.user_agent();
    Endpoint {
        entity: entity_of(member),
        display_text: (!program.is_empty()).then(|| program.to_owned()),
        status: Some(status),
        joining_method: Some(match member.called {
            true => JoiningMethod::DialedOut,
            false => JoiningMethod::DialedIn,
        }),
        joining_info: member
            .since
            .map(|since| Execution { when: Some(whole(since)), ..Execution::default() }),
        media,
        waiting: Some(member.place != Place::Inside),
        ..Endpoint::default()
    }
}

/// One medium of each kind: what the member sends, or else what it would. Linphone has a line for
/// everybody it sees; they are no media of its own.
fn media_of(member: &Member) -> Vec<Medium> {
    let medium = |id: &str, kind: &str| {
        let lines = || member.sources.iter().filter(|line| line.medium == kind);
        let line = lines().find(|line| line.ssrc.is_some()).or_else(|| lines().find(|l| sends(l)));
        let line = line.or_else(|| lines().next())?;
        Some(Medium {
            id: id.to_owned(),
            kind: Some(kind.to_owned()),
            label: (!line.label.is_empty()).then(|| line.label.clone()),
            src_id: line.ssrc,
            status: Some(status_of(line.direction, member.muted && kind == "audio")),
        })
    };
    [medium("1", "audio"), medium("2", "video")].into_iter().flatten().collect()
}

fn sends(line: &SourceLine) -> bool {
    matches!(line.direction, LineDirection::SendOnly | LineDirection::SendRecv)
}

/// As the member sees it; what it sends while it is muted goes nowhere (RFC 4575 §5.8.5).
fn status_of(direction: LineDirection, muted: bool) -> MediumStatus {
    match direction {
        LineDirection::SendRecv if muted => MediumStatus::RecvOnly,
        LineDirection::SendOnly if muted => MediumStatus::Inactive,
        LineDirection::SendRecv => MediumStatus::SendRecv,
        LineDirection::SendOnly => MediumStatus::SendOnly,
        LineDirection::RecvOnly => MediumStatus::RecvOnly,
        LineDirection::Inactive => MediumStatus::Inactive,
    }
}
