//! Registrations by way of proxies (RFC 3327) and over flows that the client keeps alive (RFC 5626),
//! and in which order the devices of an account are called.
#![allow(clippy::unwrap_used, reason = "a test")]

mod lab;

use std::time::Duration;

use lab::{Lab, OFFER, Phone, SERVER, requests, statuses};
use sip_registrar::Input;
use sip_stack::flow::ConnectionId;
use sip_stack::message::{Method, Request, Response};

const INSTANCE: &str = "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\"";
const OUTBOUND: &str = "Supported: path, outbound\r\n";

fn bob(port: u16) -> Phone {
    let mut phone = Phone::new("bob", port).with_password("builder");
    phone.to = "<sip:bob@127.0.0.1>".to_owned();
    phone
}

fn with_flow(mut phone: Phone, reg_id: &str) -> Phone {
    phone.contact = format!("<sip:bob@10.0.0.1:5060>;{INSTANCE};reg-id={reg_id}");
    phone
}

/// alice calls bob; what came back at once.
fn call_bob(lab: &mut Lab) -> Phone {
    let mut alice = Phone::new("alice", 5070).with_password("wonderland");
    alice.uri = format!("sip:bob@{SERVER}");
    lab.take(5070);
    alice.ask(lab, "INVITE", "", OFFER);
    alice
}

fn invites(lab: &mut Lab, port: u16) -> Vec<Request> {
    requests(&lab.take(port), &Method::Invite)
}

fn list(response: &Response, name: &str) -> Vec<String> {
    response.headers.get_all(name).map(str::to_owned).collect()
}

#[test]
fn a_path_is_kept_told_and_followed() {
    let mut lab = Lab::new();
    let mut phone = bob(5071);
    let path = "Path: <sip:127.0.0.1:6001;lr>, <sip:inner.example;lr>\r\n";
    let response = phone.ask(&mut lab, "REGISTER", &format!("{path}Supported: path\r\n"), "");
    assert_eq!(response.status, 200);
    let hops = ["<sip:127.0.0.1:6001;lr>", "<sip:inner.example;lr>"];
    assert_eq!(list(&response, "Path"), hops);

    call_bob(&mut lab);
    let invite = invites(&mut lab, 6001).pop().expect("an INVITE at the first proxy");
    assert_eq!(invite.uri.to_string(), "sip:bob@127.0.0.1:5071");
    assert_eq!(invite.headers.get_all("Route").collect::<Vec<_>>(), hops);
}

#[test]
fn a_path_the_client_does_not_know_of_is_refused() {
    let mut lab = Lab::new();
    let path = "Path: <sip:stranger.example;lr>\r\n";
    let response = bob(5071).ask(&mut lab, "REGISTER", path, "");
    assert_eq!(response.status, 420);
    assert_eq!(response.headers.get("Unsupported"), Some("path"));
    let broken = "Path: <sip:\r\nSupported: path\r\n";
    assert_eq!(bob(5072).ask(&mut lab, "REGISTER", broken, "").status, 400);
    assert_eq!(lab.counters().bindings, 0);
}

#[test]
fn one_flow_of_one_device_is_one_binding() {
    let mut lab = Lab::new();
    let mut phone = with_flow(bob(5071), "1");
    let response = phone.ask(&mut lab, "REGISTER", OUTBOUND, "");
    assert_eq!(response.status, 200);
    assert_eq!(response.headers.get("Require"), Some("outbound"));
    assert!(response.headers.get("Contact").unwrap().contains("reg-id=1"));
    // The same flow after a change of network: another Contact, another Call-ID, another address.
    let mut moved = with_flow(bob(5072), "1");
    moved.contact = moved.contact.replace("10.0.0.1", "10.9.9.9");
    assert_eq!(moved.ask(&mut lab, "REGISTER", OUTBOUND, "").status, 200);
    assert_eq!(lab.counters().bindings, 1);
    let mut second = with_flow(bob(5073), "2");
    assert_eq!(second.ask(&mut lab, "REGISTER", OUTBOUND, "").status, 200);
    assert_eq!(lab.counters().bindings, 2);
    // Without the option tag the flow is a binding all the same, but nothing is required.
    let mut third = with_flow(bob(5074), "3");
    let response = third.ask(&mut lab, "REGISTER", "", "");
    assert_eq!((response.status, response.headers.get("Require")), (200, None));
}

#[test]
fn a_reg_id_alone_says_nothing_and_two_flows_are_too_many() {
    let mut lab = Lab::new();
    let mut phone = bob(5071);
    phone.contact = "<sip:bob@10.0.0.1>;reg-id=1".to_owned();
    let response = phone.ask(&mut lab, "REGISTER", OUTBOUND, "");
    assert_eq!((response.status, response.headers.get("Require")), (200, None));
    let more = format!("Contact: <sip:bob@10.0.0.2>\r\n{OUTBOUND}");
    assert_eq!(with_flow(bob(5072), "1").ask(&mut lab, "REGISTER", &more, "").status, 400);
    let less = format!("Contact: <sip:bob@10.0.0.1>;expires=0\r\n{OUTBOUND}");
    assert_eq!(with_flow(bob(5073), "1").ask(&mut lab, "REGISTER", &less, "").status, 200);
    assert_eq!(lab.counters().bindings, 1);
}

