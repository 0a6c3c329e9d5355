//! Being called: a conference calls us in, or somebody does (RFC 4579 §5.5).

use std::time::Instant;

use sip_stack::endpoint::{Answer, Body, CallId};
use sip_stack::flow::Flow;
use sip_stack::message::{Request, Uri};

use super::events::{SDP, description};
use super::{Event, Phone, State, direct};
use crate::core::call::DescriptionError;
use crate::core::chat::clean_name;
use crate::core::liveness::Liveness;
use crate::core::outcome::Outcome;

/// A call that rings here.
#[derive(Debug)]
pub(super) struct Ringing {
    pub(super) call: CallId,
    invite: Request,
    flow: Flow,
}

impl Phone {
    /// Somebody calls. Who does not wait for calls, or has one, is busy.
    pub(super) fn called(&mut self, now: Instant, call: CallId, invite: Request, flow: Flow) {
        if self.state != State::Waiting || self.ringing.is_some() {
            let _gone = self.endpoint.reject(now, call, 486, "Busy Here", &[]);
            return;
        }
        let from = invite.headers.from().ok();
        let name = from.map(|from| {
            let user = from.uri.user_text().unwrap_or_else(|| from.uri.host.to_string());
            clean_name(from.display_name.as_deref().unwrap_or(&user))
        });
        let focus = focus_of(&invite).is_some();
        let _gone = self.endpoint.ring(now, call, 180, Answer::default());
        self.ringing = Some(Ringing { call, invite, flow });
        self.event(Event::Called { by: name.unwrap_or_default(), focus });
    }

    /// Takes the call that rings, if one does.
    pub fn accept(&mut self, now: Instant) {
        let Some(Ringing { call, invite, flow }) = self.ringing.take() else { return };
        let body = match invite.body.is_empty() {
            true => Ok(self.call.offer()),
            false => self.call.answer(&description(invite.body_of_type(SDP))),
        };
        let body = match body {
            Ok(body) => Body::sdp(body),
            Err(error) => {
                let status = if matches!(error, DescriptionError::Rejected(_)) { 488 } else { 400 };
                let _gone = self.endpoint.reject(now, call, status, "", &[]);
                self.close(now, Outcome::NotAcceptable { status, phrase: error.to_string() });
                self.drain(now);
                return;
            }
        };
        let headers = vec![direct::packages()];
        let answer = Answer { headers, ..Answer::with_body(body) };
        let accepted = self.endpoint.accept(now, call, answer);
        if accepted.is_ok() {
            let focus = focus_of(&invite);
            self.learn_packages(&invite.headers);
            self.state = State::Talking(call);
            self.liveness = Some(Liveness::new(now));
            self.focus = focus.is_some();
            self.uri = invite.headers.from().map_or_else(|_| self.uri.clone(), |from| from.uri);
            self.target = Some(flow.into());
            self.chat.room = focus;
            if !invite.body.is_empty() {
                let lines = self.call.lines().to_vec();
                self.event(Event::Media(lines));
            }
            self.watch(now);
        }
        self.drain(now);
    }

    /// Declines the call that rings, if one does, and waits for another.
    pub fn decline(&mut self, now: Instant) {
        if let Some(Ringing { call, .. }) = self.ringing.take() {
            let _gone = self.endpoint.reject(now, call, 603, "", &[]);
        }
        self.drain(now);
    }

    /// Whether a call rings here.
    #[must_use]
    pub fn is_ringing(&self) -> bool {
        self.ringing.is_some()
    }

    /// The call that rang is over before it was answered.
    pub(super) fn missed(&mut self, call: CallId) -> bool {
        let ours = self.ringing.take_if(|ringing| ringing.call == call).is_some();
        if ours {
            self.event(Event::Missed);
        }
        ours
    }
}

/// The conference that calls, if one does (RFC 4579 §4.2).
fn focus_of(invite: &Request) -> Option<Uri> {
    let contacts = invite.headers.contacts().unwrap_or_default();
    let focus = contacts.into_iter().find(|contact| contact.params.has("isfocus"))?.uri;
    Some(Uri::sip(focus.user_text().as_deref(), focus.host, focus.port))
}
