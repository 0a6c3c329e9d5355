//! The session-level part of a description (RFC 8866 §5).

use std::fmt;
use std::net::IpAddr;

use crate::attribute::Attributes;
use crate::media::MediaDescription;

/// A whole session description (RFC 8866).
///
/// Free text is kept as it came; line breaks and NUL put into a field by code are printed as
/// blanks, so that no value can smuggle a line into a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`
    pub origin: Origin,
    /// `s=`; printed as `-` when empty, because RFC 8866 §5.3 forbids an empty name.
    pub session_name: String,
    /// `i=`
    pub information: Option<String>,
    /// `u=`
    pub uri: Option<String>,
    /// `e=`
    pub emails: Vec<String>,
    /// `p=`
    pub phones: Vec<String>,
    /// `c=` of the session, valid for every medium without its own.
    pub connection: Option<Connection>,
    /// `b=`
    pub bandwidths: Vec<Bandwidth>,
    /// `t=` with their `r=`; printed as one `t=0 0` when empty.
    pub times: Vec<Time>,
    /// `z=`, verbatim.
    pub time_zones: Option<String>,
    /// `k=` (obsolete), verbatim.
    pub key: Option<String>,
    /// Session-level `a=` lines.
    pub attributes: Attributes,
    /// The media descriptions, in order; their index is their identity in offer/answer.
    pub media: Vec<MediaDescription>,
}

impl SessionDescription {
    /// A description with no media: `s=-`, `t=0 0`.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            session_name: "-".to_owned(),
            information: None,
            uri: None,
            emails: Vec::new(),
            phones: Vec::new(),
            connection: None,
            bandwidths: Vec::new(),
            times: vec![Time::UNBOUNDED],
            time_zones: None,
            key: None,
            attributes: Attributes::default(),
            media: Vec::new(),
        }
    }

    /// The connection that holds for the medium at `index`: its own first `c=`, else the session's.
    pub fn connection_of(&self, index: usize) -> Option<&Connection> {
        self.media.get(index)?.connections.first().or(self.connection.as_ref())
    }
}

/// `o=` (RFC 8866 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// User name, `-` when there is none; never contains blanks.
    pub username: String,
    /// sess-id. RFC 3264 §5 keeps it below 2^63; larger numbers saturate.
    pub session_id: u64,
    /// sess-version.
    pub session_version: u64,
    /// Network and unicast address of the machine that made the session.
    pub address: Connection,
}

impl Origin {
    /// An origin of this house; a [`crate::DialogSdp`] replaces it by that of the dialog.
    pub fn new(username: &str, session_id: u64, session_version: u64, address: IpAddr) -> Self {
        let username = match username {
            "" => "-".to_owned(),
            name => name.replace(char::is_whitespace, "_"),
        };
        Self { username, session_id, session_version, address: Connection::ip(address) }
    }
}

/// `c=` (RFC 8866 §5.7), also the address part of `o=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `IN`
    pub net_type: String,
    /// `IP4` or `IP6`
    pub address_type: String,
    /// An address literal or a host name, with the `/ttl/count` of multicast if there is one.
    pub address: String,
}

impl Connection {
    /// The connection of an IP address.
    pub fn ip(address: IpAddr) -> Self {
        Self {
            net_type: "IN".to_owned(),
            address_type: if address.is_ipv4() { "IP4" } else { "IP6" }.to_owned(),
            address: address.to_string(),
        }
    }

    /// The IP address; `None` for a host name or another kind of network.
    pub fn to_ip(&self) -> Option<IpAddr> {
        let literal = self.address.split('/').next().unwrap_or_default();
        literal.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// Whether this is the `0.0.0.0` (or `::`) by which RFC 2543 put a stream on hold.
    pub fn is_unspecified(&self) -> bool {
        self.to_ip().is_some_and(|ip| ip.is_unspecified())
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.net_type, self.address_type, self.address)
    }
}

/// `b=` (RFC 8866 §5.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// `AS` and `CT` count kbit/s, `TIAS` (RFC 3890) bit/s, `RS` and `RR` (RFC 3556) bit/s.
    pub kind: String,
    /// In the unit of `kind`.
    pub value: u64,
}

/// `t=` with its `r=` lines (RFC 8866 §5.9, §5.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1900; 0 = not bounded.
    pub start: u64,
    /// Seconds since 1900; 0 = not bounded.
    pub stop: u64,
    /// The values of the `r=` lines, verbatim.
    pub repeats: Vec<String>,
}

impl Time {
    /// `t=0 0`
    pub const UNBOUNDED: Self = Self { start: 0, stop: 0, repeats: Vec::new() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_knows_its_ip() {
        let c = |address: &str| Connection {
            net_type: "IN".into(),
            address_type: "IP4".into(),
            address: address.into(),
        };
        assert_eq!(c("224.2.1.1/127/3").to_ip(), Some("224.2.1.1".parse().unwrap()));
        assert_eq!(c("fd00::2").to_ip(), Some("fd00::2".parse().unwrap()));
        assert_eq!(c("host.example.com").to_ip(), None);
        assert!(c("0.0.0.0").is_unspecified());
        assert!(c("::").is_unspecified());
        assert_eq!(Connection::ip("::1".parse().unwrap()).to_string(), "IN IP6 ::1");
    }

    #[test]
    fn origin_names_have_no_blanks() {
        let address = "192.0.2.1".parse().unwrap();
        assert_eq!(Origin::new("", 1, 1, address).username, "-");
        assert_eq!(Origin::new("a b", 1, 1, address).username, "a_b");
    }
}
