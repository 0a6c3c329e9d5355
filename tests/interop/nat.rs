//! NATs of each kind, in a laboratory of network namespaces: what they do to STUN, and who hears whom through them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use system_tests::clients::Softphone;
use system_tests::lab::{Capture, Host, Kind, Lab, Nat, NatKind, Packet, TurnClient, binding, udp};
use system_tests::listen::Recording;
use system_tests::services::{Services, binary, metric, scratch};
use system_tests::signal::write_tone;

use crate::hearing::assert_hears;

const KINDS: [NatKind; 3] = [NatKind::FullCone, NatKind::PortRestricted, NatKind::Symmetric];

/// STUN and TURN at both addresses of the server.
const TURN: &str = "[turn]\nlisten = [\"198.51.100.10:3478\", \"198.51.100.19:3478\"]\n\
    relay_address = \"198.51.100.10\"\nsecret = \"north\"\n";

/// A server with two addresses, and our services on it.
struct Site {
    lab: Lab,
    server: Host,
    services: Services,
}

impl Site {
    fn new(directory: &Path) -> Self {
        Self::with(directory, "")
    }

    /// With this in the registrar's configuration.
    fn with(directory: &Path, registrar: &str) -> Self {
        let mut lab = Lab::new().expect("a laboratory");
        let server = lab.host("server").expect("a host");
        server.add_address("198.51.100.19").expect("a second address");
        let services = Services::start_in(&server, directory, TURN, registrar).expect("services");
        Self { lab, server, services }
    }

    fn stun(&self) -> [SocketAddr; 2] {
        ["198.51.100.10:3478", "198.51.100.19:3478"].map(|text| text.parse().expect("an address"))
    }
}

/// Whether a datagram from `sender` to `to` arrives.
fn arrives(sender: &UdpSocket, to: SocketAddr, receiver: &UdpSocket) -> bool {
    sender.send_to(b"knock", to).expect("it can be sent");
    let mut buffer = [0; 64];
    receiver.recv_from(&mut buffer).is_ok_and(|(length, _)| &buffer[..length] == b"knock")
}

#[test]
fn nats_do_what_their_kind_says() {
    let directory = scratch("nat-kinds").expect("a directory");
    let mut site = Site::new(&directory);
    let stranger = site.lab.host("stranger").expect("a host");
    let servers = site.stun();
    for kind in KINDS {
        let mut nat = site.lab.nat(kind).expect("a NAT");
        let host = nat.host(&format!("inside-{kind:?}")).expect("a host");
        for _ in 0..4 {
            let socket = udp(&host).expect("a socket");
            let seen = servers.map(|server| binding(&socket, server).expect("an answer"));
            let own = socket.local_addr().expect("an address");
            assert_eq!(seen[0].ip(), nat.router.ip, "{kind:?}");
            assert_ne!(seen[0].ip(), own.ip());
            assert_eq!(seen[0] == seen[1], kind != NatKind::Symmetric, "{kind:?}: {seen:?}");
            let again = binding(&socket, servers[0]).expect("an answer");
            assert_eq!(again, seen[0], "a mapping stays");

            // A stranger knocks, then the host sends to one of its ports, then that one and another knock.
            let [known, unknown] = [0, 1].map(|_| udp(&stranger).expect("a socket"));
            let open = kind == NatKind::FullCone;
            assert_eq!(arrives(&known, seen[0], &socket), open, "{kind:?}");
            let address = known.local_addr().expect("an address");
            let mut buffer = [0; 64];
            socket.send_to(b"out", address).expect("it can be sent");
            let (_, mapped) = known.recv_from(&mut buffer).expect("outwards all goes");
            assert_eq!(mapped == seen[0], kind != NatKind::Symmetric, "{kind:?}");
            assert!(arrives(&known, mapped, &socket), "{kind:?}: back by the way it came");
            assert_eq!(arrives(&unknown, mapped, &socket), open, "{kind:?}");
        }
        if kind == NatKind::PortRestricted {
            neighbours_reach_each_other(&mut nat, &host);
        }
    }
}

