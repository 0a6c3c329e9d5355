//! One conference: its id at the mixer, its members (RFC 4353).

use std::collections::BTreeMap;
use std::time::Instant;

use sip_stack::endpoint::CallId;

use super::act::Actor;
use super::chat::Log;
use super::directory::Creator;
use super::end::Ending;
use super::meeting::{Meeting, MemberRole, Organizer};
use super::member::Member;
use super::path::MediaPath;
use crate::core::identity::Identity;

/// The signalling centre of one conference. How long it exists, [`super::end`] decides.
#[derive(Debug)]
pub(crate) struct Focus {
    id: String,
    creator: Creator,
    meeting: Meeting,
    members: BTreeMap<CallId, Member>,
    by_leg: BTreeMap<String, CallId>,
    /// What was said in the chat.
    pub(crate) chat: Log,
    /// Which way its media go.
    pub(crate) path: MediaPath,
    /// Whether somebody has been in it.
    pub(crate) used: bool,
    /// Since when nobody is in it or on the way in, if nobody is.
    pub(crate) empty_since: Instant,
    /// It is over and waits for its last members to be gone.
    pub(crate) ending: Option<Ending>,
    /// Who was told its URI when it made this conference, and will dial it until then.
    pub(crate) expected: Option<(Identity, Instant)>,
    /// When something is due; only [`super::Directory::set_due`] sets it.
    pub(super) due: Option<Instant>,
    /// Rises with each change (RFC 6503 `version`); it may rise without one.
    pub(crate) revision: u32,
}

impl Focus {
    /// A conference without members. `id` is its name at the mixer.
    pub(crate) fn new(now: Instant, id: String, creator: Creator, meeting: Meeting) -> Self {
        Focus {
            revision: 1,
            id,
            creator,
            meeting,
            members: BTreeMap::new(),
            by_leg: BTreeMap::new(),
            chat: Log::default(),
            path: MediaPath::new(now),
            used: false,
            empty_since: now,
            ending: None,
            expected: None,
            due: None,
        }
    }

    /// What was agreed about it, to be changed.
    pub(crate) fn meeting_mut(&mut self) -> &mut Meeting {
        &mut self.meeting
    }

    /// What somebody may do in it, as far as it proves who it is: a guest by its secret.
    pub(crate) fn entitled(&self, actor: &Actor) -> MemberRole {
        match (actor, &self.meeting.organizer) {
            (Actor::Operator(_), _) => MemberRole::Organizer,
            (Actor::Account(user), _) => self.meeting.role_of(user),
            (Actor::Guest { secret: Some(shown), .. }, Organizer::Guest(secret))
                if secret.is(shown) =>
            {
                MemberRole::Organizer
            }
            (Actor::Guest { .. }, _) => MemberRole::Participant,
        }
    }

    /// What somebody may see of it: a guest what it may see as a member.
    pub(crate) fn role_of(&self, actor: &Actor) -> MemberRole {
        let identity = Identity::of_actor(actor);
        let same = |m: &&Member| m.joined && Some(&m.identity) == identity.as_ref();
        let roles = self.members.values().filter(same).map(|member| member.role);
        // Two guests of one address may use one name: then what both may do counts.
        self.entitled(actor).max(roles.min().unwrap_or(MemberRole::Participant))
    }

    /// What somebody may do outside of its call. A guest must show its secret: address and name are what
    /// everybody on its machine, or behind its NAT, can have too (docs/decisions/0080).
    pub(crate) fn role_outside(&self, actor: &Actor) -> MemberRole {
        match actor {
            Actor::Guest { .. } => self.entitled(actor),
            _ => self.role_of(actor),
        }
    }

    /// The same for an INVITE: whoever has just made it need not prove it once more.
    pub(crate) fn role_for(&self, actor: &Actor, now: Instant) -> MemberRole {
        let expected = self.expected.as_ref().filter(|(_, until)| now <= *until);
        let identity = Identity::of_actor(actor);
        if expected.is_some_and(|(expected, _)| Some(expected) == identity.as_ref()) {
            return MemberRole::Organizer;
        }
        self.entitled(actor)
    }

    /// The most members it takes.
    pub(crate) fn capacity(&self, limit: usize) -> usize {
        self.meeting.max_members.map_or(limit, |wanted| wanted.min(limit))
    }

    /// What was agreed about it.
    pub(crate) fn meeting(&self) -> &Meeting {
        &self.meeting
    }

    /// What the mixer calls this meeting: the same name later is another meeting.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn creator(&self) -> &Creator {
        &self.creator
    }

    pub(crate) fn insert(&mut self, call: CallId, member: Member) {
        self.by_leg.insert(member.leg.clone(), call);
        self.members.insert(call, member);
    }

    pub(crate) fn remove(&mut self, call: CallId) -> Option<Member> {
        let member = self.members.remove(&call)?;
        self.by_leg.remove(&member.leg);
        Some(member)
    }

    pub(crate) fn member(&self, call: CallId) -> Option<&Member> {
        self.members.get(&call)
    }

    pub(crate) fn member_mut(&mut self, call: CallId) -> Option<&mut Member> {
        self.members.get_mut(&call)
    }

    /// All members, those on the way in included.
    pub(crate) fn members(&self) -> impl Iterator<Item = (CallId, &Member)> {
        self.members.iter().map(|(call, member)| (*call, member))
    }

    /// All members, to be changed.
    pub(crate) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut()
    }

    /// Whose media this leg is.
    pub(crate) fn call_of(&self, leg: &str) -> Option<CallId> {
        self.by_leg.get(leg).copied()
    }

    /// The calls of all members, those on the way in included.
    pub(crate) fn calls(&self) -> impl Iterator<Item = CallId> {
        self.members.keys().copied()
    }

    /// The calls of all members, if all of them are only being called.
    pub(crate) fn only_dialled(&self) -> Option<Vec<CallId>> {
        let all = self.members.values().all(|member| member.dial.is_some());
        all.then(|| self.calls().collect())
    }

    /// Whether somebody is really there.
    pub(crate) fn has(&self, identity: &Identity) -> bool {
        self.members.values().any(|m| m.is_inside() && m.identity == *identity)
    }

    /// How many there are, those on the way in included.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// How many are really there.
    pub(crate) fn present(&self) -> usize {
        self.members.values().filter(|m| m.is_inside()).count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}
