//! The MSRP listener: TCP connections as bytes in and out of the core, which knows whose they are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sip_registrar::{Input, MsrpConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

/// Connections at a time; more wait until one ends.
const MAX_CONNECTIONS: usize = 1000;
/// Frames that may wait for a slow reader, each some 2 KB. Who falls behind further is cut off and gets
/// its chat by MESSAGE.
const MAX_WAITING: usize = 512;
/// Pieces of the streams that wait for the core; then reading pauses.
const MAX_READ: usize = 64;
/// How long a write may make no progress.
const STUCK: Duration = Duration::from_secs(30);

/// Something about a connection.
#[derive(Debug)]
enum News {
    Opened(MsrpConnection, mpsc::Sender<Bytes>),
    Bytes(MsrpConnection, Bytes),
    Closed(MsrpConnection),
}

/// The open connections.
#[derive(Debug)]
pub(crate) struct Msrp {
    news: mpsc::Receiver<News>,
    /// Closing a channel closes its connection, once all in it is written.
    writers: BTreeMap<MsrpConnection, mpsc::Sender<Bytes>>,
}

impl Msrp {
    /// Listens at `address`, and where that really is. A listener that cannot be had costs only MSRP:
    /// `None`, with a warning.
    pub(crate) async fn listen(address: Option<SocketAddr>) -> (Self, Option<SocketAddr>) {
        let (sender, news) = mpsc::channel(MAX_READ);
        let msrp = Msrp { news, writers: BTreeMap::new() };
        let Some(address) = address else { return (msrp, None) };
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(
                    "no chat by MSRP: cannot listen on {address} (msrp.listen): {error}"
                );
                return (msrp, None);
            }
        };
        let bound = listener.local_addr().ok();
        tokio::spawn(accept(listener, sender));
        (msrp, bound)
    }

    /// What has come; never, if nothing is listened for.
    pub(crate) async fn recv(&mut self) -> Input {
        loop {
            match self.news.recv().await {
                Some(News::Opened(connection, writer)) => {
                    self.writers.insert(connection, writer);
                    // Known from now on: who says nothing is hung up, too.
                    return Input::Msrp { connection, bytes: Bytes::new() };
                }
                Some(News::Bytes(connection, bytes)) => return Input::Msrp { connection, bytes },
                Some(News::Closed(connection)) => {
                    self.writers.remove(&connection);
                    return Input::MsrpClosed(connection);
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Sends bytes; who does not read them is cut off.
    pub(crate) fn send(&mut self, connection: MsrpConnection, bytes: Bytes) {
        let Some(writer) = self.writers.get(&connection) else { return };
        if writer.try_send(bytes).is_err() {
            tracing::debug!(?connection, "MSRP peer does not read");
            self.close(connection);
        }
    }

    /// Closes a connection after what was sent before.
    pub(crate) fn close(&mut self, connection: MsrpConnection) {
        self.writers.remove(&connection);
    }
}

async fn accept(listener: TcpListener, news: mpsc::Sender<News>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut last = 0;
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Of descriptors there are too few for a moment.
                tracing::warn!("MSRP: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        last += 1;
        let (connection, news) = (MsrpConnection(last), news.clone());
        tokio::spawn(async move {
            carry(stream, connection, &news).await;
            // Fails only when the loop has ended.
            let _ = news.send(News::Closed(connection)).await;
            drop(place);
        });
    }
}

/// Carries bytes both ways until one side is done.
async fn carry(stream: TcpStream, connection: MsrpConnection, news: &mpsc::Sender<News>) {
    let (writer, mut to_write) = mpsc::channel::<Bytes>(MAX_WAITING);
    if news.send(News::Opened(connection, writer)).await.is_err() {
        return;
    }
    let (mut read, mut write) = stream.into_split();
    let reading = async {
        loop {
            let mut buffer = BytesMut::with_capacity(16 * 1024);
            match read.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if news.send(News::Bytes(connection, buffer.freeze())).await.is_err() {
                return;
            }
        }
    };
    let writing = async {
        while let Some(bytes) = to_write.recv().await {
            let written = tokio::time::timeout(STUCK, write.write_all(&bytes)).await;
            if !matches!(written, Ok(Ok(()))) {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_go_both_ways_and_a_closed_connection_is_told() {
        let (mut msrp, bound) = Msrp::listen("127.0.0.1:0".parse().ok()).await;
        let mut peer = TcpStream::connect(bound.unwrap()).await.unwrap();
        peer.write_all(b"hello").await.unwrap();
        let Input::Msrp { bytes, .. } = msrp.recv().await else { panic!() };
        assert!(bytes.is_empty(), "it is known before it says anything");
        let Input::Msrp { connection, bytes } = msrp.recv().await else { panic!() };
        assert_eq!(&bytes[..], b"hello");
        msrp.send(connection, Bytes::from_static(b"world"));
        msrp.close(connection);
        let mut came = Vec::new();
        peer.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, b"world", "what was sent before is not lost");
        assert!(matches!(msrp.recv().await, Input::MsrpClosed(closed) if closed == connection));
    }

    #[tokio::test]
    async fn a_place_that_is_taken_costs_only_msrp() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(Msrp::listen(Some(address)).await.1, None);
        assert_eq!(Msrp::listen(None).await.1, None);
    }

    #[tokio::test]
    async fn who_does_not_read_is_cut_off() {
        let (mut msrp, bound) = Msrp::listen("127.0.0.1:0".parse().ok()).await;
        let mut peer = TcpStream::connect(bound.unwrap()).await.unwrap();
        peer.write_all(b"x").await.unwrap();
        let Input::Msrp { connection, .. } = msrp.recv().await else { panic!() };
        for _ in 0..=MAX_WAITING {
            msrp.send(connection, Bytes::from(vec![0; 64]));
        }
        assert!(msrp.writers.is_empty());
    }
}
