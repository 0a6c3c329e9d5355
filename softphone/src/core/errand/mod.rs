//! Something short that is asked of a server outside of any call: make a conference, tell it something,
//! see which there are. One errand, one outcome.

mod create;
mod creation;
mod look;
mod order;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_stack::auth::Credentials;
use sip_stack::endpoint::{self, Endpoint, EndpointConfig, Failure, Transmit, TransmitId};
use sip_stack::flow::{ConnectionId, Flow, Hop, Target};
use sip_stack::message::{NameAddr, Request, Response, Uri};

use self::create::Creating;
use self::look::Looking;
use self::order::Ordering;
use super::order::Order;
use super::outcome::{Outcome, warning_text};

pub use self::create::Created;
pub use self::creation::{Creation, MediaPath, Visibility};

/// How long the last messages may take.
const CLOSING: Duration = Duration::from_secs(2);
/// Without any message for this long after our first request, nobody is there (as for calls).
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// As whom, by which way.
#[derive(Debug)]
pub struct ErrandConfig {
    /// Settings of the stack.
    pub endpoint: EndpointConfig,
    /// Who we are, without tag.
    pub from: NameAddr,
    /// Next hop; `None` = where the URI says.
    pub target: Option<Target>,
    /// User and password for challenges.
    pub account: Option<(String, String)>,
    /// The secret that shows that we made the conference, if we are a guest (docs/decisions/0080).
    pub secret: Option<String>,
}

/// What is asked for.
#[derive(Debug)]
pub enum Task {
    /// Make a conference.
    Create {
        /// The factory, or the conference by its name.
        uri: Uri,
        /// What it shall be like.
        creation: Box<Creation>,
        /// For our description; random, below 2^63.
        session_id: u64,
        /// Our address.
        address: IpAddr,
    },
    /// Tell a conference something.
    Order {
        /// The conference.
        conference: Uri,
        /// What.
        order: Order,
    },
    /// See what the conference event package shows (RFC 4575): of one conference, or of a list.
    Look {
        /// The conference or the list.
        uri: Uri,
        /// Go on until we are stopped.
        live: bool,
    },
}

/// Something for the shell.
#[derive(Debug)]
pub enum Output {
    /// A SIP message to send.
    Transmit(Transmit),
    /// News.
    Event(Event),
}

/// News of an errand.
#[derive(Debug)]
pub enum Event {
    /// The conference is made.
    Created(Created),
    /// How far it is, in words.
    Progress(String),
    /// A document of the conference event package; its Content-Type says whether it is one conference or a
    /// list.
    State(Box<Request>),
    /// Everything is over. Last event.
    Over(Outcome),
}

#[derive(Debug)]
enum Running {
    Create(Box<Creating>),
    Order(Box<Ordering>),
    Look(Box<Looking>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Running,
    Closing(Instant),
    Over,
}

/// What the parts of an errand share.
#[derive(Debug)]
struct Desk {
    endpoint: Endpoint,
    contact: NameAddr,
    from: NameAddr,
    target: Option<Target>,
    credentials: Option<Credentials>,
    secret: Option<String>,
    outputs: VecDeque<Output>,
    /// Set once it is known how the errand ends.
    outcome: Option<Outcome>,
}

impl Desk {
    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn over(&mut self, outcome: Outcome) {
        self.outcome.get_or_insert(outcome);
    }

    /// The header fields that show who we are.
    fn proofs(&self) -> Vec<(String, String)> {
        let secret = self.secret.iter();
        secret.map(|secret| (SECRET.to_owned(), secret.clone())).collect()
    }
}

/// The header field that carries a guest organizer's secret.
pub(super) const SECRET: &str = "Organizer-Secret";

/// One errand.
#[derive(Debug)]
pub struct Errand {
    desk: Desk,
    task: Running,
    state: State,
    silent_until: Option<Instant>,
}

impl Errand {
    /// An errand not begun. `seed` must come from the system's generator.
    #[must_use]
    pub fn new(config: ErrandConfig, task: Task, seed: [u8; 32]) -> Self {
        let mut desk = Desk {
            contact: config.endpoint.contact.clone(),
            endpoint: Endpoint::new(config.endpoint, seed),
            from: config.from,
            target: config.target,
            credentials: config.account.map(|(user, password)| Credentials::new(&user, &password)),
            secret: config.secret,
            outputs: VecDeque::new(),
            outcome: None,
        };
        let task = match task {
            Task::Create { uri, creation, session_id, address } => {
                let boundary = format!("parley-{session_id:x}");
                let body = creation.body(session_id, address, &boundary);
                Running::Create(Box::new(Creating::new(uri, creation.headers(), body)))
            }
            Task::Order { conference, order } => {
                Running::Order(Box::new(Ordering::new(conference, order)))
            }
            Task::Look { uri, live } => Running::Look(Box::new(Looking::new(&mut desk, uri, live))),
        };
        Errand { desk, task, state: State::Idle, silent_until: None }
    }

