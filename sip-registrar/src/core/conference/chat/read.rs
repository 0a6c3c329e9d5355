//! What a message that came by MESSAGE or MSRP says, if it is chat.

use std::borrow::Cow;

use bytes::Bytes;
use sip_stack::message::cpim::{Cpim, IMDN};
use sip_stack::message::{MediaType, NameAddr, Uri};

use super::MAX_TEXT;
use crate::core::reject::Reject;

/// What is understood, for Accept.
pub(super) const ACCEPT: &str = "message/cpim, text/plain";
/// The longest Message-ID that is kept as it is.
const MAX_ID: usize = 128;

/// What somebody says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: String,
    /// Its Message-ID.
    pub(crate) id: Option<String>,
    /// Who has written it, as the envelope claims.
    pub(crate) from: Option<NameAddr>,
    /// For whom it is, as the envelope says.
    pub(crate) to: Option<Uri>,
}

/// Reads a message of this type. `None` is something between two programs (delivered, displayed, is
/// typing): with many members each line would set off one from every device, and one of those for each
/// of them, without end. It stops here.
///
/// 415 for what is no chat, 400 for what cannot be read, 488 for an envelope that lacks what must be in
/// it (RFC 3862 §2.3; what Flexisip answers too), 513 for too much.
pub(crate) fn read(
    content_type: Option<&MediaType>,
    encoding: Option<&str>,
    body: &Bytes,
) -> Result<Option<Said>, Reject> {
    let unknown = || Reject::new(415).with("Accept", ACCEPT);
    let content_type = content_type.ok_or_else(unknown)?;
    if is_signal(content_type) {
        return Ok(None);
    }
    if encoding.is_some_and(|encoding| !encoding.trim().eq_ignore_ascii_case("identity")) {
        return Err(Reject::new(415).with("Accept-Encoding", "identity"));
    }
    if content_type.is("text/plain") {
        let text = text(content_type, body)?;
        return Ok(Some(Said { text, ..Said::default() }));
    }
    if !content_type.is("message/cpim") {
        return Err(unknown());
    }
    let cpim = Cpim::parse(body).ok_or_else(|| Reject::new(400).because("message/cpim"))?;
    let lacks = |what: &str| Reject::new(488).because(&format!("message/cpim without {what}"));
    let header = |name| cpim.headers.iter().filter(|(n, _)| n == name).count();
    let inner = cpim.content_headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("Content-Type"));
    let inner = inner.ok_or_else(|| lacks("Content-Type"))?;
    let inner =
        MediaType::parse(&inner.1).ok_or_else(|| Reject::new(400).because("Content-Type"))?;
    if is_signal(&inner) {
        return Ok(None);
    }
    if !inner.is("text/plain") {
        return Err(unknown());
    }
    if header("From") == 0 || header("To") == 0 {
        return Err(lacks("From or To"));
    }
    if header("To") > 1 {
        // RFC 7701 §6.1: one recipient, the room or one person.
        return Err(Reject::new(403).because("one To only"));
    }
    let from = cpim.from().ok_or_else(|| Reject::new(400).because("From in message/cpim"))?;
    let to = cpim.to().ok_or_else(|| Reject::new(400).because("To in message/cpim"))?;
    let id = cpim.namespaced(IMDN, "Message-ID").map(str::to_owned);
    Ok(Some(Said {
        text: text(&inner, &cpim.body)?,
        id: id.filter(|id| !id.is_empty() && id.len() <= MAX_ID),
        from: Some(from),
        to: Some(to.uri),
    }))
}

/// Notifications (RFC 5438) and is-composing (RFC 3994).
fn is_signal(content_type: &MediaType) -> bool {
    content_type.is("message/imdn+xml") || content_type.is("application/im-iscomposing+xml")
}

