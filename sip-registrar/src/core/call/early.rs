//! What a callee says before it answers, passed on to the caller: ringing, early media, and offers and
//! answers in reliable provisional responses (RFC 3262 §5). Each side has its own `100rel`.

use std::time::Instant;

use sdp::SessionDescription;
use sip_stack::endpoint::{Answer, Body, CallId};
use sip_stack::message::Response;

use super::{Bridge, sdp_of};
use crate::core::registrar::{Registrar, Role};

impl Registrar {
    /// A device rings, or sends early media.
    pub(crate) fn on_callee_progress(&mut self, now: Instant, branch: CallId, response: &Response) {
        let Some((call, bridge)) = self.bridge_of(branch) else { return };
        if bridge.connected.is_some() || response.status == 199 {
            return;
        }
        let alone = bridge.callees.len() == 1;
        let body = bridge.early_description(branch, response);
        // With several devices the early media of one would drown the others': only its ringing
        // is passed on.
        let muted = body.is_none() && response.status == 183 && !alone;
        let status = if muted { 180 } else { response.status };
        let contact = Some(bridge.caller.contact.clone());
        let preview = !is_reliable(response) || !bridge.single;
        let allow = Some(self.bridge_allow(branch));
        let answer = Answer { body, contact, allow, preview, ..Answer::default() };
        let _ = self.endpoint.ring(now, call, status, answer);
    }

    /// The caller has acknowledged a provisional response: with the answer, if that was an offer.
    pub(crate) fn on_bridge_pracked(&mut self, now: Instant, call: CallId, body: Option<Body>) {
        if self.roles.get(&call) != Some(&Role::Caller) {
            return;
        }
        let Some(bridge) = self.bridges.0.get_mut(&call) else { return };
        let Some((branch, tag)) = bridge.late_early.take() else { return };
        let Some((offer, map)) = bridge.late.take() else { return };
        let answer = body.and_then(|body| {
            SessionDescription::from_bytes(&body.of_type("application/sdp")?).ok()
        });
        let fitted = answer.and_then(|answer| {
            let toward = bridge.callees.get_mut(&branch)?;
            Some(toward.sdp.answer_mapped(&offer, &answer, &map))
        });
        // Without an answer the callee is left to its patience: it refuses after 32 s.
        if let Some(fitted) = fitted {
            let body = Body::sdp(fitted.to_string());
            let _ = self.endpoint.answer_progress(now, branch, &tag, body);
        }
    }
}

impl Bridge {
    /// The description of a provisional response, as the caller shall see it.
    fn early_description(&mut self, branch: CallId, response: &Response) -> Option<Body> {
        if self.callees.len() != 1 || self.agreed_early {
            return None;
        }
        let reliable = is_reliable(response) && self.single;
        if self.offer.is_some() {
            let body = self.answer_for_caller(branch, response)?;
            self.agreed_early = reliable && self.caller_reliable;
            return Some(body);
        }
        // The offer we asked for; only a caller that can acknowledge it can answer it.
        (reliable && self.caller_reliable).then_some(())?;
        let tag = response.headers.to().ok()?.tag()?.to_owned();
        let body = self.offer_for_caller(response)?;
        self.agreed_early = true;
        self.late_early = Some((branch, tag));
        Some(body)
    }

    /// A callee's answer to the caller's offer, as the caller shall see it.
    pub(super) fn answer_for_caller(
        &mut self,
        branch: CallId,
        response: &Response,
    ) -> Option<Body> {
        let answer = sdp_of(&response.headers, &response.body)?;
        let offer = self.offer.as_ref()?;
        let map = self.callees.get(&branch)?.map.as_ref()?;
        Some(Body::sdp(self.caller.sdp.answer_mapped(offer, &answer, map).to_string()))
    }

    /// A callee's offer, as the caller shall see it.
    pub(super) fn offer_for_caller(&mut self, response: &Response) -> Option<Body> {
        let offer = sdp_of(&response.headers, &response.body)?;
        let (fitted, map) = self.caller.sdp.fit_mapped(&offer);
        self.late = Some((offer, map));
        Some(Body::sdp(fitted.to_string()))
    }
}

/// Whether a provisional response was sent reliably, so that its description is binding.
fn is_reliable(response: &Response) -> bool {
    response.headers.list_has("Require", "100rel")
}
