//! Making a conference: an INVITE that is redirected to it, or answered by it (RFC 4579 §5.4).

use std::time::Instant;

use sip_stack::endpoint::{Body, CallId, EndReason, Event as StackEvent, Invite};
use sip_stack::message::{Response, Uri};

use super::{Desk, Event, SECRET, refused, unreachable};
use crate::core::outcome::Outcome;

/// A conference that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// What to dial.
    pub uri: Uri,
    /// What a guest shows to be known again as its organizer.
    pub secret: Option<String>,
}

/// The INVITE and what becomes of it.
#[derive(Debug)]
pub(super) struct Creating {
    uri: Uri,
    headers: Vec<(String, String)>,
    body: Option<Body>,
    call: Option<CallId>,
}

impl Creating {
    pub(super) fn new(uri: Uri, headers: Vec<(String, String)>, body: Body) -> Self {
        Creating { uri, headers, body: Some(body), call: None }
    }

    pub(super) fn start(&mut self, now: Instant, desk: &mut Desk) {
        let mut headers = std::mem::take(&mut self.headers);
        headers.extend(desk.proofs());
        let invite = Invite {
            target: desk.target.clone(),
            credentials: desk.credentials.take(),
            headers,
            ..Invite::new(self.uri.clone(), desk.from.clone(), self.body.take())
        };
        match desk.endpoint.invite(now, invite) {
            Ok(call) => self.call = Some(call),
            Err(error) => desk.over(Outcome::Local(error.to_string())),
        }
    }

    pub(super) fn handle(&mut self, now: Instant, desk: &mut Desk, event: StackEvent) {
        match event {
            StackEvent::Answered { response, .. } => Self::made(desk, &response),
            StackEvent::Rejected { response, .. } => {
                self.call = None;
                match response.status {
                    300..=399 => Self::made(desk, &response),
                    _ => desk.over(refused(&response)),
                }
            }
            StackEvent::Ended { reason, .. } => {
                self.call = None;
                match reason {
                    EndReason::Unreachable(failure) => desk.over(unreachable(failure)),
                    EndReason::Local => {}
                    _ => desk.over(Outcome::Unreachable("nobody answered".to_owned())),
                }
            }
            StackEvent::Request { transaction, .. } | StackEvent::InDialog { transaction, .. } => {
                let _gone = desk.endpoint.respond_status(now, transaction, 405, "");
            }
            StackEvent::Reinvite { call, .. } => {
                let _gone = desk.endpoint.reject_reinvite(now, call, 488, "", &[]);
            }
            StackEvent::IncomingCall { call, .. } => {
                let _gone = desk.endpoint.reject(now, call, 486, "", &[]);
            }
            _ => {}
        }
    }

    fn made(desk: &mut Desk, response: &Response) {
        let contact = response.headers.contacts().unwrap_or_default().into_iter().next();
        let Some(contact) = contact.filter(|contact| contact.params.has("isfocus")) else {
            let what =
                "what answered is no conference server (no isfocus in its Contact)".to_owned();
            desk.over(Outcome::Local(what));
            return;
        };
        let secret = response.headers.get(SECRET).map(str::to_owned);
        desk.event(Event::Created(Created { uri: contact.uri, secret }));
        desk.over(Outcome::Left);
    }

    /// Who only makes a conference does not stay in it.
    pub(super) fn end(&mut self, now: Instant, desk: &mut Desk) {
        if let Some(call) = self.call.take() {
            // no such call any more: it is over already
            let _gone = desk.endpoint.bye(now, call, None);
        }
    }
}
