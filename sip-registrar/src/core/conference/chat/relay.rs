//! Lines on their way to the members, and what comes back of them.

use std::sync::Arc;
use std::time::Instant;

use sip_stack::endpoint::{Body, CallId, ClientTransactionId, ServerTransactionId, SessionError};
use sip_stack::message::{Method, Response, Uri};

use super::delivery::{Delivery, DeliveryId, Outcome, Settled};
use super::inbox::{Form, Inbox, Item};
use super::line::Line;
use crate::core::call::Relayed;
use crate::core::history::Person;
use crate::core::registrar::{Registrar, Role};
use crate::core::reject::Reject;

/// How many names of those who were not reached are told.
const MAX_NAMES: usize = 8;
/// How much of a line is repeated to say which it was, in characters.
const MAX_QUOTED: usize = 40;

impl Registrar {
    /// Sends the next line that waits for a device.
    pub(super) fn pump(&mut self, now: Instant, call: CallId) {
        let unix = self.clock.unix(now);
        loop {
            let Some(member) = self.member_mut(call) else { return };
            match &member.msrp {
                // It has said that it will connect.
                Some(side) if !side.is_connected() => return,
                Some(_) => {
                    let Some(item) = member.inbox.next() else { return };
                    if let Some(item) = self.send_by_msrp(now, call, item) {
                        let missed = Outcome::Missed(self.name_of(call));
                        self.settle(now, item.delivery, missed);
                        continue;
                    }
                    return;
                }
                None => {}
            }
            let Some(member) = self.member_mut(call) else { return };
            let Some(item) = member.inbox.next() else { return };
            let room = room_uri(&member.contact.uri);
            let (form, line) = (member.inbox.form, &item.line);
            let sent = match form {
                Form::Cpim => self.message_in(now, call, line.cpim(&room)),
                Form::PlainBeside => {
                    self.endpoint.message_beside(now, call, &line.by.name, line.plain(unix))
                }
                Form::PlainInside => self.message_in(now, call, line.plain(unix)),
                Form::None => {
                    self.settle(now, item.delivery, Outcome::Nothing);
                    continue;
                }
            };
            match sent {
                Ok(transaction) => {
                    self.relayed.insert(transaction, Relayed::Chat(call));
                    if let Some(member) = self.member_mut(call) {
                        member.inbox.sending(item);
                    }
                    return;
                }
                Err(_) => {
                    let missed = Outcome::Missed(self.name_of(call));
                    self.settle(now, item.delivery, missed);
                }
            }
        }
    }

    fn message_in(
        &mut self,
        now: Instant,
        call: CallId,
        body: Body,
    ) -> Result<ClientTransactionId, SessionError> {
        self.endpoint.request(now, call, Method::Message, &[], Some(body))
    }

    /// A device has answered a line of chat, or will not.
    pub(crate) fn on_chat_answer(
        &mut self,
        now: Instant,
        call: CallId,
        response: Option<&Response>,
    ) {
        let Some(member) = self.member_mut(call) else { return };
        let Some(item) = member.inbox.answered(response.is_some()) else { return };
        let name = member.display_name.clone();
        let outcome = match (response.map_or(408, |r| r.status), member.inbox.form) {
            (200..=299, _) => Outcome::Reached,
            // baresip refuses the envelope by 415; Linphone by 488, not acceptable *here*.
            (status @ (406 | 415 | 488), Form::Cpim) => {
                let beside = status == 488;
                member.inbox.form = if beside { Form::PlainBeside } else { Form::PlainInside };
                member.inbox.put_back(item);
                self.pump(now, call);
                return;
            }
            // Whoever wants to know who we are, or takes nothing from strangers, knows the dialog.
            (401 | 403..=407 | 415 | 481 | 488 | 501 | 603, Form::PlainBeside) => {
                member.inbox.form = Form::PlainInside;
                member.inbox.put_back(item);
                self.pump(now, call);
                return;
            }
            (405 | 406 | 415 | 488 | 501, _) => {
                member.inbox.form = Form::None;
                Outcome::Nothing
            }
            _ => Outcome::Missed(name),
        };
        self.settle(now, item.delivery, outcome);
        self.pump(now, call);
    }

