//! Whatever arrives: nothing panics, and what was understood once is understood the same again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

use bytes::Bytes;
use proptest::prelude::*;
use sip_stack::framing::{Framed, StreamFramer};
use sip_stack::message::{
    AuthParams, Headers, Message, Method, NameAddr, Request, Uri, Value, Via, build, multipart,
    parse,
};

const SEED: &str = "INVITE sip:a;x@h.example:5060;lr SIP/2.0\r\n\
    v: SIP/2.0/UDP [::1]:5;branch=z9hG4bK1, SIP/2.0/TCP b;rport\r\nFrom: \"A \\\" b\" <sip:a@h>;tag=1\r\n\
    t: sip:b@h\r\ni: 1@h\r\nCSeq: 1 INVITE\r\nm: <sip:a@h?s=1>;q=1,<tel:1>\r\nRoute: <sip:p;lr>\r\n\
    Authorization: Digest username=\"a\", nc=00000001\r\nk: a, b\r\n c\r\nl: 3\r\n\r\nabcd";

/// Reads every typed view there is.
fn touch(headers: &Headers) {
    let _ = (headers.vias(), headers.from(), headers.to(), headers.call_id().map(drop));
    let _ = (headers.cseq(), headers.contacts(), headers.routes(), headers.record_routes());
    let _ = (headers.expires(), headers.session_expires(), headers.min_se(), headers.retry_after());
    let _ = (headers.content_type(), headers.event(), headers.subscription_state());
    let _ = (headers.reason(), headers.allow(), headers.refer_to(), headers.auth("Authorization"));
}

fn check(bytes: Bytes) {
    match parse::message(&bytes) {
        Ok(message) => {
            touch(message.headers());
            if let Ok(Some(content_type)) = message.headers().content_type() {
                let _ = multipart::parts(&content_type, message.body());
            }
            let printed = message.to_bytes();
            if printed.len() > 80_000 {
                return; // names grow when compact ones are spelled out
            }
            let again = parse::message(&printed).unwrap_or_else(|e| panic!("{e}: {printed:?}"));
            assert_eq!(again.to_bytes(), printed);
            if let Message::Request(request) = &message {
                let response = build::response_to(request, 200, "", Some("t"));
                parse::message(&response.to_bytes()).unwrap();
                build::cancel(request).to_bytes();
                build::ack_for_failure(request, &response).to_bytes();
            }
        }
        Err(error) => {
            if let Some(partial) = &error.partial {
                touch(&partial.headers);
            }
            if let Some(response) = build::refusal(&error, "t") {
                response.to_bytes();
            }
        }
    }
    let mut framer = StreamFramer::new();
    framer.push(&bytes);
    while let Ok(Some(_)) = framer.next() {}
}

/// The message above, and those of RFC 4475 and RFC 5118.
fn seeds() -> Vec<Vec<u8>> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let files =
        ["rfc4475", "rfc5118"].iter().flat_map(|rfc| std::fs::read_dir(dir.join(rfc)).unwrap());
    let mut paths: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let torture = paths.iter().map(|path| std::fs::read(path).unwrap());
    std::iter::once(SEED.as_bytes().to_vec()).chain(torture).collect()
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0u8..4, any::<u8>());
    let seed = prop::sample::select(seeds());
    (seed, prop::collection::vec(edit, 1..12)).prop_map(|(mut bytes, edits)| {
        for (at, kind, byte) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                // characters that mean something
                _ => bytes[at] = b"\r\n \t,;:=\"<>@?\\%[]/"[usize::from(byte) % 18],
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        check(bytes.into());
    }

    #[test]
    fn mutated_messages(bytes in mutated()) {
        check(bytes.into());
    }

    #[test]
    fn arbitrary_values(text in "\\PC{0,80}|[a-z:;@<>\",=?%\\[\\] \\\\/0-9.]{0,60}") {
        if let Some(uri) = Uri::parse(&text) {
            let again = Uri::parse(&uri.to_string());
            prop_assert_eq!(again.as_ref(), Some(&uri));
            prop_assert!(uri.is_equivalent(&uri));
        }
        if let Some(address) = NameAddr::parse(&text) {
            prop_assert_eq!(NameAddr::parse(&address.to_string()), Some(address));
        }
        if let Some(via) = Via::parse(&text) {
            prop_assert_eq!(Via::parse(&via.to_string()), Some(via));
        }
        if let Some(value) = Value::parse(&text) {
            prop_assert_eq!(Value::parse(&value.to_string()), Some(value));
        }
        if let Some(auth) = AuthParams::parse(&text) {
            prop_assert_eq!(AuthParams::parse(&auth.to_string()), Some(auth));
        }
    }

    #[test]
    fn nobody_can_write_a_header_into_another(name in "\\PC{0,30}", evil in "[a-z\r\n: ]{0,40}") {
        let mut request = Request::new(Method::Options, Uri::parse("sip:h").unwrap());
        request.headers.push("Via", "SIP/2.0/UDP h;branch=z9hG4bK1");
        let uri = Uri::parse("sip:a@h").unwrap();
        let from = NameAddr::new(uri.clone()).with_display_name(&name).with_param("tag", "1");
        request.headers.push("From", &from);
        request.headers.push("To", NameAddr::new(uri).with_display_name(&evil));
        request.headers.push("Call-ID", "1");
        request.headers.push("CSeq", "1 OPTIONS");
        request.headers.push("Subject", &evil);
        let parsed = parse::message(&request.to_bytes());
        let Ok(Message::Request(read)) = parsed else { panic!("{parsed:?}") };
        prop_assert_eq!(read.headers.len(), request.headers.len() + 1);
        prop_assert_eq!(read.headers.from().unwrap(), from);
    }

    #[test]
    fn users_survive_escaping(user in "\\PC{1,20}") {
        let uri = Uri::sip(Some(&user.replace('%', "%25")), "127.0.0.1".parse::<std::net::IpAddr>().unwrap().into(), None);
        let read = Uri::parse(&uri.to_string()).unwrap();
        prop_assert_eq!(read.user_text(), Some(user));
        prop_assert!(read.is_equivalent(&uri));
    }

    #[test]
    fn streams_do_not_depend_on_their_pieces(cuts in prop::collection::vec(1usize..40, 1..60)) {
        let message = Bytes::from_static(SEED.as_bytes()).slice(..SEED.len() - 1);
        let stream = [b"\r\n".as_ref(), &message, b"\r\n\r\n", &message, b"\r\n", &message].concat();
        let mut framer = StreamFramer::new();
        let (mut out, mut rest, mut cuts) = (Vec::new(), &stream[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            framer.push(piece);
            while let Some(framed) = framer.next().unwrap() {
                out.push(framed);
            }
            rest = tail;
        }
        let message = Framed::Message(message);
        prop_assert_eq!(out, vec![message.clone(), Framed::Ping, message.clone(), message]);
    }
}
