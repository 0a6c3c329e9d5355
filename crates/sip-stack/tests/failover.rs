//! Requests to a name: nothing is repeated before it is resolved, and the next address is tried when one
//! is unreachable, silent or unavailable (RFC 3263 §4.3).

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are test code too")]
#![allow(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_stack::endpoint::{
    Body, EndReason, Endpoint, EndpointConfig, Event, Failure, Invite, Output, Transmit,
};
use sip_stack::flow::{Flow, Hop, Target, Transport};
use sip_stack::message::{Host, Message, Method, NameAddr, Request, Uri, parse};

struct Client {
    endpoint: Endpoint,
    now: Instant,
}

impl Client {
    fn new() -> Self {
        let config = EndpointConfig::new(Host::parse("192.0.2.1").unwrap(), 5060);
        Self { endpoint: Endpoint::new(config, [7; 32]), now: Instant::now() }
    }

    fn outputs(&mut self) -> (Vec<Transmit>, Vec<Event>) {
        let (mut sent, mut events) = (Vec::new(), Vec::new());
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => sent.push(transmit),
                Output::Event(event) => events.push(event),
            }
        }
        (sent, events)
    }

    fn only_transmit(&mut self) -> Transmit {
        let (mut sent, events) = self.outputs();
        assert!(events.is_empty(), "{events:?}");
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn resolve(&mut self, transmit: Transmit, hops: &[&str]) {
        let hops = hops.iter().map(|hop| numeric(hop)).collect();
        self.endpoint.handle_resolved(self.now, transmit.id, hops, transmit.bytes);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.endpoint.handle_timeout(self.now);
    }

    fn options(&mut self, body: usize) -> Transmit {
        let uri = Uri::parse("sip:bob@example.com").unwrap();
        let who = |name: &str| NameAddr::parse(&format!("<sip:{name}@example.com>")).unwrap();
        let method = Method::Options;
        let mut request = self.endpoint.new_request(method, uri.clone(), who("alice"), who("bob"));
        if body > 0 {
            request.set_body("text/plain", "x".repeat(body));
        }
        let target = Endpoint::target_of(&uri);
        self.endpoint.send_request(self.now, request, target).unwrap();
        self.only_transmit()
    }

    fn invite(&mut self) -> Transmit {
        let who = NameAddr::parse("<sip:alice@example.com>").unwrap();
        let to = Uri::parse("sip:bob@example.com").unwrap();
        let invite = Invite::new(to, who, Some(Body::sdp("v=0\r\n")));
        self.endpoint.invite(self.now, invite).unwrap();
        self.only_transmit()
    }

    fn answer(&mut self, to: &Transmit, status: u16) {
        let request = request(to);
        let mut text = format!("SIP/2.0 {status} X\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let tag = if name == "To" { ";tag=b" } else { "" };
            text += &format!("{name}: {}{tag}\r\n", request.headers.get(name).unwrap());
        }
        let bytes = Bytes::from(text + "Content-Length: 0\r\n\r\n");
        let remote = "203.0.113.1:5060".parse().unwrap();
        let local = "192.0.2.1:5060".parse().unwrap();
        let flow = Flow { transport: Transport::Udp, local, remote, connection: None };
        self.endpoint.handle_message(self.now, flow, &bytes);
    }
}

/// `10.0.0.1`, `10.0.0.1:5070;transport=tcp`
fn numeric(text: &str) -> Hop {
    Hop::from_uri(&Uri::parse(&format!("sip:{text}")).unwrap())
}

fn request(transmit: &Transmit) -> Request {
    let Ok(Message::Request(request)) = parse::message(&transmit.bytes) else { panic!() };
    request
}

fn branch(transmit: &Transmit) -> String {
    request(transmit).headers.via_top().unwrap().branch().unwrap().to_owned()
}

fn goes_to(transmit: &Transmit) -> String {
    let Target::Hop(hop) = &transmit.target else { panic!("{:?}", transmit.target) };
    hop.to_string()
}

