//! The phone against a scripted server, on a virtual clock.
#![allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]

use std::net::{Ipv4Addr, SocketAddr};

use sdp::negotiate::LocalTransport;
use sip_stack::auth::{Algorithm, Challenger, Ha1, Verdict};
use sip_stack::endpoint::{Answer, EndReason, Event as ServerEvent, ServerTransactionId};
use sip_stack::flow::{Hop, Transport};
use sip_stack::message::{Cpim, Host, Reason, Request, Value};

use super::*;
use crate::core::call::LocalPorts;
use crate::core::chat::SayError;

const PHONE: ([u8; 4], u16) = ([127, 0, 0, 1], 5070);
const SERVER: ([u8; 4], u16) = ([127, 0, 0, 1], 5060);
const STEP: Duration = Duration::from_millis(10);

struct World {
    start: Instant,
    now: Instant,
    phone: Phone,
    server: Endpoint,
    /// Does the server still run?
    up: bool,
    events: Vec<Event>,
    wire: VecDeque<(bool, Transport, Bytes)>,
    /// Is the server's owner told of subscriptions? Else they are refused.
    roster: bool,
    /// First lines of all that was sent but subscriptions, `>` by the phone.
    ladder: Vec<String>,
}

fn ports(first: u16) -> LocalPorts {
    let at = |line: u16| {
        LocalTransport::pair(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), first + 2 * line))
    };
    LocalPorts { audio: at(0), video: vec![at(1)] }
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn config(account: Option<(&str, &str)>, register: bool) -> PhoneConfig {
    let host = Host::from(std::net::IpAddr::from(PHONE.0));
    let mut endpoint = EndpointConfig::new(host, PHONE.1);
    endpoint.contact = NameAddr::new(uri("sip:ann@127.0.0.1:5070"));
    let from = NameAddr::new(uri("sip:ann@127.0.0.1")).with_display_name("Ann");
    let target: Target = Hop::from_uri(&uri("sip:127.0.0.1:5060")).into();
    let registrar = register.then(|| RegistrarConfig {
        uri: uri("sip:127.0.0.1"),
        target: target.clone(),
        aor: from.clone(),
        contact: endpoint.contact.clone(),
        credentials: account.map(|(user, password)| Credentials::new(user, password)),
    });
    PhoneConfig {
        endpoint,
        uri: uri("sip:room@127.0.0.1:5060"),
        from,
        target: Some(target),
        account: account.map(|(user, password)| (user.to_owned(), password.to_owned())),
        registrar,
        secret: None,
        waits: false,
    }
}

fn callee() -> Call {
    Call::new(2, Ipv4Addr::LOCALHOST.into(), ports(50_000), true)
}

impl World {
    fn new(config: PhoneConfig) -> Self {
        let now = Instant::now();
        let call = Call::new(1, Ipv4Addr::LOCALHOST.into(), ports(40_000), true);
        let host = Host::from(std::net::IpAddr::from(SERVER.0));
        let mut server = EndpointConfig::new(host, SERVER.1);
        let contact = NameAddr::new(uri("sip:room@127.0.0.1:5060")).with_flag("isfocus");
        server.contact = contact;
        Self {
            start: now,
            now,
            phone: Phone::new(config, call, [1; 32]),
            server: Endpoint::new(server, [2; 32]),
            up: true,
            roster: false,
            events: Vec::new(),
            wire: VecDeque::new(),
            ladder: Vec::new(),
        }
    }

    fn send(&mut self, by_phone: bool, transmit: &Transmit) {
        let transport = match &transmit.target {
            Target::Flow(flow) => flow.transport,
            Target::Hop(hop) => hop.transport.unwrap_or(Transport::Udp),
        };
        let text = String::from_utf8_lossy(&transmit.bytes);
        let line = text.lines().next().unwrap_or_default().replace(" SIP/2.0", "");
        let line = line.replace("SIP/2.0 ", "");
        if !text.contains("SUBSCRIBE") {
            self.ladder.push(format!("{} {line}", if by_phone { '>' } else { '<' }));
        }
        self.wire.push_back((!by_phone, transport, transmit.bytes.clone()));
    }

    /// Moves messages until all is quiet; returns what the server's owner is told.
    fn exchange(&mut self) -> Vec<ServerEvent> {
        let mut told = Vec::new();
        loop {
            while let Some(output) = self.phone.poll_output() {
                match output {
                    Output::Transmit(transmit) => self.send(true, &transmit),
                    Output::Event(event) => self.events.push(event),
                }
            }
            while let Some(output) = self.server.poll_output() {
                match output {
                    endpoint::Output::Transmit(transmit) => self.send(false, &transmit),
                    endpoint::Output::Event(ServerEvent::InDialog {
                        transaction, request, ..
                    }) if request.method == Method::Options => {
                        self.server.respond_status(self.now, transaction, 200, "").unwrap();
                    }
                    endpoint::Output::Event(ServerEvent::Request {
                        transaction, request, ..
                    }) if request.method == Method::Subscribe && !self.roster => {
                        self.server.respond_status(self.now, transaction, 489, "").unwrap();
                    }
                    endpoint::Output::Event(event) => told.push(event),
                }
            }
            let Some((to_phone, transport, bytes)) = self.wire.pop_front() else { return told };
            if !self.up {
                continue;
            }
            let (local, remote) = if to_phone { (PHONE, SERVER) } else { (SERVER, PHONE) };
            let (local, remote) = (SocketAddr::from(local), SocketAddr::from(remote));
            let connection = (transport == Transport::Tcp).then_some(ConnectionId(1));
            let flow = Flow { transport, local, remote, connection };
            if to_phone {
                self.phone.handle_message(self.now, flow, &bytes);
            } else {
                self.server.handle_message(self.now, flow, &bytes);
            }
        }
    }

