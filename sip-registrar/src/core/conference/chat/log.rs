//! What was said lately in a room, for those who come later, and what was seen before.

use std::collections::VecDeque;
use std::sync::Arc;

use super::line::Line;

/// The most bytes of text kept for newcomers.
const MAX_BYTES: usize = 256 * 1024;
/// How many Message-IDs are remembered. A message that is repeated later counts as a new one.
const MAX_SEEN: usize = 256;

/// The room's memory.
#[derive(Debug, Default)]
pub(crate) struct Log {
    said: u64,
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
    /// Sender and Message-ID: the same message must not be said twice, whichever door it comes by.
    seen: VecDeque<(String, String)>,
}

impl Log {
    /// The number of the next line.
    pub(super) fn next(&self) -> u64 {
        self.said + 1
    }

    /// Notes that a message of this sender with this id came; false if it came before.
    pub(super) fn is_new(&mut self, sender: &str, id: &str) -> bool {
        if self.seen.iter().any(|(by, seen)| by == sender && seen == id) {
            return false;
        }
        if self.seen.len() >= MAX_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back((sender.to_owned(), id.to_owned()));
        true
    }

    /// Adds a line and keeps the last `keep`.
    pub(super) fn add(&mut self, line: &Arc<Line>, keep: usize) {
        self.said = self.said.max(line.seq);
        // What was said to one person is nobody else's.
        if line.to.is_some() {
            return;
        }
        self.bytes += line.text.len();
        self.lines.push_back(Arc::clone(line));
        while self.lines.len() > keep || self.bytes > MAX_BYTES {
            let Some(old) = self.lines.pop_front() else { break };
            self.bytes -= old.text.len();
        }
    }

    /// What a newcomer is told, oldest first.
    pub(super) fn lines(&self) -> impl Iterator<Item = &Arc<Line>> {
        self.lines.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::history::Person;

    fn line(seq: u64, text: String) -> Arc<Line> {
        let by = Person { uri: "sip:a@h".into(), name: "A".into(), verified: false };
        Arc::new(Line { seq, by, at: Duration::ZERO, text, id: seq.to_string(), to: None })
    }

    #[test]
    fn the_last_lines_are_kept_and_no_more_bytes_than_allowed() {
        let mut log = Log::default();
        for seq in 1..=5 {
            assert_eq!(log.next(), seq);
            log.add(&line(seq, "x".into()), 3);
        }
        assert_eq!(log.lines().map(|l| l.seq).collect::<Vec<_>>(), [3, 4, 5]);
        for seq in 6..=20 {
            log.add(&line(seq, "x".repeat(32 * 1024)), 100);
        }
        assert_eq!(log.lines().count(), 8);
        let aside =
            Line { to: Some(line(0, String::new()).by.clone()), ..(*line(21, "s".into())).clone() };
        log.add(&Arc::new(aside), 100);
        assert_eq!(log.lines().last().unwrap().seq, 20, "asides are not repeated");
        assert_eq!(log.next(), 22);
    }

    #[test]
    fn a_message_is_known_by_sender_and_id() {
        let mut log = Log::default();
        assert!(log.is_new("a", "1") && log.is_new("b", "1") && log.is_new("a", "2"));
        assert!(!log.is_new("a", "1"));
        for id in 0..MAX_SEEN {
            log.is_new("c", &id.to_string());
        }
        assert!(log.is_new("a", "1"), "forgotten in time");
        assert_eq!(log.seen.len(), MAX_SEEN);
    }
}
