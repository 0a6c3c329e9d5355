//! Who may do what to a conference: the one door behind SIP, HTTP, CCMP and keypad.

use std::time::Instant;

use super::act::{Act, Actor, Denied, MeetingWish, Whom};
use super::focus::Focus;
use super::meeting::MemberRole;
use super::name::ConferenceName;
use crate::core::history::{Person, Record, RecordKind};
use crate::core::identity::Identity;
use crate::core::registrar::Registrar;
use sip_stack::message::Uri;

impl Registrar {
    /// Does something to a conference.
    ///
    /// # Errors
    /// 400 for what cannot be meant, 403 for who may not, 404 for a conference or a member that is not
    /// there, 410 for a cancelled one, 480 and 486 when nobody can be called in, 503 without the mixer.
    pub fn act(
        &mut self,
        now: Instant,
        actor: &Actor,
        name: &ConferenceName,
        act: Act,
    ) -> Result<(), Denied> {
        let role = self.directory.get(name).map(|focus| focus.role_outside(actor));
        let role = role.unwrap_or(MemberRole::Participant);
        let done = self.perform(now, actor, role, name, act);
        self.drain(now);
        done
    }

    /// The same for somebody who has this role, without working off what follows from it.
    pub(crate) fn perform(
        &mut self,
        now: Instant,
        actor: &Actor,
        role: MemberRole,
        name: &ConferenceName,
        act: Act,
    ) -> Result<(), Denied> {
        self.allow(now, actor, role, name, &act)?;
        let focus = self.running(now, name)?;
        let by = self.person_of(actor, Some(focus));
        match act {
            Act::Cancel => self.cancel(now, name, by),
            Act::Lock(on) => self.lock(now, name, on, by),
            Act::WaitingRoom(on) => self.set_waiting_room(now, name, on, by),
            Act::Change(wish) => self.change(now, name, *wish, by),
            Act::Kick(whom) => self.kick(now, name, &whom, &by),
            Act::Mute(whom, muted) => self.mute(now, name, &whom, muted, &by),
            Act::Admit(whom) => self.admit(now, name, &whom, &by),
            Act::Role(whom, role) => self.hand_role(now, name, &whom, role, &by),
            Act::DialOut(uri) => return self.call_in(now, actor, role, name, &uri),
        }
        Ok(())
    }

    /// Whether somebody who has this role may do this, and whether it can be done.
    pub(crate) fn allow(
        &self,
        now: Instant,
        actor: &Actor,
        role: MemberRole,
        name: &ConferenceName,
        act: &Act,
    ) -> Result<(), Denied> {
        let focus = self.running(now, name)?;
        let needed = match act {
            // Leaving needs nobody's leave.
            Act::Kick(whom) if self.is_oneself(focus, whom, actor) => MemberRole::Participant,
            Act::Cancel | Act::Change(_) | Act::Role(..) => MemberRole::Organizer,
            Act::DialOut(uri) => {
                let uri = Uri::parse(uri).ok_or_else(|| Denied::new(400, "this is no SIP URI"))?;
                return self.may_call_in(now, actor, role, name, &uri).map(|_| ());
            }
            _ => MemberRole::Moderator,
        };
        if role < needed {
            return Err(Denied::new(
                403,
                match needed {
                    MemberRole::Organizer => "only its organizer may do this",
                    _ => "only moderators may do this",
                },
            ));
        }
        match act {
            Act::Change(wish) => self.check_wish(now, wish),
            Act::Kick(whom) => self.may_kick(focus, whom, role),
            Act::Mute(whom, _) | Act::Admit(whom) => self.meant(focus, whom).map(|_| ()),
            Act::Role(whom, role) => self.may_give(focus, whom, *role),
            _ => Ok(()),
        }
    }

