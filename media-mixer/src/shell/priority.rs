//! Real-time priority for the media threads, where the kernel permits it.
//!
//! On a busy machine a 20 ms tick at normal priority is late by 5 to 178 ms (99th percentile), with
//! SCHED_RR by 1.9 ms (docs/performance.md).

use std::sync::Once;

use tracing::{info, warn};

/// Low among the real-time priorities: above every ordinary program, below the kernel's own threads.
const PRIORITY: libc::c_int = 10;

/// Raises the calling thread. What came of it is logged once for all threads.
pub(crate) fn raise_this_thread() {
    static LOGGED: Once = Once::new();
    let parameter = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: pid 0 is the calling thread, and `parameter` is alive and complete during the call.
    #[allow(unsafe_code, reason = "the standard library has no call for scheduling policy")]
    let result = unsafe {
        libc::sched_setscheduler(
            0,
            libc::SCHED_RR | libc::SCHED_RESET_ON_FORK,
            &raw const parameter,
        )
    };
    LOGGED.call_once(|| match result {
        0 => info!(priority = PRIORITY, "media threads run at real-time priority"),
        _ => warn!(
            error = %std::io::Error::last_os_error(),
            "no real-time priority for media threads (it needs CAP_SYS_NICE or RLIMIT_RTPRIO): \
             on a busy machine audio may stutter"
        ),
    });
}
