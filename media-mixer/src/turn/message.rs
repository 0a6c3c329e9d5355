//! STUN messages as this server reads and writes them, on the crate `rtc-stun`.

use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut as _, Bytes, BytesMut};
use ring::hmac;
use rtc_stun::attributes::*;
use rtc_stun::message::*;
use rtc_stun::xoraddr::XorMappedAddress;

/// The comprehension-required attributes we understand. DONT-FRAGMENT and RESERVATION-TOKEN are not: we cannot do what
/// they ask for, and RFC 8656 §7.2 says to answer 420 then.
const UNDERSTOOD: &[AttrType] = &[
    ATTR_USERNAME,
    ATTR_MESSAGE_INTEGRITY,
    ATTR_MESSAGE_INTEGRITY_SHA256,
    ATTR_REALM,
    ATTR_NONCE,
    ATTR_CHANNEL_NUMBER,
    ATTR_LIFETIME,
    ATTR_XOR_PEER_ADDRESS,
    ATTR_DATA,
    ATTR_EVEN_PORT,
    ATTR_REQUESTED_TRANSPORT,
    ATTR_REQUESTED_ADDRESS_FAMILY,
    // ICE agents ask servers with them now and then; they mean nothing here
    ATTR_PRIORITY,
    ATTR_USE_CANDIDATE,
];

/// A message that was received.
#[derive(Debug)]
pub(super) struct Received {
    message: Message,
    /// How many attributes count: those after MESSAGE-INTEGRITY do not (RFC 8489 §14.5).
    counting: usize,
}

