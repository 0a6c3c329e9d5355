//! The UDP sockets of one conference, behind one type: how they are read and written is decided here only.
//!
//! What costs is waking up (docs/performance.md), so voices are not waited for: they are read right before the tick
//! that mixes them, with the arrival time the kernel noted. Pictures and RTCP are forwarded and answered at once; they
//! share one wake-up with the tick's timer.

mod batch;
mod errors;
mod wake;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use media_mixer::{PortId, Transmit};
use socket2::{Domain, Protocol, Socket, Type};
use tracing::debug;

use batch::{Arrived, Receiver};
use wake::Wake;

/// Datagrams read from one socket before the others get their turn.
const FAIR_SHARE: usize = 64;

/// Kernel buffer of a socket for pictures: a key frame comes in one burst. Limited by net.core.rmem_max.
const PICTURE_BUFFER: usize = 1 << 20;

/// When a socket is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attention {
    /// As soon as something is there.
    AtOnce,
    /// Before each tick.
    BeforeTick,
}

#[derive(Debug)]
struct Open {
    socket: UdpSocket,
    attention: Attention,
    number: u16,
}

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Sockets {
    wake: Wake,
    receiver: Receiver,
    open: Vec<Option<Open>>,
    outbox: Vec<Transmit>,
    ready: Vec<u32>,
    arrived: Vec<Arrived>,
    failures: Vec<Failure>,
    unsent: u64,
}

/// A packet that the network could not bring to its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Where it was sent from.
    pub(crate) port: PortId,
    /// Where it was to go.
    pub(crate) to: SocketAddr,
    /// The operating system's number of the error.
    pub(crate) error: i32,
}

/// Failures kept until they are asked for: they say the same over and over.
const FAILURES: usize = 64;

/// Reads the error queue of a socket into `failures`.
fn note_failures(open: &Open, port: PortId, failures: &mut Vec<Failure>) {
    errors::drain(open.socket.as_fd(), |to, error| {
        if failures.len() < FAILURES {
            failures.push(Failure { port, to, error });
        }
    });
}

