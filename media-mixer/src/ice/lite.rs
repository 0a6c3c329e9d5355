//! Answering checks (RFC 8445 §7.3).

use std::net::SocketAddr;

use bytes::Bytes;
use is::stun::StunMessage;
use is::{DefaultSha1HmacProvider, Sha1HmacProvider as _};
use sdp::negotiate::RemoteIce;

use super::Credentials;

/// Longer than the longest response we write: header, XOR-MAPPED-ADDRESS of IPv6, integrity, fingerprint.
const RESPONSE: usize = 128;

/// Our side of ICE on one line.
#[derive(Debug, Clone)]
pub(crate) struct LiteAgent {
    local: Credentials,
    peer_ufrag: String,
    peer_pwd: String,
    /// The peer has a second component, for RTCP.
    second: bool,
}

/// A check that was made by who it claims to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    /// To be sent back to where it came from.
    pub(crate) response: Bytes,
    /// It says that this is the place to send to.
    pub(crate) nominated: bool,
}

impl LiteAgent {
    pub(crate) fn new(local: Credentials, peer: &RemoteIce, mux: bool) -> Self {
        let second = !mux && peer.candidates.iter().any(|candidate| candidate.component == 2);
        Self { local, peer_ufrag: peer.ufrag.clone(), peer_pwd: peer.pwd.clone(), second }
    }

    /// Whether this description of the peer is of the same ICE session; if not, it restarts (RFC 8839 §4.4.1.1.1).
    pub(crate) fn is_with(&self, peer: &RemoteIce) -> bool {
        self.peer_ufrag == peer.ufrag && self.peer_pwd == peer.pwd
    }

    /// What the peer must use.
    pub(crate) fn credentials(&self) -> &Credentials {
        &self.local
    }

    /// Whether checks are made on this port: with ICE for RTP alone, RTCP is as without ICE.
    pub(crate) fn checks(&self, rtcp_port: bool) -> bool {
        !rtcp_port || self.second
    }

    /// A STUN message came in. `None` for all but a Binding request that names this line and proves to know our
    /// password. What proves nothing gets no answer: an answer would go to an address that may be forged.
    ///
    /// Whose turn it is to choose is no question: a lite agent never does (RFC 8445 §6.1.1), so ICE-CONTROLLED in a
    /// request, of an agent that has not found out yet, is answered like any other.
    pub(crate) fn check(&self, from: SocketAddr, bytes: &[u8]) -> Option<Check> {
        let message = StunMessage::parse(bytes).ok().filter(StunMessage::is_binding_request)?;
        let (ours, theirs) = message.split_username()?;
        if ours != self.local.ufrag || theirs != self.peer_ufrag {
            return None;
        }
        if !message.verify(self.local.pwd.as_bytes(), hmac) {
            return None;
        }
        let mut buffer = [0; RESPONSE];
        let response = StunMessage::binding_reply(message.trans_id(), from);
        let length = response.to_bytes(Some(self.local.pwd.as_bytes()), &mut buffer, hmac).ok()?;
        let response = Bytes::copy_from_slice(buffer.get(..length)?);
        Some(Check { response, nominated: message.use_candidate() })
    }
}

fn hmac(key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
    DefaultSha1HmacProvider.sha1_hmac(key, payloads)
}

#[cfg(test)]
mod tests {
    use is::stun::TransId;
    use proptest::prelude::*;

    use super::*;

    /// The request of RFC 5769 §2.1: user `evtj:h6vY`, password `VOkJxbRl1RmTxUk/WvJxBt`.
    const SAMPLE_REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\
\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

    /// The responses of RFC 5769 §2.2 and §2.3 are of 192.0.2.1:32853 and this address.
    const MAPPED_V6: &str = "[2001:db8:1234:5678:11:2233:4455:6677]:32853";

    fn agent() -> LiteAgent {
        let local =
            Credentials { ufrag: "evtj".to_owned(), pwd: "VOkJxbRl1RmTxUk/WvJxBt".to_owned() };
        let candidates = Vec::new();
        let (ufrag, pwd) = ("h6vY".to_owned(), "0123456789012345678901".to_owned());
        LiteAgent::new(local, &RemoteIce { ufrag, pwd, lite: false, candidates }, true)
    }

