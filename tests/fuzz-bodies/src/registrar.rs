//! The whole registrar, fed by strangers over UDP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mixer_control::{MixerEvent, MixerRequest};
use sdp::SessionDescription;
use sdp::negotiate::{Capabilities, LocalTransport, OfferLine, answer, offer};
use sdp::{Direction, MediaKind};
use sip_registrar::{
    Account, Accounts, FactoryAnswer, Guests, Input, InvitePolicy, Output, PathPolicy, Protection,
    Registrar, Settings, Visibility,
};
use sip_stack::auth::Algorithm;
use sip_stack::endpoint::Alive;
use sip_stack::flow::{Flow, Transport};
use sip_stack::message::{MAX_MESSAGE, parse};

/// A line of this between datagrams; the byte after it tells who sends and how long nothing happens before.
const SEPARATOR: &[u8] = b"\n=====";

const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 5060);

/// Longer than any binding, session or transaction lasts.
const DAY: Duration = Duration::from_secs(86_400);

/// A few datagrams, then time: nothing panics, everything sent can be read, no datagram makes us send a flood,
/// and in the end nothing is left.
pub fn datagrams(data: &[u8]) {
    let start = Instant::now();
    let mut world = World {
        registrar: Registrar::new(settings(), start, Duration::from_secs(1_767_225_600), [3; 32]),
        now: start,
    };
    world.input(Input::MixerEvent(MixerEvent::Hello { mixer: "m".to_owned() }));
    for (index, piece) in pieces(data).into_iter().take(16).enumerate() {
        let (how, datagram) = if index == 0 { (0, piece) } else { directed(piece) };
        world.wait(Duration::from_millis([0, 500, 5_000, 40_000][usize::from(how >> 2 & 3)]));
        world.receive(how & 3, datagram);
    }
    world.input(Input::Stop);
    world.wait(DAY);
    assert_eq!(world.registrar.alive(), Alive::default(), "something stays for ever");
    assert!(world.registrar.is_idle(), "something stays for ever");
}

fn pieces(data: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(SEPARATOR.len()).position(|bytes| bytes == SEPARATOR) {
        pieces.push(&rest[..at]);
        rest = &rest[at + SEPARATOR.len()..];
    }
    pieces.push(rest);
    pieces
}

/// The byte behind a separator, and the datagram after the end of that line.
fn directed(piece: &[u8]) -> (u8, &[u8]) {
    match piece {
        [how, b'\n', datagram @ ..] => (*how, datagram),
        _ => (0, piece),
    }
}

struct World {
    registrar: Registrar,
    now: Instant,
}

impl World {
    fn receive(&mut self, from: u8, datagram: &[u8]) {
        let flow = Flow {
            transport: Transport::Udp,
            local: LISTEN.into(),
            remote: SocketAddr::from(([127, 0, 1, from], 5060)),
            connection: None,
        };
        self.input(Input::Sip { flow, bytes: Bytes::copy_from_slice(datagram) });
    }

    fn input(&mut self, input: Input) {
        self.registrar.handle_input(self.now, input);
        self.drain();
    }

    /// Lets time pass, alarm by alarm.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        let mut alarms = 0;
        while let Some(at) = self.registrar.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.registrar.handle_timeout(self.now);
            self.drain();
            alarms += 1;
            assert!(alarms < 20_000, "alarms without end");
        }
        self.now = end;
    }

    fn drain(&mut self) {
        let mut replies = Vec::new();
        let mut sent = 0;
        while let Some(output) = self.registrar.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    sent += 1;
                    assert!(sent <= 64, "one event, a flood of messages");
                    assert!(transmit.bytes.len() <= 2 * MAX_MESSAGE);
                    // a refusal repeats what was malformed (RFC 3261 §8.2.6.2)
                    let refusal = transmit.bytes.starts_with(b"SIP/2.0 4")
                        || transmit.bytes.starts_with(b"SIP/2.0 5");
                    let read = parse::message(&transmit.bytes);
                    assert!(refusal || read.is_ok(), "{read:?} {}", transmit.bytes.escape_ascii());
                }
                Output::Mixer { id, request } => {
                    replies.push(Input::MixerReply { id, reply: Ok(described(&request)) });
                }
                #[allow(unreachable_patterns, reason = "outputs may be added")]
                _ => {}
            }
        }
        for reply in replies {
            self.input(reply);
        }
    }
}

/// What a mixer would say.
fn described(request: &MixerRequest) -> Option<String> {
    let capabilities = Capabilities::standard(4);
    let local = || LocalTransport::pair(([127, 0, 0, 1], 20_000).into());
    let theirs = match request {
        MixerRequest::Join(join) => join.offer.clone(),
        MixerRequest::Reoffer(description) => Some(description.sdp.clone()),
        MixerRequest::Offer(_) => None,
        _ => return None,
    };
    let description = match theirs {
        Some(text) => {
            let theirs = SessionDescription::parse(&text).ok()?;
            answer(&theirs, &capabilities).ok()?.describe(|_| local())
        }
        None => {
            offer(&[OfferLine::new(MediaKind::Audio, Direction::SendRecv, local())], &capabilities)
        }
    };
    Some(description.to_string())
}

fn settings() -> Settings {
    let mut accounts = Accounts::new();
    accounts.insert(Account::with_password("alice", "parley", "secret"));
    accounts.insert(Account::with_password("bob", "parley", "secret"));
    Settings {
        realm: "parley".to_owned(),
        digest: vec![Algorithm::Sha256, Algorithm::Md5],
        domains: Vec::new(),
        listen: vec![LISTEN.into()],
        advertise: None,
        guests: Guests::Loopback,
        accounts,
        default_expires: Duration::from_secs(3600),
        min_expires: Duration::from_secs(60),
        max_expires: Duration::from_secs(7200),
        max_bindings_per_account: 10,
        max_bindings: 1000,
        factory: "conference".to_owned(),
        list: "meetings".to_owned(),
        max_conferences: 100,
        max_conferences_per_creator: 100,
        max_members: 50,
        empty_grace: Duration::from_secs(10),
        unused: Duration::from_secs(24 * 3600),
        gone: Duration::from_secs(24 * 3600),
        visibility: Visibility::Public,
        media_path: PathPolicy::Automatic,
        direct_after: Duration::from_secs(1),
        direct_again: Duration::from_secs(10),
        guests_create: true,
        invite: InvitePolicy::Members,
        factory_answer: FactoryAnswer::Auto,
        msrp: None,
        chat_history: 50,
        record_chat: false,
        max_calls: 1000,
        protection: Protection::default(),
        mixer_timeout: Duration::from_secs(5),
    }
}
