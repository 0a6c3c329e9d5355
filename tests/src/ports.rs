//! Ports of 127.0.0.1 that nobody uses.

use std::net::{TcpListener, UdpSocket};

use anyhow::{Result, bail};

/// A port that is free for both UDP and TCP, as is the one after it. Ports are handed out from 21 000
/// down, below the ephemeral range, so that no outgoing connection takes one meanwhile.
pub fn free() -> Result<u16> {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 12_000 + u16::try_from(std::process::id() % 400)? * 20;
    for _ in 0..2000 {
        let step = NEXT.fetch_add(2, Ordering::Relaxed) % 8000;
        let port = 12_000 + (start - 12_000 + step) % 8000;
        let usable = |port| {
            UdpSocket::bind(("127.0.0.1", port)).is_ok()
                && TcpListener::bind(("127.0.0.1", port)).is_ok()
        };
        if usable(port) && usable(port + 1) {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1")
}
