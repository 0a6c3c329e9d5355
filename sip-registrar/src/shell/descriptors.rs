//! File descriptors: as many as the system gives us, and no more connections than there are.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for all but SIP connections: sockets, HTTP, the mixer, the database, files of libraries.
const OTHERS: u64 = 200;

/// Raises the soft limit of open files to the hard one (systemd and most shells start with 1024, so
/// that programs using select() do not break; we do not). Returns how many may be open.
pub(crate) fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let (soft, hard) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    if soft < hard {
        let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, most) {
            tracing::warn!(%error, "cannot raise the limit of open files");
            return soft;
        }
    }
    hard
}

/// How many SIP connections there can be when `wanted` are allowed and `files` may be open.
pub(crate) fn connections(wanted: usize, files: u64) -> usize {
    let possible = usize::try_from(files.saturating_sub(OTHERS)).unwrap_or(usize::MAX).max(1);
    if possible < wanted {
        tracing::warn!(
            "only {possible} connections instead of sip.max_connections = {wanted}: \
             {files} files may be open (ulimit -n, LimitNOFILE)"
        );
    }
    wanted.min(possible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_connections_than_descriptors() {
        assert_eq!(connections(10_000, 524_288), 10_000);
        assert_eq!(connections(10_000, 1024), 824);
        assert_eq!(connections(10_000, 64), 1);
    }

    #[test]
    fn the_limit_is_raised_to_what_is_allowed() {
        let files = raise_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current.unwrap_or(u64::MAX), files);
        assert_eq!(raise_limit(), files);
    }
}
