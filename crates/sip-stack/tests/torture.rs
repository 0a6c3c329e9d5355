//! Messages that are hard to read: valid ones must come out right, broken ones must be refused with
//! enough left to answer them. In the spirit of RFC 4475 and RFC 5118; the bytes are our own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

use bytes::Bytes;
use sip_stack::flow::{Flow, Transport, response_flow, stamp_via};
use sip_stack::message::build::refusal;
use sip_stack::message::parse::{self, ParseError, ParseErrorKind};
use sip_stack::message::{HeaderError, MAX_HEADERS, Message, Method, Request, Response};

/// A message written with LF only, sent with CRLF.
fn read(text: &str) -> Result<Message, ParseError> {
    parse::message(&Bytes::from(text.replace('\n', "\r\n")))
}

fn request(text: &str) -> Request {
    match read(text).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

fn response(text: &str) -> Response {
    match read(text).unwrap() {
        Message::Response(response) => response,
        Message::Request(_) => panic!("a request"),
    }
}

/// A request that is good but for `line` and `uri`.
fn options(uri: &str, lines: &str) -> String {
    format!(
        "OPTIONS {uri} SIP/2.0\nVia: SIP/2.0/UDP c.example:5070;branch=z9hG4bK77\n\
         From: <sip:a@example.org>;tag=1\nTo: <sip:b@example.org>\nCall-ID: x1\nCSeq: 7 OPTIONS\n\
         {lines}Content-Length: 0\n\n"
    )
}

#[test]
fn every_freedom_of_the_grammar_at_once() {
    let r = request(
        "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\n\
         TO :\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\n\
         from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\n  ;\n  tag = 98asjd8\n\
         MaX-fOrWaRdS: 0068\nCall-ID: wsinv.ndaksdj@192.0.2.1\nContent-Length   : 4\n\
         cseq: 0009\n  INVITE\nVia  : SIP  /   2.0\n /UDP\n    192.0.2.2;branch=390skdjuw\ns :\n\
         NewFangledHeader:   newfangled value\n continued newfangled value\n\
         UnknownHeaderWithUnusualValue: ;;,,;;,;\nContent-Type: application/sdp\n\
         Route:\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\n\
         v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n  branch  =   z9hG4bK9ikj8  ,\n \
         SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n z9hG4bK30239\n\
         m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\n      newvalue ;\n  \
         secondparam ; q = 0.33\n\nv=0\nthis is cut off",
    );
    let h = &r.headers;
    assert_eq!(r.uri.host.to_string(), "chair-dnrc.example.com");
    assert!(r.uri.params.has("unknownparam"));
    assert_eq!(h.to().unwrap().tag(), Some("1918181833n"));
    let from = h.from().unwrap();
    assert_eq!(from.display_name.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(h.max_forwards().unwrap(), Some(68));
    assert_eq!(h.cseq().unwrap().to_string(), "9 INVITE");
    let vias = h.vias().unwrap();
    assert_eq!(vias.len(), 3);
    assert_eq!((vias[0].branch(), vias[0].rfc3261_branch()), (Some("390skdjuw"), None));
    assert_eq!(vias[1].transport, "TCP");
    assert_eq!(vias[1].branch(), Some("z9hG4bK9ikj8"));
    assert_eq!(vias[2].branch(), Some("z9hG4bK30239"));
    assert_eq!(h.get("Subject"), Some(""));
    assert_eq!(h.get("newfangledheader"), Some("newfangled value continued newfangled value"));
    assert_eq!(h.get("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    let route = &h.routes().unwrap()[0].uri;
    assert!(route.params.has("lr") && route.params.get("unknownwith") == Some("value"));
    let contact = &h.contacts().unwrap()[0];
    assert_eq!(contact.display_name.as_deref(), Some("Quoted string \"\""));
    assert_eq!(contact.params.get("newparam"), Some("newvalue"));
    assert_eq!(contact.params.get("q"), Some("0.33"));
    assert_eq!(&r.body[..], b"v=0\r", "cut at Content-Length");
}

#[test]
fn extension_methods_and_odd_tokens() {
    let r = request(
        "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,\
         /;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\n\
         Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\n\
         To: \"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f\" <sip:1_unusual.URI~@example.com>\n\
         From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>\
         ;fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.\n\
         Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\n\
         CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\nMax-Forwards: 255\n\
         extensionHeader-!.%*+_`'~: 大停電\nContent-Length: 0\n\n",
    );
    assert_eq!(r.method, Method::Other("!interesting-Method0123456789_*+`.%indeed'~".into()));
    assert_eq!(r.uri.user.as_deref(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(r.uri.password.as_deref(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    let to = r.headers.to().unwrap();
    assert_eq!(to.display_name.as_deref(), Some("BEL:\x07 NUL:\x00 DEL:\x7f"));
    let from = r.headers.from().unwrap();
    assert_eq!(from.display_name.as_deref(), Some("token1~` token2'+_ token3*%!.-"));
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(from.params.text("fromParam''~+*_!.-%").as_deref(), Some("работающий"));
    assert_eq!(r.headers.call_id().unwrap(), "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    assert_eq!(r.headers.get("extensionHeader-!.%*+_`'~"), Some("大停電"));
}

#[test]
fn escapes_in_the_user_are_data() {
    let r = request(&options("sip:sips%3Auser%40example.com@example.net", ""));
    assert_eq!(r.uri.user.as_deref(), Some("sips%3Auser%40example.com"));
    assert_eq!(r.uri.user_text().as_deref(), Some("sips:user@example.com"));
    assert_eq!(r.uri.host.to_string(), "example.net");
    // an escaped NUL is no end of anything
    let r = request(&options("sip:null-%00-null@example.com", ""));
    assert_eq!(r.uri.user.as_deref(), Some("null-%00-null"));
    // what looks like an escape in a method or header name is not one
    assert_eq!(Method::from_token("RE%47IST%45R"), Some(Method::Other("RE%47IST%45R".into())));
}

#[test]
fn a_semicolon_and_a_question_mark_in_the_user() {
    let r = request(&options("sip:user;par=u%40example.net@example.com", ""));
    assert_eq!(r.uri.user.as_deref(), Some("user;par=u%40example.net"));
    assert!(r.uri.params.is_empty());
    let r = request(&options("sip:b@h", "Contact: <sip:a?b/c@example.com;p=1?h=2>\n"));
    let uri = r.headers.contacts().unwrap().remove(0).uri;
    assert_eq!(uri.user.as_deref(), Some("a?b/c"));
    assert_eq!(uri.headers, [("h".to_owned(), "2".to_owned())]);
}

#[test]
fn without_brackets_parameters_belong_to_the_header() {
    let r = request(&options(
        "sip:b@example.org",
        "Contact: sip:a@h.example;unknown=1, \"x, y\" <sip:c@h;in>;out , <sip:d@[2001:db8::9]:5080>\n",
    ));
    let contacts = r.headers.contacts().unwrap();
    assert_eq!(contacts.len(), 3);
    assert!(contacts[0].uri.params.is_empty() && contacts[0].params.has("unknown"));
    assert!(contacts[1].uri.params.has("in") && contacts[1].params.has("out"));
    assert_eq!(contacts[1].display_name.as_deref(), Some("x, y"));
    assert_eq!(contacts[2].uri.port, Some(5080));
}

#[test]
fn no_blank_between_display_name_and_bracket() {
    let r = request(&options("sip:b@example.org", "Contact: caller<sip:caller@example.com>;q=1\n"));
    assert_eq!(r.headers.contacts().unwrap()[0].display_name.as_deref(), Some("caller"));
}

#[test]
fn other_schemes_are_kept() {
    for uri in ["tel:+1-201-555-0123;ext=1", "urn:service:sos", "nobodyKnows:totallyopaque"] {
        let r = request(&options(uri, ""));
        assert!(!r.uri.is_sip());
        assert_eq!(r.uri.to_string().to_lowercase(), uri.to_lowercase());
    }
}

#[test]
fn ipv6_everywhere() {
    let text = "REGISTER sip:[2001:db8::10] SIP/2.0\n\
        Via: SIP/2.0/UDP [2001:db8::9]:5070;received=2001:db8::9:255;branch=z9hG4bKas3-111\n\
        From: <sip:user@example.com>;tag=81\nTo: <sip:user@[2001:db8::10]:5070>\nCall-ID: r1\n\
        CSeq: 98176 REGISTER\nContact: \"Caller\" <sip:caller@[2001:db8::1];maddr=[::1]>\n\
        Content-Length: 0\n\n";
    let r = request(text);
    assert_eq!(r.uri.to_string(), "sip:[2001:db8::10]");
    let via = r.headers.via_top().unwrap();
    assert_eq!((via.host.to_string().as_str(), via.port), ("[2001:db8::9]", Some(5070)));
    assert_eq!(r.headers.to().unwrap().uri.port, Some(5070));
    assert!(read(&text.replace("sip:[2001:db8::10] ", "sip:2001:db8::10 ")).is_err());
    // the answer finds its way back, and the brackets stay where they belong
    let flow = Flow {
        transport: Transport::Udp,
        local: "[2001:db8::10]:5060".parse().unwrap(),
        remote: "[2001:db8::77]:40000".parse().unwrap(),
        connection: None,
    };
    let mut r = r;
    stamp_via(&mut r, &flow);
    let via = r.headers.via_top().unwrap();
    assert_eq!(via.params.get("received"), Some("2001:db8::77"));
    assert_eq!(response_flow(&via, &flow).remote, "[2001:db8::77]:5070".parse().unwrap());
}

#[test]
fn reason_phrases_may_be_odd_or_missing() {
    let tail = "Via: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@h>;tag=1\nTo: <sip:b@h>;tag=2\n\
                Call-ID: u\nCSeq: 35 INVITE\nContent-Length: 0\n\n";
    let r =
        response(&format!("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое\n{tail}"));
    assert!(r.is_success() && r.reason.starts_with("= 2**3 * 5**2 но"));
    assert_eq!(response(&format!("SIP/2.0 100 \n{tail}")).reason, "");
    assert_eq!(response(&format!("SIP/2.0 603\n{tail}")).status, 603);
    for bad in ["4294967301 better", "99 low", "700 high", "2OO x", " 200 OK", "+20 x"] {
        assert!(read(&format!("SIP/2.0 {bad}\n{tail}")).is_err(), "{bad}");
    }
}

#[test]
fn bodies_of_datagrams() {
    let good = options("sip:b@h", "");
    let with = |length: &str, body: &str| {
        let text = good.replace("Content-Length: 0\n", length);
        read(&format!("{text}{body}")).map(|m| match m {
            Message::Request(request) => request.body,
            Message::Response(_) => panic!("a response"),
        })
    };
    assert_eq!(&with("", "all of it").unwrap()[..], b"all of it");
    assert_eq!(&with("l:   3  \n", "all of it").unwrap()[..], b"all");
    assert_eq!(with("Content-Length: 99\n", "short").unwrap_err().kind, ParseErrorKind::Truncated);
    for bad in ["-1", "1x", "", "99999999999999"] {
        let error = with(&format!("Content-Length: {bad}\n"), "").unwrap_err();
        let malformed = HeaderError::Malformed("Content-Length");
        assert_eq!(error.kind, ParseErrorKind::Header(malformed), "{bad}");
    }
    // binary and multipart bodies are none of our business
    let bytes = [
        good.replace('\n', "\r\n").replace("Length: 0", "Length: 5").as_bytes(),
        b"\x00\xff\r\n\x01",
    ]
    .concat();
    let Ok(Message::Request(r)) = parse::message(&bytes.into()) else { panic!() };
    assert_eq!(&r.body[..], b"\x00\xff\r\n\x01");
}

#[test]
fn latin_1_display_names_of_old_phones() {
    let text = options("sip:b@h", "").replace("From: <", "From: \"Ren#\" <").replace('\n', "\r\n");
    let bytes: Vec<u8> = text.bytes().map(|b| if b == b'#' { 0xe9 } else { b }).collect();
    let message = parse::message(&bytes.into()).unwrap();
    assert_eq!(message.headers().from().unwrap().display_name.as_deref(), Some("René"));
}

#[test]
fn broken_requests_can_be_answered() {
    let good = options("sip:b@h", "");
    let malformed = |name| ParseErrorKind::Header(HeaderError::Malformed(name));
    let missing = |name| ParseErrorKind::Header(HeaderError::Missing(name));
    let cases = [
        (good.replace("sip:b@h", "<sip:b@h>"), ParseErrorKind::RequestUri, 400),
        (good.replace("sip:b@h", "sip:b@h; lr"), ParseErrorKind::RequestUri, 400),
        (good.replace("sip:b@h", " sip:b@h "), ParseErrorKind::RequestUri, 400),
        (good.replace("sip:b@h", "sip:a@b@h"), ParseErrorKind::RequestUri, 400),
        (good.replace("SIP/2.0\nVia", "SIP/7.0\nVia"), ParseErrorKind::Version, 505),
        (good.replace("CSeq: 7 OPTIONS", "CSeq: 7 INVITE"), ParseErrorKind::MethodMismatch, 400),
        (good.replace("CSeq: 7", "CSeq: 36893488147419103232"), malformed("CSeq"), 400),
        (good.replace("CSeq: 7 OPTIONS\n", ""), missing("CSeq"), 400),
        (good.replace("Call-ID: x1\n", ""), missing("Call-ID"), 400),
        (good.replace("To: <sip:b@example.org>", "To: \"open <sip:b@h>"), malformed("To"), 400),
        (good.replace("From: <sip:", "From: <si p:"), malformed("From"), 400),
        (
            good.replace("Call-ID: x1\n", "Call-ID: x1\nTo: <sip:c@h>\n"),
            ParseErrorKind::Header(HeaderError::Repeated("To")),
            400,
        ),
        (good.replace("Call-ID", "Max-Forwards: 300\nCall-ID"), malformed("Max-Forwards"), 400),
        (good.replace("Call-ID", "Contact: sip:a@h?x=y\nCall-ID"), malformed("Contact"), 400),
        (good.replace("Call-ID", "no header at all\nCall-ID"), ParseErrorKind::HeaderLine, 400),
        (good.trim_end().to_owned(), ParseErrorKind::Truncated, 400),
        (
            good.replace("Call-ID", &format!("{}Call-ID", "X: y\n".repeat(MAX_HEADERS))),
            ParseErrorKind::TooLarge,
            513,
        ),
        (
            good.replace("Call-ID", &format!("Allow: {}\nCall-ID", "X,".repeat(MAX_HEADERS))),
            ParseErrorKind::TooLarge,
            513,
        ),
    ];
    for (text, kind, status) in cases {
        let error = read(&text).expect_err(&text);
        assert_eq!(error.kind, kind, "{text}");
        let answer = refusal(&error, "tt").unwrap_or_else(|| panic!("no answer to {text}"));
        assert_eq!(answer.status, status);
        let via = "SIP/2.0/UDP c.example:5070;branch=z9hG4bK77";
        assert_eq!(answer.headers.get("Via"), Some(via));
        parse::message(&answer.to_bytes()).map(drop).unwrap_or_else(|e| {
            // only what the client itself sent may be wrong with the answer
            assert!(!matches!(e.kind, ParseErrorKind::StartLine | ParseErrorKind::HeaderLine));
        });
    }
}

#[test]
fn some_messages_get_no_answer() {
    let good = options("sip:b@h", "");
    for text in [
        good.replace("OPTIONS", "ACK").replace("To: ", "To: \"open"),
        good.replace("Via: SIP/2.0/UDP c", "Via: SIP/2.0/UDP ;;"),
        good.replace("OPTIONS sip:b@h SIP/2.0", "OPTIONS sip:b@h"),
        good.replace("OPTIONS sip:b@h SIP/2.0", "GET / HTTP/1.1"),
        good.replace("OPTIONS sip:b@h SIP/2.0", "SIP/2.0 2000 OK"),
        String::new(),
        "\n\n\n\n".to_owned(),
    ] {
        assert_eq!(read(&text).expect_err(&text).partial, None, "{text}");
    }
    assert_eq!(
        parse::message(&vec![b'a'; 90_000].into()).unwrap_err().kind,
        ParseErrorKind::TooLarge
    );
}

#[test]
fn blank_lines_before_and_bare_line_feeds_are_forgiven() {
    let good = options("sip:b@h", "");
    assert!(read(&format!("\n\n{good}")).is_ok());
    assert!(parse::message(&Bytes::from(good)).is_ok(), "LF only");
}