impl Received {
    /// A well-formed message that fills the datagram.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.first()? & 0xc0 != 0 || !is_stun_message(bytes) || !bytes.len().is_multiple_of(4) {
            return None;
        }
        let mut message = Message::new();
        message.unmarshal_binary(bytes).ok()?;
        if MESSAGE_HEADER_SIZE + message.length as usize != bytes.len() {
            return None;
        }
        let attributes = &message.attributes.0;
        let counting = attributes
            .iter()
            .position(|attribute| attribute.typ == ATTR_MESSAGE_INTEGRITY)
            .unwrap_or(attributes.len());
        Some(Self { message, counting })
    }

    pub(super) fn kind(&self) -> MessageType {
        self.message.typ
    }

    pub(super) fn transaction(&self) -> TransactionId {
        self.message.transaction_id
    }

    fn attributes(&self) -> impl Iterator<Item = &RawAttribute> {
        self.message.attributes.0.iter().take(self.counting)
    }

    /// The value of the first attribute of a type.
    pub(super) fn get(&self, kind: AttrType) -> Option<&[u8]> {
        Some(&self.attributes().find(|attribute| attribute.typ == kind)?.value)
    }

    /// The same as text.
    pub(super) fn text(&self, kind: AttrType) -> Option<&str> {
        std::str::from_utf8(self.get(kind)?).ok()
    }

    /// The first octet of an attribute.
    pub(super) fn octet(&self, kind: AttrType) -> Option<u8> {
        self.get(kind)?.first().copied()
    }

    /// LIFETIME, in seconds.
    pub(super) fn lifetime(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(ATTR_LIFETIME)?.try_into().ok()?))
    }

    /// All peers; `None` if there is none, or one that is no address.
    pub(super) fn peers(&self) -> Option<Vec<SocketAddr>> {
        let peers = self
            .attributes()
            .filter(|attribute| attribute.typ == ATTR_XOR_PEER_ADDRESS)
            .map(|attribute| self.address(&attribute.value))
            .collect::<Option<Vec<_>>>()?;
        (!peers.is_empty()).then_some(peers)
    }

    /// XOR-MAPPED-ADDRESS and its kin (RFC 8489 §14.2).
    fn address(&self, value: &[u8]) -> Option<SocketAddr> {
        let mut mask = [0; 16];
        mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        mask[4..].copy_from_slice(&self.message.transaction_id.0);
        let (head, address) = value.split_first_chunk::<4>()?;
        let port = u16::from_be_bytes([head[2] ^ mask[0], head[3] ^ mask[1]]);
        let mut octets = [0; 16];
        for (octet, (value, mask)) in octets.iter_mut().zip(address.iter().zip(mask)) {
            *octet = value ^ mask;
        }
        let ip = match (head[1], address.len()) {
            (1, 4) => IpAddr::from([octets[0], octets[1], octets[2], octets[3]]),
            (2, 16) => IpAddr::from(octets),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// Attributes that must be understood and are not.
    pub(super) fn unknown(&self) -> Vec<AttrType> {
        let mut unknown: Vec<AttrType> = self
            .attributes()
            .map(|attribute| attribute.typ)
            .filter(|kind| kind.required() && !UNDERSTOOD.contains(kind))
            .collect();
        unknown.truncate(16);
        unknown
    }

    /// Whether there is a MESSAGE-INTEGRITY.
    pub(super) fn is_signed(&self) -> bool {
        self.counting < self.message.attributes.0.len()
    }

    /// Whether MESSAGE-INTEGRITY is that of this key (RFC 8489 §14.5: up to it, with the length up to and with it).
    pub(super) fn is_signed_with(&self, key: &[u8]) -> bool {
        let Some(integrity) = self.message.attributes.0.get(self.counting) else { return false };
        let covered: usize = MESSAGE_HEADER_SIZE
            + self
                .attributes()
                .map(|attribute| {
                    ATTRIBUTE_HEADER_SIZE + usize::from(attribute.length).next_multiple_of(4)
                })
                .sum::<usize>();
        let (Some(raw), Ok(length)) = (
            self.message.raw.get(..covered),
            u16::try_from(covered + INTEGRITY - MESSAGE_HEADER_SIZE),
        ) else {
            return false;
        };
        let mut raw = raw.to_vec();
        raw[2..4].copy_from_slice(&length.to_be_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        hmac::verify(&key, &raw, &integrity.value).is_ok()
    }
}

/// Octets of a whole MESSAGE-INTEGRITY.
const INTEGRITY: usize = 24;

/// A message to be sent.
#[derive(Debug)]
pub(super) struct Writer(Message);

impl Writer {
    pub(super) fn success(request: &Received) -> Self {
        Self::answer(request, CLASS_SUCCESS_RESPONSE)
    }

    pub(super) fn error(request: &Received, code: u16, reason: &str) -> Self {
        let mut writer = Self::answer(request, CLASS_ERROR_RESPONSE);
        let [class, number] = [code / 100, code % 100].map(|part| part.to_be_bytes()[1]);
        writer.add(ATTR_ERROR_CODE, &[&[0, 0, class, number], reason.as_bytes()].concat());
        writer
    }

    fn answer(request: &Received, class: MessageClass) -> Self {
        let mut message = Message::new();
        message.typ = MessageType::new(request.kind().method, class);
        message.transaction_id = request.transaction();
        message.write_header();
        Self(message)
    }

    pub(super) fn add(&mut self, kind: AttrType, value: &[u8]) {
        self.0.add(kind, value);
    }

    pub(super) fn address(&mut self, kind: AttrType, address: SocketAddr) {
        let address = XorMappedAddress { ip: address.ip().to_canonical(), port: address.port() };
        // It fails for no address (it counts what `add` writes).
        address.add_to_as(&mut self.0, kind).ok();
    }

    pub(super) fn plain(self) -> Bytes {
        Bytes::from(self.0.raw)
    }

    pub(super) fn signed(mut self, key: &[u8]) -> Bytes {
        let length = self.0.length;
        self.0.length += INTEGRITY as u32;
        self.0.write_length();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        let tag = hmac::sign(&key, &self.0.raw);
        self.0.length = length;
        self.0.add(ATTR_MESSAGE_INTEGRITY, tag.as_ref());
        self.plain()
    }
}

/// A Data indication (RFC 8656 §11.6). Its transaction id only has to differ from others, so `count` does.
pub(super) fn data_indication(count: u64, peer: SocketAddr, data: &[u8]) -> Bytes {
    let mut message = Message::new();
    message.typ = MessageType::new(METHOD_DATA, CLASS_INDICATION);
    message.transaction_id.0[4..].copy_from_slice(&count.to_be_bytes());
    message.write_header();
    let mut writer = Writer(message);
    writer.address(ATTR_XOR_PEER_ADDRESS, peer);
    writer.add(ATTR_DATA, data);
    writer.plain()
}

/// The number and the data of a ChannelData message (RFC 8656 §12.4); padding, which UDP does not need, is tolerated.
pub(super) fn channel_data(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    let number = u16::from_be_bytes([head[0], head[1]]);
    let data = rest.get(..usize::from(u16::from_be_bytes([head[2], head[3]])))?;
    CHANNELS.contains(&number).then_some((number, data))
}

/// Numbers of channels (RFC 8656 §12).
pub(super) const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x4fff;

/// A ChannelData message.
pub(super) fn in_channel(number: u16, data: &[u8]) -> Option<Bytes> {
    let mut bytes = BytesMut::with_capacity(4 + data.len());
    bytes.put_u16(number);
    bytes.put_u16(u16::try_from(data.len()).ok()?);
    bytes.put_slice(data);
    Some(bytes.freeze())
}
