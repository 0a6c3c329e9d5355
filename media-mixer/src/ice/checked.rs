//! The addresses from which a member's checks came.

use std::net::SocketAddr;

/// More places than a member checks from at the same time: interfaces, times two families, and its relay.
const MOST: usize = 8;

/// The addresses from which authenticated checks came on one port, and the one the member chose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The latest is the last.
    addresses: [Option<SocketAddr>; MOST],
    nominated: Option<SocketAddr>,
}

impl Checked {
    /// A check came from there.
    pub(crate) fn insert(&mut self, from: SocketAddr, nominated: bool) {
        if nominated {
            self.nominated = Some(from);
        }
        if self.contains(from) {
            return;
        }
        self.addresses.rotate_left(1);
        if let Some(last) = self.addresses.last_mut() {
            *last = Some(from);
        }
    }

    /// Whether a check came from there.
    pub(crate) fn contains(&self, from: SocketAddr) -> bool {
        self.nominated == Some(from) || self.addresses.contains(&Some(from))
    }

    /// What the member chose.
    pub(crate) fn nominated(&self) -> Option<SocketAddr> {
        self.nominated
    }

    /// Where to send: to what the member chose; before that to the latest place a check came from, for the member is
    /// there, and silence until it has made up its mind helps nobody.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        self.nominated.or_else(|| self.addresses.last().copied().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn the_latest_check_is_where_to_send_until_one_is_chosen() {
        let mut checked = Checked::default();
        assert_eq!(checked.destination(), None);
        checked.insert(at(1), false);
        checked.insert(at(2), false);
        assert_eq!(checked.destination(), Some(at(2)));
        checked.insert(at(1), true);
        checked.insert(at(3), false);
        assert_eq!(checked.destination(), Some(at(1)));
        checked.insert(at(3), true);
        assert_eq!(checked.destination(), Some(at(3)), "it may change its mind");
    }

    #[test]
    fn only_so_many_are_kept_and_the_chosen_one_always() {
        let mut checked = Checked::default();
        checked.insert(at(1), true);
        for port in 2..100 {
            checked.insert(at(port), false);
        }
        assert!(checked.contains(at(1)) && checked.contains(at(99)) && !checked.contains(at(2)));
    }
}