#[test]
fn a_first_hop_without_outbound_support_is_told_to_the_client() {
    let mut lab = Lab::new();
    // A second Via: a proxy has passed the request on.
    let via = "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKphone\r\n";
    let ask = |lab: &mut Lab, port, headers: &str| {
        let mut phone = with_flow(bob(port), "1");
        phone.ask(lab, "REGISTER", &format!("{via}{headers}"), "")
    };
    assert_eq!(ask(&mut lab, 5071, OUTBOUND).status, 439);
    let path = format!("{OUTBOUND}Path: <sip:edge.example;lr>\r\n");
    assert_eq!(ask(&mut lab, 5072, &path).status, 439);
    assert_eq!(lab.counters().bindings, 0);
    let path = format!("{OUTBOUND}Path: <sip:edge.example;lr;ob>\r\n");
    let response = ask(&mut lab, 5073, &path);
    assert_eq!(response.status, 200);
    assert_eq!(response.headers.get("Require"), Some("outbound"));
    // The flow ends at the proxy, which knows better how to keep it.
    assert_eq!(response.headers.get("Flow-Timer"), None);
    // Without the option tag it is a registration as ever.
    let response = ask(&mut lab, 5074, "");
    assert_eq!((response.status, response.headers.get("Require")), (200, None));
}

#[test]
fn a_flow_that_has_failed_is_forgotten_and_the_other_one_used() {
    let mut lab = Lab::new();
    let mut first = with_flow(bob(5071).over_tcp(), "1");
    let response = first.ask(&mut lab, "REGISTER", OUTBOUND, "");
    assert_eq!(response.headers.get("Flow-Timer"), Some("120"));
    let mut second = with_flow(bob(5072).over_tcp(), "2");
    second.ask(&mut lab, "REGISTER", OUTBOUND, "");
    assert_eq!(lab.counters().bindings, 2);

    // Only the flow registered last is tried, and its proxy says that it is gone.
    call_bob(&mut lab);
    let invite = invites(&mut lab, 5072).pop().expect("an INVITE");
    assert!(invites(&mut lab, 5071).is_empty());
    second.respond(&mut lab, &invite, 430, "b", "");
    let invite = invites(&mut lab, 5071).pop().expect("the other flow is tried");
    assert_eq!(lab.counters().bindings, 1);
    first.respond(&mut lab, &invite, 486, "b", "");
    assert_eq!(statuses(&lab.take(5070)), [486]);

    lab.input(Input::Closed(ConnectionId(5071)));
    assert_eq!(lab.counters().bindings, 0);
}

#[test]
fn a_device_that_is_silent_on_one_flow_is_tried_on_the_other_and_stays_registered() {
    let mut lab = Lab::new();
    with_flow(bob(5071), "1").ask(&mut lab, "REGISTER", OUTBOUND, "");
    with_flow(bob(5072), "2").ask(&mut lab, "REGISTER", OUTBOUND, "");
    call_bob(&mut lab);
    assert!(!invites(&mut lab, 5072).is_empty() && invites(&mut lab, 5071).is_empty());
    lab.wait(Duration::from_secs(33));
    assert!(!invites(&mut lab, 5071).is_empty());
    assert_eq!(lab.counters().bindings, 2);
}

#[test]
fn a_device_that_has_answered_is_not_asked_again_over_its_other_flow() {
    let mut lab = Lab::new();
    with_flow(bob(5071).over_tcp(), "1").ask(&mut lab, "REGISTER", OUTBOUND, "");
    let mut second = with_flow(bob(5072).over_tcp(), "2");
    second.ask(&mut lab, "REGISTER", OUTBOUND, "");
    call_bob(&mut lab);
    let invite = invites(&mut lab, 5072).pop().expect("an INVITE");
    second.respond(&mut lab, &invite, 480, "b", "");
    assert!(invites(&mut lab, 5071).is_empty());
    assert_eq!(statuses(&lab.take(5070)), [480]);
}

#[test]
fn devices_are_called_in_groups_by_q() {
    let mut lab = Lab::new();
    let mut devices = Vec::new();
    for (port, q) in [(5071, "0.2"), (5072, "0.9"), (5073, "0.9")] {
        let mut phone = bob(port);
        phone.contact = format!("<sip:bob@127.0.0.1:{port}>;q={q}");
        assert_eq!(phone.ask(&mut lab, "REGISTER", "", "").status, 200);
        devices.push(phone);
    }
    call_bob(&mut lab);
    assert!(invites(&mut lab, 5071).is_empty());
    for index in [1, 2] {
        let invite = invites(&mut lab, devices[index].port()).pop().expect("both at once");
        devices[index].respond(&mut lab, &invite, 486, "b", "");
    }
    let invite = invites(&mut lab, 5071).pop().expect("then the third");
    assert!(lab.take(5070).is_empty(), "the caller waits meanwhile");
    devices[0].respond(&mut lab, &invite, 180, "b", "");
    devices[0].respond(&mut lab, &invite, 404, "b", "");
    assert_eq!(statuses(&lab.take(5070)), [180, 404]);
    lab.wait(Duration::from_secs(40));
    assert!(lab.registrar.is_idle());
}

#[test]
fn a_decline_ends_the_search_for_less_wanted_devices() {
    let mut lab = Lab::new();
    for (port, q) in [(5071, "0.2"), (5072, "0.9")] {
        let mut phone = bob(port);
        phone.contact = format!("<sip:bob@127.0.0.1:{port}>;q={q}");
        phone.ask(&mut lab, "REGISTER", "", "");
    }
    call_bob(&mut lab);
    let invite = invites(&mut lab, 5072).pop().expect("an INVITE");
    bob(5072).respond(&mut lab, &invite, 603, "b", "");
    assert_eq!(statuses(&lab.take(5070)), [603]);
    assert!(invites(&mut lab, 5071).is_empty());
}
