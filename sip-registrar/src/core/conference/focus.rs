//! One conference: its id at the mixer, its members (RFC 4353).

use std::collections::BTreeMap;

use sip_stack::endpoint::CallId;

use super::chat::Log;
use super::directory::Creator;
use super::meeting::Meeting;
use super::member::Member;
use crate::core::identity::Identity;

/// The signalling centre of one conference. It exists as long as somebody is in it or on the way in.
#[derive(Debug)]
pub(crate) struct Focus {
    id: String,
    creator: Creator,
    meeting: Meeting,
    members: BTreeMap<CallId, Member>,
    by_leg: BTreeMap<String, CallId>,
    /// What was said in the chat.
    pub(crate) chat: Log,
}

impl Focus {
    /// A conference without members. `id` is its name at the mixer.
    pub(crate) fn new(id: String, creator: Creator, meeting: Meeting) -> Self {
        Focus {
            id,
            creator,
            meeting,
            members: BTreeMap::new(),
            by_leg: BTreeMap::new(),
            chat: Log::default(),
        }
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

    /// Whose media this leg is.
    pub(crate) fn call_of(&self, leg: &str) -> Option<CallId> {
        self.by_leg.get(leg).copied()
    }

    /// The calls of all members, those on the way in included.
    pub(crate) fn calls(&self) -> impl Iterator<Item = CallId> {
        self.members.keys().copied()
    }

    /// The calls of one identity.
    pub(crate) fn calls_of(&self, identity: &Identity) -> Vec<CallId> {
        let of = |member: &Member| member.identity == *identity;
        self.members.iter().filter(|(_, m)| of(m)).map(|(call, _)| *call).collect()
    }

    /// The calls of all members, if all of them are only being called.
    pub(crate) fn only_dialled(&self) -> Option<Vec<CallId>> {
        let all = self.members.values().all(|member| member.dial.is_some());
        all.then(|| self.calls().collect())
    }

    /// Whether somebody is really there.
    pub(crate) fn has(&self, identity: &Identity) -> bool {
        self.members.values().any(|m| m.joined && m.identity == *identity)
    }

    /// How many there are, those on the way in included.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// How many are really there.
    pub(crate) fn present(&self) -> usize {
        self.members.values().filter(|m| m.joined).count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}
