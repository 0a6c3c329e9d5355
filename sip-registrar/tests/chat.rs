//! Chat of a conference by MESSAGE: who may say something, to whom it goes, and in which form.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod lab;

use std::time::Duration;

use lab::{Lab, OFFER, Phone, SERVER, T1, requests, settings};
use mixer_control::MixerEvent;
use sip_registrar::{Act, Actor, ConferenceName, MeetingWish, RecordKind, StoreCommand, Whom};
use sip_stack::message::cpim::{Cpim, IMDN};
use sip_stack::message::{Method, Request, Response};

const PLAIN: &str = "Content-Type: text/plain\r\n";
const CPIM: &str = "Content-Type: message/cpim\r\n";

/// Somebody in the conference `room`, whose phone answers by hand.
fn member(lab: &mut Lab, user: &str, port: u16) -> Phone {
    let mut phone = Phone::new(user, port);
    phone.from = format!("\"{}\" <sip:{user}@127.0.0.1>;tag={user}{port}", user.to_uppercase());
    phone.uri = format!("sip:room@{SERVER}");
    let response = phone.ask(lab, "INVITE", "", OFFER);
    phone.learn(&response);
    // what the conference says at once is not to be lost
    let ack = phone.text(&format!("ACK {}", phone.cseq), "", "");
    lab.receive(phone.flow, &ack);
    phone
}

/// Three guests in one room.
fn three(lab: &mut Lab) -> [Phone; 3] {
    [("ann", 5070), ("ben", 5080), ("cy", 5090)].map(|(user, port)| member(lab, user, port))
}

/// What the conference tells this phone, each line answered by 200.
fn hear(lab: &mut Lab, phone: &Phone) -> Vec<Request> {
    let mut heard: Vec<Request> = Vec::new();
    loop {
        let came = requests(&lab.take(phone.port()), &Method::Message);
        if came.is_empty() {
            return heard;
        }
        for request in came {
            phone.respond(lab, &request, 200, "", "");
            // not what was sent again while it waited
            if !heard.contains(&request) {
                heard.push(request);
            }
        }
    }
}

fn texts(requests: &[Request]) -> Vec<String> {
    let text = |request: &Request| match Cpim::parse(&request.body) {
        Some(cpim) => {
            let from = cpim.from().unwrap();
            let name = from.display_name.clone().unwrap_or_default();
            format!("{name}: {}", String::from_utf8_lossy(&cpim.body))
        }
        None => String::from_utf8_lossy(&request.body).into_owned(),
    };
    requests.iter().map(text).collect()
}

/// The final response to a MESSAGE that was sent before.
fn answer(lab: &mut Lab, phone: &Phone) -> Option<Response> {
    let came = lab.take_responses(phone.port());
    came.into_iter().find_map(|message| match message {
        sip_stack::message::Message::Response(response) if response.status >= 200 => Some(response),
        _ => None,
    })
}

/// Says something in the dialog, and leaves the answer where it is.
fn say(lab: &mut Lab, phone: &mut Phone, kind: &str, body: &str) {
    let text = phone.text("MESSAGE", kind, body);
    lab.receive(phone.flow, &text);
}

/// Says something outside of the dialog, as Linphone and baresip do.
fn say_outside(lab: &mut Lab, phone: &mut Phone, kind: &str, body: &str) {
    let uri = format!("sip:room@{SERVER}");
    let before = (phone.call_id.clone(), phone.to.clone(), phone.remote_target.take());
    phone.call_id = format!("outside-{}", phone.cseq);
    phone.to = format!("<{uri}>");
    phone.uri = uri;
    let text = phone.text("MESSAGE", kind, body);
    (phone.call_id, phone.to, phone.remote_target) = before;
    lab.receive(phone.flow, &text);
}

fn envelope(from: &str, id: &str, text: &str) -> String {
    format!(
        "From: <sip:{from}@127.0.0.1>\r\nTo: <sip:room@127.0.0.1>\r\nNS: imdn <{IMDN}>\r\n\
         imdn.Message-ID: {id}\r\nimdn.Disposition-Notification: positive-delivery\r\n\r\n\
         Content-Type: text/plain;charset=UTF-8\r\n\r\n{text}"
    )
}

