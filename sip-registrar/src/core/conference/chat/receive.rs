//! Somebody says something: who it is, whether they may, and to whom it goes.

use std::sync::Arc;
use std::time::Instant;

use sip_stack::endpoint::{CallId, ServerTransactionId};
use sip_stack::flow::Flow;
use sip_stack::message::{Request, Uri};

use super::delivery::Outcome;
use super::inbox::{Form, Item};
use super::line::Line;
use super::read::{Said, read};
use crate::core::conference::{ConferenceName, Focus, Member};
use crate::core::history::{Person, Record, RecordKind};
use crate::core::identity::Identity;
use crate::core::register::bad_request;
use crate::core::registrar::{Registrar, Role};
use crate::core::reject::Reject;
use crate::core::route::Resource;

impl Registrar {
    /// MESSAGE outside of any dialog (RFC 3428): to a conference, of somebody who is in it.
    pub(crate) fn message_outside(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
        flow: &Flow,
    ) -> Result<(), Reject> {
        if request.headers.to().is_ok_and(|to| to.tag().is_some()) {
            return Err(Reject::new(481));
        }
        let from = request.headers.from().map_err(bad_request)?;
        let identity = self.identify(now, request, &from, flow)?;
        let name = match self.resource(&request.uri, flow)? {
            Resource::Conference(name) => name,
            Resource::Account(_) => {
                return Err(Reject::new(403).because("messages go to conferences only"));
            }
            Resource::Server | Resource::Factory | Resource::Meetings => {
                return Err(Reject::new(404));
            }
        };
        let focus = self.directory.get(&name).ok_or_else(|| Reject::new(404))?;
        let devices = self.devices_at(focus, &identity, flow);
        let outsider = || Reject::new(403).because("only members may chat");
        let sender = *devices.first().ok_or_else(outsider)?;
        self.spare_crashing_client(&name, sender);
        self.message(now, &name, sender, &devices, transaction, request)
    }

    /// MESSAGE in the dialog of a member.
    pub(crate) fn message_inside(
        &mut self,
        now: Instant,
        call: CallId,
        transaction: ServerTransactionId,
        request: &Request,
    ) -> Result<(), Reject> {
        let Some(Role::Member(name)) = self.roles.get(&call).cloned() else {
            return Err(Reject::new(481));
        };
        if !self.member_mut(call).is_some_and(|member| member.is_inside()) {
            return Err(Reject::new(403).because("only members may chat"));
        }
        self.message(now, &name, call, &[call], transaction, request)
    }

    /// Which of somebody's devices says something outside of its dialog: the one that sent it, if the
    /// way it came tells; else it may be any, and none gets it back.
    fn devices_at(&self, focus: &Focus, identity: &Identity, flow: &Flow) -> Vec<CallId> {
        let own = focus.members().filter(|(_, m)| m.identity == *identity && m.is_inside());
        let all: Vec<CallId> = own.map(|(call, _)| call).collect();
        let here = |call: &CallId| {
            self.endpoint.flow_of(*call).is_some_and(|way| way.remote == flow.remote)
        };
        match all.iter().copied().find(here) {
            Some(call) => vec![call],
            None => all,
        }
    }

    fn message(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        sender: CallId,
        devices: &[CallId],
        transaction: ServerTransactionId,
        request: &Request,
    ) -> Result<(), Reject> {
        let content_type = request.headers.content_type().map_err(bad_request)?;
        let encoding = request.headers.get("Content-Encoding");
        match read(content_type.as_ref(), encoding, &request.body)? {
            Some(said) => self.say(now, name, sender, devices, said, Some(transaction)),
            None => {
                let _ = self.endpoint.respond_status(now, transaction, 200, "");
                Ok(())
            }
        }
    }

