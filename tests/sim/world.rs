//! Everybody and everything of a scenario, and the passing of time.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rtp_session::NtpClock;
use sdp::Direction;
use sip_registrar::{
    Account, Accounts, Act, Actor, ConferenceName, Counters, FactoryAnswer, Guests, Input,
    InvitePolicy, MeetingWish, Output, PathPolicy, Protection, Registrar, Schedule, Settings,
    Visibility,
};
use sip_stack::auth::Algorithm;
use sip_stack::endpoint::Alive;
use sip_stack::flow::{Flow, Transport};
use system_tests::listen::Recording;

use crate::call::Stage;
use crate::clock::{Chance, Clock, millis, secs};
use crate::ladder::{Ladder, Rung, summary};
use crate::link::{Accident, Accidents, Network, Packet, Quality};
use crate::mixer::{Mixer, name_of};
use crate::phone::{Outcome, Phone, PhoneSetup, SIP_PORT, udp_target};

/// 64·T1: when SIP gives up.
pub const PATIENCE: Duration = secs(32);
/// How long a conference stays after its last member has left.
pub const GRACE: Duration = secs(10);

/// Who has an account; the password is the name and `-secret`.
const ACCOUNTS: [&str; 3] = ["alice", "bob", "carol"];

/// Those who may be here, and what each of them says: tones whose harmonics and sums do not meet.
const PEOPLE: [(&str, u32); 9] = [
    ("alice", 350),
    ("bob", 600),
    ("carol", 950),
    ("ann", 400),
    ("ben", 650),
    ("cleo", 1000),
    ("dan", 1550),
    ("eve", 2150),
    ("fay", 2800),
];

const REALM: &str = "parley";
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const MIXER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// 2026-01-01T00:00:00Z, so that dates do not depend on the day either.
const UNIX: Duration = secs(1_767_225_600);

/// The world.
pub struct World {
    clock: Clock,
    chance: Chance,
    network: Network,
    accidents: Accidents,
    registrar: Registrar,
    pub mixer: Mixer,
    phones: BTreeMap<&'static str, Phone>,
    names: BTreeMap<IpAddr, &'static str>,
    pub ladder: Ladder,
    ntp: NtpClock,
    server: SocketAddr,
    still: u32,
}

impl World {
    /// A world with a registrar and a mixer, where nobody lives yet.
    pub fn new(seed: u64, quality: Quality) -> Self {
        let clock = Clock::new();
        let mut chance = Chance::new(seed);
        let server = SocketAddr::new(SERVER, SIP_PORT);
        let registrar = Registrar::new(settings(server), clock.now(), UNIX, chance.seed());
        let ntp = NtpClock::new(clock.now(), UNIX);
        let mixer = Mixer::new(MIXER, registrar.focus_id().to_owned(), ntp, chance.next());
        let mut world = Self {
            network: Network::new(quality, Chance::new(chance.next())),
            accidents: Accidents::default(),
            registrar,
            mixer,
            phones: BTreeMap::new(),
            names: BTreeMap::from([(SERVER, "registrar"), (MIXER, "mixer")]),
            ladder: Ladder::default(),
            ntp,
            server,
            still: 0,
            clock,
            chance,
        };
        world.mixer.start(world.clock.now());
        world.run(millis(10));
        world
    }

    /// A world where these live.
    pub fn with(seed: u64, quality: Quality, people: &[&'static str]) -> Self {
        let mut world = Self::new(seed, quality);
        people.iter().for_each(|name| world.add(name));
        world
    }

    fn add(&mut self, name: &'static str) {
        let place = PEOPLE.iter().position(|(person, _)| *person == name);
        let place = place.unwrap_or_else(|| panic!("nobody is called {name}"));
        let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 1, place as u8 + 1));
        let password = ACCOUNTS.contains(&name).then(|| format!("{name}-secret"));
        self.names.insert(ip, name);
        let setup = PhoneSetup {
            name,
            ip,
            server: self.server,
            password,
            hertz: PEOPLE[place].1,
            clock: self.ntp,
            seed: self.chance.next(),
        };
        self.phones.insert(name, Phone::new(setup));
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Time since the world began.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    pub fn phone(&self, name: &str) -> &Phone {
        self.phones.get(name).unwrap_or_else(|| panic!("no {name} here"))
    }

    /// Somebody does something.
    pub fn act<T>(&mut self, name: &str, what: impl FnOnce(&mut Phone, Instant) -> T) -> T {
        let now = self.clock.now();
        let phone = self.phones.get_mut(name).unwrap_or_else(|| panic!("no {name} here"));
        let done = what(phone, now);
        self.drain();
        done
    }

