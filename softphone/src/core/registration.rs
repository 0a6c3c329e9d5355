//! Our binding at a registrar: made, refreshed, taken back (RFC 3261 §10.2).

use std::time::{Duration, Instant};

use sip_stack::auth::Credentials;
use sip_stack::endpoint::{ClientTransactionId, Endpoint};
use sip_stack::flow::Target;
use sip_stack::message::{CSeq, Method, NameAddr, Request, Response, Uri};
use sip_stack::token::Tokens;

use super::outcome::Outcome;

/// Seconds we ask a binding to last.
const EXPIRES: u32 = 600;
/// A refresh that failed is tried again after this.
const RETRY: Duration = Duration::from_secs(30);
/// Challenges, redirections of the interval and the like in one go; more are a loop.
const MAX_ATTEMPTS: u8 = 4;

/// Where to register, as whom.
#[derive(Debug)]
pub struct RegistrarConfig {
    /// Request URI: the registrar's domain, without a user.
    pub uri: Uri,
    /// Where to send it.
    pub target: Target,
    /// Our address of record.
    pub aor: NameAddr,
    /// Where we are.
    pub contact: NameAddr,
    /// Account, if one is needed.
    pub credentials: Option<Credentials>,
}

/// What happened to the binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The first registration succeeded.
    Registered,
    /// The first registration failed.
    Failed(Outcome),
    /// The binding is gone, or at least our request for that is answered.
    Removed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// The first REGISTER is under way.
    Registering,
    Registered,
    Removing,
}

/// One binding.
#[derive(Debug)]
pub struct Registration {
    config: RegistrarConfig,
    tokens: Tokens,
    state: State,
    /// What was sent last; all REGISTERs share Call-ID and count CSeq (§10.2.4).
    request: Option<Request>,
    transaction: Option<ClientTransactionId>,
    expires: u32,
    attempts: u8,
    refresh_at: Option<Instant>,
    /// By which proxies our requests go, says the registrar (RFC 3608).
    service_route: Vec<NameAddr>,
}

impl Registration {
    /// Nothing sent yet.
    #[must_use]
    pub fn new(config: RegistrarConfig, tokens: Tokens) -> Self {
        Self {
            config,
            tokens,
            state: State::Idle,
            request: None,
            transaction: None,
            expires: EXPIRES,
            attempts: 0,
            refresh_at: None,
            service_route: Vec::new(),
        }
    }

    /// By which proxies our requests go; empty = the registrar does not say.
    #[must_use]
    pub fn service_route(&self) -> &[NameAddr] {
        &self.service_route
    }

    /// A connection is gone. If the binding may lead to it nobody can call us any more, so that it is
    /// made anew (RFC 5626 §4.5).
    pub fn handle_flow_closed(&mut self, now: Instant) {
        if self.state == State::Registered && self.transaction.is_none() {
            self.refresh_at = Some(now);
        }
    }