/// Two behind the same NAT have the direct way.
fn neighbours_reach_each_other(nat: &mut Nat, host: &Host) {
    let neighbour = nat.host("neighbour").expect("a host");
    let [one, other] = [host, &neighbour].map(|host| udp(host).expect("a socket"));
    assert!(arrives(&one, other.local_addr().expect("an address"), &other));
}

#[test]
fn media_goes_through_the_relay_from_behind_a_symmetric_nat() {
    let directory = scratch("nat-relay").expect("a directory");
    let mut site = Site::new(&directory);
    let server = site.stun()[0];
    let mut nat = site.lab.nat(NatKind::Symmetric).expect("a NAT");
    let socket = udp(&nat.host("inside").expect("a host")).expect("a socket");
    let [user, password] = credentials(&directory, "anna");
    let mut turn = TurnClient::new(&socket, server, &user, &password).expect("a client");
    let relayed = turn.allocate().expect("an allocation");
    assert_eq!(relayed.ip(), server.ip());

    let peer = udp(&site.lab.host("peer").expect("a host")).expect("a socket");
    let address = peer.local_addr().expect("an address");
    assert!(!arrives(&peer, relayed, &socket), "nobody is let in who was not asked for");
    assert_eq!(turn.bind(0x4000, address).expect("an answer"), 0);
    socket.send_to(b"\x40\x00\x00\x05knock", server).expect("sent");
    let mut buffer = [0; 64];
    let (length, from) = peer.recv_from(&mut buffer).expect("it is relayed");
    assert_eq!((&buffer[..length], from), (&b"knock"[..], relayed));
    peer.send_to(b"come in", from).expect("sent");
    let (length, _) = socket.recv_from(&mut buffer).expect("and back");
    assert_eq!(&buffer[..length], b"\x40\x00\x00\x07come in");

    // Neither the server's loopback, nor its own services, nor the network behind the NAT.
    for refused in ["127.0.0.1:7050", "198.51.100.10:5060", "192.168.1.2:9", "100.64.0.1:9"] {
        assert_eq!(
            turn.bind(0x4001, refused.parse().expect("an address")).expect("an answer"),
            403
        );
    }
    let mut guess = TurnClient::new(&socket, server, &user, "guess").expect("a client");
    assert!(guess.allocate().is_err());
    let page = site.services.mixer_metrics().expect("metrics");
    assert_eq!(metric(&page, "parley_turn_allocations", ""), 1.0, "{page}");
    assert_eq!(metric(&page, "parley_turn_relayed_packets_total", ""), 2.0, "{page}");
    assert_eq!(metric(&page, "parley_turn_refused_peers_total", ""), 5.0, "{page}");
    assert_eq!(metric(&page, "parley_turn_refused_credentials_total", ""), 1.0, "{page}");
}

#[test]
fn two_behind_restricting_nats_meet_by_their_mappings_and_symmetric_ones_do_not() {
    let directory = scratch("nat-punching").expect("a directory");
    let mut site = Site::new(&directory);
    let server = site.stun()[0];
    for (kind, meet) in [(NatKind::PortRestricted, true), (NatKind::Symmetric, false)] {
        let sides = ["left", "right"].map(|name| {
            let mut nat = site.lab.nat(kind).expect("a NAT");
            let host = nat.host(&format!("{name}-{kind:?}")).expect("a host");
            let socket = udp(&host).expect("a socket");
            let seen = binding(&socket, server).expect("an answer");
            (nat, socket, seen)
        });
        let [(_left, one, one_seen), (_right, other, other_seen)] = &sides;
        one.send_to(b"open", other_seen).expect("it can be sent");
        other.send_to(b"open", one_seen).expect("it can be sent");
        let mut buffer = [0; 64];
        let first = one.recv_from(&mut buffer).is_ok();
        assert_eq!(first, meet, "{kind:?}");
        assert_eq!(arrives(one, *other_seen, other), meet, "{kind:?}");
    }
}

