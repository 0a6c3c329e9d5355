//! Telephone events: keys pressed during a call (RFC 4733).

use crate::{RtpPacket, RtpTime, Ssrc};

/// The keys by the number of their event (RFC 4733 §3.2).
const KEYS: &str = "0123456789*#ABCD";

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
        KEYS.chars().nth(usize::from(self.event))
    }
}

/// The longest duration one packet can tell; a longer event goes on in another segment (RFC 4733 §2.5.1.3).
const MAX_DURATION: u32 = 0xffff;
/// Times the end of an event is sent, as nothing comes after it that would make up for its loss (RFC 4733 §2.5.1.4).
const END_PACKETS: u8 = 3;
/// Time between two packets about an event, in milliseconds (RFC 4733 §2.5.1.2 recommends 50).
const UPDATE_MS: u32 = 50;
/// Time until its first packet: a duration of zero would mean a state, not an event (RFC 4733 §2.3.5).
const FIRST_MS: u32 = 20;

/// The number of the event of a key, as [`TelephoneEvent::event`] has it.
#[must_use]
pub fn event_of(key: char) -> Option<u8> {
    let at = KEYS.find(key.to_ascii_uppercase())?;
    u8::try_from(at).ok()
}

/// One packet about an event: for [`SendStream::packet_of_type`](crate::SendStream::packet_of_type).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// First packet of the event.
    pub marker: bool,
    /// Media time of the start of the event, or of the segment of a long one.
    pub ticks: u32,
    /// What it says.
    pub payload: TelephoneEvent,
}

/// One key being pressed (RFC 4733 §2.5.1): its packets, one every 50 ms, and its end three times.
///
/// Media times are those of the audio stream it goes with, whose clock rate is the event's too.
#[derive(Clone, Copy, Debug)]
pub struct EventSender {
    event: u8,
    volume: u8,
    step: u32,
    /// Of the present segment.
    start: u32,
    next: u32,
    released: Option<u32>,
    begun: bool,
    ends: u8,
}

impl EventSender {
    /// The key goes down at media time `start`, in units of `clock_rate`; `volume` is its power in -dBm0, 0 to 63.
    #[must_use]
    pub const fn press(event: u8, volume: u8, start: u32, clock_rate: u32) -> Self {
        let per_ms = clock_rate / 1000;
        Self {
            event,
            volume,
            step: per_ms * UPDATE_MS,
            start,
            next: start.wrapping_add(per_ms * FIRST_MS),
            released: None,
            begun: false,
            ends: 0,
        }
    }

    /// The key goes up.
    pub fn release(&mut self, at: u32) {
        if self.released.is_none() {
            self.released = Some(at);
            self.next = at;
        }
    }

    /// The event is over and told.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.ends >= END_PACKETS
    }

    /// The packet due at media time `at`, if any. Call until `None`.
    pub fn poll(&mut self, at: u32) -> Option<EventPacket> {
        if self.is_done() || is_before(at, self.next) {
            return None;
        }
        let until = self.released.unwrap_or(at);
        let duration = until.wrapping_sub(self.start);
        if duration > MAX_DURATION {
            let packet = self.packet(MAX_DURATION, false);
            self.start = self.start.wrapping_add(MAX_DURATION);
            return Some(packet);
        }
        let end = self.released.is_some();
        let packet = self.packet(duration, end);
        if end {
            self.ends += 1;
        }
        self.next = at.wrapping_add(if end { 0 } else { self.step });
        Some(packet)
    }

    fn packet(&mut self, duration: u32, end: bool) -> EventPacket {
        let marker = !std::mem::replace(&mut self.begun, true);
        let payload = TelephoneEvent {
            event: self.event,
            end,
            volume: self.volume,
            duration: duration.clamp(1, MAX_DURATION) as u16,
        };
        EventPacket { marker, ticks: self.start, payload }
    }
}

fn is_before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

/// The event told last.
#[derive(Clone, Copy, Debug)]
struct Told {
    ssrc: Ssrc,
    timestamp: RtpTime,
    event: u8,
}

/// Tells each pressed key once, however many packets say so and whichever of them get lost.
#[derive(Clone, Debug, Default)]
pub struct DtmfReceiver {
    last: Option<Told>,
}

