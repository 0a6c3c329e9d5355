//! A client that says what a test tells it to, and the world around the server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use media_mixer::turn::{Client, Output, PeerRules, RelayId, Server, Settings, Via, credentials};
use media_mixer::{Addresses, Family};
use ring::hmac;

pub const SECRET: &[u8] = b"north";
pub const REALM: &str = "parley";
/// The Unix time at which the tests begin.
pub const WALL: u64 = 1_700_000_000;

pub const ALLOCATE: u16 = 0x003;
pub const REFRESH: u16 = 0x004;
pub const SEND: u16 = 0x016;
pub const DATA: u16 = 0x017;
pub const CREATE_PERMISSION: u16 = 0x008;
pub const CHANNEL_BIND: u16 = 0x009;

/// REQUESTED-TRANSPORT: UDP.
pub const UDP: (u16, &[u8]) = (0x0019, &[17, 0, 0, 0]);

pub fn settings() -> Settings {
    Settings {
        realm: REALM.to_owned(),
        secret: SECRET.to_vec(),
        relayed: Addresses::one("203.0.113.1".parse().unwrap()),
        peers: PeerRules {
            own: vec!["203.0.113.1".parse().unwrap()],
            open: vec![50_000..=59_999],
            ..PeerRules::default()
        },
        max_allocations: 20,
        max_per_user: 3,
        max_permissions: 4,
        bandwidth: 0,
        max_lifetime: Duration::from_secs(3600),
        rate: 1000,
    }
}

/// What a message is made of: its type, and attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub kind: u16,
    pub attributes: Vec<(u16, Vec<u8>)>,
}

impl Message {
    pub fn get(&self, kind: u16) -> Option<&[u8]> {
        self.attributes.iter().find(|(k, _)| *k == kind).map(|(_, value)| value.as_slice())
    }

    /// 0 for a success.
    pub fn error(&self) -> u16 {
        self.get(0x0009).map_or(0, |value| u16::from(value[2]) * 100 + u16::from(value[3]))
    }

    pub fn lifetime(&self) -> u32 {
        u32::from_be_bytes(self.get(0x000d).unwrap().try_into().unwrap())
    }
}

pub fn parse(bytes: &[u8]) -> Message {
    let mut rest = &bytes[20..];
    let mut attributes = Vec::new();
    while !rest.is_empty() {
        let kind = u16::from_be_bytes([rest[0], rest[1]]);
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        attributes.push((kind, rest[4..4 + length].to_vec()));
        rest = &rest[4 + length.next_multiple_of(4)..];
    }
    Message { kind: u16::from_be_bytes([bytes[0], bytes[1]]), attributes }
}

pub fn write(kind: u16, transaction: u64, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend([0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0]);
    bytes.extend(transaction.to_be_bytes());
    for (kind, value) in attributes {
        add(&mut bytes, *kind, value);
    }
    bytes
}

pub fn add(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    bytes.extend(kind.to_be_bytes());
    bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let length = u16::try_from(bytes.len() - 20).unwrap();
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
}

fn hmac_of(key: &[u8], bytes: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[2..4].copy_from_slice(&u16::try_from(length - 20).unwrap().to_be_bytes());
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    hmac::sign(&key, &bytes).as_ref().to_vec()
}

pub fn sign(bytes: &mut Vec<u8>, key: &[u8]) {
    let tag = hmac_of(key, bytes, bytes.len() + 24);
    add(bytes, 0x0008, &tag);
}

/// The value of XOR-PEER-ADDRESS of a message whose transaction id does not matter (IPv4).
pub fn xor(address: &str) -> Vec<u8> {
    let SocketAddr::V4(address) = address.parse().unwrap() else { panic!("IPv4 only") };
    let port = address.port() ^ 0x2112;
    let mask = [0x21, 0x12, 0xa4, 0x42];
    let octets = address.ip().octets().into_iter().zip(mask).map(|(a, b)| a ^ b);
    [0, 1].into_iter().chain(port.to_be_bytes()).chain(octets).collect()
}

/// A server, and one client of it at a time.
pub struct World {
    pub server: Server,
    pub now: Instant,
    pub wall: u64,
    pub client: Client,
    /// User name and password.
    pub user: (String, String),
    /// As the server last told it.
    pub nonce: Vec<u8>,
    pub transaction: u64,
    /// Where relay sockets are, by id.
    pub relays: Vec<(RelayId, u16)>,
    pub closed: Vec<RelayId>,
    /// What was sent from relays: from which, to whom, what.
    pub relayed: Vec<(RelayId, SocketAddr, Vec<u8>)>,
    /// Whether relay sockets can be opened.
    pub ports: bool,
}

