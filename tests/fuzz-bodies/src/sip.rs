//! SIP messages, streams of them, and the values in their headers.

use std::fmt::{Debug, Display};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_stack::auth::{Algorithm, Challenger, Credentials};
use sip_stack::framing::{Framed, FramingError, StreamFramer};
use sip_stack::message::{
    AuthParams, CSeq, Cpim, DialogRef, Headers, MAX_MESSAGE, MediaType, Message, Method, NameAddr,
    RAck, Reason, Request, Response, Uri, Value, Via, build, multipart, parse,
};
use sip_stack::token::Tokens;

/// One message: what was read is printed and read again the same, and can be answered.
pub fn message(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    match parse::message(&bytes) {
        Ok(message) => {
            read_all(message.headers());
            let printed = message.to_bytes();
            // A compact name grows to at most `Authorization`-like lengths, a line end to two bytes.
            assert!(printed.len() <= 24 * data.len() + 64, "printing grows without bound");
            if printed.len() <= MAX_MESSAGE {
                let again = parse::message(&printed).expect("what we print we can read");
                assert_eq!(without_length(again.clone()), without_length(message.clone()));
                assert_eq!(again.to_bytes(), printed, "printing is stable");
            }
            if let Message::Request(request) = message {
                answered(&build::response_to(&request, 486, "Busy Here", Some("tag")));
            }
        }
        Err(error) => {
            // It repeats what was malformed (RFC 3261 §8.2.6.2), so it need not parse; but it is one message.
            if let Some(refusal) = build::refusal(&error, "tag") {
                assert!(refusal.status >= 400);
                let printed = refusal.to_bytes();
                let heads = printed.windows(4).filter(|bytes| bytes == b"\r\n\r\n").count();
                assert_eq!(heads, 1, "{}", printed.escape_ascii());
            }
        }
    }
}

/// Content-Length is the printer's business; where it stood, or whether, is not kept.
fn without_length(mut message: Message) -> Message {
    match &mut message {
        Message::Request(request) => request.headers.remove("Content-Length"),
        Message::Response(response) => response.headers.remove("Content-Length"),
    }
    message
}

/// What we answer to a stranger can be read by others.
fn answered(response: &Response) {
    let bytes = response.to_bytes();
    if bytes.len() <= MAX_MESSAGE {
        let again = parse::message(&bytes).map(without_length);
        let Ok(Message::Response(again)) = again else {
            panic!("our own answer cannot be read: {again:?}\n{}", bytes.escape_ascii());
        };
        assert_eq!(again.status, response.status);
    }
}

/// Every typed view may say "malformed", none may panic.
fn read_all(headers: &Headers) {
    assert!(headers.iter().all(|(_, value)| !value.contains(['\r', '\n'])), "a value of two lines");
    let _ = (headers.vias(), headers.from(), headers.to(), headers.call_id(), headers.cseq());
    let _ = (headers.contacts(), headers.contact_is_star(), headers.routes());
    let _ = (headers.record_routes(), headers.max_forwards(), headers.expires());
    let _ = (headers.min_expires(), headers.session_expires(), headers.min_se());
    let _ = (headers.retry_after(), headers.content_length(), headers.content_type());
    let _ = (headers.event(), headers.subscription_state(), headers.refer_to());
    let _ = (headers.referred_by(), headers.reason(), headers.allow());
    let _ = (headers.list_has("Supported", "timer"), headers.auth("Authorization"));
    for contact in headers.contacts().unwrap_or_default() {
        let _ =
            (contact.uri.aor(), contact.uri.user_text(), contact.uri.is_equivalent(&contact.uri));
    }
}

/// A stream: its messages are cut the same however it is chopped, and never more comes out than went in. (Stray line
/// ends may or may not look like a keep-alive.)
pub fn stream(data: &[u8]) {
    let Some((&chop, data)) = data.split_first() else { return };
    let whole = frames(std::iter::once(data));
    let chopped = frames(data.chunks(usize::from(chop) + 1));
    for (found, _) in [&whole, &chopped] {
        assert!(found.iter().map(framed_len).sum::<usize>() <= data.len());
    }
    let messages = |found: Vec<Framed>| {
        found.into_iter().filter(|framed| *framed != Framed::Ping).collect::<Vec<_>>()
    };
    assert_eq!(whole.1, chopped.1, "where a stream is chopped must not matter");
    assert_eq!(messages(whole.0), messages(chopped.0), "where a stream is chopped must not matter");
}

