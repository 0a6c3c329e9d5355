//! The m=message line of a member (RFC 4975 §8, RFC 7701 §8): the focus answers it, the mixer never
//! sees it.

use std::net::SocketAddr;

use msrp::MsrpUri;
use sdp::{Connection, MediaDescription, MediaKind, Protocol, SessionDescription};

/// The most bytes of one message that are taken: a text with its envelope.
pub(super) const MAX_MESSAGE: usize = 40 * 1024;

/// An offer without its message lines: what the mixer is to know of it.
pub(crate) fn without_chat(offer: &SessionDescription) -> SessionDescription {
    let mut media = offer.clone();
    media.media.retain(|line| line.kind != MediaKind::Message);
    media
}

/// The peer's path, if the description offers chat in a way we take part in: by MSRP over TCP, to which
/// the peer connects, with envelopes.
pub(crate) fn path_offered(offer: &SessionDescription) -> Option<Vec<MsrpUri>> {
    let line = offer.media.iter().find(|line| line.kind == MediaKind::Message)?;
    if !line.is_live() || !line.protocol.as_str().eq_ignore_ascii_case("TCP/MSRP") {
        return None;
    }
    let get = |name| line.attributes.get(name).unwrap_or_default();
    // RFC 6135 §4.1: without it the offerer connects.
    if get("setup").eq_ignore_ascii_case("passive") {
        return None;
    }
    let mut types = get("accept-types").split_ascii_whitespace();
    if !types.any(|t| t == "*" || t == "message/*" || t.eq_ignore_ascii_case("message/cpim")) {
        return None;
    }
    let path: Option<Vec<_>> = get("path").split_ascii_whitespace().map(MsrpUri::parse).collect();
    // Relays are not many in a row.
    path.filter(|path| (1..=4).contains(&path.len()))
}

/// Our side of the line.
pub(super) fn line_of(local: &MsrpUri, port: u16) -> MediaDescription {
    let protocol = Protocol::Other("TCP/MSRP".to_owned());
    let mut line = MediaDescription::new(MediaKind::Message, port, protocol, vec!["*".to_owned()]);
    if let Ok(address) = local.host.trim_matches(['[', ']']).parse() {
        line.connections.push(Connection::ip(address));
    }
    for (name, value) in [
        ("accept-types", "message/cpim".to_owned()),
        ("accept-wrapped-types", "text/plain".to_owned()),
        ("max-size", MAX_MESSAGE.to_string()),
        ("chatroom", "private-messages".to_owned()),
        ("setup", "passive".to_owned()),
        ("path", local.to_string()),
    ] {
        line.attributes.push_value(name, &value);
    }
    line
}

/// The host that a peer can reach our listener by, if it can: it called us at `called`, and knows us as
/// `known`.
pub(super) fn host_for(listen: SocketAddr, called: SocketAddr, known: &str) -> Option<String> {
    let host = match listen.ip() {
        ip if ip.is_unspecified() => known.to_owned(),
        ip if ip.is_loopback() != called.ip().is_loopback() => return None,
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        std::net::IpAddr::V4(ip) => ip.to_string(),
    };
    Some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(line: &str) -> SessionDescription {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP 0\r\n{line}"
        );
        SessionDescription::parse(&text).unwrap()
    }

    #[test]
    fn only_what_we_can_do_is_taken() {
        const PATH: &str = "a=path:msrp://127.0.0.1:9/abc;tcp\r\n";
        let good = "m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim text/plain\r\n";
        for (line, taken) in [
            (format!("{good}{PATH}"), true),
            (format!("{good}{PATH}a=setup:active\r\n"), true),
            (format!("{good}{PATH}a=setup:passive\r\n"), false),
            (good.to_owned(), false),
            (format!("{good}a=path:sip:x\r\n"), false),
            (format!("{}{PATH}", good.replace(" 9 ", " 0 ")), false),
            (format!("{}{PATH}", good.replace("TCP/MSRP", "TCP/TLS/MSRP")), false),
            (format!("{}{PATH}", good.replace("message/cpim ", "")), false),
            (format!("{}{PATH}", good.replace("message/cpim", "*")), true),
        ] {
            assert_eq!(path_offered(&offer(&line)).is_some(), taken, "{line}");
            assert_eq!(without_chat(&offer(&line)).media.len(), 1);
        }
    }

    #[test]
    fn nobody_is_sent_where_it_cannot_get() {
        let address = |text: &str| text.parse().unwrap();
        for (listen, called, host) in [
            ("127.0.0.1:2855", "127.0.0.1:5060", Some("127.0.0.1")),
            ("127.0.0.1:2855", "192.0.2.1:5060", None),
            ("192.0.2.1:2855", "127.0.0.1:5060", None),
            ("192.0.2.1:2855", "192.0.2.1:5060", Some("192.0.2.1")),
            ("[::1]:2855", "[::1]:5060", Some("[::1]")),
            ("0.0.0.0:2855", "192.0.2.1:5060", Some("sip.example.org")),
        ] {
            let found = host_for(address(listen), address(called), "sip.example.org");
            assert_eq!(found.as_deref(), host, "{listen} {called}");
        }
    }
}
