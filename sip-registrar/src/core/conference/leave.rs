//! A member leaves, and with the last one the conference ends.

use std::time::Instant;

use mixer_control::{LegRef, MixerRequest};
use sip_stack::endpoint::{CallId, EndReason};
use sip_stack::message::Reason;

use super::door::Place;
use super::member::Member;
use super::name::ConferenceName;
use crate::core::history::{Record, RecordKind};
use crate::core::mixer::Purpose;
use crate::core::registrar::{Registrar, Role};

impl Registrar {
    /// The call of a member is over: frees its leg. `leg_exists`: the mixer made one, or may have.
    pub(crate) fn forget_member(
        &mut self,
        now: Instant,
        call: CallId,
        why: &str,
        leg_exists: bool,
    ) {
        let Some(Role::Member(name)) = self.roles.remove(&call) else { return };
        let Some(focus) = self.directory.get_mut(&name) else { return };
        let Some(member) = focus.remove(call) else { return };
        let leg = LegRef { conference: focus.id().to_owned(), leg: member.leg.clone() };
        let present = focus.present();
        if focus.is_empty() {
            focus.empty_since = now;
        }
        let left = Record::new(self.clock.unix(now), focus, RecordKind::Left);
        let joining = self.mixer.is_joining(call);
        self.mixer.abandon(call);
        self.end_subscriptions_of(call);
        // While a Join is on its way the Leave waits for its reply: it must not overtake it.
        if leg_exists && !joining {
            self.leave(now, call, leg);
        }
        let why = member.farewell.as_deref().unwrap_or(why);
        if member.is_inside() {
            self.counters.leaves += 1;
            self.record(left.by(member.person()).member(&member.leg).detail(why));
            tracing::info!(
                conference = %name, member = %member.display_name, who = %member.identity,
                why, members = present, "leave"
            );
        } else {
            tracing::debug!(conference = %name, member = %member.display_name, why, "did not join");
        }
        self.drop_side(call, member.msrp.as_ref());
        self.drop_inbox(now, member.inbox);
        self.path_member_gone(now, &name, call);
        self.conference_changed(&name);
        if member.joined {
            self.stop_dialling_into_nothing(now, &name);
        }
        self.revise(now, &name);
    }

    /// Whoever had somebody called in has left: nobody shall come into an empty conference.
    fn stop_dialling_into_nothing(&mut self, now: Instant, name: &ConferenceName) {
        let dialled = self.directory.get(name).and_then(super::Focus::only_dialled);
        for call in dialled.unwrap_or_default() {
            self.end_call(now, call, Reason::sip(487, "nobody is there any more"));
        }
    }

    /// Tells the mixer to remove a leg.
    pub(crate) fn leave(&mut self, now: Instant, call: CallId, leg: LegRef) {
        let id = self.mixer.send(now, Purpose::Forget, call, leg.clone());
        self.send_to_mixer(id, MixerRequest::Leave(leg));
    }

    /// Removes a leg of nobody: the command to remove it has been lost.
    pub(crate) fn remove_stray(&mut self, leg: LegRef) {
        tracing::debug!(leg = %leg.leg, "a leg of nobody");
        let id = self.mixer.new_id();
        self.send_to_mixer(id, MixerRequest::Leave(leg));
    }

    /// The stack says that a call has ended.
    pub(crate) fn on_call_ended(&mut self, now: Instant, call: CallId, reason: EndReason) {
        let (why, given) = match reason {
            EndReason::Local => ("ended by us", None),
            EndReason::Remote(given) => ("BYE", given),
            EndReason::NoAck => ("no ACK", None),
            EndReason::NoAnswer => ("no answer", Some(Reason::sip(408, "no answer"))),
            EndReason::Unreachable(_) => ("unreachable", Some(Reason::sip(480, "unreachable"))),
            EndReason::DialogLost(_) => ("does not answer any more", None),
            EndReason::SessionExpired => ("session expired", None),
            EndReason::Protocol(what) => (what, None),
        };
        self.on_call_over(now, call, why, given);
    }

