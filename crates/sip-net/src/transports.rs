//! All sockets of a SIP process behind one handle.

use crate::resolve::{self, Dns, Lookup};
use crate::table::{Outgoing, Table};
use crate::tcp;
use crate::udp::{self, Udp};
use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sip_stack::endpoint::{Transmit, TransmitId};
use sip_stack::flow::{ConnectionId, Flow, Hop, Target, Transport};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tracing::debug;

/// Settings of [`Transports`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Most TCP connections at a time.
    pub max_connections: usize,
    /// A connection over which nothing comes for so long is closed. More than an hour by default, so
    /// that a phone without keep-alives stays reachable from one REGISTER to the next.
    pub idle_timeout: Duration,
    /// An accepted connection must bring a whole message in this time.
    pub first_message_timeout: Duration,
    /// How long connecting to one address may take.
    pub connect_timeout: Duration,
    /// How long a peer may take to read one message.
    pub write_timeout: Duration,
    /// Most messages waiting for one connection.
    pub write_queue: usize,
    /// Most messages waiting for the owner.
    pub incoming_queue: usize,
    /// Most look-ups of names at a time.
    pub max_lookups: usize,
    /// The name servers to ask; none = those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// How long a connection that we opened may be quiet before we send a keep-alive (RFC 5626 §3.5.1).
    /// `None` = we send none, as befits a server.
    pub keep_alive: Option<Duration>,
    /// How long a peer has for the answer to a keep-alive (RFC 5626 §4.4.1 says ten seconds).
    pub pong_timeout: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            max_connections: 4096,
            idle_timeout: Duration::from_secs(65 * 60),
            first_message_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(4),
            write_timeout: Duration::from_secs(10),
            write_queue: 128,
            incoming_queue: 4096,
            max_lookups: 256,
            name_servers: Vec::new(),
            keep_alive: None,
            pong_timeout: Duration::from_secs(10),
        }
    }
}

/// Something for the owner.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// A message, whole but not parsed.
    Message {
        /// Where it came from.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// A connection is gone.
    Closed(ConnectionId),
    /// A message could not be sent.
    SendFailed(TransmitId),
    /// A message was for a name. Nothing was sent; where it can go is for the owner to choose from.
    Resolved {
        /// Which message.
        id: TransmitId,
        /// The servers of that name with addresses, best first; at least one.
        hops: Vec<Hop>,
        /// The message.
        bytes: Bytes,
    },
}

/// What all tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub config: Config,
    pub incoming: mpsc::Sender<Incoming>,
    /// Changes, or loses its sender, when all is to end.
    pub closing: watch::Receiver<bool>,
    pub sockets: Vec<Udp>,
    table: Mutex<Table>,
    lookups: Arc<Semaphore>,
    dns: Box<dyn Lookup>,
    /// Gone when every task has let go of this value; closing waits for that.
    _alive: mpsc::Sender<()>,
}

impl Shared {
    /// The connections. Held only for a moment, never across an await.
    pub fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the owner, waiting if it is busy.
    pub async fn tell(&self, news: Incoming) {
        // an error means that the owner is gone, and with it everybody who could care
        let _ = self.incoming.send(news).await;
    }

    /// The socket to reach `remote` from: of its family, and loopback for loopback if there is one.
    fn socket_for(&self, remote: SocketAddr) -> Option<&Udp> {
        let family = || self.sockets.iter().filter(|s| s.local.is_ipv4() == remote.is_ipv4());
        let near = |s: &&Udp| s.local.ip().is_loopback() == remote.ip().is_loopback();
        let any = |s: &&Udp| s.local.ip().is_unspecified();
        family().find(near).or_else(|| family().find(any)).or_else(|| family().next())
    }

    fn send_udp(
        &self,
        socket: Option<&Udp>,
        remote: SocketAddr,
        id: TransmitId,
        bytes: &[u8],
    ) -> Result<(), ()> {
        let socket = socket.ok_or(())?;
        socket.send(remote, id, bytes).map_err(|error| debug!(%remote, %error, "cannot send"))
    }

    fn send_hop(self: &Arc<Self>, id: TransmitId, hop: Hop, bytes: Bytes) -> Result<(), ()> {
        if let Some(ip) = hop.host.ip() {
            let remote = SocketAddr::new(ip, hop.port.unwrap_or(5060));
            return match hop.transport.unwrap_or(Transport::Udp) {
                Transport::Udp => self.send_udp(self.socket_for(remote), remote, id, &bytes),
                Transport::Tcp => tcp::send_to(self, remote, Outgoing { id: Some(id), bytes }),
            };
        }
        let permit = Arc::clone(&self.lookups).try_acquire_owned().map_err(drop)?;
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let mut closing = shared.closing.clone();
            let hops = tokio::select! {
                hops = shared.resolve(&hop) => hops,
                _ = closing.changed() => return,
            };
            drop(permit);
            debug!(%hop, ?hops, "resolved");
            let news = match hops.is_empty() {
                true => Incoming::SendFailed(id),
                false => Incoming::Resolved { id, hops, bytes },
            };
            shared.tell(news).await;
        });
        Ok(())
    }

    /// The servers of a hop that a socket of ours can reach.
    async fn resolve(&self, hop: &Hop) -> Vec<Hop> {
        let mut rng = StdRng::seed_from_u64(rand::random());
        let may_reach = |ip| self.socket_for(SocketAddr::new(ip, 0)).is_some();
        resolve::resolve(hop, self.dns.as_ref(), may_reach, &mut rng).await
    }
}

