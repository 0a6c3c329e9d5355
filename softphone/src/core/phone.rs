//! The softphone as SIP sees it: register, call, change, leave. One call at a time.

mod chat;
mod direct;
mod events;
mod incoming;
mod orders;
mod roster;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::MediaKind;
use sdp::negotiate::NegotiatedLine;
use sip_stack::auth::Credentials;
use sip_stack::endpoint::{
    self, Body, CallId, ClientTransactionId, Endpoint, EndpointConfig, Invite, SessionError,
    Transmit, TransmitId,
};
use sip_stack::flow::{ConnectionId, Flow, Hop, Target};
use sip_stack::message::{Method, NameAddr, Uri};
use sip_stack::token::Tokens;

use self::direct::Beside;
pub use self::direct::MediaSigns;
use self::incoming::Ringing;
use super::call::Call;
use super::call::ice::IceTerms;
use super::chat::{Chat, ChatLine, LineId};
use super::errand::SECRET;
use super::liveness::{Liveness, Verdict};
use super::order::Order;
use super::outcome::Outcome;
use super::registration::{RegistrarConfig, Registration};
use super::roster::{Change, Roster};
use super::subscription::Subscription;

/// How long BYE and un-REGISTER may take before we go anyway.
const CLOSING: Duration = Duration::from_secs(2);
/// Redirections followed (RFC 3261 §8.1.3.4); a factory redirects once.
const MAX_REDIRECTS: u8 = 3;
/// Without any message for this long after our first request, nobody is there. Shorter than the
/// 32 s of Timer B (RFC 3261 §17.1.1.2), which no person waits for: the request has been sent five
/// times by then.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
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
    /// What shows that we made the conference, if we are a guest.
    pub secret: Option<String>,
    /// Do not call: wait for a call, once registered.
    pub waits: bool,
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
    /// Somebody calls: [`Phone::accept`] or [`Phone::decline`].
    Called {
        /// The name that the caller gives, in at most 63 printable characters.
        by: String,
        /// A conference calls.
        focus: bool,
    },
    /// Who called has given up.
    Missed,
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
    /// Somebody has said something in the chat.
    Chat(ChatLine),
    /// A line of ours was taken.
    Said {
        /// Which one.
        id: LineId,
    },
    /// A line of ours was not taken.
    NotSaid {
        /// Which one.
        id: LineId,
        /// Why, for people.
        why: String,
    },
    /// We have made the conference by calling it, and are known as its organizer by this secret.
    Organizer {
        /// The conference.
        uri: Uri,
        /// The secret; it is told once.
        secret: String,
    },
    /// The roster of the conference has changed; so, if it was known before.
    Roster(Vec<Change>),
    /// Something that we told the conference was done, or goes on, in words.
    Done(String),
    /// Something that we told the conference was not done, and why.
    NotDone(String),
    /// The call is over; BYE and un-REGISTER may still be under way. Stop the media.
    CallEnded,
    /// Everything is over. Last event.
    Over(Outcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Registering,
    /// For a call.
    Waiting,
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
    chat: Chat,
    beside: Beside,
    contact: NameAddr,
    waits: bool,
    ringing: Option<Ringing>,
    secret: Option<String>,
    /// Orders that are not answered yet.
    orders: Vec<(ClientTransactionId, Order)>,
    subscription: Option<Subscription>,
    /// When to subscribe again.
    watch_at: Option<Instant>,
    roster: Roster,
    liveness: Option<Liveness>,
    /// Until then something must have been heard.
    silent_until: Option<Instant>,
    outputs: VecDeque<Output>,
}