fn text(content_type: &MediaType, body: &Bytes) -> Result<String, Reject> {
    if body.len() > MAX_TEXT {
        return Err(Reject::new(513).because(&format!("at most {MAX_TEXT} bytes of text")));
    }
    let charset = content_type.params.text("charset").unwrap_or(Cow::Borrowed("UTF-8"));
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" => String::from_utf8(body.to_vec())
            .map_err(|_| Reject::new(400).because("the text is no UTF-8")),
        // Its characters are the first 256 of Unicode.
        "iso-8859-1" => Ok(body.iter().map(|byte| char::from(*byte)).collect()),
        _ => Err(Reject::new(415).with("Accept", "text/plain;charset=UTF-8, message/cpim")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(content_type: &str, body: &[u8]) -> Result<Option<Said>, u16> {
        let body = Bytes::copy_from_slice(body);
        read(MediaType::parse(content_type).as_ref(), None, &body).map_err(|reject| reject.status)
    }

    fn text_of(incoming: Result<Option<Said>, u16>) -> String {
        match incoming {
            Ok(Some(said)) => said.text,
            other => panic!("{other:?}"),
        }
    }

    const ENVELOPE: &str = "From: <sip:a@h>\r\nTo: <sip:room@h>\r\n";

    #[test]
    fn texts_come_plain_or_in_an_envelope_in_any_script() {
        assert_eq!(text_of(said("text/plain", "会议 👋".as_bytes())), "会议 👋");
        assert_eq!(text_of(said("Text/Plain; charset=\"utf-8\"", b"a")), "a");
        assert_eq!(text_of(said("text/plain;charset=ISO-8859-1", b"gr\xfc\xdf")), "grüß");
        let cpim = format!(
            "{ENVELOPE}NS: i <{IMDN}>\r\ni.Message-ID: 7\r\n\r\nContent-Type: text/plain\r\n\r\nhi"
        );
        let Ok(Some(said)) = said("message/cpim", cpim.as_bytes()) else { panic!() };
        assert_eq!((said.text.as_str(), said.id.as_deref()), ("hi", Some("7")));
        assert_eq!(said.from.unwrap().uri.to_string(), "sip:a@h");
        assert_eq!(said.to.unwrap().to_string(), "sip:room@h");
    }

    #[test]
    fn what_programs_tell_each_other_is_no_chat() {
        for kind in ["message/imdn+xml", "application/im-iscomposing+xml"] {
            assert_eq!(said(kind, b"<xml/>"), Ok(None));
            let cpim = format!("{ENVELOPE}\r\nContent-Type: {kind}\r\n\r\n<xml/>");
            assert_eq!(said("message/cpim", cpim.as_bytes()), Ok(None));
            // Linphone compresses them behind a proxy; it is all the same
            let deflated = read(MediaType::parse(kind).as_ref(), Some("deflate"), &Bytes::new());
            assert_eq!(deflated.map_err(|_| ()), Ok(None));
        }
    }

    #[test]
    fn everything_else_has_its_status() {
        let long = vec![b'x'; MAX_TEXT + 1];
        let no_type = format!("{ENVELOPE}\r\n\r\nhi");
        let html = format!("{ENVELOPE}\r\nContent-Type: text/html\r\n\r\n<b>");
        let two = format!("{ENVELOPE}To: <sip:b@h>\r\n\r\nContent-Type: text/plain\r\n\r\nhi");
        let odd = "From: nobody\r\nTo: <sip:r@h>\r\n\r\nContent-Type: text/plain\r\n\r\nhi";
        for (kind, body, status) in [
            ("text/html", &b"<b>"[..], 415),
            ("text/plain;charset=utf-16", b"ab", 415),
            ("text/plain", b"\xff", 400),
            ("text/plain", &long, 513),
            ("message/cpim", b"hello", 400),
            ("message/cpim", odd.as_bytes(), 400),
            ("message/cpim", b"\r\nContent-Type: text/plain\r\n\r\nhi", 488),
            ("message/cpim", no_type.as_bytes(), 488),
            ("message/cpim", html.as_bytes(), 415),
            ("message/cpim", two.as_bytes(), 403),
        ] {
            assert_eq!(
                said(kind, body),
                Err(status),
                "{kind} {}",
                String::from_utf8_lossy(body).len()
            );
        }
        let zipped = read(MediaType::parse("text/plain").as_ref(), Some("gzip"), &Bytes::new());
        assert_eq!(zipped.map_err(|reject| reject.status), Err(415));
        assert_eq!(read(None, None, &Bytes::new()).map_err(|reject| reject.status), Err(415));
    }
}
