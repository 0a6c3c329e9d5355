//! Many datagrams per system call: recvmmsg(2) and sendmmsg(2).

#![allow(unsafe_code, reason = "the standard library has no calls for batches of datagrams")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use media_mixer::Transmit;
use socket2::{SockAddr, SockAddrStorage};

/// Datagrams received per system call.
const RECEIVE: usize = 8;

/// Datagrams sent per system call.
const SEND: usize = 32;

/// No datagram on an Ethernet path is longer; a longer one is cut, and then refused by its own lengths or by the codec.
const LARGEST: usize = 2048;

/// Shorter payloads are copied into memory of their own, so that a 172 byte voice packet does not hold 2 KB.
const COPY_BELOW: usize = 600;

/// Room for the control message with the arrival time.
const CONTROL: usize = 64;

/// A received datagram.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) from: SocketAddr,
    pub(super) bytes: Bytes,
    /// When the kernel got it: wall-clock time since 1970.
    pub(super) at: Option<Duration>,
}

/// Buffers for receiving.
#[derive(Debug)]
pub(super) struct Receiver {
    buffers: [BytesMut; RECEIVE],
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

impl Receiver {
    pub(super) fn new() -> Self {
        Self { buffers: std::array::from_fn(|_| BytesMut::with_capacity(LARGEST)) }
    }

    /// Reads what is there, up to one batch, without waiting. Returns whether there may be more.
    pub(super) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        sink: &mut Vec<Arrived>,
    ) -> io::Result<bool> {
        let mut names = [const { MaybeUninit::<libc::sockaddr_storage>::uninit() }; RECEIVE];
        let mut controls = [Control([0; CONTROL]); RECEIVE];
        let mut pieces =
            [const { libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 } }; RECEIVE];
        // SAFETY: mmsghdr is a C structure of integers and pointers, for which all zeros is a valid value.
        let mut messages: [libc::mmsghdr; RECEIVE] = unsafe { std::mem::zeroed() };
        for index in 0..RECEIVE {
            let buffer = &mut self.buffers[index];
            buffer.reserve(LARGEST);
            let room = buffer.spare_capacity_mut();
            pieces[index] = libc::iovec {
                iov_base: room.as_mut_ptr().cast(),
                iov_len: LARGEST.min(room.len()),
            };
            let header = &mut messages[index].msg_hdr;
            header.msg_name = names[index].as_mut_ptr().cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = &raw mut pieces[index];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut controls[index]).cast();
            header.msg_controllen = CONTROL as _;
        }
        // SAFETY: every pointer in `messages` points to memory of the stated length that lives in this function or in
        // `self.buffers` and is not touched before the call returns.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                RECEIVE as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(false) } else { Err(error) };
        }
        let count = count as usize;
        for index in 0..count.min(RECEIVE) {
            let length = (messages[index].msg_len as usize).min(LARGEST);
            let header = &messages[index].msg_hdr;
            // SAFETY: the kernel wrote `msg_namelen` bytes of a socket address into `names[index]`, `msg_len` bytes
            // into the spare capacity of `buffers[index]`, and control messages as `header` describes.
            let (name, at) = unsafe {
                let storage: SockAddrStorage = std::mem::transmute_copy(&names[index]);
                self.buffers[index].set_len(length);
                (SockAddr::new(storage, header.msg_namelen), arrival(header))
            };
            let bytes = if length < COPY_BELOW {
                let copy = Bytes::copy_from_slice(&self.buffers[index]);
                self.buffers[index].clear();
                copy
            } else {
                self.buffers[index].split().freeze()
            };
            if let Some(from) = name.as_socket() {
                sink.push(Arrived { from, bytes, at });
            }
        }
        Ok(count == RECEIVE)
    }
}

