//! The whole registrar as one value: what comes in, what goes out, and who handles which event.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mixer_control::{MixerEvent, MixerReply, MixerRequest};
use sip_stack::auth::Challenger;
use sip_stack::endpoint::{
    Alive, CallId, ClientTransactionId, Endpoint, EndpointConfig, Event, Output as StackOutput,
    Transmit, TransmitId,
};
use sip_stack::flow::{ConnectionId, Flow, Hop};
use sip_stack::message::{Host, Method, Reason};
use sip_stack::token::Tokens;

use super::accounts::Accounts;
use super::call::{Bridges, Relayed};
use super::clock::WallClock;
use super::conference::{
    ConferenceName, Deliveries, Desk, Directory, EVENTS, Gone, MsrpConnection, Rosters,
};
use super::counters::Counters;
use super::guard::{Admission, Guard};
use super::location::Location;
use super::mixer::{CommandId, MixerLink};
use super::refer::Refers;
use super::reject::Reject;
use super::settings::Settings;
use super::store::{StoreCommand, StoredBinding};

/// The bodies understood beside a session description: a list of people to invite (RFC 5366), what is
/// told of a REFER, chat, and rosters.
const ACCEPT: [&str; 6] = [
    "application/resource-lists+xml",
    "application/conference-info+xml",
    "message/cpim",
    "message/sipfrag",
    "multipart/mixed",
    "text/plain",
];

/// Something that happened outside.
#[derive(Debug)]
pub enum Input {
    /// A SIP message has arrived.
    Sip {
        /// The path it came on.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// A [`Transmit`] could not be made.
    SendFailed(TransmitId),
    /// A [`Transmit`] was for a name that leads to these hops (RFC 3263).
    Resolved {
        /// Which one.
        id: TransmitId,
        /// Servers with addresses, best first.
        hops: Vec<Hop>,
        /// The message.
        bytes: Bytes,
    },
    /// A connection is gone.
    Closed(ConnectionId),
    /// The mixer's reply to a command.
    MixerReply {
        /// Which command.
        id: CommandId,
        /// What it said.
        reply: MixerReply,
    },
    /// Something happened at the mixer; the first event after it was gone says that it is back.
    MixerEvent(MixerEvent),
    /// The mixer's event stream is gone, or could not be opened.
    MixerDown,
    /// These are the accounts from now on. Who has lost theirs is no longer registered.
    Accounts(Accounts),
    /// Bytes have come on an MSRP connection; the first ones make it known.
    Msrp {
        /// Which connection.
        connection: MsrpConnection,
        /// The bytes.
        bytes: Bytes,
    },
    /// An MSRP connection is gone.
    MsrpClosed(MsrpConnection),
    /// The process was asked to end: end all calls, take no new ones.
    Stop,
}

/// Something to be done outside.
#[derive(Debug)]
pub enum Output {
    /// Bytes to send.
    Transmit(Transmit),
    /// A command for the mixer; its reply comes back as [`Input::MixerReply`] with the same id, and
    /// there is always one.
    Mixer {
        /// Names the command.
        id: CommandId,
        /// The command.
        request: MixerRequest,
    },
    /// A connection to be closed: its peer is banned.
    Close(ConnectionId),
    /// Bytes for an MSRP connection.
    Msrp {
        /// Which connection.
        connection: MsrpConnection,
        /// The bytes.
        bytes: Bytes,
    },
    /// An MSRP connection to be closed.
    CloseMsrp(MsrpConnection),
    /// Something to be kept beyond a restart.
    Store(StoreCommand),
}

/// What a call is to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// A conference member.
    Member(ConferenceName),
    /// The incoming side of a two-party call; its own id names the call.
    Caller,
    /// An outgoing side of the two-party call of this caller.
    Callee(CallId),
    /// Somebody who wants the place of a side of the two-party call of this caller.
    Taker(CallId),
}

