//! A member changes its session: hold, resume, more or less video (RFC 3261 §14, RFC 3311).

use std::time::Instant;

use mixer_control::{LegDescription, MixerError, MixerRequest};
use sdp::SessionDescription;
use sip_stack::endpoint::{Answer, Body, CallId};
use sip_stack::message::Request;

use super::join::{description_of, refusal};
use super::member::Session;
use crate::core::mixer::Purpose;
use crate::core::registrar::Registrar;
use crate::core::reject::Reject;

impl Registrar {
    /// A re-INVITE, or an UPDATE with an offer.
    pub(crate) fn on_member_offer(
        &mut self,
        now: Instant,
        call: CallId,
        request: &Request,
    ) -> Result<(), Reject> {
        let offer = description_of(&request.headers, &request.body)?;
        if !self.mixer.is_up() {
            return Err(Reject::busy("the media mixer is not there"));
        }
        let Some((leg, member)) = self.leg_and_member(call) else {
            return Err(Reject::new(481));
        };
        if !matches!(member.session, Session::Stable | Session::AwaitAck) {
            // The last exchange is not through yet (RFC 3261 §14.2).
            return Err(Reject::new(500).with("Retry-After", "1"));
        }
        let (purpose, command) = match &offer {
            Some(offer) => {
                member.session = Session::Reoffering;
                let text = offer.to_string();
                let description = LegDescription { leg: leg.clone(), sdp: text.clone() };
                (Purpose::Reoffer(text), MixerRequest::Reoffer(description))
            }
            None => {
                member.session = Session::Offering;
                (Purpose::Offer, MixerRequest::Offer(leg.clone()))
            }
        };
        member.offer = offer;
        let id = self.mixer.send(now, purpose, call, leg);
        self.send_to_mixer(id, command);
        Ok(())
    }

    /// The mixer has answered the member's offer, or made its own.
    pub(crate) fn on_reoffered(
        &mut self,
        now: Instant,
        call: CallId,
        reply: Result<SessionDescription, MixerError>,
    ) {
        let Some(member) = self.member_mut(call) else { return };
        let offer = member.offer.take();
        let description = match reply {
            Ok(description) => description,
            Err(error) => {
                // The leg stays as it was, and so does the session (RFC 6141 §3).
                member.session = Session::Stable;
                let reject = refusal(&error);
                let _ =
                    self.endpoint.reject_reinvite(now, call, reject.status, "", &reject.headers);
                return;
            }
        };
        let body = match offer {
            Some(offer) => {
                member.session = Session::Stable;
                member.agreed = Some(offer.to_string());
                member.sdp.answer(&offer, &description)
            }
            None => {
                member.session = Session::AwaitAnswer;
                member.sdp.fit(&description)
            }
        };
        let answer = Answer {
            body: Some(Body::sdp(body.to_string())),
            contact: Some(member.contact.clone()),
            headers: Vec::new(),
        };
        let _ = self.endpoint.answer_reinvite(now, call, answer);
    }

    /// The member took its offer back before it was answered; 487 is out.
    pub(crate) fn on_member_offer_cancelled(&mut self, call: CallId) {
        let Some(member) = self.member_mut(call) else { return };
        member.session = Session::Stable;
        member.offer = None;
        let agreed = member.agreed.clone();
        self.mixer.abandon_change(call, agreed.as_deref());
    }
}