    /// Begins.
    pub fn start(&mut self, now: Instant) {
        if self.state != State::Idle {
            return;
        }
        self.state = State::Running;
        self.silent_until = Some(now + FIRST_ANSWER);
        match &mut self.task {
            Running::Create(task) => task.start(now, &mut self.desk),
            Running::Order(task) => task.start(now, &mut self.desk),
            Running::Look(task) => task.start(now, &mut self.desk),
        }
        self.drain(now);
    }

    /// Ends it before its time.
    pub fn stop(&mut self, now: Instant) {
        self.desk.over(Outcome::Left);
        self.drain(now);
    }

    /// The whole state is wanted again: something was missed.
    pub fn look_again(&mut self, now: Instant) {
        if let Running::Look(task) = &mut self.task {
            task.refresh(now, &mut self.desk);
        }
        self.drain(now);
    }

    /// One SIP message arrived.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, bytes: &Bytes) {
        self.silent_until = None;
        self.desk.endpoint.handle_message(now, flow, bytes);
        self.drain(now);
    }

    /// A connection is gone.
    pub fn handle_flow_closed(&mut self, now: Instant, connection: ConnectionId) {
        self.desk.endpoint.handle_flow_closed(now, connection);
        self.drain(now);
    }

    /// A message could not be sent.
    pub fn handle_send_failed(&mut self, now: Instant, id: TransmitId) {
        self.desk.endpoint.handle_send_failed(now, id);
        self.drain(now);
    }

    /// A message was for a name that leads to these hops, best first (RFC 3263).
    pub fn handle_resolved(&mut self, now: Instant, id: TransmitId, hops: Vec<Hop>, bytes: Bytes) {
        if hops.len() > 1 {
            // a silent server is passed by only after its time (timer B or F)
            self.silent_until = None;
        }
        self.desk.endpoint.handle_resolved(now, id, hops, bytes);
        self.drain(now);
    }

    /// Time has passed; always safe.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.desk.endpoint.handle_timeout(now);
        match &mut self.task {
            Running::Look(task) => task.handle_timeout(now, &mut self.desk),
            Running::Order(task) => task.handle_timeout(now, &mut self.desk),
            Running::Create(_) => {}
        }
        if self.silent_until.take_if(|at| *at <= now).is_some() {
            self.desk.over(Outcome::Unreachable("no answer at all".to_owned()));
        }
        self.drain(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let task = match &self.task {
            Running::Look(task) => task.poll_timeout(),
            Running::Order(task) => task.poll_timeout(),
            Running::Create(_) => None,
        };
        let closing = match self.state {
            State::Closing(at) => Some(at),
            _ => None,
        };
        let all = [self.desk.endpoint.poll_timeout(), task, self.silent_until, closing];
        all.into_iter().flatten().min()
    }

    /// The next thing to do; call until `None` after every other verb.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.desk.outputs.pop_front()
    }

    fn drain(&mut self, now: Instant) {
        loop {
            self.pump(now);
            if self.state != State::Running || self.desk.outcome.is_none() {
                break;
            }
            self.close(now);
        }
        let State::Closing(until) = self.state else { return };
        if self.desk.endpoint.alive().unanswered > 0 && now < until {
            return;
        }
        self.state = State::Over;
        if let Some(outcome) = self.desk.outcome.take() {
            self.desk.event(Event::Over(outcome));
        }
    }

    fn pump(&mut self, now: Instant) {
        while let Some(output) = self.desk.endpoint.poll_output() {
            let event = match output {
                endpoint::Output::Transmit(transmit) => {
                    self.desk.outputs.push_back(Output::Transmit(transmit));
                    continue;
                }
                endpoint::Output::Event(event) => event,
            };
            match &mut self.task {
                Running::Create(task) => task.handle(now, &mut self.desk, event),
                Running::Order(task) => task.handle(now, &mut self.desk, event),
                Running::Look(task) => task.handle(now, &mut self.desk, event),
            }
        }
    }

    fn close(&mut self, now: Instant) {
        self.silent_until = None;
        let nobody = matches!(self.desk.outcome, Some(Outcome::Unreachable(_)));
        self.state = State::Closing(if nobody { now } else { now + CLOSING });
        match &mut self.task {
            Running::Look(task) => task.end(now, &mut self.desk),
            Running::Create(task) => task.end(now, &mut self.desk),
            Running::Order(_) => {}
        }
    }
}

/// The outcome a final response to a request outside of calls stands for.
fn refused(response: &Response) -> Outcome {
    let warning = response.headers.get("Warning").and_then(warning_text);
    let retry_after = response.headers.retry_after().ok().flatten();
    Outcome::from_status(response.status, &response.reason, warning, retry_after)
}

fn unreachable(failure: Failure) -> Outcome {
    Outcome::Unreachable(match failure {
        Failure::TimedOut => "no answer at all".to_owned(),
        Failure::Transport => "nothing listens there".to_owned(),
    })
}

#[cfg(test)]
mod tests;