    pub fn dial(&mut self, name: &str, whom: &str) {
        self.act(name, |phone, now| phone.dial(now, whom));
    }

    pub fn hang_up(&mut self, name: &str) {
        self.act(name, Phone::hang_up);
    }

    /// Everybody of these joins the conference, one after the other, and is let in.
    pub fn gather(&mut self, people: &[&str], conference: &str) {
        for name in people {
            self.dial(name, conference);
            self.run_until(&format!("{name} is in"), secs(10), |world| world.talks(name));
        }
        self.run(millis(500));
    }

    /// These tell the focus how their media do, as our softphone does.
    pub fn let_report(&mut self, people: &[&str]) {
        for name in people {
            self.act(name, |phone, _| phone.reports = true);
        }
    }

    /// Which way media of a conference go, and why.
    pub fn mode(&self, conference: &str) -> (&'static str, &'static str) {
        let operator = Actor::Operator("world".to_owned());
        let name = ConferenceName::parse(conference).expect("a name");
        let view = self.registrar.meeting(self.clock.now(), &operator, &name);
        view.map_or(("none", ""), |view| (view.mode, view.mode_why))
    }

    /// Nothing passes between these two any more, or everything does again.
    pub fn cut(&mut self, one: &str, other: &str, cut: bool) {
        let ip = |name: &str| self.phone(name).address.ip();
        let (one, other) = (ip(one), ip(other));
        self.network.cut(one, other, cut);
    }

    /// Whether this one is in an established call.
    pub fn talks(&self, name: &str) -> bool {
        self.phone(name).call.as_ref().is_some_and(|call| call.stage == Stage::Talking)
    }

    /// Whom this one called, if its call is its own.
    pub fn dialled(&self, name: &str) -> &str {
        &self.phone(name).dialled
    }

    /// What this one may send and receive.
    pub fn direction(&self, name: &str) -> Option<Direction> {
        self.phone(name).call.as_ref()?.media.agreed().map(|agreed| agreed.direction)
    }

    /// How the last call of this one ended.
    pub fn outcome(&self, name: &str) -> Option<&Outcome> {
        self.phone(name).outcomes.last()
    }

    /// From now on the network is like this.
    pub fn set_quality(&mut self, quality: Quality) {
        self.network.set_quality(quality);
    }

    /// The next `times` messages of this kind get lost.
    pub fn lose(&mut self, from: &'static str, to: &'static str, what: &'static str, times: u32) {
        self.accidents.plan(Accident { from, to, what, times });
    }

    /// All messages of this kind get lost from now on.
    pub fn lose_all(&mut self, from: &'static str, to: &'static str, what: &'static str) {
        self.lose(from, to, what, u32::MAX);
    }

    /// The phone is switched off: it hears nothing and says nothing.
    pub fn vanish(&mut self, name: &str) {
        self.phones.remove(name);
    }

    /// An operator makes a conference that is in no list.
    pub fn open_hidden(&mut self, name: &str) {
        let wish = MeetingWish {
            name: ConferenceName::parse(name),
            visibility: Some(Visibility::Hidden),
            // So it stays, though everybody may leave for a while.
            schedule: Some(Some(Schedule { start: UNIX, end: Some(UNIX + secs(86_400)) })),
            ..MeetingWish::default()
        };
        let operator = Actor::Operator("world".to_owned());
        let made = self.registrar.create_meeting(self.clock.now(), &operator, wish);
        made.expect("a conference");
        self.drain();
    }

    /// An operator ends a conference, if it is there.
    pub fn close(&mut self, name: &str) {
        let operator = Actor::Operator("world".to_owned());
        let name = ConferenceName::parse(name).expect("a name");
        let _ = self.registrar.act(self.clock.now(), &operator, &name, Act::Cancel);
        self.drain();
    }

    /// Lets the mixer do or suffer something.
    pub fn at_mixer(&mut self, what: impl FnOnce(&mut Mixer, Instant)) {
        what(&mut self.mixer, self.clock.now());
        self.drain();
    }

    /// Lets an interface beside SIP do something to the registrar.
    pub fn at_registrar<T>(&mut self, what: impl FnOnce(&mut Registrar, Instant) -> T) -> T {
        let done = what(&mut self.registrar, self.clock.now());
        self.drain();
        done
    }

    /// The address of record of somebody.
    pub fn aor(&self, name: &str) -> String {
        format!("sip:{name}@{SERVER}")
    }

