//! The lobby: who has to dial a PIN, or waits to be admitted, hears prompts and nobody else, and is heard
//! by nobody. What the mixer is told of a member follows from here, too.

use std::time::{Duration, Instant};

use mixer_control::{MixerRequest, Prompt};
use sip_stack::endpoint::CallId;
use sip_stack::message::Reason;

use super::act::Whom;
use super::door::Place;
use super::meeting::MemberRole;
use super::name::ConferenceName;
use crate::core::history::{Person, RecordKind};
use crate::core::registrar::{Registrar, Role};

/// How long somebody may take from one digit of the PIN to the next.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// So often a PIN may be wrong in one call. With four digits a caller guesses it in one of 3333 calls.
const TRIES: u8 = 3;

/// More digits are not looked at: the longest PIN has 16.
const MAX_DIGITS: usize = 20;

/// What a key did.
enum Outcome {
    More,
    Right,
    Wrong(u8),
}

impl Registrar {
    /// Somebody is in the lobby now: is told what to do.
    pub(super) fn note_lobby(&mut self, now: Instant, call: CallId) {
        let Some(Role::Member(name)) = self.roles.get(&call).cloned() else { return };
        let Some(member) = self.member_mut(call) else { return };
        let prompt = match &mut member.place {
            Place::AtPin { until, .. } => {
                *until = now + PATIENCE;
                Some(Prompt::EnterPin)
            }
            Place::Waiting => Some(Prompt::NotAdmittedYet),
            Place::Inside | Place::Arranging { .. } => None,
        };
        if let Some(prompt) = prompt {
            tracing::info!(conference = %name, who = %member.identity, "in the lobby");
            self.play(now, call, vec![prompt]);
            self.conference_changed(&name);
        }
        self.revise(now, &name);
    }

    /// A member has pressed a key. It means something in front of the PIN only.
    pub(crate) fn on_digit(&mut self, now: Instant, call: CallId, digit: char) {
        let Some(Role::Member(name)) = self.roles.get(&call).cloned() else { return };
        let Some(focus) = self.directory.get_mut(&name) else { return };
        let pin = focus.meeting().pin.clone();
        let next = Place::after_pin(focus.meeting());
        let Some(member) = focus.member_mut(call).filter(|member| member.joined) else { return };
        let Place::AtPin { dialled, wrong, until } = &mut member.place else { return };
        *until = now + PATIENCE;
        let outcome = match (digit, &pin) {
            // It was taken away meanwhile.
            (_, None) => Outcome::Right,
            ('*', _) => {
                dialled.clear();
                Outcome::More
            }
            ('0'..='9', Some(pin)) if dialled.len() < MAX_DIGITS => {
                dialled.push(digit);
                if pin.is(dialled) {
                    Outcome::Right
                } else if dialled.len() < pin.digits().len() {
                    Outcome::More
                } else {
                    *wrong += 1;
                    dialled.clear();
                    Outcome::Wrong(*wrong)
                }
            }
            ('#', Some(_)) if !dialled.is_empty() => {
                *wrong += 1;
                dialled.clear();
                Outcome::Wrong(*wrong)
            }
            _ => Outcome::More,
        };
        // Counted like a wrong password: who guesses, in one call or from call to call, is banned.
        if matches!(outcome, Outcome::Wrong(_))
            && let Some(flow) = self.endpoint.flow_of(call)
        {
            self.count_failure(now, flow.remote);
        }
        match outcome {
            // Whoever dials needs no prompt any more.
            Outcome::More => self.play(now, call, Vec::new()),
            Outcome::Right if next == Place::Inside => self.let_in(now, call),
            Outcome::Right => {
                if let Some(member) = self.member_mut(call) {
                    member.place = next;
                }
                self.note_lobby(now, call);
            }
            Outcome::Wrong(wrong) if wrong < TRIES => {
                self.play(now, call, vec![Prompt::WrongPin, Prompt::EnterPin]);
            }
            Outcome::Wrong(_) => self.turn_away(now, &name, call, "wrong PIN"),
        }
        self.revise(now, &name);
    }

    /// Ends the calls of those who have taken too long to dial the PIN.
    pub(super) fn end_patience(&mut self, now: Instant, name: &ConferenceName) {
        let Some(focus) = self.directory.get(name) else { return };
        let late = focus
            .members()
            .filter(|(_, member)| member.farewell.is_none())
            .filter(|(_, member)| member.place.due().is_some_and(|until| until <= now));
        let late = late.map(|(call, m)| (call, matches!(m.place, Place::AtPin { .. })));
        for (call, dials) in late.collect::<Vec<_>>() {
            if dials {
                self.turn_away(now, name, call, "no PIN");
            } else {
                self.end_call(now, call, Reason::sip(200, "it is planned"));
            }
        }
    }

