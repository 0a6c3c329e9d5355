//! Where good checks came from.

use std::net::SocketAddr;

/// More places than a peer checks from: interfaces, times two families, times a relay of ours.
const MOST: usize = 16;

/// Addresses from which the peer has proven to be there, and whether by way of our relay.
#[derive(Debug, Clone, Default)]
pub(super) struct Validated(Vec<(SocketAddr, bool)>);

impl Validated {
    pub(super) fn insert(&mut self, from: SocketAddr, relayed: bool) {
        if self.contains(from, relayed) {
            return;
        }
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push((from, relayed));
    }

    pub(super) fn contains(&self, from: SocketAddr, relayed: bool) -> bool {
        self.0.contains(&(from, relayed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_addresses_pushes_out_the_oldest() {
        let at = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
        let mut validated = Validated::default();
        for port in 1..=17 {
            validated.insert(at(port), false);
            validated.insert(at(port), false);
        }
        assert!(!validated.contains(at(1), false) && validated.contains(at(17), false));
        assert!(!validated.contains(at(17), true));
        assert_eq!(validated.0.first(), Some(&(at(2), false)));
    }
}