    /// Lets time pass; returns what the server's owner is told.
    fn pass(&mut self, time: Duration) -> Vec<ServerEvent> {
        let until = self.now + time;
        let mut told = self.exchange();
        while self.now < until {
            self.now += STEP;
            self.phone.handle_timeout(self.now);
            if self.up {
                self.server.handle_timeout(self.now);
            }
            told.extend(self.exchange());
        }
        told
    }

    fn incoming(&mut self) -> (CallId, Request) {
        let mut told = self.exchange();
        match told.pop() {
            Some(ServerEvent::IncomingCall { call, request, .. }) => (call, request),
            other => panic!("no call but {other:?}"),
        }
    }

    /// The server takes the call; returns its side.
    fn accept(&mut self) -> (CallId, Call) {
        let (call, request) = self.incoming();
        let mut theirs = callee();
        let answer = theirs.answer(std::str::from_utf8(&request.body).unwrap()).unwrap();
        let answer = Answer::with_body(Body::sdp(answer));
        self.server.accept(self.now, call, answer).unwrap();
        self.exchange();
        assert!(matches!(self.events.pop(), Some(Event::Media(_))));
        (call, theirs)
    }

    fn outcome(&self) -> &Outcome {
        match self.events.as_slice() {
            [.., Event::CallEnded, Event::Over(outcome)] => outcome,
            other => panic!("not over: {other:?}"),
        }
    }

    /// Answers the next INVITE by a failure.
    fn refuse(&mut self, status: u16, headers: &[(&str, &str)]) -> Vec<ServerEvent> {
        let (call, _) = self.incoming();
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.server.reject(self.now, call, status, "", &headers).unwrap();
        self.exchange()
    }
}

fn called() -> World {
    let mut world = World::new(config(None, false));
    world.phone.start(world.now);
    world
}

#[test]
fn a_call_is_made_and_left() {
    let mut world = called();
    let (_, theirs) = world.accept();
    assert_eq!(theirs.lines().len(), 2);
    assert!(world.phone.peer_is_focus());
    world.phone.leave(world.now);
    let told = world.exchange();
    assert!(matches!(
        told.as_slice(),
        [ServerEvent::Ack { .. }, .., ServerEvent::Ended { reason: EndReason::Remote(None), .. }]
            | [ServerEvent::Ended { reason: EndReason::Remote(None), .. }]
    ));
    assert_eq!(*world.outcome(), Outcome::Left);
    let sent: Vec<&str> = world.ladder.iter().map(String::as_str).collect();
    let contact = "> ACK sip:room@127.0.0.1:5060";
    let bye = "> BYE sip:room@127.0.0.1:5060";
    let invite = "> INVITE sip:room@127.0.0.1:5060";
    assert_eq!(sent, [invite, "< 100 Trying", "< 200 OK", contact, bye, "< 200 OK"]);
}

#[test]
fn a_call_that_rings_is_cancelled() {
    let mut world = called();
    let (call, _) = world.incoming();
    world.server.ring(world.now, call, 180, Answer::default()).unwrap();
    world.exchange();
    assert!(matches!(world.events.pop(), Some(Event::Progress { status: 180, .. })));
    world.phone.leave(world.now);
    let told = world.exchange();
    assert!(matches!(told.as_slice(), [ServerEvent::Cancelled { .. }]), "{told:?}");
    assert_eq!(*world.outcome(), Outcome::Left);
}

#[test]
fn every_refusal_ends_with_its_outcome() {
    let warning = ("Warning", "305 mixer \"no codec in common\"");
    let later = ("Retry-After", "7");
    for (status, headers, code, line) in [
        (404, vec![], 5, "no such conference or user (404 Not Found)"),
        (488, vec![warning], 6, "no common audio or video (488 no codec in common)"),
        (503, vec![later], 7, "not available now (503 Service Unavailable), try in 7 s"),
        (486, vec![], 8, "busy or declined (486 Busy Here)"),
        (500, vec![], 1, "refused (500 Server Internal Error)"),
    ] {
        let mut world = called();
        world.refuse(status, &headers);
        let outcome = world.outcome();
        assert_eq!((outcome.exit_code(), outcome.status()), (code, Some(status)));
        assert!(outcome.to_string().ends_with(line), "{outcome}");
    }
}

#[test]
fn a_factory_redirects_to_the_conference() {
    let mut world = called();
    let told = world.refuse(302, &[("Contact", "<sip:x7f3@127.0.0.1:5060>;isfocus")]);
    let [ServerEvent::IncomingCall { call, request, .. }] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(request.uri.to_string(), "sip:x7f3@127.0.0.1:5060");
    world.server.reject(world.now, *call, 302, "", &[]).unwrap();
    world.exchange();
    assert_eq!(world.outcome().exit_code(), 1, "a redirection to nowhere is a failure");
}

