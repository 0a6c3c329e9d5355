//! Non-INVITE server transaction (RFC 3261 §17.2.2).
//!
//! ```text
//!                                   |Request received
//!                                   |pass to TU
//!                                   V
//!                             +-----------+
//!                             | Trying    |-------------+
//!                             +-----------+             |
//!                                   |                   |200-699 from TU
//!                                   |1xx from TU        |send response
//!                                   |send response      |
//!                Request            V      1xx from TU  |
//!                send response+-----------+send response|
//!                    +--------|           |--------+    |
//!                    |        | Proceeding|        |    |
//!                    +------->|           |<-------+    |
//!             +<--------------|           |             |
//!             |Transport Err. +-----------+             |
//!             |inform TU            |                   |
//!             |                     |200-699 from TU    |
//!             |                     |send response      |
//!             |  Request            V                   |
//!             |  send response+-----------+             |
//!             |      +--------|           |             |
//!             |      |        | Completed |<------------+
//!             |      +------->|           |
//!             +<--------------|           |
//!             |Transport Err. +-----------+
//!             |inform TU            | Timer J fires
//!             |                     V
//!             |               +-----------+
//!             +-------------->| Terminated|
//!                             +-----------+
//! ```

use std::time::Duration;

use super::Action;
use super::timers::{Timer, TimerValues};

/// States of the diagram above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The transaction user has not answered.
    Trying,
    /// A provisional response has been sent.
    Proceeding,
    /// The final response has been sent; retransmitted requests get it again.
    Completed,
    /// Over.
    Terminated,
}

/// What can happen to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The request arrived again.
    Request,
    /// The transaction user sends a 1xx.
    Provisional,
    /// The transaction user sends a 200–699.
    Final,
    /// Timer J or [`Timer::Abandon`] went off.
    Timer(Timer),
    /// The transport could not send.
    TransportError,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Server {
    state: State,
    reliable: bool,
    values: TimerValues,
}

impl Server {
    /// Starts the transaction; `reliable` says whether the transport retransmits by itself.
    #[must_use]
    pub fn new(values: TimerValues, reliable: bool) -> (Self, Vec<Action>) {
        let actions = vec![Action::Set(Timer::Abandon, values.transaction_timeout())];
        (Self { state: State::Trying, reliable, values }, actions)
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes one event; an event that the diagram does not show for the state changes nothing.
    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        match (self.state, event) {
            (State::Trying | State::Proceeding, Event::Provisional) => {
                self.state = State::Proceeding;
                vec![Action::Send]
            }
            (State::Proceeding | State::Completed, Event::Request) => vec![Action::Send],
            (State::Trying | State::Proceeding, Event::Final) => {
                self.state = State::Completed;
                let wait =
                    if self.reliable { Duration::ZERO } else { self.values.transaction_timeout() };
                vec![Action::Send, Action::Stop(Timer::Abandon), Action::Set(Timer::J, wait)]
            }
            (State::Proceeding | State::Completed, Event::TransportError) => {
                self.state = State::Terminated;
                vec![Action::TransportFailed, Action::Terminate]
            }
            (State::Completed, Event::Timer(Timer::J)) => {
                self.state = State::Terminated;
                vec![Action::Terminate]
            }
            (State::Trying | State::Proceeding, Event::Timer(Timer::Abandon)) => {
                self.state = State::Terminated;
                vec![Action::TimedOut, Action::Terminate]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Send, Set, Stop, Terminate, TimedOut, TransportFailed};
    use State::{Completed, Proceeding, Terminated, Trying};

    const LONG: Duration = Duration::from_secs(32);
    const EVENTS: [Event; 6] = [
        Event::Request,
        Event::Provisional,
        Event::Final,
        Event::Timer(Timer::J),
        Event::Timer(Timer::Abandon),
        Event::TransportError,
    ];

    /// What each event leads to: the next state and the actions.
    type Row = [(State, Vec<Action>); EVENTS.len()];

    #[test]
    fn every_state_and_event() {
        let last = vec![Send, Stop(Timer::Abandon), Set(Timer::J, LONG)];
        let none = Vec::new;
        // One row a state, one column an event, in the order of EVENTS.
        let table: [(State, Row); 4] = [
            (
                Trying,
                [
                    (Trying, none()),
                    (Proceeding, vec![Send]),
                    (Completed, last.clone()),
                    (Trying, none()),
                    (Terminated, vec![TimedOut, Terminate]),
                    (Trying, none()),
                ],
            ),
            (
                Proceeding,
                [
                    (Proceeding, vec![Send]),
                    (Proceeding, vec![Send]),
                    (Completed, last),
                    (Proceeding, none()),
                    (Terminated, vec![TimedOut, Terminate]),
                    (Terminated, vec![TransportFailed, Terminate]),
                ],
            ),
            (
                Completed,
                [
                    (Completed, vec![Send]),
                    (Completed, none()),
                    (Completed, none()),
                    (Terminated, vec![Terminate]),
                    (Completed, none()),
                    (Terminated, vec![TransportFailed, Terminate]),
                ],
            ),
            (Terminated, std::array::from_fn(|_| (Terminated, none()))),
        ];
        for (state, row) in table {
            for (event, (next, actions)) in EVENTS.into_iter().zip(row) {
                let (mut machine, _) = Server::new(TimerValues::default(), false);
                machine.state = state;
                assert_eq!(machine.handle(event), actions, "{state:?} {event:?}");
                assert_eq!(machine.state(), next, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn a_reliable_transport_does_not_wait_for_retransmissions() {
        let (mut machine, start) = Server::new(TimerValues::default(), true);
        assert_eq!(start, [Set(Timer::Abandon, LONG)]);
        assert!(machine.handle(Event::Final).contains(&Set(Timer::J, Duration::ZERO)));
    }
}
