//! Errands against a scripted server, on a virtual clock.
#![allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]

use std::net::{Ipv4Addr, SocketAddr};

use sip_stack::auth::{Algorithm, Challenger, Ha1, Verdict};
use sip_stack::dialog::Notifier;
use sip_stack::endpoint::{
    Answer, Body, ClientTransactionId, Event as ServerEvent, ServerTransactionId,
};
use sip_stack::flow::Transport;
use sip_stack::message::{Host, Method, Value};

use super::*;
use crate::core::order::Role;

const US: ([u8; 4], u16) = ([127, 0, 0, 1], 5070);
const SERVER: ([u8; 4], u16) = ([127, 0, 0, 1], 5060);
const STEP: Duration = Duration::from_millis(10);

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

struct World {
    start: Instant,
    now: Instant,
    errand: Errand,
    server: Endpoint,
    up: bool,
    events: Vec<Event>,
    wire: VecDeque<(bool, Bytes)>,
    /// What the server's owner was told and nobody has looked at.
    told: Vec<ServerEvent>,
}

impl World {
    fn new(task: Task, account: Option<(&str, &str)>) -> Self {
        let host = |address: [u8; 4]| Host::from(IpAddr::from(address));
        let mut endpoint = EndpointConfig::new(host(US.0), US.1);
        endpoint.contact = NameAddr::new(uri("sip:ann@127.0.0.1:5070"));
        let config = ErrandConfig {
            endpoint,
            from: NameAddr::new(uri("sip:ann@127.0.0.1")).with_display_name("Ann"),
            target: None,
            account: account.map(|(user, password)| (user.to_owned(), password.to_owned())),
            secret: Some("5ec4e7".to_owned()),
        };
        let mut server = EndpointConfig::new(host(SERVER.0), SERVER.1);
        server.supported.push("recipient-list-invite".to_owned());
        server.accept.push("application/resource-lists+xml".to_owned());
        server.contact = NameAddr::new(uri("sip:room@127.0.0.1:5060")).with_flag("isfocus");
        let now = Instant::now();
        let mut world = World {
            start: now,
            now,
            errand: Errand::new(config, task, [1; 32]),
            server: Endpoint::new(server, [2; 32]),
            up: true,
            events: Vec::new(),
            wire: VecDeque::new(),
            told: Vec::new(),
        };
        world.errand.start(now);
        world
    }

    /// Moves messages until all is quiet; returns what the server's owner is told.
    fn exchange(&mut self) -> Vec<ServerEvent> {
        let mut told = std::mem::take(&mut self.told);
        loop {
            while let Some(output) = self.errand.poll_output() {
                match output {
                    Output::Transmit(transmit) => self.wire.push_back((false, transmit.bytes)),
                    Output::Event(event) => self.events.push(event),
                }
            }
            while let Some(output) = self.server.poll_output() {
                match output {
                    endpoint::Output::Transmit(transmit) => {
                        self.wire.push_back((true, transmit.bytes));
                    }
                    endpoint::Output::Event(event) => told.push(event),
                }
            }
            let Some((to_us, bytes)) = self.wire.pop_front() else { return told };
            if !self.up {
                continue;
            }
            let (local, remote) = if to_us { (US, SERVER) } else { (SERVER, US) };
            let (local, remote) = (SocketAddr::from(local), SocketAddr::from(remote));
            let flow = Flow { transport: Transport::Udp, local, remote, connection: None };
            match to_us {
                true => self.errand.handle_message(self.now, flow, &bytes),
                false => self.server.handle_message(self.now, flow, &bytes),
            }
        }
    }

    /// As [`exchange`](Self::exchange); what the owner is told is kept for the next look.
    fn settle(&mut self) {
        self.told = self.exchange();
    }

    fn pass(&mut self, time: Duration) -> Vec<ServerEvent> {
        let until = self.now + time;
        let mut told = self.exchange();
        while self.now < until {
            self.now += STEP;
            self.errand.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
            told.extend(self.exchange());
        }
        told
    }

