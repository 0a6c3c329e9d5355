//! One TCP connection: reads messages until it ends, and writes what is queued.

use crate::table::Outgoing;
use crate::transports::{Incoming, Shared};
use bytes::{Bytes, BytesMut};
use sip_stack::endpoint::TransmitId;
use sip_stack::flow::{ConnectionId, Flow, Transport};
use sip_stack::framing::{Framed, FramingError, PONG, StreamFramer};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, trace};

/// Who wanted the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    ByUs,
    ByPeer,
}

/// How much is read at once.
const READ: usize = 16 * 1024;

/// How long a connection stays open for the 513 to a message that is too large, and for the peer to
/// read it: closing at once, with bytes unread, would throw the answer away (RFC 9112 §9.6 tells why).
const LAST_WORD: Duration = Duration::from_secs(1);

/// Serves an open connection until it ends, and tells the owner that it did.
pub(crate) async fn run(
    shared: Arc<Shared>,
    id: ConnectionId,
    stream: TcpStream,
    opened: Opened,
    mut queue: mpsc::Receiver<Outgoing>,
) {
    let mut pending = Pending::default();
    let end = match flow(id, &stream) {
        Ok(flow) => {
            // small messages must not wait for each other's acknowledgement
            let _ = stream.set_nodelay(true);
            let (reader, writer) = stream.into_split();
            let (heard, news) = watch::channel(());
            let quiet = shared.config.keep_alive.filter(|_| opened == Opened::ByUs);
            tokio::select! {
                end = read(&shared, flow, reader, &heard, quiet.is_some()) => end,
                end = write(&shared, writer, &mut queue, &mut pending) => end,
                end = keep_alive(&shared, id, quiet, news) => end,
            }
        }
        Err(error) => Err(error),
    };
    debug!(connection = id.0, reason = ?end.err(), "connection ended");
    finish(&shared, id, queue, pending).await;
    shared.tell(Incoming::Closed(id)).await;
}

/// What is told as lost when a connection ends (RFC 3261 §18.4).
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// What is being written.
    writing: Option<TransmitId>,
    /// Requests that were written last. Whether they still wait for an answer is for their owner to
    /// know; an answer can come by another connection only if the peer opens one.
    requests: VecDeque<TransmitId>,
}

/// The most requests of a connection that are told as lost; older ones run into their timers.
const MAX_PENDING: usize = 512;

impl Pending {
    fn written(&mut self) {
        let Some(id) = self.writing.take().filter(TransmitId::is_request) else { return };
        if self.requests.len() == MAX_PENDING {
            self.requests.pop_front();
        }
        self.requests.push_back(id);
    }
}

/// Forgets a connection and reports what it can no longer write, and what it will not be answered.
pub(crate) async fn finish(
    shared: &Shared,
    id: ConnectionId,
    mut queue: mpsc::Receiver<Outgoing>,
    pending: Pending,
) {
    shared.table().remove(id);
    queue.close();
    let mut lost: Vec<TransmitId> = pending.requests.into_iter().collect();
    lost.extend(pending.writing);
    while let Ok(message) = queue.try_recv() {
        lost.extend(message.id);
    }
    for id in lost {
        shared.tell(Incoming::SendFailed(id)).await;
    }
}

fn flow(id: ConnectionId, stream: &TcpStream) -> io::Result<Flow> {
    Ok(Flow {
        transport: Transport::Tcp,
        local: stream.local_addr()?,
        remote: stream.peer_addr()?,
        connection: Some(id),
    })
}

/// Keeps a connection open through NATs and notices when it has died (RFC 5626 §4.4.1): after `quiet`
/// without a byte from the peer, a little earlier at random, asks for one. Only a peer that has answered
/// before is taken for dead when it does not: one that knows no keep-alives never answers.
async fn keep_alive(
    shared: &Shared,
    id: ConnectionId,
    quiet: Option<Duration>,
    mut heard: watch::Receiver<()>,
) -> io::Result<()> {
    let Some(quiet) = quiet else { return std::future::pending().await };
    let mut answers = false;
    loop {
        let wait = quiet.mul_f64(rand::random_range(0.8..=1.0));
        if timeout(wait, heard.changed()).await.is_ok() {
            continue;
        }
        let ping = Outgoing { id: None, bytes: Bytes::from_static(PING) };
        let _ = shared.table().queue(id, ping);
        match timeout(shared.config.pong_timeout, heard.changed()).await {
            Ok(_) => answers = true,
            Err(error) if answers => return Err(error.into()),
            Err(_) => {}
        }
    }
}

/// A double CRLF (RFC 5626 §3.5.1).
const PING: &[u8] = b"\r\n\r\n";

async fn read(
    shared: &Shared,
    flow: Flow,
    mut reader: OwnedReadHalf,
    heard: &watch::Sender<()>,
    asks: bool,
) -> io::Result<()> {
    let Some(id) = flow.connection else { return Ok(()) };
    let mut framer = StreamFramer::new();
    let mut buffer = BytesMut::with_capacity(READ);
    // until a first whole message has come, the time is short and no trickle of bytes extends it
    let mut deadline = Instant::now() + shared.config.first_message_timeout;
    let mut proven = false;
    loop {
        buffer.clear();
        let n = timeout_at(deadline, reader.read_buf(&mut buffer)).await??;
        if n == 0 {
            return Ok(());
        }
        heard.send_replace(());
        framer.push(&buffer);
        loop {
            let framed = match framer.next() {
                Ok(Some(framed)) => framed,
                Ok(None) => break,
                Err(error) => {
                    if error == FramingError::TooLarge {
                        drain(&mut reader).await;
                    }
                    return Err(io::Error::other(error));
                }
            };
            match framed {
                Framed::Message(bytes) => {
                    trace!(%flow.remote, bytes = bytes.len(), "received over TCP");
                    if !proven {
                        proven = true;
                        shared.table().prove(id);
                    }
                    // waits for a busy owner, which in the end slows the peer down
                    shared.tell(Incoming::Message { flow, bytes }).await;
                }
                // only who opened a connection asks; what looks like it here are two answers
                Framed::Ping if asks => {}
                Framed::Ping => {
                    let pong = Outgoing { id: None, bytes: Bytes::from_static(PONG) };
                    // a peer that does not read needs no pong
                    let _ = shared.table().queue(id, pong);
                }
            }
        }
        if proven {
            deadline = Instant::now() + shared.config.idle_timeout;
        }
    }
}

/// Reads on for a moment and forgets what comes.
async fn drain(reader: &mut OwnedReadHalf) {
    let mut nowhere = vec![0; READ];
    let until_the_end = async { while reader.read(&mut nowhere).await.is_ok_and(|n| n > 0) {} };
    let _ = timeout(LAST_WORD, until_the_end).await;
}

async fn write(
    shared: &Shared,
    mut writer: OwnedWriteHalf,
    queue: &mut mpsc::Receiver<Outgoing>,
    pending: &mut Pending,
) -> io::Result<()> {
    while let Some(Outgoing { id, bytes }) = queue.recv().await {
        pending.writing = id;
        timeout(shared.config.write_timeout, writer.write_all(&bytes)).await??;
        pending.written();
    }
    // nobody can queue any more: we are closing, or the table had to make room
    writer.shutdown().await
}
