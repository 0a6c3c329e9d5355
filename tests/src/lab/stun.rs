//! A socket in the laboratory, and the one question that tells what a NAT does.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::namespace::Host;

/// A UDP socket of a host, at any port. Reading waits for a second.
pub fn udp(host: &Host) -> Result<UdpSocket> {
    let ip = host.ip;
    let socket = host.namespace.inside(|| UdpSocket::bind((ip, 0)))??;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    Ok(socket)
}

/// As whom the server at `server` sees this socket (RFC 8489 §3).
pub fn binding(socket: &UdpSocket, server: SocketAddr) -> Result<SocketAddr> {
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    let port = server.port().to_be_bytes();
    let request = [&[0, 1, 0, 0][..], &COOKIE, b"laboratory", &port].concat();
    for _ in 0..3 {
        socket.send_to(&request, server)?;
        let mut buffer = [0; 512];
        let Ok((length, _)) = socket.recv_from(&mut buffer) else { continue };
        let answer = &buffer[..length];
        if answer.len() < 32 || answer[..2] != [1, 1] || answer[4..20] != request[4..20] {
            bail!("no answer to a Binding request: {answer:02x?}");
        }
        let value = answer[20..]
            .strip_prefix(&[0, 0x20, 0, 8, 0, 1])
            .context("no IPv4 XOR-MAPPED-ADDRESS first")?;
        let port = u16::from_be_bytes([value[0] ^ COOKIE[0], value[1] ^ COOKIE[1]]);
        let octets: [u8; 4] = std::array::from_fn(|at| value[2 + at] ^ COOKIE[at]);
        return Ok(SocketAddr::new(IpAddr::from(octets), port));
    }
    bail!("{server} does not answer Binding requests")
}
