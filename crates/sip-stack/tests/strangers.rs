//! What strangers can make an endpoint send and keep.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod world;

use bytes::Bytes;
use sip_stack::endpoint::{CallId, Endpoint, Event, Output, Transmit};
use sip_stack::flow::{Flow, Target, Transport};
use sip_stack::message::{Message, Response, parse};
use std::net::SocketAddr;
use std::time::Duration;
use world::{A, World, answer};

fn peer() -> SocketAddr {
    "10.0.0.99:40000".parse().unwrap()
}

fn request(method: &str, branch: &str, more: &str) -> String {
    format!(
        "{method} sip:A@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.99:40000;branch={branch}\r\n\
         From: <sip:x@10.0.0.99>;tag=1\r\nTo: <sip:A@10.0.0.1>\r\nCall-ID: {branch}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:x@10.0.0.99:5070>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

fn responses(sent: Vec<(Target, Message)>) -> Vec<Response> {
    let response = |(_, message)| match message {
        Message::Response(response) => response,
        Message::Request(request) => panic!("{request:?}"),
    };
    sent.into_iter().map(response).collect()
}

/// Takes events and transmissions in the order an owner does, with `answer` for each incoming call.
fn serve(endpoint: &mut Endpoint, mut answer: impl FnMut(&mut Endpoint, CallId)) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Some(output) = endpoint.poll_output() {
        match output {
            Output::Event(Event::IncomingCall { call, .. }) => answer(endpoint, call),
            Output::Event(_) => {}
            Output::Transmit(Transmit { bytes, .. }) => match parse::message(&bytes).unwrap() {
                Message::Response(response) => statuses.push(response.status),
                Message::Request(request) => panic!("{request:?}"),
            },
        }
    }
    statuses
}

#[test]
fn a_challenge_is_one_answer_without_retransmission_or_memory() {
    let mut world = World::new(1);
    let flow = Flow {
        transport: Transport::Udp,
        local: "10.0.0.1:5060".parse().unwrap(),
        remote: peer(),
        connection: None,
    };
    let invite = Bytes::from(request("INVITE", "z9hG4bK1", ""));
    let mut tags = Vec::new();
    for _ in 0..2 {
        let now = world.now;
        world.endpoint(A).handle_message(now, flow, &invite);
        let Some(Output::Event(Event::IncomingCall { call, .. })) = world.endpoint(A).poll_output()
        else {
            panic!("the owner hears of it before anything is sent")
        };
        let header = ("WWW-Authenticate".to_owned(), "Digest realm=\"r\", nonce=\"n\"".to_owned());
        world.endpoint(A).reject(now, call, 401, "", &[header]).unwrap();
        let sent = responses(world.raw_outputs(A));
        let statuses: Vec<u16> = sent.iter().map(|response| response.status).collect();
        assert_eq!(statuses, [401], "no 100 (RFC 3261 §8.2.7)");
        tags.push(sent[0].headers.to().unwrap().tag().unwrap().to_owned());
        assert_eq!(world.endpoint(A).alive(), Default::default());
    }
    assert_eq!(tags[0], tags[1], "the same request gets the same tag");
    world.run(Duration::from_secs(100));
    assert!(world.raw_outputs(A).is_empty(), "it is never sent again");
    assert!(world.raw(A, peer(), &request("ACK", "z9hG4bK1", "")).is_empty());
    assert!(world.take(A).is_empty());
}

#[test]
fn a_100_goes_to_who_must_wait_and_only_to_them() {
    let flow = Flow {
        transport: Transport::Udp,
        local: "10.0.0.1:5060".parse().unwrap(),
        remote: peer(),
        connection: None,
    };
    let mut world = World::new(1);
    let now = world.now;
    let invite = Bytes::from(request("INVITE", "z9hG4bK1", ""));
    world.endpoint(A).handle_message(now, flow, &invite);
    let mut waiting = None;
    assert_eq!(serve(world.endpoint(A), |_, call| waiting = Some(call)), [100]);
    // the request again: the same 100 again
    world.endpoint(A).handle_message(now, flow, &invite);
    assert_eq!(serve(world.endpoint(A), |_, _| {}), [100]);
    world.endpoint(A).accept(now, waiting.unwrap(), answer("v=0")).unwrap();
    assert_eq!(serve(world.endpoint(A), |_, _| {}), [200]);

    let invite = Bytes::from(request("INVITE", "z9hG4bK2", ""));
    world.endpoint(A).handle_message(now, flow, &invite);
    let at_once = serve(world.endpoint(A), |endpoint, call| {
        endpoint.ring(now, call, 180, Default::default()).unwrap();
    });
    assert_eq!(at_once, [180]);
}

#[test]
fn what_is_kept_of_a_request_is_bounded() {
    // a body and headers that no response needs are not kept, whatever their size
    let ballast = format!("Subject: {}\r\n", "x".repeat(50_000));
    let mut world = World::with(1, |_, config| config.max_transaction_bytes = 4000);
    let mut statuses = |branch: &str, more: &str| {
        let sent = responses(world.raw(A, peer(), &request("MESSAGE", branch, more)));
        sent.iter().map(|r| (r.status, r.headers.has("Retry-After"))).collect::<Vec<_>>()
    };
    assert_eq!(statuses("z9hG4bK0", &ballast), []);
    assert_eq!(statuses("z9hG4bK1", &ballast), []);
    // but what responses copy counts, alone and together
    let vias = "Via: SIP/2.0/UDP proxy.example;branch=z9hG4bKxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";
    assert_eq!(statuses("z9hG4bK2", &vias.repeat(250)), [(513, false)]);
    assert_eq!(statuses("z9hG4bK3", &vias.repeat(50)), []);
    assert_eq!(statuses("z9hG4bK4", ""), [(503, true)]);
    world.run(Duration::from_secs(40));
    assert!(world.raw(A, peer(), &request("MESSAGE", "z9hG4bK5", "")).is_empty(), "room again");
    world.assert_no_leaks();
}
