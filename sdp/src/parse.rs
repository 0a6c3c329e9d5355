//! Text → values (RFC 8866 §5, §9): lenient about order and blanks, strict about size and meaning.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use thiserror::Error;

use crate::attribute::Attribute;
use crate::media::{MediaDescription, MediaKind, Protocol};
use crate::session::{Bandwidth, Connection, Origin, SessionDescription, Time};

/// Longest description taken, bytes. A Chromium offer with one audio and five video lines has 31 kB.
pub const MAX_BYTES: usize = 64 * 1024;
/// Most lines taken.
pub const MAX_LINES: usize = 4096;
/// Most m= lines taken.
pub const MAX_MEDIA: usize = 64;

/// Why a text is no session description, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {kind}")]
pub struct ParseError {
    /// Line number, from 1; that after the last one when something is missing.
    pub line: usize,
    /// What is wrong there.
    pub kind: ParseErrorKind,
}

/// See [`ParseError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseErrorKind {
    /// More than [`MAX_BYTES`].
    #[error("description longer than {MAX_BYTES} bytes")]
    TooLong,
    /// More than [`MAX_LINES`].
    #[error("more than {MAX_LINES} lines")]
    TooManyLines,
    /// More than [`MAX_MEDIA`].
    #[error("more than {MAX_MEDIA} media descriptions")]
    TooManyMedia,
    /// Not UTF-8 (RFC 8866 §4.5).
    #[error("not UTF-8")]
    NotUtf8,
    /// A NUL or a lone CR, which RFC 8866 §9 allows nowhere.
    #[error("control character")]
    ControlCharacter,
    /// Not of the form `<letter>=<value>`.
    #[error("not of the form <type>=<value>")]
    NotALine,
    /// A type letter RFC 8866 does not know (§5: the description must be ignored as a whole), or
    /// one that may not stand here.
    #[error("unknown or misplaced type letter")]
    UnknownType,
    /// The first line is not `v=0`.
    #[error("description does not begin with v=0")]
    BadVersion,
    /// `o=` is not six words with numeric ids.
    #[error("malformed o= line")]
    BadOrigin,
    /// There is no `o=` line.
    #[error("no o= line")]
    NoOrigin,
    /// `c=` is not three words.
    #[error("malformed c= line")]
    BadConnection,
    /// `b=` is not `<kind>:<number>`.
    #[error("malformed b= line")]
    BadBandwidth,
    /// `t=` is not two numbers.
    #[error("malformed t= line")]
    BadTime,
    /// `m=` is not kind, port, protocol, formats.
    #[error("malformed m= line")]
    BadMedia,
    /// `a=` without a name.
    #[error("malformed a= line")]
    BadAttribute,
}

