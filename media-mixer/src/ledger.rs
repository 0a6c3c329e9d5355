//! What is remembered about one m-line to be able to tell why nothing flows. All of it is bounded: strangers write here.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Senders, payload types and the like that are told apart; of more, those seen most often are kept.
const KEPT: usize = 8;

/// How often something was seen, and when last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting<K> {
    /// What.
    pub what: K,
    /// How often. Too high by what was displaced when there were many, never too low.
    pub count: u64,
    /// When it was seen last.
    pub last: Instant,
}

/// The most frequent ones of any number of things ("space saving", Metwally 2005): one that really comes often is never
/// lost in a flood of others.
#[derive(Debug, Clone)]
pub struct Sightings<K> {
    list: Vec<Sighting<K>>,
}

impl<K> Default for Sightings<K> {
    fn default() -> Self {
        Self { list: Vec::new() }
    }
}

impl<K: PartialEq + Copy> Sightings<K> {
    /// Seen once more.
    pub fn note(&mut self, now: Instant, what: K) {
        if let Some(known) = self.list.iter_mut().find(|sighting| sighting.what == what) {
            known.count += 1;
            known.last = now;
        } else if self.list.len() < KEPT {
            self.list.push(Sighting { what, count: 1, last: now });
        } else if let Some(rarest) = self.list.iter_mut().min_by_key(|sighting| sighting.count) {
            *rarest = Sighting { what, count: rarest.count + 1, last: now };
        }
    }

    /// Those seen within `time`, the most frequent first.
    pub fn recent(&self, now: Instant, time: Duration) -> Vec<Sighting<K>> {
        let recent = |sighting: &&Sighting<K>| now.saturating_duration_since(sighting.last) < time;
        let mut list: Vec<_> = self.list.iter().filter(recent).copied().collect();
        list.sort_by_key(|sighting| std::cmp::Reverse(sighting.count));
        list
    }
}

/// Why a packet of an admitted sender was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// A payload type that was not agreed on.
    PayloadType(u8),
    /// Neither RTP nor RTCP can be made of it.
    Malformed,
    /// Media on the port for control, or control on the port for media without multiplexing.
    WrongPort,
    /// It has our own SSRC, or names it as contributing: our packets come back.
    Loop,
    /// Its numbers jump, so that its SSRC has not proven itself (RFC 3550 §A.1).
    Unproven,
    /// More SSRCs at once than are followed.
    TooManySources,
}

/// What the network said about our packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreachable {
    /// Where we sent to.
    pub to: SocketAddr,
    /// The operating system's number of the error, such as 111 for a closed port.
    pub error: i32,
    /// When it was told last.
    pub last: Instant,
    /// How often.
    pub count: u64,
}

/// See the module's description.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Senders refused by the gate.
    pub refused: Sightings<SocketAddr>,
    /// Packets of the admitted sender that were dropped.
    pub odd: Sightings<Oddity>,
    /// When media that counts came last.
    pub last_media: Option<Instant>,
    /// When control packets came last.
    pub last_control: Option<Instant>,
    /// When anything came from the admitted sender last, keep-alives included.
    pub last_life: Option<Instant>,
    /// What the network said about our packets.
    pub unreachable: Option<Unreachable>,
}

impl Ledger {
    /// The network could not bring a packet of ours to `to`.
    pub fn unreachable(&mut self, now: Instant, to: SocketAddr, error: i32) {
        let count = self.unreachable.filter(|before| before.to == to).map_or(0, |b| b.count);
        self.unreachable = Some(Unreachable { to, error, last: now, count: count + 1 });
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;

    #[test]
    fn who_comes_often_is_found_in_a_flood_of_strangers() {
        let start = Instant::now();
        let mut seen = Sightings::default();
        for n in 0..100_000u32 {
            let now = start + Duration::from_millis(n.into());
            seen.note(now, n + 1000);
            if n % 5 == 0 {
                seen.note(now, 7);
            }
        }
        let top = seen.recent(start, Duration::from_secs(1));
        assert_eq!(top.len(), KEPT);
        assert_eq!(top[0].what, 7);
        assert!(top[0].count >= 20_000, "{top:?}");
    }

    #[test]
    fn what_was_long_ago_is_not_told() {
        let start = Instant::now();
        let mut seen = Sightings::default();
        seen.note(start, 'a');
        seen.note(start + Duration::from_secs(9), 'b');
        let told = seen.recent(start + Duration::from_secs(10), Duration::from_secs(5));
        assert_eq!(told.iter().map(|sighting| sighting.what).collect::<Vec<_>>(), ['b']);
    }

    #[test]
    fn errors_are_counted_per_address() {
        let start = Instant::now();
        let [a, b] = ["192.0.2.1:1", "192.0.2.1:2"].map(|text| text.parse().unwrap());
        let mut ledger = Ledger::default();
        for to in [a, a, b, b, b] {
            ledger.unreachable(start, to, 111);
        }
        assert_eq!(
            ledger.unreachable,
            Some(Unreachable { to: b, error: 111, last: start, count: 3 })
        );
    }
}