/// The sockets of a SIP process.
///
/// One owner sends by [`Transports::send`] and waits in [`Transports::recv`]. Nothing that a peer
/// does (reading slowly, connecting and saying nothing, sending garbage) holds up the others.
#[derive(Debug)]
pub struct Transports {
    shared: Arc<Shared>,
    incoming: mpsc::Receiver<Incoming>,
    /// Failures found while sending. Here and not in the queue, which may be full.
    failed: VecDeque<TransmitId>,
    locals: Vec<SocketAddr>,
    closing: watch::Sender<bool>,
    alive: mpsc::Receiver<()>,
}

impl Transports {
    /// Binds UDP and TCP to each of `addresses`, and starts receiving. Port 0 takes a free port that
    /// is the same for both. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// If an address cannot be bound, or the list is empty.
    pub fn bind(addresses: &[SocketAddr], config: Config) -> io::Result<Transports> {
        let bound = addresses.iter().map(|a| bind_both(*a)).collect::<io::Result<Vec<_>>>()?;
        if bound.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no address to bind"));
        }
        let (incoming, receiver) = mpsc::channel(config.incoming_queue.max(1));
        let (closing, closing_receiver) = watch::channel(false);
        let (alive, alive_receiver) = mpsc::channel(1);
        let (sockets, listeners): (Vec<Udp>, Vec<_>) = bound.into_iter().unzip();
        let locals = sockets.iter().map(|s| s.local).collect();
        let shared = Arc::new(Shared {
            table: Mutex::new(Table::new(config.max_connections)),
            lookups: Arc::new(Semaphore::new(config.max_lookups)),
            dns: Box::new(Dns::new(&config.name_servers)?),
            config,
            incoming,
            closing: closing_receiver,
            sockets,
            _alive: alive,
        });
        for (index, socket) in shared.sockets.iter().enumerate() {
            tokio::spawn(udp::receive(Arc::clone(&shared), index, socket.reader()?));
        }
        for listener in listeners {
            tokio::spawn(tcp::accept(Arc::clone(&shared), listener));
        }
        let failed = VecDeque::new();
        Ok(Transports {
            shared,
            incoming: receiver,
            failed,
            locals,
            closing,
            alive: alive_receiver,
        })
    }

    /// The bound addresses, in the order they were asked for.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.locals
    }

    /// Sends one message. Never waits: what cannot be sent now or later comes back as
    /// [`Incoming::SendFailed`].
    pub fn send(&mut self, transmit: Transmit) {
        let Transmit { id, target, bytes } = transmit;
        let shared = &self.shared;
        let sent = match target {
            Target::Flow(flow) if flow.transport == Transport::Udp => {
                let socket = shared.sockets.iter().find(|s| s.local == flow.local);
                let socket = socket.or_else(|| shared.socket_for(flow.remote));
                shared.send_udp(socket, flow.remote, id, &bytes)
            }
            Target::Flow(flow) => {
                let message = Outgoing { id: Some(id), bytes };
                tcp::send_on(shared, flow.connection, flow.remote, message)
            }
            Target::Hop(hop) => shared.send_hop(id, hop, bytes),
        };
        if sent.is_err() {
            self.failed.push_back(id);
        }
    }

    /// Closes a connection once it has written what waits for it; [`Incoming::Closed`] follows.
    pub fn close_connection(&mut self, id: ConnectionId) {
        self.shared.table().remove(id);
    }

    /// Waits for the next thing. Safe to cancel: nothing is lost.
    pub async fn recv(&mut self) -> Incoming {
        if let Some(id) = self.failed.pop_front() {
            return Incoming::SendFailed(id);
        }
        match self.incoming.recv().await {
            Some(incoming) => incoming,
            // `shared` holds a sender, so the channel cannot end before we do
            None => std::future::pending().await,
        }
    }

    /// What is there already, without waiting.
    pub fn try_recv(&mut self) -> Option<Incoming> {
        let failed = self.failed.pop_front().map(Incoming::SendFailed);
        failed.or_else(|| self.incoming.try_recv().ok())
    }

    /// Stops receiving, writes what is queued, and closes all connections; gives up after `patience`.
    pub async fn close(mut self, patience: Duration) {
        let _ = self.closing.send(true);
        self.shared.table().clear();
        self.incoming.close();
        drop(self.shared);
        let _ = tokio::time::timeout(patience, self.alive.recv()).await;
    }
}

/// UDP and TCP on one address and port.
fn bind_both(address: SocketAddr) -> io::Result<(Udp, tokio::net::TcpListener)> {
    let mut tries = 0;
    loop {
        let listener = tcp::listen(address)?;
        match Udp::bind(listener.local_addr()?) {
            Ok(udp) => return Ok((udp, listener)),
            // the free port that TCP got may be taken for UDP
            Err(_) if address.port() == 0 && tries < 20 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}
