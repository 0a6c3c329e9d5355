//! One of two who talk directly changes its media: hold, camera, another candidate pair. Its offer goes to the other,
//! and the answer back.

use std::time::Instant;

use sdp::SessionDescription;
use sip_stack::endpoint::{Answer, Body, CallId, ReinviteFailure};
use sip_stack::message::Method;

use super::super::chat::without_chat;
use super::describe::{answer_for, for_the_other, keep_profiles, unmark};
use super::{Direct, PathState};
use crate::core::conference::{ConferenceName, Session};
use crate::core::registrar::Registrar;
use crate::core::reject::Reject;

/// A new offer on its way to the other.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) from: CallId,
    offer: Box<SessionDescription>,
}

impl Direct {
    /// Whether this one was asked to answer the other's offer.
    pub(super) fn has_asked(&self, call: CallId) -> bool {
        self.change.as_ref().is_some_and(|change| change.from != call) && self.pair.contains(&call)
    }

    pub(super) fn other(&self, call: CallId) -> CallId {
        if self.pair[0] == call { self.pair[1] } else { self.pair[0] }
    }
}

impl Registrar {
    /// What becomes of the new offer of a member whose media do not go through the mixer, or will not. `None`: they do,
    /// and the mixer is to be asked.
    pub(crate) fn on_offer_beside_mixer(
        &mut self,
        now: Instant,
        call: CallId,
        offer: Option<&SessionDescription>,
    ) -> Option<Result<(), Reject>> {
        let name = self.conference_of(call)?;
        let focus = self.directory.look_mut(&name)?;
        if focus.member(call).is_some_and(|member| member.session == Session::Switching) {
            // Ours is under way (RFC 3261 §14.2).
            return Some(Err(Reject::new(491)));
        }
        match &focus.path.state {
            PathState::Direct(direct) if direct.pair.contains(&call) => {
                if direct.change.is_some() {
                    return Some(Err(Reject::new(491)));
                }
                let other = direct.other(call);
                Some(self.pass_on(now, &name, call, other, offer))
            }
            PathState::Asking { pair, .. } | PathState::Offering { pair, .. }
                if pair.contains(&call) =>
            {
                Some(Err(Reject::new(491)))
            }
            _ => None,
        }
    }

    /// With whom a member talks directly, if it does.
    pub(crate) fn directly_with(&self, call: CallId) -> Option<CallId> {
        let focus = self.directory.get(&self.conference_of(call)?)?;
        match &focus.path.state {
            PathState::Direct(direct) if direct.pair.contains(&call) => Some(direct.other(call)),
            _ => None,
        }
    }

    fn pass_on(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        from: CallId,
        to: CallId,
        offer: Option<&SessionDescription>,
    ) -> Result<(), Reject> {
        let later = || Reject::new(500).with("Retry-After", "2");
        let Some(offer) = offer else {
            // Whoever wants an offer gets the mixer's.
            self.leave_direct(now, name, "a client has asked for an offer");
            return Err(later());
        };
        if self.member_mut(from).is_none_or(|member| !member.may_be_at(offer)) {
            self.leave_direct(now, name, "a client wants its media somewhere else");
            return Err(later());
        }
        let mut offer = offer.clone();
        unmark(&mut offer);
        let token = self.token_of(name);
        let mut description = for_the_other(&offer);
        self.mark_for(&mut description, from, token.as_deref());
        self.offer_chat(to, &mut description);
        let member = self.member_mut(to).ok_or_else(later)?;
        keep_profiles(&mut description, member.agreed.as_deref());
        let body = Body::sdp(member.sdp.fit(&description).to_string());
        // A 491 goes back to who asked: both ends wait their own time (RFC 3261 §14.1), we none.
        let sent = self.endpoint.pass_on_change(now, to, Method::Invite, Some(body));
        sent.map_err(|_| Reject::new(491))?;
        if let Some(focus) = self.directory.look_mut(name)
            && let PathState::Direct(direct) = &mut focus.path.state
        {
            direct.change = Some(Change { from, offer: Box::new(offer) });
        }
        Ok(())
    }

    fn token_of(&self, name: &ConferenceName) -> Option<String> {
        match &self.directory.get(name)?.path.state {
            PathState::Direct(direct) => direct.token.clone(),
            _ => None,
        }
    }

    fn take_change(&mut self, name: &ConferenceName) -> Option<(Change, CallId)> {
        let focus = self.directory.look_mut(name)?;
        let PathState::Direct(direct) = &mut focus.path.state else { return None };
        let change = direct.change.take()?;
        let other = direct.other(change.from);
        Some((change, other))
    }

    pub(super) fn change_answered(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        answer: Option<SessionDescription>,
    ) {
        let Some((change, other)) = self.take_change(name) else { return };
        let from = change.from;
        let own = |answer: &SessionDescription| {
            let name = self.directory.get(name);
            name.and_then(|focus| focus.member(other)).is_some_and(|m| m.may_be_at(answer))
        };
        let Some(mut answer) = answer.filter(own) else {
            let _ = self.endpoint.reject_reinvite(now, from, 502, "", &[]);
            return;
        };
        unmark(&mut answer);
        let token = self.token_of(name);
        let mut description = answer_for(&change.offer, &answer);
        self.mark_for(&mut description, other, token.as_deref());
        self.answer_chat(now, from, &change.offer, &mut description);
        let Some(member) = self.member_mut(from) else { return };
        member.agreed = Some(without_chat(&change.offer).to_string());
        let body = Body::sdp(member.sdp.answer(&change.offer, &description).to_string());
        let contact = Some(member.contact.clone());
        let answer = Answer { body: Some(body), contact, ..Answer::default() };
        let _ = self.endpoint.answer_reinvite(now, from, answer);
    }

    pub(super) fn change_refused(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        failure: &ReinviteFailure,
    ) {
        let Some((change, _)) = self.take_change(name) else { return };
        let status = match failure {
            ReinviteFailure::Rejected(response) => match response.status {
                401 | 407 => 403,
                // These would end the asker's dialog, which is alive (RFC 5057 §5.1).
                408 | 481 => 500,
                status => status,
            },
            ReinviteFailure::Glare | ReinviteFailure::Superseded => 491,
        };
        let _ = self.endpoint.reject_reinvite(now, change.from, status, "", &[]);
    }

    /// Who has made a new offer took it back; the other has it already. They go back to the mixer, where each is told
    /// anew what holds.
    pub(crate) fn on_direct_offer_cancelled(&mut self, now: Instant, call: CallId) -> bool {
        let Some(name) = self.conference_of(call) else { return false };
        let Some(focus) = self.directory.get(&name) else { return false };
        let PathState::Direct(direct) = &focus.path.state else { return false };
        if direct.change.as_ref().is_none_or(|change| change.from != call) {
            return false;
        }
        self.leave_direct(now, &name, "an offer was taken back");
        true
    }
}
