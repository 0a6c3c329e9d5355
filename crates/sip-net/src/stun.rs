//! Keep-alives of phones over UDP: STUN Binding requests on the SIP port (RFC 5626 §8, RFC 8489).
//!
//! The answer keeps the NAT's mapping open and tells the phone when it has changed, so that it
//! registers anew. Nothing is stored and nobody is authenticated; the answer is 12 or 24 bytes longer
//! than the question.

use std::net::{IpAddr, SocketAddr};

/// RFC 8489 §5.
const COOKIE: u32 = 0x2112_a442;
const HEADER: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];

/// The answer to a datagram from `remote` if it is a Binding request that can be answered as it
/// stands. What carries attributes that must be understood (a USERNAME of ICE, say) is not for us.
pub(crate) fn answer(datagram: &[u8], remote: SocketAddr) -> Option<Vec<u8>> {
    let (header, attributes) = datagram.split_at_checked(HEADER)?;
    let cookie = COOKIE.to_be_bytes();
    let length = usize::from(u16::from_be_bytes([*header.get(2)?, *header.get(3)?]));
    if !header.starts_with(&BINDING_REQUEST)
        || length != attributes.len()
        || header.get(4..8)? != cookie
        || must_be_understood(attributes)?
    {
        return None;
    }
    let mask = header.get(4..)?;
    let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
    let (family, address) = match remote.ip() {
        IpAddr::V4(address) => (1, address.octets().to_vec()),
        IpAddr::V6(address) => (2, address.octets().to_vec()),
    };
    let size = u8::try_from(4 + address.len()).ok()?;
    let port = remote.port().to_be_bytes();
    let xor = |bytes: &[u8]| bytes.iter().zip(mask).map(|(b, m)| b ^ m).collect::<Vec<u8>>();
    let mut answer = [&BINDING_SUCCESS, &[0, 4 + size][..], mask].concat();
    answer.extend([&XOR_MAPPED_ADDRESS[..], &[0, size, 0, family]].concat());
    answer.extend(xor(&port));
    answer.extend(xor(&address));
    Some(answer)
}

/// Whether there is an attribute of the comprehension-required range (RFC 8489 §14); `None` if the
/// attributes cannot be read.
fn must_be_understood(mut attributes: &[u8]) -> Option<bool> {
    while let Some((head, rest)) = attributes.split_first_chunk::<4>() {
        let [kind, _, high, low] = *head;
        if kind < 0x80 {
            return Some(true);
        }
        let padded = usize::from(u16::from_be_bytes([high, low])).next_multiple_of(4);
        attributes = rest.get(padded..)?;
    }
    attributes.is_empty().then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transaction id of RFC 5769, and a request with an optional attribute (SOFTWARE "test").
    const REQUEST: [u8; 28] = [
        0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa,
        0x87, 0xdf, 0xae, 0x80, 0x22, 0, 4, b't', b'e', b's', b't',
    ];

    #[test]
    fn the_mapped_addresses_are_those_of_rfc_5769() {
        // §2.2
        let answered = answer(&REQUEST, "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(answered[..4], [1, 1, 0, 12]);
        assert_eq!(answered[4..20], REQUEST[4..20]);
        assert_eq!(answered[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        // §2.3
        let remote = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        let answered = answer(&REQUEST, remote).unwrap();
        assert_eq!(answered[..4], [1, 1, 0, 24]);
        assert_eq!(
            answered[20..],
            [
                0, 0x20, 0, 0x14, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79,
                0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9
            ]
        );
    }

    #[test]
    fn anything_else_is_not_answered() {
        let remote = "192.0.2.1:32853".parse().unwrap();
        let changed = |at: usize, to: u8| {
            let mut request = REQUEST;
            request[at] = to;
            answer(&request, remote)
        };
        assert!(answer(&REQUEST, remote).is_some());
        for (at, to) in [(0, 1), (1, 0x11), (3, 4), (5, 0), (20, 0), (23, 40)] {
            assert_eq!(changed(at, to), None, "byte {at}");
        }
        for length in 0..REQUEST.len() {
            assert_eq!(answer(&REQUEST[..length], remote), None, "{length} bytes");
        }
        assert_eq!(answer(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n", remote), None);
    }
}
