//! Two of a conference talk directly: what the focus says of the other, what we tell the focus of our media (RFC 6086), and
//! chat straight to the other (RFC 3428). See docs/decisions/0150.

use std::time::{Duration, Instant};

use sip_stack::endpoint::{Body, ClientTransactionId, Endpoint, ServerTransactionId};
use sip_stack::message::{Headers, Method, NameAddr, Request, Uri};

use super::{Phone, State};
use crate::core::call::direct::Direct;
use crate::core::chat::{Draft, name};

/// The INFO package about media that pass no server.
pub(super) const PACKAGE: &str = "parley-media-path";

/// Its body.
const MEDIA_TYPE: &str = "application/vnd.parley.media-path+json";

/// Shows the other of two that the focus has named us to it.
const TOKEN: &str = "Parley-Chat";

/// How long a line on its way to the other may take, before it goes by the focus: no person waits for the 32 s of a
/// transaction (RFC 3261 §17.1.2.2).
const PATIENCE: Duration = Duration::from_secs(2);

/// How our media do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MediaSigns {
    /// Something comes from whom the last description names.
    pub receives: bool,
    /// That one has let know that something of ours arrives.
    pub heard: bool,
    /// Nothing comes any more.
    pub lost: bool,
}

/// What goes beside the focus.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The focus wants to be told how media do.
    wanted: bool,
    /// What it was told, and about which of its descriptions.
    told: Option<(u64, MediaSigns)>,
    /// By when a line to the other must be taken.
    until: Option<Instant>,
    /// Whoever is known by this token takes no lines.
    deaf: Option<String>,
}

/// What we say in an INVITE and in the answer to one.
pub(super) fn packages() -> (String, String) {
    ("Recv-Info".to_owned(), PACKAGE.to_owned())
}

impl Phone {
    /// With whom we talk directly, while we do.
    #[must_use]
    pub fn direct(&self) -> Option<&Direct> {
        self.call.direct()
    }

    /// Whether the focus wants to be told of our media (RFC 6086 §5.2.3).
    pub(super) fn learn_packages(&mut self, headers: &Headers) {
        let named = |value: &str| value.split(',').any(|p| p.trim().eq_ignore_ascii_case(PACKAGE));
        self.beside.wanted = headers.get_all("Recv-Info").any(named);
    }

    /// Our media do like this. The focus is told what is new, for it sees nothing of media between two.
    pub fn tell_media(&mut self, now: Instant, signs: MediaSigns) {
        let State::Talking(call) = self.state else { return };
        let Some(direct) = self.call.direct().filter(|_| self.beside.wanted) else { return };
        if !(signs.receives || signs.lost) {
            return;
        }
        let told = (direct.version, signs);
        if self.beside.told == Some(told) {
            return;
        }
        let receives = signs.receives && !signs.lost;
        let text = format!(
            "{{\"version\":{},\"receives\":{receives},\"heard\":{}}}",
            direct.version, signs.heard
        );
        let body = Body { content_type: MEDIA_TYPE.to_owned(), bytes: text.into() };
        let package = [("Info-Package".to_owned(), PACKAGE.to_owned())];
        if self.endpoint.request(now, call, Method::Info, &package, Some(body)).is_ok() {
            self.beside.told = Some(told);
        }
        self.drain(now);
    }

    /// Where the other takes lines, if we may send them there.
    fn way_to_other(&self) -> Option<(String, Uri)> {
        let (token, uri) = self.call.direct()?.chat.clone()?;
        (self.beside.deaf.as_ref() != Some(&token)).then_some((token, uri))
    }

    /// Sends a line straight to the other of two; gives it back if that cannot be.
    pub(super) fn send_beside(&mut self, now: Instant, draft: Draft) -> Option<Draft> {
        let Some((token, uri)) = self.way_to_other() else { return Some(draft) };
        let body = self.line_body(&draft);
        let to = NameAddr::new(uri.clone());
        let mut request =
            self.endpoint.new_request(Method::Message, uri.clone(), self.from.clone(), to);
        request.headers.push(TOKEN, &token);
        request.set_body(&body.content_type, body.bytes);
        match self.endpoint.send_request(now, request, Endpoint::target_of(&uri)) {
            Ok(transaction) => {
                self.beside.until = Some(now + PATIENCE);
                self.chat.sending(transaction, draft);
                None
            }
            Err(_) => Some(draft),
        }
    }

    /// A line to the other was answered with this, or not at all. Returns whether it is done; else it goes by the focus,
    /// as all that follow.
    pub(super) fn beside_answered(&mut self, taken: bool) -> bool {
        let beside = self.beside.until.take().is_some();
        if beside && !taken {
            self.beside.deaf = self.way_to_other().map(|(token, _)| token);
        }
        taken || !beside
    }

    /// The other takes too long.
    pub(super) fn beside_in_time(&mut self, now: Instant) {
        if self.beside.until.is_some_and(|until| until <= now) {
            self.beside_answered(false);
            if let Some(draft) = self.chat.take_back() {
                self.chat.put_back(draft);
            }
            self.send_line(now);
        }
    }

    pub(super) fn beside_deadline(&self) -> Option<Instant> {
        self.beside.until
    }

    /// A MESSAGE that shows the token of the other of two. False if it is none of those.
    pub(super) fn message_of_other(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
    ) -> bool {
        let shown = request.headers.get(TOKEN);
        let known = self.call.direct().and_then(|direct| direct.chat.as_ref());
        if known.is_none_or(|(token, _)| shown != Some(token)) {
            return false;
        }
        let other = self.other_name();
        let other = other.or_else(|| Some(name(&request.headers.from().ok()?)));
        self.message_of(now, transaction, request, other);
        true
    }

    /// What the other of two is called in the conference.
    fn other_name(&self) -> Option<String> {
        let own = self.from.uri.aor();
        let mut others = self.roster.people().iter().filter(|person| person.uri != own);
        let other = others.next()?;
        others.next().is_none().then(|| other.name.clone())
    }

    /// Whether this request of ours is the line that goes straight to the other.
    pub(super) fn is_beside(&self, transaction: ClientTransactionId) -> bool {
        self.beside.until.is_some() && self.chat.is_sending(transaction)
    }
}
