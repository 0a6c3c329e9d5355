//! Endpoints on a virtual clock, joined by a network that delays, and loses what a test or a seeded
//! generator says. A scenario of minutes runs in milliseconds, the same every time.

#![allow(dead_code, reason = "every test file uses another part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code, though not in a test function"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sip_stack::endpoint::{
    Alive, Answer, Body, CallId, Endpoint, EndpointConfig, Event, Invite, Output, Transmit,
};
use sip_stack::flow::{ConnectionId, Flow, Target, Transport};
use sip_stack::message::{Host, Message, NameAddr, Uri, parse};

/// One way through the network.
const DELAY: Duration = Duration::from_millis(10);

/// The connection between `a` and `b`; there is at most one of each pair.
fn connection(a: usize, b: usize) -> ConnectionId {
    ConnectionId((a.min(b) * 100 + a.max(b)) as u64)
}

/// Indexes into [`World::ends`].
pub const A: usize = 0;
pub const B: usize = 1;
pub const C: usize = 2;

pub struct End {
    pub endpoint: Endpoint,
    pub address: SocketAddr,
    pub events: Vec<Event>,
    /// Whether it takes TCP connections.
    pub listens_tcp: bool,
}

/// A rule for messages: the next `count` from `from` whose start line begins with `line` are lost.
struct Loss {
    from: usize,
    line: &'static str,
    count: usize,
}

struct Packet {
    to: usize,
    flow: Flow,
    bytes: Bytes,
}

pub struct World {
    pub now: Instant,
    start: Instant,
    pub ends: Vec<End>,
    packets: BTreeMap<(Instant, u64), Packet>,
    sent: u64,
    losses: Vec<Loss>,
    percent_lost: u32,
    rng: StdRng,
    closed: BTreeSet<ConnectionId>,
    /// INVITEs to the first that make a dialog reach the second too.
    pub fork: Option<(usize, usize)>,
    /// What a test has taken from the network to look at.
    pub held: Vec<Message>,
    /// `A>B INVITE`, one line a message that was sent, lost or not.
    pub ladder: Vec<String>,
}

impl World {
    /// Two or more endpoints with the default settings.
    pub fn new(ends: usize) -> Self {
        Self::with(ends, |_, _| {})
    }

