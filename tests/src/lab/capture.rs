//! What passes a host's interface: who sends what kind of packet to whom, and when.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketType, recv, socket};

use super::namespace::Host;

/// ETH_P_ALL in network order: all packets, also those that are sent.
const EVERYTHING: u32 = 0x0300;

/// What a datagram or segment begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Media (RFC 3550 §5.1).
    Rtp,
    /// Its reports (RFC 5761 §4).
    Rtcp,
    /// STUN or TURN, with the type of the message; also a check in a TURN channel.
    Stun(u16),
    /// Media in a TURN channel (RFC 8656 §12).
    Channel,
    /// DTLS (RFC 7983).
    Dtls,
    /// A SIP request, by its method.
    Request(String),
    /// A SIP response.
    Response(u16),
    /// Anything else.
    Other,
}

/// A packet that passed.
#[derive(Debug, Clone)]
pub struct Packet {
    /// When it was read; a moment after it passed.
    pub at: Instant,
    /// UDP, else TCP.
    pub udp: bool,
    /// From whom.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// What it is.
    pub kind: Kind,
    /// Octets of its payload.
    pub length: usize,
}

impl Packet {
    /// RTP or RTCP, relayed or not.
    pub fn is_media(&self) -> bool {
        self.udp && matches!(self.kind, Kind::Rtp | Kind::Rtcp | Kind::Channel)
    }

    /// STUN over UDP.
    pub fn is_stun(&self) -> bool {
        self.udp && matches!(self.kind, Kind::Stun(_))
    }

    /// A request of this method.
    pub fn is_request(&self, method: &str) -> bool {
        matches!(&self.kind, Kind::Request(name) if name == method)
    }
}

/// Looks at all IPv4 packets of a host until it is dropped. Loopback does not count.
#[derive(Debug)]
pub struct Capture {
    packets: Arc<Mutex<Vec<Packet>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Begins.
    pub fn start(host: &Host) -> Result<Self> {
        let everything = NonZeroU32::new(EVERYTHING).map(Protocol::from_raw);
        let socket = host
            .namespace
            .inside(|| socket(AddressFamily::PACKET, SocketType::DGRAM, everything))?
            .context("a packet socket needs root")?;
        set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_millis(100)))?;
        let (packets, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (into, stopped) = (Arc::clone(&packets), Arc::clone(&stop));
        let thread = std::thread::spawn(move || watch(&socket, &into, &stopped));
        Ok(Self { packets, stop, thread: Some(thread) })
    }

    /// Everything that has passed until now.
    pub fn packets(&self) -> Vec<Packet> {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What passed from `begin` until `end`.
    pub fn between(&self, begin: Instant, end: Instant) -> Vec<Packet> {
        self.packets().into_iter().filter(|packet| (begin..end).contains(&packet.at)).collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn watch(socket: &OwnedFd, packets: &Mutex<Vec<Packet>>, stop: &AtomicBool) {
    let mut buffer = [0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, _)) = recv(socket, &mut buffer[..], RecvFlags::empty()) else { continue };
        if let Some(packet) = buffer.get(..length).and_then(read) {
            packets.lock().unwrap_or_else(PoisonError::into_inner).push(packet);
        }
    }
}

/// An IPv4 packet with UDP or TCP in it, with a payload, between two hosts.
fn read(bytes: &[u8]) -> Option<Packet> {
    let first = *bytes.first()?;
    if first >> 4 != 4 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    let protocol = *bytes.get(9)?;
    let address = |at: usize| -> Option<Ipv4Addr> {
        Some(Ipv4Addr::from(*bytes.get(at..)?.first_chunk::<4>()?))
    };
    let (from, to) = (address(12)?, address(16)?);
    let inner = bytes.get(usize::from(first & 15) * 4..length)?;
    let port = |at: usize| -> Option<u16> {
        Some(u16::from_be_bytes(*inner.get(at..)?.first_chunk::<2>()?))
    };
    let payload = match protocol {
        17 => inner.get(8..)?,
        6 => inner.get(usize::from(inner.get(12)? >> 4) * 4..)?,
        _ => return None,
    };
    if payload.is_empty() || from.is_loopback() || to.is_loopback() {
        return None;
    }
    Some(Packet {
        at: Instant::now(),
        udp: protocol == 17,
        source: SocketAddrV4::new(from, port(0)?).into(),
        destination: SocketAddrV4::new(to, port(2)?).into(),
        kind: kind(payload),
        length: payload.len(),
    })
}

fn kind(payload: &[u8]) -> Kind {
    let second = payload.get(1).copied().unwrap_or_default();
    match payload[0] {
        0..=3 if payload.get(4..8) == Some(&[0x21, 0x12, 0xa4, 0x42]) => {
            Kind::Stun(u16::from_be_bytes([payload[0], second]))
        }
        20..=63 if second == 0xfe => Kind::Dtls,
        128..=191 if (192..=223).contains(&second) => Kind::Rtcp,
        128..=191 => Kind::Rtp,
        // a letter, or the number of a channel
        first => text(payload).unwrap_or_else(|| match first & 0xf0 {
            0x40 => channel(payload),
            _ => Kind::Other,
        }),
    }
}

/// What a TURN channel carries.
fn channel(payload: &[u8]) -> Kind {
    match payload.get(4) {
        Some(0..=3) => kind(&payload[4..]),
        _ => Kind::Channel,
    }
}

/// The first line of a SIP message.
fn text(payload: &[u8]) -> Option<Kind> {
    let line = payload.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
        return Some(Kind::Response(rest.split(' ').next()?.parse().ok()?));
    }
    let method = line.strip_suffix(" SIP/2.0")?.split(' ').next()?;
    Some(Kind::Request(method.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_first_octets() {
        for (payload, expected) in [
            (&b"MESSAGE sip:a@b SIP/2.0\r\n\r\n"[..], Kind::Request("MESSAGE".to_owned())),
            (b"SIP/2.0 180 Ringing\r\n", Kind::Response(180)),
            (&[0x80, 96, 0, 1], Kind::Rtp),
            (&[0x80, 200, 0, 1], Kind::Rtcp),
            (&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42], Kind::Stun(1)),
            (&[0x40, 1, 0, 0], Kind::Channel),
            (&[0x40, 1, 0, 4, 0x80, 96, 0, 1], Kind::Channel),
            (&[0x40, 1, 0, 8, 1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42], Kind::Stun(0x101)),
            (&[22, 0xfe, 0xfd], Kind::Dtls),
            (b"\r\n\r\n", Kind::Other),
        ] {
            assert_eq!(kind(payload), expected);
        }
    }
}
