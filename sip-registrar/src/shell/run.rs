//! The one loop: input → core → output → sleep.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use sip_net::{Incoming, Transports};
use sip_registrar::{Counters, Input, Output, Registrar};
use sip_stack::message::Host;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::shell::account;
use crate::shell::config::Config;
use crate::shell::descriptors;
use crate::shell::http::{self, Board, Numbers, Question, Services, Tokens};
use crate::shell::mixer::Mixer;
use crate::shell::msrp::Msrp;
use crate::shell::store::{AccountRow, Database, Keeper, Kept};

/// How long the last calls may take to end after SIGTERM.
const FAREWELL: Duration = Duration::from_secs(2);

/// Replies and events of the mixer that may wait for the core.
const MIXER_QUEUE: usize = 1024;

/// Messages taken in one go before timers and the mixer are looked at again.
const BATCH: usize = 64;

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(config: Config) -> anyhow::Result<()> {
    // Signalling is light: one thread spares every message two changes of thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let place = config.store.place()?;
    let lock = Database::lock(&place)?;
    let database = Database::open(&place)?;
    let accounts = account::merge(&config, &database.accounts()?)?;
    let bindings = database.bindings()?;
    let (meetings, gone) = (database.meetings()?, database.gone()?);
    tracing::info!("accounts and registrations are kept in {}", place);

    let max_connections =
        descriptors::connections(config.sip.max_connections, descriptors::raise_limit());
    let limits = sip_net::Config { max_connections, ..sip_net::Config::default() };
    let transports = Transports::bind(&config.sip.listen, limits)
        .with_context(|| format!("cannot listen on {:?} (sip.listen)", config.sip.listen))?;
    let bound = transports.local_addrs().to_vec();
    let http = TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("cannot listen on {} (http.listen)", config.http.listen))?;

    let (msrp, msrp_address) = Msrp::listen(config.msrp.address()?).await;
    let mut settings = config.settings(&bound, main_address(&bound), accounts);
    let what_to_dial = config.what_to_dial(&bound, &settings);
    settings.msrp = msrp_address;
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = Instant::now();
    let mut registrar = Registrar::new(settings, now, unix, rand::random());
    for (user, binding) in &bindings {
        registrar.restore(now, user, binding);
    }
    for (name, until) in gone {
        registrar.restore_gone(name, until);
    }
    for meeting in meetings {
        registrar.restore_meeting(now, meeting);
    }
    let (changes, accounts_changed) = mpsc::channel(1);
    let (tokens_changed, tokens) = watch::channel(database.tokens()?);
    let keeper = Keeper::start(database, lock, config.store.retention(), move |kept: Kept| {
        tokens_changed.send_replace(kept.tokens);
        // Fails only when the loop has ended.
        let _ = changes.blocking_send(kept.accounts);
    })?;

    let (inputs, from_mixer) = mpsc::channel(MIXER_QUEUE);
    let mixer = Mixer::start(
        config.mixer.address,
        registrar.focus_id().to_owned(),
        // Longer than the core waits: its own patience decides.
        Duration::from_secs(config.mixer.timeout + 1),
        inputs,
    )?;
    let (questions, from_http) = mpsc::channel(16);
    let services = Services {
        board: Board(questions),
        desk: keeper.desk(),
        mixer: mixer.clone(),
        tokens: Tokens(tokens),
        config: Arc::new(config.clone()),
    };
    tokio::spawn(http::serve(http, services));

    for address in &bound {
        tracing::info!("SIP on {address}, UDP and TCP");
    }
    if let Some(address) = msrp_address {
        tracing::info!("MSRP on {address}");
    }
    tracing::info!("live conferences, /api/v1 and /metrics on http://{}", config.http.listen);
    for line in what_to_dial {
        tracing::info!("{line}");
    }

    let Counters { bindings, conferences, .. } = registrar.counters();
    if bindings + conferences > 0 {
        tracing::info!(
            "{bindings} registration(s), {conferences} conference(s) from before the restart"
        );
    }

    let mut looping = Loop {
        config,
        registrar,
        transports,
        keeper,
        mixer,
        msrp,
        from_mixer,
        from_http,
        accounts_changed,
    };
    looping.send_outputs();
    tokio::select! {
        () = looping.run() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    looping.farewell().await;
    Ok(())
}