impl DtmfReceiver {
    /// Nothing pressed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// The key that was pressed, at the first packet of its event that gets here. All packets of one event have the
    /// same timestamp (RFC 4733 §2.5.1), except the later segments of one that is longer than a packet can tell.
    pub fn receive(&mut self, packet: &RtpPacket) -> Option<char> {
        let event = TelephoneEvent::parse(packet.payload_ref())?;
        // No key lasts for no time at all: that is a state, and to be ignored (RFC 4733 §2.3.5).
        let key = event.key().filter(|_| event.duration > 0)?;
        let this = Told { ssrc: packet.ssrc(), timestamp: packet.timestamp(), event: event.event };
        if let Some(last) = self.last.filter(|last| last.ssrc == this.ssrc) {
            let after = this.timestamp.distance_from(last.timestamp);
            // An older timestamp is a straggler of an event already told.
            if after <= 0 {
                return None;
            }
            if after.cast_unsigned() == MAX_DURATION && last.event == this.event && !packet.marker()
            {
                self.last = Some(this);
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
        assert_eq!(receiver.receive(&packet(1, 12, 20_000, &event(3, false, 0))), None, "a state");
        // Another source has its own timestamps.
        assert_eq!(receiver.receive(&packet(2, 1, 5, &event(0, false, 1))), Some('0'));
    }

    #[test]
    fn a_pressed_key_as_rfc_4733_2_5_1_sends_it() {
        let mut sender = EventSender::press(event_of('#').unwrap(), 10, 1000, 8000);
        let mut sent = Vec::new();
        for at in (1000..3000).step_by(160) {
            if at >= 1000 + 960 {
                sender.release(1000 + 960);
            }
            while let Some(packet) = sender.poll(at) {
                sent.push((
                    at,
                    packet.marker,
                    packet.ticks,
                    packet.payload.end,
                    packet.payload.duration,
                ));
            }
        }
        let expected = [
            (1160, true, 1000, false, 160),
            (1640, false, 1000, false, 640),
            (1960, false, 1000, true, 960),
            (1960, false, 1000, true, 960),
            (1960, false, 1000, true, 960),
        ];
        assert_eq!(sent, expected);
        assert!(sender.is_done());
        assert_eq!((event_of('d'), event_of('x')), (Some(15), None));
    }

    #[test]
    fn a_long_event_goes_on_in_segments_and_is_one_key() {
        // 48 kHz: 65 535 units are 1.365 s; the timestamps wrap on the way.
        let start = u32::MAX - 1000;
        let mut sender = EventSender::press(5, 10, start, 48_000);
        let mut receiver = DtmfReceiver::new();
        let mut heard = String::new();
        let mut segments = Vec::new();
        let mut markers = 0;
        for (seq, tick) in (0..200u16).enumerate() {
            let at = start.wrapping_add(u32::from(tick) * 960);
            if tick == 150 {
                sender.release(at);
            }
            while let Some(sent) = sender.poll(at) {
                let mut bytes = packet(1, seq as u16, sent.ticks, &sent.payload.to_payload())
                    .as_bytes()
                    .to_vec();
                bytes[1] |= u8::from(sent.marker) << 7;
                heard.extend(receiver.receive(&RtpPacket::parse(bytes.into()).unwrap()));
                markers += u32::from(sent.marker);
                if segments.last() != Some(&sent.ticks) {
                    segments.push(sent.ticks);
                }
            }
        }
        assert_eq!(heard, "5");
        assert_eq!(markers, 1, "of the first segment only");
        let expected: Vec<u32> = (0..3).map(|i| start.wrapping_add(i * 65_535)).collect();
        assert_eq!(segments, expected);
        assert!(sender.is_done());
    }

    #[test]
    fn a_key_whose_start_is_lost_is_told_by_what_comes_later() {
        for lost in 1..4 {
            let mut sender = EventSender::press(1, 10, 0, 8000);
            let mut packets = Vec::new();
            for at in (0..1000).step_by(160) {
                if at >= 480 {
                    sender.release(480);
                }
                packets.extend(std::iter::from_fn(|| sender.poll(at)));
            }
            let mut receiver = DtmfReceiver::new();
            let heard: String = packets
                .iter()
                .skip(lost)
                .filter_map(|sent| {
                    receiver.receive(&packet(1, 0, sent.ticks, &sent.payload.to_payload()))
                })
                .collect();
            assert_eq!(heard, if lost < packets.len() { "1" } else { "" }, "{lost} lost");
        }
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
