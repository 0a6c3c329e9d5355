//! What is set once for a whole [`Endpoint`](crate::endpoint::Endpoint).

use std::time::Duration;

use crate::message::{Host, Method, NameAddr, Uri};
use crate::transaction::timers::TimerValues;

/// Settings of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Host of the sent-by in the Via of our requests: where responses come if the flow is gone.
    pub host: Host,
    /// Port of that sent-by, the same for UDP and TCP.
    pub port: u16,
    /// Contact of dialogs for which the owner gives none.
    pub contact: NameAddr,
    /// Text of `User-Agent` in requests and of `Server` in responses; empty = leave both out.
    pub user_agent: String,
    /// Methods the owner handles; goes into `Allow` (RFC 3261 §20.5). PRACK belongs to `100rel` and
    /// is handled inside.
    pub allow: Vec<Method>,
    /// Option tags understood; goes into `Supported`. A request that requires another one is
    /// answered 420 (RFC 3261 §8.2.2.3).
    pub supported: Vec<String>,
    /// Media types of bodies understood in INVITE and UPDATE; goes into `Accept`. A request with
    /// another one that it wants understood is answered 415 (RFC 3261 §8.2.3).
    pub accept: Vec<String>,
    /// Further headers put into every INVITE, 2xx to INVITE and 2xx to OPTIONS, for example
    /// `Allow-Events`.
    pub capabilities: Vec<(String, String)>,
    /// T1, T2, T4.
    pub timers: TimerValues,
    /// Session timer (RFC 4028); `None` switches it off altogether.
    pub session_timer: Option<SessionTimerConfig>,
    /// How long an incoming call may ring before it is refused with 480, and an outgoing one before
    /// it is cancelled, unless its [`Invite`](crate::endpoint::Invite) says otherwise.
    pub ring_timeout: Duration,
    /// Requests longer than this many bytes go over TCP when the target leaves the choice to us
    /// (RFC 3261 §18.1.1), and by UDP after all if TCP is refused.
    pub max_udp_request: usize,
    /// Most calls at a time; an INVITE beyond is answered 503.
    pub max_calls: usize,
    /// Most transactions at a time, ours and of peers: over UDP each is remembered for 32 s, so this
    /// is some 6000 requests a second. A request beyond is answered 503.
    pub max_transactions: usize,
    /// Most bytes held for requests of peers that wait or may be repeated; a request beyond is
    /// answered 503. Strangers fill this, so it must leave room for the rest of the process.
    pub max_transaction_bytes: usize,
}

/// Session timer settings (RFC 4028), in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimerConfig {
    /// The interval we ask for; default 1800.
    pub expires: u32,
    /// The shortest interval we accept; at least 90 by §4, default 90.
    pub min_se: u32,
}

impl Default for SessionTimerConfig {
    fn default() -> Self {
        Self { expires: 1800, min_se: 90 }
    }
}

impl EndpointConfig {
    /// Settings of an endpoint reachable at `host:port`, with the defaults of the RFCs and room for
    /// 20 000 calls.
    #[must_use]
    pub fn new(host: Host, port: u16) -> Self {
        let contact = NameAddr::new(Uri::sip(None, host.clone(), Some(port)));
        Self {
            host,
            port,
            contact,
            user_agent: "Parley".to_owned(),
            allow: vec![
                Method::Invite,
                Method::Ack,
                Method::Cancel,
                Method::Bye,
                Method::Options,
                Method::Prack,
                Method::Update,
                Method::Info,
                Method::Message,
            ],
            supported: vec!["timer".to_owned(), "100rel".to_owned()],
            accept: vec!["application/sdp".to_owned()],
            capabilities: Vec::new(),
            timers: TimerValues::default(),
            session_timer: Some(SessionTimerConfig::default()),
            ring_timeout: Duration::from_secs(180),
            max_udp_request: 1300,
            max_calls: 20_000,
            max_transactions: 200_000,
            max_transaction_bytes: 256 << 20,
        }
    }
}
