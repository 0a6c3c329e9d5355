//! `rsip` as a second opinion, on the messages it can read: no IPv6, no compact names, no folding,
//! no lists (docs/decisions).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

use bytes::Bytes;
use rsip::headers::UntypedHeader;
use rsip::prelude::{HeadersExt, ToTypedHeader};
use sip_stack::message::{Message, parse};
use std::path::Path;

fn agree(name: &str, bytes: &[u8]) -> bool {
    let Ok(theirs) = rsip::SipMessage::try_from(bytes) else { return false };
    let ours = parse::message(&Bytes::copy_from_slice(bytes)).unwrap();
    match (&ours, &theirs) {
        (Message::Request(ours), rsip::SipMessage::Request(theirs)) => {
            assert_eq!(ours.method.as_str(), theirs.method.to_string(), "{name}");
            assert_eq!(ours.uri.host.to_string(), theirs.uri.host().to_string(), "{name}");
            assert_eq!(ours.uri.port, theirs.uri.port().map(|p| *p.value()), "{name}");
            assert_eq!(ours.uri.user.as_deref(), theirs.uri.user(), "{name}");
        }
        (Message::Response(ours), rsip::SipMessage::Response(theirs)) => {
            assert_eq!(ours.status, u16::from(theirs.status_code.clone()), "{name}");
        }
        _ => panic!("{name}: one of us takes a request for a response"),
    }
    let headers = ours.headers();
    assert_eq!(headers.call_id().unwrap(), theirs.call_id_header().unwrap().value(), "{name}");
    let via = theirs.via_header().unwrap().typed().unwrap();
    let ours = headers.via_top().unwrap();
    assert_eq!(ours.branch(), via.branch().map(|b| b.value()), "{name}");
    assert_eq!(ours.host.to_string(), via.uri.host().to_string(), "{name}");
    let from = theirs.from_header().unwrap().typed().unwrap();
    let ours = headers.from().unwrap();
    assert_eq!(ours.tag(), from.tag().map(|t| t.value()), "{name}");
    assert_eq!(ours.uri.user.as_deref(), from.uri.user(), "{name}");
    let to = theirs.to_header().unwrap().typed().unwrap();
    assert_eq!(headers.to().unwrap().tag(), to.tag().map(|t| t.value()), "{name}");
    let cseq = theirs.cseq_header().unwrap().typed().unwrap();
    let ours = headers.cseq().unwrap();
    assert_eq!((ours.number, ours.method.as_str()), (cseq.seq, cseq.method.to_string().as_str()));
    true
}

#[test]
fn rsip_reads_the_captures_as_we_do() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let (mut agreed, mut all) = (0, 0);
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        all += 1;
        if agree(&path.to_string_lossy(), &std::fs::read(&path).unwrap()) {
            agreed += 1;
        }
    }
    assert!(agreed * 10 >= all * 8, "rsip read only {agreed} of {all}");
}