#[test]
fn nobody_there_is_told_after_ten_seconds() {
    let mut world = called();
    world.up = false;
    world.pass(Duration::from_millis(9_900));
    assert!(world.events.is_empty(), "{:?}", world.events);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.outcome().exit_code(), 3);
}

#[test]
fn what_cannot_be_sent_is_told_at_once() {
    let mut world = called();
    while let Some(output) = world.phone.poll_output() {
        match output {
            Output::Transmit(transmit) => {
                world.phone.handle_send_failed(world.now, transmit.id);
            }
            Output::Event(event) => world.events.push(event),
        }
    }
    world.exchange();
    assert_eq!(world.outcome().to_string(), "unreachable: nothing listens there");
}

#[test]
fn the_far_end_says_why_it_ends() {
    for (reason, code) in [
        (None, 0),
        (Some(Reason::sip(503, "mixer gone")), 9),
        (Some(Reason::sip(200, "meeting over")), 0),
    ] {
        let mut world = called();
        let (call, _) = world.accept();
        world.server.bye(world.now, call, reason.clone()).unwrap();
        world.exchange();
        assert_eq!(world.outcome().exit_code(), code);
        let text = reason.and_then(|reason| reason.text).unwrap_or_default();
        assert!(world.outcome().to_string().contains(&text));
    }
}

#[test]
fn a_server_that_dies_is_noticed_and_one_that_lives_is_not_given_up() {
    let mut world = called();
    world.accept();
    world.pass(Duration::from_secs(60));
    assert!(world.events.is_empty(), "OPTIONS is answered: {:?}", world.events);
    let asked = world.ladder.iter().filter(|line| line.starts_with("> OPTIONS")).count();
    assert!((5..=8).contains(&asked), "{asked}");
    let died = world.now;
    world.up = false;
    while !matches!(world.events.last(), Some(Event::Over(_))) {
        world.pass(Duration::from_secs(1));
        assert!(world.now < died + Duration::from_secs(30), "never noticed");
    }
    assert_eq!(world.outcome().exit_code(), 10);
}

#[test]
fn media_alone_keeps_a_call_alive_without_asking() {
    let mut world = called();
    world.accept();
    for _ in 0..60 {
        world.phone.heard(world.now);
        world.pass(Duration::from_secs(1));
    }
    assert!(!world.ladder.iter().any(|line| line.contains("OPTIONS")));
}

#[test]
fn the_camera_is_switched_by_reinvite() {
    let mut world = called();
    let (call, mut theirs) = world.accept();
    world.phone.set_camera(world.now, true);
    assert!(world.exchange().is_empty(), "it was on");
    world.phone.set_camera(world.now, false);
    let told = world.exchange();
    let Some(ServerEvent::Reinvite { request, .. }) = told.first() else { panic!("{told:?}") };
    let offer = std::str::from_utf8(&request.body).unwrap();
    assert!(offer.contains("a=recvonly"));
    let answer = theirs.answer(offer).unwrap();
    let answer = Answer::with_body(Body::sdp(answer));
    world.server.answer_reinvite(world.now, call, answer).unwrap();
    world.exchange();
    let Some(Event::Media(lines)) = world.events.pop() else { panic!("{:?}", world.events) };
    let video = lines[1].accepted().unwrap();
    assert!(!video.direction.sends() && video.direction.receives());
}

#[test]
fn a_refused_camera_change_leaves_the_call_as_it_was() {
    let mut world = called();
    let (call, _) = world.accept();
    world.phone.set_camera(world.now, false);
    world.exchange();
    world.server.reject_reinvite(world.now, call, 488, "", &[]).unwrap();
    world.exchange();
    assert!(world.events.is_empty());
    world.phone.leave(world.now);
    world.exchange();
    assert_eq!(*world.outcome(), Outcome::Left);
}

#[test]
fn the_server_changes_the_call_with_and_without_an_offer() {
    let mut world = called();
    let (call, mut theirs) = world.accept();
    let hold = theirs.offer().replace("a=sendrecv", "a=inactive");
    world.server.reinvite(world.now, call, Some(Body::sdp(hold))).unwrap();
    let told = world.exchange();
    assert!(matches!(told.as_slice(), [ServerEvent::ReinviteAnswered { .. }]), "{told:?}");
    let Some(Event::Media(lines)) = world.events.pop() else { panic!("{:?}", world.events) };
    let audio = lines[0].accepted().unwrap();
    assert!(!audio.direction.sends() && !audio.direction.receives());

    world.server.reinvite(world.now, call, None).unwrap();
    let told = world.exchange();
    let Some(ServerEvent::ReinviteAnswered { response, .. }) = told.first() else {
        panic!("{told:?}")
    };
    let answer = theirs.answer(std::str::from_utf8(&response.body).unwrap()).unwrap();
    world.server.acknowledge(world.now, call, Some(Body::sdp(answer))).unwrap();
    world.exchange();
    let Some(Event::Media(lines)) = world.events.pop() else { panic!("{:?}", world.events) };
    assert!(lines[0].accepted().unwrap().direction.sends());
}

