//! The timer values of RFC 3261 §17 and a timer table that a shell can ask "when next?".

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// The three basic times every other transaction timer is made of (RFC 3261 §17.1.1.1, Table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerValues {
    /// Estimate of the round trip; default 500 ms.
    pub t1: Duration,
    /// Longest interval between retransmissions of a non-INVITE request or of a 2xx; default 4 s.
    pub t2: Duration,
    /// How long a message may live in the network; default 5 s.
    pub t4: Duration,
}

impl Default for TimerValues {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

impl TimerValues {
    /// 64·T1: the life of timers B, F, H, J (UDP), L and M, and of a 2xx without ACK.
    #[must_use]
    pub fn transaction_timeout(&self) -> Duration {
        self.t1 * 64
    }

    /// Timer D over UDP: at least 32 s, because the server's timer H is 64·T1 with *its* T1
    /// (RFC 3261 §17.1.1.2).
    #[must_use]
    pub fn wait_for_retransmitted_failure(&self) -> Duration {
        self.transaction_timeout().max(Duration::from_secs(32))
    }
}

/// Names of the transaction timers, as in RFC 3261 Table 4 and RFC 6026 §8.7–8.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// INVITE client: retransmit the request (UDP only).
    A,
    /// INVITE client: no response at all.
    B,
    /// INVITE client: absorb retransmitted failure responses.
    D,
    /// Non-INVITE client: retransmit the request (UDP only).
    E,
    /// Non-INVITE client: no final response.
    F,
    /// INVITE server: retransmit the failure response (UDP only).
    G,
    /// INVITE server: no ACK for the failure response.
    H,
    /// INVITE server: absorb retransmitted ACKs.
    I,
    /// Non-INVITE server: absorb retransmitted requests.
    J,
    /// Non-INVITE client: absorb retransmitted responses.
    K,
    /// INVITE server: absorb retransmitted INVITEs after a 2xx (RFC 6026).
    L,
    /// INVITE client: pass on retransmitted and forked 2xx (RFC 6026).
    M,
    /// Not of the RFC: a server transaction that its owner never answered is dropped, so that a
    /// forgotten request cannot leak. By then the client has given up too (its timer F). Likewise a
    /// re-INVITE of ours whose final response is not worth waiting for, because the call is over.
    Abandon,
}

/// Deadlines by key. Setting, stopping and asking for the earliest are all O(log n), so that
/// `poll_timeout` stays cheap with tens of thousands of calls.
#[derive(Debug)]
pub struct TimerTable<K> {
    by_key: BTreeMap<K, Instant>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K> Default for TimerTable<K> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Ord + Copy> TimerTable<K> {
    /// Sets (or moves) the timer `key` to go off at `at`.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(old) = self.by_key.insert(key, at) {
            self.by_time.remove(&(old, key));
        }
        self.by_time.insert((at, key));
    }

    /// Stops the timer `key`; a timer that is not set is no error.
    pub fn stop(&mut self, key: K) {
        if let Some(old) = self.by_key.remove(&key) {
            self.by_time.remove(&(old, key));
        }
    }

    /// Stops every timer of `keys`.
    pub fn stop_range(&mut self, keys: RangeInclusive<K>) {
        while let Some((&key, &at)) = self.by_key.range(keys.clone()).next() {
            self.by_key.remove(&key);
            self.by_time.remove(&(at, key));
        }
    }

    /// Whether the timer `key` is set.
    #[must_use]
    pub fn is_set(&self, key: K) -> bool {
        self.by_key.contains_key(&key)
    }

    /// Takes the earliest timer that is due at `now`. Among equal times the order is that of the
    /// keys, so a run is reproducible.
    pub fn pop_expired(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.stop(key);
        Some(key)
    }

    /// When the earliest timer goes off.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|&(at, _)| at)
    }

    /// How many timers are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no timer is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_timer_comes_first_and_a_moved_one_only_once() {
        #[allow(clippy::disallowed_methods, reason = "any instant will do as the origin")]
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut table = TimerTable::default();
        table.set(1, at(30));
        table.set(2, at(20));
        table.set(1, at(10));
        table.set(3, at(5));
        table.stop(3);
        table.stop(4);
        assert_eq!(table.len(), 2);
        assert_eq!(table.next(), Some(at(10)));
        assert_eq!(table.pop_expired(at(9)), None);
        assert_eq!(table.pop_expired(at(40)), Some(1));
        assert!(!table.is_set(1));
        assert_eq!(table.pop_expired(at(40)), Some(2));
        assert_eq!(table.pop_expired(at(40)), None);
        assert!(table.is_empty());
        (1..=5).for_each(|key| table.set(key, at(key)));
        table.stop_range(2..=4);
        assert_eq!((table.len(), table.next()), (2, Some(at(1))));
    }

    #[test]
    fn derived_values_are_those_of_table_4() {
        let values = TimerValues::default();
        assert_eq!(values.transaction_timeout(), Duration::from_secs(32));
        let fast = TimerValues { t1: Duration::from_millis(10), ..values };
        assert_eq!(fast.transaction_timeout(), Duration::from_millis(640));
        assert_eq!(fast.wait_for_retransmitted_failure(), Duration::from_secs(32));
    }
}
