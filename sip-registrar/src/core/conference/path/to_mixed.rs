//! From the direct way back to the mixer: each by itself, by a re-INVITE with an offer of the mixer. The mixer's leg
//! is there first; until a member has answered it still hears the other directly.

use std::time::Instant;

use mixer_control::{JoinRequest, LegDescription, MixerError, MixerRequest};
use sdp::SessionDescription;
use sip_stack::endpoint::{Body, CallId, SessionError};

use super::super::chat::without_chat;
use super::{AGAIN, PathState, Return};
use crate::core::conference::{ConferenceName, Session};
use crate::core::mixer::Purpose;
use crate::core::registrar::Registrar;

/// A member that does not come back is asked ever more rarely, and at last every 20 s.
const MAX_WAIT: u8 = 10;

/// What the mixer says to a description: another one.
type Described = Result<SessionDescription, MixerError>;

impl Registrar {
    /// Media do not go directly any more.
    pub(super) fn leave_direct(&mut self, now: Instant, name: &ConferenceName, why: &'static str) {
        let Some(focus) = self.directory.look_mut(name) else { return };
        if !self.mixer.is_up() {
            // They go on as they are; nobody can come in meanwhile.
            focus.path.due = Some(now + AGAIN);
            return;
        }
        if !matches!(focus.path.state, PathState::Direct(_)) {
            return;
        }
        let state = std::mem::replace(&mut focus.path.state, PathState::Returning);
        let PathState::Direct(direct) = state else { return };
        focus.path.unsettled = true;
        let changing = direct.change.map(|change| change.from);
        for call in direct.pair {
            match changing {
                Some(from) if from == call => {
                    // It will ask again, and then the mixer answers.
                    let _ = self.endpoint.reject_reinvite(now, call, 491, "", &[]);
                    self.begin_return(now, call);
                }
                Some(_) => self.set_return(call, Return::Settling),
                None => self.begin_return(now, call),
            }
        }
        self.counters.to_mixed += 1;
        self.note_path(now, name, why);
    }

    pub(super) fn set_return(&mut self, call: CallId, step: Return) {
        if let Some(member) = self.member_mut(call) {
            member.session = Session::Switching;
            member.direct_token = None;
            member.returning = Some(step);
        }
    }

    /// Begins to bring a member back: its leg first, if it has none any more.
    pub(super) fn begin_return(&mut self, now: Instant, call: CallId) {
        let Some((leg, member)) = self.leg_and_member(call) else { return };
        if member.retiring {
            self.set_return(call, Return::Leaving);
            return;
        }
        if member.at_mixer {
            self.set_return(call, Return::Offering);
            let id = self.mixer.send(now, Purpose::ReturnOffer, call, leg.clone());
            self.send_to_mixer(id, MixerRequest::Offer(leg));
            return;
        }
        let join = JoinRequest {
            focus: String::new(),
            leg: leg.clone(),
            display_name: member.display_name.clone(),
            // What it said last when it spoke for itself. Its answer to the mixer's offer corrects it.
            offer: member.agreed.clone(),
            signalled_from: Some(member.provenance.source().ip()),
            lobby: false,
        };
        let join = JoinRequest { focus: self.focus_id.clone(), ..join };
        self.set_return(call, Return::Joining);
        let id = self.mixer.send(now, Purpose::Rejoin, call, leg);
        self.send_to_mixer(id, MixerRequest::Join(join));
    }

    /// The old leg is gone, or will be: the mixer said so or does not answer.
    pub(crate) fn on_retired(&mut self, now: Instant, call: CallId) {
        let Some(member) = self.member_mut(call) else { return };
        member.retiring = false;
        if matches!(member.returning, Some(Return::Leaving)) {
            self.begin_return(now, call);
        }
    }

    /// The mixer has made a leg for a member that comes back.
    pub(crate) fn on_rejoined(&mut self, now: Instant, call: CallId, reply: Described) {
        let Some(member) = self.member_mut(call) else { return };
        if !matches!(member.returning, Some(Return::Joining)) {
            return;
        }
        match reply {
            Ok(_) => {
                member.at_mixer = true;
                self.park(call, true);
                self.control(call);
                self.begin_return(now, call);
            }
            Err(error) => {
                tracing::warn!(%error, "the mixer does not take a member back");
                self.return_again(now, call);
            }
        }
    }

    /// The mixer has made its offer for a member that comes back.
    pub(crate) fn on_return_offer(&mut self, now: Instant, call: CallId, reply: Described) {
        let Some(member) = self.member_mut(call) else { return };
        if !matches!(member.returning, Some(Return::Offering)) {
            return;
        }
        let Ok(mut description) = reply else {
            self.return_again(now, call);
            return;
        };
        self.offer_chat(call, &mut description);
        let Some(member) = self.member_mut(call) else { return };
        let body = Body::sdp(member.sdp.fit(&description).to_string());
        match self.endpoint.reinvite(now, call, Some(body)) {
            Ok(()) => self.set_return(call, Return::Inviting),
            Err(SessionError::Pending | SessionError::TooMany) => self.return_again(now, call),
            // The call is over; that is told elsewhere.
            Err(_) => self.has_returned(call),
        }
    }