impl Phone {
    /// A phone that has not done anything yet. `seed` must come from the system's generator.
    #[must_use]
    pub fn new(config: PhoneConfig, call: Call, seed: [u8; 32]) -> Self {
        let mut tokens = Tokens::new(seed);
        let contact = config.endpoint.contact.clone();
        let own = config.from.uri.aor();
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
            chat: Chat::default(),
            beside: Beside::default(),
            contact,
            waits: config.waits,
            ringing: None,
            secret: config.secret,
            orders: Vec::new(),
            subscription: None,
            watch_at: None,
            roster: Roster::new(own),
            liveness: None,
            silent_until: None,
            outputs: VecDeque::new(),
        }
    }

    /// Registers, if there is a registrar, and calls.
    pub fn start(&mut self, now: Instant) {
        if self.state != State::Idle {
            return;
        }
        self.silent_until = Some(now + FIRST_ANSWER);
        match &mut self.registration {
            Some(registration) => {
                self.state = State::Registering;
                let change = registration.start(now, &mut self.endpoint);
                self.registration_changed(now, change);
            }
            None => self.begin(now),
        }
        self.drain(now);
    }

    /// Calls, or waits to be called.
    fn begin(&mut self, now: Instant) {
        if self.waits {
            self.silent_until = None;
            self.state = State::Waiting;
        } else {
            self.invite(now);
        }
    }

    fn invite(&mut self, now: Instant) {
        let body = Body::sdp(self.call.offer());
        let credentials = self.account.as_ref().map(|(user, pass)| Credentials::new(user, pass));
        let route = self.registration.as_ref().map(Registration::service_route);
        let route = route.unwrap_or_default().to_vec();
        let invite = Invite {
            // RFC 3608 §6.1: the way the registrar names goes before the one we were given
            target: self.target.clone().filter(|_| route.is_empty()),
            route,
            credentials,
            headers: self.proofs().into_iter().chain([direct::packages()]).collect(),
            ring_timeout: Some(RING),
            ..Invite::new(self.uri.clone(), self.from.clone(), Some(body))
        };
        match self.endpoint.invite(now, invite) {
            Ok(call) => self.state = State::Calling(call),
            Err(error) => self.close(now, Outcome::Local(error.to_string())),
        }
    }

    /// The header fields that show who we are.
    fn proofs(&self) -> Vec<(String, String)> {
        let secret = self.secret.iter();
        secret.map(|secret| (SECRET.to_owned(), secret.clone())).collect()
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
        self.decline_silently(now);
        self.outcome = Some(outcome);
        self.liveness = None;
        self.silent_until = None;
        self.watch_at = None;
        // where nobody is, nobody answers
        let nobody = matches!(self.outcome, Some(Outcome::Unreachable(_) | Outcome::Lost(_)));
        self.state = State::Closing(if nobody { now } else { now + CLOSING });
        if let Some(mut subscription) = self.subscription.take().filter(|_| !nobody) {
            subscription.end(now, &mut self.endpoint);
        }
        if let Some(call) = call {
            // no such call any more: that is how we got here
            let _gone = self.endpoint.bye(now, call, None);
        }
        self.event(Event::CallEnded);
        if let Some(registration) = &mut self.registration {
            registration.remove(now, &mut self.endpoint);
        }
    }

    /// Nobody is left to answer what rings here.
    fn decline_silently(&mut self, now: Instant) {
        if let Some(ringing) = self.ringing.take() {
            let _gone = self.endpoint.reject(now, ringing.call, 480, "", &[]);
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
        self.silent_until = None;
        self.heard(now);
        self.endpoint.handle_message(now, flow, bytes);
        self.drain(now);
    }

    /// A connection is gone.
    pub fn handle_flow_closed(&mut self, now: Instant, connection: ConnectionId) {
        self.endpoint.handle_flow_closed(now, connection);
        if let Some(registration) = &mut self.registration {
            registration.handle_flow_closed(now);
        }
        self.drain(now);
    }

    /// A message could not be sent.
    pub fn handle_send_failed(&mut self, now: Instant, id: TransmitId) {
        self.endpoint.handle_send_failed(now, id);
        self.drain(now);
    }

    /// A message was for a name that leads to these hops, best first (RFC 3263).
    pub fn handle_resolved(&mut self, now: Instant, id: TransmitId, hops: Vec<Hop>, bytes: Bytes) {
        if hops.len() > 1 {
            // a silent server is passed by only after its time (timer B or F)
            self.silent_until = None;
        }
        self.endpoint.handle_resolved(now, id, hops, bytes);
        self.drain(now);
    }

    /// Time has passed; always safe.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        if let Some(registration) = &mut self.registration {
            registration.handle_timeout(now, &mut self.endpoint);
        }
        self.watch_in_time(now);
        self.beside_in_time(now);
        self.check_liveness(now);
        if self.silent_until.is_some_and(|at| at <= now) {
            self.silent_until = None;
            self.close(now, Outcome::Unreachable("no answer at all".to_owned()));
        }
        self.drain(now);
    }

    fn check_liveness(&mut self, now: Instant) {
        let (State::Talking(call), Some(liveness)) = (self.state, &mut self.liveness) else {
            return;
        };
        match liveness.check(now) {
            Verdict::Alive => {}
            Verdict::Probe => {
                // whatever comes back, if only a refusal, is a sign of life
                let _gone = self.endpoint.request(now, call, Method::Options, &[], None);
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
        let roster = self.subscription.as_ref().and_then(Subscription::poll_timeout);
        let endpoint = self.endpoint.poll_timeout();
        let beside = self.beside_deadline();
        let all = [
            endpoint,
            registration,
            roster,
            self.watch_at,
            liveness,
            self.silent_until,
            closing,
            beside,
        ];
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

    /// What is in force about ICE, by m= line; empty when we do none.
    #[must_use]
    pub fn ice(&self) -> Vec<Option<IceTerms>> {
        self.call.ice()
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
}

#[cfg(test)]
mod tests;
