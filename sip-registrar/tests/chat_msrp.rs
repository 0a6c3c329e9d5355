//! Chat by MSRP (RFC 4975, RFC 7701), and how it meets that by MESSAGE.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod lab;

use std::time::Duration;

use bytes::Bytes;
use lab::{Lab, OFFER, Phone, SERVER, body, requests, settings};
use mixer_control::{MixerEvent, MixerRequest};
use msrp::{Decoder, Event, Frame, Incoming, Method as Verb, MsrpUri, Session};
use sdp::{MediaKind, SessionDescription};
use sip_registrar::{Input, MsrpConnection, Settings};
use sip_stack::message::Method;
use sip_stack::message::cpim::Cpim;

const PLAIN: &str = "Content-Type: text/plain\r\n";

/// A registrar that listens for MSRP.
fn lab() -> Lab {
    let mut lab =
        Lab::with(Settings { msrp: "127.0.0.1:2855".parse().ok(), max_members: 10, ..settings() });
    lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
    lab.willing = true;
    lab
}

fn chat_line(user: &str) -> String {
    format!(
        "m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\n\
         a=setup:active\r\na=path:msrp://127.0.0.1:9/{user};tcp\r\n"
    )
}

/// A client that chats by MSRP.
struct Client {
    phone: Phone,
    session: Session,
    connection: MsrpConnection,
    decoder: Decoder,
}

impl Client {
    /// Joins with this offer, without connecting yet.
    fn join(lab: &mut Lab, user: &str, port: u16, media: &str) -> (Client, SessionDescription) {
        let mut phone = Phone::new(user, port);
        phone.uri = format!("sip:room@{SERVER}");
        let offer = format!("{media}{}", chat_line(user));
        let response = phone.ask(lab, "INVITE", "", &offer);
        assert_eq!(response.status, 200, "{response:?}");
        phone.learn(&response);
        let ack = phone.text(&format!("ACK {}", phone.cseq), "", "");
        lab.receive(phone.flow, &ack);
        let answer = body(&response);
        let line = answer.media.iter().find(|line| line.kind == MediaKind::Message).unwrap();
        assert_eq!(line.attributes.get("setup"), Some("passive"));
        assert_eq!((line.port, line.attributes.get("accept-types")), (2855, Some("message/cpim")));
        let remote = MsrpUri::parse(line.attributes.get("path").unwrap()).unwrap();
        assert!(remote.session.len() >= 20, "RFC 4975 §14.1: not to be guessed");
        let local = MsrpUri::tcp("127.0.0.1", 9, user);
        let session = Session::new(local, vec![remote], 65_536);
        let connection = MsrpConnection(u64::from(port));
        (Client { phone, session, connection, decoder: Decoder::default() }, answer)
    }

    /// Joins with audio and connects, as §5.4 wants by an empty SEND.
    fn connected(lab: &mut Lab, user: &str, port: u16) -> Client {
        let (mut client, _) = Client::join(lab, user, port, OFFER);
        client.connect(lab);
        client
    }

    fn connect(&mut self, lab: &mut Lab) {
        let empty = self.send_frame("hello1", None);
        self.raw(lab, &empty.to_bytes());
    }

    fn send_frame(&self, id: &str, body: Option<&str>) -> Frame {
        let remote = self.session.remote();
        let mut frame = Frame::request("t123", Verb::Send, remote, self.session.local());
        frame.push("Message-ID", id);
        if let Some(body) = body {
            frame.push("Content-Type", "message/cpim");
            frame.body = Some(Bytes::from(body.to_owned()));
        }
        frame
    }

    fn raw(&mut self, lab: &mut Lab, bytes: &Bytes) {
        lab.input(Input::Msrp { connection: self.connection, bytes: bytes.clone() });
        self.exchange(lab);
    }

    /// Moves frames until both are silent.
    fn exchange(&mut self, lab: &mut Lab) {
        loop {
            let came = lab.msrp.remove(&self.connection).unwrap_or_default();
            self.decoder.push(&came);
            while let Some(frame) = self.decoder.next().unwrap() {
                self.session.handle(lab.now, frame);
            }
            let out: Vec<u8> =
                std::iter::from_fn(|| self.session.poll_output()).flatten().collect();
            if out.is_empty() {
                return;
            }
            let bytes = Bytes::from(out);
            lab.input(Input::Msrp { connection: self.connection, bytes });
        }
    }