impl World {
    #[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
    pub fn new(settings: Settings) -> Self {
        let now = Instant::now();
        let made = credentials(SECRET, "alice", WALL + 86_400);
        Self {
            server: Server::new(now, settings, [7; 32]),
            now,
            wall: WALL,
            client: client("198.51.100.2:4000"),
            user: (made.username, made.password),
            nonce: Vec::new(),
            transaction: 1,
            relays: Vec::new(),
            closed: Vec::new(),
            relayed: Vec::new(),
            ports: true,
        }
    }

    pub fn be(&mut self, name: &str, address: &str) {
        let made = credentials(SECRET, name, WALL + 86_400);
        self.user = (made.username, made.password);
        self.client = client(address);
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.wall += seconds;
        self.server.handle_timeout(self.now);
        self.drain();
    }

    /// What the client is sent for these bytes.
    pub fn send(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.server.handle_client(self.now, self.wall, self.client, bytes);
        self.drain()
    }

    /// What the client is sent when this comes to a relay.
    pub fn arrive(&mut self, relay: usize, from: &str, bytes: &[u8]) -> Vec<Vec<u8>> {
        let relay = self.relays[relay].0;
        self.server.handle_peer(self.now, relay, from.parse().unwrap(), bytes);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut answers = Vec::new();
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { via: Via::Listener(_), bytes, .. } => answers.push(bytes.to_vec()),
                Output::Send { via: Via::Relay(relay), to, bytes } => {
                    self.relayed.push((relay, to, bytes.to_vec()));
                }
                Output::Open { relay, family, .. } => {
                    assert_eq!(family, Family::V4);
                    let port = 50_000 + u16::try_from(self.relays.len()).unwrap();
                    if self.ports {
                        self.relays.push((relay, port));
                    }
                    self.server.relay_opened(self.now, relay, self.ports.then_some(port));
                }
                Output::Close(relay) => self.closed.push(relay),
            }
        }
        answers
    }

    pub fn key(&self) -> [u8; 16] {
        Md5::digest(format!("{}:{REALM}:{}", self.user.0, self.user.1)).into()
    }

    /// A request with credentials; challenged, it is sent again once with the nonce, as clients do.
    pub fn request(&mut self, kind: u16, attributes: &[(u16, &[u8])]) -> Message {
        let answer = self.request_once(kind, attributes);
        if !matches!(answer.error(), 401 | 438) {
            return answer;
        }
        self.nonce = answer.get(0x0015).unwrap().to_vec();
        self.request_once(kind, attributes)
    }

    pub fn request_once(&mut self, kind: u16, attributes: &[(u16, &[u8])]) -> Message {
        self.transaction += 1;
        let bytes = self.signed(kind, attributes);
        let answers = self.send(&bytes);
        let [answer] = &answers[..] else { panic!("{} answers", answers.len()) };
        let parsed = parse(answer);
        if parsed.error() != 401 && parsed.error() != 438 && parsed.get(0x0008).is_some() {
            let covered = answer.len() - 24;
            let tag = hmac_of(&self.key(), &answer[..covered], answer.len());
            assert_eq!(parsed.get(0x0008), Some(&tag[..]), "the answer is signed by the server");
        }
        parsed
    }

    pub fn signed(&self, kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = write(kind, self.transaction, attributes);
        if !self.nonce.is_empty() {
            add(&mut bytes, 0x0006, self.user.0.as_bytes());
            add(&mut bytes, 0x0014, REALM.as_bytes());
            add(&mut bytes, 0x0015, &self.nonce);
            sign(&mut bytes, &self.key());
        }
        bytes
    }

    pub fn allocate(&mut self) -> Message {
        self.request(ALLOCATE, &[UDP])
    }

    pub fn permit(&mut self, peer: &str) -> u16 {
        self.request(CREATE_PERMISSION, &[(0x0012, &xor(peer))]).error()
    }

    pub fn bind(&mut self, number: u16, peer: &str) -> u16 {
        let [high, low] = number.to_be_bytes();
        self.request(CHANNEL_BIND, &[(0x000c, &[high, low, 0, 0]), (0x0012, &xor(peer))]).error()
    }

    /// Sends an indication; what leaves by relays since is in `relayed`.
    pub fn indicate(&mut self, peer: &str, data: &[u8]) {
        self.send(&write(SEND, 0, &[(0x0012, &xor(peer)), (0x0013, data)]));
    }
}

pub fn client(address: &str) -> Client {
    Client { listener: 0, address: address.parse().unwrap() }
}
