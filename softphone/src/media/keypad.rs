//! Keys pressed during a call, as telephone events in the stream of our voice (RFC 4733).

use std::collections::VecDeque;

use rtp_session::dtmf::{EventPacket, EventSender, event_of};

/// Keys that wait for those before them; more nobody types ahead.
const MAX_WAITING: usize = 32;
/// Power of the tone, -dBm0: what telephones use.
const VOLUME: u8 = 10;
/// A key lasts for a tenth of a second, and the pause after it as long: every receiver takes that (ITU-T Q.24 asks
/// for 40 ms each).
const KEYS_PER_SECOND: u32 = 10;

/// The keys of one audio line.
#[derive(Debug, Default)]
pub struct Keypad {
    waiting: VecDeque<u8>,
    /// The key that is down, with the media time it went down.
    pressed: Option<(EventSender, u32)>,
    /// Media time before which the next one does not go down.
    pause: Option<u32>,
}

impl Keypad {
    /// A key goes down for a moment, after those that wait. Returns whether there is such a key and room for it.
    pub fn press(&mut self, key: char) -> bool {
        let Some(event) = event_of(key).filter(|_| self.waiting.len() < MAX_WAITING) else {
            return false;
        };
        self.waiting.push_back(event);
        true
    }

    /// The events that go out instead of the sound from media time `ticks` on, which is `length` long, at `rate` Hz.
    /// `None`: no key is down.
    pub fn poll(&mut self, ticks: u32, length: u32, rate: u32) -> Option<Vec<EventPacket>> {
        let span = rate / KEYS_PER_SECOND;
        if self.pause.is_some_and(|until| ticks.wrapping_sub(until).cast_signed() < 0) {
            return None;
        }
        self.pause = None;
        if self.pressed.is_none() {
            let event = self.waiting.pop_front()?;
            self.pressed = Some((EventSender::press(event, VOLUME, ticks, rate), ticks));
        }
        let (sender, start) = self.pressed.as_mut()?;
        let now = ticks.wrapping_add(length);
        if now.wrapping_sub(*start) >= span {
            sender.release(start.wrapping_add(span));
        }
        let packets = std::iter::from_fn(|| sender.poll(now)).collect();
        if sender.is_done() {
            self.pressed = None;
            self.pause = Some(now.wrapping_add(span));
        }
        Some(packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_out_one_after_the_other_with_pauses() {
        let mut keypad = Keypad::default();
        assert!(keypad.press('5') && keypad.press('#') && !keypad.press('x'));
        let mut keys = Vec::new();
        let mut sound = 0;
        for tick in 0..40u32 {
            match keypad.poll(tick * 960, 960, 48_000) {
                Some(packets) => keys.extend(packets),
                None => sound += 1,
            }
        }
        let ends: Vec<_> = keys.iter().filter(|packet| packet.payload.end).collect();
        assert_eq!(ends.len(), 6, "three for each");
        assert!(ends.iter().all(|packet| packet.payload.duration == 4800));
        let starts: Vec<_> =
            keys.iter().filter(|p| p.marker).map(|p| (p.payload.event, p.ticks)).collect();
        assert_eq!(starts, [(5, 0), (11, 9600)]);
        assert_eq!(sound, 30, "five ticks for each key");
    }

    #[test]
    fn nobody_types_ahead_without_end() {
        let mut keypad = Keypad::default();
        assert_eq!((0..100).filter(|_| keypad.press('1')).count(), MAX_WAITING);
    }
}
