//! REFER to the focus: somebody is called into a conference, or something is done to it or its members
//! (RFC 3515, RFC 4579 §5.5, §5.11), and who asked is told what becomes of it (`Event: refer`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sip_stack::dialog::Notifier;
use sip_stack::endpoint::{Body, CallId, ServerTransactionId};
use sip_stack::flow::Flow;
use sip_stack::message::{Method, NameAddr, Reason, Request, Uri, build};

use super::conference::{Act, Actor, ConferenceName, MemberRole, Whom, flag};
use super::register::bad_request;
use super::registrar::{Registrar, Role};
use super::reject::Reject;
use super::route::Resource;

/// The most REFERs that are being carried out at a time.
const MAX_REFERS: usize = 1000;

/// Names one REFER that is being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReferId(u64);

/// The REFERs that are being carried out.
#[derive(Debug, Default)]
pub(crate) struct Refers {
    next: u64,
    running: BTreeMap<ReferId, Refer>,
}

/// One REFER.
#[derive(Debug)]
struct Refer {
    notify: Notify,
    /// The calls to the devices of who is invited.
    branches: BTreeSet<CallId>,
    /// The best refusal so far.
    best: Option<u16>,
}

/// Whom to tell what becomes of a REFER.
#[derive(Debug)]
enum Notify {
    /// The member, in the dialog of its call; the number names the REFER (RFC 3515 §2.4.6).
    InCall { call: CallId, id: u32 },
    /// Who sent it outside of any call.
    Outside(Box<Notifier>),
    /// Nobody: it said `Refer-Sub: false` (RFC 4488), or does not want to hear any more.
    Nobody,
}

impl Refers {
    fn begin(&mut self, notify: Notify) -> ReferId {
        self.next += 1;
        let id = ReferId(self.next);
        self.running.insert(id, Refer { notify, branches: BTreeSet::new(), best: None });
        id
    }

    /// Somebody is called in without a REFER: nobody is told what becomes of it.
    pub(crate) fn silent(&mut self) -> ReferId {
        self.begin(Notify::Nobody)
    }

    /// These calls belong to it.
    pub(crate) fn began(&mut self, id: ReferId, calls: BTreeSet<CallId>) {
        if let Some(refer) = self.running.get_mut(&id) {
            refer.branches = calls;
        }
    }

    /// Nothing comes of it.
    pub(crate) fn forget(&mut self, id: ReferId) {
        self.running.remove(&id);
    }
}

impl Registrar {
    /// REFER in the dialog of a member.
    pub(crate) fn refer(
        &mut self,
        now: Instant,
        call: CallId,
        transaction: ServerTransactionId,
        request: &Request,
    ) -> Result<(), Reject> {
        let Some(Role::Member(name)) = self.roles.get(&call).cloned() else {
            return Err(Reject::new(481));
        };
        let Some(member) = self.member_mut(call) else { return Err(Reject::new(481)) };
        let (actor, contact) = (member.identity.actor(&request.headers), member.contact.clone());
        // Its call proves who it is as well as anything.
        let role = member.role;
        let entitled = self.directory.get(&name).map(|focus| focus.entitled(&actor));
        let role = entitled.map_or(role, |entitled| entitled.max(role));
        let flow = self.endpoint.flow_of(call).ok_or_else(|| Reject::new(481))?;
        let act = self.judge(now, &actor, role, request, &name, &flow)?;
        let id = request.headers.cseq().map_err(bad_request)?.number;
        let notify = match wants_no_subscription(request) {
            true => Notify::Nobody,
            false => Notify::InCall { call, id },
        };
        self.accept_refer(now, transaction, &contact, &notify);
        self.carry_out(now, request, &flow, &actor, role, &name, act, notify);
        Ok(())
    }

    /// REFER to a conference outside of any dialog.
    pub(crate) fn refer_outside(
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
        let Resource::Conference(name) = self.resource(&request.uri, flow)? else {
            // Phones take a REFER in their calls; to pass on one that is not would let strangers
            // make them call.
            return Err(Reject::new(405));
        };
        let actor = identity.actor(&request.headers);
        let role = self.directory.get(&name).map(|focus| focus.role_outside(&actor));
        let role = role.unwrap_or(MemberRole::Participant);
        let act = self.judge(now, &actor, role, request, &name, flow)?;
        let contact = self.conference_contact(&name, &request.uri, flow);
        let notify = if wants_no_subscription(request) {
            Notify::Nobody
        } else {
            let notifier = self.endpoint.notifier(transaction, *flow, contact.clone());
            Notify::Outside(Box::new(notifier.ok_or_else(|| Reject::new(400).because("Contact"))?))
        };
        self.accept_refer(now, transaction, &contact, &notify);
        self.carry_out(now, request, flow, &actor, role, &name, act, notify);
        Ok(())
    }

