//! Lines of chat: what a MESSAGE brings, made fit for a screen, and what is said on its way out.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use sip_stack::endpoint::{Body, ClientTransactionId};
use sip_stack::message::cpim::{Cpim, IMDN};
use sip_stack::message::date_time::{from_rfc3339, to_rfc3339};
use sip_stack::message::{Headers, MediaType, NameAddr, Uri};

/// The longest line that is taken or said, in bytes; what the registrar of this project passes on.
pub const MAX_TEXT: usize = 32 * 1024;
/// The longest name shown, in characters.
const MAX_NAME: usize = 63;
/// Lines that wait to be sent.
const MAX_WAITING: usize = 32;
/// Message-IDs remembered, so that what is told again is not shown again.
const MAX_SEEN: usize = 128;
/// What is understood.
pub(super) const ACCEPT: &str = "message/cpim, text/plain";

/// Something that somebody has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatLine {
    /// When, since 1970-01-01T00:00:00Z, by the server's clock; `None` if the message does not say: now.
    pub at: Option<Duration>,
    /// Who, in at most 63 printable characters. In a conference the server vouches for it.
    pub from: String,
    /// What: printable, of any script, at most [`MAX_TEXT`] bytes. Line breaks are `\n`.
    pub text: String,
    /// Whether it was said to us alone.
    pub private: bool,
}

/// Names a line of ours, to find what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineId(pub u32);

/// Why a line cannot even be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SayError {
    /// There is no call, or it is not answered yet.
    NoCall,
    /// There is nothing in it.
    Empty,
    /// It is longer than [`MAX_TEXT`].
    TooLong,
    /// Too many lines wait already: nobody takes them.
    Busy,
}

impl fmt::Display for SayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SayError::NoCall => "there is no call yet",
            SayError::Empty => "there is nothing to say",
            SayError::TooLong => "it is too long",
            SayError::Busy => "too many lines wait to be sent",
        })
    }
}

/// A line of ours that was not taken yet.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) id: LineId,
    /// When it was written, since 1970.
    at: Duration,
    text: String,
}

/// The chat of one call.
#[derive(Debug, Default)]
pub(super) struct Chat {
    /// The conference, if it is one.
    pub(super) room: Option<Uri>,
    /// The far end has refused the envelope.
    pub(super) plain: bool,
    last: u32,
    waiting: VecDeque<Draft>,
    sent: Option<(ClientTransactionId, Draft)>,
    seen: VecDeque<String>,
}

impl Chat {
    /// Puts a line in the queue.
    pub(super) fn add(&mut self, at: Duration, text: &str) -> Result<LineId, SayError> {
        let text = text.trim_end();
        if text.trim().is_empty() {
            return Err(SayError::Empty);
        }
        if text.len() > MAX_TEXT {
            return Err(SayError::TooLong);
        }
        if self.waiting.len() >= MAX_WAITING {
            return Err(SayError::Busy);
        }
        self.last += 1;
        let id = LineId(self.last);
        self.waiting.push_back(Draft { id, at, text: text.to_owned() });
        Ok(id)
    }

    /// The next line, if none is on its way (RFC 3428 §8).
    pub(super) fn next(&mut self) -> Option<Draft> {
        if self.sent.is_some() {
            return None;
        }
        self.waiting.pop_front()
    }

    pub(super) fn sending(&mut self, transaction: ClientTransactionId, draft: Draft) {
        self.sent = Some((transaction, draft));
    }

    /// The line to be sent again before all others.
    pub(super) fn put_back(&mut self, draft: Draft) {
        self.waiting.push_front(draft);
    }

    /// Whether a line is on its way by this request.
    pub(super) fn is_sending(&self, transaction: ClientTransactionId) -> bool {
        self.sent.as_ref().is_some_and(|(sent, _)| *sent == transaction)
    }

    /// The line on its way: nobody waits for its answer any more.
    pub(super) fn take_back(&mut self) -> Option<Draft> {
        self.sent.take().map(|(_, draft)| draft)
    }

    /// The line whose request this was.
    pub(super) fn answered(&mut self, transaction: ClientTransactionId) -> Option<Draft> {
        let ours = self.sent.as_ref().is_some_and(|(sent, _)| *sent == transaction);
        if ours { self.sent.take().map(|(_, draft)| draft) } else { None }
    }

