//! INVITE server transaction: RFC 3261 §17.2.1 as corrected by RFC 6026 §8.5.
//!
//! ```text
//!                                    |INVITE
//!                                    |pass INV to TU, 100 sent
//!                 INVITE             V
//!                 send response +------------+ 1xx from TU, send response
//!                   +-----------|            |---+
//!                   |           | Proceeding |<--+
//!                   +---------->|            |---+ Transport Err.
//!                               +------------+<--+ inform TU
//!           300-699 from TU       |        | 2xx from TU
//!           send response         |        | send response
//!              +------------------+        +----------------+
//!              |                                            |
//!              V           Timer G fires, INVITE            V  INVITE: -
//!        +-----------+     send response             +------------+
//!     +--|           |---+                        +--|            |---+ ACK to TU
//!     |  | Completed |   |                        |  |  Accepted  |   | 2xx from TU: send
//!     +->|           |<--+                        +->|            |<--+ Transport Err.: inform TU
//!        +-----------+ Transport Err.: inform TU     +------------+
//!      ACK |       | Timer H fires                          | Timer L fires
//!          V       | inform TU                              |
//!   +-----------+  |                                        |
//!   | Confirmed |  |                                        |
//!   +-----------+  |                                        |
//!  Timer I |       |                                        |
//!          V       V                                        V
//!        +--------------------------------------------------------+
//!        |                       Terminated                       |
//!        +--------------------------------------------------------+
//! ```

use std::time::Duration;

use super::Action;
use super::timers::{Timer, TimerValues};

/// States of the diagram above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No final response has been sent.
    Proceeding,
    /// A 2xx has been sent; its retransmission is the transaction user's task.
    Accepted,
    /// A failure has been sent and waits for its ACK.
    Completed,
    /// The ACK came; retransmissions of it are absorbed.
    Confirmed,
    /// Over.
    Terminated,
}

/// What can happen to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The INVITE arrived again.
    Request,
    /// An ACK arrived.
    Ack,
    /// The transaction user sends a 1xx.
    Provisional,
    /// The transaction user sends a 2xx.
    Success,
    /// The transaction user sends a 300–699.
    Failure,
    /// One of the timers G, H, I or L went off.
    Timer(Timer),
    /// The transport could not send.
    TransportError,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct InviteServer {
    state: State,
    reliable: bool,
    values: TimerValues,
    interval_g: Duration,
}