    /// What it is told, each line taken.
    fn hear(&mut self, lab: &mut Lab) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            self.exchange(lab);
            let Some(event) = self.session.poll_event() else { return heard };
            if let Event::Incoming(Incoming::Message(message, ticket)) = event {
                self.session.answer(&ticket, 200);
                let cpim = Cpim::parse(&message.body).unwrap();
                let from = cpim.from().unwrap().display_name.unwrap_or_default();
                heard.push(format!("{from}: {}", String::from_utf8_lossy(&cpim.body)));
            }
        }
    }

    /// Says something; the status it got.
    fn say(&mut self, lab: &mut Lab, kind: &str, body: &str) -> u16 {
        let body = Bytes::from(body.to_owned());
        assert!(self.session.send(lab.now, "mess1", kind, &body));
        self.exchange(lab);
        match self.session.poll_event() {
            Some(Event::Delivered(_)) => 200,
            Some(Event::Failed(_, status)) => status,
            other => panic!("{other:?}"),
        }
    }
}

fn cpim(from: &str, to: &str, text: &str) -> String {
    format!(
        "From: <sip:{from}@127.0.0.1>\r\nTo: <sip:{to}@127.0.0.1>\r\n\r\n\
         Content-Type: text/plain;charset=UTF-8\r\n\r\n{text}"
    )
}

/// What a phone without MSRP is told, each line taken.
fn hear(lab: &mut Lab, phone: &Phone) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let came = requests(&lab.take(phone.port()), &Method::Message);
        if came.is_empty() {
            return heard;
        }
        for request in came {
            phone.respond(lab, &request, 200, "", "");
            heard.push(String::from_utf8_lossy(&Cpim::parse(&request.body).unwrap().body).into());
        }
    }
}

#[test]
fn msrp_and_message_share_one_room() {
    let mut lab = lab();
    let mut ann = Client::connected(&mut lab, "ann", 5070);
    let mut ben = Client::connected(&mut lab, "ben", 5080);
    let mut cy = Phone::new("cy", 5090);
    cy.join(&mut lab, "room");
    assert_eq!(ann.say(&mut lab, "message/cpim", &cpim("ann", "room", "from MSRP")), 200);
    assert_eq!(ben.hear(&mut lab), ["ann: from MSRP"]);
    assert_eq!(hear(&mut lab, &cy), ["from MSRP"]);
    let text = cy.text("MESSAGE", PLAIN, "from MESSAGE");
    lab.receive(cy.flow, &text);
    assert_eq!(ann.hear(&mut lab), ["cy: from MESSAGE"]);
    assert_eq!(ben.hear(&mut lab), ["cy: from MESSAGE"]);
    assert_eq!(lab::statuses(&lab.take(5090)), [200]);
    assert!(requests(&lab.take(5070), &Method::Message).is_empty(), "not twice");
}

#[test]
fn the_mixer_never_sees_the_chat_and_the_answer_keeps_every_line_in_its_place() {
    let mut lab = lab();
    lab.willing = false;
    let mut phone = Phone::new("ann", 5070);
    phone.uri = format!("sip:room@{SERVER}");
    let chat = chat_line("ann");
    let (head, audio) = OFFER.split_at(OFFER.find("m=audio").unwrap());
    let offer = format!("{head}{chat}{audio}{}", chat_line("again"));
    lab.receive(phone.flow, &phone.text("INVITE", "", &offer));
    let MixerRequest::Join(join) = lab.only_command() else { panic!() };
    let seen = SessionDescription::parse(join.offer.as_deref().unwrap()).unwrap();
    assert!(seen.media.iter().all(|line| line.kind == MediaKind::Audio) && seen.media.len() == 1);
    lab.willing = true;
    lab.mixer_agrees();
    let answer = body(&lab::last_response(lab.take(5070)));
    let lines: Vec<_> =
        answer.media.iter().map(|line| (line.kind.as_str().to_owned(), line.is_live())).collect();
    let expected = [("message", true), ("audio", true), ("message", false)];
    assert_eq!(lines, expected.map(|(kind, live)| (kind.to_owned(), live)));
    assert!(answer.media[0].connections[0].to_ip().is_some());
}

