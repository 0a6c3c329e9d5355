//! The sockets and the clock of the TURN server.

mod command;
mod config;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use bytes::Bytes;
use media_mixer::turn::{Client, Output, RelayId, Server, Stats, Via};
use media_mixer::{Addresses, Family};
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;
use tracing::{debug, info};

use super::config::{Config, PortRange};

pub(crate) use command::{Arguments, run as print_credentials};
pub(crate) use config::Turn;

/// Datagrams read and not yet handled; what comes beyond that is lost, as it would be in the kernel.
const WAITING: usize = 1024;
/// Larger datagrams are no peer's of ours (they would not be relayed whole either).
const LARGEST: usize = 2048;
/// How often a free relay port is looked for before 508 is answered.
const TRIES: usize = 32;

enum Input {
    Client(Client, Bytes),
    Peer(RelayId, SocketAddr, Bytes),
    Stats(oneshot::Sender<Stats>),
}

/// A running server; it ends when this is dropped.
pub(crate) struct Handle {
    inbox: mpsc::Sender<Input>,
    runtime: Option<Runtime>,
}

impl Handle {
    /// Its counters.
    pub(crate) fn asker(&self) -> Asker {
        Asker(self.inbox.clone())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Asks a server for its counters.
#[derive(Clone)]
pub(crate) struct Asker(mpsc::Sender<Input>);

impl Asker {
    /// `None` when it has ended, or is flooded.
    pub(crate) async fn stats(&self) -> Option<Stats> {
        let (reply, stats) = oneshot::channel();
        self.0.try_send(Input::Stats(reply)).ok()?;
        stats.await.ok()
    }
}

/// Starts the server on a thread of its own, so that a flood of what it relays is nobody else's trouble.
pub(crate) fn start(config: &Config) -> anyhow::Result<Handle> {
    let settings = config::settings(config, &host_addresses())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("turn")
        .enable_all()
        .build()
        .context("cannot start the thread of the TURN server")?;
    let mut listeners = Vec::new();
    {
        let _inside = runtime.enter();
        for address in &config.turn.listen {
            let socket = bind(*address)
                .with_context(|| format!("turn.listen: cannot listen on {address}"))?;
            listeners.push(Arc::new(socket));
        }
    }
    let addresses = config.turn.listen.iter().map(ToString::to_string).collect::<Vec<_>>();
    let relayed = settings.relayed.iter().map(|ip| ip.to_string()).collect::<Vec<_>>();
    let ports = config.turn.relay_ports;
    info!(
        listen = %addresses.join(" and "),
        relays = %format_args!("{} UDP {}-{}", relayed.join(" and "), ports.first, ports.last),
        "STUN and TURN are served"
    );
    let (inbox, inputs) = mpsc::channel(WAITING);
    let task = Task {
        server: Server::new(Instant::now(), settings, rand::random()),
        bound: config.turn.bound()?,
        ports,
        listeners,
        relays: BTreeMap::new(),
        inbox: inbox.clone(),
    };
    runtime.spawn(task.run(inputs));
    Ok(Handle { inbox, runtime: Some(runtime) })
}

/// All addresses of this host, none of which is a stranger's business.
fn host_addresses() -> Vec<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
            v4.or_else(|| Some(IpAddr::from(address.as_sockaddr_in6()?.ip())))
        })
        .collect()
}

fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = StdSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

struct Relay {
    socket: Arc<UdpSocket>,
    reader: JoinHandle<()>,
}

struct Task {
    server: Server,
    bound: Addresses,
    ports: PortRange,
    listeners: Vec<Arc<UdpSocket>>,
    relays: BTreeMap<RelayId, Relay>,
    inbox: mpsc::Sender<Input>,
}

impl Task {
    async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        for (listener, socket) in self.listeners.iter().enumerate() {
            let inbox = self.inbox.clone();
            let wrap = move |address, bytes| Input::Client(Client { listener, address }, bytes);
            tokio::spawn(read(Arc::clone(socket), inbox, wrap));
        }
        loop {
            let due = self.server.poll_timeout();
            let input = tokio::select! {
                input = inputs.recv() => input,
                () = async { sleep_until(due.unwrap_or_else(Instant::now).into()).await }, if due.is_some() => {
                    self.server.handle_timeout(Instant::now());
                    self.drain();
                    continue;
                }
            };
            let now = Instant::now();
            match input {
                Some(Input::Client(client, bytes)) => {
                    self.server.handle_client(now, wall(), client, &bytes);
                }
                Some(Input::Peer(relay, from, bytes)) => {
                    self.server.handle_peer(now, relay, from, &bytes);
                }
                Some(Input::Stats(reply)) => {
                    reply.send(self.server.stats()).ok();
                }
                None => return,
            }
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { via, to, bytes } => {
                    let socket = match via {
                        Via::Listener(at) => self.listeners.get(at),
                        Via::Relay(relay) => self.relays.get(&relay).map(|relay| &relay.socket),
                    };
                    // A full socket loses it, as any router would; an unreachable peer is the client's business.
                    if let Some(Err(error)) = socket.map(|socket| socket.try_send_to(&bytes, to)) {
                        debug!(%to, %error, "not sent");
                    }
                }
                Output::Open { relay, family, even } => {
                    let port = self.open(relay, family, even);
                    self.server.relay_opened(Instant::now(), relay, port);
                }
                Output::Close(relay) => {
                    if let Some(relay) = self.relays.remove(&relay) {
                        relay.reader.abort();
                    }
                }
            }
        }
    }

    /// Ports are taken at random, so that nobody can guess the next one (RFC 8656 §7.2).
    fn open(&mut self, relay: RelayId, family: Family, even: bool) -> Option<u16> {
        let ip = self.bound.of(family)?;
        let PortRange { first, last } = self.ports;
        let socket = (0..TRIES).find_map(|_| {
            let port = rand::random_range(first..=last);
            let port = if even { port & !1 } else { port };
            (port >= first).then(|| bind(SocketAddr::new(ip, port)).ok()).flatten()
        })?;
        let port = socket.local_addr().ok()?.port();
        let socket = Arc::new(socket);
        let wrap = move |from, bytes| Input::Peer(relay, from, bytes);
        let reader = tokio::spawn(read(Arc::clone(&socket), self.inbox.clone(), wrap));
        self.relays.insert(relay, Relay { socket, reader });
        Some(port)
    }
}

/// Seconds since 1970, by which credentials end. A clock before that would end none.
fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |passed| passed.as_secs())
}

async fn read(
    socket: Arc<UdpSocket>,
    inbox: mpsc::Sender<Input>,
    wrap: impl Fn(SocketAddr, Bytes) -> Input,
) {
    let mut buffer = [0; LARGEST];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => {
                let Some(bytes) = buffer.get(..length).filter(|_| length < LARGEST) else {
                    continue;
                };
                let bytes = Bytes::copy_from_slice(bytes);
                if let Err(mpsc::error::TrySendError::Closed(_)) = inbox.try_send(wrap(from, bytes))
                {
                    return;
                }
            }
            // An ICMP error of an earlier send. Yield, so that a storm of them stops nobody.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
