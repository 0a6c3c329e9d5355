//! Via (RFC 3261 §20.42).

use super::grammar;
use super::params::Params;
use super::uri::{self, Host};
use std::fmt;

/// One Via value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Via {
    /// The transport token, upper case: `UDP`, `TCP`, `TLS`, `WS`, `WSS` or an extension.
    pub transport: String,
    /// The host of sent-by.
    pub host: Host,
    /// The port of sent-by.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport`, …
    pub params: Params,
}

/// What a branch made by RFC 3261 rules begins with (§8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

impl Via {
    /// `SIP/2.0/transport host:port;branch=…;rport` (RFC 3581 asks every client for `rport`).
    pub fn new(transport: &str, host: Host, port: Option<u16>, branch: &str) -> Via {
        let mut params = Params::default();
        params.set("branch", branch);
        params.set_flag("rport");
        Via { transport: transport.to_owned(), host, port, params }
    }

    /// Reads one value; white space around the slashes is allowed.
    pub fn parse(text: &str) -> Option<Via> {
        Via::read(text).filter(|(_, version)| *version == "2.0").map(|(via, _)| via)
    }

    /// Reads one value of any version of SIP, to answer 505 to where it leads.
    pub(crate) fn of_any_version(text: &str) -> Option<Via> {
        Via::read(text).map(|(via, _)| via)
    }

    fn read(text: &str) -> Option<(Via, &str)> {
        let mut parts = text.splitn(3, '/');
        let name = grammar::trim(parts.next()?);
        let version = grammar::trim(parts.next()?);
        if !name.eq_ignore_ascii_case("SIP") {
            return None;
        }
        let rest = grammar::trim(parts.next()?);
        let (transport, rest) = rest.split_once([' ', '\t'])?;
        if !grammar::is_token(transport) {
            return None;
        }
        let (sent_by, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = uri::host_port(sent_by)?;
        let transport = transport.to_ascii_uppercase();
        Some((Via { transport, host, port, params: Params::parse(params)? }, version))
    }

    /// The branch, if it is not empty.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch").filter(|b| !b.is_empty())
    }

    /// The branch if it was made by RFC 3261 rules and so names the transaction alone (§17.2.3).
    pub fn rfc3261_branch(&self) -> Option<&str> {
        // the cookie is compared without case, like every token that is not said to be otherwise
        let is_cookie = |b: &&str| {
            b.get(..MAGIC_COOKIE.len()).is_some_and(|c| c.eq_ignore_ascii_case(MAGIC_COOKIE))
        };
        self.branch().filter(is_cookie).filter(|b| b.len() > MAGIC_COOKIE.len())
    }

    /// `host:port` of sent-by, with the port only if it was there.
    pub fn sent_by(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}{}", self.transport, self.sent_by(), self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_via() {
        let via = Via::parse("SIP / 2.0 / udp  first.example.com: 4000;ttl=16 ;branch=z9hG4bKa7")
            .unwrap();
        assert_eq!((via.transport.as_str(), via.port), ("UDP", Some(4000)));
        assert_eq!(via.to_string(), "SIP/2.0/UDP first.example.com:4000;ttl=16;branch=z9hG4bKa7");
        assert_eq!(via.rfc3261_branch(), Some("z9hG4bKa7"));
        assert_eq!(Via::parse("SIP/2.0/TCP [::1];branch=Z9HG4BKx").unwrap().sent_by(), "[::1]");
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/3.0/UDP h",
            "HTTP/2.0/UDP h",
            "SIP/2.0/UDP h:99999",
            "SIP/2.0/U,D h",
        ] {
            assert_eq!(Via::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn branches_without_cookie_name_no_transaction() {
        let branch = |text: &str| {
            let via = Via::parse(&format!("SIP/2.0/UDP h{text}")).unwrap();
            via.rfc3261_branch().map(str::to_owned)
        };
        assert_eq!(branch(""), None);
        assert_eq!(branch(";branch="), None);
        assert_eq!(branch(";branch=1"), None);
        assert_eq!(branch(";branch=z9hG4bK"), None);
        assert_eq!(branch(";branch=Z9hG4bK1").as_deref(), Some("Z9hG4bK1"));
    }
}
