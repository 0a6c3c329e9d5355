//! SIP and SIPS URIs (RFC 3261 §19.1), and other schemes kept as they are.

use super::grammar;
use super::params::{Param, Params};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A host: a name or an address. Names are kept in lower case, so `==` compares as DNS does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A domain name, lower case.
    Name(String),
    /// An address; IPv6 is written in brackets.
    Ip(IpAddr),
}

impl Host {
    /// Reads a name, an IPv4 address or an IPv6 reference in brackets.
    pub fn parse(text: &str) -> Option<Host> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']')?;
            // the grammar of RFC 3261 lets `:::` come before an IPv4 tail (RFC 5118 §4.10)
            let address =
                inner.parse::<Ipv6Addr>().or_else(|_| inner.replacen(":::", "::", 1).parse());
            return Some(Host::Ip(address.ok()?.into()));
        }
        if let Ok(address) = text.parse() {
            // a bare IPv6 address is outside the grammar, but some clients put it into `received`
            return Some(Host::Ip(address));
        }
        let ok = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        (!text.is_empty() && text.len() <= 255 && text.bytes().all(ok))
            .then(|| Host::Name(text.to_ascii_lowercase()))
    }

    /// The address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Ip(ip) => Some(*ip),
            Host::Name(_) => None,
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Host {
        Host::Ip(ip)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// Reads `host[:port]`; white space around the colon is allowed (Via does so).
pub(crate) fn host_port(text: &str) -> Option<(Host, Option<u16>)> {
    let text = grammar::trim(text);
    let colon = match text.rfind(']') {
        Some(end) => text.get(end..)?.find(':').map(|at| end + at),
        None => text.find(':'),
    };
    let Some(colon) = colon else { return Some((Host::parse(text)?, None)) };
    let port = grammar::decimal(grammar::trim(text.get(colon + 1..)?))?;
    Some((Host::parse(grammar::trim(text.get(..colon)?))?, Some(u16::try_from(port).ok()?)))
}

/// The scheme of a URI, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// Any other, such as `tel` or `urn`.
    Other(String),
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Other(name) => name,
        })
    }
}

/// A URI. `==` compares field by field; use [`Uri::is_equivalent`] for the rules of RFC 3261.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uri {
    /// The scheme.
    pub scheme: Scheme,
    /// The user part in canonical escaped form: only what must be escaped is, with upper-case
    /// hexadecimal. So equal users are equal strings. See [`Uri::user_text`] to show it.
    pub user: Option<String>,
    /// The password, escaped like the user. Its use is discouraged (RFC 3261 §19.1.1).
    pub password: Option<String>,
    /// The host. An empty name for other schemes.
    pub host: Host,
    /// The port. Absent is not the same as 5060 (RFC 3261 §19.1.4).
    pub port: Option<u16>,
    /// URI parameters (those inside `<>`), as on the wire.
    pub params: Params,
    /// The `?name=value` headers, as on the wire.
    pub headers: Vec<(String, String)>,
    /// Everything after the colon, for schemes other than `sip` and `sips`; then the fields above
    /// are empty.
    pub opaque: Option<String>,
}

impl Uri {
    /// `sip:user@host:port`, or without user.
    pub fn sip(user: Option<&str>, host: Host, port: Option<u16>) -> Uri {
        Uri {
            scheme: Scheme::Sip,
            user: user.map(|u| escape(u, USER_EXTRA)),
            password: None,
            host,
            port,
            params: Params::default(),
            headers: Vec::new(),
            opaque: None,
        }
    }