/// Registrar, B2BUA and conference focus without any input or output of its own.
///
/// After each `handle_*` drain [`poll_output`](Self::poll_output) until `None`; call
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) says.
#[derive(Debug)]
pub struct Registrar {
    pub(crate) settings: Settings,
    pub(crate) endpoint: Endpoint,
    pub(crate) challenger: Challenger,
    pub(crate) tokens: Tokens,
    pub(crate) clock: WallClock,
    pub(crate) guard: Guard,
    pub(crate) location: Location,
    pub(crate) directory: Directory,
    pub(crate) gone: Gone,
    pub(crate) bridges: Bridges,
    pub(crate) mixer: MixerLink,
    pub(crate) roles: BTreeMap<CallId, Role>,
    pub(crate) relayed: BTreeMap<ClientTransactionId, Relayed>,
    pub(crate) refers: Refers,
    pub(crate) deliveries: Deliveries,
    pub(crate) msrp: Desk,
    pub(crate) rosters: Rosters,
    pub(crate) counters: Counters,
    pub(crate) focus_id: String,
    /// What makes the names of the factory's conferences such that nobody can guess them.
    pub(crate) factory_seed: String,
    pub(crate) stopping: bool,
    out: VecDeque<Output>,
}

impl Registrar {
    /// A registrar with these rules. `now` is `unix` after 1970-01-01T00:00:00Z; `seed` must come
    /// from the system's generator in production.
    #[must_use]
    pub fn new(settings: Settings, now: Instant, unix: Duration, seed: [u8; 32]) -> Self {
        let mut tokens = Tokens::new(seed);
        let address = settings.listen.first().copied();
        let host = settings.advertise.clone().or(address.map(|a| Host::Ip(a.ip())));
        let host = host.unwrap_or(Host::Name("localhost".into()));
        let mut config = EndpointConfig::new(host, address.map_or(5060, |a| a.port()));
        config.user_agent = concat!("Parley/", env!("CARGO_PKG_VERSION")).to_owned();
        config.allow = [
            Method::Invite,
            Method::Ack,
            Method::Cancel,
            Method::Bye,
            Method::Options,
            Method::Prack,
            Method::Update,
            Method::Info,
            Method::Message,
            Method::Refer,
            Method::Subscribe,
            Method::Register,
        ]
        .into();
        config.supported.extend(["path".to_owned(), "outbound".to_owned()]);
        config.supported.extend(
            ["replaces", "join", "norefersub", "eventlist", "recipient-list-invite"]
                .map(str::to_owned),
        );
        config.capabilities.push(("Allow-Events".to_owned(), EVENTS.to_owned()));
        config.accept.extend(ACCEPT.map(str::to_owned));
        config.max_calls = settings.max_calls;
        let (focus_id, factory_seed) = (tokens.hex(8), tokens.hex(16));
        Registrar {
            endpoint: Endpoint::new(config, tokens.seed()),
            challenger: Challenger::new(now, &settings.realm, &settings.digest, tokens.seed()),
            clock: WallClock::new(now, unix),
            guard: Guard::new(settings.protection.clone()),
            location: Location::new(settings.max_bindings_per_account, settings.max_bindings),
            directory: Directory::new(
                settings.max_conferences,
                settings.max_conferences_per_creator,
            ),
            gone: Gone::default(),
            bridges: Bridges::default(),
            mixer: MixerLink::new(settings.mixer_timeout),
            roles: BTreeMap::new(),
            relayed: BTreeMap::new(),
            refers: Refers::default(),
            deliveries: Deliveries::default(),
            msrp: Desk::default(),
            rosters: Rosters::default(),
            counters: Counters::default(),
            focus_id,
            factory_seed,
            stopping: false,
            out: VecDeque::new(),
            settings,
            tokens,
        }
    }

    /// Our name toward the mixer, the same in every Join and in its event stream; random per start.
    #[must_use]
    pub fn focus_id(&self) -> &str {
        &self.focus_id
    }

    /// Takes back a binding of an account that was kept, before anything else happens.
    pub fn restore(&mut self, now: Instant, user: &str, binding: &StoredBinding) {
        if self.settings.accounts.contains(user) {
            let listen = &self.settings.listen;
            let ours = |address| listen.contains(&address);
            self.location.restore(now, &self.clock, user, binding, ours);
        } else {
            let bindings = Vec::new();
            let gone = StoreCommand::Bindings { user: user.to_owned(), bindings };
            self.out.push_back(Output::Store(gone));
        }
    }

