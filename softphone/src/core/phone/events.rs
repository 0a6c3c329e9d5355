//! What the phone does when the stack tells it something.

use std::time::Instant;

use bytes::Bytes;
use sip_stack::endpoint::{
    self, Answer, Body, CallId, ClientTransactionId, EndReason, Failure, ReinviteFailure,
    ServerTransactionId,
};
use sip_stack::message::{Method, Reason, Request, Response, Uri};

use super::{Event, MAX_REDIRECTS, Phone, State};
use crate::core::call::DescriptionError;
use crate::core::errand::SECRET;
use crate::core::liveness::Liveness;
use crate::core::outcome::{Outcome, warning_text};
use crate::core::registration::Change;

impl Phone {
    pub(super) fn handle_event(&mut self, now: Instant, event: endpoint::Event) {
        use endpoint::Event as E;
        match event {
            E::Request { transaction, request, flow } if request.method == Method::Message => {
                self.message_outside(now, transaction, &request, &flow);
            }
            E::InDialog { transaction, request, .. } if request.method == Method::Message => {
                self.message(now, transaction, &request);
            }
            E::InDialog { transaction, request, .. } if request.method == Method::Notify => {
                self.notified(now, transaction, &request);
            }
            E::Request { transaction, request, flow } => {
                self.notified_outside(now, transaction, &request, flow);
            }
            E::InDialog { transaction, request, .. } => {
                self.answer_request(now, transaction, &request);
            }
            E::IncomingCall { call, request, flow } => self.called(now, call, request, flow),
            E::Cancelled { call, .. } | E::Ended { call, .. } if self.missed(call) => {}
            E::Response { transaction, response, .. } => {
                self.responded(now, transaction, &response);
            }
            E::RequestFailed { transaction, failure } => self.failed(now, transaction, failure),
            E::Progress { response, .. } => {
                self.event(Event::Progress { status: response.status, phrase: response.reason })
            }
            E::Answered { call, response } => self.answered(now, call, &response),
            E::Rejected { response, .. } => self.rejected(now, &response),
            E::Reinvite { call, request } => self.reinvited(now, call, &request),
            E::ReinviteAnswered { response, .. } => {
                if let Ok(lines) = self.call.answered(&description(response.body_of_type(SDP))) {
                    let lines = lines.to_vec();
                    self.event(Event::Media(lines));
                }
            }
            E::Ack { body: Some(body), .. } => {
                if let Ok(lines) = self.call.answered(&description(body.of_type(SDP))) {
                    let lines = lines.to_vec();
                    self.event(Event::Media(lines));
                }
            }
            E::ReinviteFailed { failure, .. } => {
                self.call.withdraw();
                self.reoffer |= matches!(failure, ReinviteFailure::Superseded);
            }
            E::Ended { reason, .. } => self.ended(now, reason),
            E::Cancelled { .. }
            | E::Pracked { .. }
            | E::ReinviteCancelled { .. }
            | E::Refreshed { .. }
            | E::Ack { body: None, .. } => {}
        }
    }

    /// A response to one of our requests; who has sent it knows.
    fn responded(&mut self, now: Instant, transaction: ClientTransactionId, response: &Response) {
        let last = !response.is_provisional();
        if last && self.line_answered(now, transaction, Some(response)) {
            return;
        }
        if last && self.order_answered(transaction, Some(response)) {
            return;
        }
        let endpoint = &mut self.endpoint;
        if let Some(subscription) = &mut self.subscription {
            let notice = subscription.handle_response(now, endpoint, transaction, response);
            self.noticed(now, notice);
        }
        let endpoint = &mut self.endpoint;
        if let Some(registration) = &mut self.registration {
            let change = registration.handle_response(now, endpoint, transaction, response);
            self.registration_changed(now, change);
        }
    }

    /// One of our requests got no answer.
    fn failed(&mut self, now: Instant, transaction: ClientTransactionId, failure: Failure) {
        if self.line_answered(now, transaction, None) || self.order_answered(transaction, None) {
            return;
        }
        if let Some(subscription) = &mut self.subscription {
            let notice = subscription.handle_failure(now, transaction, failure);
            self.noticed(now, notice);
        }
        if let Some(registration) = &mut self.registration {
            let change = registration.handle_failure(now, transaction, unreachable(failure));
            self.registration_changed(now, change);
        }
    }

    pub(super) fn registration_changed(&mut self, now: Instant, change: Option<Change>) {
        match change {
            Some(Change::Registered) if self.state == State::Registering => {
                self.event(Event::Registered);
                self.begin(now);
            }
            Some(Change::Failed(outcome)) => self.close(now, outcome),
            _ => {}
        }
    }

    /// A guest that has made the conference by calling it is told a secret once (docs/decisions/0080).
    fn learn(&mut self, response: &Response) {
        let contact = response.headers.contacts().unwrap_or_default().into_iter().next();
        if let (Some(secret), Some(contact)) = (response.headers.get(SECRET), contact) {
            self.secret = Some(secret.to_owned());
            let uri = contact.uri;
            self.event(Event::Organizer { uri, secret: secret.to_owned() });
        }
    }

