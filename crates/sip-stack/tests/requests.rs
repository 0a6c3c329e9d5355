//! Single requests, good and bad, as they come off the wire.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are test code too")]

mod world;

use std::net::SocketAddr;
use std::time::Duration;

use sip_stack::endpoint::{Event, Failure, SessionError};
use sip_stack::flow::{Hop, Target};
use sip_stack::message::{Message, Method, NameAddr, Request, Response};
use world::{A, B, World, answer, body};

const SECOND: Duration = Duration::from_secs(1);

fn peer() -> SocketAddr {
    "10.0.0.99:5070".parse().unwrap()
}

/// A request to A as a client at [`peer`] writes it.
fn text(method: &str, branch: &str, cseq: u32, more: &str) -> String {
    with_to_tag(method, branch, cseq, "", more)
}

fn with_to_tag(method: &str, branch: &str, cseq: u32, to_tag: &str, more: &str) -> String {
    let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    let cseq_method = if method == "ACK" { "ACK" } else { method };
    format!(
        "{method} sip:a@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.99:5070;branch={branch};rport\r\n\
         From: <sip:x@10.0.0.99>;tag=fx\r\nTo: <sip:a@10.0.0.1>{tag}\r\nCall-ID: raw@x\r\n\
         CSeq: {cseq} {cseq_method}\r\nContact: <sip:x@10.0.0.99:5070>\r\n{more}\r\n"
    )
}

/// The responses among `sent`, which all went back to where the request came from.
fn responses(sent: Vec<(Target, Message)>) -> Vec<Response> {
    sent.into_iter()
        .filter_map(|(target, message)| match message {
            Message::Response(response) => {
                assert!(matches!(target, Target::Flow(flow) if flow.remote == peer()));
                Some(response)
            }
            Message::Request(_) => None,
        })
        .collect()
}

fn requests(sent: Vec<(Target, Message)>) -> Vec<(Target, Request)> {
    sent.into_iter()
        .filter_map(|(target, message)| match message {
            Message::Request(request) => Some((target, request)),
            Message::Response(_) => None,
        })
        .collect()
}

fn statuses(sent: Vec<(Target, Message)>) -> Vec<u16> {
    responses(sent).iter().map(|response| response.status).collect()
}

#[test]
fn a_request_outside_of_dialogs_and_its_response() {
    let mut world = World::new(2);
    world.lose(A, "MESSAGE", 2);
    world.lose(B, "202", 1);
    let (uri, from) = (world.uri(B), NameAddr::new(world.uri(A)));
    let endpoint = world.endpoint(A);
    let mut message =
        endpoint.new_request(Method::Message, uri.clone(), from, NameAddr::new(uri.clone()));
    message.set_body("text/plain", "hello");
    let target = Target::Hop(Hop::from_uri(&uri));
    let now = world.now;
    let sent = world.endpoint(A).send_request(now, message, target).unwrap();
    let event = world.expect(B, |e| matches!(e, Event::Request { .. }));
    let Event::Request { transaction, request, .. } = event else { unreachable!() };
    assert_eq!((&request.method, &request.body[..]), (&Method::Message, &b"hello"[..]));
    let now = world.now;
    let accepted = world.endpoint(B).response(transaction, 202, "").unwrap();
    world.endpoint(B).respond(now, transaction, accepted.clone()).unwrap();
    let again = world.endpoint(B).respond(now, transaction, accepted);
    assert_eq!(again, Err(SessionError::UnknownTransaction));
    let event = world.expect(A, |e| matches!(e, Event::Response { .. }));
    assert!(matches!(event, Event::Response { transaction, response }
        if transaction == sent && response.status == 202));
    assert!(world.take(B).is_empty(), "the copies were absorbed");
    world.assert_no_leaks();
}

#[test]
fn a_request_that_nobody_answers() {
    let mut world = World::new(2);
    let (uri, from) = (world.uri(B), NameAddr::new(world.uri(A)));
    let to = NameAddr::new(uri.clone());
    let options = world.endpoint(A).new_request(Method::Options, uri.clone(), from, to);
    let target = Target::Hop(Hop::from_uri(&uri));
    let now = world.now;
    let sent = world.endpoint(A).send_request(now, options, target).unwrap();
    // B's owner forgets it, too
    let event = world.expect(A, |e| matches!(e, Event::RequestFailed { .. }));
    assert!(matches!(event, Event::RequestFailed { transaction, failure: Failure::TimedOut }
        if transaction == sent));
    assert_eq!(world.millis(), 32_000);
    // 0, .5, 1.5, 3.5, then every 4 s
    assert_eq!(world.count("OPTIONS"), 11);
    world.assert_no_leaks();
}

