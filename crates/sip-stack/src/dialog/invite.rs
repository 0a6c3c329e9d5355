//! Outgoing calls: the INVITE and its responses (RFC 3261 §13.2).

use std::time::Instant;

use super::CallTimer;
use super::call::{Call, Cancel, Outgoing, Stage};
use super::early::{EarlyDialogs, EarlySession};
use super::id::DialogId;
use crate::endpoint::{
    Body, CallId, ClientTransactionId, EndReason, Endpoint, Event, Failure, Invite, SessionError,
};
use crate::flow::{Hop, Target};
use crate::message::{CSeq, Method, Request, Response};
use crate::transaction::layer::{Act, ClientUser};

impl Endpoint {
    /// Calls somebody. The events are [`Event::Progress`], then [`Event::Answered`] or one of the
    /// last events. A challenge is answered inside if there are credentials.
    ///
    /// # Errors
    /// [`SessionError::TooMany`] above the configured limits.
    pub fn invite(&mut self, now: Instant, invite: Invite) -> Result<CallId, SessionError> {
        if self.calls.len() >= self.config.max_calls || !self.layer.has_room() {
            return Err(SessionError::TooMany);
        }
        let id = invite.call.unwrap_or_else(|| self.new_call_id());
        let contact = invite.contact.unwrap_or_else(|| self.config.contact.clone());
        let mut request = self.new_request(Method::Invite, invite.uri, invite.from, invite.to);
        invite.route.iter().for_each(|route| request.headers.push("Route", route));
        let mut call = Call::new(Stage::Inviting, contact);
        call.allow = invite.allow;
        self.describe_as(&mut request.headers, &call);
        for tag in &invite.without {
            request.headers.remove_word("Supported", tag);
        }
        call.timer.ask(self.config.session_timer.as_ref(), &mut request.headers);
        for (name, value) in &invite.headers {
            if name.eq_ignore_ascii_case("Max-Forwards") {
                // a B2BUA counts hops on, so that calls cannot run in circles (RFC 7332)
                request.headers.insert(name, value);
            } else {
                request.headers.push(name, value);
            }
        }
        let wants_offer = invite.body.is_none();
        if let Some(body) = &invite.body {
            request.set_body(&body.content_type, body.bytes.clone());
        }
        call.local_body = invite.body;
        let own_id = DialogId::of_own_request(&request.headers);
        call.credentials = invite.credentials;
        if let Some(credentials) = &mut call.credentials {
            credentials.authorize(&mut request, &mut self.tokens);
        }
        let target = invite.target.unwrap_or_else(|| {
            let first = invite.route.first().map_or(&request.uri, |route| &route.uri);
            Target::Hop(Hop::from_uri(first))
        });
        let user = ClientUser::Call(id, Act::Invite);
        let transaction =
            self.layer.start_client(now, request, target.clone(), None, user, &mut self.tokens);
        call.clients += 1;
        call.outgoing =
            Some(Outgoing { transaction, target, cancel: Cancel::Unwanted, wants_offer });
        call.own_id = own_id;
        self.own_invites.extend(call.own_id.clone());
        self.calls.insert(id, call);
        let ring = invite.ring_timeout.unwrap_or(self.config.ring_timeout);
        self.call_timers.set((id, CallTimer::Ring), now + ring);
        Ok(id)
    }

    /// A response to the INVITE that makes the call.
    pub(crate) fn invite_response(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ClientTransactionId,
        response: Response,
    ) {
        match response.status {
            ..200 => self.invite_progress(now, id, transaction, response),
            200..300 => self.invite_success(now, id, transaction, response),
            300.. => self.invite_failure(now, id, transaction, response),
        }
    }

