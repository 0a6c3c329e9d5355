//! What moderators do to members: remove, mute, admit, give a role, call in.

use std::time::Instant;

use sip_stack::endpoint::CallId;
use sip_stack::message::{Reason, Uri};

use super::act::{Actor, Denied, Whom};
use super::focus::Focus;
use super::meeting::{MemberRole, Organizer, Secret};
use super::member::Member;
use super::name::ConferenceName;
use crate::core::history::{Person, Record, RecordKind};
use crate::core::identity::Identity;
use crate::core::registrar::Registrar;
use crate::core::settings::InvitePolicy;
use crate::core::store::StoreCommand;

impl Focus {
    /// The calls of those who are meant.
    fn find(&self, whom: &Whom, registrar: &Registrar) -> Vec<CallId> {
        let meant = |member: &Member| match whom {
            Whom::Member(leg) => member.leg == *leg,
            Whom::Uri(uri) => is_of(member, uri, registrar),
            Whom::Everybody => member.role == MemberRole::Participant,
        };
        let found: Vec<CallId> =
            self.members().filter(|(_, member)| meant(member)).map(|(call, _)| call).collect();
        match whom {
            Whom::Uri(uri) if found.is_empty() && !is_account(uri, registrar) => self.shown_as(uri),
            _ => found,
        }
    }

    /// The calls of the one person who is shown by the name in `uri`. A guest's address is made up by its
    /// program: what people know is the name on the screen.
    fn shown_as(&self, uri: &str) -> Vec<CallId> {
        let name = Uri::parse(uri).and_then(|uri| uri.user_text()).unwrap_or_default();
        let shown = |member: &Member| member.display_name.to_lowercase() == name.to_lowercase();
        let found: Vec<(CallId, &Member)> = self.members().filter(|(_, m)| shown(m)).collect();
        let one = found.iter().all(|(_, m)| Some(&m.aor) == found.first().map(|(_, m)| &m.aor));
        if one { found.into_iter().map(|(call, _)| call).collect() } else { Vec::new() }
    }
}

impl Registrar {
    /// Those who are meant, or 404 if there is nobody. Everybody may be nobody.
    pub(super) fn meant(&self, focus: &Focus, whom: &Whom) -> Result<Vec<CallId>, Denied> {
        let found = focus.find(whom, self);
        if found.is_empty() && *whom != Whom::Everybody {
            return Err(Denied::new(404, "nobody of that name is in the conference"));
        }
        Ok(found)
    }

    /// The calls of those who are meant, who may have gone since.
    pub(super) fn calls_of(&self, name: &ConferenceName, whom: &Whom) -> Vec<CallId> {
        self.directory.get(name).map(|focus| focus.find(whom, self)).unwrap_or_default()
    }

    /// Whether somebody means nobody but itself.
    pub(super) fn is_oneself(&self, focus: &Focus, whom: &Whom, actor: &Actor) -> bool {
        let identity = Identity::of_actor(actor);
        let meant = focus.find(whom, self);
        let own = |call: &CallId| focus.member(*call).map(|m| &m.identity) == identity.as_ref();
        !meant.is_empty() && *whom != Whom::Everybody && meant.iter().all(own)
    }

    /// Nobody removes who may do more.
    pub(super) fn may_kick(
        &self,
        focus: &Focus,
        whom: &Whom,
        role: MemberRole,
    ) -> Result<(), Denied> {
        let above = |call: &CallId| focus.member(*call).is_some_and(|m| m.role > role);
        if self.meant(focus, whom)?.iter().any(above) {
            return Err(Denied::new(403, "the organizer cannot be removed by a moderator"));
        }
        Ok(())
    }

    /// Whether somebody can be given this role.
    pub(super) fn may_give(
        &self,
        focus: &Focus,
        whom: &Whom,
        role: MemberRole,
    ) -> Result<(), Denied> {
        if *whom == Whom::Everybody {
            return Err(Denied::new(400, "a role is given to one at a time"));
        }
        let meant = self.meant(focus, whom)?;
        let organizes = |call: &CallId| {
            focus.member(*call).is_some_and(|member| member.role == MemberRole::Organizer)
        };
        if role != MemberRole::Organizer && meant.iter().any(organizes) {
            return Err(Denied::new(409, "the organizer must hand over to somebody else first"));
        }
        Ok(())
    }

    /// Notes what was done to a member.
    pub(super) fn note_deed(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        kind: RecordKind,
        by: &Person,
        whom: Person,
        detail: &str,
    ) {
        let Some(focus) = self.directory.get(name) else { return };
        let record = Record::new(self.clock.unix(now), focus, kind).by(by.clone());
        self.record(record.whom(whom).detail(detail));
    }