    fn request(user: &str, pwd: &str, nominate: bool) -> Vec<u8> {
        let message = StunMessage::binding_request(user, TransId::new(), true, 7, 99, nominate);
        let mut buffer = [0; 512];
        let length = message.to_bytes(Some(pwd.as_bytes()), &mut buffer, hmac).unwrap();
        buffer[..length].to_vec()
    }

    /// RFC 5769 §2.1, and that what goes back is what §2.2 and §2.3 want: the address, signed with the same password.
    #[test]
    fn rfc_5769_request_is_answered() {
        for address in ["192.0.2.1:32853", MAPPED_V6] {
            let from: SocketAddr = address.parse().unwrap();
            let check = agent().check(from, SAMPLE_REQUEST).unwrap();
            assert!(!check.nominated);
            let response = StunMessage::parse(&check.response).unwrap();
            assert!(response.is_successful_binding_response());
            assert_eq!(response.mapped_address(), Some(from));
            assert!(response.verify(b"VOkJxbRl1RmTxUk/WvJxBt", hmac));
            assert_eq!(&check.response[4..20], &SAMPLE_REQUEST[4..20], "cookie and transaction");
        }
    }

    #[test]
    fn what_proves_nothing_gets_no_answer() {
        let from: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let pwd = "VOkJxbRl1RmTxUk/WvJxBt";
        assert!(agent().check(from, &request("evtj:h6vY", pwd, true)).unwrap().nominated);
        assert_eq!(agent().check(from, &request("evtj:h6vY", "VOkJxbRl1RmTxUk/WvJxB", true)), None);
        assert_eq!(agent().check(from, &request("evtj:other", pwd, true)), None);
        assert_eq!(agent().check(from, &request("h6vY:evtj", pwd, true)), None);
        let mut forged = SAMPLE_REQUEST.to_vec();
        forged[60] ^= 1;
        assert_eq!(agent().check(from, &forged), None);
        let response = agent().check(from, SAMPLE_REQUEST).unwrap().response;
        assert_eq!(agent().check(from, &response), None, "no response to a response");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever comes: no panic, and no answer to what was not signed.
        #[test]
        fn damaged_requests_are_harmless(
            at in prop::collection::vec((0_usize..108, any::<u8>()), 0..6),
            cut in 0_usize..108,
        ) {
            let mut bytes = SAMPLE_REQUEST.to_vec();
            for (at, byte) in &at {
                bytes[*at] = *byte;
            }
            let from: SocketAddr = "192.0.2.1:1".parse().unwrap();
            let _ = agent().check(from, &bytes);
            let _ = agent().check(from, &bytes[..cut]);
            // The same with a length that fits, so that the attributes are read.
            // (Without the fingerprint alone it would still be signed.)
            let mut short = bytes[..(cut.min(96) / 4 * 4).max(20)].to_vec();
            let length = (short.len() - 20) as u16;
            short[..2].copy_from_slice(&[0, 1]);
            short[2..4].copy_from_slice(&length.to_be_bytes());
            short[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
            prop_assert_eq!(agent().check(from, &short), None);
        }

        #[test]
        fn attributes_of_any_type_and_length_are_harmless(
            attributes in prop::collection::vec((any::<u16>(), 0_u16..40, any::<[u8; 36]>()), 0..8),
            known in prop::collection::vec(prop::sample::select(
                vec![1_u16, 6, 8, 9, 0xa, 0xc, 0xd, 0x12, 0x13, 0x14, 0x15, 0x16, 0x20, 0x22, 0x24, 0x25,
                     0x8023, 0x8028, 0x8029, 0x802a, 0xc057]), 8),
            method in 0_u16..0x3fff,
        ) {
            let mut bytes = method.to_be_bytes().to_vec();
            bytes.extend([0, 0, 0x21, 0x12, 0xa4, 0x42]);
            bytes.extend([7; 12]);
            for (index, (any, length, content)) in attributes.iter().enumerate() {
                let kind = if any % 4 == 0 { *any } else { known[index] };
                bytes.extend(kind.to_be_bytes());
                bytes.extend(length.to_be_bytes());
                bytes.extend(content.iter().take(usize::from(length.next_multiple_of(4).min(36))));
            }
            let length = (bytes.len() - 20) as u16;
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            let _ = agent().check("192.0.2.1:1".parse().unwrap(), &bytes);
        }
    }
}