#[test]
fn options_says_what_we_can_do() {
    let mut world = World::new(1);
    let sent = world.raw(A, peer(), &text("OPTIONS", "z9hG4bKo", 1, ""));
    assert!(sent.is_empty());
    let Some(Event::Request { transaction, .. }) = world.take(A).pop() else { panic!("no event") };
    let now = world.now;
    world.endpoint(A).respond_status(now, transaction, 200, "").unwrap();
    let response = responses(world.raw_outputs(A)).remove(0);
    for name in ["Allow", "Supported", "Contact", "Server"] {
        assert!(response.headers.has(name), "{name}");
    }
    assert!(response.headers.to().unwrap().tag().is_some());
    assert_eq!(response.headers.via_top().unwrap().params.get("rport"), Some("5070"));
    world.assert_no_leaks();
}

#[test]
fn what_is_refused_before_the_owner_hears_of_it() {
    let unknown = "Content-Type: text/x\r\nContent-Length: 1\r\n\r\nx";
    let zipped = "Content-Type: text/x\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx";
    let tel = text("INVITE", "z9hG4bKc", 1, "").replace("INVITE sip:", "INVITE tel:");
    let sips = text("INVITE", "z9hG4bKf", 1, "").replace("INVITE sip:", "INVITE sips:");
    let rows: [(&str, String, u16); 14] = [
        ("unknown method", text("DANCE", "z9hG4bK1", 1, ""), 501),
        ("unknown scheme", tel, 416),
        ("a scheme that needs TLS", sips, 416),
        ("unknown body", text("INVITE", "z9hG4bK2", 1, unknown), 415),
        ("compressed", text("INFO", "z9hG4bKd", 1, zipped), 415),
        ("takes no SDP", text("INVITE", "z9hG4bKe", 1, "Accept: text/x, text/y;q=1\r\n"), 406),
        ("unknown extension", text("INVITE", "z9hG4bK3", 1, "Require: precondition\r\n"), 420),
        ("unknown dialog", with_to_tag("INVITE", "z9hG4bK4", 1, "no", ""), 481),
        ("unknown dialog", with_to_tag("BYE", "z9hG4bK5", 1, "no", ""), 481),
        ("unknown dialog", with_to_tag("MESSAGE", "z9hG4bK6", 1, "no", ""), 481),
        ("no dialog", text("BYE", "z9hG4bK7", 1, ""), 481),
        ("no dialog", text("PRACK", "z9hG4bK8", 1, "RAck: 1 1 INVITE\r\n"), 481),
        ("nothing to cancel", text("CANCEL", "z9hG4bK9", 1, ""), 481),
        ("cut short", text("OPTIONS", "z9hG4bKa", 1, "Content-Length: 9\r\n"), 400),
    ];
    for (why, request, status) in rows {
        let mut world = World::new(1);
        let sent = responses(world.raw(A, peer(), &request));
        assert_eq!(sent.len(), 1, "{why}");
        assert_eq!(sent[0].status, status, "{why}");
        if status == 420 {
            assert_eq!(sent[0].headers.get("Unsupported"), Some("precondition"));
        }
        assert_eq!(sent[0].headers.has("Allow"), status == 501, "{why}");
        assert_eq!(sent[0].headers.has("Accept-Encoding"), status == 415, "{why}");
        assert!(world.take(A).is_empty(), "{why}");
        if request.starts_with("INVITE") {
            world.raw(A, peer(), &text("ACK", "z9hG4bK2", 1, ""));
        }
        world.run(100 * SECOND);
        let _ = world.raw_outputs(A);
        world.assert_no_leaks();
    }
}

#[test]
fn rubbish_and_stray_messages_leave_no_trace() {
    let mut world = World::new(1);
    let stray = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKq\r\n\
                 From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n";
    let ack = with_to_tag("ACK", "z9hG4bKz", 1, "no", "");
    for text in ["", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\0\0\0\0", stray, &ack] {
        assert!(world.raw(A, peer(), text).is_empty(), "{text}");
    }
    assert!(world.take(A).is_empty());
    assert_eq!(world.endpoint(A).alive(), Default::default());
}

