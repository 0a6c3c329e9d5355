//! From the mixer to the direct way: the first is asked for an offer, the second answers it (RFC 3725 §7, Flow I
//! in the middle of two dialogs). Both keep their legs at the mixer until media are seen.

use std::time::Instant;

use mixer_control::MixerRequest;
use sdp::{MediaKind, SessionDescription};
use sip_stack::endpoint::{Body, CallId, ReinviteFailure};
use sip_stack::message::Response;

use super::super::chat::without_chat;
use super::describe::{answer_for, for_the_other, keep_profiles, live, mark, unmark};
use super::report::Signs;
use super::{AGAIN, ANSWER, Direct, EVIDENCE, PROBE, PathState, REMOTE_EVIDENCE, Return};
use crate::core::conference::{ConferenceName, Session};
use crate::core::mixer::Purpose;
use crate::core::registrar::Registrar;

impl Registrar {
    /// Asks the first of two for an offer. The one whose client is ours, if only one is: it is known to make one.
    pub(super) fn ask_first(&mut self, now: Instant, name: &ConferenceName, pair: [CallId; 2]) {
        let Some(focus) = self.directory.look_mut(name) else { return };
        let reports = pair.map(|call| focus.member(call).is_some_and(|member| member.reports));
        let pair = if reports == [false, true] { [pair[1], pair[0]] } else { pair };
        if self.endpoint.reinvite(now, pair[0], None).is_err() {
            focus.path.due = Some(now + AGAIN);
            return;
        }
        if let Some(member) = focus.member_mut(pair[0]) {
            member.session = Session::Switching;
        }
        focus.path.state = PathState::Asking { pair, aborted: false };
        focus.path.why = "two are about to talk directly";
    }

    /// A member has answered a re-INVITE of the focus.
    pub(crate) fn on_switch_answered(&mut self, now: Instant, call: CallId, response: &Response) {
        let Some(name) = self.conference_of(call) else { return };
        let description = response.body_of_type("application/sdp");
        let description = description.and_then(|sdp| SessionDescription::from_bytes(&sdp).ok());
        let Some(focus) = self.directory.look_mut(&name) else { return };
        match &focus.path.state {
            PathState::Asking { pair, .. } if pair[0] == call => match description {
                Some(offer) => self.first_has_offered(now, &name, offer),
                None => {
                    // There is nothing to acknowledge it with.
                    let _ = self.endpoint.acknowledge(now, call, None);
                    self.first_has_failed(now, &name, "a client makes no offer when asked");
                }
            },
            PathState::Offering { pair, .. } if pair[1] == call => {
                self.second_has_answered(now, &name, description);
            }
            PathState::Direct(direct) if direct.has_asked(call) => {
                self.change_answered(now, &name, description);
            }
            _ => self.on_return_answered(now, call, description),
        }
        self.conference_changed(&name);
    }

    /// A member has refused a re-INVITE of the focus; its session is as it was.
    pub(crate) fn on_switch_refused(
        &mut self,
        now: Instant,
        call: CallId,
        failure: &ReinviteFailure,
    ) {
        let Some(name) = self.conference_of(call) else { return };
        let Some(focus) = self.directory.look_mut(&name) else { return };
        match &focus.path.state {
            PathState::Asking { pair, .. } if pair[0] == call => {
                self.first_has_failed(now, &name, "a client refuses to be asked for an offer");
            }
            PathState::Offering { pair, .. } if pair[1] == call => {
                self.second_has_failed(now, &name, "a client refuses the other's offer");
            }
            PathState::Direct(direct) if direct.has_asked(call) => {
                self.change_refused(now, &name, failure);
            }
            _ => self.on_return_refused(now, call),
        }
        self.conference_changed(&name);
    }

    fn first_has_failed(&mut self, now: Instant, name: &ConferenceName, why: &'static str) {
        self.note_failure(name, why);
        let Some(focus) = self.directory.look_mut(name) else { return };
        let Some(pair) = focus.path.state.pair() else { return };
        focus.path.state = PathState::Mixed;
        focus.path.unsettled = true;
        focus.path.not_before = now + self.settings.direct_again;
        if let Some(member) = focus.member_mut(pair[0]) {
            member.session = Session::Stable;
        }
    }

    fn first_has_offered(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        mut offer: SessionDescription,
    ) {
        unmark(&mut offer);
        let Some(focus) = self.directory.look_mut(name) else { return };
        let PathState::Asking { pair, aborted } = focus.path.state else { return };
        let stable = focus.member(pair[1]).is_some_and(|m| m.session == Session::Stable);
        let own = focus.member(pair[0]).is_some_and(|m| m.may_be_at(&offer));
        if aborted || !stable || !own {
            if !own {
                self.note_failure(name, "a client names a place that is not its own");
            }
            if let Some(focus) = self.directory.look_mut(name) {
                focus.path.state = PathState::Returning;
            }
            self.owe(now, pair[0], offer);
            return;
        }
        let token = self.chat_token(pair);
        let mut description = for_the_other(&offer);
        self.mark_for(&mut description, pair[0], token.as_deref());
        self.offer_chat(pair[1], &mut description);
        let Some(member) = self.member_mut(pair[1]) else { return };
        keep_profiles(&mut description, member.agreed.as_deref());
        let body = Body::sdp(member.sdp.fit(&description).to_string());
        if self.endpoint.reinvite(now, pair[1], Some(body)).is_err() {
            if let Some(focus) = self.directory.look_mut(name) {
                focus.path.state = PathState::Returning;
            }
            self.owe(now, pair[0], offer);
            return;
        }
        if let Some(focus) = self.directory.look_mut(name) {
            if let Some(member) = focus.member_mut(pair[1]) {
                member.session = Session::Switching;
                member.direct_token = token;
            }
            let until = now + ANSWER;
            let offer = Box::new(offer);
            focus.path.state = PathState::Offering { pair, offer, until, aborted: false };
        }
    }