fn framed_len(framed: &Framed) -> usize {
    match framed {
        Framed::Message(bytes) => {
            assert!(bytes.len() <= MAX_MESSAGE);
            bytes.len()
        }
        Framed::Ping => 4,
    }
}

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Framed>, Option<FramingError>) {
    let mut framer = StreamFramer::new();
    let mut found = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(framed)) => found.push(framed),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

/// One value of a header, its kind chosen by the first byte.
pub fn headers(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(data);
    // A header value is one line; whoever cut the message has seen to that.
    let Some(text) = text.split(['\r', '\n']).next() else { return };
    match kind % 14 {
        0 => identity(text, Via::parse),
        1 => identity(text, NameAddr::parse),
        2 => identity(text, Uri::parse),
        3 => identity(text, CSeq::parse),
        4 => identity(text, MediaType::parse),
        5 => identity(text, Value::parse),
        6 => identity(text, Reason::parse),
        7 => identity(text, AuthParams::parse),
        8 => cpim(data),
        9 => credentials(text),
        10 => challenge(text),
        11 => identity(text, RAck::parse),
        12 => identity(text, DialogRef::parse),
        _ => parts(data),
    }
}

/// Parsing what was printed gives what was parsed.
fn identity<T: Display + Debug + PartialEq>(text: &str, parse: impl Fn(&str) -> Option<T>) {
    if let Some(value) = parse(text) {
        let printed = value.to_string();
        assert!(!printed.contains(['\r', '\n']), "a value of two lines: {printed:?}");
        assert!(printed.len() <= 4 * text.len() + 64, "printing grows without bound");
        let again = parse(&printed);
        assert_eq!(again.as_ref(), Some(&value), "{text:?} was printed as {printed:?}");
    }
}

fn cpim(data: &[u8]) {
    if let Some(value) = Cpim::parse(&Bytes::copy_from_slice(data)) {
        let _ = (value.from(), value.to(), value.date_time(), value.content_type());
        let printed = value.to_bytes();
        let again = Cpim::parse(&printed).expect("what we print we can read");
        assert_eq!(again.to_bytes(), printed);
    }
}

fn register() -> Request {
    let uri = Uri::parse("sip:parley.example").expect("a URI");
    Request::new(Method::Register, uri)
}

/// A multipart body: what is in it comes out of it, and no more.
fn parts(body: &[u8]) {
    let boundary = MediaType::parse("multipart/mixed;boundary=b").expect("a media type");
    let body = Bytes::copy_from_slice(body);
    let found = multipart::parts(&boundary, &body).unwrap_or_default();
    assert!(found.len() <= multipart::MAX_PARTS);
    assert!(found.iter().map(|part| part.body.len()).sum::<usize>() <= body.len());
    let mut headers = Headers::new();
    headers.push("Content-Type", "multipart/mixed;boundary=b");
    let description = multipart::body_of_type(&headers, &body, "application/sdp");
    assert!(description.is_none_or(|found| found.len() <= body.len()));
}

/// Nobody gets in with what a fuzzer can make up.
fn credentials(text: &str) {
    let now = Instant::now();
    let mut challenger =
        Challenger::new(now, "parley", &[Algorithm::Sha256, Algorithm::Md5], [7; 32]);
    let mut request = register();
    request.headers.push("Authorization", text);
    let later = now + Duration::from_secs(1);
    let verdict = challenger.verify(later, &request, |_, _| None);
    let verdict = format!("{verdict:?}");
    assert!(!verdict.starts_with("Good"), "{verdict}");
}

/// A client answers a challenge or does not; its answer is as long as the challenge allows.
fn challenge(text: &str) {
    let mut request = register();
    let mut response = Response {
        status: 401,
        reason: "Unauthorized".to_owned(),
        headers: Headers::new(),
        body: Bytes::new(),
    };
    response.headers.push("WWW-Authenticate", text);
    let mut client = Credentials::new("alice", "secret");
    let mut tokens = Tokens::new([1; 32]);
    if client.answer(&response, &mut request, &mut tokens).is_ok() {
        let answer = request.headers.get("Authorization").unwrap_or_default();
        assert!(!answer.is_empty() && answer.len() <= 4 * text.len() + 1024);
        assert!(AuthParams::parse(answer).is_some(), "{answer}");
    }
}
