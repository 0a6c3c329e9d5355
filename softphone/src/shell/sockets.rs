//! The RTP ports of a call.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};
use std::sync::Arc;

use bytes::Bytes;
use sdp::negotiate::LocalTransport;
use softphone::core::call::LocalPorts;
use softphone::media::line::{Channel, Datagram};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::network::Input;

/// Tries to find two neighbouring free ports.
const TRIES: usize = 64;
/// Larger than any datagram we or a mixer send.
const MAX_DATAGRAM: usize = 2048;

/// RTP and RTCP port of one line, an even one and the next (RFC 3550 §11).
struct Pair {
    rtp: StdSocket,
    rtcp: StdSocket,
}

/// Ports that are taken but not read from yet.
pub struct BoundPorts {
    pairs: Vec<Pair>,
}

impl BoundPorts {
    /// Takes a pair for audio and one for each video slot.
    pub fn bind(address: IpAddr, slots: usize) -> io::Result<Self> {
        let pairs = (0..=slots).map(|_| pair(address)).collect::<io::Result<_>>()?;
        Ok(Self { pairs })
    }

    /// As the offer shall tell them.
    pub fn local(&self) -> io::Result<LocalPorts> {
        let mut all = Vec::new();
        for pair in &self.pairs {
            all.push(LocalTransport::pair(pair.rtp.local_addr()?));
        }
        let video = all.split_off(1);
        let audio = all.pop().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(LocalPorts { audio, video })
    }

    /// All ports: line, which of its two, address.
    pub fn all(&self) -> io::Result<Vec<(usize, Channel, SocketAddr)>> {
        let mut all = Vec::new();
        for (line, pair) in self.pairs.iter().enumerate() {
            all.push((line, Channel::Rtp, pair.rtp.local_addr()?));
            all.push((line, Channel::Rtcp, pair.rtcp.local_addr()?));
        }
        Ok(all)
    }

    fn socket(&self, line: usize, channel: Channel) -> Option<&StdSocket> {
        let pair = self.pairs.get(line)?;
        Some(match channel {
            Channel::Rtp => &pair.rtp,
            Channel::Rtcp => &pair.rtcp,
        })
    }

    /// Sends before the call, at once or not at all.
    pub fn try_send(
        &self,
        line: usize,
        channel: Channel,
        bytes: &[u8],
        to: SocketAddr,
    ) -> io::Result<usize> {
        let socket = self.socket(line, channel).ok_or(io::ErrorKind::NotFound)?;
        socket.send_to(bytes, to)
    }

    /// What has come before the call.
    pub fn try_receive(&self, line: usize, channel: Channel) -> Option<(SocketAddr, Bytes)> {
        let mut buffer = [0; MAX_DATAGRAM];
        let (length, from) = self.socket(line, channel)?.recv_from(&mut buffer).ok()?;
        Some((from, Bytes::copy_from_slice(buffer.get(..length)?)))
    }

    /// Starts reading; what arrives goes to `out`.
    pub fn listen(self, out: &mpsc::Sender<Input>) -> io::Result<MediaSockets> {
        let mut sockets = Vec::new();
        for (line, pair) in self.pairs.into_iter().enumerate() {
            let rtp = Arc::new(UdpSocket::from_std(pair.rtp)?);
            let rtcp = Arc::new(UdpSocket::from_std(pair.rtcp)?);
            for (channel, socket) in [(Channel::Rtp, &rtp), (Channel::Rtcp, &rtcp)] {
                tokio::spawn(read(line, channel, socket.clone(), out.clone()));
            }
            sockets.push([rtp, rtcp]);
        }
        Ok(MediaSockets { sockets })
    }
}

/// The ports of the running call.
pub struct MediaSockets {
    sockets: Vec<[Arc<UdpSocket>; 2]>,
}

impl MediaSockets {
    /// Sends at once or not at all: media is not worth waiting for.
    pub fn send(&self, datagram: &Datagram) {
        self.send_from(datagram.line, datagram.from, datagram.to, &datagram.bytes);
    }

    /// The same with its parts.
    pub fn send_from(&self, line: usize, from: Channel, to: SocketAddr, bytes: &[u8]) {
        let Some([rtp, rtcp]) = self.sockets.get(line) else { return };
        let socket = match from {
            Channel::Rtp => rtp,
            Channel::Rtcp => rtcp,
        };
        if let Err(error) = socket.try_send_to(bytes, to) {
            tracing::trace!(%error, %to, "a packet was not sent");
        }
    }
}

async fn read(line: usize, channel: Channel, socket: Arc<UdpSocket>, out: mpsc::Sender<Input>) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => {
                let bytes = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
                if out.send(Input::Datagram { line, channel, from, bytes }).await.is_err() {
                    return;
                }
            }
            // ICMP says that the peer does not listen (yet)
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => {
                tracing::warn!(%error, line, "a media port failed");
                return;
            }
        }
    }
}

fn pair(address: IpAddr) -> io::Result<Pair> {
    for _ in 0..TRIES {
        let first = bind(address, 0)?;
        let port = first.local_addr()?.port();
        let (even, odd) = (port & !1, port | 1);
        let other = if port == even { odd } else { even };
        if let Ok(second) = bind(address, other) {
            let (rtp, rtcp) = if port == even { (first, second) } else { (second, first) };
            return Ok(Pair { rtp, rtcp });
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no two neighbouring UDP ports are free"))
}

fn bind(address: IpAddr, port: u16) -> io::Result<StdSocket> {
    let socket = StdSocket::bind(SocketAddr::new(address, port))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn every_line_has_an_even_port_and_the_next() {
        let ports = BoundPorts::bind(Ipv4Addr::LOCALHOST.into(), 3).unwrap().local().unwrap();
        assert_eq!(ports.video.len(), 3);
        for line in ports.video.iter().chain([&ports.audio]) {
            assert_eq!(line.rtp.port() % 2, 0);
            assert_eq!(line.rtcp.port(), line.rtp.port() + 1);
        }
    }
}
