//! TCP: listening, and connecting on demand.

use crate::connection::{self, Opened};
use crate::table::{Outgoing, Queued};
use crate::throttle::Throttle;
use crate::transports::{Incoming, Shared};
use sip_stack::flow::ConnectionId;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tracing::{debug, warn};

/// Listens on `address`.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // connections of a former process in TIME_WAIT must not keep a restart from listening
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?; // so that 0.0.0.0 and [::] can stand side by side
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}

/// Accepts until the process closes.
pub(crate) async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut closing = shared.closing.clone();
    let (mut refused, mut failed) = (Throttle::default(), Throttle::default());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.changed() => return,
        };
        match accepted {
            Ok((stream, remote)) => {
                let (queue, reader) = mpsc::channel(shared.config.write_queue.max(1));
                let Some(id) = shared.table().add(remote, queue, false) else {
                    if let Some(times) = refused.note() {
                        warn!(%remote, times, "too many connections: refused");
                    }
                    continue;
                };
                debug!(%remote, connection = id.0, "accepted a connection");
                let served =
                    connection::run(Arc::clone(&shared), id, stream, Opened::ByPeer, reader);
                tokio::spawn(served);
            }
            Err(error) => {
                // out of file descriptors, most likely; spinning would not free any, but those who
                // connected and said nothing can go
                if let Some(times) = failed.note() {
                    warn!(%error, times, "cannot accept");
                }
                shared.table().make_room();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Sends on connection `id`, or on one to `remote` if that is gone. An error is to be reported for
/// the message at once; later failures report themselves.
pub(crate) fn send_on(
    shared: &Arc<Shared>,
    id: Option<ConnectionId>,
    remote: SocketAddr,
    message: Outgoing,
) -> Result<(), ()> {
    let message = match id {
        Some(id) => match shared.table().queue(id, message) {
            Queued::Yes => return Ok(()),
            Queued::Full => return Err(()),
            Queued::NoConnection(message) => message,
        },
        None => message,
    };
    send_to(shared, remote, message)
}

/// Sends on a connection to `remote` if there is one, or connects. An error as in [`send_on`].
pub(crate) fn send_to(
    shared: &Arc<Shared>,
    remote: SocketAddr,
    mut message: Outgoing,
) -> Result<(), ()> {
    let mut table = shared.table();
    if let Some(id) = table.to(remote) {
        match table.queue(id, message) {
            Queued::Yes => return Ok(()),
            Queued::Full => return Err(()),
            Queued::NoConnection(back) => message = back,
        }
    }
    let (queue, reader) = mpsc::channel(shared.config.write_queue.max(1));
    let id = table.add(remote, queue, true).ok_or(())?;
    let Queued::Yes = table.queue(id, message) else { return Err(()) };
    drop(table);
    // what else is sent there meanwhile waits in the same queue
    tokio::spawn(connect(Arc::clone(shared), id, remote, reader));
    Ok(())
}

async fn connect(
    shared: Arc<Shared>,
    id: ConnectionId,
    remote: SocketAddr,
    queue: mpsc::Receiver<Outgoing>,
) {
    let mut closing = shared.closing.clone();
    let attempt = tokio::time::timeout(shared.config.connect_timeout, TcpStream::connect(remote));
    let outcome = tokio::select! {
        outcome = attempt => outcome.map_err(io::Error::from).and_then(|connected| connected),
        _ = closing.changed() => Err(io::ErrorKind::Interrupted.into()),
    };
    match outcome {
        Ok(stream) => {
            debug!(%remote, connection = id.0, "connected");
            return connection::run(shared, id, stream, Opened::ByUs, queue).await;
        }
        Err(error) => debug!(%remote, %error, "cannot connect"),
    }
    connection::finish(&shared, id, queue, Default::default()).await;
    shared.tell(Incoming::Closed(id)).await;
}