impl InviteServer {
    /// Starts the transaction; `reliable` says whether the transport retransmits by itself.
    #[must_use]
    pub fn new(values: TimerValues, reliable: bool) -> Self {
        Self { state: State::Proceeding, reliable, values, interval_g: values.t1 }
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes one event; an event that the diagram does not show for the state changes nothing.
    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        match (self.state, event) {
            (State::Proceeding, Event::Request | Event::Provisional)
            | (State::Accepted, Event::Success)
            | (State::Completed, Event::Request) => vec![Action::Send],
            (State::Proceeding, Event::Success) => {
                self.state = State::Accepted;
                vec![Action::Send, Action::Set(Timer::L, self.values.transaction_timeout())]
            }
            (State::Proceeding, Event::Failure) => {
                self.state = State::Completed;
                let mut actions =
                    vec![Action::Send, Action::Set(Timer::H, self.values.transaction_timeout())];
                if !self.reliable {
                    actions.push(Action::Set(Timer::G, self.values.t1));
                }
                actions
            }
            (State::Accepted, Event::Ack) => vec![Action::Deliver],
            (State::Completed, Event::Ack) => {
                self.state = State::Confirmed;
                let wait = if self.reliable { Duration::ZERO } else { self.values.t4 };
                vec![Action::Stop(Timer::G), Action::Stop(Timer::H), Action::Set(Timer::I, wait)]
            }
            (State::Completed, Event::Timer(Timer::G)) => {
                self.interval_g = (self.interval_g * 2).min(self.values.t2);
                vec![Action::Send, Action::Set(Timer::G, self.interval_g)]
            }
            (State::Completed, Event::Timer(Timer::H)) => {
                self.state = State::Terminated;
                vec![Action::TimedOut, Action::Terminate]
            }
            // RFC 6026 §7.1: the state stays, so that a retransmitted INVITE is still recognised.
            (State::Proceeding | State::Accepted | State::Completed, Event::TransportError) => {
                vec![Action::TransportFailed]
            }
            (State::Confirmed, Event::Timer(Timer::I))
            | (State::Accepted, Event::Timer(Timer::L)) => {
                self.state = State::Terminated;
                vec![Action::Terminate]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Deliver, Send, Set, Stop, Terminate, TimedOut, TransportFailed};
    use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};

    const T1: Duration = Duration::from_millis(500);
    const T2: Duration = Duration::from_secs(4);
    const T4: Duration = Duration::from_secs(5);
    const LONG: Duration = Duration::from_secs(32);
    const EVENTS: [Event; 10] = [
        Event::Request,
        Event::Ack,
        Event::Provisional,
        Event::Success,
        Event::Failure,
        Event::Timer(Timer::G),
        Event::Timer(Timer::H),
        Event::Timer(Timer::I),
        Event::Timer(Timer::L),
        Event::TransportError,
    ];

    /// What each event leads to: the next state and the actions.
    type Row = [(State, Vec<Action>); EVENTS.len()];

    #[test]
    fn every_state_and_event() {
        let none = Vec::new;
        // One row a state, one column an event, in the order of EVENTS.
        let table: [(State, Row); 5] = [
            (
                Proceeding,
                [
                    (Proceeding, vec![Send]),
                    (Proceeding, none()),
                    (Proceeding, vec![Send]),
                    (Accepted, vec![Send, Set(Timer::L, LONG)]),
                    (Completed, vec![Send, Set(Timer::H, LONG), Set(Timer::G, T1)]),
                    (Proceeding, none()),
                    (Proceeding, none()),
                    (Proceeding, none()),
                    (Proceeding, none()),
                    (Proceeding, vec![TransportFailed]),
                ],
            ),
            (
                Accepted,
                [
                    (Accepted, none()),
                    (Accepted, vec![Deliver]),
                    (Accepted, none()),
                    (Accepted, vec![Send]),
                    (Accepted, none()),
                    (Accepted, none()),
                    (Accepted, none()),
                    (Accepted, none()),
                    (Terminated, vec![Terminate]),
                    (Accepted, vec![TransportFailed]),
                ],
            ),
            (
                Completed,
                [
                    (Completed, vec![Send]),
                    (Confirmed, vec![Stop(Timer::G), Stop(Timer::H), Set(Timer::I, T4)]),
                    (Completed, none()),
                    (Completed, none()),
                    (Completed, none()),
                    (Completed, vec![Send, Set(Timer::G, T1 * 2)]),
                    (Terminated, vec![TimedOut, Terminate]),
                    (Completed, none()),
                    (Completed, none()),
                    (Completed, vec![TransportFailed]),
                ],
            ),
            (
                Confirmed,
                [
                    (Confirmed, none()),
                    (Confirmed, none()),
                    (Confirmed, none()),
                    (Confirmed, none()),
                    (Confirmed, none()),
                    (Confirmed, none()),
                    (Confirmed, none()),
                    (Terminated, vec![Terminate]),
                    (Confirmed, none()),
                    (Confirmed, none()),
                ],
            ),
            (Terminated, std::array::from_fn(|_| (Terminated, none()))),
        ];
        for (state, row) in table {
            for (event, (next, actions)) in EVENTS.into_iter().zip(row) {
                let mut machine = InviteServer::new(TimerValues::default(), false);
                machine.state = state;
                assert_eq!(machine.handle(event), actions, "{state:?} {event:?}");
                assert_eq!(machine.state(), next, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn a_failure_is_repeated_at_intervals_up_to_t2() {
        let mut machine = InviteServer::new(TimerValues::default(), false);
        machine.handle(Event::Failure);
        for interval in [T1 * 2, T1 * 4, T2, T2] {
            let actions = machine.handle(Event::Timer(Timer::G));
            assert_eq!(actions, [Send, Set(Timer::G, interval)]);
        }
    }

    #[test]
    fn a_reliable_transport_neither_retransmits_nor_waits_after_the_ack() {
        let mut machine = InviteServer::new(TimerValues::default(), true);
        // Timer H runs on every transport: the ACK itself may never come (RFC 3261 §17.2.1).
        assert_eq!(machine.handle(Event::Failure), [Send, Set(Timer::H, LONG)]);
        assert!(machine.handle(Event::Ack).contains(&Set(Timer::I, Duration::ZERO)));
    }
}