    /// A conference that is not over.
    pub(crate) fn running(&self, now: Instant, name: &ConferenceName) -> Result<&Focus, Denied> {
        let gone = || Denied::new(410, "this conference was cancelled");
        match self.directory.get(name) {
            Some(focus) if focus.ending.is_none() => Ok(focus),
            Some(_) => Err(gone()),
            None if self.gone.has(self.clock.unix(now), name) => Err(gone()),
            None => Err(Denied::new(404, "there is no such conference")),
        }
    }

    fn lock(&mut self, now: Instant, name: &ConferenceName, on: bool, by: Person) {
        let Some(focus) = self.directory.get_mut(name) else { return };
        if std::mem::replace(&mut focus.meeting_mut().locked, on) != on {
            let kind = if on { RecordKind::Locked } else { RecordKind::Unlocked };
            self.note_change(now, name, kind, by, "");
        }
    }

    fn set_waiting_room(&mut self, now: Instant, name: &ConferenceName, on: bool, by: Person) {
        let Some(focus) = self.directory.get_mut(name) else { return };
        if std::mem::replace(&mut focus.meeting_mut().waiting_room, on) == on {
            return;
        }
        let what = if on { "newcomers wait" } else { "newcomers do not wait any more" };
        self.note_change(now, name, RecordKind::Changed, by.clone(), what);
        if !on {
            self.admit(now, name, &Whom::Everybody, &by);
        }
    }

    pub(super) fn change(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        wish: MeetingWish,
        by: Person,
    ) {
        let opens = wish.waiting_room == Some(false);
        let Some(focus) = self.directory.get_mut(name) else { return };
        let meeting = focus.meeting_mut();
        let before = meeting.clone();
        meeting.apply(wish);
        if *meeting == before {
            return;
        }
        // Who plans something for later wants it to be there then.
        meeting.lasting |= meeting.schedule.is_some();
        let what = what_changed(&before, meeting);
        self.note_change(now, name, RecordKind::Changed, by.clone(), &what);
        if opens {
            self.admit(now, name, &Whom::Everybody, &by);
        }
        self.revise(now, name);
    }

    /// Notes that what was agreed about a conference has changed: in the history, for the restart,
    /// for who watches.
    pub(super) fn note_change(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        kind: RecordKind,
        by: Person,
        detail: &str,
    ) {
        let Some(focus) = self.directory.get(name) else { return };
        let record = Record::new(self.clock.unix(now), focus, kind).by(by).detail(detail);
        self.record(record);
        self.keep(name);
        self.conference_changed(name);
    }

    /// An actor as the history names it: as the member it is, if it is in this conference.
    pub(crate) fn person_of(&self, actor: &Actor, focus: Option<&Focus>) -> Person {
        let identity = Identity::of_actor(actor);
        let member = focus.zip(identity.as_ref()).and_then(|(focus, identity)| {
            focus.members().find(|(_, member)| member.identity == *identity)
        });
        if let Some((_, member)) = member {
            return member.person();
        }
        let (uri, name, verified) = match actor {
            Actor::Operator(token) => (token.clone(), token.clone(), true),
            Actor::Account(user) => (self.home(Some(user)).aor(), user.clone(), true),
            Actor::Guest { address, user, .. } => {
                let host = sip_stack::message::Host::Ip(*address);
                (Uri::sip(Some(user), host, None).aor(), user.clone(), false)
            }
        };
        Person { uri, name: super::name::sanitise_display_name(None, &name), verified }
    }
}

/// What an update was about, in words for the history. Never the PIN itself.
fn what_changed(before: &super::Meeting, after: &super::Meeting) -> String {
    let changed = [
        ("subject", before.subject != after.subject),
        ("visibility", before.visibility != after.visibility),
        ("PIN", before.pin != after.pin),
        ("size", before.max_members != after.max_members),
        ("times", before.schedule != after.schedule),
        ("waiting room", before.waiting_room != after.waiting_room),
        ("media path", before.media_path != after.media_path),
        ("invitations", before.invited != after.invited),
    ];
    let words: Vec<&str> =
        changed.iter().filter_map(|(word, changed)| changed.then_some(*word)).collect();
    words.join(", ")
}