#[test]
fn a_line_reaches_every_other_with_sender_and_time() {
    let mut lab = Lab::new();
    let [mut ann, ben, cy] = three(&mut lab);
    say(&mut lab, &mut ann, PLAIN, "grüß euch 👋");
    assert!(answer(&mut lab, &ann).is_none(), "nobody has it yet");
    for phone in [&ben, &cy] {
        let heard = hear(&mut lab, phone);
        assert_eq!(texts(&heard), ["ANN: grüß euch 👋"]);
        assert!(heard[0].headers.contacts().unwrap().is_empty(), "RFC 3428 §4");
        let from = heard[0].headers.from().unwrap();
        assert_eq!(from.uri.aor(), "sip:room@127.0.0.1:5060", "answers come back to the room");
        let cpim = Cpim::parse(&heard[0].body).unwrap();
        assert_eq!(cpim.from().unwrap().uri.to_string(), "sip:ann@127.0.0.1");
        assert_eq!(cpim.date_time(), Some("2027-01-15T08:00:00Z"));
        assert_eq!(cpim.namespaced(IMDN, "Disposition-Notification"), None);
    }
    let response = answer(&mut lab, &ann).unwrap();
    assert_eq!(response.status, 200);
    assert!(response.body.is_empty() && !response.headers.has("Contact"), "RFC 3428 §7");
    assert!(hear(&mut lab, &ann).is_empty(), "no echo");
    assert_eq!(lab.counters().chat_lines, 1);
}

#[test]
fn a_line_may_come_outside_of_the_dialog() {
    let mut lab = Lab::new();
    let [mut ann, ben, cy] = three(&mut lab);
    say_outside(&mut lab, &mut ann, PLAIN, "hi");
    assert_eq!(texts(&hear(&mut lab, &ben)), ["ANN: hi"]);
    assert_eq!(texts(&hear(&mut lab, &cy)), ["ANN: hi"]);
    assert_eq!(answer(&mut lab, &ann).unwrap().status, 200);
    assert!(hear(&mut lab, &ann).is_empty(), "no echo");
    let mut stale = Phone::new("ann", 5070);
    stale.to = format!("<sip:room@{SERVER}>;tag=gone");
    stale.uri = format!("sip:room@{SERVER}");
    assert_eq!(stale.ask(&mut lab, "MESSAGE", PLAIN, "hi").status, 481);
}

#[test]
fn the_second_device_of_a_sender_is_told_too() {
    let mut lab = Lab::new();
    let mut desk = member(&mut lab, "ann", 5070);
    let mobile = member(&mut lab, "ann", 5071);
    say_outside(&mut lab, &mut desk, PLAIN, "hi");
    assert_eq!(texts(&hear(&mut lab, &mobile)), ["ANN: hi"]);
    assert!(hear(&mut lab, &desk).is_empty());
    // From a port of neither: it may be any, so none gets it back.
    let mut third = Phone::new("ann", 5072);
    third.uri = format!("sip:room@{SERVER}");
    assert_eq!(third.ask(&mut lab, "MESSAGE", PLAIN, "hi").status, 202);
    assert!(hear(&mut lab, &desk).is_empty() && hear(&mut lab, &mobile).is_empty());
}

#[test]
fn who_refuses_the_envelope_gets_plain_text_from_then_on() {
    for refusal in [415, 488, 406] {
        let mut lab = Lab::new();
        let mut ann = member(&mut lab, "ann", 5070);
        let ben = member(&mut lab, "ben", 5080);
        say(&mut lab, &mut ann, PLAIN, "one");
        let first = requests(&lab.take(5080), &Method::Message).remove(0);
        assert_eq!(first.headers.get("Content-Type"), Some("message/cpim"));
        ben.respond(&mut lab, &first, refusal, "", "");
        assert_eq!(texts(&hear(&mut lab, &ben)), ["[08:00:00 UTC] ANN: one"]);
        assert_eq!(answer(&mut lab, &ann).unwrap().status, 200);
        say(&mut lab, &mut ann, PLAIN, "two");
        let heard = hear(&mut lab, &ben);
        assert_eq!(heard[0].headers.get("Content-Type"), Some("text/plain;charset=UTF-8"));
        assert_eq!(texts(&heard), ["[08:00:00 UTC] ANN: two"]);
        let headers = &heard[0].headers;
        if refusal != 488 {
            assert_eq!(headers.call_id().unwrap(), "ben-5080", "in the dialog");
            continue;
        }
        // outside of the dialog, by its way, and from the conference in the sender's name
        assert_eq!(headers.to().unwrap().tag(), None);
        assert_ne!(headers.call_id().unwrap(), "ben-5080");
        let from = headers.from().unwrap();
        assert_eq!(from.display_name.as_deref(), Some("ANN"));
        assert_eq!(from.uri.to_string(), "sip:room@127.0.0.1:5060");
        // who takes nothing from strangers gets it in the dialog
        say(&mut lab, &mut ann, PLAIN, "three");
        let outside = requests(&lab.take(5080), &Method::Message).remove(0);
        ben.respond(&mut lab, &outside, 403, "", "");
        let heard = hear(&mut lab, &ben);
        assert_eq!(texts(&heard), ["[08:00:00 UTC] ANN: three"]);
        assert_eq!(heard[0].headers.call_id().unwrap(), "ben-5080");
    }
}