#[test]
fn who_comes_for_the_chat_alone_needs_no_mixer() {
    let mut lab = lab();
    let none = &OFFER[..OFFER.find("m=audio").unwrap()];
    let (mut ann, answer) = Client::join(&mut lab, "ann", 5070, none);
    assert_eq!(answer.media.len(), 1);
    assert!(lab.commands.is_empty());
    ann.connect(&mut lab);
    let mut ben = Client::connected(&mut lab, "ben", 5080);
    assert_eq!(ben.say(&mut lab, "message/cpim", &cpim("ben", "room", "hi")), 200);
    assert_eq!(ann.hear(&mut lab), ["ben: hi"]);
    let response = ann.phone.ask(&mut lab, "INVITE", "", &format!("{OFFER}{}", chat_line("ann")));
    assert_eq!(response.status, 488, "whoever wants audio calls anew");
    let again = ann.phone.ask(&mut lab, "UPDATE", "", &format!("{none}{}", chat_line("ann")));
    assert_eq!(again.status, 200);
    assert_eq!(
        body(&again).media[0].attributes.get("path"),
        answer.media[0].attributes.get("path")
    );
    ann.phone.send(&mut lab, "BYE", "", "");
    assert_eq!(lab.msrp_closed, [ann.connection]);
}

#[test]
fn refusals_are_those_of_rfc_7701() {
    let mut lab = lab();
    let mut ann = Client::connected(&mut lab, "ann", 5070);
    let mut ben = Client::connected(&mut lab, "ben", 5080);
    for (kind, text, status) in [
        ("text/plain", "no envelope".to_owned(), 415),
        ("message/cpim", cpim("ben", "room", "I am Ben"), 403),
        ("message/cpim", cpim("ann", "nobody", "psst"), 404),
        ("message/cpim", cpim("ann", "room", "hi").replace("text/plain", "text/html"), 415),
        ("message/cpim", "nonsense".to_owned(), 400),
        ("message/cpim", cpim("ann", "room", &"x".repeat(33_000)), 413),
        ("message/cpim", cpim("ann", "room", &"x".repeat(60_000)), 413),
        (
            "message/cpim",
            cpim("ann", "room", "<x/>").replace("text/plain", "message/imdn+xml"),
            200,
        ),
    ] {
        assert_eq!(
            ann.say(&mut lab, kind, &text),
            status,
            "{kind} {}",
            &text[..20.min(text.len())]
        );
    }
    assert!(ben.hear(&mut lab).is_empty());
    let nickname =
        Frame::request("t124", Verb::Nickname, ann.session.remote(), ann.session.local());
    lab.input(Input::Msrp { connection: ann.connection, bytes: nickname.to_bytes() });
    let came = String::from_utf8(lab.msrp.remove(&ann.connection).unwrap()).unwrap();
    assert!(came.starts_with("MSRP t124 403"), "{came}");
}

#[test]
fn a_line_for_one_person_goes_to_nobody_else_by_either_way() {
    let mut lab = lab();
    let mut ann = Client::connected(&mut lab, "ann", 5070);
    let mut ben = Client::connected(&mut lab, "ben", 5080);
    let mut cy = Phone::new("cy", 5090);
    cy.join(&mut lab, "room");
    assert_eq!(ann.say(&mut lab, "message/cpim", &cpim("ann", "cy", "psst")), 200);
    assert_eq!(hear(&mut lab, &cy), ["psst"]);
    assert!(ben.hear(&mut lab).is_empty());
    assert_eq!(ann.say(&mut lab, "message/cpim", &cpim("ann", "ben", "psst")), 200);
    assert_eq!(ben.hear(&mut lab), ["ann: psst"]);
    assert!(hear(&mut lab, &cy).is_empty());
}

#[test]
fn long_lines_come_in_chunks_and_newcomers_are_told() {
    let mut lab = lab();
    let mut ann = Client::connected(&mut lab, "ann", 5070);
    let long = "長い文章 ".repeat(1500);
    assert_eq!(ann.say(&mut lab, "message/cpim", &cpim("ann", "room", &long)), 200);
    let mut ben = Client::connected(&mut lab, "ben", 5080);
    assert_eq!(ben.hear(&mut lab), [format!("ann: {long}")]);
}

