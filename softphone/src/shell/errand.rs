//! Runs an errand on real sockets until it is over.

use std::time::{Duration, Instant};

use sip_net::{Incoming, Transports};
use sip_stack::message::{NameAddr, Uri};
use softphone::core::errand::{Errand, ErrandConfig, Event, Output, Task};
use softphone::core::outcome::Outcome;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::failure::Failure;
use super::secrets::Secrets;
use super::way::Way;

/// How long the last messages may take to be written.
const CLOSING: Duration = Duration::from_millis(500);

/// What whoever watches an errand wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Go,
    /// End it.
    Stop,
    /// See everything again.
    Again,
}

/// Runs an errand about the conference `uri`, or at its server if it has no name yet. `on_event` hears what happens; `on_line` what is
/// typed, if there is somebody who types.
///
/// # Errors
/// Our sockets cannot be opened.
pub fn run(
    way: &Way,
    uri: &Uri,
    task: impl FnOnce(std::net::IpAddr) -> Task,
    lines: Option<mpsc::Receiver<String>>,
    mut on_event: impl FnMut(Event) -> Next,
    mut on_line: impl FnMut(&str) -> Next,
) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::local)?;
    let outcome = runtime.block_on(async {
        let (sip, local) = way.transports().map_err(Failure::local)?;
        let secrets = Secrets::of_user();
        let given = way.given_name.as_deref();
        // who made it is called the same when it comes back
        let creator = secrets.as_ref().filter(|_| given.is_none());
        let creator = creator.and_then(|secrets| secrets.creator(uri));
        let from = way.from(uri);
        let config = ErrandConfig {
            endpoint: way.endpoint(local),
            from: NameAddr { display_name: creator.or(from.display_name.clone()), ..from },
            target: None,
            account: way.account(),
            secret: secrets.and_then(|secrets| secrets.get(uri, given)),
        };
        let errand = Errand::new(config, task(local.ip()), rand::random());
        drive(errand, sip, lines, &mut on_event, &mut on_line).await
    });
    runtime.shutdown_background();
    outcome
}

async fn drive(
    mut errand: Errand,
    mut sip: Transports,
    mut lines: Option<mpsc::Receiver<String>>,
    on_event: &mut dyn FnMut(Event) -> Next,
    on_line: &mut dyn FnMut(&str) -> Next,
) -> Result<Outcome, Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::local)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::local)?;
    errand.start(Instant::now());
    loop {
        while let Some(output) = errand.poll_output() {
            let next = match output {
                Output::Transmit(transmit) => {
                    sip.send(transmit);
                    continue;
                }
                Output::Event(Event::Over(outcome)) => {
                    sip.close(CLOSING).await;
                    return Ok(outcome);
                }
                Output::Event(event) => on_event(event),
            };
            follow(&mut errand, next);
        }
        tokio::select! {
            incoming = sip_net::drive::recv_until(&mut sip, errand.poll_timeout()) => {
                let now = Instant::now();
                match incoming {
                    None => errand.handle_timeout(now),
                    Some(Incoming::Message { flow, bytes }) => errand.handle_message(now, flow, &bytes),
                    Some(Incoming::Closed(connection)) => errand.handle_flow_closed(now, connection),
                    Some(Incoming::SendFailed(id)) => errand.handle_send_failed(now, id),
                    Some(Incoming::Resolved { id, hops, bytes }) => {
                        errand.handle_resolved(now, id, hops, bytes);
                    }
                }
            }
            line = next_line(&mut lines) => match line {
                Some(line) => follow(&mut errand, on_line(&line)),
                // the terminal is closed: nobody can choose any more
                None => {
                    lines = None;
                    errand.stop(Instant::now());
                }
            },
            _ = interrupt.recv() => errand.stop(Instant::now()),
            _ = terminate.recv() => errand.stop(Instant::now()),
        }
    }
}

fn follow(errand: &mut Errand, next: Next) {
    match next {
        Next::Go => {}
        Next::Stop => errand.stop(Instant::now()),
        Next::Again => errand.look_again(Instant::now()),
    }
}

/// The next line typed; never, if nobody types.
async fn next_line(lines: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}