#[test]
fn a_device_without_chat_is_asked_once() {
    let mut lab = Lab::new();
    let [mut ann, ben, cy] = three(&mut lab);
    say(&mut lab, &mut ann, PLAIN, "one");
    let asked = requests(&lab.take(5080), &Method::Message).remove(0);
    ben.respond(&mut lab, &asked, 405, "", "");
    assert_eq!(hear(&mut lab, &cy).len(), 1);
    assert_eq!(answer(&mut lab, &ann).unwrap().status, 200);
    say(&mut lab, &mut ann, PLAIN, "two");
    assert_eq!(hear(&mut lab, &cy).len(), 1);
    assert!(hear(&mut lab, &ben).is_empty());
    assert!(hear(&mut lab, &ann).is_empty(), "that is no failure");
    lab.take(5070);
    cy.respond(&mut lab, &asked, 200, "", "");
    lab.wait(Duration::from_secs(1));
}

#[test]
fn one_line_at_a_time_and_in_order() {
    let mut lab = Lab::new();
    let mut ann = member(&mut lab, "ann", 5070);
    let ben = member(&mut lab, "ben", 5080);
    for text in ["one", "two", "three"] {
        say(&mut lab, &mut ann, PLAIN, text);
    }
    assert_eq!(requests(&lab.take(5080), &Method::Message).len(), 1, "RFC 3428 §8");
    lab.wait(T1);
    assert_eq!(texts(&hear(&mut lab, &ben)), ["ANN: one", "ANN: two", "ANN: three"]);
}

#[test]
fn only_members_may_chat_and_only_as_themselves() {
    let mut lab = Lab::new();
    let [mut ann, ben, _] = three(&mut lab);
    let room = format!("sip:room@{SERVER}");
    let stranger = |user: &str, port, uri: &str| {
        let mut phone = Phone::new(user, port);
        phone.uri = uri.to_owned();
        phone
    };
    for (mut phone, status) in [
        (stranger("dora", 5100, &room), 403),
        (stranger("alice", 5100, &room), 401),
        (stranger("alice", 5100, &room).with_password("wonderland"), 403),
        (stranger("dora", 5101, "sip:other@127.0.0.1:5060"), 404),
        (stranger("dora", 5102, "sip:alice@127.0.0.1:5060"), 403),
        (stranger("dora", 5103, "sip:127.0.0.1:5060"), 404),
    ] {
        let response = phone.ask(&mut lab, "MESSAGE", PLAIN, "let me in");
        assert_eq!(response.status, status, "{} to {}", phone.user, phone.uri);
    }
    for (kind, body, status) in [
        (CPIM, envelope("ben", "1", "I am Ben"), 403),
        (CPIM, "nonsense".to_owned(), 400),
        (CPIM, "\r\nContent-Type: text/plain\r\n\r\nhi".to_owned(), 488),
        ("Content-Type: text/html\r\n", "<b>".to_owned(), 415),
        (PLAIN, "x".repeat(40_000), 513),
    ] {
        say(&mut lab, &mut ann, kind, &body);
        let response = answer(&mut lab, &ann).unwrap();
        assert_eq!(response.status, status);
        assert_eq!(response.headers.has("Accept"), status == 415);
    }
    assert!(hear(&mut lab, &ben).is_empty(), "nothing of that is passed on");
}