#[test]
fn both_change_the_call_at_once_and_both_get_through() {
    let mut world = called();
    let (call, mut theirs) = world.accept();
    let offer = theirs.offer();
    world.server.reinvite(world.now, call, Some(Body::sdp(offer))).unwrap();
    world.phone.set_camera(world.now, false);
    let mut changed = false;
    for _ in 0..600 {
        for event in world.pass(STEP) {
            if let ServerEvent::Reinvite { request, .. } = event {
                let answer = theirs.answer(std::str::from_utf8(&request.body).unwrap()).unwrap();
                let answer = Answer::with_body(Body::sdp(answer));
                world.server.answer_reinvite(world.now, call, answer).unwrap();
                changed = true;
            }
        }
    }
    assert!(changed, "{:?}", world.ladder);
    assert!(world.ladder.iter().any(|line| line.contains("491")));
    let last = world.events.iter().rev().find_map(|event| match event {
        Event::Media(lines) => Some(lines),
        _ => None,
    });
    assert!(!last.unwrap()[1].accepted().unwrap().direction.sends());
}

#[test]
fn requests_in_the_call_are_answered() {
    let mut world = called();
    let (call, _) = world.accept();
    let xml = "<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder>\
               </vc_primitive></media_control>";
    let kind = "application/media_control+xml".to_owned();
    let body = Body { content_type: kind, bytes: Bytes::from(xml) };
    for (method, body, status) in
        [(Method::Info, Some(body), 200), (Method::Options, None, 200), (Method::Refer, None, 405)]
    {
        world.server.request(world.now, call, method.clone(), &[], body).unwrap();
        let told = world.exchange();
        let Some(ServerEvent::Response { response, .. }) = told.last() else { panic!("{told:?}") };
        assert_eq!(response.status, status, "{method}");
    }
    assert!(world.events.contains(&Event::KeyFrameWanted));
}

#[test]
fn a_second_call_is_told_that_we_are_busy() {
    let mut world = called();
    world.accept();
    let from = NameAddr::new(uri("sip:eve@127.0.0.1"));
    let invite = Invite::new(uri("sip:ann@127.0.0.1:5070"), from, Some(Body::sdp("v=0\r\n")));
    world.server.invite(world.now, invite).unwrap();
    let told = world.exchange();
    let Some(ServerEvent::Rejected { response, .. }) = told.last() else { panic!("{told:?}") };
    assert_eq!(response.status, 486);
}

/// A registrar that knows ann's password, for REGISTER and INVITE.
struct Guard {
    challenger: Challenger,
    expires: u32,
    bound: bool,
    registers: usize,
}

impl Guard {
    fn new(now: Instant, expires: u32) -> Self {
        let algorithms = [Algorithm::Sha256, Algorithm::Md5];
        let challenger = Challenger::new(now, "parley", &algorithms, [9; 32]);
        Self { challenger, expires, bound: false, registers: 0 }
    }

    fn knows(&mut self, now: Instant, request: &Request) -> bool {
        let lookup = |user: &str, algorithm| {
            (user == "ann").then(|| Ha1::from_password(algorithm, "ann", "parley", "secret"))
        };
        matches!(self.challenger.verify(now, request, lookup), Verdict::Ok { .. })
    }

    /// Answers REGISTERs; returns the other events.
    fn serve(&mut self, world: &mut World, events: Vec<ServerEvent>) -> Vec<ServerEvent> {
        let mut rest = Vec::new();
        for event in events {
            let ServerEvent::Request { transaction, request, .. } = event else {
                rest.push(event);
                continue;
            };
            assert_eq!(request.method, Method::Register);
            self.registers += 1;
            let now = world.now;
            if self.knows(now, &request) {
                let mut response = world.server.response(transaction, 200, "").unwrap();
                let contact = request.headers.contacts().unwrap().remove(0);
                self.bound = contact.params.get("expires") != Some("0");
                if self.bound {
                    let granted = self.expires.to_string();
                    response.headers.push("Contact", contact.with_param("expires", &granted));
                }
                world.server.respond(now, transaction, response).unwrap();
            } else {
                let mut response = world.server.response(transaction, 401, "").unwrap();
                for challenge in self.challenger.challenges(now, &request, false) {
                    response.headers.push("WWW-Authenticate", challenge);
                }
                world.server.respond(now, transaction, response).unwrap();
            }
        }
        rest
    }

    fn run(&mut self, world: &mut World, time: Duration) -> Vec<ServerEvent> {
        let until = world.now + time;
        let mut rest = Vec::new();
        loop {
            let step = if world.now < until { STEP } else { Duration::ZERO };
            let events = world.pass(step);
            let quiet = events.is_empty() && world.now >= until;
            rest.extend(self.serve(world, events));
            if quiet {
                return rest;
            }
        }
    }
}