    fn request(&mut self) -> (ServerTransactionId, Request, Flow) {
        match self.exchange().pop() {
            Some(ServerEvent::Request { transaction, request, flow }) => {
                (transaction, request, flow)
            }
            other => panic!("no request but {other:?}"),
        }
    }

    fn respond(&mut self, transaction: ServerTransactionId, status: u16, headers: &[(&str, &str)]) {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        self.server.respond_with(self.now, transaction, status, "", &headers);
    }

    fn outcome(&self) -> &Outcome {
        match self.events.last() {
            Some(Event::Over(outcome)) => outcome,
            other => panic!("not over: {other:?}"),
        }
    }
}

fn create(invite: &[&str]) -> Task {
    let creation = Creation {
        pin: Some("4711".to_owned()),
        invite: invite.iter().map(|text| uri(text)).collect(),
        ..Creation::default()
    };
    Task::Create {
        uri: uri("sip:conference@127.0.0.1:5060"),
        creation: Box::new(creation),
        session_id: 7,
        address: Ipv4Addr::LOCALHOST.into(),
    }
}

fn order(order: Order) -> Task {
    Task::Order { conference: uri("sip:room@127.0.0.1:5060"), order }
}

fn created(world: &World) -> &Created {
    match &world.events[..] {
        [Event::Created(created), Event::Over(Outcome::Left)] => created,
        other => panic!("not created: {other:?}"),
    }
}

