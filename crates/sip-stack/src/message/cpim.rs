//! The chat envelope `message/cpim` (RFC 3862): who wrote it and when, around a MIME body.

use super::grammar;
use super::name_addr::NameAddr;
use super::value::MediaType;
use bytes::Bytes;

/// The namespace of delivery notifications (RFC 5438 §6).
pub const IMDN: &str = "urn:ietf:params:imdn";

/// The most headers of either kind.
const MAX_CPIM_HEADERS: usize = 64;

/// A CPIM message. Header names are case-sensitive here, unlike in SIP (RFC 3862 §2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpim {
    /// The message headers in order: `From`, `To`, `DateTime`, `NS`, …
    pub headers: Vec<(String, String)>,
    /// The MIME headers of the content: `Content-Type`, …
    pub content_headers: Vec<(String, String)>,
    /// The content.
    pub body: Bytes,
}

impl Cpim {
    /// Reads the body of a message whose type is `message/cpim`. `None` if an empty line after the
    /// message headers or after the content headers is missing, or a line is no header.
    pub fn parse(bytes: &Bytes) -> Option<Cpim> {
        let (headers, rest) = block(bytes)?;
        let (content_headers, body) = block(&rest)?;
        Some(Cpim { headers, content_headers, body })
    }

    /// A plain text from `from` to `to` at `date_time`, an RFC 3339 time such as
    /// `2026-08-22T10:02:11Z`.
    pub fn text(from: &NameAddr, to: &NameAddr, date_time: &str, text: &str) -> Cpim {
        let header = |name: &str, value: String| (name.to_owned(), value);
        Cpim {
            headers: vec![
                header("From", from.to_string()),
                header("To", to.to_string()),
                header("DateTime", date_time.to_owned()),
            ],
            content_headers: vec![header("Content-Type", "text/plain;charset=UTF-8".to_owned())],
            body: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    /// The first message header called exactly `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The first message header `name` of the namespace `urn`, whatever prefix an NS header has given
    /// it (RFC 3862 §3.4), for example `namespaced(IMDN, "Message-ID")`.
    pub fn namespaced(&self, urn: &str, name: &str) -> Option<&str> {
        let prefixes = self.headers.iter().filter(|(n, _)| n == "NS").filter_map(|(_, value)| {
            let (prefix, uri) = value.split_once('<')?;
            (uri.strip_suffix('>')? == urn).then(|| grammar::trim(prefix))
        });
        prefixes.into_iter().find_map(|prefix| self.header(&format!("{prefix}.{name}")))
    }

    /// Who wrote it.
    pub fn from(&self) -> Option<NameAddr> {
        NameAddr::parse(self.header("From")?)
    }

    /// Whom it is for.
    pub fn to(&self) -> Option<NameAddr> {
        NameAddr::parse(self.header("To")?)
    }

    /// When it was written, as the sender wrote it.
    pub fn date_time(&self) -> Option<&str> {
        self.header("DateTime")
    }

    /// The type of the content; MIME names ignore case, and text/plain is the default.
    pub fn content_type(&self) -> Option<MediaType> {
        let mut all = self.content_headers.iter();
        let found = all.find(|(n, _)| n.eq_ignore_ascii_case("Content-Type"));
        MediaType::parse(found.map_or("text/plain", |(_, value)| value))
    }

    /// The bytes of the envelope and its content.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = String::new();
        for headers in [&self.headers, &self.content_headers] {
            for (name, value) in headers {
                out.push_str(&format!("{name}: {}\r\n", value.replace(['\r', '\n'], " ")));
            }
            out.push_str("\r\n");
        }
        let mut out = out.into_bytes();
        out.extend_from_slice(&self.body);
        out.into()
    }
}

type Block = (Vec<(String, String)>, Bytes);

/// Header lines up to an empty one, and the rest. Folded lines are joined.
fn block(bytes: &Bytes) -> Option<Block> {
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut start = 0;
    loop {
        let tail = bytes.get(start..)?;
        let len = tail.iter().position(|b| *b == b'\n')?;
        let line = tail.get(..len)?;
        let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).ok()?;
        start += len + 1;
        if line.is_empty() {
            return Some((headers, bytes.slice(start..)));
        }
        if let (true, Some((_, last))) = (line.starts_with([' ', '\t']), headers.last_mut()) {
            last.push(' ');
            last.push_str(grammar::trim(line));
            continue;
        }
        let (name, value) = line.split_once(':')?;
        if !grammar::is_token(name) || headers.len() >= MAX_CPIM_HEADERS {
            return None;
        }
        headers.push((name.to_owned(), grammar::trim(value).to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Uri;
    use proptest::prelude::*;

    const LINPHONE: &str = "From: \"Alice\" <sip:alice@example.org;gr=urn:uuid:1>\r\n\
        To: <sip:m-7f3a@conf.example.org>\r\nDateTime: 2026-08-22T10:02:11Z\r\n\
        NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 34jk324j\r\n\
        imdn.Disposition-Notification: positive-delivery,\r\n negative-delivery\r\n\r\n\
        Content-Type: text/plain;charset=UTF-8\r\n\r\nhello\r\n\r\nthere";

    #[test]
    fn reads_what_linphone_sends() {
        let cpim = Cpim::parse(&Bytes::from(LINPHONE)).unwrap();
        assert_eq!(cpim.from().unwrap().display_name.as_deref(), Some("Alice"));
        assert_eq!(cpim.to().unwrap().uri.user.as_deref(), Some("m-7f3a"));
        assert_eq!(cpim.date_time(), Some("2026-08-22T10:02:11Z"));
        assert_eq!(cpim.namespaced(IMDN, "Message-ID"), Some("34jk324j"));
        assert_eq!(cpim.namespaced(IMDN, "message-id"), None, "names are case-sensitive");
        assert!(cpim.content_type().unwrap().is("text/plain"));
        assert_eq!(&cpim.body[..], b"hello\r\n\r\nthere");
        assert_eq!(Cpim::parse(&cpim.to_bytes()), Some(cpim));
    }

    #[test]
    fn incomplete_envelopes_are_refused() {
        for bad in ["", "From: <sip:a@h>\r\n", "From: <sip:a@h>\r\n\r\nno header\r\n\r\nx", "hello"]
        {
            assert_eq!(Cpim::parse(&Bytes::from(bad)), None, "{bad:?}");
        }
        // no message headers at all is allowed by the grammar
        assert!(Cpim::parse(&Bytes::from("\r\n\r\nx")).is_some());
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "\\PC{0,60}", name in "[^\\x00-\\x1f\\x7f]{0,20}") {
            let address = NameAddr::new(Uri::parse("sip:a@h").unwrap()).with_display_name(&name);
            let cpim = Cpim::text(&address, &address, "2026-08-22T10:02:11Z", &text);
            let read = Cpim::parse(&cpim.to_bytes()).unwrap();
            prop_assert_eq!(read.from(), Some(address));
            prop_assert_eq!(&read.body[..], text.as_bytes());
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(cpim) = Cpim::parse(&bytes.into()) {
                let _ = (cpim.from(), cpim.content_type(), cpim.namespaced(IMDN, "x"));
            }
        }
    }
}