    /// What a REFER asks for, if whoever sent it may.
    fn judge(
        &self,
        now: Instant,
        actor: &Actor,
        role: MemberRole,
        request: &Request,
        name: &ConferenceName,
        flow: &Flow,
    ) -> Result<Act, Reject> {
        if self.refers.running.len() >= MAX_REFERS {
            return Err(Reject::busy("too many invitations"));
        }
        let target = request.headers.refer_to().map_err(bad_request)?;
        let target = target.ok_or_else(|| Reject::new(400).because("no Refer-To"))?;
        let focus = self.running(now, name)?;
        if !target.uri.is_sip() || !target.uri.headers.is_empty() {
            return Err(Reject::new(403).because("only accounts of this server can be invited"));
        }
        let about = match self.resource(&target.uri, flow) {
            Ok(Resource::Conference(named)) if named == *name => About::Conference,
            // Whoever calls itself by a name that nobody has is a guest, if it is here.
            _ => About::Member(match target.uri.params.get("gr") {
                Some(leg) if focus.call_of(leg).is_some() => Whom::Member(leg.to_owned()),
                _ => Whom::Uri(target.uri.aor()),
            }),
        };
        let act = wish_of(&target, about)?;
        self.allow(now, actor, role, name, &act)?;
        Ok(act)
    }

    /// 200 to a REFER: 202 is not to be sent any more (RFC 7647 §5).
    fn accept_refer(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        contact: &NameAddr,
        notify: &Notify,
    ) {
        let Ok(mut response) = self.endpoint.response(transaction, 200, "") else { return };
        response.headers.push("Contact", contact);
        if matches!(notify, Notify::Nobody) {
            response.headers.push("Refer-Sub", "false");
        }
        let _ = self.endpoint.respond(now, transaction, response);
    }

    #[allow(clippy::too_many_arguments, reason = "all that a REFER is")]
    fn carry_out(
        &mut self,
        now: Instant,
        request: &Request,
        flow: &Flow,
        actor: &Actor,
        role: MemberRole,
        name: &ConferenceName,
        act: Act,
        notify: Notify,
    ) {
        let id = self.refers.begin(notify);
        self.tell_refer(now, id, 100);
        let Act::DialOut(uri) = &act else {
            // First told, then done: what ends the call of who asks comes after the news of it.
            self.tell_refer(now, id, 200);
            if let Err(denied) = self.perform(now, actor, role, name, act) {
                tracing::debug!(
                    status = denied.status,
                    why = denied.why,
                    "a REFER came to nothing"
                );
            }
            return;
        };
        // As whom it proved to be: From inside of a dialog is anybody's.
        let person = self.person_of(actor, self.directory.get(name));
        let by =
            Uri::parse(&person.uri).map(|uri| NameAddr::new(uri).with_display_name(&person.name));
        let user = Uri::parse(uri).and_then(|uri| uri.user_text()).unwrap_or_default();
        match self.dial_out(now, id, name, &user, by.as_ref(), &request.uri, flow) {
            Ok(branches) => self.refers.began(id, branches),
            Err(reject) => self.tell_refer(now, id, reject.status),
        }
    }

    /// A device that is called into a conference says something: `status`.
    pub(crate) fn on_dialled(&mut self, now: Instant, id: ReferId, branch: CallId, status: u16) {
        let Some(refer) = self.refers.running.get_mut(&id) else { return };
        if status < 200 {
            self.tell_refer(now, id, status);
            return;
        }
        refer.branches.remove(&branch);
        if status < 300 {
            let others = std::mem::take(&mut refer.branches);
            self.tell_refer(now, id, status);
            for other in others {
                self.end_call(now, other, Reason::sip(200, "Call completed elsewhere"));
            }
            return;
        }
        let best = refer.best.map_or(status, |best| best.min(status));
        refer.best = Some(best);
        if refer.branches.is_empty() {
            self.tell_refer(now, id, best);
        }
    }

    /// NOTIFY about a REFER (RFC 3515 §2.4.4); a final status is the last one.
    fn tell_refer(&mut self, now: Instant, id: ReferId, status: u16) {
        let Some(refer) = self.refers.running.get_mut(&id) else { return };
        let done = status >= 200;
        let event = match &refer.notify {
            Notify::InCall { id, .. } => format!("refer;id={id}"),
            _ => "refer".to_owned(),
        };
        let rest = self.endpoint.config().ring_timeout + Duration::from_secs(10);
        let state = match done {
            true => "terminated;reason=noresource".to_owned(),
            false => format!("active;expires={}", rest.as_secs()),
        };
        let headers = [("Event".to_owned(), event), ("Subscription-State".to_owned(), state)];
        let text = format!("SIP/2.0 {status} {}\r\n", build::reason_phrase(status));
        let body =
            Body { content_type: "message/sipfrag;version=2.0".to_owned(), bytes: text.into() };
        // What becomes of a NOTIFY changes nothing (§2.4.4): not even a 481 takes the call back.
        match &mut refer.notify {
            Notify::InCall { call, .. } => {
                let _ = self.endpoint.request(now, *call, Method::Notify, &headers, Some(body));
            }
            Notify::Outside(notifier) => {
                let _ = self.endpoint.notify(now, notifier, &headers, Some(body));
            }
            Notify::Nobody => {}
        }
        if done {
            self.refers.running.remove(&id);
        }
    }

