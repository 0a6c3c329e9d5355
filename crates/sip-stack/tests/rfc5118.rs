//! The messages of RFC 5118 (`torture/rfc5118/`, with the right Content-Length where the RFC miscounts):
//! IPv6 addresses in every place.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod torture_door;

use sip_stack::message::multipart::body_of_type;
use sip_stack::message::{Request, parse};
use torture_door::{Outcome, bytes, door, files, owned, refused};

const DIR: &str = "rfc5118";

fn request(name: &str) -> Request {
    owned(DIR, name)
}

fn hosts(request: &Request) -> Vec<String> {
    request.headers.vias().unwrap().iter().map(sip_stack::message::Via::sent_by).collect()
}

#[test]
fn every_message_is_understood_or_answered_400() {
    for name in files(DIR) {
        let outcome = door(&bytes(DIR, &name));
        match (name.as_str(), outcome) {
            ("ipv6-bad", Outcome::Refused(response)) => assert_eq!(response.status, 400),
            // understood; a BYE needs a dialog
            ("via-received-param-with-delim" | "mult-ip-in-header", Outcome::Refused(response)) => {
                assert_eq!(response.status, 481, "{name}");
            }
            (_, Outcome::Owner(_)) => {
                let message = parse::message(&bytes(DIR, &name)).unwrap();
                let again = parse::message(&message.to_bytes()).unwrap();
                assert_eq!(again, parse::message(&again.to_bytes()).unwrap(), "{name}");
            }
            (_, other) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn addresses_in_uris_and_their_ports() {
    let r = request("ipv6-good");
    assert_eq!((r.uri.host.to_string().as_str(), r.uri.port), ("[2001:db8::10]", None));
    assert_eq!(hosts(&r), ["[2001:db8::9:1]"]);
    let contact = &r.headers.contacts().unwrap()[0];
    assert_eq!(contact.uri.to_string(), "sip:caller@[2001:db8::1]");
    let r = request("port-ambiguous");
    assert_eq!((r.uri.host.to_string().as_str(), r.uri.port), ("[2001:db8::10:5070]", None));
    let r = request("port-unambiguous");
    assert_eq!((r.uri.host.to_string().as_str(), r.uri.port), ("[2001:db8::10]", Some(5070)));
    assert!(refused(DIR, "ipv6-bad").reason.contains("URI"));
}

#[test]
fn received_with_and_without_brackets() {
    // what the peer wrote into `received` is replaced by where the request came from
    let r = refused(DIR, "via-received-param-with-delim");
    assert_eq!(r.headers.via_top().unwrap().params.get("received"), Some("192.0.2.200"));
    let r = request("via-received-param-no-delim");
    assert_eq!(r.headers.via_top().unwrap().branch(), Some("z9hG4bKas3"));
}

#[test]
fn both_families_in_one_message() {
    let vias = refused(DIR, "mult-ip-in-header").headers.vias().unwrap();
    let sent_by: Vec<_> = vias.iter().map(sip_stack::message::Via::sent_by).collect();
    assert_eq!(sent_by, ["[2001:db8::9:1]:6050", "192.0.2.1", "[2001:db8::9:255]"]);
    assert_eq!(vias[2].params.get("received"), Some("192.0.2.200"));
    for (name, line) in
        [("ipv6-in-sdp", "IN IP6 2001:db8::20"), ("mult-ip-in-sdp", "IN IP4 192.0.2.1")]
    {
        let r = request(name);
        let sdp = body_of_type(&r.headers, &r.body, "application/sdp").unwrap();
        assert!(String::from_utf8_lossy(&sdp).contains(line), "{name}");
    }
}

#[test]
fn mapped_addresses() {
    let r = request("ipv4-mapped-ipv6");
    assert_eq!(hosts(&r), ["[::ffff:192.0.2.10]:19823", "[::ffff:192.0.2.2]"]);
    let contact = &r.headers.contacts().unwrap()[0];
    assert_eq!(contact.uri.to_string(), "sip:ted@[::ffff:192.0.2.2]");
}

#[test]
fn three_colons_mean_two() {
    let wrong = request("ipv6-bug-abnf-3-colons");
    let right = request("ipv6-correct-abnf-2-colons");
    assert_eq!(wrong.uri, right.uri);
    assert_eq!(wrong.headers.to().unwrap().uri, right.headers.to().unwrap().uri);
}
