//! UDP: one socket per bound address.

use crate::transports::{Incoming, Shared};
use bytes::Bytes;
use sip_stack::flow::{Flow, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, trace};

/// Enough for some hundred messages that come while the owner is busy; the system may allow less.
const RECEIVE_BUFFER: usize = 4 << 20;

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Udp {
    pub local: SocketAddr,
    socket: UdpSocket,
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
        Ok(Udp { local: socket.local_addr()?, socket })
    }

    /// A second handle for the task that reads.
    pub fn reader(&self) -> io::Result<tokio::net::UdpSocket> {
        tokio::net::UdpSocket::from_std(self.socket.try_clone()?)
    }

    /// Sends a datagram. A full send buffer counts as a datagram lost on the way, which transactions
    /// expect; other errors mean that it can never get there.
    pub fn send(&self, remote: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        match self.socket.send_to(bytes, remote) {
            Ok(_) => {
                trace!(%remote, bytes = bytes.len(), "sent over UDP");
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
pub(crate) async fn receive(shared: Arc<Shared>, local: SocketAddr, socket: tokio::net::UdpSocket) {
    let mut closing = shared.closing.clone();
    let mut buffer = vec![0; 65_536];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            _ = closing.changed() => return,
        };
        match received {
            Ok((n, remote)) => {
                let datagram = buffer.get(..n).unwrap_or_default();
                // CRLF and NUL keep-alives of phones behind NAT
                if datagram.iter().all(|b| b"\r\n\0 ".contains(b)) {
                    continue;
                }
                trace!(%remote, bytes = n, "received over UDP");
                let flow = Flow { transport: Transport::Udp, local, remote, connection: None };
                let bytes = Bytes::copy_from_slice(datagram);
                if shared.incoming.try_send(Incoming::Message { flow, bytes }).is_err() {
                    debug!(%remote, "the owner is busy: a datagram is lost");
                }
            }
            Err(error) => {
                debug!(%error, "cannot receive");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