    /// What two of our own clients know each other by while they talk directly.
    fn chat_token(&mut self, pair: [CallId; 2]) -> Option<String> {
        let both = pair.iter().all(|call| self.member_mut(*call).is_some_and(|m| m.reports));
        both.then(|| self.tokens.hex(16))
    }

    /// Says in a description of `whose` media that it is reached directly, and where for the chat.
    pub(super) fn mark_for(
        &self,
        description: &mut SessionDescription,
        whose: CallId,
        token: Option<&str>,
    ) {
        let contact = self.endpoint.remote_target(whose).map(ToString::to_string);
        mark(description, token.zip(contact.as_deref()));
    }

    fn second_has_answered(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        answer: Option<SessionDescription>,
    ) {
        let Some(focus) = self.directory.look_mut(name) else { return };
        let PathState::Offering { pair, offer, aborted, .. } = &focus.path.state else { return };
        let (pair, aborted, offer) = (*pair, *aborted, offer.clone());
        let second = focus.member(pair[1]);
        let usable = |answer: &SessionDescription| {
            live(answer, &MediaKind::Audio).is_some()
                && second.is_some_and(|second| second.may_be_at(answer))
        };
        let answer = answer.filter(|answer| usable(answer) && !aborted);
        let Some(mut answer) = answer else {
            if !aborted {
                self.note_failure(name, "a client does not take the other's offer as it is");
            }
            if let Some(focus) = self.directory.look_mut(name) {
                focus.path.state = PathState::Returning;
            }
            self.owe(now, pair[0], *offer);
            self.begin_return(now, pair[1]);
            return;
        };
        unmark(&mut answer);
        let token = self.member_mut(pair[1]).and_then(|member| member.direct_token.take());
        let mut description = answer_for(&offer, &answer);
        self.mark_for(&mut description, pair[1], token.as_deref());
        self.answer_chat(now, pair[0], &offer, &mut description);
        let Some(first) = self.member_mut(pair[0]) else { return };
        let body = Body::sdp(first.sdp.answer(&offer, &description).to_string());
        first.session = Session::Stable;
        first.agreed = Some(without_chat(&offer).to_string());
        let _ = self.endpoint.acknowledge(now, pair[0], Some(body));
        for call in pair {
            self.park(call, true);
        }
        let Some(focus) = self.directory.look_mut(name) else { return };
        if let Some(second) = focus.member_mut(pair[1]) {
            second.session = Session::Stable;
        }
        let both = pair.iter().all(|call| focus.member(*call).is_some_and(|m| m.reports));
        let until = now + if both { EVIDENCE } else { REMOTE_EVIDENCE };
        focus.path.state = PathState::Direct(Direct {
            pair,
            token,
            signs: [Signs::default(); 2],
            confirmed: false,
            until,
            change: None,
        });
        focus.path.due = Some(until);
        self.counters.to_direct += 1;
        self.note_path(now, name, "two talk directly");
    }

    /// Both stay at the mixer: what the first has offered is answered from there.
    fn second_has_failed(&mut self, now: Instant, name: &ConferenceName, why: &'static str) {
        let Some((pair, offer)) = self.give_up_offering(name, why) else { return };
        if let Some(member) = self.member_mut(pair[1]) {
            member.session = Session::Stable;
        }
        self.owe(now, pair[0], offer);
    }

    /// The second has not taken the first's offer, which is still to be answered: whose, and which.
    fn give_up_offering(
        &mut self,
        name: &ConferenceName,
        why: &'static str,
    ) -> Option<([CallId; 2], SessionDescription)> {
        self.note_failure(name, why);
        let focus = self.directory.look_mut(name)?;
        match std::mem::replace(&mut focus.path.state, PathState::Returning) {
            PathState::Offering { pair, offer, .. } => Some((pair, *offer)),
            other => {
                focus.path.state = other;
                None
            }
        }
    }

    /// The second does not answer. The first waits for its ACK, and is not let wait.
    pub(super) fn second_is_silent(&mut self, now: Instant, name: &ConferenceName) {
        let given_up = self.give_up_offering(name, "a client does not answer the other's offer");
        let Some((pair, offer)) = given_up else { return };
        self.owe(now, pair[0], offer);
        self.set_return(pair[1], Return::Settling);
        self.conference_changed(name);
    }

    /// Media flow directly: the mixer has nothing more to do with the two.
    pub(super) fn confirm_direct(&mut self, now: Instant, name: &ConferenceName) {
        let Some(focus) = self.directory.look_mut(name) else { return };
        let PathState::Direct(direct) = &mut focus.path.state else { return };
        direct.confirmed = true;
        direct.until = now + PROBE;
        let pair = direct.pair;
        tracing::info!(conference = %name, "media flow directly: the mixer is free");
        for call in pair {
            let Some((leg, member)) = self.leg_and_member(call) else { continue };
            member.at_mixer = false;
            member.retiring = true;
            let id = self.mixer.send(now, Purpose::Retire, call, leg.clone());
            self.send_to_mixer(id, MixerRequest::Leave(leg));
        }
        self.conference_changed(name);
    }

    /// Has the mixer send a member nothing, or go on.
    pub(super) fn park(&mut self, call: CallId, parked: bool) {
        let Some((leg, member)) = self.leg_and_member(call) else { return };
        if member.at_mixer {
            let id = self.mixer.new_id();
            self.send_to_mixer(id, MixerRequest::Park { leg, parked });
        }
    }
}