    fn return_again(&mut self, now: Instant, call: CallId) {
        let Some(member) = self.member_mut(call) else { return };
        member.return_tries = member.return_tries.saturating_add(1);
        let wait = AGAIN * u32::from(member.return_tries.min(MAX_WAIT));
        self.set_return(call, Return::Again(now + wait));
        if let Some(name) = self.conference_of(call) {
            self.conference_changed(&name);
        }
    }

    /// A member on its way back has answered: the exchange that had to end first, or the mixer's offer.
    pub(super) fn on_return_answered(
        &mut self,
        now: Instant,
        call: CallId,
        answer: Option<SessionDescription>,
    ) {
        let Some((leg, member)) = self.leg_and_member(call) else { return };
        match &member.returning {
            Some(Return::Settling) => self.begin_return(now, call),
            Some(Return::Inviting) => {
                let Some(answer) = answer else {
                    self.return_again(now, call);
                    return;
                };
                let text = without_chat(&answer).to_string();
                member.returning = None;
                member.session = Session::Accepting;
                let purpose = Purpose::ReturnAccept(text.clone());
                let id = self.mixer.send(now, purpose, call, leg.clone());
                self.send_to_mixer(id, MixerRequest::Accept(LegDescription { leg, sdp: text }));
                self.park(call, false);
            }
            _ => {}
        }
    }

    /// The mixer has taken a returning member's answer, or not.
    pub(crate) fn on_return_accepted(
        &mut self,
        now: Instant,
        call: CallId,
        answer: String,
        error: Option<&MixerError>,
    ) {
        let Some(member) = self.member_mut(call) else { return };
        member.session = Session::Stable;
        match error {
            None => {
                member.agreed = Some(answer);
                member.return_tries = 0;
            }
            Some(error) => {
                tracing::warn!(%error, "the mixer does not take the answer of a member");
                self.return_again(now, call);
            }
        }
        if let Some(name) = self.conference_of(call) {
            self.conference_changed(&name);
        }
    }

    /// A member refuses to come back. Its session is as it was, and so it is asked again.
    pub(super) fn on_return_refused(&mut self, now: Instant, call: CallId) {
        let Some(member) = self.member_mut(call) else { return };
        match member.returning {
            Some(Return::Settling) => self.begin_return(now, call),
            Some(Return::Inviting) => self.return_again(now, call),
            _ => {}
        }
    }

    /// A member waits for the answer to the offer we asked it for: the mixer's.
    pub(super) fn owe(&mut self, now: Instant, call: CallId, offer: SessionDescription) {
        let text = without_chat(&offer).to_string();
        self.set_return(call, Return::Owed(Box::new(offer)));
        let Some((leg, _)) = self.leg_and_member(call) else { return };
        let id = self.mixer.send(now, Purpose::OwedAnswer(text.clone()), call, leg.clone());
        self.send_to_mixer(id, MixerRequest::Reoffer(LegDescription { leg, sdp: text }));
    }

    /// The mixer's answer to such an offer.
    pub(crate) fn on_owed_answer(
        &mut self,
        now: Instant,
        call: CallId,
        offered: String,
        reply: Described,
    ) {
        let Some(member) = self.member_mut(call) else { return };
        let Some(Return::Owed(offer)) = member.returning.take() else { return };
        member.session = Session::Stable;
        let last = member.sdp.last().cloned();
        let description = match reply {
            Ok(description) => {
                member.agreed = Some(offered);
                Some(description)
            }
            // An offer has to be answered (RFC 3264 §4): with what held before, which still does.
            Err(error) => {
                tracing::warn!(%error, "the mixer does not answer an offer it asked for");
                last.map(|last| without_chat(&last))
            }
        };
        let body = description.and_then(|mut description| {
            super::describe::unmark(&mut description);
            self.answer_chat(now, call, &offer, &mut description);
            let member = self.member_mut(call)?;
            Some(Body::sdp(member.sdp.answer(&offer, &description).to_string()))
        });
        let _ = self.endpoint.acknowledge(now, call, body);
        self.park(call, false);
        if let Some(name) = self.conference_of(call) {
            self.conference_changed(&name);
        }
    }

    fn has_returned(&mut self, call: CallId) {
        if let Some(member) = self.member_mut(call) {
            member.returning = None;
            member.session = Session::Stable;
        }
    }

    /// Asks those again that have to be, and is done when all are back.
    pub(super) fn go_on_returning(&mut self, now: Instant, name: &ConferenceName) {
        let Some(focus) = self.directory.look_mut(name) else { return };
        let mut due = None;
        let mut again = Vec::new();
        let mut waiting = false;
        for (call, member) in focus.members() {
            match &member.returning {
                Some(Return::Again(at)) if *at <= now => again.push(call),
                Some(Return::Again(at)) => {
                    due = due.map_or(Some(*at), |due: Instant| Some(due.min(*at)));
                    waiting = true;
                }
                Some(_) => waiting = true,
                None => waiting |= member.session == Session::Accepting,
            }
        }
        focus.path.due = due;
        if again.is_empty() && !waiting {
            focus.path.state = PathState::Mixed;
            focus.path.not_before = focus.path.not_before.max(now + self.settings.direct_again);
            self.conference_changed(name);
        }
        for call in again {
            self.begin_return(now, call);
        }
    }
}
