//! What the network says about our packets: ICMP errors, read from a socket's error queue (ip(7), `IP_RECVERR`).
//!
//! An unconnected UDP socket hides them otherwise. They only inform: anybody can forge them, so nothing is stopped.

#![allow(unsafe_code, reason = "the standard library has no calls for the error queue")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, BorrowedFd};

use socket2::{SockAddr, SockAddrStorage};

/// Errors read in one go; one per packet sent is the most there can be.
const AT_ONCE: usize = 64;

/// Room for the control message with the error and the address of who reports it.
const CONTROL: usize = 128;

#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// Asks the kernel to keep what the network says.
pub(super) fn enable(socket: BorrowedFd<'_>, address: IpAddr) -> io::Result<()> {
    let on: libc::c_int = 1;
    let (level, option) = match address {
        IpAddr::V4(_) => (libc::SOL_IP, libc::IP_RECVERR),
        IpAddr::V6(_) => (libc::SOL_IPV6, libc::IPV6_RECVERR),
    };
    // SAFETY: the option takes an int, which is what is passed with its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Empties the error queue: (where the packet was to go, number of the error).
pub(super) fn drain(socket: BorrowedFd<'_>, mut take: impl FnMut(SocketAddr, i32)) {
    for _ in 0..AT_ONCE {
        let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
        let mut control = Control([0; CONTROL]);
        // SAFETY: msghdr is a C structure of integers and pointers, for which all zeros is a valid value.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_name = name.as_mut_ptr().cast();
        header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = CONTROL as _;
        // SAFETY: every pointer in `header` points to memory of the stated length that lives until the call returns.
        let read = unsafe {
            libc::recvmsg(
                socket.as_raw_fd(),
                &raw mut header,
                libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT,
            )
        };
        if read < 0 {
            return;
        }
        // SAFETY: the kernel wrote `msg_namelen` bytes of a socket address into `name`, which was all zeros before, and
        // control messages as `header` describes.
        let (to, error) = unsafe {
            let storage: SockAddrStorage = std::mem::transmute_copy(&name);
            (SockAddr::new(storage, header.msg_namelen), error_number(&header))
        };
        if let (Some(to), Some(error)) = (to.as_socket(), error) {
            take(to, error);
        }
    }
}

/// The number in the control message of the error, if there is one.
///
/// # Safety
/// `header` was filled in by recvmsg and its control buffer is still alive.
unsafe fn error_number(header: &libc::msghdr) -> Option<i32> {
    // SAFETY: by the contract above, the CMSG macros walk within the control buffer.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while let Some(message) = control.as_ref() {
            let kind = (message.cmsg_level, message.cmsg_type);
            if kind == (libc::SOL_IP, libc::IP_RECVERR)
                || kind == (libc::SOL_IPV6, libc::IPV6_RECVERR)
            {
                let error: libc::sock_extended_err =
                    std::ptr::read_unaligned(libc::CMSG_DATA(control).cast());
                return i32::try_from(error.ee_errno).ok();
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    None
}
