//! A subscription to the conference event package (RFC 6665, RFC 4575): of one conference, or of a list
//! of them (RFC 4662).

use std::time::{Duration, Instant};

use sip_stack::auth::Credentials;
use sip_stack::dialog::{self, Subscriber};
use sip_stack::endpoint::{ClientTransactionId, Endpoint, Failure, ServerTransactionId};
use sip_stack::flow::{Flow, Target};
use sip_stack::message::{Method, NameAddr, Request, Response, Uri};

use super::exchange::Exchange;

/// Seconds asked for. The package's own default is 3600 (RFC 4575 §3.4); a shorter one finds out sooner
/// that the server has forgotten us.
const EXPIRES: u32 = 600;
/// A subscription that was lost is made anew after this.
const RETRY: Duration = Duration::from_secs(5);
/// How often in a row that is tried.
const MAX_RETRIES: u8 = 5;

/// What to subscribe to, as whom.
#[derive(Debug)]
pub struct SubscriptionConfig {
    /// The conference, or the list.
    pub uri: Uri,
    /// Who we are, without tag.
    pub from: NameAddr,
    /// Where we are.
    pub contact: NameAddr,
    /// Next hop; `None` = where the URI says.
    pub target: Option<Target>,
    /// For challenges.
    pub credentials: Option<Credentials>,
    /// Further header fields of every SUBSCRIBE, Accept among them.
    pub headers: Vec<(String, String)>,
    /// `false`: a single look, Expires 0 (RFC 6665 §4.4.3).
    pub live: bool,
}

/// What a subscription has to tell.
#[derive(Debug)]
pub enum Notice {
    /// A NOTIFY with a body.
    State(Box<Request>),
    /// It is over, and was meant to be: the resource is gone (`noresource`), or we had asked for one look.
    Over {
        /// The `reason` of Subscription-State.
        reason: Option<String>,
    },
    /// The server refuses it.
    Refused(Box<Response>),
    /// No answer.
    Failed(Failure),
    /// The stack has no room for it.
    Local(String),
}

/// One subscription.
#[derive(Debug)]
pub struct Subscription {
    config: SubscriptionConfig,
    exchange: Option<Exchange>,
    dialog: Option<Subscriber>,
    refresh_at: Option<Instant>,
    /// Ask for everything again when the exchange that runs is over.
    again: bool,
    retries: u8,
    over: bool,
}

impl Subscription {
    /// Nothing sent yet.
    #[must_use]
    pub fn new(config: SubscriptionConfig) -> Self {
        Subscription {
            config,
            exchange: None,
            dialog: None,
            refresh_at: None,
            again: false,
            retries: 0,
            over: false,
        }
    }

    /// Subscribes.
    pub fn start(&mut self, now: Instant, endpoint: &mut Endpoint) -> Option<Notice> {
        self.subscribe(now, endpoint, if self.config.live { EXPIRES } else { 0 })
    }

    /// Asks for the whole state again: a document was missed.
    pub fn refresh(&mut self, now: Instant, endpoint: &mut Endpoint) -> Option<Notice> {
        if self.exchange.is_some() {
            self.again = true;
            return None;
        }
        self.start(now, endpoint)
    }

    /// Ends it; what comes after is not told any more.
    pub fn end(&mut self, now: Instant, endpoint: &mut Endpoint) {
        self.refresh_at = None;
        let running = self.dialog.is_some() && !self.over && self.config.live;
        self.over = true;
        if running {
            self.subscribe(now, endpoint, 0);
        }
    }

    fn subscribe(&mut self, now: Instant, endpoint: &mut Endpoint, expires: u32) -> Option<Notice> {
        self.refresh_at = None;
        let (mut request, target) = match &mut self.dialog {
            Some(dialog) => (dialog.subscribe(), dialog.target()),
            None => {
                let SubscriptionConfig { uri, from, target, .. } = &self.config;
                let to = NameAddr::new(uri.clone());
                let request =
                    endpoint.new_request(Method::Subscribe, uri.clone(), from.clone(), to);
                let target = target.clone().unwrap_or_else(|| Endpoint::target_of(uri));
                (request, target)
            }
        };
        let headers = &mut request.headers;
        headers.push("Event", "conference");
        headers.push("Expires", expires);
        headers.push("Contact", &self.config.contact);
        for (name, value) in &self.config.headers {
            headers.push(name, value);
        }
        match Exchange::send(now, endpoint, request, target) {
            Ok(exchange) => {
                self.exchange = Some(exchange);
                None
            }
            Err(error) => Some(Notice::Local(error.to_string())),
        }
    }