    /// Takes in what happened.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Sip { flow, bytes } => self.receive(now, flow, &bytes),
            Input::SendFailed(id) => self.endpoint.handle_send_failed(now, id),
            Input::Resolved { id, hops, bytes } => {
                self.endpoint.handle_resolved(now, id, hops, bytes);
            }
            Input::Closed(connection) => {
                self.location.handle_flow_closed(connection);
                self.endpoint.handle_flow_closed(now, connection);
            }
            Input::MixerReply { id, reply } => self.on_mixer_reply(now, id, reply),
            Input::MixerEvent(event) => self.on_mixer_event(now, event),
            Input::MixerDown => self.on_mixer_down(now),
            Input::Accounts(accounts) => self.replace_accounts(accounts),
            Input::Msrp { connection, bytes } => self.on_msrp_bytes(now, connection, &bytes),
            Input::MsrpClosed(connection) => self.on_msrp_closed(now, connection),
            Input::Stop => self.stop(now),
        }
        self.drain(now);
    }

    /// A message, which is read if its source behaves.
    fn receive(&mut self, now: Instant, flow: Flow, bytes: &Bytes) {
        let is_registered = || self.location.is_known(flow.remote);
        match self.guard.admit(now, flow.remote, is_registered) {
            Admission::Read => {
                self.counters.count_request(bytes);
                self.endpoint.handle_message(now, flow, bytes);
            }
            Admission::Drop => {}
            Admission::Banned => self.out.extend(flow.connection.map(Output::Close)),
        }
    }

    /// Does what is due; always safe, also early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.guard.handle_timeout(now);
        self.location.handle_timeout(now);
        self.endpoint.handle_timeout(now);
        self.on_mixer_timeout(now);
        self.on_roster_timeout(now);
        self.on_chat_timeout(now);
        self.on_msrp_timeout(now);
        self.on_conferences_due(now);
        self.drain(now);
    }

    /// The next thing to do outside.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let all = [
            self.endpoint.poll_timeout(),
            self.guard.poll_timeout(),
            self.location.poll_timeout(),
            self.mixer.poll_timeout(),
            self.rosters.poll_timeout(),
            self.deliveries.poll_timeout(),
            self.msrp.poll_timeout(),
            self.directory.next_due().map(|(at, _)| at),
        ];
        all.into_iter().flatten().min()
    }

    /// Whether every call is over and every answer has come: nothing is lost by ending now.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.roles.is_empty() && self.endpoint.alive().unanswered == 0
    }

    /// What the SIP stack still keeps, for leak tests. After the last call it takes up to 64·T1
    /// until all is zero.
    #[must_use]
    pub fn alive(&self) -> Alive {
        self.endpoint.alive()
    }

    /// The numbers of now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            conferences: self.directory.len(),
            direct: self.directory.iter().filter(|focus| focus.path.as_str() == "direct").count(),
            running: self.directory.iter().filter(|focus| focus.present() > 0).count(),
            members: self.directory.iter().map(super::conference::Focus::present).sum(),
            members_by_state: self.directory.members_by_state(),
            calls: self.bridges.len(),
            subscriptions: self.rosters.len(),
            bindings: self.location.len(),
            guard: self.guard.numbers(),
            mixer_up: self.mixer.is_up(),
            ..self.counters.clone()
        }
    }

    /// Hands something to the shell.
    pub(crate) fn push_output(&mut self, output: Output) {
        self.out.push_back(output);
    }

    /// Hands a command to the mixer's shell.
    pub(crate) fn send_to_mixer(&mut self, id: CommandId, request: MixerRequest) {
        self.out.push_back(Output::Mixer { id, request });
    }

    /// Refuses an INVITE.
    pub(crate) fn refuse(&mut self, now: Instant, call: CallId, reject: &Reject) {
        // Fails only when the caller has just gone; then nobody waits for the answer.
        let _ = self.endpoint.reject(now, call, reject.status, "", &reject.headers);
    }

    fn replace_accounts(&mut self, accounts: Accounts) {
        let registered: Vec<String> = self.location.users().map(str::to_owned).collect();
        for user in registered.iter().filter(|user| !accounts.contains(user)) {
            tracing::info!(user, "unregistered: the account is gone");
            self.location.forget(user);
        }
        if accounts.len() != self.settings.accounts.len() {
            tracing::info!("{} account(s) now", accounts.len());
        }
        self.settings.accounts = accounts;
    }

    /// Works off what the stack has to say, until it is silent, and tells the store what follows.
    pub(crate) fn drain(&mut self, now: Instant) {
        self.hear_stack(now);
        while self.directory.has_touched() {
            while let Some(name) = self.directory.take_unconsidered() {
                self.consider_path(now, &name);
            }
            self.tell_rosters(now);
            self.hear_stack(now);
        }
        while let Some(command) = self.location.poll_changed(&self.clock) {
            self.out.push_back(Output::Store(command));
        }
    }

    fn hear_stack(&mut self, now: Instant) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                StackOutput::Transmit(transmit) => {
                    self.counters.count_response(&transmit.bytes);
                    self.out.push_back(Output::Transmit(transmit));
                }
                StackOutput::Event(event) => self.on_event(now, event),
            }
        }
    }

    fn on_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Request { transaction, request, flow } => {
                self.on_request(now, transaction, &request, &flow);
            }
            Event::IncomingCall { call, request, flow } => {
                if let Err(reject) = self.on_invite(now, call, &request, &flow) {
                    self.refuse(now, call, &reject);
                }
            }
            Event::Response { transaction, response, .. } => {
                if !response.is_provisional() {
                    self.on_own_request_done(now, transaction, Some(response));
                }
            }
            Event::RequestFailed { transaction, .. } => {
                self.on_own_request_done(now, transaction, None);
            }
            Event::Pracked { call, body } => self.on_bridge_pracked(now, call, body),
            Event::Progress { call, response } => match self.roles.get(&call) {
                Some(Role::Member(_)) => self.on_member_progress(now, call, response.status),
                _ => self.on_callee_progress(now, call, &response),
            },
            Event::Answered { call, response } => match self.roles.get(&call) {
                Some(Role::Member(_)) => self.on_member_answered(now, call, &response),
                _ => self.on_callee_answered(now, call, &response),
            },
            Event::Rejected { call, response } => match self.roles.get(&call) {
                Some(Role::Member(_)) => self.on_member_rejected(now, call, &response),
                _ => self.on_callee_rejected(now, call, &response),
            },
            Event::Refreshed { .. } => {}
            Event::Ack { call, body } => match self.roles.get(&call) {
                Some(Role::Member(_)) => self.on_member_ack(now, call, body),
                Some(_) => self.on_bridge_ack(now, call, body),
                None => {}
            },
            Event::Reinvite { call, request } => {
                let done = match self.roles.get(&call) {
                    Some(Role::Member(_)) => self.on_member_offer(now, call, &request),
                    Some(_) => self.on_bridge_offer(now, call, &request),
                    None => Err(Reject::new(481)),
                };
                if let Err(reject) = done {
                    let _ = self.endpoint.reject_reinvite(
                        now,
                        call,
                        reject.status,
                        "",
                        &reject.headers,
                    );
                }
            }
            Event::ReinviteCancelled { call } => match self.roles.get(&call) {
                Some(Role::Member(_)) => self.on_member_offer_cancelled(now, call),
                Some(_) => self.on_bridge_offer_cancelled(call),
                None => {}
            },
            Event::ReinviteAnswered { call, response } => match self.roles.get(&call) {
                Some(Role::Member(_)) => self.on_switch_answered(now, call, &response),
                _ => self.on_bridge_offer_answered(now, call, &response),
            },
            Event::ReinviteFailed { call, failure } => match self.roles.get(&call) {
                Some(Role::Member(_)) => self.on_switch_refused(now, call, &failure),
                _ => self.on_bridge_offer_failed(now, call, &failure),
            },
            Event::InDialog { call, transaction, request } => {
                self.on_in_dialog(now, call, transaction, &request);
            }
            Event::Cancelled { call, reason } => {
                self.on_call_over(now, call, "cancelled", reason);
            }
            Event::Ended { call, reason } => self.on_call_ended(now, call, reason),
        }
    }

    /// Ends every call with a BYE that says why, and refuses what waits.
    fn stop(&mut self, now: Instant) {
        self.stopping = true;
        self.end_subscriptions(now);
        let calls: Vec<CallId> = self.roles.keys().copied().collect();
        for call in calls {
            self.end_call(now, call, Reason::sip(503, "the server is shutting down"));
        }
    }
}
