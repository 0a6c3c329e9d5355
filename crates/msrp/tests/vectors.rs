//! Frames of the RFCs, pieces of them, and what must not break anything.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use msrp::{
    Assembled, Assembler, ByteRange, Continuation, DecodeError, Decoder, Event, Frame, Incoming,
    Limits, Method, MsrpUri, Session, Start,
};
use proptest::prelude::*;

/// RFC 4975 §4.
const SEND: &str = "MSRP d93kswow SEND\r\n\
    To-Path: msrp://bobpc.biloxi.example.com:8888/9di4eae923wzd;tcp\r\n\
    From-Path: msrp://alicepc.atlanta.example.com:7777/iau39soe2843z;tcp\r\n\
    Message-ID: 12339sdqwer\r\nByte-Range: 1-16/16\r\nContent-Type: text/plain\r\n\r\n\
    Hi, I'm Alice!\r\n\r\n-------d93kswow$\r\n";

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut decoder = Decoder::default();
    decoder.push(bytes);
    std::iter::from_fn(|| decoder.next().unwrap()).collect()
}

fn uri(text: &str) -> MsrpUri {
    MsrpUri::parse(text).unwrap()
}

#[test]
fn the_example_of_the_rfc() {
    let [frame] = &frames(SEND.as_bytes())[..] else { panic!("one frame") };
    assert_eq!(frame.start, Start::Request(Method::Send));
    assert_eq!(frame.header("message-id"), Some("12339sdqwer"));
    assert_eq!(frame.body.as_deref(), Some(&b"Hi, I'm Alice!\r\n"[..]));
    assert_eq!(frame.to_bytes(), SEND);
    let ok = frame.response(200, "OK").unwrap().to_bytes();
    assert_eq!(
        ok,
        "MSRP d93kswow 200 OK\r\nTo-Path: msrp://alicepc.atlanta.example.com:7777/iau39soe2843z;tcp\r\n\
         From-Path: msrp://bobpc.biloxi.example.com:8888/9di4eae923wzd;tcp\r\n-------d93kswow$\r\n"
    );
    assert_eq!(frames(&ok)[0].start, Start::Response(200, "OK".into()));
}

#[test]
fn a_frame_may_come_in_any_pieces_and_content_may_look_like_an_end() {
    let tricky = SEND.replace("Hi, I'm Alice!", "-------d93kswow\r\n-------d93kswow!\r\n------");
    let stream = format!("{tricky}{SEND}");
    let whole = frames(stream.as_bytes());
    assert_eq!(whole.len(), 2);
    for size in 1..40 {
        let mut decoder = Decoder::default();
        let mut came = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            decoder.push(piece);
            came.extend(std::iter::from_fn(|| decoder.next().unwrap()));
        }
        assert_eq!(came, whole, "pieces of {size}");
    }
}

#[test]
fn content_is_none_or_empty_or_some() {
    let none = SEND.replace("Content-Type: text/plain\r\n\r\nHi, I'm Alice!\r\n\r\n", "");
    assert_eq!(frames(none.as_bytes())[0].body, None);
    let empty = SEND.replace("Hi, I'm Alice!\r\n\r\n", "\r\n");
    assert_eq!(frames(empty.as_bytes())[0].body.as_deref(), Some(&b""[..]));
    for text in [none, empty] {
        let frame = frames(text.as_bytes()).remove(0);
        assert_eq!(frames(&frame.to_bytes()), [frame]);
    }
}

#[test]
fn what_is_no_msrp_or_too_much_ends_the_stream() {
    let long = SEND.replace("Hi, I'm", &"x".repeat(70_000));
    let head = SEND.replace("text/plain", &"x".repeat(9_000));
    let endless = format!("MSRP {}", "x".repeat(9_000));
    for (text, error) in [
        ("GET / HTTP/1.1\r\n\r\n", DecodeError::Malformed),
        ("MSRP abc SEND\r\n", DecodeError::Malformed),
        ("MSRP abcd send\r\n", DecodeError::Malformed),
        ("MSRP abcd SEND\r\nTo-Path: msrp://h/s;tcp\r\n-------abcd$\r\n", DecodeError::Malformed),
        (
            "MSRP abcd SEND\r\nTo-Path: x\r\nFrom-Path: y\r\n-------abcd$\r\n",
            DecodeError::Malformed,
        ),
        (&long, DecodeError::TooLong),
        (&head, DecodeError::TooLong),
        (&endless, DecodeError::TooLong),
    ] {
        let mut decoder = Decoder::new(Limits::default());
        decoder.push(text.as_bytes());
        assert_eq!(decoder.next(), Err(error), "{}", &text[..20.min(text.len())]);
        decoder.push(SEND.as_bytes());
        assert_eq!(decoder.next(), Err(error), "for ever");
    }
}