#[test]
fn an_account_proves_itself_for_every_line() {
    let mut lab = Lab::new();
    let mut alice = Phone::new("alice", 5070).with_password("wonderland");
    alice.join(&mut lab, "room");
    let ben = member(&mut lab, "ben", 5080);
    say_outside(&mut lab, &mut alice, PLAIN, "hi");
    assert_eq!(answer(&mut lab, &alice).unwrap().status, 401);
    assert!(hear(&mut lab, &ben).is_empty());
    let mut outside = Phone::new("alice", 5070).with_password("wonderland");
    outside.uri = format!("sip:room@{SERVER}");
    let challenge = match lab::last_response(outside.send(&mut lab, "MESSAGE", PLAIN, "hi")) {
        challenge if challenge.status == 401 => challenge,
        other => panic!("{other:?}"),
    };
    outside.ask_again(&mut lab, &challenge, "MESSAGE", PLAIN, "hi");
    assert_eq!(texts(&hear(&mut lab, &ben)), ["alice: hi"]);
}

/// Linphone confirms every message by another one, Pidgin and pjsua tell that somebody is typing.
#[test]
fn what_programs_tell_each_other_goes_no_further() {
    let mut lab = Lab::new();
    let [mut ann, ben, cy] = three(&mut lab);
    let imdn = "<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\"><message-id>1</message-id></imdn>";
    for (kind, body) in [
        ("Content-Type: message/imdn+xml\r\n", imdn.to_owned()),
        ("Content-Type: message/imdn+xml\r\nContent-Encoding: deflate\r\n", "\u{1}".to_owned()),
        ("Content-Type: application/im-iscomposing+xml\r\n", "<isComposing/>".to_owned()),
    ] {
        for _ in 0..3 {
            say_outside(&mut lab, &mut ann, kind, &body);
            assert_eq!(answer(&mut lab, &ann).unwrap().status, 200);
        }
    }
    assert!(hear(&mut lab, &ben).is_empty() && hear(&mut lab, &cy).is_empty());
    assert_eq!(lab.counters().chat_lines, 0);
}

#[test]
fn the_same_message_is_said_once() {
    let mut lab = Lab::new();
    let mut ann = member(&mut lab, "ann", 5070);
    let mut ben = member(&mut lab, "ben", 5080);
    say(&mut lab, &mut ann, CPIM, &envelope("ann", "m1", "hi"));
    assert_eq!(texts(&hear(&mut lab, &ben)), ["ANN: hi"]);
    assert_eq!(answer(&mut lab, &ann).unwrap().status, 200);
    say_outside(&mut lab, &mut ann, CPIM, &envelope("ann", "m1", "hi"));
    assert_eq!(answer(&mut lab, &ann).unwrap().status, 202);
    assert!(hear(&mut lab, &ben).is_empty());
    say(&mut lab, &mut ben, CPIM, &envelope("ben", "m1", "hi"));
    assert_eq!(texts(&hear(&mut lab, &ann)), ["BEN: hi"], "the id of somebody else's is free");
}

#[test]
fn a_line_for_one_person_reaches_nobody_else() {
    let mut lab = Lab::new();
    let [mut ann, ben, cy] = three(&mut lab);
    let aside = envelope("ann", "m1", "psst").replace("sip:room@127.0.0.1", "sip:ben@127.0.0.1");
    say(&mut lab, &mut ann, CPIM, &aside);
    let heard = hear(&mut lab, &ben);
    assert_eq!(texts(&heard), ["ANN: psst"]);
    let to = Cpim::parse(&heard[0].body).unwrap().to().unwrap();
    assert_eq!(to.uri.to_string(), "sip:ben@127.0.0.1");
    assert!(hear(&mut lab, &cy).is_empty());
    let nobody = aside.replace("sip:ben@", "sip:nobody@").replace("m1", "m2");
    lab.take(5070);
    say(&mut lab, &mut ann, CPIM, &nobody);
    assert_eq!(answer(&mut lab, &ann).unwrap().status, 404);
}