fn t1(n: u32) -> Duration {
    Duration::from_millis(500) * n
}

#[test]
fn a_name_is_asked_for_once_and_the_wait_is_bounded() {
    let mut client = Client::new();
    assert_eq!(goes_to(&client.options(0)), "example.com:5060");
    client.wait(t1(63));
    assert!(client.outputs().0.is_empty(), "nothing is repeated while the name is looked up");
    client.wait(t1(1));
    let (_, events) = client.outputs();
    assert!(
        matches!(events[..], [Event::RequestFailed { failure: Failure::TimedOut, .. }]),
        "{events:?}"
    );
}

#[test]
fn the_first_address_gets_it_and_repeats_are_for_the_same() {
    let mut client = Client::new();
    let unresolved = client.options(0);
    client.resolve(unresolved.clone(), &["10.0.0.1:5070", "10.0.0.2"]);
    let first = client.only_transmit();
    assert_eq!(goes_to(&first), "10.0.0.1:5070;transport=UDP");
    assert_ne!(branch(&first), branch(&unresolved));
    client.wait(t1(1));
    let again = client.only_transmit();
    assert_eq!((goes_to(&again), branch(&again)), (goes_to(&first), branch(&first)));
    // An answer to the look-up that comes twice changes nothing.
    client.answer(&first, 200);
    client.outputs();
    client.resolve(unresolved, &["10.0.0.3"]);
    assert!(client.outputs().0.is_empty());
}