#[test]
fn who_does_not_connect_or_loses_its_connection_is_told_by_message() {
    let mut lab = lab();
    let mut ann = Client::connected(&mut lab, "ann", 5070);
    let (ben, _) = Client::join(&mut lab, "ben", 5080, OFFER);
    assert_eq!(ann.say(&mut lab, "message/cpim", &cpim("ann", "room", "one")), 200);
    assert!(hear(&mut lab, &ben.phone).is_empty(), "it has said that it will connect");
    lab.wait(Duration::from_secs(20));
    assert_eq!(hear(&mut lab, &ben.phone), ["one"]);
    let mut cy = Client::connected(&mut lab, "cy", 5090);
    assert_eq!(cy.hear(&mut lab), ["ann: one"]);
    lab.input(Input::MsrpClosed(cy.connection));
    assert_eq!(ann.say(&mut lab, "message/cpim", &cpim("ann", "room", "two")), 200);
    assert_eq!(hear(&mut lab, &cy.phone), ["two"]);
    // What was on its way when the connection broke goes again by MESSAGE.
    let mut dan = Client::connected(&mut lab, "dan", 5100);
    dan.hear(&mut lab);
    assert_eq!(ann.say(&mut lab, "message/cpim", &cpim("ann", "room", "three")), 200);
    lab.msrp.clear();
    lab.input(Input::MsrpClosed(dan.connection));
    assert_eq!(hear(&mut lab, &dan.phone), ["three"]);
}

#[test]
fn strangers_get_nothing_and_are_closed() {
    let mut lab = lab();
    let mut ann = Client::connected(&mut lab, "ann", 5070);
    let stranger = MsrpConnection(1);
    let guess = MsrpUri::tcp("127.0.0.1", 2855, "guess");
    let me = MsrpUri::tcp("127.0.0.1", 9, "evil");
    for (to, from, connection, status) in [
        (&guess, &me, stranger, "481"),
        (&ann.session.remote()[0], &me, stranger, "481"),
        (&ann.session.remote()[0], ann.session.local(), stranger, "506"),
    ] {
        let mut frame = Frame::request("t125", Verb::Send, std::slice::from_ref(to), from);
        frame.push("Message-ID", "mess1");
        lab.input(Input::Msrp { connection, bytes: frame.to_bytes() });
        let came = String::from_utf8(lab.msrp.remove(&connection).unwrap()).unwrap();
        assert!(came.starts_with(&format!("MSRP t125 {status}")), "{came}");
    }
    lab.wait(Duration::from_secs(11));
    assert_eq!(lab.msrp_closed, [stranger], "nobody's connection does not stay");
    let noise = MsrpConnection(2);
    lab.input(Input::Msrp {
        connection: noise,
        bytes: Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"),
    });
    assert_eq!(lab.msrp_closed, [stranger, noise]);
    assert_eq!(ann.say(&mut lab, "message/cpim", &cpim("ann", "room", "still here")), 200);
}

#[test]
fn without_a_listener_or_a_way_to_it_the_line_is_refused() {
    let mut lab = Lab::new();
    let mut phone = Phone::new("ann", 5070);
    phone.uri = format!("sip:room@{SERVER}");
    let response = phone.ask(&mut lab, "INVITE", "", &format!("{OFFER}{}", chat_line("ann")));
    let answer = body(&response);
    let live: Vec<bool> = answer.media.iter().map(|line| line.is_live()).collect();
    assert_eq!((response.status, live), (200, vec![true, false]));
}

#[test]
fn a_changed_session_keeps_the_chat() {
    let mut lab = lab();
    let (mut ann, first) = Client::join(&mut lab, "ann", 5070, OFFER);
    ann.connect(&mut lab);
    let mut ben = Client::connected(&mut lab, "ben", 5080);
    let hold = format!("{}{}", lab::HOLD, chat_line("ann"));
    let response = ann.phone.ask(&mut lab, "INVITE", "", &hold);
    ann.phone.ack(&mut lab, "");
    let path = |description: &SessionDescription| {
        description.media[1].attributes.get("path").unwrap().to_owned()
    };
    assert_eq!(path(&body(&response)), path(&first));
    assert_eq!(ben.say(&mut lab, "message/cpim", &cpim("ben", "room", "on hold?")), 200);
    assert_eq!(ann.hear(&mut lab), ["ben: on hold?"]);
    let without = format!("{}{}", lab::HOLD, chat_line("ann").replace("message 9", "message 0"));
    let response = ann.phone.ask(&mut lab, "INVITE", "", &without);
    assert!(!body(&response).media[1].is_live());
    assert_eq!(lab.msrp_closed, [ann.connection]);
}