    /// A response came; `None` also when it is to a request that is not ours.
    pub fn handle_response(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        transaction: ClientTransactionId,
        response: &Response,
    ) -> Option<Notice> {
        let exchange = self.exchange.as_mut().filter(|exchange| exchange.is(transaction))?;
        let credentials = self.config.credentials.as_mut();
        if !exchange.handle_response(now, endpoint, credentials, response) {
            return None;
        }
        let exchange = self.exchange.take()?;
        if let (Some(dialog), Ok(cseq)) = (&mut self.dialog, exchange.request().headers.cseq()) {
            dialog.used_sequence(cseq.number);
        }
        match response.status {
            _ if self.over => None,
            200..=299 => {
                self.retries = 0;
                self.granted(now, endpoint, &exchange, response)
            }
            // the server has forgotten it (RFC 6665 §4.1.2.2)
            481 if self.dialog.take().is_some() => self.start(now, endpoint),
            _ if self.dialog.is_some() => {
                self.lost(now, Notice::Refused(Box::new(response.clone())))
            }
            _ => {
                self.over = true;
                Some(Notice::Refused(Box::new(response.clone())))
            }
        }
    }

    fn granted(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        exchange: &Exchange,
        response: &Response,
    ) -> Option<Notice> {
        if self.dialog.is_none() {
            self.dialog = Subscriber::new(exchange.request(), response);
        }
        if self.config.live {
            let granted = response.headers.expires().ok().flatten().unwrap_or(EXPIRES);
            // early enough for a retry
            self.refresh_at = Some(now + Duration::from_secs(u64::from(granted.max(4)) * 3 / 4));
        }
        match std::mem::take(&mut self.again) {
            true => self.start(now, endpoint),
            false => None,
        }
    }

    /// The subscription does not hold any more. It is made anew a few times.
    fn lost(&mut self, now: Instant, notice: Notice) -> Option<Notice> {
        self.dialog = None;
        if !self.config.live || self.retries >= MAX_RETRIES {
            self.over = true;
            return Some(notice);
        }
        self.retries += 1;
        self.refresh_at = Some(now + RETRY);
        None
    }

    /// A request got no response at all.
    pub fn handle_failure(
        &mut self,
        now: Instant,
        transaction: ClientTransactionId,
        failure: Failure,
    ) -> Option<Notice> {
        self.exchange.take_if(|exchange| exchange.is(transaction))?;
        match self.dialog {
            _ if self.over => None,
            Some(_) => self.lost(now, Notice::Failed(failure)),
            None => {
                self.over = true;
                Some(Notice::Failed(failure))
            }
        }
    }

    /// A NOTIFY came. `None`: it is of another subscription and has not been answered.
    pub fn handle_notify(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        transaction: ServerTransactionId,
        request: &Request,
        flow: Flow,
    ) -> Option<Vec<Notice>> {
        let order = match &mut self.dialog {
            Some(dialog) => dialog.take(request, flow)?,
            // it may overtake the answer to the SUBSCRIBE (RFC 6665 §4.1.2.4)
            None => self.overtakes(request)?,
        };
        if order == dialog::Order::Late {
            let _gone = endpoint.respond_status(now, transaction, 500, "");
            return Some(Vec::new());
        }
        let _gone = endpoint.respond_status(now, transaction, 200, "");
        if self.over {
            return Some(Vec::new());
        }
        let mut notices = Vec::new();
        if !request.body.is_empty() {
            notices.push(Notice::State(Box::new(request.clone())));
        }
        let state = request.headers.subscription_state().ok().flatten();
        if let Some(state) = state.filter(|state| state.is("terminated")) {
            let reason = state.params.get("reason").map(str::to_owned);
            notices.extend(self.terminated(now, reason));
        }
        Some(notices)
    }

    fn overtakes(&self, notify: &Request) -> Option<dialog::Order> {
        let ours = &self.exchange.as_ref()?.request().headers;
        let headers = &notify.headers;
        let same_call = headers.call_id().ok()? == ours.call_id().ok()?;
        let same_tag = headers.to().ok()?.tag() == ours.from().ok()?.tag();
        (same_call && same_tag).then_some(dialog::Order::Next)
    }

    /// What a reason asks for (RFC 6665 §4.1.3).
    fn terminated(&mut self, now: Instant, reason: Option<String>) -> Option<Notice> {
        let again = matches!(reason.as_deref(), Some("deactivated" | "probation" | "timeout"));
        if again {
            return self.lost(now, Notice::Over { reason });
        }
        self.over = true;
        self.refresh_at = None;
        Some(Notice::Over { reason })
    }

    /// Refreshes when it is time.
    pub fn handle_timeout(&mut self, now: Instant, endpoint: &mut Endpoint) -> Option<Notice> {
        self.refresh_at.take_if(|at| *at <= now)?;
        self.start(now, endpoint)
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.refresh_at
    }
}
