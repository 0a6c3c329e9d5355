//! Non-INVITE client transaction (RFC 3261 §17.1.2).
//!
//! ```text
//!                                   |Request from TU
//!                                   |send request
//!               Timer E             V
//!               send request  +-----------+
//!                   +---------|           |-------------------+
//!                   |         |  Trying   |  Timer F          |
//!                   +-------->|           |  or Transport Err.|
//!                             +-----------+  inform TU        |
//!                200-699         |  |                         |
//!                resp. to TU     |  |1xx                      |
//!                +---------------+  |resp. to TU              |
//!                |                  |                         |
//!                |   Timer E        V       Timer F           |
//!                |   send req +-----------+ or Transport Err. |
//!                |  +---------|           | inform TU         |
//!                |  |         |Proceeding |------------------>|
//!                |  +-------->|           |-----+             |
//!                |            +-----------+     |1xx          |
//!                |              |      ^        |resp to TU   |
//!                | 200-699      |      +--------+             |
//!                | resp. to TU  V                             |
//!                |            +-----------+                   |
//!                +----------->| Completed |                   |
//!                             +-----------+                   |
//!                                   | Timer K                 |
//!                                   V                         |
//!                             +-----------+                   |
//!                             | Terminated|<------------------+
//!                             +-----------+
//! ```

use std::time::Duration;

use super::Action;
use super::timers::{Timer, TimerValues};

/// States of the diagram above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The request has been sent, nothing came back.
    Trying,
    /// A provisional response came.
    Proceeding,
    /// The final response came; retransmissions of it are absorbed.
    Completed,
    /// Over.
    Terminated,
}

/// What can happen to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A 1xx arrived.
    Provisional,
    /// A 200–699 arrived.
    Final,
    /// One of the timers E, F or K went off.
    Timer(Timer),
    /// The transport could not send.
    TransportError,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Client {
    state: State,
    reliable: bool,
    values: TimerValues,
    interval_e: Duration,
}

impl Client {
    /// Starts the transaction; `reliable` says whether the transport retransmits by itself.
    #[must_use]
    pub fn new(values: TimerValues, reliable: bool) -> (Self, Vec<Action>) {
        let mut actions = vec![Action::Send, Action::Set(Timer::F, values.transaction_timeout())];
        if !reliable {
            actions.push(Action::Set(Timer::E, values.t1));
        }
        (Self { state: State::Trying, reliable, values, interval_e: values.t1 }, actions)
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes one event; an event that the diagram does not show for the state changes nothing.
    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        match (self.state, event) {
            (State::Trying, Event::Timer(Timer::E)) => {
                self.interval_e = (self.interval_e * 2).min(self.values.t2);
                vec![Action::Send, Action::Set(Timer::E, self.interval_e)]
            }
            // The server is alive and slow: ask less often (RFC 3261 §17.1.2.2).
            (State::Proceeding, Event::Timer(Timer::E)) => {
                vec![Action::Send, Action::Set(Timer::E, self.values.t2)]
            }
            (State::Trying | State::Proceeding, Event::Timer(Timer::F)) => {
                self.state = State::Terminated;
                vec![Action::TimedOut, Action::Terminate]
            }
            (State::Trying | State::Proceeding, Event::TransportError) => {
                self.state = State::Terminated;
                vec![Action::TransportFailed, Action::Terminate]
            }
            (State::Trying | State::Proceeding, Event::Provisional) => {
                self.state = State::Proceeding;
                vec![Action::Deliver]
            }
            (State::Trying | State::Proceeding, Event::Final) => {
                self.state = State::Completed;
                let wait = if self.reliable { Duration::ZERO } else { self.values.t4 };
                vec![
                    Action::Stop(Timer::E),
                    Action::Stop(Timer::F),
                    Action::Set(Timer::K, wait),
                    Action::Deliver,
                ]
            }
            (State::Completed, Event::Timer(Timer::K)) => {
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
    use State::{Completed, Proceeding, Terminated, Trying};

    const T1: Duration = Duration::from_millis(500);
    const T2: Duration = Duration::from_secs(4);
    const T4: Duration = Duration::from_secs(5);
    const EVENTS: [Event; 6] = [
        Event::Provisional,
        Event::Final,
        Event::Timer(Timer::E),
        Event::Timer(Timer::F),
        Event::Timer(Timer::K),
        Event::TransportError,
    ];

    /// What each event leads to: the next state and the actions.
    type Row = [(State, Vec<Action>); EVENTS.len()];

    #[test]
    fn every_state_and_event() {
        let last = vec![Stop(Timer::E), Stop(Timer::F), Set(Timer::K, T4), Deliver];
        let none = Vec::new;
        // One row a state, one column an event, in the order of EVENTS.
        let table: [(State, Row); 4] = [
            (
                Trying,
                [
                    (Proceeding, vec![Deliver]),
                    (Completed, last.clone()),
                    (Trying, vec![Send, Set(Timer::E, T1 * 2)]),
                    (Terminated, vec![TimedOut, Terminate]),
                    (Trying, none()),
                    (Terminated, vec![TransportFailed, Terminate]),
                ],
            ),
            (
                Proceeding,
                [
                    (Proceeding, vec![Deliver]),
                    (Completed, last),
                    (Proceeding, vec![Send, Set(Timer::E, T2)]),
                    (Terminated, vec![TimedOut, Terminate]),
                    (Proceeding, none()),
                    (Terminated, vec![TransportFailed, Terminate]),
                ],
            ),
            (
                Completed,
                [
                    (Completed, none()),
                    (Completed, none()),
                    (Completed, none()),
                    (Completed, none()),
                    (Terminated, vec![Terminate]),
                    (Completed, none()),
                ],
            ),
            (Terminated, std::array::from_fn(|_| (Terminated, none()))),
        ];
        for (state, row) in table {
            for (event, (next, actions)) in EVENTS.into_iter().zip(row) {
                let (mut machine, _) = Client::new(TimerValues::default(), false);
                machine.state = state;
                assert_eq!(machine.handle(event), actions, "{state:?} {event:?}");
                assert_eq!(machine.state(), next, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn intervals_double_up_to_t2() {
        let (mut machine, start) = Client::new(TimerValues::default(), false);
        assert_eq!(start, [Send, Set(Timer::F, T1 * 64), Set(Timer::E, T1)]);
        for interval in [T1 * 2, T1 * 4, T2, T2, T2] {
            let actions = machine.handle(Event::Timer(Timer::E));
            assert_eq!(actions, [Send, Set(Timer::E, interval)]);
        }
    }

    #[test]
    fn a_reliable_transport_neither_retransmits_nor_waits() {
        let (mut machine, start) = Client::new(TimerValues::default(), true);
        assert_eq!(start, [Send, Set(Timer::F, T1 * 64)]);
        assert!(machine.handle(Event::Final).contains(&Set(Timer::K, Duration::ZERO)));
    }
}