    fn invite_success(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ClientTransactionId,
        mut response: Response,
    ) {
        let Some(request) = self.layer.client_request(transaction).cloned() else { return };
        let Some(dialog_id) = DialogId::of_response(&response.headers) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        match &call.dialog {
            Some(dialog) if dialog.id == dialog_id => {
                self.acknowledge_again(transaction, id, &dialog_id.remote_tag);
                return;
            }
            // Forked: another phone answered too. We want one (RFC 3261 §13.2.2.4).
            Some(_) => {
                self.drop_fork(now, id, transaction, &request, &response);
                return;
            }
            None => {}
        }
        let Some((dialog, early)) = call.confirmed_by(&request, &response) else { return };
        self.close_early_dialogs(id);
        self.dialogs.insert(dialog.id.clone(), id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.dialog = Some(dialog);
        call.learn(&response.headers);
        if call.stage == Stage::Ended {
            // Cancelled too late: the call must be taken and hung up (RFC 3261 §9.1).
            self.stop_call_timers(id);
            self.send_ack(id, transaction, None);
            self.send_bye(now, id, None);
            return;
        }
        call.stage = Stage::Established;
        call.timer.accept(self.config.session_timer.as_ref(), &response.headers);
        let wants_offer = call.outgoing.as_ref().is_some_and(|outgoing| outgoing.wants_offer)
            && !matches!(early, EarlySession::Agreed(_));
        if let EarlySession::Agreed(answer) = early {
            // What was said first counts (RFC 3261 §13.2.1).
            put_body(&mut response, answer);
        }
        self.call_timers.stop((id, CallTimer::Ring));
        self.restart_session_timer(now, id);
        self.acknowledge_or_wait(now, id, transaction, wants_offer, &response);
        self.emit(Event::Answered { call: id, response });
    }

    fn invite_failure(
        &mut self,
        now: Instant,
        id: CallId,
        transaction: ClientTransactionId,
        response: Response,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.stage != Stage::Inviting {
            return;
        }
        if let Some(request) = self.retry_of(id, transaction, &response) {
            self.close_early_dialogs(id);
            let Some(call) = self.calls.get_mut(&id) else { return };
            call.early = EarlyDialogs::default();
            let Some(outgoing) = &mut call.outgoing else { return };
            call.clients += 1;
            outgoing.transaction = self.layer.start_client(
                now,
                request,
                outgoing.target.clone(),
                None,
                ClientUser::Call(id, Act::Invite),
                &mut self.tokens,
            );
            return;
        }
        self.last_event(id, Event::Rejected { call: id, response });
    }

    /// The request of `transaction` made better, if the failure says how: credentials (RFC 3261
    /// §22.2) or a longer session interval (RFC 4028 §7.3). It has the next CSeq number and no Via.
    pub(crate) fn retry_of(
        &mut self,
        id: CallId,
        transaction: ClientTransactionId,
        response: &Response,
    ) -> Option<Request> {
        let call = self.calls.get_mut(&id)?;
        let mut request = self.layer.client_request(transaction)?.clone();
        if matches!(response.status, 401 | 407) {
            call.credentials.as_mut()?.answer(response, &mut request, &mut self.tokens).ok()?;
        } else {
            call.timer.raise(response)?;
            call.timer.ask(self.config.session_timer.as_ref(), &mut request.headers);
        }
        request.headers.remove_first("Via");
        let cseq = request.headers.cseq().ok()?;
        let tag = request.headers.to().ok()?.tag().map(str::to_owned);
        let number = match tag.and_then(|tag| call.dialog_with(&tag)) {
            Some(dialog) => dialog.next_sequence(),
            None => cseq.number + 1,
        };
        request.headers.insert("CSeq", CSeq { number, method: cseq.method });
        Some(request)
    }

    /// The INVITE got no final response.
    pub(crate) fn invite_failed(&mut self, id: CallId, failure: Failure) {
        let reason = EndReason::Unreachable(failure);
        self.last_event(id, Event::Ended { call: id, reason });
    }
}

/// Makes `body` the body of a response; `None` = no body.
pub(super) fn put_body(response: &mut Response, body: Option<Body>) {
    match body {
        Some(body) => response.set_body(&body.content_type, body.bytes),
        None => {
            response.headers.remove("Content-Type");
            response.body.clear();
        }
    }
}
