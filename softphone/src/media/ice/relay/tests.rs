//! The client against a server that is a few lines of test.

use rtc_stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME};
use rtc_stun::error_code::{ErrorCode, ErrorCodeAttribute};
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    BINDING_SUCCESS, CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_SUCCESS_RESPONSE, Getter as _,
    METHOD_ALLOCATE, METHOD_BINDING, METHOD_CREATE_PERMISSION, METHOD_DATA, METHOD_SEND, Message,
    MessageType, Setter,
};
use rtc_stun::textattrs::TextAttribute;
use rtc_stun::xoraddr::XorMappedAddress;
use rtc_turn::proto::data::Data;
use rtc_turn::proto::lifetime::Lifetime;
use rtc_turn::proto::peeraddr::PeerAddress;
use rtc_turn::proto::relayaddr::RelayedAddress;

use super::*;

const SERVER: &str = "203.0.113.1:3478";
const RELAYED: &str = "203.0.113.1:50000";
const PEER: &str = "198.51.100.7:4000";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Knows one account, gives one address.
#[derive(Default)]
struct Server {
    refuses: bool,
    permitted: Vec<SocketAddr>,
    relayed: Vec<(SocketAddr, Vec<u8>)>,
}

impl Server {
    fn answer(&mut self, bytes: &Bytes) -> Option<Bytes> {
        let mut request = Message::new();
        request.raw = bytes.to_vec();
        request.decode().unwrap();
        let (method, id) = (request.typ.method, request.transaction_id);
        let mut response = Message::new();
        let success = MessageType::new(method, CLASS_SUCCESS_RESPONSE);
        let failure = MessageType::new(method, CLASS_ERROR_RESPONSE);
        if method == METHOD_BINDING {
            let outside = XorMappedAddress { ip: at(PEER).ip(), port: 61_000 };
            response.build(&[Box::new(id), Box::new(BINDING_SUCCESS), Box::new(outside)]).unwrap();
            return Some(Bytes::from(response.raw));
        }
        let mut peer = PeerAddress::default();
        let peer = peer.get_from(&request).ok().map(|()| SocketAddr::new(peer.ip, peer.port));
        if method == METHOD_SEND {
            let mut data = Data::default();
            data.get_from(&request).unwrap();
            self.relayed.push((peer.unwrap(), data.0));
            return None;
        }
        let crypto = rtc_crypto::default_provider().unwrap();
        let key = MessageIntegrity::long_term_integrity_key(
            "alice".to_owned(),
            "parley".to_owned(),
            "secret".to_owned(),
            crypto.crypto(),
        );
        let signed = MessageIntegrity::check(&mut request, &key.unwrap(), crypto.crypto()).is_ok();
        let named = TextAttribute::get_from_as(&request, ATTR_USERNAME)
            .is_ok_and(|name| name.text == "alice");
        let answer: Vec<Box<dyn Setter>> = if !(signed && named) || self.refuses {
            vec![
                Box::new(id),
                Box::new(failure),
                Box::new(ErrorCodeAttribute { code: ErrorCode(401), reason: b"no".to_vec() }),
                Box::new(TextAttribute::new(ATTR_REALM, "parley".to_owned())),
                Box::new(TextAttribute::new(ATTR_NONCE, "nonce".to_owned())),
            ]
        } else if method == METHOD_ALLOCATE {
            let relayed = RelayedAddress { ip: at(RELAYED).ip(), port: at(RELAYED).port() };
            let lifetime = Lifetime(Duration::from_secs(600));
            vec![Box::new(id), Box::new(success), Box::new(relayed), Box::new(lifetime)]
        } else {
            if method == METHOD_CREATE_PERMISSION {
                self.permitted.push(peer.unwrap());
            }
            vec![Box::new(id), Box::new(success), Box::new(Lifetime(Duration::from_secs(600)))]
        };
        response.build(&answer).unwrap();
        Some(Bytes::from(response.raw))
    }

    /// Lets both talk until neither has anything to say.
    fn exchange(&mut self, now: Instant, relay: &mut Relay) {
        while let Some((to, bytes)) = relay.poll_transmit() {
            assert_eq!(to, at(SERVER));
            // data in a channel, which this server does not know, is no STUN
            let stun = bytes.first().is_some_and(|first| *first < 4);
            if let Some(answer) = stun.then(|| self.answer(&bytes)).flatten() {
                relay.handle_datagram(now, at(SERVER), &answer);
            }
        }
    }
}

fn relay(now: Instant, password: &str) -> Relay {
    let server = Some(at(SERVER));
    let config = RelayConfig {
        stun: server,
        turn: server,
        user: "alice".to_owned(),
        password: password.to_owned(),
    };
    assert!(!format!("{config:?}").contains("secret"));
    Relay::new(now, at("10.0.0.1:4000"), config).unwrap()
}

#[test]
fn an_allocation_is_asked_for_with_the_password_and_data_goes_both_ways() {
    let now = Instant::now();
    let (mut server, mut relay) = (Server::default(), relay(now, "secret"));
    server.exchange(now, &mut relay);
    assert!(relay.is_ready() && relay.failed().is_none());
    assert_eq!(relay.reflexive(), Some(at("198.51.100.7:61000")));
    assert_eq!(relay.relayed(), Some(at(RELAYED)));
    relay.permit(now, at(PEER));
    server.exchange(now, &mut relay);
    assert_eq!(server.permitted, [at(PEER)]);
    relay.send(now, at(PEER), b"hello");
    server.exchange(now, &mut relay);
    assert_eq!(server.relayed, [(at(PEER), b"hello".to_vec())]);
    let mut message = Message::new();
    let peer = PeerAddress { ip: at(PEER).ip(), port: at(PEER).port() };
    let parts: [Box<dyn Setter>; 3] = [
        Box::new(MessageType::new(METHOD_DATA, CLASS_INDICATION)),
        Box::new(peer),
        Box::new(Data(b"world".to_vec())),
    ];
    message.build(&parts).unwrap();
    relay.handle_datagram(now, at(SERVER), &Bytes::from(message.raw));
    assert_eq!(relay.poll_received(), Some((at(PEER), Bytes::from_static(b"world"))));
    // It is asked again long before the ten minutes are over.
    let due = relay.poll_timeout().unwrap();
    assert!(due <= now + Duration::from_secs(60));
    relay.handle_timeout(due);
    assert!(relay.poll_transmit().is_some());
    for noise in [&b""[..], b"\x00\x01", b"\x40\x00\x00\xff", &[0xff; 40]] {
        relay.handle_datagram(now, at(SERVER), &Bytes::copy_from_slice(noise));
    }
}

#[test]
fn a_server_that_refuses_or_is_silent_costs_only_its_candidates() {
    let now = Instant::now();
    let (mut server, mut relay) = (Server { refuses: true, ..Server::default() }, relay(now, "x"));
    server.exchange(now, &mut relay);
    assert!(relay.is_ready() && relay.relayed().is_none() && relay.failed().is_some());
    assert!(relay.reflexive().is_some(), "it is a STUN server all the same");
    relay.send(now, at(PEER), b"lost");

    let mut silent = self::relay(now, "secret");
    let mut time = now;
    while let Some(due) = silent.poll_timeout().filter(|_| !silent.is_ready()) {
        time = time.max(due);
        silent.handle_timeout(time);
        while silent.poll_transmit().is_some() {}
        assert!(time < now + Duration::from_secs(300), "for ever");
    }
    assert!(silent.relayed().is_none() && silent.reflexive().is_none());
}