#[test]
fn registers_then_calls_and_takes_the_binding_back_at_the_end() {
    let mut world = World::new(config(Some(("ann", "secret")), true));
    let mut guard = Guard::new(world.now, 100);
    world.phone.start(world.now);
    let told = guard.run(&mut world, STEP);
    assert!(guard.bound && guard.registers == 2);
    assert!(world.events.contains(&Event::Registered));
    // the INVITE is challenged too
    let Some(ServerEvent::IncomingCall { call, request, .. }) = told.last() else {
        panic!("{told:?}")
    };
    assert!(!guard.knows(world.now, request));
    let challenges = guard.challenger.challenges(world.now, request, false);
    let challenges: Vec<(String, String)> = challenges
        .iter()
        .map(|challenge| ("WWW-Authenticate".to_owned(), challenge.to_string()))
        .collect();
    world.server.reject(world.now, *call, 401, "", &challenges).unwrap();
    let told = guard.run(&mut world, STEP);
    let Some(ServerEvent::IncomingCall { call, request, .. }) = told.last() else {
        panic!("{told:?}")
    };
    assert!(guard.knows(world.now, request));
    let answer = callee().answer(std::str::from_utf8(&request.body).unwrap()).unwrap();
    world.server.accept(world.now, *call, Answer::with_body(Body::sdp(answer))).unwrap();
    guard.run(&mut world, Duration::from_secs(80));
    assert_eq!(guard.registers, 3, "refreshed once after 75 of 100 seconds, without a challenge");
    world.phone.leave(world.now);
    guard.run(&mut world, STEP);
    assert!(!guard.bound);
    assert_eq!(*world.outcome(), Outcome::Left);
    assert!(world.start + Duration::from_secs(81) > world.now);
}

#[test]
fn a_wrong_password_is_not_tried_twice() {
    let mut world = World::new(config(Some(("ann", "wrong")), true));
    let mut guard = Guard::new(world.now, 100);
    world.phone.start(world.now);
    guard.run(&mut world, Duration::from_secs(1));
    assert_eq!(guard.registers, 2);
    assert_eq!(world.outcome().exit_code(), 4);
    assert!(!world.ladder.iter().any(|line| line.contains("INVITE")));
}

#[test]
fn an_account_without_a_password_is_refused_by_the_first_challenge() {
    let mut world = World::new(config(None, true));
    let mut guard = Guard::new(world.now, 100);
    world.phone.start(world.now);
    guard.run(&mut world, Duration::from_secs(1));
    assert_eq!(guard.registers, 1);
    assert_eq!(world.outcome().exit_code(), 4);
}

/// Answers the only request there is, a REGISTER, with 200 and these headers.
fn grant(world: &mut World, headers: &[(&str, &str)]) {
    let mut told = world.exchange();
    let Some(ServerEvent::Request { transaction, .. }) = told.pop() else { panic!("{told:?}") };
    let mut response = world.server.response(transaction, 200, "").unwrap();
    response.headers.push("Contact", "<sip:ann@127.0.0.1:5070>;expires=600");
    headers.iter().for_each(|(name, value)| response.headers.push(name, value));
    world.server.respond(world.now, transaction, response).unwrap();
}

/// RFC 3608 §6.1
#[test]
fn the_service_route_of_the_registrar_is_the_way_of_the_call() {
    let mut world = World::new(config(None, true));
    world.phone.start(world.now);
    let routes = "<sip:127.0.0.1:5060;lr>, <sip:orig@scscf.example.com;lr>";
    grant(&mut world, &[("Service-Route", routes)]);
    let (_, request) = world.incoming();
    let route: Vec<&str> = request.headers.get_all("Route").collect();
    assert_eq!(route, ["<sip:127.0.0.1:5060;lr>", "<sip:orig@scscf.example.com;lr>"]);
    assert_eq!(request.uri, uri("sip:room@127.0.0.1:5060"));
}

/// RFC 5626 §4.5: the binding may lead to a connection that is gone.
#[test]
fn a_lost_connection_is_a_reason_to_register_again() {
    let mut world = World::new(config(None, true));
    world.phone.start(world.now);
    grant(&mut world, &[]);
    world.accept();
    world.ladder.clear();
    world.phone.handle_flow_closed(world.now, ConnectionId(1));
    world.pass(STEP);
    assert_eq!(world.ladder, ["> REGISTER sip:127.0.0.1"]);
}

#[test]
fn a_registration_that_is_too_short_is_asked_for_again() {
    let mut world = World::new(config(None, true));
    world.phone.start(world.now);
    let mut events = world.exchange();
    let Some(ServerEvent::Request { transaction, .. }) = events.pop() else { panic!() };
    let mut response = world.server.response(transaction, 423, "").unwrap();
    response.headers.push("Min-Expires", Value::new("1800"));
    world.server.respond(world.now, transaction, response).unwrap();
    let mut events = world.exchange();
    let Some(ServerEvent::Request { request, .. }) = events.pop() else { panic!() };
    let contact = request.headers.contacts().unwrap().remove(0);
    assert_eq!(contact.params.get("expires"), Some("1800"));
    assert_eq!(request.headers.cseq().unwrap().method, Method::Register);
}

/// What the far end is told in the dialog of its call.
fn told_in_dialog(told: Vec<ServerEvent>) -> Vec<(ServerTransactionId, Request)> {
    let message = |event| match event {
        ServerEvent::InDialog { transaction, request, .. } => Some((transaction, request)),
        _ => None,
    };
    told.into_iter().filter_map(message).collect()
}

const NOON: Duration = Duration::from_secs(1_787_392_931);