impl SessionDescription {
    /// Reads a description.
    ///
    /// Taken though not strictly allowed: LF for CRLF, blank lines, blanks around words, lines of one
    /// level in any order, missing `s=` and `t=`, a user name with blanks. Attributes are never
    /// refused for their value: a typed view of a malformed one is simply absent.
    ///
    /// # Errors
    /// With the line number, when a limit is passed or a line has no meaning.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > MAX_BYTES {
            return Err(ParseError { line: 1, kind: ParseErrorKind::TooLong });
        }
        let mut reader = Reader::default();
        let mut line = 0;
        for (index, raw) in text.split('\n').enumerate() {
            line = index + 1;
            if line > MAX_LINES {
                return Err(ParseError { line, kind: ParseErrorKind::TooManyLines });
            }
            let content = raw.strip_suffix('\r').unwrap_or(raw);
            if !content.trim().is_empty() {
                reader.line(content).map_err(|kind| ParseError { line, kind })?;
            }
        }
        reader.finish().map_err(|kind| ParseError { line, kind })
    }

    /// Reads a description from a message body, see [`Self::parse`].
    ///
    /// # Errors
    /// As [`Self::parse`], and when it is not UTF-8.
    pub fn from_bytes(body: &[u8]) -> Result<Self, ParseError> {
        match std::str::from_utf8(body) {
            Ok(text) => Self::parse(text),
            Err(error) => {
                let before = body.get(..error.valid_up_to()).unwrap_or_default();
                let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
                Err(ParseError { line, kind: ParseErrorKind::NotUtf8 })
            }
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    version_seen: bool,
    /// `None` until the `o=` line; the other session lines may come before it.
    origin: Option<Origin>,
    session: Option<SessionDescription>,
}

impl Reader {
    fn line(&mut self, content: &str) -> Result<(), ParseErrorKind> {
        use ParseErrorKind as Kind;
        if content.contains(['\r', '\0']) {
            return Err(Kind::ControlCharacter);
        }
        let (letter, value) = content.trim_start().split_once('=').ok_or(Kind::NotALine)?;
        if !self.version_seen {
            self.version_seen = letter == "v" && value.trim() == "0";
            return if self.version_seen { Ok(()) } else { Err(Kind::BadVersion) };
        }
        if letter == "o" && self.origin.is_none() {
            self.origin = Some(origin(value).ok_or(Kind::BadOrigin)?);
            return Ok(());
        }
        let session = self.session.get_or_insert_with(blank);
        if letter == "m" {
            if session.media.len() == MAX_MEDIA {
                return Err(Kind::TooManyMedia);
            }
            session.media.push(media(value).ok_or(Kind::BadMedia)?);
            return Ok(());
        }
        match session.media.last_mut() {
            Some(media) => media_line(media, letter, value),
            None => session_line(session, letter, value),
        }
    }

    fn finish(self) -> Result<SessionDescription, ParseErrorKind> {
        if !self.version_seen {
            return Err(ParseErrorKind::BadVersion);
        }
        let origin = self.origin.ok_or(ParseErrorKind::NoOrigin)?;
        let mut session = self.session.unwrap_or_else(blank);
        session.origin = origin;
        Ok(session)
    }
}

/// The start of reading: nothing given yet, the origin to be replaced at the end.
fn blank() -> SessionDescription {
    let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let mut session = SessionDescription::new(Origin::new("-", 0, 0, nowhere));
    session.session_name.clear();
    session.times.clear();
    session
}

fn session_line(
    session: &mut SessionDescription,
    letter: &str,
    value: &str,
) -> Result<(), ParseErrorKind> {
    use ParseErrorKind as Kind;
    match letter {
        "s" => value.clone_into(&mut session.session_name),
        "i" => session.information = Some(value.to_owned()),
        "u" => session.uri = Some(value.to_owned()),
        "e" => session.emails.push(value.to_owned()),
        "p" => session.phones.push(value.to_owned()),
        "c" => session.connection = Some(connection(value).ok_or(Kind::BadConnection)?),
        "b" => session.bandwidths.push(bandwidth(value).ok_or(Kind::BadBandwidth)?),
        "t" => session.times.push(time(value).ok_or(Kind::BadTime)?),
        "r" => {
            let time = session.times.last_mut().ok_or(Kind::UnknownType)?;
            time.repeats.push(value.to_owned());
        }
        "z" => session.time_zones = Some(value.to_owned()),
        "k" => session.key = Some(value.to_owned()),
        "a" => session.attributes.push(attribute(value)?),
        _ => return Err(Kind::UnknownType),
    }
    Ok(())
}

fn media_line(
    media: &mut MediaDescription,
    letter: &str,
    value: &str,
) -> Result<(), ParseErrorKind> {
    use ParseErrorKind as Kind;
    match letter {
        "i" => media.information = Some(value.to_owned()),
        "c" => media.connections.push(connection(value).ok_or(Kind::BadConnection)?),
        "b" => media.bandwidths.push(bandwidth(value).ok_or(Kind::BadBandwidth)?),
        "k" => media.key = Some(value.to_owned()),
        "a" => media.attributes.push(attribute(value)?),
        _ => return Err(Kind::UnknownType),
    }
    Ok(())
}

/// `<username> <sess-id> <sess-version> <nettype> <addrtype> <address>`, read from the right because
/// some phones put a display name with blanks into the user name.
fn origin(value: &str) -> Option<Origin> {
    let mut words: Vec<&str> = value.split_whitespace().collect();
    let (address, address_type) = (words.pop()?, words.pop()?);
    let net_type = words.pop()?;
    let session_version = number(words.pop()?)?;
    let session_id = number(words.pop()?)?;
    let username = if words.is_empty() { "-".to_owned() } else { words.join("_") };
    let address = Connection {
        net_type: net_type.to_owned(),
        address_type: address_type.to_owned(),
        address: address.to_owned(),
    };
    Some(Origin { username, session_id, session_version, address })
}

fn connection(value: &str) -> Option<Connection> {
    let mut words = value.split_whitespace().map(str::to_owned);
    let connection =
        Connection { net_type: words.next()?, address_type: words.next()?, address: words.next()? };
    words.next().is_none().then_some(connection)
}

fn bandwidth(value: &str) -> Option<Bandwidth> {
    let (kind, value) = value.trim().split_once(':')?;
    let value = number(value.trim())?;
    (!kind.is_empty()).then(|| Bandwidth { kind: kind.to_owned(), value })
}

fn time(value: &str) -> Option<Time> {
    let mut words = value.split_whitespace();
    let (start, stop) = (number(words.next()?)?, number(words.next()?)?);
    words.next().is_none().then_some(Time { start, stop, repeats: Vec::new() })
}

fn media(value: &str) -> Option<MediaDescription> {
    let mut words = value.split_whitespace();
    let kind = MediaKind::from(words.next()?);
    let port = words.next()?;
    let (port, port_count) = match port.split_once('/') {
        Some((port, count)) => (port.parse().ok()?, Some(count.parse().ok()?)),
        None => (port.parse().ok()?, None),
    };
    let protocol = Protocol::from(words.next()?);
    let formats: Vec<String> = words.map(str::to_owned).collect();
    // A refused line without formats breaks the grammar and yet is seen: there is nothing to lose.
    if formats.is_empty() && port != 0 {
        return None;
    }
    let mut media = MediaDescription::new(kind, port, protocol, formats);
    media.port_count = port_count;
    Some(media)
}

fn attribute(value: &str) -> Result<Attribute, ParseErrorKind> {
    let (name, value) = match value.split_once(':') {
        Some((name, value)) => (name, Some(value)),
        None => (value, None),
    };
    match name.trim() {
        "" => Err(ParseErrorKind::BadAttribute),
        name => Ok(Attribute::new(name, value)),
    }
}

/// Decimal digits; what passes 64 bits saturates (seen in sess-ids made of a clock and an address).
fn number(digits: &str) -> Option<u64> {
    let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    decimal.then(|| digits.parse().unwrap_or(u64::MAX))
}

impl FromStr for SessionDescription {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::ParseErrorKind as Kind;
    use super::*;

    const HEAD: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\n";

    fn error(text: &str) -> (usize, Kind) {
        let error = SessionDescription::parse(text).unwrap_err();
        (error.line, error.kind)
    }

    #[test]
    fn errors_name_their_line() {
        for (rest, kind) in [
            ("m=audio 1 RTP/AVP", Kind::BadMedia),
            ("m=audio 70000 RTP/AVP 0", Kind::BadMedia),
            ("m=audio -1 RTP/AVP 0", Kind::BadMedia),
            ("m=audio 1/x RTP/AVP 0", Kind::BadMedia),
            ("c=IN IP4", Kind::BadConnection),
            ("b=AS", Kind::BadBandwidth),
            ("b=:5", Kind::BadBandwidth),
            ("t=0", Kind::BadTime),
            ("t=now then", Kind::BadTime),
            ("a=", Kind::BadAttribute),
            ("a=:x", Kind::BadAttribute),
            ("x=1", Kind::UnknownType),
            ("v=0", Kind::UnknownType),
            ("o=- 1 1 IN IP4 192.0.2.1", Kind::UnknownType),
            ("garbage", Kind::NotALine),
            ("a=x\0y", Kind::ControlCharacter),
            ("a=x\ry", Kind::ControlCharacter),
        ] {
            assert_eq!(error(&format!("{HEAD}{rest}\n")), (5, kind), "{rest}");
        }
        assert_eq!(error(&format!("{HEAD}m=audio 1 RTP/AVP 0\ns=x\n")), (6, Kind::UnknownType));
        assert_eq!(error("v=0\no=x\n"), (2, Kind::BadOrigin));
        assert_eq!(error("v=0\no=- x 1 IN IP4 192.0.2.1\n"), (2, Kind::BadOrigin));
        assert_eq!(error("v=1\n"), (1, Kind::BadVersion));
        assert_eq!(error("o=- 1 1 IN IP4 192.0.2.1\n"), (1, Kind::BadVersion));
        assert_eq!(error("").1, Kind::BadVersion);
        assert_eq!(error("v=0\ns=-\n").1, Kind::NoOrigin);
        let error = SessionDescription::parse("v=1").unwrap_err();
        assert_eq!(error.to_string(), "line 1: description does not begin with v=0");
    }

    #[test]
    fn sizes_are_bounded() {
        let media = "m=audio 1 RTP/AVP 0\n".repeat(MAX_MEDIA + 1);
        assert_eq!(error(&format!("{HEAD}{media}")), (5 + MAX_MEDIA, Kind::TooManyMedia));
        let lines = "a=x\n".repeat(MAX_LINES);
        assert_eq!(error(&format!("{HEAD}{lines}")), (MAX_LINES + 1, Kind::TooManyLines));
        let long = format!("{HEAD}a={}", "x".repeat(MAX_BYTES));
        assert_eq!(error(&long), (1, Kind::TooLong));
        let body = [HEAD.as_bytes(), b"a=\xff\xfe\n"].concat();
        let error = SessionDescription::from_bytes(&body).unwrap_err();
        assert_eq!((error.line, error.kind), (5, Kind::NotUtf8));
    }

    #[test]
    fn sloppy_text_is_put_right() {
        let sloppy = "v=0 \n\n c=IN  IP4   192.0.2.1 \no=Big Ben 99999999999999999999 07 IN IP4 h\n\
                      a=tool:x\nb=AS: 64\nm=AUDIO 4000/2 rtp/avp  0  8\na=sendonly\ni=mic\n\
                      m=video 0 RTP/AVP\n\n";
        let strict = "v=0\r\no=Big_Ben 18446744073709551615 7 IN IP4 h\r\ns=-\r\n\
                      c=IN IP4 192.0.2.1\r\nb=AS:64\r\nt=0 0\r\na=tool:x\r\n\
                      m=audio 4000/2 RTP/AVP 0 8\r\ni=mic\r\na=sendonly\r\n\
                      m=video 0 RTP/AVP 0\r\n";
        let parsed: SessionDescription = sloppy.parse().unwrap();
        assert_eq!(parsed.to_string(), strict);
    }

    #[test]
    fn every_line_of_rfc_8866_is_kept() {
        let text = "v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call\r\n\
                    i=About\r\nu=https://www.jdoe.example.com/home.html\r\n\
                    e=Jane Doe <jane@jdoe.example.com>\r\ne=x@y\r\np=+1 617 555-6011\r\n\
                    c=IN IP4 224.2.1.1/127/3\r\nb=CT:128\r\nt=3724394400 3724398000\r\n\
                    r=604800 3600 0 90000\r\nt=1 2\r\nz=3730928400 -1h 3749680800 0\r\n\
                    k=prompt\r\na=recvonly\r\nm=audio 49170/2 RTP/AVP 0\r\ni=m\r\n\
                    c=IN IP6 FF15::101/3\r\nc=IN IP6 FF15::102\r\nb=X-YZ:1\r\nk=clear:x\r\n\
                    a=x-unknown\r\na=x-other: spaced \r\n";
        assert_eq!(SessionDescription::parse(text).unwrap().to_string(), text);
    }
}