#[test]
fn a_request_that_comes_on_two_ways_is_merged() {
    let mut world = World::new(1);
    world.raw(A, peer(), &text("MESSAGE", "z9hG4bK1", 1, ""));
    assert_eq!(statuses(world.raw(A, peer(), &text("MESSAGE", "z9hG4bK2", 1, ""))), [482]);
    assert_eq!(world.take(A).len(), 1);
    // the same request once more on the first way is a retransmission
    assert!(world.raw(A, peer(), &text("MESSAGE", "z9hG4bK1", 1, "")).is_empty());
    // and the next one is new
    world.raw(A, peer(), &text("MESSAGE", "z9hG4bK3", 2, ""));
    assert_eq!(world.take(A).len(), 1);
}

#[test]
fn one_branch_from_two_hosts_is_two_requests() {
    let mut world = World::new(1);
    let first = text("MESSAGE", "z9hG4bK1", 1, "");
    world.raw(A, peer(), &first);
    let other = first.replace("UDP 10.0.0.99:5070", "UDP 10.0.0.98:5070").replace("raw@x", "raw@y");
    world.raw(A, peer(), &other);
    assert_eq!(world.take(A).len(), 2);
}

#[test]
fn a_client_of_rfc_2543_is_understood() {
    // no magic cookie: the transaction is known by its fields, and the ACK has our To tag
    let mut world = World::new(1);
    let sent = responses(world.raw(A, peer(), &text("INVITE", "1", 1, "")));
    assert_eq!(sent[0].status, 100);
    assert_eq!(statuses(world.raw(A, peer(), &text("INVITE", "1", 1, ""))), [100]);
    let Some(Event::IncomingCall { call, .. }) = world.take(A).pop() else { panic!("no call") };
    let now = world.now;
    world.endpoint(A).reject(now, call, 486, "", &[]).unwrap();
    let busy = responses(world.raw_outputs(A)).remove(0);
    let tag = busy.headers.to().unwrap().tag().unwrap().to_owned();
    world.raw(A, peer(), &with_to_tag("ACK", "1", 1, &tag, ""));
    let now = world.now + 20 * SECOND;
    world.endpoint(A).handle_timeout(now);
    assert!(world.raw_outputs(A).is_empty(), "the ACK has stopped the 486");
    assert_eq!(world.endpoint(A).alive(), Default::default());
}

#[test]
fn too_many_calls_or_transactions_are_told_to_come_back() {
    let mut world = World::with(1, |_, config| {
        config.max_calls = 1;
        config.max_transactions = 3;
    });
    world.raw(A, peer(), &text("INVITE", "z9hG4bK1", 1, ""));
    let second = text("INVITE", "z9hG4bK2", 1, "").replace("raw@x", "raw@y");
    let refused = responses(world.raw(A, peer(), &second));
    assert_eq!(refused.last().map(|response| response.status), Some(503));
    assert!(refused.last().unwrap().headers.has("Retry-After"));
    world.raw(A, peer(), &text("OPTIONS", "z9hG4bK3", 2, ""));
    let fourth = text("OPTIONS", "z9hG4bK4", 3, "");
    assert_eq!(statuses(world.raw(A, peer(), &fourth)), [503]);
    let invite = world.invitation(A, A, None);
    let now = world.now;
    assert_eq!(world.endpoint(A).invite(now, invite), Err(SessionError::TooMany));
}

/// A call from [`peer`] that A has accepted; returns A's To tag.
fn established(world: &mut World) -> (sip_stack::endpoint::CallId, String) {
    world.raw(A, peer(), &text("INVITE", "z9hG4bKi", 1, ""));
    let Some(Event::IncomingCall { call, .. }) = world.take(A).pop() else { panic!("no call") };
    let now = world.now;
    world.endpoint(A).accept(now, call, answer("offer")).unwrap();
    let ok = responses(world.raw_outputs(A)).remove(0);
    let tag = ok.headers.to().unwrap().tag().unwrap().to_owned();
    world.raw(A, peer(), &with_to_tag("ACK", "z9hG4bKk", 1, &tag, ""));
    assert!(matches!(world.take(A)[..], [Event::Ack { .. }]));
    (call, tag)
}

