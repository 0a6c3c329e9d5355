//! The messages of RFC 4475 (`torture/rfc4475/`, byte for byte), each through the door of an endpoint:
//! what reaches the owner with which fields, and what is answered or ignored.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

mod torture_door;

use bytes::Bytes;
use sip_stack::auth::{Algorithm, Challenger, Verdict};
use sip_stack::framing::{FramingError, StreamFramer};
use sip_stack::message::multipart::{body_of_type, parts};
use sip_stack::message::{Host, Message, Method, Request, Scheme, parse};
use std::time::Instant;
use torture_door::{Outcome, bytes, door, files, owned, refused};

const DIR: &str = "rfc4475";

fn request(name: &str) -> Request {
    owned(DIR, name)
}

/// A request that the endpoint does not hand on, but reads.
fn parsed(bytes: &Bytes) -> Request {
    match parse::message(bytes).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

/// What an endpoint does with each message: the status it answers by itself, `0` for an answer that
/// is left to the owner, `None` for silence.
const OUTCOMES: [(&str, Option<u16>); 50] = [
    // §3.1.1 valid
    // understood, though its To tag names a dialog that we do not have
    ("wsinv", Some(481)),
    ("intmeth", Some(501)),
    ("esc01", Some(0)),
    ("escnull", Some(0)),
    ("esc02", Some(501)),
    ("lwsdisp", Some(0)),
    ("longreq", Some(0)),
    ("dblreq", Some(0)),
    ("semiuri", Some(0)),
    ("transports", Some(0)),
    ("mpart01", Some(0)),
    ("unreason", None),
    ("noreason", None),
    // §3.1.2 invalid
    ("badinv01", Some(400)),
    ("clerr", Some(400)),
    ("ncl", Some(400)),
    ("scalar02", Some(400)),
    ("scalarlg", None),
    ("quotbal", Some(400)),
    ("ltgtruri", Some(400)),
    ("lwsruri", Some(400)),
    ("lwsstart", Some(400)),
    ("trws", Some(0)),
    ("escruri", Some(400)),
    ("baddate", Some(0)),
    ("regbadct", Some(400)),
    ("badaspec", Some(0)),
    // in the archive without the empty line that ends the headers
    ("baddn", Some(400)),
    ("badvers", Some(505)),
    ("mismatch01", Some(400)),
    ("mismatch02", Some(400)),
    ("bigcode", None),
    // §3.2, §3.3, §3.4
    ("badbranch", Some(0)),
    ("insuf", Some(400)),
    ("unkscm", Some(416)),
    ("novelsc", Some(416)),
    ("unksm2", Some(0)),
    ("bext01", Some(420)),
    ("invut", Some(415)),
    ("regaut01", Some(0)),
    ("multi01", Some(400)),
    ("mcl01", Some(400)),
    ("bcast", None),
    ("zeromf", Some(0)),
    ("cparam01", Some(0)),
    ("cparam02", Some(0)),
    ("regescrt", Some(0)),
    ("sdp01", Some(406)),
    ("inv2543", Some(0)),
    // in the archive of the RFC, though not in its text
    ("test", None),
];

#[test]
fn every_message_is_answered_as_the_rfc_says() {
    let mut names: Vec<_> = OUTCOMES.iter().map(|(name, _)| (*name).to_owned()).collect();
    names.sort();
    assert_eq!(names, files(DIR), "each file has its row");
    for (name, expected) in OUTCOMES {
        let outcome = door(&bytes(DIR, name));
        let found = match &outcome {
            Outcome::Owner(_) => Some(0),
            Outcome::Refused(response) => Some(response.status),
            Outcome::Silence => None,
        };
        assert_eq!(found, expected, "{name}: {outcome:?}");
    }
}

#[test]
fn what_was_understood_is_printed_and_understood_again() {
    for (name, _) in OUTCOMES {
        let Ok(message) = parse::message(&bytes(DIR, name)) else { continue };
        let again = parse::message(&message.to_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(again.to_bytes(), message.to_bytes(), "{name}");
    }
}

#[test]
fn a_short_tortuous_invite() {
    let r = parsed(&bytes(DIR, "wsinv"));
    let h = &r.headers;
    assert_eq!(r.uri.to_string(), "sip:vivekg@chair-dnrc.example.com;unknownparam");
    assert_eq!(h.to().unwrap().tag(), Some("1918181833n"));
    let from = h.from().unwrap();
    assert_eq!(from.display_name.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(h.max_forwards().unwrap(), Some(68));
    assert_eq!(h.call_id().unwrap(), "wsinv.ndaksdj@192.0.2.1");
    assert_eq!(h.cseq().unwrap().to_string(), "9 INVITE");
    let vias = h.vias().unwrap();
    assert_eq!((vias.len(), vias[0].branch()), (3, Some("390skdjuw")));
    assert_eq!((vias[1].transport.as_str(), vias[1].branch()), ("TCP", Some("z9hG4bK9ikj8")));
    assert_eq!(vias[2].branch(), Some("z9hG4bK30239"));
    assert_eq!(h.get("Subject"), Some(""));
    assert_eq!(h.get("NewFangledHeader"), Some("newfangled value continued newfangled value"));
    assert_eq!(h.get("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    let route = &h.routes().unwrap()[0].uri;
    assert!(route.params.has("lr") && route.params.get("unknownwith") == Some("value"));
    assert!(route.params.has("unknown-no-value"));
    let contact = &h.contacts().unwrap()[0];
    assert_eq!(contact.display_name.as_deref(), Some("Quoted string \"\""));
    assert_eq!(contact.params.get("newparam"), Some("newvalue"));
    assert!(contact.params.has("secondparam") && contact.params.get("q") == Some("0.33"));
    assert_eq!(r.body.len(), 150);
}

#[test]
fn a_wide_range_of_valid_characters() {
    let response = refused(DIR, "intmeth");
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    let cseq = response.headers.cseq().unwrap();
    assert_eq!((cseq.number, cseq.method.as_str()), (139_122_385, method));
    assert!(response.headers.has("Allow"));
    let text = "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{";
    assert_eq!(response.headers.call_id().unwrap(), text);
    let r = parsed(&bytes(DIR, "intmeth"));
    assert_eq!(r.uri.user.as_deref(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(r.uri.password.as_deref(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    let name = r.headers.to().unwrap().display_name.unwrap();
    assert_eq!(name, "BEL:\x07 NUL:\x00 DEL:\x7f");
    let from = r.headers.from().unwrap();
    assert_eq!(from.display_name.as_deref(), Some("token1~` token2'+_ token3*%!.-"));
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(from.params.text("fromParam''~+*_!.-%").as_deref(), Some("работающий"));
    assert_eq!(r.headers.get("extensionHeader-!.%*+_`'~"), Some("\u{feff}大停電"));
}

#[test]
fn percent_escapes_where_they_are_and_where_they_are_not() {
    let r = request("esc01");
    assert_eq!(r.uri.user_text().as_deref(), Some("sips:user@example.com"));
    assert_eq!(r.uri.host, Host::Name("example.net".into()));
    assert_eq!(r.headers.to().unwrap().uri.user.as_deref(), Some("user"));
    let from = r.headers.from().unwrap().uri;
    assert_eq!(from.user_text().as_deref(), Some("I have spaces"));
    let contact = r.headers.contacts().unwrap().remove(0).uri;
    assert_eq!(contact.user.as_deref(), Some("caller"));
    // `lr` and `name` in disguise, for who asks for them by their names; the value stays escaped
    assert_eq!(contact.params.get("n%61me"), Some("v%61lue%25%34%31"));
    let r = request("escnull");
    let users: Vec<_> =
        r.headers.contacts().unwrap().iter().map(|c| c.uri.user.clone().unwrap()).collect();
    assert_eq!(users, ["%00", "%00%00"], "an escaped NUL ends nothing");
    let cseq = refused(DIR, "esc02").headers.cseq().unwrap();
    assert_eq!(cseq.method, Method::Other("RE%47IST%45R".into()));
}

#[test]
fn display_names_addresses_and_their_parameters() {
    let from = request("lwsdisp").headers.from().unwrap();
    assert_eq!(from.display_name.as_deref(), Some("caller"));
    let r = request("semiuri");
    assert_eq!(r.uri.user.as_deref(), Some("user;par=u%40example.net"));
    let contact = request("cparam01").headers.contacts().unwrap().remove(0);
    assert!(contact.params.has("unknownparam") && contact.uri.params.is_empty());
    let contact = request("cparam02").headers.contacts().unwrap().remove(0);
    assert!(contact.params.is_empty() && contact.uri.params.has("unknownparam"));
    let contact = request("regescrt").headers.contacts().unwrap().remove(0);
    let route = ("Route".to_owned(), "%3Csip:sip.example.com%3E".to_owned());
    assert_eq!(contact.uri.headers, [route]);
}

#[test]
fn long_values() {
    let r = request("longreq");
    let h = &r.headers;
    assert_eq!(h.to().unwrap().uri.port, Some(6000));
    assert_eq!(h.to().unwrap().uri.params.iter().count(), 3);
    assert!(h.to().unwrap().display_name.unwrap().starts_with("I have a user name of extreme"));
    assert_eq!(h.from().unwrap().tag().unwrap().len(), 155);
    assert_eq!(h.cseq().unwrap().number, 3_882_340);
    assert_eq!(h.vias().unwrap().len(), 34);
    assert_eq!(h.vias().unwrap()[33].branch().unwrap().len(), 215);
    assert_eq!(r.body.len(), 150);
}

#[test]
fn what_follows_the_body_of_a_datagram_is_noise() {
    let r = request("dblreq");
    assert_eq!((&r.method, r.body.len()), (&Method::Register, 0));
}

#[test]
fn transports_nobody_knows() {
    let vias = request("transports").headers.vias().unwrap();
    let names: Vec<_> = vias.iter().map(|via| via.transport.as_str()).collect();
    assert_eq!(names, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

#[test]
fn a_multipart_body_has_its_parts() {
    let r = request("mpart01");
    let content_type = r.headers.content_type().unwrap().unwrap();
    let parts = parts(&content_type, &r.body).unwrap();
    assert_eq!(parts.len(), 2);
    assert_eq!(&body_of_type(&r.headers, &r.body, "text/plain").unwrap()[..], b"Hello");
    assert!(parts[1].headers.content_type().unwrap().unwrap().is("application/octet-stream"));
    assert_eq!(parts[1].headers.get("Content-Transfer-Encoding"), Some("binary"));
    assert_eq!(parts[1].body[..2], [0x30, 0x82], "binary, with zeros and line ends in it");
}

#[test]
fn reason_phrases_are_for_people() {
    let status = |name| match parse::message(&bytes(DIR, name)).unwrap() {
        Message::Response(r) => (r.status, r.reason),
        Message::Request(_) => panic!("{name}"),
    };
    let (code, reason) = status("unreason");
    assert_eq!(code, 200);
    assert_eq!(reason, "= 2**3 * 5**2 но сто девяносто девять - простое");
    assert_eq!(status("noreason"), (100, String::new()));
}

#[test]
fn refusals_say_what_would_do() {
    let r = refused(DIR, "bext01");
    let unsupported: Vec<_> = r.headers.get_all("Unsupported").collect();
    assert_eq!(unsupported, ["nothingSupportsThis", "nothingSupportsThisEither"]);
    let r = refused(DIR, "invut");
    assert_eq!(r.headers.get("Accept"), Some("application/sdp"));
    assert!(refused(DIR, "mismatch01").reason.contains("CSeq"));
    assert!(refused(DIR, "multi01").reason.contains("more than one"));
    assert!(refused(DIR, "insuf").reason.contains("no "));
    for name in ["badinv01", "clerr", "ncl", "scalar02", "quotbal", "regbadct"] {
        let r = refused(DIR, name);
        assert!(r.headers.get("Via").unwrap().starts_with("SIP/2.0/"), "{name}");
        // nothing can be added to a To that cannot be read
        assert_eq!(r.headers.get("To").unwrap().contains("tag="), name != "quotbal", "{name}");
    }
}

#[test]
fn liberal_where_the_rfc_lets_us() {
    // blanks at the end of the request line, in brackets, and an unquoted comma in a name
    assert_eq!(request("trws").uri.to_string(), "sip:remote-target@example.com");
    let to = request("badaspec").headers.to().unwrap();
    assert_eq!(to.to_string(), "\"Watson, Thomas\" <sip:t.watson@example.org>");
    let baddn = [&bytes(DIR, "baddn")[..], b"\r\n"].concat();
    let from = parsed(&baddn.into()).headers.from().unwrap();
    assert_eq!(from.to_string(), "\"Bell, Alexander\" <sip:a.g.bell@example.com>;tag=43");
    assert_eq!(request("baddate").headers.get("Date"), Some("Fri, 01 Jan 2010 16:00:00 EST"));
}

#[test]
fn a_cookie_without_a_branch_names_no_transaction() {
    assert_eq!(request("badbranch").headers.via_top().unwrap().rfc3261_branch(), None);
    let r = request("inv2543");
    assert_eq!(r.headers.via_top().unwrap().branch(), None);
    assert_eq!(r.headers.from().unwrap().tag(), None);
}

#[test]
fn schemes_nobody_knows() {
    let h = request("unksm2").headers;
    assert_eq!(h.to().unwrap().uri.scheme, Scheme::Other("isbn".into()));
    assert_eq!(h.from().unwrap().uri.to_string(), "http://www.example.com");
    assert_eq!(h.contacts().unwrap()[0].uri.to_string(), "name:John_Smith");
}

#[test]
fn credentials_of_a_scheme_nobody_knows_are_none() {
    let mut challenger = Challenger::new(Instant::now(), "r", &[Algorithm::Md5], [0; 32]);
    let verdict = challenger.verify(Instant::now(), &request("regaut01"), |_, _| None);
    assert_eq!(verdict, Verdict::Missing);
}

#[test]
fn on_a_stream_a_length_that_lies_ends_it_or_waits() {
    let frame = |name: &str| {
        let mut framer = StreamFramer::new();
        framer.push(&bytes(DIR, name));
        framer.next()
    };
    assert_eq!(frame("clerr"), Ok(None), "the rest may come");
    assert_eq!(frame("ncl"), Err(FramingError::ContentLength));
    assert_eq!(frame("mcl01"), Err(FramingError::ContentLength));
}
