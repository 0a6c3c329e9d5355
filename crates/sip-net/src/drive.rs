//! The loop around an [`Endpoint`], in pieces.
//!
//! ```no_run
//! # use sip_net::{Transports, drive};
//! # use sip_stack::endpoint::{Endpoint, Event};
//! # async fn run(mut endpoint: Endpoint, mut transports: Transports) {
//! let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
//! loop {
//!     while let Some(event) = drive::next_event(&mut endpoint, &mut transports) {
//!         // act on it, by calling the endpoint's verbs
//! #       drop(event);
//!     }
//!     tokio::select! {
//!         () = drive::wait(&mut endpoint, &mut transports) => {}
//!         _ = &mut stop => break,
//!     }
//! }
//! # }
//! ```

use crate::{Incoming, Transports};
use sip_stack::endpoint::{Endpoint, Event, Output};
use std::time::Instant;

/// Sends what the endpoint wants sent, up to its next event; `None` when it is drained. Call it until
/// then before waiting.
pub fn next_event(endpoint: &mut Endpoint, transports: &mut Transports) -> Option<Event> {
    loop {
        match endpoint.poll_output()? {
            Output::Transmit(transmit) => transports.send(transmit),
            Output::Event(event) => return Some(event),
        }
    }
}

/// Waits for a message or for the endpoint's next timer, and lets the endpoint handle it. Safe to
/// cancel.
pub async fn wait(endpoint: &mut Endpoint, transports: &mut Transports) {
    match recv_until(transports, endpoint.poll_timeout()).await {
        Some(incoming) => deliver(endpoint, Instant::now(), incoming),
        None => endpoint.handle_timeout(Instant::now()),
    }
}

/// The next thing that arrives, or `None` at `deadline`. Safe to cancel. A deadline in the past gives
/// `None` at once, so that no flood of messages can keep timers from running.
pub async fn recv_until(
    transports: &mut Transports,
    deadline: Option<Instant>,
) -> Option<Incoming> {
    let Some(deadline) = deadline else { return Some(transports.recv().await) };
    if deadline <= Instant::now() {
        return None;
    }
    tokio::time::timeout_at(deadline.into(), transports.recv()).await.ok()
}

/// Hands what arrived to the endpoint.
pub fn deliver(endpoint: &mut Endpoint, now: Instant, incoming: Incoming) {
    match incoming {
        Incoming::Message { flow, bytes } => endpoint.handle_message(now, flow, &bytes),
        Incoming::Closed(connection) => endpoint.handle_flow_closed(now, connection),
        Incoming::SendFailed(id) => endpoint.handle_send_failed(now, id),
        Incoming::Resolved { id, hops, bytes } => endpoint.handle_resolved(now, id, hops, bytes),
    }
}
