//! What the network reports about datagrams that did not get there (RFC 3261 §18.4).

use nix::libc::sock_extended_err;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use sip_stack::endpoint::TransmitId;
use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// How many requests are remembered. A report comes within a round trip; one that comes later is for a
/// repeated request, too, which is remembered again.
const REMEMBERED: usize = 1024;

/// Asks the system to queue what is reported about the datagrams of `socket`.
pub(crate) fn report(socket: &UdpSocket) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

/// Takes one report: where a datagram was to go that cannot get there, or `None` for one that says
/// something else.
///
/// # Errors
/// `WouldBlock` when there is none.
pub(crate) fn take(socket: &impl AsRawFd) -> io::Result<Option<SocketAddr>> {
    let mut quoted = [0; 64];
    let mut slices = [IoSliceMut::new(&mut quoted)];
    // the error itself, behind it the address of whoever reports it
    let mut control = nix::cmsg_space!([u8; 64]);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let fd = socket.as_raw_fd();
    let message = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut control), flags)?;
    let unreachable = message.cmsgs()?.any(|part| match part {
        ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
            is_unreachable(&error)
        }
        _ => false,
    });
    Ok(message.address.filter(|_| unreachable).and_then(|address| socket_address(&address)))
}

/// RFC 3261 §18.4: unreachable hosts, networks, ports and protocols, and parameter problems count;
/// "time exceeded" and "source quench" do not, nor does "fragmentation needed", which the system obeys.
fn is_unreachable(error: &sock_extended_err) -> bool {
    const ORIGIN_ICMP: u8 = nix::libc::SO_EE_ORIGIN_ICMP;
    const ORIGIN_ICMP6: u8 = nix::libc::SO_EE_ORIGIN_ICMP6;
    match (error.ee_origin, error.ee_type, error.ee_code) {
        // RFC 792: 3 = destination unreachable (4 there = fragmentation needed), 12 = parameter problem
        (ORIGIN_ICMP, 3, code) => code != 4,
        (ORIGIN_ICMP, 12, _) => true,
        // RFC 4443: 1 = destination unreachable, 4 = parameter problem
        (ORIGIN_ICMP6, 1 | 4, _) => true,
        _ => false,
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from((v4.ip(), v4.port())));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::from((v6.ip(), v6.port()))))
}

/// The last requests that went out as datagrams, to tell which one a report is about.
#[derive(Debug, Default)]
pub(crate) struct Recent(VecDeque<(SocketAddr, TransmitId)>);

impl Recent {
    /// Notes a datagram. A response is not noted: whoever asked may have gone without harm.
    pub fn note(&mut self, remote: SocketAddr, id: TransmitId) {
        if !id.is_request() {
            return;
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((remote, id));
    }

    /// The oldest request to `remote` that has not been reported yet: reports come in the order of the
    /// datagrams, one for each.
    pub fn take(&mut self, remote: SocketAddr) -> Option<TransmitId> {
        let at = self.0.iter().position(|(to, _)| *to == remote)?;
        self.0.remove(at).map(|(_, id)| id)
    }
}