#[test]
fn a_capture_tells_what_passed_and_a_block_loses_it() {
    let mut lab = Lab::new().expect("a laboratory");
    let [one, other] = ["one", "other"].map(|name| lab.host(name).expect("a host"));
    let capture = Capture::start(&other).expect("a capture");
    let begin = Instant::now();
    let [from, to] = [&one, &other].map(|host| udp(host).expect("a socket"));
    let target = to.local_addr().expect("an address");
    from.send_to(&[0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], target).expect("sent");
    from.send_to(b"MESSAGE sip:a@b SIP/2.0\r\n\r\n", target).expect("sent");
    std::thread::sleep(Duration::from_millis(300));
    let middle = Instant::now();
    let passed = capture.between(begin, middle);
    let kinds: Vec<Kind> = passed.iter().map(|packet| packet.kind.clone()).collect();
    assert_eq!(kinds, [Kind::Rtp, Kind::Request("MESSAGE".to_owned())], "{passed:#?}");
    assert!(passed[0].is_media() && passed[1].is_request("MESSAGE"));
    assert!(passed.iter().all(|packet| packet.destination == target));

    one.block(&format!("udp dport {}", target.port())).expect("nft");
    from.send_to(&[0x80; 12], target).ok();
    std::thread::sleep(Duration::from_millis(300));
    assert!(capture.between(middle, Instant::now()).is_empty());
}

/// A member.
struct Side<'a> {
    name: &'a str,
    host: &'a Host,
    hertz: f64,
}

/// It joins for some seconds, with STUN and these options.
fn join(site: &Site, directory: &Path, uri: &str, side: &Side<'_>, more: &[&str]) -> Softphone {
    join_for(site, directory, uri, side, SECONDS, more)
}

fn join_for(
    site: &Site,
    directory: &Path,
    uri: &str,
    side: &Side<'_>,
    seconds: &str,
    more: &[&str],
) -> Softphone {
    let tone = directory.join(format!("tone-{}.wav", side.name));
    write_tone(&tone, side.hertz, 48_000, 40).expect("a tone");
    let microphone = format!("loop:{}", tone.display());
    let stun = site.stun()[0].to_string();
    let mut arguments =
        vec!["--headless", "--mic", &microphone, "--camera", "none", "--duration", seconds];
    arguments.extend(["--stun", &stun]);
    arguments.extend(more);
    Softphone::join_in(side.host, directory, side.name, uri, &arguments).expect("a softphone")
}

/// Of the relay, unless it is configured otherwise.
const RELAY_PORTS: RangeInclusive<u16> = 50_000..=59_999;

/// How long they stay.
const SECONDS: &str = "10";

/// The kinds of the candidates that the audio went by, ours and the peer's (RFC 8445 §5.1.1).
fn way(report: &serde_json::Value) -> (&str, &str) {
    let line = &report["ice"][0];
    let kind = |of: &str| line[of].as_str().unwrap_or("none");
    (kind("local_kind"), kind("remote_kind"))
}

fn ended(phone: &mut Softphone) -> serde_json::Value {
    phone.report(Duration::from_secs(30)).expect("a report")
}

const LEFT: f64 = 440.0;
const RIGHT: f64 = 730.0;
const VISITOR: f64 = 1130.0;

fn assert_each_hears_the_other(left: &Softphone, right: &Softphone) {
    assert_hears(&left.name, &left.recording(), &[RIGHT], &[LEFT]);
    assert_hears(&right.name, &right.recording(), &[LEFT], &[RIGHT]);
}