    /// Whether a binding is there.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.state == State::Registered
    }

    /// Registers for the first time.
    pub fn start(&mut self, now: Instant, endpoint: &mut Endpoint) -> Option<Change> {
        self.state = State::Registering;
        self.register(now, endpoint, self.expires)
    }

    /// Takes the binding back; without one this is done at once.
    pub fn remove(&mut self, now: Instant, endpoint: &mut Endpoint) -> Option<Change> {
        self.refresh_at = None;
        if self.state != State::Registered {
            self.state = State::Idle;
            return Some(Change::Removed);
        }
        self.state = State::Removing;
        self.register(now, endpoint, 0)
    }

    /// Refreshes when it is time.
    pub fn handle_timeout(&mut self, now: Instant, endpoint: &mut Endpoint) {
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_at = None;
            self.register(now, endpoint, self.expires);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.refresh_at
    }

    fn register(&mut self, now: Instant, endpoint: &mut Endpoint, expires: u32) -> Option<Change> {
        self.attempts = 0;
        let mut request = self.request.take().unwrap_or_else(|| {
            let aor = &self.config.aor;
            endpoint.new_request(
                Method::Register,
                self.config.uri.clone(),
                aor.clone(),
                NameAddr::new(aor.uri.clone()),
            )
        });
        let contact = self.config.contact.clone().with_param("expires", &expires.to_string());
        request.headers.insert("Contact", contact);
        if let Some(credentials) = &mut self.config.credentials {
            credentials.authorize(&mut request, &mut self.tokens);
        }
        self.send(now, endpoint, request)
    }

    fn send(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        mut request: Request,
    ) -> Option<Change> {
        self.attempts += 1;
        request.headers.remove("Via");
        if let Ok(cseq) = request.headers.cseq() {
            request.headers.insert("CSeq", CSeq { number: cseq.number + 1, ..cseq });
        }
        self.request = Some(request.clone());
        match endpoint.send_request(now, request, self.config.target.clone()) {
            Ok(transaction) => {
                self.transaction = Some(transaction);
                None
            }
            Err(error) => self.failed(now, Outcome::Local(error.to_string())),
        }
    }

    /// A response came; `None` also when it is to a request that is not ours.
    pub fn handle_response(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        transaction: ClientTransactionId,
        response: &Response,
    ) -> Option<Change> {
        if self.transaction != Some(transaction) || response.is_provisional() {
            return None;
        }
        self.transaction = None;
        match response.status {
            200..=299 => self.succeeded(now, response),
            401 | 407 if self.attempts < MAX_ATTEMPTS => self.answer(now, endpoint, response),
            423 if self.attempts < MAX_ATTEMPTS => {
                let least = response.headers.min_expires().ok().flatten().unwrap_or(3600);
                self.expires = self.expires.max(least);
                let attempts = self.attempts;
                let change = self.register(now, endpoint, self.expires);
                self.attempts += attempts;
                change
            }
            _ => self.failed(now, refused(response)),
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        response: &Response,
    ) -> Option<Change> {
        let mut request = self.request.take()?;
        let answered = self.config.credentials.as_mut().is_some_and(|credentials| {
            credentials.answer(response, &mut request, &mut self.tokens).is_ok()
        });
        if answered {
            return self.send(now, endpoint, request);
        }
        self.request = Some(request);
        self.failed(now, refused(response))
    }

    fn succeeded(&mut self, now: Instant, response: &Response) -> Option<Change> {
        match self.state {
            State::Removing => {
                self.state = State::Idle;
                Some(Change::Removed)
            }
            State::Registering | State::Registered => {
                let granted = self.granted(response);
                self.service_route = service_route(response);
                // early enough for a retry, and not all clients in the same second as their expiry
                self.refresh_at =
                    Some(now + Duration::from_secs(u64::from(granted.max(4)) * 3 / 4));
                let first = self.state == State::Registering;
                self.state = State::Registered;
                first.then_some(Change::Registered)
            }
            State::Idle => None,
        }
    }

    /// Seconds granted: `expires` of our Contact, else Expires, else what we asked (§10.2.4).
    fn granted(&self, response: &Response) -> u32 {
        let ours = &self.config.contact.uri;
        let contacts = response.headers.contacts().unwrap_or_default();
        let own = contacts.iter().find(|contact| contact.uri.is_equivalent(ours));
        let stated = own.and_then(|contact| contact.params.get("expires")?.parse().ok());
        stated.or_else(|| response.headers.expires().ok().flatten()).unwrap_or(self.expires)
    }

    /// A request got no response at all.
    pub fn handle_failure(
        &mut self,
        now: Instant,
        transaction: ClientTransactionId,
        outcome: Outcome,
    ) -> Option<Change> {
        if self.transaction != Some(transaction) {
            return None;
        }
        self.transaction = None;
        self.failed(now, outcome)
    }

    fn failed(&mut self, now: Instant, outcome: Outcome) -> Option<Change> {
        match self.state {
            State::Registering => {
                self.state = State::Idle;
                Some(Change::Failed(outcome))
            }
            State::Removing => {
                self.state = State::Idle;
                Some(Change::Removed)
            }
            State::Registered => {
                self.refresh_at = Some(now + RETRY);
                None
            }
            State::Idle => None,
        }
    }
}

/// RFC 3608 §5: the whole route as it stands, or none if one of it cannot be read; half a way leads
/// nowhere.
fn service_route(response: &Response) -> Vec<NameAddr> {
    let values = response.headers.get_all("Service-Route").take(MAX_ROUTES);
    values.map(NameAddr::parse).collect::<Option<_>>().unwrap_or_default()
}

/// More proxies than any network has in a row.
const MAX_ROUTES: usize = 16;

fn refused(response: &Response) -> Outcome {
    let retry_after = response.headers.retry_after().ok().flatten();
    Outcome::from_status(response.status, &response.reason, None, retry_after)
}
