//! A member changes its session: hold, resume, more or less video (RFC 3261 §14, RFC 3311).

use std::time::Instant;

use mixer_control::{LegDescription, MixerError, MixerRequest};
use sdp::SessionDescription;
use sip_stack::endpoint::{Answer, Body, CallId};
use sip_stack::message::Request;

use super::chat::without_chat;
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
        if let Some(done) = self.on_offer_beside_mixer(now, call, offer.as_ref()) {
            return done;
        }
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
        if member.chat_only {
            return self.change_chat(now, call, offer);
        }
        let (purpose, command) = match &offer {
            Some(offer) => {
                member.session = Session::Reoffering;
                let text = without_chat(offer).to_string();
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
        let offered = offer.is_some();
        let mut description = match reply {
            Ok(description) => description,
            Err(error) => {
                // The leg stays as it was, and so does the session (RFC 6141 §3).
                member.session = Session::Stable;
                let reject = refusal(&error);
                let _ =
                    self.endpoint.reject_reinvite(now, call, reject.status, "", &reject.headers);
                if offered && matches!(error, MixerError::Unavailable(_)) {
                    // It may have been carried out all the same, or still be.
                    self.go_back(now, call);
                }
                return;
            }
        };
        match &offer {
            Some(offer) => self.answer_chat(now, call, offer, &mut description),
            None => self.offer_chat(call, &mut description),
        }
        let Some(member) = self.member_mut(call) else { return };
        let body = match offer {
            Some(offer) => {
                member.session = Session::Stable;
                member.agreed = Some(without_chat(&offer).to_string());
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
            ..Answer::default()
        };
        let _ = self.endpoint.answer_reinvite(now, call, answer);
    }

    /// The new offer of a member that came for the chat alone: whoever wants more than that has to call
    /// anew, for the mixer knows nothing of this call.
    fn change_chat(
        &mut self,
        now: Instant,
        call: CallId,
        offer: Option<SessionDescription>,
    ) -> Result<(), Reject> {
        let nothing = "call again for audio or video";
        let offer = offer.filter(|offer| without_chat(offer).media.is_empty());
        let offer = offer.ok_or_else(|| Reject::new(488).because(nothing))?;
        let mut description = without_chat(&offer);
        self.answer_chat(now, call, &offer, &mut description);
        let Some(member) = self.member_mut(call) else { return Err(Reject::new(481)) };
        let answer = Answer {
            body: Some(Body::sdp(member.sdp.answer(&offer, &description).to_string())),
            contact: Some(member.contact.clone()),
            ..Answer::default()
        };
        let _ = self.endpoint.answer_reinvite(now, call, answer);
        Ok(())
    }

    /// The member took its offer back before it was answered; 487 is out.
    pub(crate) fn on_member_offer_cancelled(&mut self, now: Instant, call: CallId) {
        if self.on_direct_offer_cancelled(now, call) {
            return;
        }
        let Some(member) = self.member_mut(call) else { return };
        member.session = Session::Stable;
        let offered = member.offer.take().is_some();
        self.mixer.abandon_change(call);
        if offered {
            self.go_back(now, call);
        }
    }

    /// Takes the mixer back to what was agreed, after an offer that came to nothing here but perhaps
    /// not there. A conference works off its commands in order, so this need not wait for the reply
    /// to that offer, and the member's next offer comes after it.
    fn go_back(&mut self, now: Instant, call: CallId) {
        let Some((leg, member)) = self.leg_and_member(call) else { return };
        let Some(sdp) = member.agreed.clone() else { return };
        let id = self.mixer.send(now, Purpose::Forget, call, leg.clone());
        self.send_to_mixer(id, MixerRequest::Reoffer(LegDescription { leg, sdp }));
    }
}
