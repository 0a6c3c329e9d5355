//! Early dialogs of an outgoing call, one for each phone that a fork reached (RFC 3261 §12.1.2), and
//! PRACK for what they send reliably (RFC 3262 §4).

use std::time::Instant;

use super::call::{Call, Stage};
use super::id::DialogId;
use super::state::Dialog;
use crate::endpoint::{Body, CallId, ClientTransactionId, Endpoint, Event, SessionError};
use crate::message::{Headers, Method, RAck, Request, Response, rseq};
use crate::transaction::layer::{Act, ClientUser};

/// The most early dialogs of one call; a stranger cannot make us keep or acknowledge more.
const MAX_EARLY: usize = 16;

/// One early dialog.
#[derive(Debug)]
pub(crate) struct Early {
    pub(crate) dialog: Dialog,
    /// RSeq of the last reliable provisional response in order.
    rseq: Option<u32>,
    /// How far offer and answer of the INVITE have come in it.
    pub(crate) session: EarlySession,
    /// The peer has ended it (199, RFC 6228). Kept for its sequence numbers: a 2xx may have crossed.
    ended: bool,
}

/// Offer and answer of the INVITE in an early dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EarlySession {
    /// Nothing binding yet: the description of an unreliable response is a preview.
    Open,
    /// Its reliable response carried the offer we asked for; our PRACK must answer it.
    Offered(RAck),
    /// Through. The answer, if it came from the peer.
    Agreed(Option<Body>),
}

/// The early dialogs of one call, by To tag.
#[derive(Debug, Default)]
pub(crate) struct EarlyDialogs(Vec<Early>);

impl EarlyDialogs {
    pub(crate) fn get_mut(&mut self, remote_tag: &str) -> Option<&mut Early> {
        self.0.iter_mut().find(|early| early.dialog.id.remote_tag == remote_tag)
    }

    fn ids(&self) -> impl Iterator<Item = &DialogId> {
        self.0.iter().map(|early| &early.dialog.id)
    }

    fn take(&mut self, remote_tag: &str) -> Option<Early> {
        let at = self.0.iter().position(|early| early.dialog.id.remote_tag == remote_tag)?;
        Some(self.0.remove(at))
    }

    /// The only one in which the session can be changed: offer and answer are through, and no other
    /// phone rings.
    pub(crate) fn agreed(&self) -> Option<&Early> {
        let mut alive = self.0.iter().filter(|early| !early.ended);
        let only = alive.next().filter(|early| matches!(early.session, EarlySession::Agreed(_)));
        only.filter(|_| alive.next().is_none())
    }
}

impl Endpoint {
    /// Answers the offer that came in a reliable provisional response, in its PRACK (RFC 3262 §5).
    /// Due after [`Event::Progress`] if the INVITE had no body and the response has one and requires
    /// `100rel`; `early` is the tag in its To. Until then the peer repeats the response, and after
    /// 32 s it gives up.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] if no such offer waits.
    pub fn answer_progress(
        &mut self,
        now: Instant,
        call: CallId,
        early: &str,
        body: Body,
    ) -> Result<(), SessionError> {
        let state = self.live_call(call)?;
        let Some(dialog) = state.early.get_mut(early) else {
            return Err(SessionError::WrongState);
        };
        let EarlySession::Offered(rack) = dialog.session.clone() else {
            return Err(SessionError::WrongState);
        };
        dialog.session = EarlySession::Agreed(None);
        state.local_body = Some(body.clone());
        self.send_prack(now, call, early, &rack, Some(&body));
        Ok(())
    }

    /// A 101–199 to the INVITE that makes the call.
    pub(super) fn invite_progress(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ClientTransactionId,
        response: Response,
    ) {
        self.send_wanted_cancel(now, id);
        let Some(request) = self.layer.client_request(transaction) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.stage != Stage::Inviting || response.status == 100 {
            return;
        }
        let Some((tag, is_new)) = early_dialog(call, request, &response) else {
            // Of a peer of RFC 2543, or one too many: it rings, and that is all.
            if reliable_number(&response).is_none() {
                self.emit(Event::Progress { call: id, response });
            }
            return;
        };
        if is_new && let Some(early) = call.early.get_mut(&tag) {
            self.dialogs.insert(early.dialog.id.clone(), id);
        }
        let cseq = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let wants_offer = call.outgoing.as_ref().is_some_and(|outgoing| outgoing.wants_offer);
        let Some(early) = call.early.get_mut(&tag) else { return };
        if let Some(number) = reliable_number(&response) {
            if !early.is_next(number) {
                return;
            }
            early.rseq = Some(number);
            if !is_new {
                early.dialog.refresh_target(response.headers.contacts().ok());
            }
            let rack = RAck { rseq: number, cseq, method: Method::Invite };
            early.note_session(wants_offer, &rack, &response);
            let waits = early.session == EarlySession::Offered(rack.clone());
            call.learn(&response.headers);
            if !waits {
                self.send_prack(now, id, &tag, &rack, None);
            }
        } else {
            call.learn(&response.headers);
        }
        if response.status == 199 {
            self.end_early(id, &tag);
        }
        self.emit(Event::Progress { call: id, response });
    }

    /// The peer has ended an early dialog; the others go on (RFC 6228 §4).
    fn end_early(&mut self, id: CallId, tag: &str) {
        let Some(early) = self.calls.get_mut(&id).and_then(|call| call.early.get_mut(tag)) else {
            return;
        };
        early.ended = true;
        self.dialogs.remove(&early.dialog.id);
    }