/// Two behind the same NAT of each kind, so there is every pair of kinds, and neighbours.
#[test]
fn members_behind_nats_of_every_kind_hear_each_other_in_a_conference() {
    let directory = scratch("nat-conference").expect("a directory");
    let mut site = Site::new(&directory);
    let uri = site.services.conference("nats");
    let (mut nats, mut hosts) = (Vec::new(), Vec::new());
    let mut phones = Vec::new();
    for kind in KINDS {
        let mut nat = site.lab.nat(kind).expect("a NAT");
        for place in ["one", "two"] {
            let name = format!("{kind:?}-{place}").to_lowercase();
            let host = nat.host(&name).expect("a host");
            let hertz = 400.0 + 170.0 * phones.len() as f64;
            let side = Side { name: &name, host: &host, hertz };
            phones.push((join(&site, &directory, &uri, &side, &[]), hertz));
            hosts.push(host);
        }
        nats.push(nat);
    }
    let tones: Vec<f64> = phones.iter().map(|(_, hertz)| *hertz).collect();
    let reports: Vec<_> = phones.iter_mut().map(|(phone, _)| ended(phone)).collect();
    for ((phone, own), report) in phones.iter().zip(&reports) {
        let (local, remote) = way(report);
        println!("{}: {local} to {remote}", phone.name);
        assert_eq!(remote, "host", "the mixer is public: {report:#}");
        assert!(matches!(local, "srflx" | "prflx"), "{report:#}");
        let others: Vec<f64> = tones.iter().copied().filter(|hertz| hertz != own).collect();
        assert_hears(&phone.name, &phone.recording(), &others, &[*own]);
    }
}

#[test]
fn who_reaches_nothing_but_the_turn_port_is_heard_through_it() {
    let directory = scratch("nat-turn-only").expect("a directory");
    let mut site = Site::new(&directory);
    let mut nat = site.lab.nat(NatKind::Symmetric).expect("a NAT");
    // Of UDP, SIP and TURN are let out.
    nat.block("meta l4proto udp th dport 1024-65535 udp dport != { 3478, 5060 } udp sport != { 3478, 5060 }")
        .expect("nft");
    let inside = nat.host("inside").expect("a host");
    let outside = site.lab.host("outside").expect("a host");
    let uri = site.services.conference("turn-only");
    let [user, password] = credentials(&directory, "anna");
    let turn = site.stun()[0].to_string();
    let more = ["--turn", &turn, "--turn-user", &user, "--turn-password", &password];
    let left = Side { name: "left", host: &inside, hertz: LEFT };
    let right = Side { name: "right", host: &outside, hertz: RIGHT };
    let mut left = join(&site, &directory, &uri, &left, &more);
    let mut right = join(&site, &directory, &uri, &right, &[]);
    std::thread::sleep(Duration::from_secs(5));
    let page = site.services.mixer_metrics().expect("metrics");
    assert!(metric(&page, "parley_turn_relayed_packets_total", "") > 50.0, "{page}");
    let report = ended(&mut left);
    ended(&mut right);
    assert_eq!(way(&report), ("relay", "host"), "{report:#}");
    assert_each_hears_the_other(&left, &right);
}

/// Two who can talk directly.
struct Pair {
    name: &'static str,
    /// The one of each; of neighbours the first.
    kinds: [NatKind; 2],
    neighbours: bool,
    /// The kinds of candidates, ours and the peer's, that are right for the audio.
    ways: &'static [(&'static str, &'static str)],
}

const MAPPED: &[(&str, &str)] = &[("srflx", "srflx")];
const MAPPED_ANEW: &[(&str, &str)] = &[("srflx", "prflx"), ("prflx", "srflx")];
const RELAYED: &[(&str, &str)] = &[
    ("relay", "relay"),
    ("relay", "prflx"),
    ("prflx", "relay"),
    ("relay", "srflx"),
    ("srflx", "relay"),
];

const fn pair(
    name: &'static str,
    kinds: [NatKind; 2],
    ways: &'static [(&'static str, &'static str)],
) -> Pair {
    Pair { name, kinds, neighbours: false, ways }
}

