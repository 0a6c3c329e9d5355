//! The softphone as SIP sees it: register, call, change, leave. One call at a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::MediaKind;
use sdp::negotiate::NegotiatedLine;
use sip_stack::auth::Credentials;
use sip_stack::endpoint::{
    self, Answer, Body, CallId, ClientTransactionId, EndReason, Endpoint, EndpointConfig, Failure,
    Invite, ReinviteFailure, SessionError, Transmit, TransmitId,
};
use sip_stack::flow::{ConnectionId, Flow, Target};
use sip_stack::message::{Method, NameAddr, Reason, Request, Response, Uri};
use sip_stack::token::Tokens;

use super::call::{Call, DescriptionError};
use super::liveness::{Liveness, Verdict};
use super::outcome::Outcome;
use super::registration::{Change, RegistrarConfig, Registration};

/// How long BYE and un-REGISTER may take before we go anyway.
const CLOSING: Duration = Duration::from_secs(2);
/// Redirections followed (RFC 3261 §8.1.3.4); a factory redirects once.
const MAX_REDIRECTS: u8 = 3;
/// How long the far end may ring.
const RING: Duration = Duration::from_secs(60);

/// Whom to call, as whom.
#[derive(Debug)]
pub struct PhoneConfig {
    /// Settings of the stack.
    pub endpoint: EndpointConfig,
    /// Whom to call.
    pub uri: Uri,
    /// Who we are, without tag.
    pub from: NameAddr,
    /// Next hop; `None` = where the URI says.
    pub target: Option<Target>,
    /// User and password for challenges.
    pub account: Option<(String, String)>,
    /// Register here first.
    pub registrar: Option<RegistrarConfig>,
}

/// Something for the shell.
#[derive(Debug)]
pub enum Output {
    /// A SIP message to send.
    Transmit(Transmit),
    /// News.
    Event(Event),
}

/// News of the call.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// The registrar has our binding.
    Registered,
    /// The far end says something before it answers.
    Progress {
        /// 101 to 199.
        status: u16,
        /// Its phrase.
        phrase: String,
    },
    /// The call is answered, or was changed: this is agreed now.
    Media(Vec<NegotiatedLine>),
    /// The far end asked for a key frame by INFO (RFC 5168).
    KeyFrameWanted,
    /// The call is over; BYE and un-REGISTER may still be under way. Stop the media.
    CallEnded,
    /// Everything is over. Last event.
    Over(Outcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Registering,
    Calling(CallId),
    Talking(CallId),
    /// The outcome is known; waiting for the last answers.
    Closing(Instant),
    Over,
}

/// The phone.
#[derive(Debug)]
pub struct Phone {
    endpoint: Endpoint,
    uri: Uri,
    from: NameAddr,
    target: Option<Target>,
    account: Option<(String, String)>,
    registration: Option<Registration>,
    call: Call,
    state: State,
    outcome: Option<Outcome>,
    redirects: u8,
    reoffer: bool,
    focus: bool,
    liveness: Option<Liveness>,
    probe: Option<ClientTransactionId>,
    outputs: VecDeque<Output>,
}

impl Phone {
    /// A phone that has not done anything yet. `seed` must come from the system's generator.
    #[must_use]
    pub fn new(config: PhoneConfig, call: Call, seed: [u8; 32]) -> Self {
        let mut tokens = Tokens::new(seed);
        let endpoint = Endpoint::new(config.endpoint, tokens.seed());
        let registration = config.registrar.map(|registrar| Registration::new(registrar, tokens));
        Self {
            endpoint,
            uri: config.uri,
            from: config.from,
            target: config.target,
            account: config.account,
            registration,
            call,
            state: State::Idle,
            outcome: None,
            redirects: 0,
            reoffer: false,
            focus: false,
            liveness: None,
            probe: None,
            outputs: VecDeque::new(),
        }
    }

    /// Registers, if there is a registrar, and calls.
    pub fn start(&mut self, now: Instant) {
        if self.state != State::Idle {
            return;
        }
        match &mut self.registration {
            Some(registration) => {
                self.state = State::Registering;
                let change = registration.start(now, &mut self.endpoint);
                self.registration_changed(now, change);
            }
            None => self.invite(now),
        }
        self.drain(now);
    }

