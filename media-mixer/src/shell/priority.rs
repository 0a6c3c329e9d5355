//! Real-time priority for the media threads, where the kernel permits it.
//!
//! On a busy machine a 20 ms tick at normal priority is late by 5 to 178 ms (99th percentile), with
//! SCHED_RR by 1.9 ms (docs/performance.md).

use std::io;
use std::sync::Once;

use tracing::{debug, info, warn};

/// Low among the real-time priorities: above every ordinary program, below the kernel's own threads.
const PRIORITY: libc::c_int = 10;

/// Of the control threads: above the media. They have little to do, but when the media threads have more than they can,
/// somebody must still be able to end conferences, and the focus must not take the mixer for dead.
const CONTROL_PRIORITY: libc::c_int = PRIORITY + 1;

/// Raises the calling thread, one of the media. What came of it is logged once for all threads.
pub(crate) fn raise_media_thread() {
    static LOGGED: Once = Once::new();
    let result = raise(PRIORITY);
    LOGGED.call_once(|| match result {
        Ok(()) => info!(priority = PRIORITY, "media threads run at real-time priority"),
        Err(error) => warn!(
            %error,
            "no real-time priority for media threads (it needs CAP_SYS_NICE or RLIMIT_RTPRIO): \
             on a busy machine audio may stutter"
        ),
    });
}

/// Raises the calling thread, one of control. Where that is not permitted the media threads were not raised either.
pub(crate) fn raise_control_thread() {
    if let Err(error) = raise(CONTROL_PRIORITY) {
        debug!(%error, "no real-time priority for control");
    }
}

fn raise(priority: libc::c_int) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: pid 0 is the calling thread, and `parameter` is alive and complete during the call.
    #[allow(unsafe_code, reason = "the standard library has no call for scheduling policy")]
    let result = unsafe {
        libc::sched_setscheduler(
            0,
            libc::SCHED_RR | libc::SCHED_RESET_ON_FORK,
            &raw const parameter,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