    /// A line as it goes out: in an envelope with sender and time, unless that was refused. The
    /// Message-ID makes it known again if it has to be sent twice.
    pub(super) fn body(&self, draft: &Draft, from: &NameAddr, call_id: &str) -> Body {
        let Some(room) = self.room.as_ref().filter(|_| !self.plain) else {
            let content_type = "text/plain;charset=UTF-8".to_owned();
            return Body { content_type, bytes: draft.text.clone().into() };
        };
        let author = NameAddr { params: sip_stack::message::Params::default(), ..from.clone() };
        let to = NameAddr::new(room.clone());
        let mut cpim = Cpim::text(&author, &to, &to_rfc3339(draft.at), &draft.text);
        cpim.headers.push(("NS".to_owned(), format!("imdn <{IMDN}>")));
        let id: String = call_id.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
        cpim.headers.push(("imdn.Message-ID".to_owned(), format!("{id}.{}", draft.id.0)));
        Body { content_type: "message/cpim".to_owned(), bytes: cpim.to_bytes() }
    }

    /// Notes a Message-ID; false if it was seen before.
    pub(super) fn is_new(&mut self, id: &str) -> bool {
        if self.seen.iter().any(|seen| seen == id) {
            return false;
        }
        if self.seen.len() >= MAX_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(id.to_owned());
        true
    }
}

/// What a MESSAGE brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A line and its Message-ID.
    Line(ChatLine, Option<String>),
    /// Something programs tell each other: taken, and nothing follows.
    Signal,
    /// This status is the answer.
    Refuse(u16),
}

/// Reads a MESSAGE of `sender`. Whom an envelope names as its author counts only if it comes from a
/// conference (`vouched`): that one has checked.
pub(super) fn read(headers: &Headers, body: &Bytes, sender: &NameAddr, vouched: bool) -> Read {
    let Ok(Some(content_type)) = headers.content_type() else { return Read::Refuse(415) };
    if is_signal(&content_type) {
        return Read::Signal;
    }
    if headers.get("Content-Encoding").is_some_and(|e| !e.eq_ignore_ascii_case("identity")) {
        return Read::Refuse(415);
    }
    if content_type.is("text/plain") {
        let Some(text) = text(body) else { return Read::Refuse(400) };
        let from = name(sender);
        return Read::Line(ChatLine { at: None, from, text, private: false }, None);
    }
    if !content_type.is("message/cpim") {
        return Read::Refuse(415);
    }
    let Some(cpim) = Cpim::parse(body) else { return Read::Refuse(400) };
    match cpim.content_type() {
        Some(inner) if is_signal(&inner) => return Read::Signal,
        Some(inner) if inner.is("text/plain") => {}
        Some(_) => return Read::Refuse(415),
        None => return Read::Refuse(400),
    }
    let Some(text) = text(&cpim.body) else { return Read::Refuse(400) };
    let author = cpim.from().filter(|_| vouched);
    let to = cpim.to().and_then(|to| to.uri.user_text());
    let line = ChatLine {
        at: cpim.date_time().and_then(from_rfc3339).filter(|_| vouched),
        from: name(author.as_ref().unwrap_or(sender)),
        text,
        // The conference addresses to itself what is for everybody.
        private: vouched && to != sender.uri.user_text(),
    };
    // An id is one of its writer: others may use the same.
    let by = author.as_ref().unwrap_or(sender).uri.aor();
    Read::Line(line, cpim.namespaced(IMDN, "Message-ID").map(|id| format!("{by} {id}")))
}

fn is_signal(content_type: &MediaType) -> bool {
    content_type.is("message/imdn+xml") || content_type.is("application/im-iscomposing+xml")
}

/// Text that cannot move the cursor, ring the bell or turn the line around; `None` if it is no UTF-8.
fn text(body: &Bytes) -> Option<String> {
    let mut end = body.len().min(MAX_TEXT);
    while end < body.len() && body.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1; // not in the middle of a character
    }
    let text = std::str::from_utf8(body.get(..end)?).ok()?.replace("\r\n", "\n");
    let clean = text.chars().map(|c| if matches!(c, '\t' | '\r') { ' ' } else { c });
    Some(clean.filter(|c| *c == '\n' || !c.is_control()).filter(|c| !turns(*c)).collect())
}

/// What somebody is called: the display name, else the user.
pub(super) fn name(address: &NameAddr) -> String {
    let shown = |text: &str| Some(clean_name(text)).filter(|name| !name.is_empty());
    let display = address.display_name.as_deref().and_then(shown);
    let user = || address.uri.user_text().as_deref().and_then(shown);
    display.or_else(user).unwrap_or_else(|| address.uri.host.to_string())
}

/// A name or a title that a stranger chose: one line of at most 63 printable characters.
pub(super) fn clean_name(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let shown: String = line.filter(|c| !c.is_control() && !turns(*c)).collect();
    shown.trim().chars().take(MAX_NAME).collect()
}