    /// A call is over, for whatever reason.
    pub(crate) fn on_call_over(
        &mut self,
        now: Instant,
        call: CallId,
        why: &str,
        given: Option<Reason>,
    ) {
        match self.roles.get(&call) {
            Some(Role::Member(_)) => {
                let dial = self.member_mut(call).and_then(|member| member.dial.take());
                self.forget_member(now, call, why, true);
                if let Some(dial) = dial {
                    let cause = given.and_then(|r| u16::try_from(r.cause?).ok());
                    let status = cause.filter(|cause| (300..700).contains(cause)).unwrap_or(480);
                    self.on_dialled(now, dial.refer, call, status);
                }
            }
            Some(Role::Caller) => self.on_caller_gone(now, call, given),
            Some(Role::Callee(_)) => self.on_callee_gone(now, call, given),
            Some(Role::Taker(_)) => self.on_taker_gone(call),
            None => {}
        }
    }

    /// Ends a call from our side.
    pub(crate) fn end_call(&mut self, now: Instant, call: CallId, reason: Reason) {
        if let Some(member) = self.member_mut(call) {
            member.farewell.clone_from(&reason.text);
        }
        // The last event of the call follows at once and cleans up.
        if self.endpoint.bye(now, call, Some(reason)).is_err() {
            self.on_call_over(now, call, "gone", None);
        }
    }

    /// Ends all members of a conference that the mixer has.
    pub(crate) fn end_conference(&mut self, now: Instant, id: &str, reason: &Reason) {
        let Some(focus) = self.directory.by_id(id) else { return };
        let calls = focus.members().filter(|(_, member)| member.at_mixer);
        for call in calls.map(|(call, _)| call).collect::<Vec<_>>() {
            self.end_call(now, call, reason.clone());
        }
    }

    /// Ends all members of all conferences: the mixer has lost them.
    pub(crate) fn end_all_conferences(&mut self, now: Instant, text: &str) {
        // Whose media go directly lacks nothing.
        let members = self.directory.iter().flat_map(super::Focus::members);
        let calls: Vec<CallId> =
            members.filter(|(_, member)| member.at_mixer).map(|(call, _)| call).collect();
        if !calls.is_empty() {
            tracing::warn!(members = calls.len(), "all conferences end: {text}");
        }
        for call in calls {
            self.end_call(now, call, Reason::sip(503, text));
        }
    }

    pub(crate) fn member_mut(&mut self, call: CallId) -> Option<&mut Member> {
        self.leg_and_member(call).map(|(_, member)| member)
    }

    /// A member and the name of its leg at the mixer.
    pub(crate) fn leg_and_member(&mut self, call: CallId) -> Option<(LegRef, &mut Member)> {
        let Some(Role::Member(name)) = self.roles.get(&call) else { return None };
        let focus = self.directory.get_mut(name)?;
        let conference = focus.id().to_owned();
        let member = focus.member_mut(call)?;
        Some((LegRef { conference, leg: member.leg.clone() }, member))
    }

    /// Somebody is really there now: in the conference, or in its lobby.
    pub(crate) fn note_arrival(&mut self, now: Instant, call: CallId) {
        if self.member_mut(call).is_some_and(|member| member.place == Place::Inside) {
            self.note_join(now, call);
        } else {
            self.note_lobby(now, call);
        }
    }

    /// Somebody is in the conference now.
    pub(crate) fn note_join(&mut self, now: Instant, call: CallId) {
        let Some(Role::Member(name)) = self.roles.get(&call) else { return };
        let name = name.clone();
        let Some(focus) = self.directory.get_mut(&name) else { return };
        let first = !std::mem::replace(&mut focus.used, true);
        let opened = first && !focus.meeting().lasting;
        let subject = focus.meeting().subject.clone();
        let Some(member) = focus.member_mut(call) else { return };
        let at = self.clock.unix(now);
        member.since = Some(at);
        let (person, identity) = (member.person(), member.identity.clone());
        let (leg, program) = (member.leg.clone(), member.provenance.user_agent().to_owned());
        self.counters.joins += 1;
        tracing::info!(
            conference = %name, member = %person.name, who = %identity, members = focus.present(), "join"
        );
        let created = Record::new(at, focus, RecordKind::Created);
        let joined = Record::new(at, focus, RecordKind::Joined);
        if opened {
            self.record(created.by(person.clone()).detail(subject));
        }
        self.record(joined.by(person).member(leg).detail(program));
        self.conference_changed(&name);
        self.replay_chat(now, call);
        self.call_in_brought(now, call, &name);
    }
}
