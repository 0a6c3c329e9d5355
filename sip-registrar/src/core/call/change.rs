//! One side changes the session: re-INVITE and UPDATE passed to the other side (RFC 3261 §14).

use std::time::Instant;

use sdp::SessionDescription;
use sdp::dialog_sdp::LineMap;
use sip_stack::endpoint::{Answer, Body, CallId, ReinviteFailure, SessionError};
use sip_stack::message::{Method, Reason, Request, Response};

use super::{Bridge, sdp_of};
use crate::core::conference::description_of;
use crate::core::registrar::{Registrar, Role};
use crate::core::reject::Reject;

/// A change on its way.
#[derive(Debug)]
pub(crate) struct Change {
    /// Who wants it.
    from: CallId,
    /// Its offer and where its lines went; `None` = the other side was asked to offer.
    offer: Option<(SessionDescription, LineMap)>,
    /// What the other side was told before, to go back to.
    before: Option<SessionDescription>,
    /// The other side's offer in its 2xx, which `from` must answer in its ACK.
    late: Option<(SessionDescription, LineMap)>,
    /// Who wanted it does not want it any more.
    cancelled: bool,
}

impl Change {
    /// An offer from `from` on its way.
    pub(super) fn offered(
        from: CallId,
        offer: SessionDescription,
        map: LineMap,
        before: Option<SessionDescription>,
    ) -> Self {
        Change { from, offer: Some((offer, map)), before, late: None, cancelled: false }
    }
}

impl Bridge {
    /// Whoever wanted the change does not want it any more: it is taken back when it is answered.
    pub(super) fn cancel_change_of(&mut self, from: CallId) {
        if let Some(change) = self.change.as_mut().filter(|change| change.from == from) {
            change.cancelled = true;
        }
    }
}

impl Registrar {
    /// A re-INVITE or an UPDATE with an offer from either side.
    pub(crate) fn on_bridge_offer(
        &mut self,
        now: Instant,
        side: CallId,
        request: &Request,
    ) -> Result<(), Reject> {
        let offer = description_of(&request.headers, &request.body)?;
        let Some((call, bridge)) = self.bridge_with(side) else { return Err(Reject::new(481)) };
        // A change meets another, or comes before the other side can be asked: later, please (RFC 3261
        // §14.2).
        let Some(peer) = bridge.partner(call, side) else { return Err(Reject::new(491)) };
        let early = bridge.connected.is_none();
        if bridge.change.is_some() || bridge.late.is_some() {
            return Err(Reject::new(491));
        }
        let updates = self.endpoint.peer_allows(peer, &Method::Update);
        if early && !updates {
            return Err(
                Reject::new(488).because("the other side can change nothing before it answers")
            );
        }
        let Some((_, bridge)) = self.bridge_with(side) else { return Err(Reject::new(481)) };
        let Some(toward) = bridge.side_mut(call, peer) else { return Err(Reject::new(481)) };
        let before = toward.sdp.last().cloned();
        let mut body = None;
        let offer = offer.map(|offer| {
            let (fitted, map) = toward.sdp.fit_mapped(&offer);
            body = Some(Body::sdp(fitted.to_string()));
            (offer, map)
        });
        bridge.change = Some(Change { from: side, offer, before, late: None, cancelled: false });
        let by_update = early || request.method == Method::Update && updates;
        let method = if by_update { Method::Update } else { Method::Invite };
        // A 491 goes back to who asked: both ends wait their own time (RFC 3261 §14.1), we none.
        let sent = self.endpoint.pass_on_change(now, peer, method, body);
        sent.map_err(|error| {
            if let Some((_, bridge)) = self.bridge_with(side) {
                bridge.change = None;
            }
            match error {
                SessionError::Pending | SessionError::WrongState => Reject::new(491),
                SessionError::TooMany => Reject::busy("too many transactions"),
                SessionError::UnknownCall | SessionError::UnknownTransaction => Reject::new(481),
            }
        })
    }

    /// The other side has agreed.
    pub(crate) fn on_bridge_offer_answered(
        &mut self,
        now: Instant,
        side: CallId,
        response: &Response,
    ) {
        let Some((call, bridge)) = self.bridge_with(side) else { return };
        let Some(change) = bridge.change.as_mut().filter(|c| c.from != side) else { return };
        let from = change.from;
        if change.cancelled {
            self.undo(now, call, side, response);
            return;
        }
        let description = sdp_of(&response.headers, &response.body);
        let late = change.offer.is_none();
        let body = description.and_then(|description| match bridge.change.take() {
            Some(Change { offer: Some((offer, map)), .. }) => {
                let asker = bridge.side_mut(call, from)?;
                Some(asker.sdp.answer_mapped(&offer, &description, &map))
            }
            Some(change) => {
                let (fitted, map) = bridge.side_mut(call, from)?.sdp.fit_mapped(&description);
                bridge.change = Some(Change { late: Some((description, map)), ..change });
                Some(fitted)
            }
            None => None,
        });
        let takes = bridge.taker.as_ref().is_some_and(|taker| taker.call == from);
        if let Some(body) = body.as_ref().filter(|_| takes) {
            self.taker_agreed(now, call, Body::sdp(body.to_string()));
            return;
        }
        let taker = bridge.taker.take_if(|_| takes);
        let Some(body) = body else {
            bridge.change = None;
            if let Some(taker) = taker {
                self.taker_refused(now, &taker, 502, &[]);
                return;
            }
            if late {
                // Asked for an offer, it made none: there is nothing to acknowledge with.
                let _ = self.endpoint.acknowledge(now, side, None);
            }
            let _ = self.endpoint.reject_reinvite(now, from, 502, "", &[]);
            return;
        };
        let contact = bridge.side_mut(call, from).map(|side| side.contact.clone());
        let body = Some(Body::sdp(body.to_string()));
        let answer = Answer { body, contact, ..Answer::default() };
        let _ = self.endpoint.answer_reinvite(now, from, answer);
    }

