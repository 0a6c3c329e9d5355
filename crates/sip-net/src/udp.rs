//! UDP: one socket per bound address.

use crate::icmp::{self, Recent};
use crate::stun;
use crate::transports::{Incoming, Shared};
use bytes::Bytes;
use sip_stack::endpoint::TransmitId;
use sip_stack::flow::{Flow, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::Interest;
use tracing::{debug, trace};

/// Enough for some hundred messages that come while the owner is busy; the system may allow less.
const RECEIVE_BUFFER: usize = 4 << 20;

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Udp {
    pub local: SocketAddr,
    socket: UdpSocket,
    recent: Mutex<Recent>,
}

impl Udp {
    /// Binds to `address`. No SO_REUSEADDR: on Linux it would let a second process take our
    /// datagrams without either noticing.
    pub fn bind(address: SocketAddr) -> io::Result<Udp> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        icmp::report(&socket)?;
        Ok(Udp { local: socket.local_addr()?, socket, recent: Mutex::default() })
    }

    /// A second handle for the task that reads.
    pub fn reader(&self) -> io::Result<tokio::net::UdpSocket> {
        tokio::net::UdpSocket::from_std(self.socket.try_clone()?)
    }

    /// Sends a datagram. A full send buffer counts as a datagram lost on the way, which transactions
    /// expect; other errors mean that it can never get there.
    pub fn send(&self, remote: SocketAddr, id: TransmitId, bytes: &[u8]) -> io::Result<()> {
        // The first try may give the error of an earlier datagram, which is no news of this one.
        let sent = self.socket.send_to(bytes, remote);
        match sent.or_else(|_| self.socket.send_to(bytes, remote)) {
            Ok(_) => {
                trace!(%remote, bytes = bytes.len(), "sent over UDP");
                self.recent.lock().unwrap_or_else(PoisonError::into_inner).note(remote, id);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                debug!(%remote, "send buffer full: a datagram is lost");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads until the process closes. When the owner does not keep up, datagrams are lost, as they are
/// in any full buffer on the way.
pub(crate) async fn receive(shared: Arc<Shared>, index: usize, socket: tokio::net::UdpSocket) {
    let Some(udp) = shared.sockets.get(index) else { return };
    let mut closing = shared.closing.clone();
    let mut buffer = vec![0; 65_536];
    loop {
        let ready = tokio::select! {
            ready = socket.ready(Interest::READABLE | Interest::ERROR) => ready,
            _ = closing.changed() => return,
        };
        let Ok(ready) = ready else { return };
        if ready.is_error() {
            take_reports(&shared, udp, &socket).await;
        }
        if ready.is_readable() {
            take_datagrams(&shared, udp, &socket, &mut buffer);
        }
        // a flood of datagrams must not keep other tasks from running
        tokio::task::yield_now().await;
    }
}

/// Most datagrams taken in one turn.
const BATCH: usize = 64;

fn take_datagrams(shared: &Shared, udp: &Udp, socket: &tokio::net::UdpSocket, buffer: &mut [u8]) {
    for _ in 0..BATCH {
        match socket.try_recv_from(buffer) {
            Ok((n, remote)) => {
                let datagram = buffer.get(..n).unwrap_or_default();
                // CRLF and NUL keep-alives of phones behind NAT
                if datagram.iter().all(|b| b"\r\n\0 ".contains(b)) {
                    continue;
                }
                if let Some(answer) = stun::answer(datagram, remote) {
                    // a lost answer is asked for again
                    let _ = socket.try_send_to(&answer, remote);
                    continue;
                }
                trace!(%remote, bytes = n, "received over UDP");
                let (transport, local) = (Transport::Udp, udp.local);
                let flow = Flow { transport, local, remote, connection: None };
                let bytes = Bytes::copy_from_slice(datagram);
                if shared.incoming.try_send(Incoming::Message { flow, bytes }).is_err() {
                    debug!(%remote, "the owner is busy: a datagram is lost");
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // what a datagram of ours met; the report says which one
            Err(error) => debug!(%error, "reported by the network"),
        }
    }
}

/// Tells the owner which requests cannot get where they were sent.
async fn take_reports(shared: &Shared, udp: &Udp, socket: &tokio::net::UdpSocket) {
    for _ in 0..BATCH {
        match socket.try_io(Interest::ERROR, || icmp::take(socket)) {
            Ok(Some(remote)) => {
                let id = udp.recent.lock().unwrap_or_else(PoisonError::into_inner).take(remote);
                debug!(%remote, request = id.is_some(), "unreachable");
                if let Some(id) = id {
                    shared.tell(Incoming::SendFailed(id)).await;
                }
            }
            Ok(None) => {}
            Err(_) => return,
        }
    }
}
