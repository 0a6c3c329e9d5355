//! A torture message and what an endpoint does with it.

#![allow(dead_code, reason = "every test file uses another part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code, though not in a test function")]

use bytes::Bytes;
use sip_stack::endpoint::{Endpoint, EndpointConfig, Event, Output};
use sip_stack::flow::{ConnectionId, Flow, Transport};
use sip_stack::message::{Headers, Host, Request, Response, parse};
use std::path::PathBuf;
use std::time::Instant;

#[derive(Debug)]
pub enum Outcome {
    /// The owner is asked what to do.
    Owner(Request),
    /// The endpoint answers by itself.
    Refused(Response),
    /// Nothing happens.
    Silence,
}

fn directory(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/torture").join(name)
}

/// The names of all messages in a directory, sorted.
pub fn files(dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(directory(dir)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub fn bytes(dir: &str, name: &str) -> Bytes {
    std::fs::read(directory(dir).join(format!("{name}.dat"))).unwrap().into()
}

/// Hands one message to a new endpoint, on the transport its Via names.
pub fn door(bytes: &Bytes) -> Outcome {
    #[allow(clippy::disallowed_methods, reason = "any instant will do")]
    let now = Instant::now();
    let config = EndpointConfig::new(Host::Name("example.com".into()), 5060);
    let mut endpoint = Endpoint::new(config, [7; 32]);
    let tcp = String::from_utf8_lossy(bytes).contains("Via: SIP/2.0/TCP");
    let transport = if tcp { Transport::Tcp } else { Transport::Udp };
    let local = "192.0.2.100:5060".parse().unwrap();
    let remote = "192.0.2.200:40000".parse().unwrap();
    let connection = tcp.then_some(ConnectionId(1));
    endpoint.handle_message(now, Flow { transport, local, remote, connection }, bytes);
    let mut answers = Vec::new();
    let mut asked = Vec::new();
    while let Some(output) = endpoint.poll_output() {
        match output {
            Output::Transmit(transmit) => {
                let response = response(&transmit.bytes);
                answers.extend((response.status > 100).then_some(response));
            }
            Output::Event(Event::Request { request, .. } | Event::IncomingCall { request, .. }) => {
                asked.push(request);
            }
            Output::Event(other) => panic!("{other:?}"),
        }
    }
    match (answers.pop(), asked.pop()) {
        (None, None) => Outcome::Silence,
        (Some(response), None) => Outcome::Refused(response),
        (None, Some(request)) => Outcome::Owner(request),
        both => panic!("answered by two: {both:?}"),
    }
}

/// A response, read even if it copies what the request did wrong.
fn response(bytes: &Bytes) -> Response {
    let text = String::from_utf8_lossy(bytes);
    let (first, rest) = text.split_once("\r\n").unwrap();
    let (status, reason) = first.strip_prefix("SIP/2.0 ").unwrap().split_once(' ').unwrap();
    let lines = rest.lines().filter_map(|line| line.split_once(": "));
    let headers: Headers = lines.collect();
    assert_eq!(headers.get("Content-Length"), Some("0"));
    drop(parse::message(bytes));
    let status = status.parse().unwrap();
    Response { status, reason: reason.to_owned(), headers, body: Bytes::new() }
}

/// A message that must reach the owner.
pub fn owned(dir: &str, name: &str) -> Request {
    match door(&bytes(dir, name)) {
        Outcome::Owner(request) => request,
        other => panic!("{name}: {other:?}"),
    }
}

/// A message that must be refused by the endpoint itself.
pub fn refused(dir: &str, name: &str) -> Response {
    match door(&bytes(dir, name)) {
        Outcome::Refused(response) => response,
        other => panic!("{name}: {other:?}"),
    }
}
