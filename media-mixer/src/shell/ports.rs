//! The UDP ports for media: even/odd pairs out of a range, each resting after use.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::config::PortRange;

/// The even port of a pair; RTCP without multiplexing uses the odd one above it (RFC 3550 §11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PortPair(u16);

impl PortPair {
    /// The port for RTP.
    pub(crate) fn rtp(self) -> u16 {
        self.0
    }

    /// The port for RTCP.
    pub(crate) fn rtcp(self) -> u16 {
        self.0 + 1
    }
}

/// Pairs that may be used, oldest first, and pairs that rest.
#[derive(Debug)]
pub(crate) struct PortPool {
    free: VecDeque<PortPair>,
    resting: VecDeque<(Instant, PortPair)>,
    used: BTreeSet<PortPair>,
    rest: Duration,
}

impl PortPool {
    /// All pairs of `range` are free. A pair given back is used again after `rest` at the earliest.
    /// The first pair taken is number `start` of the range (modulo its length): a random one keeps
    /// mixers that share a machine apart, and strangers from guessing where media will come in.
    pub(crate) fn new(range: PortRange, rest: Duration, start: usize) -> Self {
        let first = range.first.next_multiple_of(2);
        let mut free: VecDeque<PortPair> = (first..range.last).step_by(2).map(PortPair).collect();
        if !free.is_empty() {
            free.rotate_left(start % free.len());
        }
        Self { free, resting: VecDeque::new(), used: BTreeSet::new(), rest }
    }

    /// The pair that has been free for the longest time.
    pub(crate) fn take(&mut self, now: Instant) -> Option<PortPair> {
        self.wake(now);
        let pair = self.free.pop_front()?;
        self.used.insert(pair);
        Some(pair)
    }

    /// Gives a pair back; one that was not taken is ignored.
    pub(crate) fn give_back(&mut self, now: Instant, pair: PortPair) {
        if self.used.remove(&pair) {
            self.resting.push_back((now + self.rest, pair));
        }
    }

    /// How many pairs are in use.
    pub(crate) fn used(&self) -> usize {
        self.used.len()
    }

    /// How many pairs could be taken now.
    pub(crate) fn free(&mut self, now: Instant) -> usize {
        self.wake(now);
        self.free.len()
    }

    fn wake(&mut self, now: Instant) {
        while let Some((_, pair)) = self.resting.pop_front_if(|(until, _)| *until <= now) {
            self.free.push_back(pair);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(30);

    fn pool(first: u16, last: u16) -> PortPool {
        PortPool::new(PortRange { first, last }, REST, 0)
    }

    #[test]
    fn pairs_are_even_and_stay_inside_the_range() {
        let now = Instant::now();
        let mut pool = pool(30_001, 30_006);
        let pairs: Vec<_> =
            std::iter::from_fn(|| pool.take(now)).map(|pair| (pair.rtp(), pair.rtcp())).collect();
        assert_eq!(pairs, [(30_002, 30_003), (30_004, 30_005)]);
        assert_eq!((pool.used(), pool.free(now)), (2, 0));
    }

    #[test]
    fn taking_begins_anywhere_and_reaches_every_pair() {
        let range = PortRange { first: 30_000, last: 30_005 };
        let mut pool = PortPool::new(range, REST, 4);
        let pairs: Vec<_> =
            std::iter::from_fn(|| pool.take(Instant::now())).map(PortPair::rtp).collect();
        assert_eq!(pairs, [30_002, 30_004, 30_000]);
    }

    #[test]
    fn a_port_rests_after_use() {
        let now = Instant::now();
        let mut pool = pool(30_000, 30_001);
        let pair = pool.take(now).unwrap();
        pool.give_back(now, pair);
        assert_eq!(pool.used(), 0);
        assert_eq!(pool.take(now + REST - Duration::from_millis(1)), None);
        assert_eq!(pool.take(now + REST), Some(pair));
    }

    #[test]
    fn giving_back_twice_does_not_make_two() {
        let now = Instant::now();
        let mut pool = pool(30_000, 30_001);
        let pair = pool.take(now).unwrap();
        pool.give_back(now, pair);
        pool.give_back(now, pair);
        assert_eq!(pool.free(now + REST), 1);
    }

    #[test]
    fn the_last_port_of_all_is_no_pair_without_its_odd_one() {
        let mut pool = pool(65_532, 65_535);
        assert_eq!(pool.free(Instant::now()), 2);
        assert_eq!(pool.take(Instant::now()).map(PortPair::rtcp), Some(65_533));
    }
}
