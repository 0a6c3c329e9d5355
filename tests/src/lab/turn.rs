//! As much of a TURN client as shows what a server does: one request at a time, over IPv4.

use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context as _, Result, bail};
use md5::{Digest as _, Md5};
use ring::hmac;
use rtc_stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_ERROR_CODE, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM,
    ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS,
};
use rtc_stun::message::{
    CLASS_REQUEST, METHOD_ALLOCATE, METHOD_CHANNEL_BIND, Message, MessageType, Method,
};
use rtc_stun::xoraddr::XorMappedAddress;

/// Long enough for any answer to a request here.
const LARGEST: usize = 1500;

/// A client of one allocation, on a socket of a test.
#[derive(Debug)]
pub struct TurnClient<'a> {
    socket: &'a UdpSocket,
    server: SocketAddr,
    username: String,
    password: String,
    realm: Vec<u8>,
    nonce: Vec<u8>,
}

impl<'a> TurnClient<'a> {
    /// With these credentials; it asks for the challenge at once.
    pub fn new(
        socket: &'a UdpSocket,
        server: SocketAddr,
        username: &str,
        password: &str,
    ) -> Result<Self> {
        let mut client = Self {
            socket,
            server,
            username: username.to_owned(),
            password: password.to_owned(),
            realm: Vec::new(),
            nonce: Vec::new(),
        };
        let answer = client.ask(client.request(METHOD_ALLOCATE))?;
        client.realm = answer.get(ATTR_REALM).context("no realm")?;
        client.nonce = answer.get(ATTR_NONCE).context("no nonce")?;
        Ok(client)
    }

    /// Allocate: the relayed address.
    pub fn allocate(&mut self) -> Result<SocketAddr> {
        let mut request = self.request(METHOD_ALLOCATE);
        request.add(ATTR_REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        let answer = self.ask(self.signed(request))?;
        if let code @ 1.. = error(&answer) {
            bail!("Allocate is answered {code}");
        }
        let mut address = XorMappedAddress::default();
        address.get_from_as(&answer, ATTR_XOR_RELAYED_ADDRESS)?;
        Ok(SocketAddr::new(address.ip, address.port))
    }

    /// ChannelBind: 0, or the code of the error.
    pub fn bind(&mut self, number: u16, peer: SocketAddr) -> Result<u16> {
        let mut request = self.request(METHOD_CHANNEL_BIND);
        let [high, low] = number.to_be_bytes();
        request.add(ATTR_CHANNEL_NUMBER, &[high, low, 0, 0]);
        let peer = XorMappedAddress { ip: peer.ip(), port: peer.port() };
        peer.add_to_as(&mut request, ATTR_XOR_PEER_ADDRESS)?;
        Ok(error(&self.ask(self.signed(request))?))
    }

    fn request(&self, method: Method) -> Message {
        let mut message = Message::new();
        message.typ = MessageType::new(method, CLASS_REQUEST);
        message.transaction_id = rtc_stun::message::TransactionId::new();
        message.write_header();
        message
    }

    fn signed(&self, mut message: Message) -> Message {
        message.add(ATTR_USERNAME, self.username.as_bytes());
        message.add(ATTR_REALM, &self.realm);
        message.add(ATTR_NONCE, &self.nonce);
        let realm = String::from_utf8_lossy(&self.realm);
        let key = Md5::digest(format!("{}:{realm}:{}", self.username, self.password));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
        // RFC 8489 §14.5: the length counts the 24 octets that are to follow.
        message.length += 24;
        message.write_length();
        let tag = hmac::sign(&key, &message.raw);
        message.length -= 24;
        message.add(ATTR_MESSAGE_INTEGRITY, tag.as_ref());
        message
    }

    fn ask(&self, request: Message) -> Result<Message> {
        self.socket.send_to(&request.raw, self.server)?;
        let mut buffer = [0; LARGEST];
        let (length, _) = self.socket.recv_from(&mut buffer).context("no answer")?;
        let mut answer = Message::new();
        answer.unmarshal_binary(&buffer[..length])?;
        if answer.transaction_id != request.transaction_id {
            bail!("an answer to something else");
        }
        Ok(answer)
    }
}

/// The code of an error response, 0 of a success.
fn error(answer: &Message) -> u16 {
    match answer.get(ATTR_ERROR_CODE).as_deref() {
        Ok([_, _, class, number, ..]) => u16::from(*class) * 100 + u16::from(*number),
        _ => 0,
    }
}