#[test]
fn what_is_said_goes_to_the_conference_in_an_envelope_one_line_at_a_time() {
    let mut world = called();
    assert_eq!(world.phone.say(world.now, NOON, "too early"), Err(SayError::NoCall));
    world.accept();
    let first = world.phone.say(world.now, NOON, "grüß euch 👋").unwrap();
    let second = world.phone.say(world.now, NOON, "noch etwas").unwrap();
    let why = "480 Temporarily Unavailable".to_owned();
    let mut told = world.exchange();
    for (text, status, event) in [
        ("grüß euch 👋", 200, Event::Said { id: first }),
        ("noch etwas", 480, Event::NotSaid { id: second, why }),
    ] {
        let [(transaction, request)] = &told_in_dialog(told)[..] else { panic!("one at a time") };
        assert!(request.headers.contacts().unwrap().is_empty());
        let cpim = Cpim::parse(&request.body).unwrap();
        assert_eq!(cpim.from().unwrap().display_name.as_deref(), Some("Ann"));
        assert_eq!(cpim.to().unwrap().uri.to_string(), "sip:room@127.0.0.1:5060");
        assert_eq!(cpim.date_time(), Some("2026-08-22T10:02:11Z"));
        assert_eq!(&cpim.body[..], text.as_bytes());
        world.server.respond_status(world.now, *transaction, status, "").unwrap();
        told = world.exchange();
        assert_eq!(world.events.pop(), Some(event));
    }
}

#[test]
fn who_refuses_the_envelope_gets_plain_text() {
    let mut world = called();
    world.accept();
    let id = world.phone.say(world.now, NOON, "hi").unwrap();
    let mut told = world.exchange();
    for (kind, status) in [("message/cpim", 415), ("text/plain;charset=UTF-8", 200)] {
        let [(transaction, request)] = &told_in_dialog(told)[..] else { panic!("one") };
        assert_eq!(request.headers.get("Content-Type"), Some(kind));
        world.server.respond_status(world.now, *transaction, status, "").unwrap();
        told = world.exchange();
    }
    assert_eq!(world.events.pop(), Some(Event::Said { id }));
}

#[test]
fn what_the_conference_tells_is_shown_once_and_strangers_are_not_heard() {
    let mut world = called();
    let (call, _) = world.accept();
    let zoe = NameAddr::parse("\"Zoé\" <sip:zoe@h>").unwrap();
    let room = NameAddr::new(uri("sip:room@127.0.0.1:5060"));
    let mut cpim = Cpim::text(&zoe, &room, "2026-08-22T10:02:11Z", "hallo");
    cpim.headers.push(("NS".into(), "imdn <urn:ietf:params:imdn>".into()));
    cpim.headers.push(("imdn.Message-ID".into(), "m1".into()));
    let body = Body { content_type: "message/cpim".into(), bytes: cpim.to_bytes() };
    for _ in 0..2 {
        world.server.request(world.now, call, Method::Message, &[], Some(body.clone())).unwrap();
        world.exchange();
    }
    let line = ChatLine {
        at: Some(NOON),
        from: "Zoé".to_owned(),
        text: "hallo".to_owned(),
        private: false,
    };
    assert_eq!(world.events, [Event::Chat(line)]);
    world.events.clear();
    for (from, status) in [("sip:eve@127.0.0.1", 403), ("sip:room@127.0.0.1:5060", 200)] {
        let (to, from) = (uri("sip:ann@127.0.0.1:5070"), NameAddr::new(uri(from)));
        let to_name = NameAddr::new(to.clone());
        let mut request = world.server.new_request(Method::Message, to, from, to_name);
        request.set_body("text/plain", "psst");
        let target = Endpoint::target_of(&request.uri);
        world.server.send_request(world.now, request, target).unwrap();
        let told = world.exchange();
        let answer = told.into_iter().find_map(|event| match event {
            ServerEvent::Response { response, .. } => Some(response.status),
            _ => None,
        });
        assert_eq!(answer, Some(status));
        assert_eq!(world.events.len(), usize::from(status == 200));
    }
}

