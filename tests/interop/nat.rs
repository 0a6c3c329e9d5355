//! NATs of each kind, in a laboratory of network namespaces: what they do to STUN, and who hears whom through them.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use system_tests::lab::{Capture, Host, Kind, Lab, Nat, NatKind, TurnClient, binding, udp};
use system_tests::services::{Services, binary, metric, scratch};

const KINDS: [NatKind; 3] = [NatKind::FullCone, NatKind::PortRestricted, NatKind::Symmetric];

/// STUN and TURN at both addresses of the server.
const TURN: &str = "[turn]\nlisten = [\"198.51.100.10:3478\", \"198.51.100.19:3478\"]\n\
    relay_address = \"198.51.100.10\"\nsecret = \"north\"\n";

/// A server with two addresses, and our services on it.
struct Site {
    lab: Lab,
    services: Services,
}

impl Site {
    fn new(directory: &Path) -> Self {
        let mut lab = Lab::new().expect("a laboratory");
        let server = lab.host("server").expect("a host");
        server.add_address("198.51.100.19").expect("a second address");
        let services = Services::start_in(&server, directory, TURN, "").expect("services");
        Self { lab, services }
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
