//! Whose messages are read at all: a rate per source, and bans of those who guess passwords.
//!
//! Behind one address may be an attacker, or an office of two hundred phones of which one has the
//! wrong password. So the limits are wide, they grow with the phones registered from there, and a ban
//! does not meet a registered phone, which is known by its address *and* port.

mod bans;
mod network;
mod rates;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use network::Network;
pub(crate) use network::Source;

use bans::Bans;
use rates::Rates;

/// Failed logins more that are allowed from a source for each contact registered from there.
const FAILURES_PER_CONTACT: u32 = 2;

/// Limits per source: an IPv4 address or an IPv6 /64.
#[derive(Debug, Clone)]
pub struct Protection {
    /// Sources without limits.
    pub trusted: Vec<Network>,
    /// Messages a second, in the long run; 0 = no limit.
    pub rate: u32,
    /// Messages at once, after a pause.
    pub burst: u32,
    /// Failed logins within [`failure_window`](Self::failure_window) that lead to a ban; 0 = no bans.
    /// Contacts registered from there raise it.
    pub max_failures: u32,
    /// How long failed logins count.
    pub failure_window: Duration,
    /// How long a ban lasts.
    pub ban: Duration,
    /// Sources remembered at a time; the one heard of least recently is forgotten.
    pub max_sources: usize,
}

impl Default for Protection {
    fn default() -> Self {
        Protection {
            trusted: ["127.0.0.0/8", "::1"].into_iter().filter_map(Network::parse).collect(),
            rate: 500,
            burst: 5000,
            max_failures: 50,
            failure_window: Duration::from_secs(600),
            ban: Duration::from_secs(600),
            max_sources: 20_000,
        }
    }
}

/// Numbers since start, and of now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuardNumbers {
    /// Requests whose credentials were wrong.
    pub failed_logins: u64,
    /// Bans imposed.
    pub bans: u64,
    /// Messages not read because their source was banned.
    pub dropped_by_ban: u64,
    /// Messages not read because their source sent too many.
    pub dropped_by_rate: u64,
    /// Sources banned now.
    pub banned: usize,
    /// Sources remembered now.
    pub sources: usize,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is read.
    Read,
    /// It is not, this time.
    Drop,
    /// Its source is banned: whatever it keeps open can be closed.
    Banned,
}

/// The table of sources.
#[derive(Debug)]
pub(crate) struct Guard {
    rules: Protection,
    rates: Rates,
    bans: Bans,
    numbers: GuardNumbers,
}

impl Guard {
    pub(crate) fn new(rules: Protection) -> Self {
        Guard {
            rates: Rates::new(rules.rate, rules.burst, rules.max_sources),
            bans: Bans::new(rules.max_sources),
            rules,
            numbers: GuardNumbers::default(),
        }
    }

    /// Whether a message that has just come from `remote` is to be read. `is_registered` tells
    /// whether a phone is registered over a flow with exactly this peer.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        is_registered: impl FnOnce() -> bool,
    ) -> Admission {
        if self.is_trusted(remote) {
            return Admission::Read;
        }
        let source = Source::of(remote.ip());
        if self.bans.holds(now, source, remote, is_registered) {
            self.numbers.dropped_by_ban += 1;
            return Admission::Banned;
        }
        if self.rates.take(now, source) {
            return Admission::Read;
        }
        self.numbers.dropped_by_rate += 1;
        Admission::Drop
    }

    /// A request from `remote` carried wrong credentials. `registered` = contacts registered from
    /// the same source.
    pub(crate) fn login_failed(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        registered: impl FnOnce(Source) -> usize,
    ) {
        self.numbers.failed_logins += 1;
        if self.rules.max_failures == 0 || self.is_trusted(remote) {
            return;
        }
        let source = Source::of(remote.ip());
        if self.bans.is_banned(now, source) {
            // A registered phone that was let through, and guesses.
            self.bans.extend_to(source, remote);
            return;
        }
        let failures = self.rates.count_failure(now, source, self.rules.failure_window);
        let registered = u32::try_from(registered(source)).unwrap_or(u32::MAX);
        let more = registered.saturating_mul(FAILURES_PER_CONTACT);
        if failures >= self.rules.max_failures.saturating_add(more) {
            let seconds = self.rules.ban.as_secs();
            tracing::warn!(source = %remote.ip(), seconds, failures, "source banned");
            self.numbers.bans += 1;
            self.bans.impose(source, now + self.rules.ban);
            self.rates.forget_failures(source);
        }
    }

    /// Ends the bans that are over.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(source) = self.bans.pop_over(now) {
            tracing::info!(%source, "source no longer banned");
        }
    }

    /// When the next ban ends.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.bans.next_end()
    }

    pub(crate) fn numbers(&self) -> GuardNumbers {
        GuardNumbers { banned: self.bans.len(), sources: self.rates.len(), ..self.numbers }
    }

    fn is_trusted(&self, remote: SocketAddr) -> bool {
        self.rules.trusted.iter().any(|network| network.contains(remote.ip()))
    }
}