#[test]
fn the_roster_of_a_conference_is_asked_for_and_given_back() {
    let mut world = called();
    world.roster = true;
    let (call, request) = world.incoming();
    let mut theirs = callee();
    let answer = theirs.answer(std::str::from_utf8(&request.body).unwrap()).unwrap();
    world.server.accept(world.now, call, Answer::with_body(Body::sdp(answer))).unwrap();
    let told = world.exchange();
    let subscribe = told.into_iter().find_map(|event| match event {
        ServerEvent::Request { transaction, request, flow } => Some((transaction, request, flow)),
        _ => None,
    });
    let (transaction, request, flow) = subscribe.expect("a subscription");
    assert_eq!(request.uri.to_string(), "sip:room@127.0.0.1:5060");
    let contact = NameAddr::new(uri("sip:room@127.0.0.1:5060"));
    let mut notifier = world.server.notifier(transaction, flow, contact.clone()).unwrap();
    let headers =
        [("Contact".to_owned(), contact.to_string()), ("Expires".to_owned(), "600".to_owned())];
    world.server.respond_with(world.now, transaction, 200, "", &headers);
    for (version, name) in [(1, "Ann"), (3, "Bob")] {
        let body = format!(
            "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:room@h\" \
             state=\"full\" version=\"{version}\"><users><user entity=\"sip:{name}@h\">\
             <endpoint entity=\"sip:{name}@h\"><status>connected</status></endpoint></user></users>\
             </conference-info>"
        );
        let body =
            Body { content_type: "application/conference-info+xml".into(), bytes: body.into() };
        let headers = [("Event", "conference"), ("Subscription-State", "active;expires=600")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        world.server.notify(world.now, &mut notifier, &headers, Some(body)).unwrap();
        world.exchange();
    }
    assert_eq!(world.phone.roster().people()[0].name, "Bob");
    let joined = Change::Joined("Bob".to_owned());
    let expected = Event::Roster(vec![Change::Left("Ann".to_owned()), joined]);
    assert_eq!(world.events.last(), Some(&expected));
    world.phone.leave(world.now);
    let told = world.exchange();
    let end = told.iter().find_map(|event| match event {
        ServerEvent::Request { request, .. } => Some(request.headers.expires().unwrap()),
        _ => None,
    });
    assert_eq!(end, Some(Some(0)));
}

#[test]
fn who_waits_in_front_of_the_door_asks_for_the_roster_again() {
    let mut world = called();
    world.accept();
    world.pass(Duration::from_secs(10));
    world.roster = true;
    assert!(world.pass(Duration::from_secs(10)).is_empty(), "489 is the last word");

    let mut world = called();
    world.roster = true;
    let (call, request) = world.incoming();
    let answer = callee().answer(std::str::from_utf8(&request.body).unwrap()).unwrap();
    world.server.accept(world.now, call, Answer::with_body(Body::sdp(answer))).unwrap();
    let mut asked = 0;
    let mut told = world.exchange();
    for _ in 0..3 {
        for event in told {
            if let ServerEvent::Request { transaction, .. } = event {
                asked += 1;
                world.server.respond_status(world.now, transaction, 403, "").unwrap();
            }
        }
        told = world.pass(Duration::from_secs(4));
    }
    assert_eq!(asked, 3);
}

#[test]
fn orders_go_in_the_call_and_their_answers_come_back() {
    let mut world = called();
    world.accept();
    for (order, status, done) in [
        (Order::Lock(true), 200, true),
        (Order::MuteAll(true), 403, false),
        (Order::Invite(uri("sip:bob@127.0.0.1")), 202, true),
    ] {
        let wants_notify = order.takes_time();
        world.phone.order(world.now, order);
        let [(transaction, request)] = &told_in_dialog(world.exchange())[..] else { panic!("one") };
        assert_eq!(request.method, Method::Refer);
        assert_eq!(request.headers.has("Refer-Sub"), !wants_notify);
        world.server.respond_status(world.now, *transaction, status, "").unwrap();
        world.exchange();
        let event = world.events.pop();
        assert_eq!(matches!(event, Some(Event::Done(_))), done, "{event:?}");
        assert_eq!(matches!(event, Some(Event::NotDone(_))), !done, "{event:?}");
    }
}

#[test]
fn who_waits_is_called_into_a_conference() {
    let mut world = World::new(PhoneConfig { waits: true, ..config(None, false) });
    world.roster = true;
    world.phone.start(world.now);
    world.pass(Duration::from_secs(30));
    assert!(world.events.is_empty(), "waiting has no end: {:?}", world.events);
    let ring = |world: &mut World| {
        let mut theirs = callee();
        let to = uri("sip:ann@127.0.0.1:5070");
        let from = NameAddr::new(uri("sip:room@127.0.0.1:5060")).with_display_name("Weekly");
        let invite = Invite::new(to, from, Some(Body::sdp(theirs.offer())));
        let call = world.server.invite(world.now, invite).unwrap();
        world.exchange();
        (call, theirs)
    };
    let called = || Event::Called { by: "Weekly".to_owned(), focus: true };
    let (call, _) = ring(&mut world);
    assert_eq!(world.events, [called()]);
    world.phone.decline(world.now);
    let told = world.exchange();
    assert!(
        matches!(&told[..], [ServerEvent::Rejected { response, .. }] if response.status == 603)
    );
    let (call, _) = (ring(&mut world).0, call);
    world.server.bye(world.now, call, None).unwrap();
    world.exchange();
    assert_eq!(world.events, [called(), called(), Event::Missed]);
    world.events.clear();

    let (_, mut theirs) = ring(&mut world);
    world.phone.accept(world.now);
    let told = world.exchange();
    let answered = told.iter().find_map(|event| match event {
        ServerEvent::Answered { response, .. } => Some(response.clone()),
        _ => None,
    });
    let body = answered.expect("an answer").body;
    theirs.answered(std::str::from_utf8(&body).unwrap()).unwrap();
    assert!(matches!(world.events[..], [Event::Called { .. }, Event::Media(_)]));
    assert!(world.phone.peer_is_focus());
    let subscribed = told.iter().any(|event| {
        matches!(event, ServerEvent::Request { request, .. } if request.method == Method::Subscribe)
    });
    assert!(subscribed, "it shows who is there");
    world.phone.leave(world.now);
    world.pass(Duration::from_secs(3));
    assert_eq!(*world.outcome(), Outcome::Left);
}

/// A call of which the focus wants reports, whose media go directly to somebody else now.
fn direct() -> World {
    let mut world = called();
    let (call, request) = world.incoming();
    assert_eq!(request.headers.get("Recv-Info"), Some("parley-media-path"));
    let mut theirs = callee();
    let answer = theirs.answer(std::str::from_utf8(&request.body).unwrap()).unwrap();
    let headers = vec![("Recv-Info".to_owned(), "parley-media-path".to_owned())];
    let answer = Answer { headers, ..Answer::with_body(Body::sdp(answer)) };
    world.server.accept(world.now, call, answer).unwrap();
    world.exchange();
    assert_eq!(world.phone.direct(), None);
    let marks = "t=0 0\r\na=parley-path:direct\r\na=parley-chat:secret sip:ben@127.0.0.1:5099\r\n";
    let offer = theirs.offer().replace("t=0 0\r\n", marks);
    world.server.reinvite(world.now, call, Some(Body::sdp(offer))).unwrap();
    world.exchange();
    assert_eq!(world.phone.direct().map(|direct| direct.version), Some(2));
    world.events.clear();
    world
}

fn told(world: &mut World, signs: MediaSigns) -> Vec<String> {
    world.phone.tell_media(world.now, signs);
    let told = told_in_dialog(world.exchange());
    for (transaction, _) in &told {
        world.server.respond_status(world.now, *transaction, 200, "").unwrap();
    }
    world.exchange();
    let infos = told.into_iter().filter(|(_, request)| request.method == Method::Info);
    infos.map(|(_, request)| String::from_utf8_lossy(&request.body).into_owned()).collect()
}

#[test]
fn the_focus_is_told_once_how_media_do_that_it_does_not_see() {
    let mut world = direct();
    let signs = MediaSigns::default();
    assert!(told(&mut world, signs).is_empty(), "there is nothing to say yet");
    let signs = MediaSigns { receives: true, ..signs };
    let expected = ["{\"version\":2,\"receives\":true,\"heard\":false}"];
    assert_eq!(told(&mut world, signs), expected);
    assert!(told(&mut world, signs).is_empty(), "once");
    let signs = MediaSigns { heard: true, ..signs };
    assert_eq!(told(&mut world, signs), ["{\"version\":2,\"receives\":true,\"heard\":true}"]);
    let signs = MediaSigns { lost: true, ..signs };
    assert_eq!(told(&mut world, signs), ["{\"version\":2,\"receives\":false,\"heard\":true}"]);
    let mut plain = called();
    plain.accept();
    assert!(told(&mut plain, signs).is_empty(), "nobody has asked");
}

fn message_to_other(told: &[ServerEvent]) -> Option<(ServerTransactionId, &Request)> {
    told.iter().find_map(|event| match event {
        ServerEvent::Request { transaction, request, .. } if request.method == Method::Message => {
            Some((*transaction, request))
        }
        _ => None,
    })
}

#[test]
fn a_line_goes_straight_to_the_other_and_by_the_focus_when_that_fails() {
    let mut world = direct();
    let unix = Duration::from_secs(1_800_000_000);
    let first = world.phone.say(world.now, unix, "hello").unwrap();
    let told = world.exchange();
    let (transaction, request) = message_to_other(&told).expect("straight");
    assert_eq!(request.uri.to_string(), "sip:ben@127.0.0.1:5099");
    assert_eq!(request.headers.get("Parley-Chat"), Some("secret"));
    world.server.respond_status(world.now, transaction, 200, "").unwrap();
    world.exchange();
    assert_eq!(world.events.pop(), Some(Event::Said { id: first }));

    let second = world.phone.say(world.now, unix, "nobody answers").unwrap();
    let told = world.exchange();
    let id = |request: &Request| Cpim::parse(&request.body).unwrap().to_bytes();
    let (_, request) = message_to_other(&told).expect("straight");
    let straight = id(request);
    let told = told_in_dialog(world.pass(Duration::from_millis(2_100)));
    let [(transaction, request)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(id(request), straight, "the same Message-ID: it is shown once");
    world.server.respond_status(world.now, *transaction, 200, "").unwrap();
    world.exchange();
    assert_eq!(world.events.pop(), Some(Event::Said { id: second }));

    world.phone.say(world.now, unix, "the next one").unwrap();
    let told = world.exchange();
    assert!(message_to_other(&told).is_none(), "it is not tried again");
    assert_eq!(told_in_dialog(told).len(), 1);
}

#[test]
fn only_who_shows_the_token_is_the_other() {
    let mut world = direct();
    for (token, status) in [("secret", 200), ("guess", 403), ("", 403)] {
        let from = NameAddr::new(uri("sip:ben@127.0.0.1")).with_display_name("Ben");
        let to = uri("sip:ann@127.0.0.1:5070");
        let mut request =
            world.server.new_request(Method::Message, to.clone(), from, NameAddr::new(to.clone()));
        if !token.is_empty() {
            request.headers.push("Parley-Chat", token);
        }
        request.set_body("text/plain", "psst".to_owned());
        world.server.send_request(world.now, request, Endpoint::target_of(&to)).unwrap();
        let answer = world.exchange().into_iter().find_map(|event| match event {
            ServerEvent::Response { response, .. } => Some(response.status),
            _ => None,
        });
        assert_eq!(answer, Some(status), "{token}");
        let chat = world.events.pop();
        let line =
            ChatLine { at: None, from: "Ben".to_owned(), text: "psst".to_owned(), private: false };
        assert_eq!(chat, (status == 200).then_some(Event::Chat(line)), "{token}");
    }
}