/// Characters that change the direction of what follows: a line could look as if somebody else had
/// said it. Joiners stay, which some scripts and emoji need.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(content_type: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push("Content-Type", content_type);
        headers
    }

    fn sender() -> NameAddr {
        NameAddr::parse("\"Room\" <sip:room@h>;tag=1").unwrap()
    }

    fn read_as(content_type: &str, body: &str, vouched: bool) -> Read {
        read(&headers(content_type), &Bytes::from(body.to_owned()), &sender(), vouched)
    }

    const ENVELOPE: &str = "From: \"Zoé\" <sip:zoe@h>\r\nTo: <sip:room@h>\r\n\
        DateTime: 2026-08-22T10:02:11Z\r\nNS: imdn <urn:ietf:params:imdn>\r\n\
        imdn.Message-ID: m1\r\n\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\ngrüß euch\r\n会议 👩‍💻";

    #[test]
    fn a_conference_vouches_for_author_and_time_and_others_do_not() {
        let Read::Line(line, id) = read_as("message/cpim", ENVELOPE, true) else { panic!() };
        assert_eq!(id.as_deref(), Some("sip:zoe@h m1"));
        assert_eq!((line.from.as_str(), line.private), ("Zoé", false));
        assert_eq!(line.at, Some(Duration::from_secs(1_787_392_931)));
        assert_eq!(line.text, "grüß euch\n会议 👩‍💻");
        let Read::Line(line, _) = read_as("message/cpim", ENVELOPE, false) else { panic!() };
        assert_eq!((line.from.as_str(), line.at), ("Room", None));
        let aside = ENVELOPE.replace("To: <sip:room@h>", "To: <sip:me@h>");
        let Read::Line(line, _) = read_as("message/cpim", &aside, true) else { panic!() };
        assert!(line.private);
    }

    #[test]
    fn texts_are_made_harmless() {
        let Read::Line(line, id) = read_as("text/plain", "a\u{1b}[2J\u{7}\tb\u{202e}c\r\nd", false)
        else {
            panic!()
        };
        assert_eq!((line.text.as_str(), id), ("a[2J bc\nd", None));
        let long = Bytes::from("é".repeat(MAX_TEXT));
        assert_eq!(text(&long).map(|text| text.len()), Some(MAX_TEXT));
        let shifted = Bytes::from(format!("x{}", "é".repeat(MAX_TEXT)));
        assert_eq!(text(&shifted).map(|text| text.len()), Some(MAX_TEXT - 1));
        let odd = NameAddr::parse("\"\u{202e}A\tB\u{0}\" <sip:x@h>").unwrap();
        assert_eq!(name(&odd), "A B");
        assert_eq!(name(&NameAddr::parse("<sip:%7A@h>").unwrap()), "z");
        assert_eq!(name(&NameAddr::parse("<sip:h.example>").unwrap()), "h.example");
    }

    #[test]
    fn other_types_have_their_answer() {
        assert_eq!(read_as("message/imdn+xml", "<x/>", true), Read::Signal);
        assert_eq!(read_as("application/im-iscomposing+xml", "<x/>", true), Read::Signal);
        let inner = ENVELOPE.replace("text/plain", "message/imdn+xml");
        assert_eq!(read_as("message/cpim", &inner, true), Read::Signal);
        let inner = ENVELOPE.replace("text/plain", "image/png");
        assert_eq!(read_as("message/cpim", &inner, true), Read::Refuse(415));
        assert_eq!(read_as("text/html", "<b>", true), Read::Refuse(415));
        assert_eq!(read_as("message/cpim", "hello", true), Read::Refuse(400));
        let bytes = Bytes::from_static(b"\xff\xfe");
        assert_eq!(read(&headers("text/plain"), &bytes, &sender(), true), Read::Refuse(400));
        assert_eq!(read(&Headers::new(), &Bytes::new(), &sender(), true), Read::Refuse(415));
    }

    #[test]
    fn lines_wait_their_turn_and_not_without_end() {
        let mut chat = Chat::default();
        assert_eq!(chat.add(Duration::ZERO, " \n"), Err(SayError::Empty));
        assert_eq!(chat.add(Duration::ZERO, &"x".repeat(MAX_TEXT + 1)), Err(SayError::TooLong));
        for id in 1..=32 {
            assert_eq!(chat.add(Duration::ZERO, "x"), Ok(LineId(id)));
        }
        assert_eq!(chat.add(Duration::ZERO, "x"), Err(SayError::Busy));
        assert_eq!(chat.next().map(|draft| draft.id), Some(LineId(1)));
        assert!((0..200).all(|id| chat.is_new(&id.to_string())));
        assert!(!chat.is_new("199") && chat.seen.len() == MAX_SEEN);
    }
}
