//! What waits for one device, and how much one may say.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::delivery::DeliveryId;
use super::line::Line;

/// The most lines that wait for one device; what comes on top is lost to it, and its sender is told.
const MAX_WAITING: usize = 256;
/// How many lines in a row somebody may say, and how fast that many may be said again: a person who
/// pastes is served, a program that babbles is not.
const BURST: u32 = 20;
const EACH: Duration = Duration::from_millis(250);
/// After so many requests that nobody answered a device is taken for one that has no chat.
const MAX_UNANSWERED: u8 = 2;

/// In which form a device takes chat; found out by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    /// With the sender's name and the time in an envelope.
    #[default]
    Cpim,
    /// As plain text: it has refused the envelope.
    PlainInside,
    /// As plain text outside of the dialog: there Linphone takes itself for the sender of all that comes,
    /// and an answer would go nowhere.
    PlainBeside,
    /// Not at all: it knows no MESSAGE.
    None,
}

/// A line for a device.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) line: Arc<Line>,
    /// Who wants to know what becomes of it.
    pub(super) delivery: Option<DeliveryId>,
}

/// The chat of one member's device.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(super) form: Form,
    waiting: VecDeque<Item>,
    /// What is on its way: one at a time (RFC 3428 §8).
    sent: Option<Item>,
    unanswered: u8,
    /// Time in which lines may be said.
    credit: Duration,
    credited: Option<Instant>,
}

impl Default for Inbox {
    fn default() -> Self {
        Inbox {
            form: Form::default(),
            waiting: VecDeque::new(),
            sent: None,
            unanswered: 0,
            credit: EACH * BURST,
            credited: None,
        }
    }
}

impl Inbox {
    /// Puts a line in; gives it back if there is no room.
    pub(super) fn push(&mut self, item: Item) -> Result<(), Item> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(item);
        }
        self.waiting.push_back(item);
        Ok(())
    }

    /// The next line to send, unless one is on its way.
    pub(super) fn next(&mut self) -> Option<Item> {
        if self.sent.is_some() {
            return None;
        }
        self.waiting.pop_front()
    }

    /// This line is on its way.
    pub(super) fn sending(&mut self, item: Item) {
        self.sent = Some(item);
    }

    /// The line that was on its way has been answered, or not.
    pub(super) fn answered(&mut self, heard: bool) -> Option<Item> {
        self.unanswered = if heard { 0 } else { self.unanswered.saturating_add(1) };
        if self.unanswered >= MAX_UNANSWERED {
            self.form = Form::None;
        }
        self.sent.take()
    }

    /// The line is to be tried again, before all others.
    pub(super) fn put_back(&mut self, item: Item) {
        self.waiting.push_front(item);
    }

    /// Everything that has not arrived.
    pub(super) fn into_items(self) -> impl Iterator<Item = Item> {
        self.sent.into_iter().chain(self.waiting)
    }

    /// Whether this member may say something now; it counts as said.
    pub(super) fn may_say(&mut self, now: Instant) -> bool {
        let since = self.credited.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.credited = Some(now);
        self.credit = (self.credit + since).min(EACH * BURST);
        match self.credit.checked_sub(EACH) {
            Some(left) => {
                self.credit = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;
    use crate::core::history::Person;

    fn item(seq: u64) -> Item {
        let by = Person { uri: "sip:a@h".into(), name: "A".into(), verified: false };
        let (text, id) = (String::new(), String::new());
        let line = Line { seq, by, at: Duration::ZERO, text, id, to: None };
        Item { line: Arc::new(line), delivery: None }
    }

    #[test]
    fn one_line_at_a_time_in_order_and_not_too_many() {
        let mut inbox = Inbox::default();
        for seq in 0..300 {
            assert_eq!(inbox.push(item(seq)).is_ok(), seq < 256);
        }
        let first = inbox.next().unwrap();
        assert_eq!(first.line.seq, 0);
        inbox.sending(first);
        assert!(inbox.next().is_none(), "one is on its way");
        let back = inbox.answered(true).unwrap();
        inbox.put_back(back);
        assert_eq!(inbox.next().unwrap().line.seq, 0);
        assert_eq!(inbox.next().unwrap().line.seq, 1);
        assert_eq!(inbox.into_items().count(), 254);
    }

    #[test]
    fn a_device_that_never_answers_is_left_alone() {
        let mut inbox = Inbox::default();
        for (heard, form) in
            [(false, Form::Cpim), (true, Form::Cpim), (false, Form::Cpim), (false, Form::None)]
        {
            inbox.sending(item(1));
            inbox.answered(heard);
            assert_eq!(inbox.form, form);
        }
    }

    #[test]
    fn twenty_lines_at_once_then_four_a_second() {
        let mut inbox = Inbox::default();
        let mut now = Instant::now();
        assert_eq!((0..50).filter(|_| inbox.may_say(now)).count(), 20);
        now += Duration::from_secs(1);
        assert_eq!((0..50).filter(|_| inbox.may_say(now)).count(), 4);
        now += Duration::from_secs(3600);
        assert_eq!((0..50).filter(|_| inbox.may_say(now)).count(), 20);
    }
}
