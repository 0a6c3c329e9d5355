//! INVITE client transaction: RFC 3261 §17.1.1 as corrected by RFC 6026 §8.4.
//!
//! ```text
//!                                  |INVITE from TU
//!                Timer A fires     |INVITE sent
//!                Reset A,          V                      Timer B fires
//!                INVITE sent +-----------+                or Transport Err.
//!                  +---------|           |---------------+inform TU
//!                  |         |  Calling  |               |
//!                  +-------->|           |-------------->|
//!                            +-----------+ 2xx           |
//!                               |  |       2xx to TU     |
//!                               |  |1xx                  |
//!       300-699 +---------------+  |1xx to TU            |
//!      ACK sent |                  |                     |
//!   resp. to TU |  1xx             V                     |
//!               |  1xx to TU  -----------+               |
//!               |  +---------|           |               |
//!               |  |         |Proceeding |-------------->|
//!               |  +-------->|           | 2xx           |
//!               |            +-----------+ 2xx to TU     |
//!               |       300-699    |                     |
//!               |       ACK sent,  |                     |
//!               |       resp. to TU|                     |
//!               |                  V                     |
//!               |            +-----------+      +----------+
//!               +----------->| Completed |      | Accepted |--+ 2xx
//!                 300-699 +--|           |      |          |<-+ 2xx to TU
//!                 ACK sent+->|           |      +----------+
//!                            +-----------+           | Timer M fires
//!                 Timer D fires |  | Transport Err.  |
//!                               V  V inform TU       V
//!                            +-----------------------------+
//!                            |         Terminated          |
//!                            +-----------------------------+
//! ```

use std::time::Duration;

use super::Action;
use super::timers::{Timer, TimerValues};

/// States of the diagram above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The INVITE has been sent, nothing came back.
    Calling,
    /// A provisional response came.
    Proceeding,
    /// A 2xx came; more of them may follow (retransmitted or forked).
    Accepted,
    /// A failure came and was acknowledged; it may be retransmitted.
    Completed,
    /// Over.
    Terminated,
}

/// What can happen to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A 1xx arrived.
    Provisional,
    /// A 2xx arrived.
    Success,
    /// A 300–699 arrived.
    Failure,
    /// One of the timers A, B, D or M went off.
    Timer(Timer),
    /// The transport could not send.
    TransportError,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct InviteClient {
    state: State,
    reliable: bool,
    values: TimerValues,
    interval_a: Duration,
}