    /// Reads a URI without angle brackets.
    pub fn parse(text: &str) -> Option<Uri> {
        let text = grammar::trim(text);
        if text.bytes().any(|b| b <= b' ' || b"<>\"\x7f".contains(&b)) {
            return None;
        }
        let (scheme, rest) = text.split_once(':')?;
        let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !scheme_ok || rest.is_empty() {
            return None;
        }
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "sip" => Scheme::Sip,
            "sips" => Scheme::Sips,
            other => {
                let empty = Host::Name(String::new());
                let blank = Uri::sip(None, empty, None);
                let scheme = Scheme::Other(other.to_owned());
                return Some(Uri { scheme, opaque: Some(rest.to_owned()), ..blank });
            }
        };
        // `;` and `?` may stand in the user part, so the user is cut off first; a second `@` must
        // be escaped (RFC 3261 §25.1), and guessing which one counts would be a security hole
        let (userinfo, rest) = match rest.split_once('@') {
            Some((_, rest)) if rest.contains('@') => return None,
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (user, password) = match userinfo {
            Some(text) => {
                let (user, password) = match text.split_once(':') {
                    Some((user, password)) => (user, Some(escape(password, PASSWORD_EXTRA))),
                    None => (text, None),
                };
                if user.is_empty() {
                    return None;
                }
                (Some(escape(user, USER_EXTRA)), password)
            }
            None => (None, None),
        };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, uri_headers(headers)?),
            None => (rest, Vec::new()),
        };
        let (hostport, params) = match rest.split_once(';') {
            Some((hostport, params)) => (hostport, Params::parse(params)?),
            None => (rest, Params::default()),
        };
        let (host, port) = host_port(hostport)?;
        Some(Uri { scheme, user, password, host, port, params, headers, opaque: None })
    }

    /// Whether the scheme is `sip` or `sips`.
    pub fn is_sip(&self) -> bool {
        !matches!(self.scheme, Scheme::Other(_))
    }

    /// The user part with escapes decoded, to show to people or to look up an account. Bytes that
    /// are no UTF-8 become U+FFFD.
    pub fn user_text(&self) -> Option<String> {
        self.user.as_deref().map(unescape)
    }

    /// This URI with the parameter `name` set to `value`.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Uri {
        self.params.set(name, value);
        self
    }

    /// The key of an address of record (RFC 3261 §10.3 step 5): scheme, user, host and port, no
    /// parameters, headers or password. Two spellings of one address give the same text.
    pub fn aor(&self) -> String {
        if let Some(opaque) = &self.opaque {
            return format!("{}:{opaque}", self.scheme);
        }
        let blank = Uri::sip(None, self.host.clone(), self.port);
        Uri { scheme: self.scheme.clone(), user: self.user.clone(), ..blank }.to_string()
    }

    /// Whether both name the same resource by RFC 3261 §19.1.4. Not transitive: unknown parameters
    /// count only when both have them.
    pub fn is_equivalent(&self, other: &Uri) -> bool {
        let main = self.scheme == other.scheme
            && self.user == other.user
            && self.password == other.password
            && self.host == other.host
            && self.port == other.port
            && self.opaque == other.opaque;
        main && params_agree(&self.params, &other.params)
            && params_agree(&other.params, &self.params)
            && headers_agree(&self.headers, &other.headers)
            && headers_agree(&other.headers, &self.headers)
    }
}

/// A parameter of these names must be on both sides or on none. `transport` follows the examples of
/// RFC 3261 §19.1.4: a URI with it does not match one without.
const MUST_PAIR: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

fn params_agree(a: &Params, b: &Params) -> bool {
    a.iter().all(|Param { name, value }| match b.has(name) {
        true => {
            let fold = |v: Option<&str>| v.map(|v| unescape(v).to_ascii_lowercase());
            fold(value.as_deref()) == fold(b.get(name))
        }
        false => !MUST_PAIR.iter().any(|m| m.eq_ignore_ascii_case(name)),
    })
}

fn headers_agree(a: &[(String, String)], b: &[(String, String)]) -> bool {
    a.iter().all(|(name, value)| {
        b.iter().any(|(n, v)| n.eq_ignore_ascii_case(name) && unescape(v) == unescape(value))
    })
}