const PAIRS: [Pair; 6] = [
    pair("cone-cone", [NatKind::FullCone, NatKind::FullCone], MAPPED),
    pair("restricted-restricted", [NatKind::PortRestricted, NatKind::PortRestricted], MAPPED),
    pair("cone-symmetric", [NatKind::FullCone, NatKind::Symmetric], MAPPED_ANEW),
    pair("restricted-symmetric", [NatKind::PortRestricted, NatKind::Symmetric], RELAYED),
    pair("symmetric-symmetric", [NatKind::Symmetric, NatKind::Symmetric], RELAYED),
    Pair {
        name: "neighbours",
        kinds: [NatKind::PortRestricted, NatKind::PortRestricted],
        neighbours: true,
        ways: &[("host", "host")],
    },
];

/// Two in a conference of their own.
struct Couple {
    pair: Pair,
    phones: [Softphone; 2],
    /// Where they come from, as the server sees it.
    public: Vec<IpAddr>,
    _nats: Vec<Nat>,
    _hosts: [Host; 2],
}

impl Couple {
    fn join(site: &mut Site, directory: &Path, pair: Pair, seconds: &str, turn: bool) -> Self {
        let mut nats = vec![site.lab.nat(pair.kinds[0]).expect("a NAT")];
        if !pair.neighbours {
            nats.push(site.lab.nat(pair.kinds[1]).expect("a NAT"));
        }
        let last = nats.len() - 1;
        let uri = site.services.conference(pair.name);
        let server = site.stun()[0].to_string();
        let hosts = [("left", 0), ("right", last)]
            .map(|(side, nat)| nats[nat].host(&format!("{}-{side}", pair.name)).expect("a host"));
        let sides = [("left", &hosts[0], LEFT), ("right", &hosts[1], RIGHT)];
        let phones = sides.map(|(side, host, hertz)| {
            let name = format!("{}-{side}", pair.name);
            let [user, password] = credentials(directory, &name);
            let more = ["--turn", &server, "--turn-user", &user, "--turn-password", &password];
            let more = if turn { &more[..] } else { &[] };
            let side = Side { name: &name, host, hertz };
            join_for(site, directory, &uri, &side, seconds, more)
        });
        let public = nats.iter().map(|nat| nat.router.ip).collect();
        Self { pair, phones, public, _nats: nats, _hosts: hosts }
    }

    /// What of these packets is media from or to one of the two.
    fn media<'a>(&self, packets: &'a [Packet]) -> Vec<&'a Packet> {
        let ours = |address: &SocketAddr| self.public.contains(&address.ip());
        let all = packets.iter().filter(|packet| packet.is_media());
        all.filter(|packet| ours(&packet.source) || ours(&packet.destination)).collect()
    }

    fn is_relayed(&self) -> bool {
        self.pair.ways == RELAYED
    }
}