    /// `sender` says something in a conference it is in. It goes to everybody but its `devices`;
    /// `asked` is answered when it has reached somebody, or nobody.
    pub(crate) fn say(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        sender: CallId,
        devices: &[CallId],
        said: Said,
        asked: Option<ServerTransactionId>,
    ) -> Result<(), Reject> {
        let at = self.clock.unix(now);
        let id_of_ours = self.tokens.hex(8);
        let (keep, records) = (self.settings.chat_history, self.settings.record_chat);
        let focus = self.directory.get_mut(name).ok_or_else(|| Reject::new(404))?;
        let member = focus.member_mut(sender).ok_or_else(|| Reject::new(481))?;
        let (by, aor) = (member.person(), member.aor.clone());
        if let Some(from) = &said.from
            && !is_same(&from.uri, &aor)
        {
            return Err(Reject::new(403).because("From in message/cpim is somebody else"));
        }
        if !member.inbox.may_say(now) {
            // Not 503, which tells a client to leave this server alone altogether (RFC 3261 §21.5.4).
            let later = Reject::new(480).with("Retry-After", "2");
            return Err(later.because("too many messages"));
        }
        let to = private_to(focus, said.to.as_ref(), name)?;
        let repeated = said.id.as_ref().is_some_and(|id| !focus.chat.is_new(&aor, id));
        if repeated || said.text.is_empty() {
            // 202, for whom the first one has reached is not known any more.
            self.answer_message(now, asked, if repeated { 202 } else { 200 }, None);
            return Ok(());
        }
        let id = said.id.unwrap_or(id_of_ours);
        let seq = focus.chat.next();
        let line = Arc::new(Line { seq, by, at, text: said.text, id, to });
        focus.chat.add(&line, keep);
        tracing::debug!(conference = %name, seq, bytes = line.text.len(), "chat");
        let record = (records && line.to.is_none()).then(|| {
            let record = Record::new(at, focus, RecordKind::Chat);
            record.by(line.by.clone()).detail(line.text.clone())
        });
        self.counters.chat_lines += 1;
        if let Some(record) = record {
            self.record(record);
        }
        self.fan_out(now, name, sender, devices, line, asked);
        Ok(())
    }

    fn fan_out(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        sender: CallId,
        devices: &[CallId],
        line: Arc<Line>,
        asked: Option<ServerTransactionId>,
    ) {
        let Some(focus) = self.directory.get(name) else { return };
        let is_meant = |member: &Member| match &line.to {
            Some(person) => person.uri == member.aor,
            None => true,
        };
        let others = focus.members().filter(|(call, member)| {
            member.is_inside() && is_meant(member) && !devices.contains(call)
        });
        let others: Vec<(CallId, bool)> =
            others.map(|(call, member)| (call, member.inbox.form != Form::None)).collect();
        let hearing: Vec<CallId> =
            others.iter().filter(|(_, hears)| *hears).map(|(call, _)| *call).collect();
        if hearing.is_empty() {
            // RFC 3428 §7: accepted, but nobody has it yet; whoever comes later is told.
            let warning = (!others.is_empty()).then_some("nobody here can read chat");
            self.answer_message(now, asked, 202, warning);
            return;
        }
        let delivery = self.deliveries.open(now, asked, sender, Arc::clone(&line), hearing.len());
        for call in hearing {
            let item = Item { line: Arc::clone(&line), delivery: Some(delivery) };
            let Some(member) = self.member_mut(call) else { continue };
            if let Err(item) = member.inbox.push(item) {
                let missed = Outcome::Missed(member.display_name.clone());
                self.settle(now, item.delivery, missed);
            }
            self.pump(now, call);
        }
    }
}

/// Whether a URI in an envelope is this address of record. Parameters and port are those of a device.
fn is_same(uri: &Uri, aor: &str) -> bool {
    let aor = Uri::parse(aor);
    aor.is_some_and(|aor| uri.user_text() == aor.user_text() && uri.host == aor.host)
}

/// For whom alone something is: nobody if it is for the room; 404 for somebody who is not there (RFC
/// 7701 §6.2).
fn private_to(
    focus: &Focus,
    to: Option<&Uri>,
    name: &ConferenceName,
) -> Result<Option<Person>, Reject> {
    let Some(to) = to else { return Ok(None) };
    if to.user_text().as_deref() == Some(name.as_str()) {
        return Ok(None);
    }
    let mut members = focus.members().map(|(_, member)| member);
    let member = members.find(|member| member.is_inside() && is_same(to, &member.aor));
    member.map(|m| Some(m.person())).ok_or_else(|| Reject::new(404).because("no such member"))
}