#[test]
fn requests_out_of_order_in_a_dialog() {
    let mut world = World::new(1);
    let (_, tag) = established(&mut world);
    assert!(world.raw(A, peer(), &with_to_tag("INFO", "z9hG4bK5", 5, &tag, "")).is_empty());
    let old = responses(world.raw(A, peer(), &with_to_tag("INFO", "z9hG4bK4", 4, &tag, "")));
    assert_eq!(old[0].status, 500);
    let gone = responses(world.raw(A, peer(), &with_to_tag("BYE", "z9hG4bK6", 6, &tag, "")));
    assert_eq!(gone[0].status, 200);
}

#[test]
fn overlapping_reinvites_of_the_peer() {
    let mut world = World::new(1);
    let (_, tag) = established(&mut world);
    let first = statuses(world.raw(A, peer(), &with_to_tag("INVITE", "z9hG4bK2", 2, &tag, "")));
    assert_eq!(first, [100]);
    let second = responses(world.raw(A, peer(), &with_to_tag("INVITE", "z9hG4bK3", 3, &tag, "")));
    assert_eq!(second[0].status, 500);
    assert!(second[0].headers.retry_after().unwrap().is_some_and(|wait| wait <= 10));
    // a refresh is no offer and is answered at once (RFC 3311, RFC 4028)
    let refresh = with_to_tag("UPDATE", "z9hG4bK4", 4, &tag, "");
    assert_eq!(statuses(world.raw(A, peer(), &refresh)), [200]);
}

#[test]
fn a_cancelled_reinvite_leaves_the_call() {
    let mut world = World::new(1);
    let (call, tag) = established(&mut world);
    world.raw(A, peer(), &with_to_tag("INVITE", "z9hG4bK2", 2, &tag, ""));
    let cancel = with_to_tag("CANCEL", "z9hG4bK2", 2, &tag, "");
    assert_eq!(statuses(world.raw(A, peer(), &cancel)), [200, 487]);
    let events = world.take(A);
    let as_expected = matches!(
        events[..],
        [Event::Reinvite { .. }, Event::ReinviteCancelled { call: cancelled }] if cancelled == call
    );
    assert!(as_expected, "{events:?}");
    let now = world.now;
    assert!(world.endpoint(A).request(now, call, Method::Info, &[], None).is_ok());
}

#[test]
fn a_refused_reinvite_does_not_move_the_target() {
    for (accepts, port) in [(false, 5070), (true, 7777)] {
        let mut world = World::new(1);
        let (call, tag) = established(&mut world);
        let moved = with_to_tag("INVITE", "z9hG4bK2", 2, &tag, "")
            .replace("Contact: <sip:x@10.0.0.99:5070>", "Contact: <sip:x@10.0.0.99:7777>");
        world.raw(A, peer(), &moved);
        let now = world.now;
        if accepts {
            world.endpoint(A).answer_reinvite(now, call, answer("yes")).unwrap();
        } else {
            world.endpoint(A).reject_reinvite(now, call, 488, "", &[]).unwrap();
        }
        world.endpoint(A).request(now, call, Method::Info, &[], Some(body("x"))).unwrap();
        let (target, info) = requests(world.raw_outputs(A)).remove(0);
        assert_eq!(info.uri.port, Some(port));
        match target {
            // the address it called from: so it hears from the one of ours that it called
            Target::Flow(flow) => assert_eq!((flow.remote.port(), port), (5070, 5070)),
            Target::Hop(hop) => assert_eq!((hop.port, port), (Some(7777), 7777)),
        }
    }
}

#[test]
fn record_routes_are_followed_and_given_back() {
    let mut world = World::new(1);
    let route = "Record-Route: <sip:10.0.0.50;lr>, <sip:10.0.0.51;lr>\r\n";
    world.raw(A, peer(), &text("INVITE", "z9hG4bKi", 1, route));
    let Some(Event::IncomingCall { call, .. }) = world.take(A).pop() else { panic!("no call") };
    let now = world.now;
    world.endpoint(A).accept(now, call, answer("offer")).unwrap();
    let ok = responses(world.raw_outputs(A)).remove(0);
    assert_eq!(ok.headers.record_routes().unwrap().len(), 2);
    let tag = ok.headers.to().unwrap().tag().unwrap().to_owned();
    world.raw(A, peer(), &with_to_tag("ACK", "z9hG4bKk", 1, &tag, ""));
    let now = world.now;
    world.endpoint(A).bye(now, call, None).unwrap();
    let (target, bye) = requests(world.raw_outputs(A)).remove(0);
    assert_eq!(bye.uri.to_string(), "sip:x@10.0.0.99:5070");
    assert_eq!(bye.headers.routes().unwrap().len(), 2);
    assert!(matches!(target, Target::Hop(hop) if hop.host.to_string() == "10.0.0.50"));
}

