//! `a=rtcp` (RFC 3605): where RTCP goes when not to the port above RTP.

use std::fmt;

use super::{TypedAttribute, split_word};
use crate::session::Connection;

/// `a=rtcp:<port> [<nettype> <addrtype> <address>]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtcp {
    /// UDP port.
    pub port: u16,
    /// The address, when it is not that of the medium.
    pub connection: Option<Connection>,
}

impl TypedAttribute for Rtcp {
    const NAME: &'static str = "rtcp";

    fn from_value(value: &str) -> Option<Self> {
        let (port, address) = split_word(value);
        let words: Vec<&str> = address.split_whitespace().collect();
        let connection = match words.as_slice() {
            [] => None,
            [net_type, address_type, address] => Some(Connection {
                net_type: (*net_type).to_owned(),
                address_type: (*address_type).to_owned(),
                address: (*address).to_owned(),
            }),
            _ => return None,
        };
        Some(Self { port: port.parse().ok()?, connection })
    }
}

impl fmt::Display for Rtcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.connection {
            Some(connection) => write!(f, "{} {connection}", self.port),
            None => write!(f, "{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3605 §2.1
    #[test]
    fn known_answers() {
        for text in ["53020", "53020 IN IP4 126.16.64.4", "53020 IN IP6 2001:2345:6789:ABCD::1"] {
            assert_eq!(Rtcp::from_value(text).unwrap().to_string(), text);
        }
        assert_eq!(Rtcp::from_value("70000"), None);
        assert_eq!(Rtcp::from_value("9 IN IP4"), None);
    }
}