/// The address others reach this machine by, if an address bound to does not tell: the one that
/// packets to the outside would leave from. Nothing is sent.
fn main_address(bound: &[SocketAddr]) -> Option<Host> {
    let open = bound.iter().find(|address| address.ip().is_unspecified())?;
    let (any, outside) = if open.is_ipv4() {
        ("0.0.0.0:0", "192.0.2.1:5060")
    } else {
        ("[::]:0", "[2001:db8::1]:5060")
    };
    let socket = std::net::UdpSocket::bind(any).ok()?;
    socket.connect(outside).ok()?;
    socket.local_addr().ok().map(|address| Host::Ip(address.ip()))
}

/// The core and what feeds it.
struct Loop {
    config: Config,
    registrar: Registrar,
    transports: Transports,
    /// Before the keeper, which waits at its end for a thread that may be sending here.
    accounts_changed: mpsc::Receiver<Vec<AccountRow>>,
    keeper: Keeper,
    mixer: Mixer,
    msrp: Msrp,
    from_mixer: mpsc::Receiver<Input>,
    from_http: mpsc::Receiver<Question>,
}

impl Loop {
    /// Works for ever. Safe to cancel: inputs are handled whole, and outputs after each.
    async fn run(&mut self) {
        loop {
            self.step(None).await;
        }
    }

    /// Handles what comes next, or what is due, and sends what follows from it. Returns at `until`
    /// at the latest.
    async fn step(&mut self, until: Option<Instant>) {
        let wake = [self.registrar.poll_timeout(), until].into_iter().flatten().min();
        let now = Instant::now();
        if wake.is_some_and(|wake| wake <= now) {
            self.registrar.handle_timeout(now);
            self.send_outputs();
        }
        let wake = [self.registrar.poll_timeout(), until].into_iter().flatten().min();
        let sleep = async {
            match wake {
                Some(wake) => tokio::time::sleep_until(wake.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            incoming = self.transports.recv() => self.take_in(incoming),
            Some(input) = self.from_mixer.recv() => self.handle(input),
            input = self.msrp.recv() => self.handle(input),
            Some(question) = self.from_http.recv() => self.answer(question),
            Some(rows) = self.accounts_changed.recv() => self.take_accounts(&rows),
            () = sleep => {}
        }
    }

    /// Who asked may have gone: that is no failure.
    fn answer(&mut self, question: Question) {
        match question {
            Question::Numbers(answer) => drop(answer.send(self.numbers())),
            Question::Core(ask) => {
                ask(Instant::now(), &mut self.registrar);
                self.send_outputs();
            }
        }
    }

    fn numbers(&self) -> Numbers {
        Numbers { core: self.registrar.counters(), store: self.keeper.numbers() }
    }

    /// Another process has changed the accounts.
    fn take_accounts(&mut self, rows: &[AccountRow]) {
        match account::merge(&self.config, rows) {
            Ok(accounts) => self.handle(Input::Accounts(accounts)),
            Err(error) => tracing::error!("accounts stay as they were: {error:#}"),
        }
    }

    /// Handles a message, and those that wait behind it.
    fn take_in(&mut self, first: Incoming) {
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(incoming) = next else { break };
            self.handle(match incoming {
                Incoming::Message { flow, bytes } => Input::Sip { flow, bytes },
                Incoming::Closed(connection) => Input::Closed(connection),
                Incoming::SendFailed(id) => Input::SendFailed(id),
                Incoming::Resolved { id, hops, bytes } => Input::Resolved { id, hops, bytes },
            });
            next = self.transports.try_recv();
        }
    }

    fn handle(&mut self, input: Input) {
        self.registrar.handle_input(Instant::now(), input);
        self.send_outputs();
    }

    fn send_outputs(&mut self) {
        while let Some(output) = self.registrar.poll_output() {
            match output {
                Output::Transmit(transmit) => self.transports.send(transmit),
                Output::Mixer { id, request } => self.mixer.send(id, request),
                Output::Close(connection) => self.transports.close_connection(connection),
                Output::Store(command) => self.keeper.keep(command),
                Output::Msrp { connection, bytes } => self.msrp.send(connection, bytes),
                Output::CloseMsrp(connection) => self.msrp.close(connection),
            }
        }
    }

    /// Ends all calls and waits a moment for the answers.
    async fn farewell(mut self) {
        let end = Instant::now() + FAREWELL;
        self.handle(Input::Stop);
        while !self.registrar.is_idle() && Instant::now() < end {
            self.step(Some(end)).await;
        }
        tracing::info!("bye");
        self.transports.close(Duration::from_millis(200)).await;
    }
}
