//! What a conference wants done.

use std::collections::VecDeque;

use mixer_control::SourceLine;

use crate::io::{PortId, Transmit};

/// Something for the shell to do.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send a datagram.
    Transmit(Transmit),
    /// Close a port: no line uses it any more.
    Release(PortId),
    /// Tell the focus.
    Event(Event),
}

/// Something the focus wants to know. Legs are named as it named them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The member's source must make a key frame and understands no RTCP feedback: to be asked by INFO (RFC 5168).
    KeyFrameWanted {
        /// Whose picture.
        leg: String,
    },
    /// Neither RTP nor RTCP came for the time set. Told again after each such time.
    LegSilent {
        /// Whose leg.
        leg: String,
    },
    /// Media should be coming from the member for some seconds now, and does not, or cannot be used.
    MediaMissing {
        /// Whose leg.
        leg: String,
        /// Plain sentences.
        why: Vec<String>,
    },
    /// A key was pressed at the member's phone (RFC 4733).
    Digit {
        /// Whose.
        leg: String,
        /// `0`-`9`, `*`, `#` or `A`-`D`.
        digit: char,
    },
    /// By what others know a member's streams; all of its lines in use.
    Sources {
        /// Whose.
        leg: String,
        /// In order.
        lines: Vec<SourceLine>,
    },
    /// Somebody else has the floor.
    ActiveSpeaker {
        /// Who.
        leg: String,
    },
}

/// Outputs not yet taken by the shell; the memory is used again.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Output>,
}

impl Outbox {
    /// Appends a datagram.
    pub fn transmit(&mut self, transmit: Transmit) {
        self.queue.push_back(Output::Transmit(transmit));
    }

    /// Appends an event.
    pub fn event(&mut self, event: Event) {
        self.queue.push_back(Output::Event(event));
    }

    /// Appends the closing of a port. Once only: the number may soon be that of another.
    pub fn release(&mut self, port: PortId) {
        let again = |output: &Output| matches!(output, Output::Release(other) if *other == port);
        if !self.queue.iter().any(again) {
            self.queue.push_back(Output::Release(port));
        }
    }

    /// The oldest one.
    pub fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}
