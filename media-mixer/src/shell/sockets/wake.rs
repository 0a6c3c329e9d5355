//! One thing to wait for: any socket readable, or the deadline reached.
//!
//! All sockets of a conference and one timer hang on one epoll instance, which is the only thing tokio watches. That
//! makes one wake-up out of many, and the timer is the kernel's high-resolution one: tokio's own wheel rounds up to a
//! whole millisecond, which would be added to the delay of every voice.

#![allow(unsafe_code, reason = "epoll and timerfd have no safe calls in the standard library")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Ready sockets told per call; more are told by the next one.
const EVENTS: usize = 64;

/// The mark of the timer among the sockets' marks.
const TIMER: u64 = u64::MAX;

/// The epoll instance of a conference.
#[derive(Debug)]
pub(super) struct Wake {
    epoll: AsyncFd<OwnedFd>,
    timer: OwnedFd,
    armed: Option<Instant>,
}

fn owned(result: libc::c_int) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this descriptor for us and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl Wake {
    /// Must be called in a tokio runtime.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: these calls take only integers.
        let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: as above.
        let timer = owned(unsafe {
            libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC)
        })?;
        // SAFETY: the descriptor is owned by the AsyncFd and stays open and the same until it is dropped.
        let epoll = unsafe { AsyncFd::register_with_interest(epoll, Interest::READABLE) }?;
        let wake = Self { epoll, timer, armed: None };
        wake.add(wake.timer.as_fd(), TIMER)?;
        Ok(wake)
    }

    /// Watches a socket; `mark` comes back from [`Self::ready`]. Closing the socket ends it.
    pub(super) fn watch(&self, socket: BorrowedFd<'_>, mark: u32) -> io::Result<()> {
        self.add(socket, u64::from(mark))
    }

    fn add(&self, descriptor: BorrowedFd<'_>, mark: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: mark };
        // SAFETY: `event` is alive during the call, both descriptors are open.
        done(unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                descriptor.as_raw_fd(),
                &raw mut event,
            )
        })
    }

    /// Waits until something is readable or `deadline` is reached. Cancel safe.
    pub(super) async fn wait(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.arm(deadline)?;
        // Readiness stays set until `ready` has found nothing: no wake-up is lost in between.
        self.epoll.readable().await?.retain_ready();
        Ok(())
    }

    fn arm(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        if self.armed == deadline {
            return Ok(());
        }
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let value = deadline.map_or(zero, |deadline| {
            // Zero would disarm the timer; a nanosecond means at once.
            let left =
                deadline.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
            libc::timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        let setting = libc::itimerspec { it_interval: zero, it_value: value };
        // SAFETY: `setting` is alive during the call; the old value is not asked for.
        done(unsafe {
            libc::timerfd_settime(
                self.timer.as_raw_fd(),
                0,
                &raw const setting,
                std::ptr::null_mut(),
            )
        })?;
        self.armed = deadline;
        Ok(())
    }

    /// The marks of readable sockets. To be called after [`Self::wait`].
    pub(super) fn ready(&mut self, marks: &mut Vec<u32>) -> io::Result<()> {
        let mut events = [const { MaybeUninit::<libc::epoll_event>::uninit() }; EVENTS];
        // SAFETY: the kernel writes at most EVENTS entries.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                events.as_mut_ptr().cast(),
                EVENTS as libc::c_int,
                0,
            )
        };
        done(count)?;
        if count == 0 {
            // Nothing readable: tokio must ask the kernel again. It may have become readable since; then tokio is told
            // so anew, because an epoll instance reports each arrival.
            let _ = self.epoll.try_io(Interest::READABLE, |_| {
                Err::<(), _>(io::Error::from(io::ErrorKind::WouldBlock))
            });
        }
        for event in events.iter().take(count as usize) {
            // SAFETY: the first `count` entries were written by the kernel.
            let mark = unsafe { event.assume_init_ref() }.u64;
            match u32::try_from(mark) {
                Ok(mark) => marks.push(mark),
                Err(_) => self.timer_fired(),
            }
        }
        Ok(())
    }

    fn timer_fired(&mut self) {
        let mut count = 0u64;
        // SAFETY: a timerfd gives eight bytes, and there is room for them. The number does not matter, reading it makes
        // the timer unreadable; an error means it was so already.
        unsafe { libc::read(self.timer.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
        self.armed = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    async fn marks(wake: &mut Wake, deadline: Option<Instant>) -> Vec<u32> {
        let mut marks = Vec::new();
        wake.wait(deadline).await.unwrap();
        wake.ready(&mut marks).unwrap();
        marks
    }

    #[test]
    fn a_datagram_wakes_and_is_told_until_it_is_read() {
        run(async {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let mut wake = Wake::new().unwrap();
            wake.watch(socket.as_fd(), 7).unwrap();
            socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
            assert_eq!(marks(&mut wake, None).await, [7]);
            assert_eq!(marks(&mut wake, None).await, [7], "still unread");
            socket.recv(&mut [0; 8]).unwrap();
            assert_eq!(marks(&mut wake, None).await, [0; 0]);
            socket.send_to(b"y", socket.local_addr().unwrap()).unwrap();
            assert_eq!(marks(&mut wake, None).await, [7], "woken again after running dry");
        });
    }

    #[test]
    fn the_deadline_wakes_each_time_it_is_set() {
        run(async {
            let mut wake = Wake::new().unwrap();
            for _ in 0..3 {
                let deadline = Instant::now() + Duration::from_millis(5);
                while Instant::now() < deadline {
                    assert_eq!(marks(&mut wake, Some(deadline)).await, [0; 0]);
                }
            }
            marks(&mut wake, Some(Instant::now())).await;
        });
    }
}
