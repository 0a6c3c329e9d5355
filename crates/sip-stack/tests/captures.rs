//! What real clients sent, byte for byte (`captures/`), must parse with the right fields.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

use bytes::Bytes;
use sip_stack::framing::{Framed, StreamFramer};
use sip_stack::message::{Message, Method, parse};
use std::path::Path;

fn captures() -> Vec<(String, Bytes)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, Bytes::from(std::fs::read(&path).unwrap()))
        })
        .collect();
    files.sort();
    assert!(files.len() > 80, "captures are missing");
    files
}

/// What the file name says is inside: the method, and the status of a response.
fn expected(name: &str) -> (Method, Option<u16>) {
    if let Some((_, rest)) = name.split_once("-resp-") {
        let (method, status) = rest.split_once('-').unwrap();
        let method = Method::from_token(&method.to_uppercase()).unwrap();
        return (method, Some(status.parse().unwrap()));
    }
    if name.ends_with("-answer") {
        return (Method::Invite, Some(200));
    }
    let words = [
        ("invite", Method::Invite),
        ("register", Method::Register),
        ("message", Method::Message),
        ("refer", Method::Refer),
        ("notify", Method::Notify),
        ("subscribe", Method::Subscribe),
        ("info", Method::Info),
    ];
    let found = words.into_iter().find(|(word, _)| name.contains(word));
    (found.unwrap_or_else(|| panic!("what is {name}?")).1, None)
}

#[test]
fn every_capture_has_the_fields_its_name_says() {
    for (name, bytes) in captures() {
        let message = parse::message(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let headers = message.headers();
        let (method, status) = expected(&name);
        assert_eq!(headers.cseq().unwrap().method, method, "{name}");
        let body = match &message {
            Message::Request(request) => {
                assert_eq!((&request.method, None), (&method, status), "{name}");
                assert_eq!(
                    headers.max_forwards().unwrap(),
                    Some(if name.contains("jssip") { 69 } else { 70 })
                );
                &request.body
            }
            Message::Response(response) => {
                assert_eq!(Some(response.status), status, "{name}");
                assert!(headers.to().unwrap().tag().is_some() || response.status == 100, "{name}");
                &response.body
            }
        };
        let via = headers.via_top().unwrap();
        assert!(via.rfc3261_branch().is_some(), "{name}");
        assert!(headers.from().unwrap().tag().is_some(), "{name}");
        assert!(headers.from().unwrap().uri.is_sip(), "{name}");
        assert!(!headers.call_id().unwrap().is_empty(), "{name}");
        if let Some(length) = headers.content_length().unwrap() {
            assert_eq!(length, body.len(), "{name}");
        }
        let sdp = headers.content_type().unwrap().is_some_and(|t| t.is("application/sdp"));
        assert_eq!(sdp, body.starts_with(b"v=0\r\n"), "{name}");
    }
}

#[test]
fn printing_and_reading_again_changes_nothing() {
    for (name, bytes) in captures() {
        let once = parse::message(&bytes).unwrap().to_bytes();
        let again = parse::message(&once).unwrap();
        assert_eq!(again.to_bytes(), once, "{name}");
    }
}

#[test]
fn all_captures_in_one_stream_come_out_one_by_one() {
    // those without Content-Length came by UDP; printing adds it
    let messages: Vec<Bytes> =
        captures().iter().map(|(_, b)| parse::message(b).unwrap().to_bytes()).collect();
    let stream = messages.concat();
    for chunk in [1, 7, 1460, 100_000] {
        let mut framer = StreamFramer::new();
        let mut out = Vec::new();
        for piece in stream.chunks(chunk) {
            framer.push(piece);
            while let Some(framed) = framer.next().unwrap() {
                out.push(framed);
            }
        }
        let wanted: Vec<_> = messages.iter().cloned().map(Framed::Message).collect();
        assert_eq!(out, wanted, "in pieces of {chunk}");
    }
}

#[test]
fn particular_fields_of_particular_clients() {
    let all = captures();
    let get = |name: &str| {
        let (_, bytes) = all.iter().find(|(n, _)| n == name).unwrap();
        match parse::message(bytes).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("{name} is a response"),
        }
    };
    // Linphone: two blanks after the colon, no Content-Length, addr-spec To, three Accept headers
    let register = get("linphonec-focus-register-auth");
    let auth = register.headers.auth("Authorization");
    assert_eq!(auth[0].get("username"), Some("lp"));
    assert_eq!(auth[0].get("response"), Some("c106053f5c7b7d842292dc84a75ee954"));
    assert_eq!(register.headers.get_all("Accept").count(), 3);
    assert_eq!(register.headers.to().unwrap().to_string(), "<sip:lp@127.0.0.1>");
    let contact = &register.headers.contacts().unwrap()[0];
    assert_eq!(contact.uri.params.get("transport"), Some("udp"));
    let instance = "<urn:uuid:954b0189-04e2-0002-b368-3b550ad6889c>";
    assert_eq!(contact.params.text("+sip.instance").as_deref(), Some(instance));
    // baresip: the same URI parameter twice, Allow without blanks
    let invite = get("baresip-audio-invite");
    assert_eq!(invite.uri.to_string(), "sip:bob@127.0.0.1:5100;transport=udp;transport=udp");
    assert_eq!(invite.headers.allow().unwrap().len(), 10);
    assert!(invite.headers.list_has("Supported", "GRUU"));
    assert!(invite.headers.via_top().unwrap().params.has("rport"));
    // baresip's NOTIFY of a REFER
    let notify = get("baresip-focus-notify");
    let event = notify.headers.event().unwrap().unwrap();
    assert!(event.is("refer") && event.params.get("id") == Some("8"));
    assert!(notify.headers.subscription_state().unwrap().unwrap().is("active"));
    // JsSIP: hosts that are no hosts, WebSocket transport
    let invite = get("chromium-jssip-av-invite");
    let via = invite.headers.via_top().unwrap();
    assert_eq!(via.transport, "WS");
    assert!(via.host.to_string().ends_with(".invalid"));
}
