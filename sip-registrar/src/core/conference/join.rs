//! INVITE to a conference: from the offer to the 200 and its ACK (RFC 4579 §5.1, §5.4).

use std::time::Instant;

use bytes::Bytes;
use mixer_control::{JoinRequest, LegDescription, LegRef, MixerError, MixerRequest};
use sdp::{DialogSdp, Origin, SessionDescription};
use sip_stack::endpoint::{Answer, Body, CallId};
use sip_stack::flow::Flow;
use sip_stack::message::multipart::body_of_type;
use sip_stack::message::{NameAddr, Reason, Request};

use super::chat::{path_offered, without_chat};
use super::door::Place;
use super::factory::Brief;
use super::member::{Member, Session};
use super::name::{ConferenceName, sanitise_display_name};
use super::path::{PACKAGE, receives_reports};
use crate::core::doctor::Provenance;
use crate::core::identity::{Identity, ORGANIZER_SECRET};
use crate::core::mixer::{Pending, Purpose};
use crate::core::registrar::{Registrar, Role};
use crate::core::reject::Reject;

impl Registrar {
    /// Somebody wants in: asks the mixer for a leg. The INVITE is answered when it replies.
    #[allow(clippy::too_many_arguments, reason = "all that an INVITE is")]
    pub(crate) fn join(
        &mut self,
        now: Instant,
        call: CallId,
        request: &Request,
        from: &NameAddr,
        flow: &Flow,
        identity: Identity,
        name: ConferenceName,
        replaces: Option<CallId>,
    ) -> Result<(), Reject> {
        let offer = description_of(&request.headers, &request.body)?;
        let actor = identity.actor(&request.headers);
        let brief = Brief::of(request, offer.as_ref())?;
        let planned = self.arrange(now, request, &brief, &actor, &name, flow)?;
        let entry = match planned {
            Some(entry) => entry,
            None => self.enter(now, request, from, &actor, &name, replaces)?,
        };
        if matches!(entry.place, Place::AtPin { .. }) && request.headers.has("Conference-Pin") {
            // A guess in the header field counts like one on the keypad.
            self.count_failure(now, flow.remote);
        }
        let contact = self.conference_contact(&name, &request.uri, flow);
        let Some(focus) = self.directory.get_mut(&name) else { return Err(Reject::new(500)) };
        // Once: the next of that name must prove who it is.
        let _ = focus.expected.take_if(|(expected, _)| *expected == identity);
        let user = from.uri.user_text().unwrap_or_default();
        let leg = LegRef { conference: focus.id().to_owned(), leg: self.tokens.hex(8) };
        let session_id = u64::from_str_radix(&self.tokens.hex(7), 16).unwrap_or(1);
        let display_name = sanitise_display_name(from.display_name.as_deref(), &user);
        let text = offer.as_ref().map(|offer| without_chat(offer).to_string());
        let chat_only = self.settings.msrp.is_some() && offer.as_ref().is_some_and(is_chat_only);
        let sdp = DialogSdp::new("-", session_id, flow.local.ip());
        let lobby = entry.place != Place::Inside;
        let (provenance, name_shown) = (Provenance::of(request, flow), display_name.clone());
        let aor = from.uri.aor();
        // Who takes its own place does not unmute itself by that.
        let muted = replaces.and_then(|old| focus.member(old)).is_some_and(|old| old.muted);
        focus.insert(
            call,
            Member {
                came_by_lobby: lobby,
                muted,
                offer,
                replaces,
                role: entry.role,
                place: entry.place,
                secret: entry.secret,
                brings: brief.people.unwrap_or_default(),
                chat_only,
                reports: receives_reports(&request.headers),
                ..Member::new(leg.leg.clone(), identity, aor, provenance, name_shown, contact, sdp)
            },
        );
        self.roles.insert(call, Role::Member(name));
        if chat_only {
            self.answer_join(
                now,
                call,
                SessionDescription::new(Origin::new("-", 0, 0, flow.local.ip())),
            );
            return Ok(());
        }
        let id = self.mixer.send(now, Purpose::Join, call, leg.clone());
        let join = JoinRequest {
            focus: self.focus_id.clone(),
            leg,
            display_name,
            offer: text,
            signalled_from: Some(flow.remote.ip()),
            lobby,
        };
        self.send_to_mixer(id, MixerRequest::Join(join));
        Ok(())
    }

    /// The mixer has replied to a Join.
    pub(crate) fn on_joined(
        &mut self,
        now: Instant,
        pending: &Pending,
        reply: Result<SessionDescription, MixerError>,
    ) {
        let call = pending.call;
        let Some(member) = self.member_mut(call) else { return };
        let description = match reply {
            Ok(description) => description,
            Err(error) => {
                let dial = member.dial.take();
                self.refuse(now, call, &refusal(&error));
                self.forget_member(now, call, "refused by the mixer", false);
                if let Some(dial) = dial {
                    self.on_dialled(now, dial.refer, call, refusal(&error).status);
                }
                return;
            }
        };
        if member.dial.is_some() {
            self.call_device(now, call, &description);
            return;
        }
        self.answer_join(now, call, description);
    }