fn uri_headers(text: &str) -> Option<Vec<(String, String)>> {
    let pieces = text.split('&').filter(|piece| !piece.is_empty());
    let pair = |piece: &str| {
        let (name, value) = piece.split_once('=')?;
        (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    let headers: Option<Vec<_>> = pieces.map(pair).collect();
    headers.filter(|h| h.len() <= 64)
}

/// What may stand unescaped in a user besides `unreserved` (`user-unreserved`).
const USER_EXTRA: &[u8] = b"&=+$,;?/";
/// The same for a password.
const PASSWORD_EXTRA: &[u8] = b"&=+$,";

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    match bytes {
        [b'%', high, low, ..] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    }
}

/// The canonical escaped form of `text`, which may already hold escapes: characters that need none
/// are written plainly, except that an escape of a reserved character stays one.
fn escape(text: &str, extra: &[u8]) -> String {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, escaped) = match hex_pair(rest) {
            Some(byte) => {
                rest = rest.get(3..).unwrap_or_default();
                (byte, true)
            }
            None => {
                rest = tail;
                (byte, false)
            }
        };
        if unreserved(byte) || (!escaped && extra.contains(&byte)) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `text` with its escapes decoded.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        match hex_pair(rest) {
            Some(byte) => {
                out.push(byte);
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(opaque) = &self.opaque {
            return write!(f, "{}:{opaque}", self.scheme);
        }
        write!(f, "{}:", self.scheme)?;
        if let Some(user) = &self.user {
            // a hand-made user may hold anything; escaping a canonical one changes nothing
            f.write_str(&escape(user, USER_EXTRA))?;
            if let Some(password) = &self.password {
                write!(f, ":{}", escape(password, PASSWORD_EXTRA))?;
            }
            f.write_str("@")?;
        }
        write!(f, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        for (at, (name, value)) in self.headers.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn equivalence_as_in_rfc_3261_section_19_1_4() {
        let same: [&[&str]; 4] = [
            &["sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"],
            &["sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"],
            &[
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ],
            &[
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ],
        ];
        for pair in same {
            assert!(uri(pair[0]).is_equivalent(&uri(pair[1])), "{pair:?}");
            assert!(uri(pair[1]).is_equivalent(&uri(pair[0])), "{pair:?}");
        }
        let different = [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:a@h;x=1", "sip:a@h;x=2"),
            ("sip:a@h", "sips:a@h"),
            ("sip:a@h", "sip:a:pw@h"),
            ("sip:a@h", "sip:h"),
            ("sip:a%40b@h", "sip:a&b@h"),
        ];
        for (a, b) in different {
            assert!(!uri(a).is_equivalent(&uri(b)), "{a} {b}");
            assert!(!uri(b).is_equivalent(&uri(a)), "{b} {a}");
        }
        // not transitive, as the RFC itself says
        let (a, b, c) = (uri("sip:c@h;security=on"), uri("sip:c@h"), uri("sip:c@h;security=off"));
        assert!(a.is_equivalent(&b) && b.is_equivalent(&c) && !a.is_equivalent(&c));
    }

    #[test]
    fn one_spelling_of_a_user() {
        assert_eq!(uri("sip:%61%6c%3b@H").to_string(), "sip:al%3B@h");
        assert_eq!(uri("sip:a#b@h").to_string(), "sip:a%23b@h", "phones dial # unescaped");
        assert_eq!(
            Uri::sip(Some("Ren é"), Host::Name("h".into()), None).to_string(),
            "sip:Ren%20%C3%A9@h"
        );
        let aor = uri("sip:%41lice:pw@EXAMPLE.org:5070;transport=tcp?x=y").aor();
        assert_eq!(aor, "sip:Alice@example.org:5070");
        assert_eq!(uri("tel:+1").aor(), "tel:+1");
    }

    #[test]
    fn what_is_no_uri() {
        for bad in [
            "",
            "sip",
            "sip:",
            "sip:@h",
            "sip:a@",
            "sip:a@h:",
            "sip:a@h:65536",
            "sip:a@h:x",
            "sip: a@h",
            "sip:a@h@i",
            "sip:a@[::1",
            "sip:a@::1",
            "sip:a@h o",
            "1sip:a@h",
            "sip:a@h;=1",
            "sip:a@h?x",
            "sip:a@<h>",
            "sip:a@h\r\nVia: x",
            "*",
        ] {
            assert_eq!(Uri::parse(bad), None, "{bad}");
        }
    }
}