impl InviteClient {
    /// Starts the transaction; `reliable` says whether the transport retransmits by itself.
    #[must_use]
    pub fn new(values: TimerValues, reliable: bool) -> (Self, Vec<Action>) {
        let mut actions = vec![Action::Send, Action::Set(Timer::B, values.transaction_timeout())];
        if !reliable {
            actions.push(Action::Set(Timer::A, values.t1));
        }
        (Self { state: State::Calling, reliable, values, interval_a: values.t1 }, actions)
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes one event; an event that the diagram does not show for the state changes nothing.
    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        match (self.state, event) {
            (State::Calling, Event::Timer(Timer::A)) => {
                self.interval_a *= 2;
                vec![Action::Send, Action::Set(Timer::A, self.interval_a)]
            }
            (State::Calling, Event::Timer(Timer::B)) => {
                self.state = State::Terminated;
                vec![Action::TimedOut, Action::Terminate]
            }
            (State::Calling | State::Completed, Event::TransportError) => {
                self.state = State::Terminated;
                vec![Action::TransportFailed, Action::Terminate]
            }
            (State::Calling, Event::Provisional) => {
                self.state = State::Proceeding;
                vec![Action::Stop(Timer::A), Action::Stop(Timer::B), Action::Deliver]
            }
            (State::Proceeding, Event::Provisional) | (State::Accepted, Event::Success) => {
                vec![Action::Deliver]
            }
            (State::Calling | State::Proceeding, Event::Success) => {
                self.state = State::Accepted;
                vec![
                    Action::Stop(Timer::A),
                    Action::Stop(Timer::B),
                    Action::Set(Timer::M, self.values.transaction_timeout()),
                    Action::Deliver,
                ]
            }
            (State::Calling | State::Proceeding, Event::Failure) => {
                self.state = State::Completed;
                let wait = if self.reliable {
                    Duration::ZERO
                } else {
                    self.values.wait_for_retransmitted_failure()
                };
                vec![
                    Action::Stop(Timer::A),
                    Action::Stop(Timer::B),
                    Action::SendAck,
                    Action::Set(Timer::D, wait),
                    Action::Deliver,
                ]
            }
            (State::Completed, Event::Failure) => vec![Action::SendAck],
            (State::Completed, Event::Timer(Timer::D))
            | (State::Accepted, Event::Timer(Timer::M)) => {
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
    use Action::{Deliver, Send, SendAck, Set, Stop, Terminate, TimedOut, TransportFailed};
    use State::{Accepted, Calling, Completed, Proceeding, Terminated};

    const T1: Duration = Duration::from_millis(500);
    const LONG: Duration = Duration::from_secs(32);
    const EVENTS: [Event; 8] = [
        Event::Provisional,
        Event::Success,
        Event::Failure,
        Event::Timer(Timer::A),
        Event::Timer(Timer::B),
        Event::Timer(Timer::D),
        Event::Timer(Timer::M),
        Event::TransportError,
    ];

    fn machine(state: State, reliable: bool) -> InviteClient {
        let (mut machine, _) = InviteClient::new(TimerValues::default(), reliable);
        machine.state = state;
        machine
    }

    /// What each event leads to: the next state and the actions.
    type Row = [(State, Vec<Action>); EVENTS.len()];

    #[test]
    fn every_state_and_event() {
        let success = vec![Stop(Timer::A), Stop(Timer::B), Set(Timer::M, LONG), Deliver];
        let failure = vec![Stop(Timer::A), Stop(Timer::B), SendAck, Set(Timer::D, LONG), Deliver];
        let none = Vec::new;
        // One row a state, one column an event, in the order of EVENTS.
        let table: [(State, Row); 5] = [
            (
                Calling,
                [
                    (Proceeding, vec![Stop(Timer::A), Stop(Timer::B), Deliver]),
                    (Accepted, success.clone()),
                    (Completed, failure.clone()),
                    (Calling, vec![Send, Set(Timer::A, T1 * 2)]),
                    (Terminated, vec![TimedOut, Terminate]),
                    (Calling, none()),
                    (Calling, none()),
                    (Terminated, vec![TransportFailed, Terminate]),
                ],
            ),
            (
                Proceeding,
                [
                    (Proceeding, vec![Deliver]),
                    (Accepted, success),
                    (Completed, failure),
                    (Proceeding, none()),
                    (Proceeding, none()),
                    (Proceeding, none()),
                    (Proceeding, none()),
                    (Proceeding, none()),
                ],
            ),
            (
                Accepted,
                [
                    (Accepted, none()),
                    (Accepted, vec![Deliver]),
                    (Accepted, none()),
                    (Accepted, none()),
                    (Accepted, none()),
                    (Accepted, none()),
                    (Terminated, vec![Terminate]),
                    (Accepted, none()),
                ],
            ),
            (
                Completed,
                [
                    (Completed, none()),
                    (Completed, none()),
                    (Completed, vec![SendAck]),
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
                let mut machine = machine(state, false);
                assert_eq!(machine.handle(event), actions, "{state:?} {event:?}");
                assert_eq!(machine.state(), next, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn intervals_double_without_limit() {
        let (mut machine, start) = InviteClient::new(TimerValues::default(), false);
        assert_eq!(start, [Send, Set(Timer::B, LONG), Set(Timer::A, T1)]);
        for factor in [2, 4, 8, 16, 32] {
            let actions = machine.handle(Event::Timer(Timer::A));
            assert_eq!(actions, [Send, Set(Timer::A, T1 * factor)]);
        }
    }

    #[test]
    fn a_reliable_transport_neither_retransmits_nor_waits() {
        let (mut machine, start) = InviteClient::new(TimerValues::default(), true);
        assert_eq!(start, [Send, Set(Timer::B, LONG)]);
        assert!(machine.handle(Event::Failure).contains(&Set(Timer::D, Duration::ZERO)));
    }
}