    /// Somebody has come in: tells what was said before.
    pub(crate) fn replay_chat(&mut self, now: Instant, call: CallId) {
        let Some(Role::Member(name)) = self.roles.get(&call) else { return };
        let Some(focus) = self.directory.get_mut(name) else { return };
        let lines: Vec<Arc<Line>> = focus.chat.lines().cloned().collect();
        let Some(member) = focus.member_mut(call) else { return };
        for line in lines {
            // The room is smaller than the inbox, which is empty.
            let _ = member.inbox.push(Item { line, delivery: None });
        }
        self.pump(now, call);
    }

    /// A member has left: nothing reaches it any more.
    pub(crate) fn drop_inbox(&mut self, now: Instant, inbox: Inbox) {
        for item in inbox.into_items() {
            self.settle(now, item.delivery, Outcome::Nothing);
        }
    }

    /// Answers the senders that have waited for long enough.
    pub(crate) fn on_chat_timeout(&mut self, now: Instant) {
        for asked in self.deliveries.overdue(now) {
            self.answer_message(now, Some(asked), 202, None);
        }
    }

    /// One device is done with a line.
    pub(super) fn settle(&mut self, now: Instant, id: Option<DeliveryId>, outcome: Outcome) {
        let Some(id) = id else { return };
        match self.deliveries.settle(id, outcome) {
            None => {}
            Some(Settled::First(asked)) => self.answer_message(now, Some(asked), 200, None),
            Some(Settled::All(delivery)) => self.delivered(now, delivery),
        }
    }

    /// All devices are done with a line: the sender is told if it missed some.
    fn delivered(&mut self, now: Instant, delivery: Delivery) {
        let reached = delivery.reached > 0;
        let status = match delivery.missed.is_empty() {
            _ if reached => 200,
            true => 202,
            false => 480,
        };
        let answered = delivery.asked.is_none();
        let warning = (status == 480).then_some("nobody was reached");
        self.answer_message(now, delivery.asked, status, warning);
        // Whoever was told 480 knows.
        if !delivery.missed.is_empty() && (answered || reached) {
            self.tell_missed(now, delivery.sender, &delivery.line, &delivery.missed);
        }
    }

    /// Tells a sender in a line of the conference's own whom its line did not reach. It is for nobody
    /// else, and what becomes of it is told to nobody: so it cannot set off another.
    fn tell_missed(&mut self, now: Instant, sender: CallId, line: &Line, missed: &[String]) {
        let at = self.clock.unix(now);
        let id = self.tokens.hex(8);
        let Some(member) = self.member_mut(sender) else { return };
        let mut names = missed.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
        if missed.len() > MAX_NAMES {
            names.push_str(&format!(" and {} more", missed.len() - MAX_NAMES));
        }
        let mut said: String = line.text.chars().take(MAX_QUOTED).collect();
        if said.len() < line.text.len() {
            said.push('…');
        }
        let room = room_uri(&member.contact.uri).to_string();
        let notice = Line {
            seq: line.seq,
            by: Person { uri: room, name: "conference".to_owned(), verified: true },
            at,
            text: format!("did not reach {names}: {said}"),
            id,
            to: Some(member.person()),
        };
        // No room for it: then the sender does not read either.
        let _ = member.inbox.push(Item { line: Arc::new(notice), delivery: None });
        self.pump(now, sender);
    }

    /// Answers a MESSAGE; without Contact or body (RFC 3428 §7).
    pub(super) fn answer_message(
        &mut self,
        now: Instant,
        asked: Option<ServerTransactionId>,
        status: u16,
        warning: Option<&str>,
    ) {
        let Some(asked) = asked else { return };
        let answer = Reject::new(status);
        let answer = match warning {
            Some(text) => answer.because(text),
            None => answer,
        };
        self.respond_reject(now, asked, &answer);
    }

    fn name_of(&mut self, call: CallId) -> String {
        self.member_mut(call).map(|member| member.display_name.clone()).unwrap_or_default()
    }
}

/// The URI of the conference without what belongs to one dialog.
pub(super) fn room_uri(contact: &Uri) -> Uri {
    Uri::sip(contact.user_text().as_deref(), contact.host.clone(), contact.port)
}