impl Sockets {
    /// No socket yet. To be called in a tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            wake: Wake::new()?,
            receiver: Receiver::new(),
            open: Vec::new(),
            outbox: Vec::new(),
            ready: Vec::new(),
            arrived: Vec::new(),
            failures: Vec::new(),
            unsent: 0,
        })
    }

    /// Binds a port.
    pub(crate) fn bind(
        &mut self,
        address: IpAddr,
        number: u16,
        attention: Attention,
    ) -> io::Result<PortId> {
        let at = SocketAddr::new(address, number);
        let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if at.is_ipv6() {
            // IPv4 has sockets of its own: it must not come in here in disguise (RFC 3493 §5.3).
            socket.set_only_v6(true)?;
        }
        socket.bind(&at.into())?;
        if attention == Attention::AtOnce
            && let Err(error) = socket.set_recv_buffer_size(PICTURE_BUFFER)
        {
            debug!(%error, "receive buffer stays as it is");
        }
        let socket = UdpSocket::from(socket);
        batch::enable_timestamps(socket.as_fd())?;
        errors::enable(socket.as_fd(), address)?;
        let index = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
        let id = u32::try_from(index).map_err(io::Error::other)?;
        if attention == Attention::AtOnce {
            self.wake.watch(socket.as_fd(), id)?;
        }
        if index == self.open.len() {
            self.open.push(None);
        }
        self.open[index] = Some(Open { socket, attention, number });
        Ok(PortId(id))
    }

    /// The UDP port number.
    pub(crate) fn number(&self, port: PortId) -> Option<u16> {
        Some(self.open.get(port.0 as usize)?.as_ref()?.number)
    }

    /// Closes a port, after what is queued for it was sent. Returns its number.
    pub(crate) fn close(&mut self, port: PortId) -> Option<u16> {
        self.flush();
        Some(self.open.get_mut(port.0 as usize)?.take()?.number)
    }

    /// The numbers of all open ports.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u16> + '_ {
        self.open.iter().flatten().map(|open| open.number)
    }

    /// Waits until something is to be read or `deadline` is reached. Cancel safe.
    pub(crate) async fn wait(&mut self, deadline: Instant) -> io::Result<()> {
        self.wake.wait(Some(deadline)).await
    }

    /// Hands over what came to the sockets that are read at once. To be called after [`Self::wait`].
    pub(crate) fn receive_ready(&mut self, take: impl FnMut(Instant, PortId, SocketAddr, &Bytes)) {
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        if let Err(error) = self.wake.ready(&mut ready) {
            debug!(%error, "cannot ask which sockets are readable");
        }
        self.receive(ready.iter().copied(), take);
        self.ready = ready;
    }

    /// Hands over what came to the sockets that are read before each tick.
    pub(crate) fn receive_before_tick(
        &mut self,
        take: impl FnMut(Instant, PortId, SocketAddr, &Bytes),
    ) {
        let mut due = std::mem::take(&mut self.ready);
        due.clear();
        due.extend(self.open.iter().zip(0u32..).filter_map(|(open, id)| {
            open.as_ref().filter(|open| open.attention == Attention::BeforeTick).map(|_| id)
        }));
        self.receive(due.iter().copied(), take);
        self.ready = due;
    }

    fn receive(
        &mut self,
        ports: impl Iterator<Item = u32>,
        mut take: impl FnMut(Instant, PortId, SocketAddr, &Bytes),
    ) {
        let now = Instant::now();
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        for id in ports {
            let Some(Some(open)) = self.open.get(id as usize) else { continue };
            let (mut read, mut failed) = (0, 0);
            loop {
                self.arrived.clear();
                let more = match self.receiver.receive(open.socket.as_fd(), &mut self.arrived) {
                    Ok(more) => more,
                    Err(error) => {
                        // Mostly what the network says about something sent before, told once.
                        debug!(port = open.number, %error, "cannot receive");
                        note_failures(open, PortId(id), &mut self.failures);
                        failed += 1;
                        if failed > 1 {
                            break;
                        }
                        continue;
                    }
                };
                read += self.arrived.len();
                for datagram in &self.arrived {
                    take(
                        arrival(now, wall, datagram.at),
                        PortId(id),
                        datagram.from,
                        &datagram.bytes,
                    );
                }
                if !more || read >= FAIR_SHARE {
                    break;
                }
            }
        }
        self.arrived.clear();
    }

    /// Queues a datagram for [`Self::flush`].
    pub(crate) fn queue(&mut self, transmit: Transmit) {
        self.outbox.push(transmit);
    }

    /// Sends everything queued: all datagrams of one socket in one call, in order.
    pub(crate) fn flush(&mut self) {
        self.outbox.sort_by_key(|transmit| transmit.from);
        for batch in self.outbox.chunk_by(|a, b| a.from == b.from) {
            let Some(port) = batch.first().map(|transmit| transmit.from) else { continue };
            let Some(Some(open)) = self.open.get(port.0 as usize) else {
                self.unsent += batch.len() as u64;
                continue;
            };
            let failures = &mut self.failures;
            let told = || note_failures(open, port, failures);
            self.unsent += batch::send(open.socket.as_fd(), batch, told) as u64;
        }
        self.outbox.clear();
    }

    /// What the network said about datagrams sent, since it was asked last.
    pub(crate) fn failures(&mut self) -> impl Iterator<Item = Failure> + '_ {
        self.failures.drain(..)
    }

    /// Datagrams the kernel did not take.
    pub(crate) fn unsent(&self) -> u64 {
        self.unsent
    }
}