/// Waits until a conference is like this.
fn wait_mode(site: &Site, name: &str, limit: Duration, good: impl Fn(&str, &str) -> bool) {
    let begin = Instant::now();
    loop {
        // Before anybody is in there is none.
        let meeting = site.services.meeting(name).unwrap_or_default();
        let text = |key: &str| meeting[key].as_str().unwrap_or_default();
        if good(text("mode"), text("mode_why")) {
            println!(
                "{name} after {:.1?}: {}, {}",
                begin.elapsed(),
                text("mode"),
                text("mode_why")
            );
            return;
        }
        let late = begin.elapsed() > limit;
        assert!(!late, "{name}: {meeting:#}\n{}", site.services.registrar.output());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether the mixer has nothing to do with a conference.
fn is_away_from_mixer(site: &Site, name: &str) -> bool {
    !site
        .services
        .mixer_metrics()
        .expect("metrics")
        .contains(&format!("conference=\"{name}\",leg="))
}

/// The reports of those who still talk directly at the end. Who leaves last of two would be back at the mixer by then; it is
/// stopped now, so nobody can be brought back.
fn ended_directly(site: &Site, couples: &mut [Couple]) -> Vec<[serde_json::Value; 2]> {
    site.services.mixer.signal(Signal::STOP).expect("a signal");
    let reports = couples.iter_mut().map(|couple| couple.phones.each_mut().map(ended)).collect();
    site.services.mixer.signal(Signal::CONT).expect("a signal");
    reports
}

/// The last seconds of what somebody heard.
fn end_of(phone: &Softphone, seconds: usize) -> Recording {
    let mut heard = Recording::read(&phone.recording()).expect("a recording");
    let from = heard.samples.len().saturating_sub(seconds * heard.rate as usize);
    heard.samples.drain(..from);
    heard
}

/// All kinds of pairs at once, each pair in a conference whose media go directly: by the mappings where the NATs let it, by
/// the relay where not. Unless it is relayed nothing of it passes the server; of what is, the mixer knows nothing.
#[test]
fn two_behind_nats_of_every_kind_talk_directly() {
    let directory = scratch("nat-direct").expect("a directory");
    let mut site = Site::new(&directory);
    let mut couples = PAIRS.map(|pair| Couple::join(&mut site, &directory, pair, "11", true));
    for couple in &couples {
        let name = couple.pair.name;
        wait_mode(&site, name, Duration::from_secs(9), |mode, _| mode == "direct");
    }
    let capture = Capture::start(&site.server).expect("a capture");
    std::thread::sleep(Duration::from_secs(3));
    let settled = Instant::now();
    std::thread::sleep(Duration::from_secs(2));
    let passed = capture.between(settled, Instant::now());
    for couple in &couples {
        let media = couple.media(&passed);
        let name = couple.pair.name;
        println!("{name}: {} packets of media pass the server", media.len());
        wait_mode(&site, name, Duration::ZERO, |mode, _| mode == "direct");
        assert!(is_away_from_mixer(&site, name), "{name} has legs at the mixer");
        if couple.is_relayed() {
            let server = site.server.ip;
            let ports = media.iter().map(|packet| match packet.source.ip() == server {
                true => packet.source.port(),
                false => packet.destination.port(),
            });
            let ports: BTreeSet<u16> = ports.collect();
            let relay = |port: &u16| *port == 3478 || RELAY_PORTS.contains(port);
            assert!(media.len() > 100 && ports.iter().all(relay), "{name}: {ports:?}");
        } else {
            assert!(media.is_empty(), "{name}: {:#?}", media.first());
        }
    }
    let reports = ended_directly(&site, &mut couples);
    for (couple, reports) in couples.iter().zip(&reports) {
        let name = couple.pair.name;
        let ways = reports.each_ref().map(way);
        let mirrored = ways[0].0 == "relay" && ways[1].1 == "relay"
            || ways[1].0 == "relay" && ways[0].1 == "relay";
        assert!(mirrored || !couple.is_relayed(), "{name}: each by a relay of its own: {ways:?}");
        for report in reports {
            let way = way(report);
            println!("{name}: {} to {}", way.0, way.1);
            assert!(couple.pair.ways.contains(&way), "{name}: {way:?}: {report:#}");
            assert_eq!(report["call"]["media_path"], "direct", "{name}: {report:#}");
            assert_eq!(report["call"]["media_switches"], 1, "{name}: {report:#}");
        }
        for (phone, other) in couple.phones.iter().zip([RIGHT, LEFT]) {
            // With the mixer its relay was stopped.
            let mut heard = Recording::read(&phone.recording()).expect("a recording");
            heard.samples.truncate(6 * heard.rate as usize);
            let level = heard.tone_level(other);
            assert!(level > -30.0, "{} hears the other at {level:.1} dB", phone.name);
            let level = heard.tone_longest(LEFT + RIGHT - other);
            assert!(level < -38.0, "{} hears itself at {level:.1} dB", phone.name);
        }
    }
}

/// The two whom only a relay could help have none.
#[test]
fn who_cannot_talk_directly_comes_back_to_the_mixer_and_stays() {
    let directory = scratch("nat-failing").expect("a directory");
    let mut site = Site::with(&directory, "direct_again = 1\n");
    let hopeless = pair("hopeless", [NatKind::Symmetric, NatKind::Symmetric], &[]);
    let mut couple = Couple::join(&mut site, &directory, hopeless, "25", false);
    let name = couple.pair.name;
    wait_mode(&site, name, Duration::from_secs(5), |mode, _| mode == "direct");
    // The focus waits five seconds for evidence.
    wait_mode(&site, name, Duration::from_secs(7), |mode, _| mode == "mixer");
    wait_mode(&site, name, Duration::from_secs(12), |mode, why| {
        mode == "mixer" && why == "it was tried twice and did not work"
    });
    let reports = couple.phones.each_mut().map(ended);
    for (report, phone) in reports.iter().zip(&couple.phones) {
        let call = &report["call"];
        assert_eq!(call["state"], "left", "{report:#}");
        assert!(call["duration_s"].as_f64() > Some(24.0), "{report:#}");
        assert_eq!(call["media_path"], "mixer", "{report:#}");
        assert_eq!(call["media_switches"], 4, "{report:#}");
        let own = if phone.name.ends_with("left") { LEFT } else { RIGHT };
        let heard = end_of(phone, 5);
        let level = heard.tone_level(LEFT + RIGHT - own);
        assert!(level > -30.0, "{} hears the other at {level:.1} dB at last", phone.name);
    }
}

#[test]
fn a_third_behind_a_nat_brings_two_to_the_mixer_and_lets_them_go() {
    let directory = scratch("nat-third").expect("a directory");
    let mut site = Site::with(&directory, "direct_again = 1\n");
    let two = pair("third", [NatKind::PortRestricted, NatKind::FullCone], MAPPED);
    let mut couple = Couple::join(&mut site, &directory, two, "16", true);
    let name = couple.pair.name;
    let direct = |mode: &str, _: &str| mode == "direct";
    wait_mode(&site, name, Duration::from_secs(5), direct);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(is_away_from_mixer(&site, name));
    let mut nat = site.lab.nat(NatKind::Symmetric).expect("a NAT");
    let host = nat.host("visitor").expect("a host");
    let side = Side { name: "visitor", host: &host, hertz: VISITOR };
    let uri = site.services.conference(name);
    let mut visitor = join_for(&site, &directory, &uri, &side, "5", &[]);
    wait_mode(&site, name, Duration::from_secs(5), |mode, _| mode == "mixer");
    ended(&mut visitor);
    assert_hears("visitor", &visitor.recording(), &[LEFT, RIGHT], &[VISITOR]);
    wait_mode(&site, name, Duration::from_secs(6), direct);
    std::thread::sleep(Duration::from_secs(1));
    let reports = ended_directly(&site, std::slice::from_mut(&mut couple));
    for (report, phone) in reports[0].iter().zip(&couple.phones) {
        assert_eq!(way(report), MAPPED[0], "{report:#}");
        assert_eq!(report["call"]["media_path"], "direct", "{report:#}");
        assert_eq!(report["call"]["media_switches"], 3, "{report:#}");
        let heard = Recording::read(&phone.recording()).expect("a recording");
        let level = heard.tone_longest(VISITOR);
        assert!(level > -30.0, "{} hears the third at {level:.1} dB", phone.name);
        let other = if phone.name.ends_with("left") { RIGHT } else { LEFT };
        let level = end_of(phone, 2).tone_level(other);
        assert!(level > -30.0, "{} hears the other at {level:.1} dB at last", phone.name);
    }
    let [left, right] = &couple.phones;
    assert_each_hears_the_other(left, right);
}

/// User name and password, as `media-mixer turn-credentials` prints them.
fn credentials(directory: &Path, name: &str) -> [String; 2] {
    let output = Command::new(binary("media-mixer").expect("built"))
        .arg("--config")
        .arg(directory.join("mixer.toml"))
        .args(["turn-credentials", "--name", name, "--ttl", "1h"])
        .output()
        .expect("media-mixer");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ["username: ", "password: "].map(|key| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
            .to_owned()
    })
}