/// The SCM_TIMESTAMPNS control message, if there is one.
///
/// # Safety
/// `header` was filled in by recvmmsg and its control buffer is still alive.
unsafe fn arrival(header: &libc::msghdr) -> Option<Duration> {
    // SAFETY: by the contract above, the CMSG macros walk within the control buffer.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while let Some(message) = control.as_ref() {
            if message.cmsg_level == libc::SOL_SOCKET && message.cmsg_type == libc::SCM_TIMESTAMPNS
            {
                let time: libc::timespec =
                    std::ptr::read_unaligned(libc::CMSG_DATA(control).cast());
                return Some(Duration::new(
                    time.tv_sec.try_into().ok()?,
                    time.tv_nsec.try_into().ok()?,
                ));
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    None
}

/// Asks the kernel to note when each datagram arrives.
pub(super) fn enable_timestamps(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, which is what is passed with its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends datagrams of one socket, in order, without waiting. Returns how many the kernel did not take. `refused` is
/// called whenever it refuses one.
///
/// What the network says about an earlier datagram is told by refusing a later one, which has nothing to do with it:
/// each gets a second try.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    datagrams: &[Transmit],
    mut refused: impl FnMut(),
) -> usize {
    let mut lost = 0;
    for batch in datagrams.chunks(SEND) {
        let mut rest = batch;
        let mut again = false;
        while !rest.is_empty() {
            let sent = send_batch(socket, rest).min(rest.len());
            rest = &rest[sent..];
            if rest.is_empty() {
                break;
            }
            refused();
            if sent == 0 && again {
                // Buffer full, or no way there: it is lost, the others are tried.
                lost += 1;
                rest = &rest[1..];
            }
            again = sent > 0 || !again;
        }
    }
    lost
}

/// At most [`SEND`] datagrams; returns how many were sent before one was refused.
fn send_batch(socket: BorrowedFd<'_>, datagrams: &[Transmit]) -> usize {
    let count = datagrams.len().min(SEND);
    let mut names: [MaybeUninit<SockAddr>; SEND] = [const { MaybeUninit::uninit() }; SEND];
    let mut pieces =
        [const { [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; 2] }; SEND];
    let mut messages = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; SEND];
    for (index, datagram) in datagrams[..count].iter().enumerate() {
        let name = names[index].write(SockAddr::from(datagram.to));
        let parts = datagram.datagram.parts();
        pieces[index] = parts.map(|part| libc::iovec {
            iov_base: part.as_ptr().cast_mut().cast(),
            iov_len: part.len(),
        });
        // SAFETY: mmsghdr is a C structure of integers and pointers, for which all zeros is a valid value.
        let message = messages[index].write(unsafe { std::mem::zeroed() });
        message.msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
        message.msg_hdr.msg_namelen = name.len();
        message.msg_hdr.msg_iov = pieces[index].as_mut_ptr();
        message.msg_hdr.msg_iovlen = if parts[1].is_empty() { 1 } else { 2 };
    }
    // SAFETY: the first `count` messages are initialised; their pointers lead to `names`, `pieces` and the datagrams,
    // all alive and unchanged during the call, and the kernel only reads through them. SockAddr needs no drop.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr().cast(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(sent).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use media_mixer::{Datagram, PortId};
    use std::net::UdpSocket;
    use std::os::fd::AsFd as _;
    use std::time::SystemTime;

    #[test]
    fn batches_arrive_in_order_with_sender_and_time() {
        let a = UdpSocket::bind("127.0.0.1:0").unwrap();
        let b = UdpSocket::bind("127.0.0.1:0").unwrap();
        enable_timestamps(b.as_fd()).unwrap();
        let sizes: Vec<usize> = (0..40).map(|n| 20 + n * 35).collect();
        let batch: Vec<Transmit> = sizes
            .iter()
            .enumerate()
            .map(|(n, &size)| Transmit {
                from: PortId(0),
                to: b.local_addr().unwrap(),
                datagram: Datagram::Rtcp(Bytes::from(vec![n as u8; size])),
            })
            .collect();
        assert_eq!(send(a.as_fd(), &batch, || panic!("refused")), 0);
        let mut receiver = Receiver::new();
        let mut got = Vec::new();
        while receiver.receive(b.as_fd(), &mut got).unwrap() {}
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(got.iter().map(|one| one.bytes.len()).collect::<Vec<_>>(), sizes);
        for (n, one) in got.iter().enumerate() {
            assert_eq!(one.from, a.local_addr().unwrap());
            assert!(one.bytes.iter().all(|&byte| byte == n as u8));
            let age = now.saturating_sub(one.at.unwrap());
            assert!(
                age < Duration::from_secs(60) && one.at.unwrap() <= now,
                "kernel time of arrival"
            );
        }
        assert!(!receiver.receive(b.as_fd(), &mut got).unwrap(), "an empty socket does not block");
    }

    #[test]
    fn what_cannot_be_sent_does_not_stop_the_rest() {
        let a = UdpSocket::bind("127.0.0.1:0").unwrap();
        let b = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = |address: &str| Transmit {
            from: PortId(0),
            to: address.parse().unwrap(),
            datagram: Datagram::Rtcp(Bytes::from_static(b"x")),
        };
        let good = to(&b.local_addr().unwrap().to_string());
        // An IPv6 destination cannot be reached from an IPv4 socket.
        let batch = [to("[::1]:9"), good.clone(), to("[::1]:9"), good];
        assert_eq!(send(a.as_fd(), &batch, || {}), 2);
        let mut got = Vec::new();
        Receiver::new().receive(b.as_fd(), &mut got).unwrap();
        assert_eq!(got.len(), 2);
    }
}
