//! Telephone events: keys pressed during a call (RFC 4733).

use crate::{RtpPacket, RtpTime, Ssrc};

/// The payload of one event packet (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// 0 to 9, 10 is `*`, 11 is `#`, 12 to 15 are A to D; higher ones are no keys.
    pub event: u8,
    /// E: the event is over.
    pub end: bool,
    /// Power in -dBm0, 0 to 63.
    pub volume: u8,
    /// So long so far, in clock units.
    pub duration: u16,
}

impl TelephoneEvent {
    /// `None` when the payload is shorter than four octets.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[event, flags, hi, lo, ..] = payload else {
            return None;
        };
        Some(Self {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([hi, lo]),
        })
    }

    /// The four octets of the payload.
    #[must_use]
    pub fn to_payload(self) -> [u8; 4] {
        let [hi, lo] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | self.volume & 0x3f, hi, lo]
    }

    /// The key, `None` for events that are none.
    #[must_use]
    pub fn key(self) -> Option<char> {
        "0123456789*#ABCD".chars().nth(usize::from(self.event))
    }
}

/// Tells each pressed key once, however many packets say so and whichever of them get lost.
#[derive(Clone, Debug, Default)]
pub struct DtmfReceiver {
    /// Source, timestamp of the event told last: all packets of one event have the same (RFC 4733 §2.5.1).
    last: Option<(Ssrc, RtpTime)>,
}

impl DtmfReceiver {
    /// Nothing pressed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// The key that was pressed, at the first packet of its event that gets here.
    pub fn receive(&mut self, packet: &RtpPacket) -> Option<char> {
        let event = TelephoneEvent::parse(packet.payload_ref())?;
        let key = event.key()?;
        let this = (packet.ssrc(), packet.timestamp());
        if let Some((ssrc, timestamp)) = self.last {
            // An older timestamp is a straggler of an event already told.
            if ssrc == this.0 && this.1.distance_from(timestamp) <= 0 {
                return None;
            }
        }
        self.last = Some(this);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::packet;
    use proptest::prelude::*;

    fn event(event: u8, end: bool, duration: u16) -> [u8; 4] {
        TelephoneEvent { event, end, volume: 10, duration }.to_payload()
    }

    #[test]
    fn the_payload_of_rfc_4733_figure_1() {
        let payload = [11, 0x80 | 10, 0x03, 0x20];
        let parsed = TelephoneEvent::parse(&payload).unwrap();
        assert_eq!(parsed, TelephoneEvent { event: 11, end: true, volume: 10, duration: 800 });
        assert_eq!(parsed.key(), Some('#'));
        assert_eq!(parsed.to_payload(), payload);
        assert_eq!(TelephoneEvent::parse(&payload[..3]), None);
    }

    #[test]
    fn a_key_is_told_once() {
        let mut receiver = DtmfReceiver::new();
        let mut heard = String::new();
        // "7", its end three times; "7" again, of which only an end gets through; a straggler of the first.
        let rows = [
            (1, 1000, event(7, false, 160)),
            (2, 1000, event(7, false, 320)),
            (3, 1000, event(7, true, 480)),
            (4, 1000, event(7, true, 480)),
            (5, 1000, event(7, true, 480)),
            (8, 5000, event(7, true, 480)),
            (9, 1000, event(7, true, 480)),
            (10, 9000, event(16, true, 480)),
            (11, 12_000, event(10, false, 160)),
        ];
        for (seq, timestamp, payload) in rows {
            heard.extend(receiver.receive(&packet(1, seq, timestamp, &payload)));
        }
        assert_eq!(heard, "77*");
        // Another source has its own timestamps.
        assert_eq!(receiver.receive(&packet(2, 1, 5, &event(0, false, 1))), Some('0'));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn any_bytes(payload in prop::collection::vec(any::<u8>(), 0..8)) {
            if let Some(event) = TelephoneEvent::parse(&payload) {
                let again = event.to_payload();
                prop_assert_eq!(TelephoneEvent::parse(&again), Some(event));
            }
        }
    }
}