    fn send_prack(
        &mut self,
        now: Instant,
        id: CallId,
        tag: &str,
        rack: &RAck,
        body: Option<&Body>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(dialog) = call.dialog_with(tag) else { return };
        let mut prack = dialog.request(Method::Prack);
        let dialog = dialog.clone();
        prack.headers.push("RAck", rack);
        if let Some(body) = body {
            prack.set_body(&body.content_type, body.bytes.clone());
        }
        if let Some(credentials) = &mut call.credentials {
            credentials.authorize(&mut prack, &mut self.tokens);
        }
        let target = call.target(&dialog);
        let fallback = call.fallback(&dialog, &target);
        call.clients += 1;
        // Whatever becomes of it: an unacknowledged INVITE is ended by the peer.
        let user = ClientUser::Call(id, Act::Aside);
        self.layer.start_client(now, prack, target, fallback, user, &mut self.tokens);
    }

    /// A reliable provisional response to our re-INVITE. Its description is the answer to our offer
    /// (we let nobody send one to a re-INVITE without offer, by leaving `100rel` out).
    pub(super) fn change_progress(&mut self, now: Instant, id: CallId, response: &Response) {
        let Some(number) = reliable_number(response) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(change) = &mut call.change else { return };
        if change.rseq.is_some_and(|last| last.checked_add(1) != Some(number)) {
            return;
        }
        let Ok(cseq) = response.headers.cseq() else { return };
        change.rseq = Some(number);
        if change.answer.is_none() && is_session(&response.headers) {
            change.answer = Body::of(&response.headers, &response.body);
        }
        let tag = change.tag.clone();
        if let Some(dialog) = &mut call.dialog {
            dialog.refresh_target(response.headers.contacts().ok());
        }
        let rack = RAck { rseq: number, cseq: cseq.number, method: Method::Invite };
        self.send_prack(now, id, &tag, &rack, None);
    }

    /// The dialogs that phones began for an INVITE that is sent once more, or has been answered by
    /// another of them: requests in them are answered 481 from now on.
    pub(super) fn close_early_dialogs(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        for early in call.early.ids() {
            self.dialogs.remove(early);
        }
    }
}

impl Early {
    /// Whether `number` is the RSeq to acknowledge; all others are repeated or too early.
    fn is_next(&self, number: u32) -> bool {
        self.rseq.is_none_or(|last| last.checked_add(1) == Some(number))
    }

    /// The first description of a reliable response counts: it is the answer to our offer, or the
    /// offer we asked for (RFC 3261 §13.2.1).
    fn note_session(&mut self, wants_offer: bool, rack: &RAck, response: &Response) {
        if self.session != EarlySession::Open || !is_session(&response.headers) {
            return;
        }
        let Some(body) = Body::of(&response.headers, &response.body) else { return };
        self.session = if wants_offer {
            EarlySession::Offered(rack.clone())
        } else {
            EarlySession::Agreed(Some(body))
        };
    }
}

impl Call {
    /// The dialog with the peer that chose this tag, early or confirmed.
    pub(crate) fn dialog_with(&mut self, remote_tag: &str) -> Option<&mut Dialog> {
        match &mut self.dialog {
            Some(dialog) if dialog.id.remote_tag == remote_tag => Some(dialog),
            _ => self.early.get_mut(remote_tag).map(|early| &mut early.dialog),
        }
    }

    /// The dialog that a 2xx to our INVITE confirms, with what was agreed while it was early.
    pub(super) fn confirmed_by(
        &mut self,
        request: &Request,
        response: &Response,
    ) -> Option<(Dialog, EarlySession)> {
        let tag = response.headers.to().ok()?.tag().unwrap_or_default().to_owned();
        if let Some(mut early) = self.early.take(&tag) {
            early.dialog.confirm(&response.headers);
            return Some((early.dialog, early.session));
        }
        let mut dialog = Dialog::as_client(request, response)?;
        dialog.used_sequence(request.headers.cseq().ok()?.number);
        Some((dialog, EarlySession::Open))
    }
}

/// The tag of the early dialog a provisional response belongs to, and whether it makes it. `None` if
/// it has no tag, or there are too many.
fn early_dialog(call: &mut Call, request: &Request, response: &Response) -> Option<(String, bool)> {
    let tag = response.headers.to().ok()?.tag()?.to_owned();
    if call.early.get_mut(&tag).is_some() {
        return Some((tag, false));
    }
    // 199 must not make a dialog (RFC 6228 §4).
    if call.early.0.len() >= MAX_EARLY || response.status == 199 {
        return None;
    }
    let dialog = Dialog::as_client(request, response)?;
    let (rseq, session, ended) = (None, EarlySession::Open, false);
    call.early.0.push(Early { dialog, rseq, session, ended });
    Some((tag, true))
}

/// The RSeq of a response that must be acknowledged by PRACK.
fn reliable_number(response: &Response) -> Option<u32> {
    rseq(&response.headers).filter(|_| response.headers.list_has("Require", "100rel"))
}

/// Whether the body is a session description, as far as its type tells; multipart may hold one.
pub(super) fn is_session(headers: &Headers) -> bool {
    let content_type = headers.content_type().ok().flatten();
    content_type.is_some_and(|t| t.is("application/sdp") || t.kind == "multipart")
}