    fn invite(&mut self, now: Instant) {
        let body = Body::sdp(self.call.offer());
        let credentials = self.account.as_ref().map(|(user, pass)| Credentials::new(user, pass));
        let invite = Invite {
            target: self.target.clone(),
            credentials,
            ring_timeout: Some(RING),
            ..Invite::new(self.uri.clone(), self.from.clone(), Some(body))
        };
        match self.endpoint.invite(now, invite) {
            Ok(call) => self.state = State::Calling(call),
            Err(error) => self.close(now, Outcome::Local(error.to_string())),
        }
    }

    /// Leaves: BYE or CANCEL, then un-REGISTER. [`Event::Over`] follows within two seconds.
    pub fn leave(&mut self, now: Instant) {
        self.close(now, Outcome::Left);
        self.drain(now);
    }

    /// The one way out: whatever runs is ended, and the first outcome stands.
    fn close(&mut self, now: Instant, outcome: Outcome) {
        if matches!(self.state, State::Closing(_) | State::Over) {
            return;
        }
        let call = match self.state {
            State::Calling(call) | State::Talking(call) => Some(call),
            _ => None,
        };
        self.outcome = Some(outcome);
        self.liveness = None;
        self.state = State::Closing(now + CLOSING);
        if let Some(call) = call {
            // no such call any more: that is how we got here
            let _gone = self.endpoint.bye(now, call, None);
        }
        self.event(Event::CallEnded);
        if let Some(registration) = &mut self.registration {
            registration.remove(now, &mut self.endpoint);
        }
    }

    /// Camera on or off: the direction of our video line changes by re-INVITE.
    pub fn set_camera(&mut self, now: Instant, on: bool) {
        if self.call.set_camera(on) {
            self.reoffer = true;
        }
        self.drain(now);
    }

    /// Media came at `at`: the far end is alive.
    pub fn heard(&mut self, at: Instant) {
        if let Some(liveness) = &mut self.liveness {
            liveness.heard(at);
        }
    }