#[test]
fn a_newcomer_is_told_what_was_said_with_its_time_and_sender() {
    let mut lab = Lab::new();
    let mut ann = member(&mut lab, "ann", 5070);
    say(&mut lab, &mut ann, PLAIN, "first");
    assert_eq!(answer(&mut lab, &ann).unwrap().status, 202, "nobody is there: only kept");
    lab.wait(Duration::from_secs(60));
    say(&mut lab, &mut ann, PLAIN, "second");
    lab.wait(Duration::from_secs(60));
    let ben = member(&mut lab, "ben", 5080);
    let heard = hear(&mut lab, &ben);
    assert_eq!(texts(&heard), ["ANN: first", "ANN: second"]);
    let times: Vec<_> = heard
        .iter()
        .map(|r| Cpim::parse(&r.body).unwrap().date_time().unwrap().to_owned())
        .collect();
    assert_eq!(times, ["2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z"]);
    assert!(hear(&mut lab, &ann).is_empty());
}

#[test]
fn no_more_is_told_than_configured_and_nothing_to_another_conference() {
    let mut lab = Lab::with(sip_registrar::Settings { chat_history: 2, ..settings() });
    lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
    lab.willing = true;
    let mut ann = member(&mut lab, "ann", 5070);
    for text in ["one", "two", "three"] {
        say(&mut lab, &mut ann, PLAIN, text);
    }
    let ben = member(&mut lab, "ben", 5080);
    assert_eq!(texts(&hear(&mut lab, &ben)), ["ANN: two", "ANN: three"]);
    let mut zoe = Phone::new("zoe", 5120);
    zoe.join(&mut lab, "other");
    say(&mut lab, &mut ann, PLAIN, "four");
    assert!(hear(&mut lab, &zoe).is_empty());
    // Zoe is in another conference, and none of this one for it.
    zoe.uri = format!("sip:room@{SERVER}");
    let mut outside = Phone::new("zoe", 5120);
    outside.uri = zoe.uri.clone();
    assert_eq!(outside.ask(&mut lab, "MESSAGE", PLAIN, "hi").status, 403);
}

#[test]
fn who_could_not_be_reached_is_told_to_the_sender() {
    let mut lab = Lab::new();
    let [mut ann, ben, cy] = three(&mut lab);
    say(&mut lab, &mut ann, PLAIN, "are you there?");
    assert_eq!(hear(&mut lab, &ben).len(), 1);
    assert_eq!(answer(&mut lab, &ann).unwrap().status, 200);
    let asked = requests(&lab.take(5090), &Method::Message).remove(0);
    cy.respond(&mut lab, &asked, 480, "", "");
    assert_eq!(texts(&hear(&mut lab, &ann)), ["conference: did not reach CY: are you there?"]);
    assert!(hear(&mut lab, &ben).is_empty(), "that is told to nobody else");
}

#[test]
fn a_line_that_reaches_nobody_is_refused() {
    let mut lab = Lab::new();
    let mut ann = member(&mut lab, "ann", 5070);
    let ben = member(&mut lab, "ben", 5080);
    say(&mut lab, &mut ann, PLAIN, "hello?");
    let asked = requests(&lab.take(5080), &Method::Message).remove(0);
    ben.respond(&mut lab, &asked, 503, "", "");
    let response = answer(&mut lab, &ann).unwrap();
    assert_eq!(response.status, 480);
    assert!(response.headers.get("Warning").unwrap().contains("nobody was reached"));
    assert!(hear(&mut lab, &ann).is_empty(), "told once is enough");
}

#[test]
fn a_silent_device_delays_nobody_and_the_sender_hears_of_it_in_the_end() {
    let mut lab = Lab::new();
    let mut ann = member(&mut lab, "ann", 5070);
    let _ben = member(&mut lab, "ben", 5080);
    say(&mut lab, &mut ann, PLAIN, "hello?");
    assert!(answer(&mut lab, &ann).is_none());
    lab.wait(Duration::from_secs(2));
    assert_eq!(answer(&mut lab, &ann).unwrap().status, 202, "on its way");
    lab.wait(T1 * 64);
    assert_eq!(texts(&hear(&mut lab, &ann)), ["conference: did not reach BEN: hello?"]);
    assert_eq!(lab.counters().members, 2, "it may talk all the same");
}

#[test]
fn whoever_leaves_takes_its_waiting_lines_along() {
    let mut lab = Lab::new();
    let [mut ann, ben, mut cy] = three(&mut lab);
    say(&mut lab, &mut ann, PLAIN, "one");
    say(&mut lab, &mut ann, PLAIN, "two");
    hear(&mut lab, &ben);
    cy.send(&mut lab, "BYE", "", "");
    assert!(hear(&mut lab, &ann).is_empty(), "who has left missed nothing");
    ann.send(&mut lab, "BYE", "", "");
    lab.wait(T1 * 64);
    assert!(hear(&mut lab, &ann).is_empty());
}