#[test]
fn a_contact_that_cannot_be_resolved_is_answered_on_the_flow() {
    let mut world = World::new(1);
    let invite = text("INVITE", "z9hG4bKi", 1, "")
        .replace("<sip:x@10.0.0.99:5070>", "<sip:x@df7jal23ls0d.invalid;transport=ws>");
    world.raw(A, peer(), &invite);
    let Some(Event::IncomingCall { call, .. }) = world.take(A).pop() else { panic!("no call") };
    let now = world.now;
    world.endpoint(A).accept(now, call, answer("offer")).unwrap();
    let ok = responses(world.raw_outputs(A)).remove(0);
    let tag = ok.headers.to().unwrap().tag().unwrap().to_owned();
    world.raw(A, peer(), &with_to_tag("ACK", "z9hG4bKk", 1, &tag, ""));
    let now = world.now;
    world.endpoint(A).bye(now, call, None).unwrap();
    let (target, _) = requests(world.raw_outputs(A)).remove(0);
    assert!(matches!(target, Target::Flow(flow) if flow.remote == peer()));
}

#[test]
fn a_phone_behind_nat_is_reached_the_way_it_came() {
    // where its packets come from, its Contact, and whether requests go back along the flow
    for (source, contact, along_flow) in [
        ("203.0.113.7:40000", "10.0.0.99:5070", true),
        ("203.0.113.7:40000", "[fe80::1]:5070", true),
        ("203.0.113.7:40000", "127.0.0.1:5070", true),
        ("203.0.113.7:40000", "198.51.100.1:5070", false),
        ("10.0.0.99:40000", "10.0.0.98:5070", false),
        ("127.0.0.1:40000", "127.0.0.2:5070", false),
    ] {
        let mut world = World::new(1);
        let source: SocketAddr = source.parse().unwrap();
        let contact = format!("<sip:x@{contact}>");
        let nat = |text: String| text.replace("<sip:x@10.0.0.99:5070>", &contact);
        world.raw(A, source, &nat(text("INVITE", "z9hG4bKi", 1, "")));
        let Some(Event::IncomingCall { call, .. }) = world.take(A).pop() else { panic!("no call") };
        let now = world.now;
        world.endpoint(A).accept(now, call, answer("offer")).unwrap();
        let (_, Message::Response(ok)) = world.raw_outputs(A).remove(0) else { panic!("no 200") };
        let tag = ok.headers.to().unwrap().tag().unwrap().to_owned();
        world.raw(A, source, &nat(with_to_tag("ACK", "z9hG4bKk", 1, &tag, "")));
        let now = world.now;
        world.endpoint(A).bye(now, call, None).unwrap();
        let (target, _) = requests(world.raw_outputs(A)).remove(0);
        let back = matches!(target, Target::Flow(flow) if flow.remote == source);
        assert_eq!(back, along_flow, "{source} {contact}: {target:?}");
    }
}

#[test]
fn a_thousand_calls_at_once_end_without_a_trace() {
    let mut world = World::new(2);
    let mut calls = Vec::new();
    for _ in 0..1000 {
        let invite = world.invitation(A, B, Some(body("offer")));
        let now = world.now;
        calls.push(world.endpoint(A).invite(now, invite).unwrap());
    }
    for _ in 0..1000 {
        let callee = world.incoming(B);
        let now = world.now;
        world.endpoint(B).accept(now, callee, answer("answer")).unwrap();
    }
    for _ in 0..1000 {
        world.expect(A, |e| matches!(e, Event::Answered { .. }));
    }
    assert_eq!(world.endpoint(A).alive().calls, 1000);
    for call in calls {
        let now = world.now;
        world.endpoint(A).bye(now, call, None).unwrap();
    }
    world.assert_no_leaks();
}