#[test]
fn a_factory_that_redirects_has_made_a_conference() {
    let mut world = World::new(create(&["sip:bob@127.0.0.1"]), None);
    let told = world.exchange();
    let [ServerEvent::IncomingCall { call, request, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(request.headers.get("Conference-Pin"), Some("4711"));
    assert!(request.body_of_type("application/resource-lists+xml").is_some());
    let headers = [("Contact", "<sip:x7@127.0.0.1:5060>;isfocus"), ("Organizer-Secret", "abc")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    world.server.reject(world.now, *call, 302, "", &headers).unwrap();
    world.exchange();
    let made = created(&world);
    assert_eq!(made.uri.to_string(), "sip:x7@127.0.0.1:5060");
    assert_eq!(made.secret.as_deref(), Some("abc"));
}

#[test]
fn a_factory_that_answers_is_left_at_once() {
    let mut world = World::new(create(&[]), None);
    let told = world.exchange();
    let [ServerEvent::IncomingCall { call, request, .. }] = &told[..] else { panic!("{told:?}") };
    let answer = String::from_utf8_lossy(&request.body).into_owned();
    let answer = Answer::with_body(Body::sdp(answer));
    world.server.accept(world.now, *call, answer).unwrap();
    let told = world.exchange();
    assert!(matches!(told.last(), Some(ServerEvent::Ended { .. })), "{told:?}");
    assert_eq!(created(&world).uri.to_string(), "sip:room@127.0.0.1:5060");
}

#[test]
fn a_refusal_and_a_stranger_who_answers_make_nothing() {
    for (status, contact, code) in [
        (403, None, 4),
        (410, None, 5),
        (302, Some("<sip:bob@127.0.0.1>"), 1),
        (302, None, 1),
        (503, None, 7),
    ] {
        let mut world = World::new(create(&[]), None);
        let told = world.exchange();
        let [ServerEvent::IncomingCall { call, .. }] = &told[..] else { panic!("{told:?}") };
        let headers: Vec<_> =
            contact.iter().map(|value| ("Contact".to_owned(), (*value).to_owned())).collect();
        world.server.reject(world.now, *call, status, "", &headers).unwrap();
        world.exchange();
        assert_eq!(world.outcome().exit_code(), code, "{status}");
        assert_eq!(world.events.len(), 1);
    }
}

#[test]
fn an_order_is_one_refer_with_the_secret_and_wants_no_notify() {
    let mut world = World::new(order(Order::Lock(true)), None);
    let (transaction, request, _) = world.request();
    assert_eq!(request.method, Method::Refer);
    let header = |name| request.headers.get(name);
    assert_eq!(header("Refer-To"), Some("<sip:room@127.0.0.1:5060>;locked=1"));
    assert_eq!(header("Refer-Sub"), Some("false"));
    assert_eq!(header("Organizer-Secret"), Some("5ec4e7"));
    world.respond(transaction, 200, &[]);
    world.exchange();
    let [Event::Progress(line), Event::Over(Outcome::Left)] = &world.events[..] else {
        panic!("{:?}", world.events)
    };
    assert!(line.starts_with("locked"));
}

#[test]
fn an_order_that_is_refused_says_why() {
    let bob = uri("sip:bob@127.0.0.1");
    for (status, code) in [(403, 4), (404, 5), (410, 5)] {
        let mut world = World::new(order(Order::Role(bob.clone(), Role::Moderator)), None);
        let (transaction, ..) = world.request();
        world.respond(transaction, status, &[("Warning", "399 parley \"because\"")]);
        world.exchange();
        assert_eq!(world.outcome().exit_code(), code);
        assert!(world.outcome().to_string().contains("because"));
    }
}

#[test]
fn an_account_proves_itself_and_a_wrong_password_is_told() {
    for (password, code) in [("secret", 0), ("wrong", 4)] {
        let mut world = World::new(order(Order::Cancel), Some(("ann", password)));
        let mut challenger = Challenger::new(world.start, "parley", &[Algorithm::Sha256], [9; 32]);
        while !matches!(world.events.last(), Some(Event::Over(_))) {
            let (transaction, request, _) = world.request();
            let lookup = |user: &str, algorithm| {
                (user == "ann").then(|| Ha1::from_password(algorithm, "ann", "parley", "secret"))
            };
            if matches!(challenger.verify(world.now, &request, lookup), Verdict::Ok { .. }) {
                world.respond(transaction, 200, &[]);
            } else {
                let mut response = world.server.response(transaction, 401, "").unwrap();
                for challenge in challenger.challenges(world.now, &request, false) {
                    response.headers.push("WWW-Authenticate", challenge);
                }
                world.server.respond(world.now, transaction, response).unwrap();
            }
            world.settle();
        }
        assert_eq!(world.outcome().exit_code(), code, "{password}");
    }
}

fn notify(
    world: &mut World,
    notifier: &mut Notifier,
    state: &str,
    fragment: &'static str,
) -> ClientTransactionId {
    let headers = [
        ("Event".to_owned(), "refer".to_owned()),
        ("Subscription-State".to_owned(), state.to_owned()),
    ];
    let body = Body {
        content_type: "message/sipfrag;version=2.0".to_owned(),
        bytes: Bytes::from(fragment),
    };
    world.server.notify(world.now, notifier, &headers, Some(body)).unwrap()
}

#[test]
fn who_is_called_in_is_followed_until_it_answers() {
    for (last, code) in [("SIP/2.0 200 OK", 0), ("SIP/2.0 486 Busy Here", 8)] {
        let mut world = World::new(order(Order::Invite(uri("sip:bob@127.0.0.1"))), None);
        let (transaction, request, flow) = world.request();
        assert!(!request.headers.has("Refer-Sub"));
        let contact = NameAddr::new(uri("sip:room@127.0.0.1:5060"));
        let mut notifier = world.server.notifier(transaction, flow, contact.clone()).unwrap();
        world.respond(transaction, 202, &[("Contact", &contact.to_string())]);
        notify(&mut world, &mut notifier, "active", "SIP/2.0 100 Trying");
        world.pass(Duration::from_secs(11));
        notify(&mut world, &mut notifier, "active", "SIP/2.0 180 Ringing");
        world.pass(Duration::from_secs(20));
        notify(&mut world, &mut notifier, "terminated;reason=noresource", last);
        world.exchange();
        assert_eq!(world.outcome().exit_code(), code);
        let words: Vec<&str> = world
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Progress(words) => Some(words.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(words[..2], ["bob is called", "Ringing"]);
    }
}

#[test]
fn a_silent_server_is_told_after_ten_seconds() {
    let mut world = World::new(order(Order::Cancel), None);
    world.up = false;
    world.pass(Duration::from_millis(9_900));
    assert!(world.events.is_empty());
    world.pass(Duration::from_secs(3));
    assert_eq!(world.outcome().exit_code(), 3);
}

fn state(world: &mut World, notifier: &mut Notifier, state: &str) {
    let headers = [("Event", "conference"), ("Subscription-State", state)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body =
        Body { content_type: "application/rlmi+xml".to_owned(), bytes: Bytes::from("<list/>") };
    world.server.notify(world.now, notifier, &headers, Some(body)).unwrap();
}

/// Subscribes and answers; returns the server's side.
fn looking(live: bool) -> (World, Notifier) {
    let task = Task::Look { uri: uri("sip:meetings@127.0.0.1:5060"), live };
    let mut world = World::new(task, None);
    let (transaction, request, flow) = world.request();
    assert_eq!(request.method, Method::Subscribe);
    assert!(request.headers.event().unwrap().unwrap().is("conference"));
    assert!(request.headers.list_has("Supported", "eventlist"));
    let expires = request.headers.expires().unwrap().unwrap();
    assert_eq!(expires == 0, !live);
    let contact = NameAddr::new(uri("sip:meetings@127.0.0.1:5060"));
    let notifier = world.server.notifier(transaction, flow, contact.clone()).unwrap();
    let contact = contact.to_string();
    world.respond(transaction, 200, &[("Contact", &contact), ("Expires", "100")]);
    (world, notifier)
}

#[test]
fn one_look_ends_with_the_first_document() {
    let (mut world, mut notifier) = looking(false);
    state(&mut world, &mut notifier, "terminated;reason=timeout");
    world.exchange();
    assert!(matches!(world.events[..], [Event::State(_), Event::Over(Outcome::Left)]));
}

#[test]
fn a_server_that_takes_a_subscription_and_tells_nothing_is_not_waited_for() {
    let (mut world, _) = looking(false);
    world.pass(Duration::from_secs(33));
    assert_eq!(world.outcome().exit_code(), 3);
}

#[test]
fn a_live_look_is_refreshed_and_taken_back() {
    let (mut world, mut notifier) = looking(true);
    state(&mut world, &mut notifier, "active;expires=100");
    let told = world.pass(Duration::from_secs(76));
    let refresh = told.iter().find_map(|event| match event {
        ServerEvent::Request { transaction, request, .. } => Some((*transaction, request.clone())),
        _ => None,
    });
    let (transaction, request) = refresh.expect("a refresh after three quarters");
    assert!(request.headers.to().unwrap().tag().is_some(), "in its dialog");
    world.respond(transaction, 200, &[("Expires", "100")]);
    world.exchange();
    world.errand.stop(world.now);
    let (transaction, request, _) = world.request();
    assert_eq!(request.headers.expires().unwrap(), Some(0));
    world.respond(transaction, 200, &[]);
    world.exchange();
    assert_eq!(*world.outcome(), Outcome::Left);
}

#[test]
fn a_forgotten_look_is_begun_anew_and_a_gone_list_ends_it() {
    let (mut world, mut notifier) = looking(true);
    state(&mut world, &mut notifier, "terminated;reason=deactivated");
    let told = world.pass(Duration::from_secs(6));
    let fresh = told.iter().find_map(|event| match event {
        ServerEvent::Request { transaction, request, flow } => {
            Some((*transaction, request.clone(), *flow))
        }
        _ => None,
    });
    let (transaction, request, flow) = fresh.expect("a new subscription");
    assert!(request.headers.to().unwrap().tag().is_none(), "a new dialog");
    let contact = NameAddr::new(uri("sip:meetings@127.0.0.1:5060"));
    let mut notifier = world.server.notifier(transaction, flow, contact.clone()).unwrap();
    // it overtakes the answer
    state(&mut world, &mut notifier, "active;expires=100");
    world.exchange();
    world.respond(transaction, 200, &[("Contact", &contact.to_string()), ("Expires", "100")]);
    world.exchange();
    let seen = world.events.iter().filter(|event| matches!(event, Event::State(_))).count();
    assert_eq!(seen, 2);
    let event = Value::new("terminated").with_param("reason", "noresource").to_string();
    state(&mut world, &mut notifier, &event);
    world.exchange();
    assert!(matches!(world.outcome(), Outcome::HungUp { .. }));
}