    fn answered(&mut self, now: Instant, call: CallId, response: &Response) {
        self.learn(response);
        self.learn_packages(&response.headers);
        self.state = State::Talking(call);
        self.liveness = Some(Liveness::new(now));
        let contacts = response.headers.contacts().unwrap_or_default();
        let focus = contacts.iter().find(|contact| contact.params.has("isfocus"));
        self.focus = focus.is_some();
        self.chat.room = focus.map(|focus| {
            let uri = &focus.uri;
            Uri::sip(uri.user_text().as_deref(), uri.host.clone(), uri.port)
        });
        match self.call.answered(&description(response.body_of_type(SDP))) {
            Ok(lines) => {
                let lines = lines.to_vec();
                self.event(Event::Media(lines));
                self.watch(now);
            }
            Err(error) => {
                let phrase = error.to_string();
                self.close(now, Outcome::NotAcceptable { status: 488, phrase });
            }
        }
    }

    fn rejected(&mut self, now: Instant, response: &Response) {
        self.call.withdraw();
        self.learn(response);
        let redirected = (300..400).contains(&response.status);
        let contact = response.headers.contacts().unwrap_or_default().into_iter().next();
        if let (true, Some(contact)) = (redirected && self.redirects < MAX_REDIRECTS, contact) {
            self.redirects += 1;
            self.uri = contact.uri;
            self.invite(now);
            return;
        }
        let warning = response.headers.get("Warning").and_then(warning_text);
        let retry_after = response.headers.retry_after().ok().flatten();
        let outcome = Outcome::from_status(response.status, &response.reason, warning, retry_after);
        self.state = State::Idle;
        self.close(now, outcome);
    }

    fn reinvited(&mut self, now: Instant, call: CallId, request: &Request) {
        if request.body.is_empty() {
            let answer = Answer::with_body(Body::sdp(self.call.offer_anew()));
            let _gone = self.endpoint.answer_reinvite(now, call, answer);
            return;
        }
        match self.call.answer(&description(request.body_of_type(SDP))) {
            Ok(answer) => {
                let answer = Answer::with_body(Body::sdp(answer));
                if self.endpoint.answer_reinvite(now, call, answer).is_ok() {
                    let lines = self.call.lines().to_vec();
                    self.event(Event::Media(lines));
                }
            }
            Err(DescriptionError::Rejected(reject)) => {
                let warning = format!("{} parley \"{}\"", reject.code, reject.text);
                let headers = [("Warning".to_owned(), warning)];
                let _gone = self.endpoint.reject_reinvite(now, call, 488, "", &headers);
            }
            Err(_) => {
                let _gone = self.endpoint.reject_reinvite(now, call, 400, "", &[]);
            }
        }
    }

    fn ended(&mut self, now: Instant, reason: EndReason) {
        let outcome = match reason {
            EndReason::Local => return,
            EndReason::Remote(reason) => remote(reason.as_ref()),
            EndReason::NoAnswer => Outcome::Unreachable("nobody answered".to_owned()),
            EndReason::Unreachable(failure) => unreachable(failure),
            EndReason::DialogLost(status) => {
                let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
                Outcome::Lost(format!("the other side does not know the call any more{status}"))
            }
            EndReason::SessionExpired => Outcome::Lost("the session timer ran out".to_owned()),
            EndReason::NoAck => Outcome::Lost("no acknowledgement".to_owned()),
            EndReason::Protocol(what) => Outcome::Ended { reason: what.to_owned() },
        };
        self.state = State::Idle;
        self.close(now, outcome);
    }

    pub(super) fn answer_request(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
    ) {
        let status = match request.method {
            Method::Options => 200,
            Method::Info => self.info(request),
            _ => 405,
        };
        let _gone = self.endpoint.respond_status(now, transaction, status, "");
    }

    /// RFC 5168 asks for a key frame this way; other bodies mean nothing to us (RFC 6086 §4.2.1).
    fn info(&mut self, request: &Request) -> u16 {
        if request.body.is_empty() {
            return 200;
        }
        let kind = request.headers.get("Content-Type").unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("application/media_control+xml") {
            return 415;
        }
        if text(&request.body).contains("picture_fast_update") {
            self.event(Event::KeyFrameWanted);
        }
        200
    }
}

/// What we describe sessions in.
pub(super) const SDP: &str = "application/sdp";

/// The description of a message; empty, and so malformed, if it has none.
pub(super) fn description(body: Option<Bytes>) -> String {
    body.as_ref().map(|body| text(body).into_owned()).unwrap_or_default()
}

fn text(body: &Bytes) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(body)
}

fn remote(reason: Option<&Reason>) -> Outcome {
    let Some(reason) = reason else { return Outcome::from_bye(None, None, None) };
    let cause = reason.cause.and_then(|cause| u16::try_from(cause).ok());
    Outcome::from_bye(Some(&reason.protocol), cause, reason.text.as_deref())
}

fn unreachable(failure: Failure) -> Outcome {
    Outcome::Unreachable(match failure {
        Failure::TimedOut => "no answer at all".to_owned(),
        Failure::Transport => "nothing listens there".to_owned(),
    })
}