    pub(super) fn kick(&mut self, now: Instant, name: &ConferenceName, whom: &Whom, by: &Person) {
        for call in self.calls_of(name, whom) {
            let Some(member) = self.member_mut(call) else { continue };
            let whom = member.person();
            if whom.uri == by.uri {
                self.end_call(now, call, Reason::sip(200, "as you asked"));
                continue;
            }
            self.note_deed(now, name, RecordKind::Kicked, by, whom, "");
            self.end_call(now, call, Reason::sip(200, &format!("removed by {}", by.name)));
        }
    }

    /// Who may call whom in: moderators, and members with an account if the rules say so; and only
    /// accounts of this server, for a focus that calls whatever it is told is a relay for strangers (RFC
    /// 3515 §5).
    pub(crate) fn may_call_in(
        &self,
        now: Instant,
        actor: &Actor,
        role: MemberRole,
        name: &ConferenceName,
        uri: &Uri,
    ) -> Result<String, Denied> {
        let focus = self.running(now, name)?;
        let is_member = Identity::of_actor(actor).is_some_and(|identity| focus.has(&identity));
        let member = is_member && matches!(actor, Actor::Account(_));
        let allowed = role >= MemberRole::Moderator
            || (member && self.settings.invite == InvitePolicy::Members);
        if !allowed {
            return Err(Denied::new(403, "only moderators may invite, or members with an account"));
        }
        let local = self
            .settings
            .listen
            .iter()
            .any(|listen| self.settings.is_our_host(&uri.host, listen.ip()));
        let user = uri.user_text().filter(|user| self.settings.accounts.contains(user));
        match user {
            Some(user) if uri.is_sip() && uri.headers.is_empty() && local => Ok(user),
            _ => Err(Denied::new(403, "only accounts of this server can be invited")),
        }
    }

    /// Gives a role. What an account may do it may do whenever it comes; a guest only as long as it is
    /// in the conference, for nothing would tell it from others later.
    pub(super) fn hand_role(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        whom: &Whom,
        role: MemberRole,
        by: &Person,
    ) {
        let calls = self.calls_of(name, whom);
        let secret = self.tokens.hex(16);
        let Some(focus) = self.directory.get_mut(name) else { return };
        let first = calls.first().and_then(|call| focus.member(*call));
        let Some((identity, person)) = first.map(|m| (m.identity.clone(), m.person())) else {
            return;
        };
        if first.is_some_and(|member| member.role == role) {
            return;
        }
        let meeting = focus.meeting_mut();
        if role == MemberRole::Organizer {
            let new = match &identity {
                Identity::Account(user) => Organizer::Account(user.clone()),
                Identity::Guest { .. } => Organizer::Guest(Secret::of(&secret)),
            };
            if let Organizer::Account(old) = std::mem::replace(&mut meeting.organizer, new) {
                meeting.moderators.insert(old);
            }
            meeting.organizer_name.clone_from(&person.name);
        }
        if let Identity::Account(user) = &identity {
            match role {
                MemberRole::Moderator => meeting.moderators.insert(user.clone()),
                _ => meeting.moderators.remove(user),
            };
        }
        for member in focus.members_mut() {
            if member.identity == identity {
                member.role = role;
            } else if role == MemberRole::Organizer && member.role == MemberRole::Organizer {
                member.role = MemberRole::Moderator;
            }
        }
        for call in calls {
            self.promote(now, call);
        }
        let word = match role {
            MemberRole::Participant => "participant",
            MemberRole::Moderator => "moderator",
            MemberRole::Organizer => "organizer",
        };
        self.note_deed(now, name, RecordKind::Role, by, person, word);
        self.keep(name);
        self.conference_changed(name);
    }

    /// Keeps what was agreed beyond a restart, if the conference is to live as long.
    pub(super) fn keep(&mut self, name: &ConferenceName) {
        let meeting = self.directory.get(name).map(|focus| focus.meeting().clone());
        if let Some(meeting) = meeting.filter(|meeting| meeting.lasting) {
            self.store(StoreCommand::Meeting(Box::new(meeting)));
        }
    }
}

/// Whether an address means this member: an account by its name at any of our hosts, a guest by what it
/// calls itself.
/// Whether a URI is that of an account, or looks like it: then nobody else is meant.
fn is_account(uri: &str, registrar: &Registrar) -> bool {
    let user = Uri::parse(uri).and_then(|uri| uri.user_text()).unwrap_or_default();
    registrar.settings.accounts.taken_for(&user).is_some()
}

fn is_of(member: &Member, uri: &str, registrar: &Registrar) -> bool {
    let Some(uri) = Uri::parse(uri) else { return false };
    if member.aor == uri.aor() {
        return true;
    }
    let ours = registrar
        .settings
        .listen
        .iter()
        .any(|listen| registrar.settings.is_our_host(&uri.host, listen.ip()));
    let named = match &member.identity {
        Identity::Account(user) | Identity::Guest { user, .. } => user,
    };
    ours && uri.user_text().as_ref() == Some(named)
}