    /// Answers an INVITE with what the mixer says of the media, and ourselves of the chat.
    fn answer_join(&mut self, now: Instant, call: CallId, mut description: SessionDescription) {
        let Some(member) = self.member_mut(call) else { return };
        let offer = member.offer.take();
        if let Some(offer) = &offer {
            self.answer_chat(now, call, offer, &mut description);
        }
        let Some(member) = self.member_mut(call) else { return };
        let (body, session) = match offer {
            Some(offer) => {
                member.agreed = Some(without_chat(&offer).to_string());
                (member.sdp.answer(&offer, &description), Session::AwaitAck)
            }
            None => (member.sdp.fit(&description), Session::AwaitAnswer),
        };
        member.session = session;
        let secret = member.secret.take().map(|secret| (ORGANIZER_SECRET.to_owned(), secret));
        let package = member.reports.then(|| ("Recv-Info".to_owned(), PACKAGE.to_owned()));
        let answer = Answer {
            body: Some(Body::sdp(body.to_string())),
            contact: Some(member.contact.clone()),
            headers: secret.into_iter().chain(package).collect(),
            ..Answer::default()
        };
        let replaced = member.replaces.take();
        if self.endpoint.accept(now, call, answer).is_err() {
            self.forget_member(now, call, "gone", true);
        } else if let Some(old) = replaced.filter(|old| self.roles.contains_key(old)) {
            // RFC 3891 §3: accepted first, then the other one is hung up.
            self.end_call(now, old, Reason::sip(200, "replaced by another dialog"));
        }
    }

    /// The ACK of a member: of its first INVITE or of a re-INVITE.
    pub(crate) fn on_member_ack(&mut self, now: Instant, call: CallId, body: Option<Body>) {
        let Some(member) = self.member_mut(call) else { return };
        let awaited = member.session.clone();
        if awaited == Session::AwaitAck {
            member.session = Session::Stable;
        }
        if !std::mem::replace(&mut member.joined, true) {
            // What was decided while the mixer made the leg.
            if member.muted || (member.came_by_lobby && member.place == Place::Inside) {
                self.control(call);
            }
            self.note_arrival(now, call);
        }
        if awaited != Session::AwaitAnswer {
            return;
        }
        // RFC 3264 §4: an offer in the 2xx must be answered in the ACK.
        let answer = body
            .and_then(|b| b.of_type("application/sdp"))
            .and_then(|sdp| SessionDescription::from_bytes(&sdp).ok());
        let Some(answer) = answer else {
            self.end_call(now, call, Reason::sip(400, "no answer in ACK"));
            return;
        };
        let Some((leg, member)) = self.leg_and_member(call) else { return };
        member.session = Session::Accepting;
        let text = answer.to_string();
        let id = self.mixer.send(now, Purpose::Accept(text.clone()), call, leg.clone());
        self.send_to_mixer(id, MixerRequest::Accept(LegDescription { leg, sdp: text }));
    }

    /// The mixer has taken the member's answer, or not.
    pub(crate) fn on_accepted(
        &mut self,
        now: Instant,
        call: CallId,
        answer: String,
        error: Option<&MixerError>,
    ) {
        let Some(member) = self.member_mut(call) else { return };
        member.session = Session::Stable;
        match error {
            None => member.agreed = Some(answer),
            // Offer and answer are done between member and focus: there is no way back but the end.
            Some(error) => {
                let status = refusal(error).status;
                self.end_call(now, call, Reason::sip(u32::from(status), &error.to_string()));
            }
        }
    }
}

/// Whether somebody comes for the chat alone, without audio or video.
fn is_chat_only(offer: &SessionDescription) -> bool {
    without_chat(offer).media.is_empty() && path_offered(offer).is_some()
}

/// The session description a request brings. None is no fault: the peer wants our offer.
pub(crate) fn description_of(
    headers: &sip_stack::message::Headers,
    body: &Bytes,
) -> Result<Option<SessionDescription>, Reject> {
    if body.is_empty() {
        return Ok(None);
    }
    let Some(sdp) = body_of_type(headers, body, "application/sdp") else {
        // A list of people alone: our offer is wanted as well.
        if body_of_type(headers, body, conference_info::resource_lists::MEDIA_TYPE).is_some() {
            return Ok(None);
        }
        return Err(Reject::new(415)
            .with("Accept", "application/sdp")
            .with("Accept-Encoding", "identity"));
    };
    SessionDescription::from_bytes(&sdp)
        .map(Some)
        .map_err(|error| Reject::new(400).because(&format!("session description: {error}")))
}

/// What a refusal of the mixer means to the caller.
pub(crate) fn refusal(error: &MixerError) -> Reject {
    match error {
        MixerError::Invalid(why) => Reject::new(400).because(why),
        MixerError::NoCommonMedia(why) => {
            // The mixer begins its text with the code of RFC 3261 §20.43 if it knows a better one.
            let known = why.split_once(' ').and_then(|(code, text)| {
                let code = code.parse().ok().filter(|code| matches!(code, 300..=399))?;
                Some((code, text))
            });
            let (code, text) = known.unwrap_or((305, why));
            Reject::new(488).warning(code, text)
        }
        MixerError::NotFound => Reject::new(481),
        MixerError::Exhausted(why) => Reject::busy(why),
        MixerError::Unavailable(_) => Reject::busy("the media mixer does not answer"),
    }
}
