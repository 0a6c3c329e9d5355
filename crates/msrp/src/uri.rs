//! `msrp:` URIs (RFC 4975 §6).

use std::fmt;

/// The longest URI that is read.
const MAX_URI: usize = 512;

/// An MSRP URI: where somebody listens, and which of its sessions is meant.
#[derive(Debug, Clone)]
pub struct MsrpUri {
    /// `msrps:`, so over TLS.
    pub secure: bool,
    /// Host name or address as written, without a user part; IPv6 in brackets.
    pub host: String,
    /// The port; `None` means 2855.
    pub port: Option<u16>,
    /// The session; case matters.
    pub session: String,
    /// `tcp`, in lower case.
    pub transport: String,
}

impl MsrpUri {
    /// A session of somebody who listens at `host` and `port` for TCP.
    #[must_use]
    pub fn tcp(host: &str, port: u16, session: &str) -> Self {
        let (host, session, transport) = (host.to_owned(), session.to_owned(), "tcp".to_owned());
        MsrpUri { secure: false, host, port: Some(port), session, transport }
    }

    /// Reads one URI.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_URI || !text.is_ascii() {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "msrp" => false,
            "msrps" => true,
            _ => return None,
        };
        let (address, params) = rest.split_once(';')?;
        let (authority, session) = address.split_once('/').unwrap_or((address, ""));
        let transport = params.split(';').next()?.to_ascii_lowercase();
        // A user part says nothing (§6).
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                let port = match after {
                    "" => None,
                    after => Some(after.strip_prefix(':')?),
                };
                (format!("[{host}]"), port)
            }
            None => match place.split_once(':') {
                Some((host, port)) => (host.to_owned(), Some(port)),
                None => (place.to_owned(), None),
            },
        };
        let port = port.map(|port| port.parse().ok()).map_or(Some(None), |port| port.map(Some))?;
        let is_session = |b: u8| b.is_ascii_alphanumeric() || b"-._~+=/".contains(&b);
        let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:%".contains(&b);
        let good = !host.is_empty()
            && host.bytes().all(is_host)
            && session.bytes().all(is_session)
            && !transport.is_empty()
            && transport.bytes().all(|b| b.is_ascii_alphanumeric());
        good.then(|| MsrpUri { secure, host, port, session: session.to_owned(), transport })
    }
}

/// Hosts and transports compare without case, sessions with it, and no port is not 2855 (§6.1).
impl PartialEq for MsrpUri {
    fn eq(&self, other: &Self) -> bool {
        self.secure == other.secure
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.port == other.port
            && self.session == other.session
            && self.transport == other.transport
    }
}

impl Eq for MsrpUri {}

impl fmt::Display for MsrpUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "msrps" } else { "msrp" };
        write!(f, "{scheme}://{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if !self.session.is_empty() {
            write!(f, "/{}", self.session)?;
        }
        write!(f, ";{}", self.transport)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_read_and_written() {
        for (text, written) in [
            ("msrp://host.example.com:8493/asfd34;tcp", "msrp://host.example.com:8493/asfd34;tcp"),
            ("msrps://u@h:1/s;TCP;x=y", "msrps://h:1/s;tcp"),
            ("MSRP://[2001:db8::1]:2855/a+b=c/d;tcp", "msrp://[2001:db8::1]:2855/a+b=c/d;tcp"),
            ("msrp://h;tcp", "msrp://h;tcp"),
        ] {
            assert_eq!(MsrpUri::parse(text).unwrap().to_string(), written);
        }
        for bad in [
            "",
            "sip:a@h",
            "msrp://h/s",
            "msrp://h:x/s;tcp",
            "msrp:///s;tcp",
            "msrp://[::1/s;tcp",
            "msrp://h:99999/s;tcp",
            "msrp://h/s;",
            "msrp://h/a b;tcp",
            "msrp://h/\u{e9};tcp",
        ] {
            assert!(MsrpUri::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn hosts_compare_without_case_and_sessions_with_it() {
        let uri = |text: &str| MsrpUri::parse(text).unwrap();
        assert_eq!(uri("msrp://Host:1/s;tcp"), uri("msrp://hOST:1/s;TCP"));
        assert_ne!(uri("msrp://h:1/s;tcp"), uri("msrp://h:1/S;tcp"));
        assert_ne!(uri("msrp://h/s;tcp"), uri("msrp://h:2855/s;tcp"));
    }
}