    /// SUBSCRIBE to what becomes of a REFER, in the dialog of this member or outside; only a REFER can
    /// begin it (RFC 3515 §2.4.4).
    pub(crate) fn subscribe(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
        call: Option<CallId>,
    ) -> Result<(), Reject> {
        let event = request.headers.event().map_err(bad_request)?;
        let id = event.as_ref().and_then(|event| event.params.get("id"));
        let named: Option<u32> = id.and_then(|id| id.parse().ok());
        let found = self.refers.running.iter().find_map(|(id, refer)| match refer.notify {
            Notify::InCall { call: of, id: number } => {
                (Some(of) == call && named.is_none_or(|named| named == number)).then_some(*id)
            }
            _ => None,
        });
        let id = found.ok_or_else(|| Reject::new(403))?;
        let expires = request.headers.expires().map_err(bad_request)?.unwrap_or(60).min(190);
        let Ok(mut response) = self.endpoint.response(transaction, 200, "") else { return Ok(()) };
        response.headers.push("Expires", expires);
        let contact = call.and_then(|call| self.member_mut(call)).map(|m| m.contact.clone());
        if let Some(contact) = contact {
            response.headers.push("Contact", contact);
        }
        let _ = self.endpoint.respond(now, transaction, response);
        if expires > 0 {
            self.tell_refer(now, id, 100);
        } else if let Some(refer) = self.refers.running.get_mut(&id) {
            // It does not want to hear any more; the invitation goes on (RFC 3515 §2.4.4).
            let before = std::mem::replace(&mut refer.notify, Notify::Nobody);
            if let Notify::InCall { call, id } = before {
                let headers = [
                    ("Event".to_owned(), format!("refer;id={id}")),
                    ("Subscription-State".to_owned(), "terminated;reason=timeout".to_owned()),
                ];
                let _ = self.endpoint.request(now, call, Method::Notify, &headers, None);
            }
        }
        Ok(())
    }
}

/// Whether no NOTIFY is wanted (RFC 4488 §4).
fn wants_no_subscription(request: &Request) -> bool {
    request.headers.get("Refer-Sub").is_some_and(|value| {
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("false")
    })
}

/// Whom a Refer-To is about.
#[derive(Debug)]
enum About {
    /// The conference that the REFER was sent to.
    Conference,
    /// Somebody.
    Member(Whom),
}

/// What a Refer-To asks for. `method=BYE` is RFC 4579 §5.11; `admin` is how Linphone gives a role;
/// the other parameters are ours, in the same style (decision 0081).
fn wish_of(target: &NameAddr, about: About) -> Result<Act, Reject> {
    let method = target.uri.params.get("method").unwrap_or("INVITE");
    let param = |name: &str| {
        let value = target.params.get(name);
        let value = value.map(|v| flag(v).ok_or_else(|| Reject::new(400).because(name)));
        value.transpose()
    };
    match method {
        "INVITE" => {}
        "BYE" => {
            return Ok(match about {
                About::Conference => Act::Cancel,
                About::Member(whom) => Act::Kick(whom),
            });
        }
        _ => return Err(Reject::new(403).because("only INVITE and BYE")),
    }
    let act = match about {
        About::Conference => {
            let lock = param("locked")?.map(Act::Lock);
            let room = param("waiting-room")?.map(Act::WaitingRoom);
            let mute = param("muted")?.map(|on| Act::Mute(Whom::Everybody, on));
            let admit = param("admit")?.filter(|on| *on).map(|_| Act::Admit(Whom::Everybody));
            return lock.or(room).or(mute).or(admit).ok_or_else(|| {
                Reject::new(403).because("a conference cannot be called into itself")
            });
        }
        About::Member(whom) => {
            if let Some(true) = param("organizer")? {
                Some(Act::Role(whom, MemberRole::Organizer))
            } else if let Some(on) = param("admin")? {
                let role = if on { MemberRole::Moderator } else { MemberRole::Participant };
                Some(Act::Role(whom, role))
            } else if let Some(on) = param("muted")? {
                Some(Act::Mute(whom, on))
            } else if let Some(true) = param("admit")? {
                Some(Act::Admit(whom))
            } else {
                None
            }
        }
    };
    Ok(act.unwrap_or_else(|| Act::DialOut(target.uri.to_string())))
}