    /// The other side has refused: so do we (RFC 3261 §14.2); both sessions stay as they were.
    pub(crate) fn on_bridge_offer_failed(
        &mut self,
        now: Instant,
        side: CallId,
        failure: &ReinviteFailure,
    ) {
        let Some((_, bridge)) = self.bridge_with(side) else { return };
        let Some(change) = bridge.change.take_if(|c| c.from != side) else { return };
        if change.cancelled {
            return;
        }
        let (status, headers) = match failure {
            ReinviteFailure::Rejected(response) => {
                let told = ["Warning", "Retry-After"].into_iter().filter_map(|name| {
                    Some((name.to_owned(), response.headers.get(name)?.to_owned()))
                });
                let status = match response.status {
                    401 | 407 => 403,
                    // These would end the asker's dialog, which is alive (RFC 5057 §5.1).
                    408 | 481 => 500,
                    status => status,
                };
                (status, told.collect::<Vec<_>>())
            }
            ReinviteFailure::Glare | ReinviteFailure::Superseded => (491, Vec::new()),
        };
        if let Some(taker) = bridge.taker.take_if(|taker| taker.call == change.from) {
            self.taker_refused(now, &taker, status, &headers);
            return;
        }
        let _ = self.endpoint.reject_reinvite(now, change.from, status, "", &headers);
    }

    /// Who wanted the change has cancelled it; 487 is out.
    pub(crate) fn on_bridge_offer_cancelled(&mut self, side: CallId) {
        if let Some((_, bridge)) = self.bridge_with(side) {
            bridge.cancel_change_of(side);
        }
    }

    /// The other side agreed to a change that nobody wants any more: takes it back there.
    fn undo(&mut self, now: Instant, call: CallId, side: CallId, response: &Response) {
        let Some(bridge) = self.bridges.0.get_mut(&call) else { return };
        let Some(change) = bridge.change.take() else { return };
        let Some(toward) = bridge.side_mut(call, side) else { return };
        let Some(before) = change.before else { return };
        if change.offer.is_some() {
            let body = Body::sdp(toward.sdp.fit(&before).to_string());
            let _ = self.endpoint.reinvite(now, side, Some(body));
        } else {
            let offer = sdp_of(&response.headers, &response.body);
            let body = offer.map(|o| Body::sdp(toward.sdp.answer(&o, &before).to_string()));
            let _ = self.endpoint.acknowledge(now, side, body);
        }
    }

    /// An ACK: with the answer to a late offer, that goes on to who offered.
    pub(crate) fn on_bridge_ack(&mut self, now: Instant, side: CallId, body: Option<Body>) {
        let Some((call, bridge)) = self.bridge_with(side) else { return };
        let late = if side == call && bridge.late.is_some() {
            bridge.late.take()
        } else {
            match bridge.change.take_if(|c| c.from == side && c.late.is_some()) {
                Some(change) => change.late,
                None => return,
            }
        };
        let (Some((offer, map)), Some(peer)) = (late, bridge.peer(call, side)) else { return };
        let answer = body
            .and_then(|b| b.of_type("application/sdp"))
            .and_then(|sdp| SessionDescription::from_bytes(&sdp).ok());
        let fitted = answer.and_then(|answer| {
            let toward = bridge.side_mut(call, peer)?;
            Some(toward.sdp.answer_mapped(&offer, &answer, &map))
        });
        let Some(fitted) = fitted else {
            // RFC 3264 §4: without an answer there is no session on either side.
            self.end_call(now, side, Reason::sip(400, "no answer in ACK"));
            return;
        };
        let _ = self.endpoint.acknowledge(now, peer, Some(Body::sdp(fitted.to_string())));
    }

    /// The call that either side belongs to.
    pub(super) fn bridge_with(&mut self, side: CallId) -> Option<(CallId, &mut Bridge)> {
        let call = match self.roles.get(&side)? {
            Role::Caller => side,
            Role::Callee(call) => *call,
            Role::Member(_) | Role::Taker(_) => return None,
        };
        self.bridges.0.get_mut(&call).map(|bridge| (call, bridge))
    }
}