/// The kernel's wall-clock time of arrival as an [`Instant`]; without one, or when the wall clock was set meanwhile, now.
fn arrival(now: Instant, wall: Duration, at: Option<Duration>) -> Instant {
    let age = at.and_then(|at| wall.checked_sub(at)).filter(|age| *age < Duration::from_secs(1));
    age.and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use media_mixer::Datagram;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn address(sockets: &Sockets, port: PortId) -> SocketAddr {
        sockets.open[port.0 as usize].as_ref().unwrap().socket.local_addr().unwrap()
    }

    #[test]
    fn pictures_wake_and_voices_wait_for_the_tick() {
        run(async {
            let mut sockets = Sockets::new().unwrap();
            let voice = sockets.bind(HERE, 0, Attention::BeforeTick).unwrap();
            let picture = sockets.bind(HERE, 0, Attention::AtOnce).unwrap();
            for port in [voice, picture] {
                let transmit = Transmit {
                    from: picture,
                    to: address(&sockets, port),
                    datagram: Datagram::Rtcp(Bytes::from_static(b"hello")),
                };
                sockets.queue(transmit);
            }
            sockets.flush();
            assert_eq!(sockets.unsent(), 0);
            let later = Instant::now() + Duration::from_secs(5);
            sockets.wait(later).await.unwrap();
            let mut got = Vec::new();
            sockets.receive_ready(|at, port, _, bytes| {
                assert!(at <= Instant::now());
                got.push((port, bytes.clone()));
            });
            assert_eq!(got, [(picture, Bytes::from_static(b"hello"))]);
            got.clear();
            sockets.receive_before_tick(|_, port, _, bytes| got.push((port, bytes.clone())));
            assert_eq!(got, [(voice, Bytes::from_static(b"hello"))]);
        });
    }

    #[test]
    fn a_closed_port_is_free_again() {
        run(async {
            let mut sockets = Sockets::new().unwrap();
            let port = sockets.bind(HERE, 0, Attention::AtOnce).unwrap();
            let number = address(&sockets, port).port();
            assert!(sockets.bind(HERE, number, Attention::AtOnce).is_err(), "in use");
            sockets.close(port);
            let again = sockets.bind(HERE, number, Attention::AtOnce).unwrap();
            assert_eq!(again, port, "numbers stay small");
            assert_eq!(sockets.numbers().collect::<Vec<_>>(), [number]);
        });
    }

    #[test]
    fn what_the_network_says_is_told_and_costs_no_other_packet() {
        run(async {
            let mut sockets = Sockets::new().unwrap();
            let from = sockets.bind(HERE, 0, Attention::BeforeTick).unwrap();
            let good = sockets.bind(HERE, 0, Attention::AtOnce).unwrap();
            let listener = address(&sockets, good);
            let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let datagram = Datagram::Rtcp(Bytes::from_static(b"x"));
            for _ in 0..10 {
                for to in [closed, listener, listener] {
                    sockets.queue(Transmit { from, to, datagram: datagram.clone() });
                }
                sockets.flush();
            }
            sockets.receive_before_tick(|_, _, _, _| panic!("nobody answers"));
            let failures: Vec<Failure> = sockets.failures().collect();
            assert_eq!(failures.len(), 10);
            let refused = Failure { port: from, to: closed, error: libc::ECONNREFUSED };
            assert!(failures.iter().all(|failure| *failure == refused), "{failures:?}");
            assert_eq!(sockets.unsent(), 0);
            sockets.wait(Instant::now() + Duration::from_secs(5)).await.unwrap();
            let mut got = 0;
            sockets.receive_ready(|_, _, _, _| got += 1);
            assert_eq!(got, 20);
        });
    }

    #[test]
    fn a_stepped_wall_clock_does_not_step_arrivals() {
        let now = Instant::now();
        let wall = Duration::from_secs(1_000);
        assert_eq!(
            arrival(now, wall, Some(wall - Duration::from_millis(7))),
            now - Duration::from_millis(7)
        );
        assert_eq!(arrival(now, wall, Some(wall + Duration::from_secs(3600))), now);
        assert_eq!(arrival(now, wall, Some(Duration::ZERO)), now);
        assert_eq!(arrival(now, wall, None), now);
    }
}