    /// The same with changed settings.
    pub fn with(ends: usize, change: impl Fn(usize, &mut EndpointConfig)) -> Self {
        #[allow(clippy::disallowed_methods, reason = "the origin of the virtual clock")]
        let start = Instant::now();
        let ends = (0..ends).map(|index| {
            let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, index as u8 + 1));
            let mut config = EndpointConfig::new(Host::Ip(ip), 5060);
            config.session_timer = None;
            change(index, &mut config);
            End {
                endpoint: Endpoint::new(config, [index as u8 + 1; 32]),
                address: SocketAddr::new(ip, 5060),
                events: Vec::new(),
                listens_tcp: true,
            }
        });
        Self {
            now: start,
            start,
            ends: ends.collect(),
            packets: BTreeMap::new(),
            sent: 0,
            losses: Vec::new(),
            percent_lost: 0,
            rng: StdRng::from_seed([0; 32]),
            closed: BTreeSet::new(),
            fork: None,
            held: Vec::new(),
            ladder: Vec::new(),
        }
    }

    /// From now on `percent` of all datagrams are lost, in the order that `seed` gives.
    pub fn lose_percent(&mut self, percent: u32, seed: u8) {
        self.percent_lost = percent;
        self.rng = StdRng::from_seed([seed; 32]);
    }

    /// The next `count` messages from `from` that begin with `line` are lost.
    pub fn lose(&mut self, from: usize, line: &'static str, count: usize) {
        self.losses.push(Loss { from, line, count });
    }

    pub fn endpoint(&mut self, end: usize) -> &mut Endpoint {
        &mut self.ends[end].endpoint
    }

    pub fn uri(&self, end: usize) -> Uri {
        Uri::parse(&format!("sip:{}@{}", name(end), self.ends[end].address)).unwrap()
    }

    /// A call from `from` to `to`.
    pub fn invitation(&self, from: usize, to: usize, body: Option<Body>) -> Invite {
        Invite::new(self.uri(to), NameAddr::new(self.uri(from)), body)
    }

    /// A finished set-up: both ends' names of one established call, and no events left.
    pub fn call(&mut self, from: usize, to: usize) -> (CallId, CallId) {
        let invite = self.invitation(from, to, Some(body("offer")));
        self.call_by(from, to, invite)
    }

    pub fn call_by(&mut self, from: usize, to: usize, invite: Invite) -> (CallId, CallId) {
        let now = self.now;
        let caller = self.endpoint(from).invite(now, invite).unwrap();
        let callee = self.incoming(to);
        let now = self.now;
        self.endpoint(to).accept(now, callee, answer("answer")).unwrap();
        self.expect(from, |e| matches!(e, Event::Answered { .. }));
        self.expect(to, |e| matches!(e, Event::Ack { .. }));
        (caller, callee)
    }

    /// Waits for an incoming call.
    pub fn incoming(&mut self, end: usize) -> CallId {
        let event = self.expect(end, |e| matches!(e, Event::IncomingCall { .. }));
        let Event::IncomingCall { call, .. } = event else { unreachable!() };
        call
    }

    /// Runs until `end` has an event that `wanted` knows, and takes it; earlier ones are dropped.
    pub fn expect(&mut self, end: usize, wanted: impl Fn(&Event) -> bool) -> Event {
        let limit = self.now + Duration::from_secs(4000);
        loop {
            self.drain();
            if let Some(at) = self.ends[end].events.iter().position(&wanted) {
                return self.ends[end].events.drain(..=at).last().unwrap();
            }
            assert!(self.step(limit), "the event never came:\n{}", self.ladder.join("\n"));
        }
    }

    /// Runs until one more message with `text` has been sent.
    pub fn expect_ladder(&mut self, text: &str) {
        let limit = self.now + Duration::from_secs(4000);
        let before = self.count(text);
        while self.count(text) == before {
            assert!(self.step(limit), "{text} never came:\n{}", self.ladder.join("\n"));
        }
    }

    /// Runs for `time`.
    pub fn run(&mut self, time: Duration) {
        let limit = self.now + time;
        self.drain();
        while self.step(limit) {}
        self.now = limit;
    }

    /// All events of `end` so far.
    pub fn take(&mut self, end: usize) -> Vec<Event> {
        self.drain();
        std::mem::take(&mut self.ends[end].events)
    }

    /// Lets everything time out and asserts that nothing is left anywhere.
    pub fn assert_no_leaks(&mut self) {
        self.run(Duration::from_secs(200));
        for (index, end) in self.ends.iter().enumerate() {
            let alive = end.endpoint.alive();
            assert_eq!(alive, Alive::default(), "{}\n{}", name(index), self.ladder.join("\n"));
            assert_eq!(end.endpoint.poll_timeout(), None);
        }
    }

    /// How many messages in the ladder contain `text`.
    pub fn count(&self, text: &str) -> usize {
        self.ladder.iter().filter(|line| line.contains(text)).count()
    }

    /// Milliseconds since the beginning.
    pub fn millis(&self) -> u128 {
        (self.now - self.start).as_millis()
    }

    /// Hands raw text to `end` as if it came from the UDP address `from`, and returns what was sent
    /// because of it, wherever to.
    pub fn raw(&mut self, end: usize, from: SocketAddr, text: &str) -> Vec<(Target, Message)> {
        let local = self.ends[end].address;
        let flow = Flow { transport: Transport::Udp, local, remote: from, connection: None };
        let (now, bytes) = (self.now, Bytes::from(text.to_owned()));
        self.endpoint(end).handle_message(now, flow, &bytes);
        self.raw_outputs(end)
    }

    /// What `end` has sent. Its events are kept.
    pub fn raw_outputs(&mut self, end: usize) -> Vec<(Target, Message)> {
        let mut sent = Vec::new();
        while let Some(output) = self.endpoint(end).poll_output() {
            match output {
                Output::Event(event) => self.ends[end].events.push(event),
                Output::Transmit(Transmit { target, bytes, .. }) => {
                    sent.push((target, parse::message(&bytes).unwrap()));
                }
            }
        }
        sent
    }

    /// Closes the connection between two ends; a new one can be made.
    pub fn close(&mut self, a: usize, b: usize) {
        let now = self.now;
        for end in [a, b] {
            self.endpoint(end).handle_flow_closed(now, connection(a, b));
        }
        self.drain();
    }

    /// Goes to the next thing that happens, unless that is after `limit`.
    fn step(&mut self, limit: Instant) -> bool {
        let packet = self.packets.keys().next().map(|&(at, _)| at);
        let timers = self.ends.iter().filter_map(|end| end.endpoint.poll_timeout());
        let Some(next) = timers.chain(packet).min().filter(|&at| at <= limit) else {
            return false;
        };
        self.now = self.now.max(next);
        if packet == Some(next) {
            let (_, Packet { to, flow, bytes }) = self.packets.pop_first().unwrap();
            let now = self.now;
            self.endpoint(to).handle_message(now, flow, &bytes);
        } else {
            let now = self.now;
            self.ends.iter_mut().for_each(|end| end.endpoint.handle_timeout(now));
        }
        self.drain();
        true
    }

    /// Takes what the endpoints have to say until they are silent.
    fn drain(&mut self) {
        for end in 0..self.ends.len() {
            while let Some(output) = self.endpoint(end).poll_output() {
                match output {
                    Output::Event(event) => self.ends[end].events.push(event),
                    Output::Transmit(transmit) => self.transmit(end, transmit),
                }
            }
        }
    }

    fn transmit(&mut self, from: usize, Transmit { id, target, bytes }: Transmit) {
        let (transport, remote) = match &target {
            Target::Flow(flow) => (flow.transport, flow.remote),
            Target::Hop(hop) => {
                let ip = hop.host.ip().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                let transport = hop.transport.expect("the endpoint settles the transport");
                (transport, SocketAddr::new(ip, hop.port.unwrap_or(5060)))
            }
        };
        let to = self.ends.iter().position(|end| end.address == remote);
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().next().unwrap_or_default();
        let what: String = match line.strip_prefix("SIP/2.0 ") {
            Some(status) => {
                let cseq = text.lines().find(|l| l.starts_with("CSeq")).unwrap_or_default();
                let method = cseq.rsplit(' ').next().unwrap_or_default();
                format!("{} ({method})", status.get(..3).unwrap_or_default())
            }
            None => line.split(' ').next().unwrap_or_default().to_owned(),
        };
        let target_name = to.map_or("?", name);
        self.ladder.push(format!("{}>{target_name} {transport} {what}", name(from)));
        let refused =
            to.is_none() || transport == Transport::Tcp && !self.ends[to.unwrap()].listens_tcp;
        let Some(to) = to.filter(|_| !refused) else {
            let now = self.now;
            self.endpoint(from).handle_send_failed(now, id);
            return;
        };
        let rule = self
            .losses
            .iter_mut()
            .find(|loss| loss.count > 0 && loss.from == from && what.starts_with(loss.line));
        if let Some(loss) = rule {
            loss.count -= 1;
            return;
        }
        let unlucky = transport == Transport::Udp && self.rng.next_u32() % 100 < self.percent_lost;
        if unlucky {
            return;
        }
        let second = self.fork.filter(|(first, _)| *first == to && what == "INVITE");
        for to in [Some(to), second.map(|(_, second)| second)].into_iter().flatten() {
            let flow = Flow {
                transport,
                local: self.ends[to].address,
                remote: self.ends[from].address,
                connection: (transport == Transport::Tcp).then(|| connection(from, to)),
            };
            self.sent += 1;
            let packet = Packet { to, flow, bytes: bytes.clone() };
            self.packets.insert((self.now + DELAY, self.sent), packet);
        }
    }
}

fn name(end: usize) -> &'static str {
    ["A", "B", "C"][end]
}

pub fn body(text: &str) -> Body {
    Body::sdp(text)
}

pub fn answer(text: &str) -> Answer {
    Answer::with_body(body(text))
}