#[test]
fn unreachable_silent_and_unavailable_servers_are_passed_by() {
    let mut client = Client::new();
    let unresolved = client.options(0);
    let hops = ["10.0.0.1", "10.0.0.2;transport=tcp", "10.0.0.3", "10.0.0.4"];
    client.resolve(unresolved, &hops);
    let first = client.only_transmit();
    // refused, or ICMP
    client.endpoint.handle_send_failed(client.now, first.id);
    let second = client.only_transmit();
    assert_eq!(goes_to(&second), "10.0.0.2:5060;transport=TCP");
    // a late report about the first is no news of the second
    client.endpoint.handle_send_failed(client.now, first.id);
    assert!(client.outputs().0.is_empty());
    assert!(request(&second).headers.get("Via").unwrap().starts_with("SIP/2.0/TCP"));
    // timer F
    client.wait(t1(64));
    let third = client.only_transmit();
    assert_eq!(goes_to(&third), "10.0.0.3:5060;transport=UDP");
    client.answer(&third, 503);
    let fourth = client.only_transmit();
    assert_eq!(goes_to(&fourth), "10.0.0.4:5060;transport=UDP");
    let mut branches = [&first, &second, &third, &fourth].map(branch).to_vec();
    branches.dedup();
    assert_eq!(branches.len(), 4, "each try is a transaction of its own");
    // the last one's answer is the owner's, whatever it is
    client.answer(&fourth, 503);
    let (_, events) = client.outputs();
    let [Event::Response { response, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(response.status, 503);
}

#[test]
fn other_answers_are_answers() {
    for status in [200, 404, 486, 500, 603] {
        let mut client = Client::new();
        let unresolved = client.options(0);
        client.resolve(unresolved, &["10.0.0.1", "10.0.0.2"]);
        let first = client.only_transmit();
        client.answer(&first, status);
        let (sent, events) = client.outputs();
        assert!(sent.is_empty() && events.len() == 1, "{status}");
    }
}

#[test]
fn an_invite_that_rings_stays_where_it_is() {
    let mut client = Client::new();
    let unresolved = client.invite();
    client.resolve(unresolved, &["10.0.0.1", "10.0.0.2"]);
    let first = client.only_transmit();
    client.answer(&first, 180);
    client.outputs();
    client.endpoint.handle_send_failed(client.now, first.id);
    client.wait(t1(64));
    assert!(client.outputs().0.is_empty());
}

#[test]
fn a_503_is_acknowledged_and_repeated_ones_too() {
    let mut client = Client::new();
    let unresolved = client.invite();
    client.resolve(unresolved, &["10.0.0.1", "10.0.0.2"]);
    let first = client.only_transmit();
    client.answer(&first, 503);
    let (sent, events) = client.outputs();
    assert!(events.is_empty(), "{events:?}");
    let [ack, second] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(request(ack).method, Method::Ack);
    assert_eq!((branch(ack), goes_to(ack)), (branch(&first), goes_to(&first)));
    assert_eq!(request(second).method, Method::Invite);
    assert_eq!(goes_to(second), "10.0.0.2:5060;transport=UDP");
    client.answer(&first, 503);
    assert_eq!(request(&client.only_transmit()).method, Method::Ack);
    client.answer(second, 486);
    let (_, events) = client.outputs();
    assert!(matches!(&events[..], [Event::Rejected { response, .. }] if response.status == 486));
}

#[test]
fn when_all_fail_the_owner_hears_it_once() {
    let mut client = Client::new();
    let unresolved = client.invite();
    client.resolve(unresolved, &["10.0.0.1", "10.0.0.2"]);
    for _ in 0..2 {
        let transmit = client.only_transmit();
        client.endpoint.handle_send_failed(client.now, transmit.id);
    }
    let (_, events) = client.outputs();
    assert!(
        matches!(
            &events[..],
            [Event::Ended { reason: EndReason::Unreachable(Failure::Transport), .. }]
        ),
        "{events:?}"
    );
}

/// RFC 3261 §18.1.1: a long request goes by TCP, by UDP if that is refused, and then to the next server.
#[test]
fn long_requests_try_tcp_first_at_each_server() {
    let mut client = Client::new();
    let unresolved = client.options(2000);
    client.resolve(unresolved, &["10.0.0.1", "10.0.0.2"]);
    let mut tried = Vec::new();
    for _ in 0..4 {
        let transmit = client.only_transmit();
        tried.push(goes_to(&transmit));
        client.endpoint.handle_send_failed(client.now, transmit.id);
    }
    let expected = ["10.0.0.1:5060;transport=TCP", "10.0.0.1:5060;transport=UDP"];
    assert_eq!(tried[..2], expected);
    assert_eq!(tried[2..], expected.map(|hop| hop.replace(".1:", ".2:")));

    // A server that accepts the connection and says nothing is not asked by UDP.
    let unresolved = {
        client.outputs();
        client.options(2000)
    };
    client.resolve(unresolved, &["10.0.0.1", "10.0.0.2"]);
    client.only_transmit();
    client.wait(t1(64));
    assert_eq!(goes_to(&client.only_transmit()), "10.0.0.2:5060;transport=TCP");
}

#[test]
fn a_name_without_addresses_is_a_failure() {
    let mut client = Client::new();
    let unresolved = client.options(0);
    client.resolve(unresolved, &[]);
    let (_, events) = client.outputs();
    let failed = Failure::Transport;
    assert!(
        matches!(&events[..], [Event::RequestFailed { failure, .. }] if *failure == failed),
        "{events:?}"
    );
}

/// A peer that refuses and goes away: ICMP about our ACK is no second end of the call.
#[test]
fn an_ack_that_does_not_get_there_changes_nothing() {
    let mut client = Client::new();
    let unresolved = client.invite();
    client.resolve(unresolved, &["10.0.0.1", "10.0.0.2"]);
    let first = client.only_transmit();
    client.answer(&first, 486);
    let (sent, events) = client.outputs();
    assert!(matches!(&events[..], [Event::Rejected { .. }]), "{events:?}");
    client.endpoint.handle_send_failed(client.now, sent[0].id);
    let (sent, events) = client.outputs();
    assert!(sent.is_empty() && events.is_empty(), "{sent:?} {events:?}");
    assert_eq!(client.endpoint.alive(), Default::default());
}