    fn turn_away(&mut self, now: Instant, name: &ConferenceName, call: CallId, why: &str) {
        let Some(member) = self.member_mut(call) else { return };
        let person = member.person();
        self.play(now, call, vec![Prompt::Goodbye]);
        self.note_deed(now, name, RecordKind::Refused, &person, person.clone(), why);
        self.end_call(now, call, Reason::sip(403, why));
    }

    /// Brings somebody from the lobby into the conference.
    fn let_in(&mut self, now: Instant, call: CallId) {
        let Some(member) = self.member_mut(call) else { return };
        member.place = Place::Inside;
        let joined = member.joined;
        self.control(call);
        self.play(now, call, vec![Prompt::Admitted]);
        if joined {
            self.note_join(now, call);
        }
    }

    /// Lets those in who wait. Whoever has not dialled the PIN need not any more.
    pub(super) fn admit(&mut self, now: Instant, name: &ConferenceName, whom: &Whom, by: &Person) {
        for call in self.calls_of(name, whom) {
            let Some(member) = self.member_mut(call) else { continue };
            let waits = match member.place {
                Place::Inside | Place::Arranging { .. } => false,
                Place::Waiting => true,
                Place::AtPin { .. } => *whom != Whom::Everybody,
            };
            if waits {
                let person = member.person();
                self.note_deed(now, name, RecordKind::Admitted, by, person, "");
                self.let_in(now, call);
            }
        }
        self.revise(now, name);
    }

    /// Mutes members, or lets them talk again.
    pub(super) fn mute(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        whom: &Whom,
        muted: bool,
        by: &Person,
    ) {
        for call in self.calls_of(name, whom) {
            let Some(member) = self.member_mut(call) else { continue };
            if std::mem::replace(&mut member.muted, muted) == muted {
                continue;
            }
            let (person, hears) = (member.person(), member.place == Place::Inside);
            let (kind, prompt) = match muted {
                true => (RecordKind::Muted, Prompt::Muted),
                false => (RecordKind::Unmuted, Prompt::Unmuted),
            };
            self.note_deed(now, name, kind, by, person, "");
            self.control(call);
            if hears {
                self.play(now, call, vec![prompt]);
            }
        }
        self.conference_changed(name);
    }

    /// Tells the mixer how a leg is to be treated, whole. A leg that it is only making was told with the
    /// Join, or is told after it.
    pub(super) fn control(&mut self, call: CallId) {
        if !self.mixer.is_up() || self.mixer.is_joining(call) {
            return;
        }
        let Some((leg, member)) = self.leg_and_member(call) else { return };
        if !member.at_mixer {
            return;
        }
        let (muted, lobby) = (member.muted, member.place != Place::Inside);
        let id = self.mixer.new_id();
        self.send_to_mixer(id, MixerRequest::Control { leg, muted, lobby });
    }

    /// The same for all legs: what was decided while the mixer could not be told.
    pub(super) fn control_all(&mut self) {
        let calls: Vec<CallId> = self.directory.iter().flat_map(super::Focus::calls).collect();
        for call in calls {
            self.control(call);
        }
    }

    /// Has prompts played to a member, instead of those that are being played.
    fn play(&mut self, now: Instant, call: CallId, prompts: Vec<Prompt>) {
        if !self.mixer.is_up() || self.mixer.is_joining(call) {
            return;
        }
        let Some((leg, member)) = self.leg_and_member(call) else { return };
        if !member.at_mixer {
            return;
        }
        let name = self.conference_of(call);
        if let Some(focus) = name.and_then(|name| self.directory.get_mut(&name)) {
            focus.path.speaks(now);
        }
        let id = self.mixer.new_id();
        self.send_to_mixer(id, MixerRequest::Play { leg, prompts });
    }

    /// Where a member stands by what it may do now: a moderator does not wait.
    pub(super) fn promote(&mut self, now: Instant, call: CallId) {
        let waits = self.member_mut(call).is_some_and(|member| {
            member.role >= MemberRole::Moderator
                && matches!(member.place, Place::Waiting | Place::AtPin { .. })
        });
        if waits {
            self.let_in(now, call);
        }
    }
}