    /// One SIP message arrived.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, bytes: &Bytes) {
        self.heard(now);
        self.endpoint.handle_message(now, flow, bytes);
        self.drain(now);
    }

    /// A connection is gone.
    pub fn handle_flow_closed(&mut self, now: Instant, connection: ConnectionId) {
        self.endpoint.handle_flow_closed(now, connection);
        self.drain(now);
    }

    /// A message could not be sent.
    pub fn handle_send_failed(&mut self, now: Instant, id: TransmitId) {
        self.endpoint.handle_send_failed(now, id);
        self.drain(now);
    }

    /// Time has passed; always safe.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        if let Some(registration) = &mut self.registration {
            registration.handle_timeout(now, &mut self.endpoint);
        }
        self.check_liveness(now);
        self.drain(now);
    }

    fn check_liveness(&mut self, now: Instant) {
        let (State::Talking(call), Some(liveness)) = (self.state, &mut self.liveness) else {
            return;
        };
        match liveness.check(now) {
            Verdict::Alive => {}
            Verdict::Probe => {
                let sent = self.endpoint.request(now, call, Method::Options, &[], None);
                self.probe = sent.ok();
            }
            Verdict::Lost => {
                let what = "neither media nor SIP answers any more".to_owned();
                self.close(now, Outcome::Lost(what));
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let closing = match self.state {
            State::Closing(at) => Some(at),
            _ => None,
        };
        let registration = self.registration.as_ref().and_then(Registration::poll_timeout);
        let liveness = self.liveness.as_ref().map(Liveness::next);
        let all = [self.endpoint.poll_timeout(), registration, liveness, closing];
        all.into_iter().flatten().min()
    }

    /// The next thing to do; call until `None` after every other verb.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether the far end is a conference focus (`isfocus` in its Contact, RFC 4579 §4.2).
    #[must_use]
    pub fn peer_is_focus(&self) -> bool {
        self.focus
    }

    /// Codec of the first accepted line of a kind, once agreed.
    #[must_use]
    pub fn codec_name(&self, kind: &MediaKind) -> Option<String> {
        self.call.codec_name(kind)
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn drain(&mut self, now: Instant) {
        loop {
            while let Some(output) = self.endpoint.poll_output() {
                match output {
                    endpoint::Output::Transmit(transmit) => {
                        self.outputs.push_back(Output::Transmit(transmit));
                    }
                    endpoint::Output::Event(event) => self.handle_event(now, event),
                }
            }
            if !self.offer_again(now) {
                break;
            }
        }
        let State::Closing(until) = self.state else { return };
        let quiet = self.endpoint.alive().unanswered == 0;
        if quiet || now >= until {
            self.state = State::Over;
            if let Some(outcome) = self.outcome.take() {
                self.event(Event::Over(outcome));
            }
        }
    }

    /// Sends a changed offer as soon as nothing else is under way; tells whether it did.
    fn offer_again(&mut self, now: Instant) -> bool {
        let State::Talking(call) = self.state else { return false };
        if !self.reoffer {
            return false;
        }
        let body = Body::sdp(self.call.offer());
        match self.endpoint.reinvite(now, call, Some(body)) {
            Ok(()) => {
                self.reoffer = false;
                true
            }
            Err(SessionError::Pending) => {
                self.call.withdraw();
                false
            }
            Err(_) => {
                self.call.withdraw();
                self.reoffer = false;
                false
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: endpoint::Event) {
        use endpoint::Event as E;
        match event {
            E::Request { transaction, request, .. } | E::InDialog { transaction, request, .. } => {
                self.answer_request(now, transaction, &request);
            }
            E::IncomingCall { call, .. } => {
                let _gone = self.endpoint.reject(now, call, 486, "Busy Here", &[]);
            }
            E::Response { transaction, response, .. } => {
                if let Some(registration) = &mut self.registration {
                    let change = registration.handle_response(
                        now,
                        &mut self.endpoint,
                        transaction,
                        &response,
                    );
                    self.registration_changed(now, change);
                }
            }
            E::RequestFailed { transaction, failure } => {
                let outcome = unreachable(failure);
                if let Some(registration) = &mut self.registration {
                    let change = registration.handle_failure(now, transaction, outcome);
                    self.registration_changed(now, change);
                }
            }
            E::Progress { response, .. } => {
                self.event(Event::Progress { status: response.status, phrase: response.reason })
            }
            E::Answered { call, response } => self.answered(now, call, &response),
            E::Rejected { response, .. } => self.rejected(now, &response),
            E::Reinvite { call, request } => self.reinvited(now, call, &request),
            E::ReinviteAnswered { response, .. } => {
                if let Ok(lines) = self.call.answered(&text(&response.body)) {
                    let lines = lines.to_vec();
                    self.event(Event::Media(lines));
                }
            }
            E::Ack { body: Some(body), .. } => {
                if let Ok(lines) = self.call.answered(&text(&body.bytes)) {
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
            | E::ReinviteCancelled { .. }
            | E::Refreshed { .. }
            | E::Ack { body: None, .. } => {}
        }
    }

    fn registration_changed(&mut self, now: Instant, change: Option<Change>) {
        match change {
            Some(Change::Registered) if self.state == State::Registering => {
                self.event(Event::Registered);
                self.invite(now);
            }
            Some(Change::Failed(outcome)) => self.close(now, outcome),
            _ => {}
        }
    }

    fn answered(&mut self, now: Instant, call: CallId, response: &Response) {
        self.state = State::Talking(call);
        self.liveness = Some(Liveness::new(now));
        let contacts = response.headers.contacts().unwrap_or_default();
        self.focus = contacts.iter().any(|contact| contact.params.has("isfocus"));
        match self.call.answered(&text(&response.body)) {
            Ok(lines) => {
                let lines = lines.to_vec();
                self.event(Event::Media(lines));
            }
            Err(error) => {
                let phrase = error.to_string();
                self.close(now, Outcome::NotAcceptable { status: 488, phrase });
            }
        }
    }

    fn rejected(&mut self, now: Instant, response: &Response) {
        self.call.withdraw();
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
            let answer = Answer::with_body(Body::sdp(self.call.offer()));
            let _gone = self.endpoint.answer_reinvite(now, call, answer);
            return;
        }
        match self.call.answer(&text(&request.body)) {
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

    fn answer_request(
        &mut self,
        now: Instant,
        transaction: endpoint::ServerTransactionId,
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

fn text(body: &Bytes) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(body)
}

/// The text of a Warning value, `code agent "text"` (RFC 3261 §20.43).
fn warning_text(value: &str) -> Option<&str> {
    let text = value.splitn(3, ' ').nth(2)?.trim().trim_matches('"');
    (!text.is_empty()).then_some(text)
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
