//! INVITE with Replaces for a side of a two-party call: an attended transfer (RFC 3891, RFC 5589 §7).
//! The new side's offer goes to the side that stays; when that agrees, the old side is hung up.

use std::time::Instant;

use sip_stack::endpoint::{Answer, Body, CallId, SessionError};
use sip_stack::flow::Flow;
use sip_stack::message::{Method, Reason, Request};

use super::change::Change;
use super::{Bridge, Side};
use crate::core::conference::description_of;
use crate::core::identity::Identity;
use crate::core::registrar::{Registrar, Role};
use crate::core::reject::Reject;

/// Who is about to take the place of a side.
#[derive(Debug)]
pub(crate) struct Taker {
    /// Its INVITE, which waits for the side that stays.
    pub(super) call: CallId,
    pub(super) side: Side,
    /// Who will be hung up.
    replaces: CallId,
}

impl Registrar {
    /// An INVITE that replaces the dialog `old` of a two-party call.
    pub(crate) fn replace_side(
        &mut self,
        now: Instant,
        new: CallId,
        request: &Request,
        flow: &Flow,
        identity: &Identity,
        old: CallId,
    ) -> Result<(), Reject> {
        let Identity::Account(user) = identity else {
            return Err(self.challenge(now, request, false));
        };
        let offer = description_of(&request.headers, &request.body)?
            .ok_or_else(|| Reject::new(488).because("a transferred call takes an offer"))?;
        let contact = self.contact(request.uri.user_text().as_deref(), &request.uri, flow);
        let side = self.side(flow, contact);
        let Some((call, bridge)) = self.bridge_with(old) else { return Err(Reject::new(481)) };
        // A dialog that still rings could only be picked up, which would take an offer from us.
        let Some(peer) = bridge.peer(call, old) else { return Err(Reject::new(481)) };
        if bridge.change.is_some() || bridge.late.is_some() || bridge.taker.is_some() {
            return Err(Reject::new(491));
        }
        let Some(toward) = bridge.side_mut(call, peer) else { return Err(Reject::new(481)) };
        let before = toward.sdp.last().cloned();
        let (fitted, map) = toward.sdp.fit_mapped(&offer);
        bridge.change = Some(Change::offered(new, offer, map, before));
        bridge.taker = Some(Taker { call: new, side, replaces: old });
        let body = Some(Body::sdp(fitted.to_string()));
        let sent = self.endpoint.pass_on_change(now, peer, Method::Invite, body);
        if let Err(error) = sent {
            if let Some(bridge) = self.bridges.0.get_mut(&call) {
                (bridge.change, bridge.taker) = (None, None);
            }
            return Err(match error {
                SessionError::Pending | SessionError::WrongState => Reject::new(491),
                SessionError::TooMany => Reject::busy("too many transactions"),
                SessionError::UnknownCall | SessionError::UnknownTransaction => Reject::new(481),
            });
        }
        self.roles.insert(new, Role::Taker(call));
        tracing::debug!(who = user, "takes the place of a side of a call");
        Ok(())
    }

    /// The side that stays has agreed: `body` is its answer. The new side is in, the old one out.
    pub(super) fn taker_agreed(&mut self, now: Instant, call: CallId, body: Body) {
        let Some(mut bridge) = self.bridges.0.remove(&call) else { return };
        let Some(Taker { call: new, side, replaces }) = bridge.taker.take() else {
            self.bridges.0.insert(call, bridge);
            return;
        };
        let contact = Some(side.contact.clone());
        bridge.refers.clear();
        let key = if replaces == call { new } else { call };
        if replaces == call {
            bridge.caller = side;
            self.roles.insert(new, Role::Caller);
            for branch in bridge.callees.keys() {
                self.roles.insert(*branch, Role::Callee(new));
            }
        } else {
            bridge.callees.remove(&replaces);
            bridge.callees.insert(new, side);
            bridge.connected = Some(new);
            self.roles.insert(new, Role::Callee(call));
        }
        let stays = bridge.peer(key, new);
        self.bridges.0.insert(key, bridge);
        self.roles.remove(&replaces);
        let _ = self.endpoint.bye(now, replaces, Some(Reason::sip(200, "replaced")));
        let allow = stays.map(|stays| self.bridge_allow(stays));
        let answer = Answer { body: Some(body), contact, allow, ..Answer::default() };
        if self.endpoint.accept(now, new, answer).is_err() {
            self.on_call_over(now, new, "gone", None);
        }
    }

    /// The side that stays does not agree, or the call is over: everything is as it was.
    pub(super) fn taker_refused(
        &mut self,
        now: Instant,
        taker: &Taker,
        status: u16,
        headers: &[(String, String)],
    ) {
        self.roles.remove(&taker.call);
        let _ = self.endpoint.reject(now, taker.call, status, "", headers);
    }

    /// The one who wanted to take a place has given up.
    pub(crate) fn on_taker_gone(&mut self, new: CallId) {
        let Some(Role::Taker(call)) = self.roles.remove(&new) else { return };
        let Some(bridge) = self.bridges.0.get_mut(&call) else { return };
        bridge.taker = None;
        bridge.cancel_change_of(new);
    }

    /// Refuses the one who wanted to take a place in a call that is over.
    pub(super) fn end_taker(&mut self, now: Instant, bridge: &mut Bridge) {
        if let Some(taker) = bridge.taker.take() {
            self.taker_refused(now, &taker, 481, &[]);
        }
    }
}