    /// The server is asked to end.
    pub fn stop(&mut self) {
        self.input(Input::Stop);
        self.drain();
    }

    pub fn counters(&self) -> Counters {
        self.registrar.counters()
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        self.drain();
        while let Some(next) = self.poll_timeout().filter(|next| *next <= end) {
            self.turn(next);
        }
        self.clock.advance(end);
    }

    /// Lets time pass until something is so.
    pub fn run_until(&mut self, what: &str, limit: Duration, so: impl Fn(&Self) -> bool) {
        let end = self.clock.now() + limit;
        while !so(self) {
            match self.poll_timeout().filter(|next| *next <= end) {
                Some(next) => self.turn(next),
                None => panic!("{what}: not within {limit:?}\n{}", self.ladder),
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let phones = self.phones.values().filter_map(Phone::poll_timeout).min();
        let rest =
            [self.network.poll_timeout(), self.registrar.poll_timeout(), self.mixer.poll_timeout()];
        rest.into_iter().chain([phones]).flatten().min()
    }

    /// One moment in which something happens.
    fn turn(&mut self, at: Instant) {
        self.still = if at > self.clock.now() { 0 } else { self.still + 1 };
        assert!(self.still < 1000, "the world stands still\n{}", self.ladder);
        self.clock.advance(at);
        let now = self.clock.now();
        while let Some(packet) = self.network.receive(now) {
            self.deliver(&packet);
        }
        if self.registrar.poll_timeout().is_some_and(|due| due <= now) {
            self.registrar.handle_timeout(now);
        }
        self.mixer.handle_timeout(now);
        while let Some((input, what)) = self.mixer.take_input(now) {
            if !matches!(what.as_str(), "ACTIVE-SPEAKER" | "SOURCES") {
                self.note("mixer", "registrar", what, false);
            }
            self.input(input);
        }
        for phone in self.phones.values_mut() {
            if phone.poll_timeout().is_some_and(|due| due <= now) {
                phone.handle_timeout(now);
            }
        }
        self.drain();
    }

    fn input(&mut self, input: Input) {
        self.registrar.handle_input(self.clock.now(), input);
    }

    fn deliver(&mut self, packet: &Packet) {
        let now = self.clock.now();
        if packet.to == self.server {
            let flow = Flow {
                transport: Transport::Udp,
                local: packet.to,
                remote: packet.from,
                connection: None,
            };
            self.input(Input::Sip { flow, bytes: packet.bytes.clone() });
        } else if packet.to.ip() == MIXER {
            self.mixer.handle_packet(now, packet);
        } else if let Some(phone) =
            self.names.get(&packet.to.ip()).and_then(|name| self.phones.get_mut(name))
        {
            phone.handle_packet(now, packet);
        }
    }

    /// Sends what everybody wants to be sent.
    fn drain(&mut self) {
        let now = self.clock.now();
        while let Some(output) = self.registrar.poll_output() {
            match output {
                Output::Transmit(transmit) => match udp_target(&transmit.target) {
                    Some(to) => {
                        self.send(Packet { from: self.server, to, bytes: transmit.bytes });
                    }
                    // There is no TCP in this world.
                    None => self.input(Input::SendFailed(transmit.id)),
                },
                Output::Mixer { id, request } => {
                    self.note("registrar", "mixer", name_of(&request).to_owned(), false);
                    self.mixer.command(now, id, request);
                }
                // Restarts of the registrar are tested with the real one.
                Output::Store(_)
                | Output::Close(_)
                | Output::Msrp { .. }
                | Output::CloseMsrp(_) => {}
            }
        }
        let mut packets = self.mixer.take_packets();
        for phone in self.phones.values_mut() {
            packets.append(&mut phone.take_packets());
        }
        for packet in packets {
            self.send(packet);
        }
    }

    fn send(&mut self, packet: Packet) {
        let now = self.clock.now();
        if packet.from.port() != SIP_PORT {
            self.network.send(now, packet);
            return;
        }
        let name = |address: SocketAddr| self.names.get(&address.ip()).copied().unwrap_or("?");
        let (from, to) = (name(packet.from), name(packet.to));
        let what = summary(&packet.bytes);
        let arrives = !self.accidents.hit(from, to, &what) && self.network.send(now, packet);
        self.note(from, to, what, !arrives);
    }

    fn note(&mut self, from: &'static str, to: &'static str, what: String, lost: bool) {
        self.ladder.push(Rung { at: self.clock.elapsed(), from, to, what, lost });
    }

    /// Everybody begins a new recording; it is full after `time`.
    pub fn listen(&mut self, time: Duration) {
        for call in self.phones.values_mut().filter_map(|phone| phone.call.as_mut()) {
            call.media.listen();
        }
        self.run(time);
    }

    /// Whether this one hears that one, on the last recording.
    pub fn hears(&self, ear: &str, voice: &str) -> bool {
        let level = self.level(ear, voice);
        assert!(
            !(-38.0..-26.0).contains(&level),
            "{ear} hears {voice} at {level} dB: what is that?"
        );
        level > -30.0
    }

    /// How loud this one hears that one, in dB of full scale: −12 is as it was said.
    pub fn level(&self, ear: &str, voice: &str) -> f64 {
        let Some(call) = &self.phone(ear).call else { return f64::NEG_INFINITY };
        let hertz = PEOPLE.iter().find(|(name, _)| *name == voice).map(|(_, hertz)| *hertz);
        call.media.heard().tone_level(f64::from(hertz.unwrap_or_default()))
    }

    /// Whether this one heard that one in every tenth of a second of the last recording.
    pub fn steadily_hears(&self, ear: &str, voice: &str) -> bool {
        let Some(call) = &self.phone(ear).call else { return false };
        let heard = call.media.heard();
        let hertz = PEOPLE.iter().find(|(name, _)| *name == voice).map_or(0, |(_, hertz)| *hertz);
        heard.samples.chunks_exact(800).all(|samples| {
            let part = Recording { samples: samples.to_vec(), rate: heard.rate };
            part.tone_level(f64::from(hertz)) > -20.0
        })
    }

    /// How many media packets this one has received in its call.
    pub fn received(&self, name: &str) -> u64 {
        self.phone(name).call.as_ref().map_or(0, |call| call.media.received)
    }

    /// After a second of listening: each hears all others of these and not itself.
    pub fn assert_all_hear_each_other(&mut self, people: &[&str]) {
        self.listen(secs(1));
        for ear in people {
            for voice in people {
                let hears = self.hears(ear, voice);
                assert_eq!(hears, ear != voice, "{ear} and {voice}: {}", self.level(ear, voice));
            }
        }
    }

    /// Everybody hangs up, and after all timers have run out nothing is left anywhere: no
    /// conference, leg, port, call, transaction or timer.
    pub fn assert_nothing_is_left(&mut self) {
        let people: Vec<&'static str> = self.phones.keys().copied().collect();
        for name in people {
            self.hang_up(name);
        }
        // The last INVITE may be cancelled, the last 200 unacknowledged, the BYE after it too.
        self.run(PATIENCE * 4 + secs(10));
        let counters = self.registrar.counters();
        let left = (counters.conferences, counters.members, counters.calls);
        assert_eq!(left, (0, 0, 0), "conferences, members, calls\n{}", self.ladder);
        assert!(self.registrar.is_idle(), "the registrar is not idle\n{}", self.ladder);
        assert_eq!(self.registrar.alive(), Alive::default(), "at the registrar\n{}", self.ladder);
        let left = (self.mixer.rooms(), self.mixer.legs(), self.mixer.open_ports());
        assert_eq!(left, (0, 0, 0), "rooms, legs, ports of the mixer\n{}", self.ladder);
        assert!(self.mixer.is_idle(), "something waits at the mixer\n{}", self.ladder);
        assert!(self.network.is_empty(), "something is on its way\n{}", self.ladder);
        for phone in self.phones.values() {
            assert!(phone.call.is_none(), "{} is in a call\n{}", phone.name, self.ladder);
            assert_eq!(phone.alive(), Alive::default(), "at {}\n{}", phone.name, self.ladder);
        }
    }
}

fn settings(listen: SocketAddr) -> Settings {
    let mut accounts = Accounts::new();
    for name in ACCOUNTS {
        accounts.insert(Account::with_password(name, REALM, &format!("{name}-secret")));
    }
    Settings {
        realm: REALM.to_owned(),
        digest: vec![Algorithm::Sha256, Algorithm::Md5],
        domains: Vec::new(),
        listen: vec![listen],
        advertise: None,
        guests: Guests::Loopback,
        accounts,
        default_expires: secs(3600),
        min_expires: secs(60),
        max_expires: secs(7200),
        max_bindings_per_account: 10,
        max_bindings: 1000,
        factory: "conference".to_owned(),
        list: "meetings".to_owned(),
        max_conferences: 100,
        max_conferences_per_creator: 100,
        max_members: 50,
        empty_grace: GRACE,
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
        mixer_timeout: secs(5),
    }
}