fn chunk(id: &str, range: &str, body: &str, continuation: Continuation) -> Frame {
    let here = uri("msrp://h:1/s;tcp");
    let mut frame = Frame::request("abcd", Method::Send, std::slice::from_ref(&here), &here);
    frame.push("Message-ID", id);
    frame.push("Byte-Range", range);
    frame.push("Content-Type", "text/plain");
    frame.body = Some(Bytes::from(body.to_owned()));
    frame.continuation = continuation;
    frame
}

#[test]
fn chunks_come_in_any_order_and_overlap() {
    use Continuation::{Aborted, Complete, More};
    let now = Instant::now();
    let text = |assembled| match assembled {
        Assembled::Whole(message) => String::from_utf8(message.body.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    let mut assembler = Assembler::new(100);
    assert_eq!(text(assembler.take(now, &chunk("m001", "1-5/5", "hello", Complete))), "hello");
    assert_eq!(assembler.take(now, &chunk("m002", "6-10/10", "world", Complete)), Assembled::Begun);
    assert_eq!(text(assembler.take(now, &chunk("m002", "1-*/*", "hello", More))), "helloworld");
    assert_eq!(assembler.take(now, &chunk("m003", "1-4/8", "abXX", More)), Assembled::Begun);
    assert_eq!(text(assembler.take(now, &chunk("m003", "3-8/8", "cdefgh", Complete))), "abcdefgh");
    assert_eq!(assembler.take(now, &chunk("m004", "1-4/8", "abcd", More)), Assembled::Begun);
    assert_eq!(assembler.take(now, &chunk("m004", "5-8/8", "e", Aborted)), Assembled::Aborted);
    for (range, body) in
        [("1-101/101", "x".repeat(101)), ("90-*/*", "x".repeat(20)), ("1-1/999", "x".into())]
    {
        assert_eq!(assembler.take(now, &chunk("m005", range, &body, More)), Assembled::TooLong);
    }
    assert_eq!(assembler.take(now, &chunk("m", "1-1/1", "x", Complete)), Assembled::Malformed);
    assert_eq!(assembler.take(now, &chunk("m006", "0-1/1", "x", Complete)), Assembled::Malformed);
    for begun in 0..9 {
        let state = assembler.take(now, &chunk(&format!("n00{begun}"), "1-1/2", "x", More));
        assert_eq!(state == Assembled::Begun, begun < 8, "no more than eight at a time");
    }
    let later = now + Duration::from_secs(541);
    assert_eq!(assembler.take(later, &chunk("n009", "1-1/2", "x", More)), Assembled::Begun);
}

/// Two ends that hear each other.
fn pair() -> (Session, Session) {
    let (a, b) = (uri("msrp://a:1/aaaa;tcp"), uri("msrp://b:1/bbbb;tcp"));
    (Session::new(a.clone(), vec![b.clone()], 65_536), Session::new(b, vec![a], 65_536))
}

/// Carries frames from one to the other; how many.
fn carry(now: Instant, from: &mut Session, to: &mut Session) -> usize {
    let mut decoder = Decoder::default();
    let mut count = 0;
    while let Some(bytes) = from.poll_output() {
        decoder.push(&bytes);
        while let Some(frame) = decoder.next().unwrap() {
            to.handle(now, frame);
            count += 1;
        }
    }
    count
}

#[test]
fn a_long_message_arrives_in_chunks_and_is_answered() {
    let now = Instant::now();
    let (mut a, mut b) = pair();
    let body = Bytes::from("grüß ".repeat(1000));
    assert!(a.send(now, "mess1", "message/cpim", &body));
    assert_eq!(carry(now, &mut a, &mut b), 4);
    let Some(Event::Incoming(Incoming::Message(message, ticket))) = b.poll_event() else {
        panic!()
    };
    assert_eq!((message.body, message.content_type.as_str()), (body, "message/cpim"));
    b.answer(&ticket, 200);
    carry(now, &mut b, &mut a);
    assert_eq!(a.poll_event(), Some(Event::Delivered("mess1".into())));
    assert_eq!((a.poll_event(), a.poll_timeout()), (None, None));
}

#[test]
fn failures_are_told_once() {
    let now = Instant::now();
    let (mut a, mut b) = pair();
    a.send(now, "mess1", "text/plain", &Bytes::from("x".repeat(5000)));
    carry(now, &mut a, &mut b);
    let Some(Event::Incoming(Incoming::Message(_, ticket))) = b.poll_event() else { panic!() };
    b.answer(&ticket, 415);
    carry(now, &mut b, &mut a);
    assert_eq!(a.poll_event(), Some(Event::Failed("mess1".into(), 415)));
    a.send(now, "mess2", "text/plain", &Bytes::from("x".repeat(5000)));
    let late = a.poll_timeout().unwrap();
    a.handle_timeout(late);
    assert_eq!(a.poll_event(), Some(Event::Failed("mess2".into(), 408)));
    assert_eq!(a.poll_event(), None);
}

#[test]
fn reports_and_responses_come_as_far_as_they_are_wanted() {
    let now = Instant::now();
    for (success, failure, status, came) in [
        ("no", "yes", 200, vec!["200"]),
        ("no", "yes", 403, vec!["403"]),
        ("no", "no", 403, vec![]),
        ("no", "partial", 200, vec![]),
        ("no", "partial", 403, vec!["403"]),
        ("yes", "no", 200, vec!["REPORT"]),
        ("yes", "yes", 200, vec!["200", "REPORT"]),
        ("yes", "yes", 403, vec!["403"]),
    ] {
        let (a, mut b) = pair();
        let mut frame = chunk("mess1", "1-2/2", "hi", Continuation::Complete);
        (frame.to_path, frame.from_path) = (vec![b.local().clone()], vec![a.local().clone()]);
        frame.push("Success-Report", success);
        frame.push("Failure-Report", failure);
        b.handle(now, frame);
        let Some(Event::Incoming(Incoming::Message(_, ticket))) = b.poll_event() else { panic!() };
        b.answer(&ticket, status);
        let sent = std::iter::from_fn(|| b.poll_output());
        let words = sent.map(|bytes| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            text.split([' ', '\r']).nth(2).unwrap().to_owned()
        });
        assert_eq!(words.collect::<Vec<_>>(), came, "{success} {failure} {status}");
    }
}

#[test]
fn strangers_and_unknown_methods_have_their_status() {
    let now = Instant::now();
    let (a, mut b) = pair();
    let stranger = uri("msrp://evil:1/eeee;tcp");
    for (from, method, status) in
        [(&stranger, Method::Send, "481"), (a.local(), Method::Other("AUTH".into()), "501")]
    {
        let frame = Frame::request("abcd", method, std::slice::from_ref(b.local()), from);
        b.handle(now, frame);
        let text = String::from_utf8(b.poll_output().unwrap().to_vec()).unwrap();
        assert!(text.starts_with(&format!("MSRP abcd {status}")), "{text}");
    }
    let mut nickname =
        Frame::request("abcd", Method::Nickname, std::slice::from_ref(b.local()), a.local());
    nickname.push("Use-Nickname", "\"Alice the great\"");
    b.handle(now, nickname);
    let Some(Event::Incoming(Incoming::Nickname(name, ticket))) = b.poll_event() else { panic!() };
    assert_eq!(name, "Alice the great");
    b.answer(&ticket, 425);
    assert!(b.poll_output().unwrap().starts_with(b"MSRP abcd 425 Nickname reserved"));
}

#[test]
fn content_never_holds_the_end_of_its_frame() {
    let now = Instant::now();
    let (mut a, mut b) = pair();
    let body = Bytes::from("x\r\n-------t0000001$\r\n-------t0000002$\r\n");
    a.send(now, "mess1", "text/plain", &body);
    carry(now, &mut a, &mut b);
    let Some(Event::Incoming(Incoming::Message(message, _))) = b.poll_event() else { panic!() };
    assert_eq!(message.body, body);
}

proptest! {
    #[test]
    fn any_message_arrives(body in prop::collection::vec(any::<u8>(), 0..9000), piece in 1..3000usize) {
        let now = Instant::now();
        let (mut a, mut b) = pair();
        let body = Bytes::from(body);
        a.send(now, "mess1", "application/octet-stream", &body);
        let mut decoder = Decoder::default();
        let stream: Vec<u8> = std::iter::from_fn(|| a.poll_output()).flatten().collect();
        for piece in stream.chunks(piece) {
            decoder.push(piece);
            while let Some(frame) = decoder.next().unwrap() {
                b.handle(now, frame);
            }
        }
        match b.poll_event() {
            Some(Event::Incoming(Incoming::Message(message, _))) => prop_assert_eq!(message.body, body),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0..300usize, flip in any::<u8>()) {
        let mut mutated = SEND.as_bytes().to_vec();
        if let Some(byte) = mutated.get_mut(at) {
            *byte = flip;
        }
        for stream in [bytes, mutated] {
            let mut decoder = Decoder::default();
            decoder.push(&stream);
            let (_, mut session) = pair();
            while let Ok(Some(frame)) = decoder.next() {
                prop_assert_eq!(&frames(&frame.to_bytes())[..1], std::slice::from_ref(&frame));
                session.handle(Instant::now(), frame);
            }
            let _ = ByteRange::parse(&String::from_utf8_lossy(&stream));
        }
    }
}
