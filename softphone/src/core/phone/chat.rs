//! Chat in the dialog of the call (RFC 3428).

use std::time::{Duration, Instant};

use sip_stack::endpoint::{Body, ClientTransactionId, ServerTransactionId};
use sip_stack::flow::Flow;
use sip_stack::message::{Method, Request, Response};

use super::{Event, Phone, State};
use crate::core::chat::{ACCEPT, Draft, LineId, Read, SayError, read};
use crate::core::outcome::warning_text;

impl Phone {
    /// Says something to the conference, or to the other one; `unix` is the time of now since
    /// 1970-01-01T00:00:00Z. What becomes of it is told by [`Event::Said`] or [`Event::NotSaid`]; it
    /// does not come back as [`Event::Chat`].
    ///
    /// # Errors
    /// Before the call is answered and after its end, and for what is empty, too long or too much.
    pub fn say(&mut self, now: Instant, unix: Duration, text: &str) -> Result<LineId, SayError> {
        if !matches!(self.state, State::Talking(_)) {
            return Err(SayError::NoCall);
        }
        let id = self.chat.add(unix, text)?;
        self.send_line(now);
        self.drain(now);
        Ok(id)
    }

    /// Sends the next line that waits.
    pub(super) fn send_line(&mut self, now: Instant) {
        let State::Talking(call) = self.state else { return };
        let Some(draft) = self.chat.next() else { return };
        let Some(draft) = self.send_beside(now, draft) else { return };
        let body = self.line_body(&draft);
        match self.endpoint.request(now, call, Method::Message, &[], Some(body)) {
            Ok(transaction) => self.chat.sending(transaction, draft),
            Err(error) => self.event(Event::NotSaid { id: draft.id, why: error.to_string() }),
        }
    }

    /// A line as it goes out.
    pub(super) fn line_body(&self, draft: &Draft) -> Body {
        let call_id = match self.state {
            State::Talking(call) => self.endpoint.dialog_id(call).map(|id| id.call_id.clone()),
            _ => None,
        };
        self.chat.body(draft, &self.from, &call_id.unwrap_or_default())
    }

    /// A line of ours was answered, or `None`: nobody did. False if the request was another.
    pub(super) fn line_answered(
        &mut self,
        now: Instant,
        transaction: ClientTransactionId,
        response: Option<&Response>,
    ) -> bool {
        let beside = self.is_beside(transaction);
        let Some(draft) = self.chat.answered(transaction) else { return false };
        if beside && !self.beside_answered(response.is_some_and(Response::is_success)) {
            self.chat.put_back(draft);
            self.send_line(now);
            return true;
        }
        match response {
            Some(response) if response.is_success() => self.event(Event::Said { id: draft.id }),
            Some(response)
                if matches!(response.status, 406 | 415 | 488)
                    && self.chat.room.is_some()
                    && !self.chat.plain =>
            {
                // no conference of ours, and it takes plain text only
                self.chat.plain = true;
                self.chat.put_back(draft);
            }
            other => {
                let why = other.map_or_else(
                    || "no answer".to_owned(),
                    |response| {
                        let warning = response.headers.get("Warning").and_then(warning_text);
                        let phrase = warning.unwrap_or(&response.reason);
                        format!("{} {phrase}", response.status)
                    },
                );
                self.event(Event::NotSaid { id: draft.id, why });
            }
        }
        self.send_line(now);
        true
    }

    /// A MESSAGE outside of any dialog: only of whom we talk to, from where we talk to it.
    pub(super) fn message_outside(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
        flow: &Flow,
    ) {
        if self.message_of_other(now, transaction, request) {
            return;
        }
        let way = match self.state {
            State::Talking(call) => self.endpoint.flow_of(call),
            _ => None,
        };
        let from = request.headers.from().map(|from| from.uri.aor()).unwrap_or_default();
        let room = self.chat.room.as_ref().unwrap_or(&self.uri).aor();
        if way.is_some_and(|way| way.remote.ip() == flow.remote.ip()) && from == room {
            self.message(now, transaction, request);
        } else {
            let _gone = self.endpoint.respond_status(now, transaction, 403, "");
        }
    }

    /// A MESSAGE of whom we talk to.
    pub(super) fn message(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
    ) {
        self.message_of(now, transaction, request, None);
    }

    /// The same; `other` is who the focus says it is that sends it directly.
    pub(super) fn message_of(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
        other: Option<String>,
    ) {
        let Ok(sender) = request.headers.from() else {
            let _gone = self.endpoint.respond_status(now, transaction, 400, "");
            return;
        };
        match read(&request.headers, &request.body, &sender, self.focus) {
            Read::Signal => {}
            Read::Line(mut line, id) => {
                if let Some(other) = other {
                    // What it calls itself nobody has checked.
                    (line.from, line.private) = (other, false);
                }
                let is_new = id.is_none_or(|id| self.chat.is_new(&id));
                if is_new && !line.text.is_empty() {
                    self.event(Event::Chat(line));
                }
            }
            Read::Refuse(status) => {
                let accept = [("Accept".to_owned(), ACCEPT.to_owned())];
                let headers = if status == 415 { &accept[..] } else { &[] };
                self.endpoint.respond_with(now, transaction, status, "", headers);
                return;
            }
        }
        let _gone = self.endpoint.respond_status(now, transaction, 200, "");
    }
}
