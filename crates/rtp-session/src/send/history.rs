//! What was sent lately, to send it again when asked (RFC 4585 §6.2.1).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::{Outbound, Seq};

/// Times one packet is sent again at most. Who asks more often has other troubles than loss, or wants us to flood
/// somebody: without a limit a few octets of NACK every round trip bring back a whole second of video.
const MAX_RESENDS: u8 = 8;

#[derive(Clone, Debug)]
struct Sent {
    at: Instant,
    resent: Option<Instant>,
    resends: u8,
    packet: Outbound,
}

/// A bounded store of sent packets under the numbers the receiver saw.
#[derive(Clone, Debug)]
pub struct History {
    packets: VecDeque<Sent>,
    max_age: Duration,
    max_packets: usize,
}

impl Default for History {
    /// One second, at most 1024 packets.
    fn default() -> Self {
        Self::new(Duration::from_secs(1), 1024)
    }
}

impl History {
    /// Keeps packets for `max_age`, and never more than `max_packets`.
    #[must_use]
    pub const fn new(max_age: Duration, max_packets: usize) -> Self {
        Self { packets: VecDeque::new(), max_age, max_packets }
    }

    /// Keeps a packet that was just sent. Its payload is shared, not copied.
    pub fn push(&mut self, now: Instant, packet: Outbound) {
        while self.packets.len() >= self.max_packets.max(1)
            || self
                .packets
                .front()
                .is_some_and(|sent| now.saturating_duration_since(sent.at) > self.max_age)
        {
            self.packets.pop_front();
        }
        self.packets.push_back(Sent { at: now, resent: None, resends: 0, packet });
    }

    /// The packet with this number, if it is still kept, was not sent again within `min_interval` (the
    /// round trip: an earlier copy may still be under way), nor too often altogether.
    pub fn resend(&mut self, now: Instant, seq: Seq, min_interval: Duration) -> Option<Outbound> {
        let max_age = self.max_age;
        let sent = self.packets.iter_mut().rev().find(|sent| sent.packet.seq() == seq)?;
        if now.saturating_duration_since(sent.at) > max_age
            || sent.resends >= MAX_RESENDS
            || sent.resent.is_some_and(|at| now.saturating_duration_since(at) < min_interval)
        {
            return None;
        }
        sent.resent = Some(now);
        sent.resends += 1;
        Some(sent.packet.clone())
    }

    /// Packets kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Nothing kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.packets.clear();
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;
    use crate::{CsrcList, PayloadType, SendStream, Ssrc};
    use bytes::Bytes;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn packets_are_found_by_number_until_they_are_old() {
        let t = Instant::now();
        let mut stream = SendStream::new(Ssrc(1), PayloadType::PCMU, 3);
        let mut history = History::new(1000 * MS, 4);
        let mut seqs = Vec::new();
        for i in 0..6u32 {
            let packet = stream.packet(false, i, Bytes::from(vec![i as u8]), &CsrcList::EMPTY);
            seqs.push(packet.seq());
            history.push(t + i * 100 * MS, packet);
        }
        assert_eq!(history.len(), 4);
        let now = t + 600 * MS;
        assert!(history.resend(now, seqs[1], MS).is_none(), "pushed out");
        let again = history.resend(now, seqs[2], 50 * MS).unwrap();
        assert_eq!(again.payload, Bytes::from_static(&[2]));
        assert!(history.resend(now + 49 * MS, seqs[2], 50 * MS).is_none(), "under way");
        assert!(history.resend(now + 50 * MS, seqs[2], 50 * MS).is_some());
        assert!(history.resend(t + 1201 * MS, seqs[2], MS).is_none(), "too old");
        assert!(history.resend(t + 1201 * MS, seqs[5], MS).is_some());
    }

    #[test]
    fn whoever_asks_for_ever_does_not_get_for_ever() {
        let t = Instant::now();
        let mut stream = SendStream::new(Ssrc(1), PayloadType::PCMU, 3);
        let mut history = History::default();
        let packet = stream.packet(false, 0, Bytes::from_static(&[0; 1200]), &CsrcList::EMPTY);
        let seq = packet.seq();
        history.push(t, packet);
        let got = (0..100u32).filter(|i| history.resend(t + i * 10 * MS, seq, 10 * MS).is_some());
        assert_eq!(got.count(), usize::from(MAX_RESENDS));
    }
}