#[test]
fn who_says_too_much_at_once_is_asked_to_wait() {
    let mut lab = Lab::new();
    let mut ann = member(&mut lab, "ann", 5070);
    let ben = member(&mut lab, "ben", 5080);
    for _ in 0..20 {
        say(&mut lab, &mut ann, PLAIN, "spam");
        hear(&mut lab, &ben);
        assert_eq!(answer(&mut lab, &ann).unwrap().status, 200);
    }
    say(&mut lab, &mut ann, PLAIN, "spam");
    let response = answer(&mut lab, &ann).unwrap();
    assert_eq!((response.status, response.headers.get("Retry-After")), (480, Some("2")));
    lab.wait(Duration::from_secs(2));
    say(&mut lab, &mut ann, PLAIN, "sorry");
    assert_eq!(texts(&hear(&mut lab, &ben)), ["ANN: sorry"]);
}

#[test]
fn the_history_keeps_chat_only_where_it_is_told_to() {
    for record_chat in [false, true] {
        let mut lab = Lab::with(sip_registrar::Settings { record_chat, ..settings() });
        lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
        lab.willing = true;
        let mut ann = member(&mut lab, "ann", 5070);
        let _ben = member(&mut lab, "ben", 5080);
        say(&mut lab, &mut ann, PLAIN, "off the record?");
        let aside = envelope("ann", "m1", "psst");
        say(&mut lab, &mut ann, CPIM, &aside.replace("sip:room@127.0.0.1", "sip:ben@127.0.0.1"));
        let kept: Vec<_> = lab
            .kept
            .iter()
            .filter_map(|command| match command {
                StoreCommand::Record(record) if record.kind == RecordKind::Chat => Some(record),
                _ => None,
            })
            .collect();
        assert_eq!(kept.len(), usize::from(record_chat), "and asides never");
        for record in kept {
            assert_eq!(record.detail, "off the record?");
            assert_eq!(record.by.as_ref().unwrap().name, "ANN");
        }
    }
}

#[test]
fn long_lines_pass_too() {
    let mut lab = Lab::new();
    let mut ann = member(&mut lab, "ann", 5070);
    let ben = member(&mut lab, "ben", 5080);
    let long = "長い".repeat(2000);
    say(&mut lab, &mut ann, PLAIN, &long);
    assert_eq!(texts(&hear(&mut lab, &ben)), [format!("ANN: {long}")]);
}

#[test]
fn who_waits_in_the_lobby_neither_reads_nor_writes_until_admitted() {
    let mut lab = Lab::new();
    let operator = Actor::Operator("test".into());
    let name = ConferenceName::parse("room").unwrap();
    let wish = MeetingWish {
        name: Some(name.clone()),
        waiting_room: Some(true),
        ..MeetingWish::default()
    };
    lab.registrar.create_meeting(lab.now, &operator, wish).unwrap();
    let mut ann = member(&mut lab, "ann", 5070);
    let admit = Act::Admit(Whom::Uri("sip:ann@127.0.0.1".into()));
    lab.registrar.act(lab.now, &operator, &name, admit).unwrap();
    let mut ben = member(&mut lab, "ben", 5080);
    say(&mut lab, &mut ann, PLAIN, "just us");
    assert_eq!(answer(&mut lab, &ann).unwrap().status, 202);
    assert!(hear(&mut lab, &ben).is_empty());
    say(&mut lab, &mut ben, PLAIN, "hello?");
    assert_eq!(answer(&mut lab, &ben).unwrap().status, 403);
    say_outside(&mut lab, &mut ben, PLAIN, "hello?");
    assert_eq!(answer(&mut lab, &ben).unwrap().status, 403);
    let admit = Act::Admit(Whom::Uri("sip:ben@127.0.0.1".into()));
    lab.registrar.act(lab.now, &operator, &name, admit).unwrap();
    lab.wait(Duration::ZERO);
    lab.input(sip_registrar::Input::MixerEvent(MixerEvent::Hello { mixer: "m1".into() }));
    assert_eq!(texts(&hear(&mut lab, &ben)), ["ANN: just us"]);
}
