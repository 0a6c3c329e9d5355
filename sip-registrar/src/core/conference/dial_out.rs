//! The focus calls somebody into a conference (RFC 4579 §5.5): each device of the account gets a leg at
//! the mixer, whose offer goes out; the first device that answers stays.

use std::collections::BTreeSet;
use std::time::Instant;

use mixer_control::{JoinRequest, LegDescription, LegRef, MixerRequest};
use sdp::{DialogSdp, SessionDescription};
use sip_stack::endpoint::{Body, CallId, Invite};
use sip_stack::flow::Flow;
use sip_stack::message::{Headers, NameAddr, Reason, Response, Uri};

use super::act::{Actor, Denied};
use super::focus::Focus;
use super::meeting::MemberRole;
use super::member::{DialOut, Member, Session};
use super::name::{ConferenceName, sanitise_display_name};
use super::path::{PACKAGE, receives_reports};
use crate::core::doctor::Provenance;
use crate::core::history::{Person, Record, RecordKind};
use crate::core::identity::Identity;
use crate::core::location::{Binding, by_preference};
use crate::core::mixer::Purpose;
use crate::core::refer::ReferId;
use crate::core::registrar::{Registrar, Role};
use crate::core::reject::Reject;

impl Registrar {
    /// Calls an account into a conference for somebody who is told of it by the roster only.
    pub(super) fn call_in(
        &mut self,
        now: Instant,
        actor: &Actor,
        role: MemberRole,
        name: &ConferenceName,
        uri: &str,
    ) -> Result<(), Denied> {
        let uri = Uri::parse(uri).ok_or_else(|| Denied::new(400, "this is no SIP URI"))?;
        let user = self.may_call_in(now, actor, role, name, &uri)?;
        let by = Identity::of_actor(actor).map(|_| self.person_of(actor, None).uri);
        let by = by.and_then(|uri| Uri::parse(&uri)).map(NameAddr::new);
        let (uri, flow) = (self.home(Some(name.as_str())), self.home_flow());
        let refer = self.refers.silent();
        let called = self.dial_out(now, refer, name, &user, by.as_ref(), &uri, &flow);
        match called {
            Ok(calls) => {
                self.refers.began(refer, calls);
                Ok(())
            }
            Err(reject) => {
                self.refers.forget(refer);
                Err(Denied::new(
                    reject.status,
                    match reject.status {
                        480 => "not registered",
                        486 => "the conference is full",
                        _ => "the media mixer is not there",
                    },
                ))
            }
        }
    }

    /// Calls those whom a member has brought in its INVITE, as far as it may.
    pub(super) fn call_in_brought(&mut self, now: Instant, call: CallId, name: &ConferenceName) {
        let Some(member) = self.member_mut(call) else { return };
        let brought = std::mem::take(&mut member.brings);
        let (actor, role) = (member.identity.actor(&Headers::new()), member.role);
        for uri in brought {
            // It need not be called itself, nor who is here already.
            let here = |focus: &Focus, user: &str| {
                let known = Identity::Account(user.to_owned());
                focus.members().any(|(_, m)| m.identity == known && (m.joined || m.dial.is_some()))
            };
            let user = uri.user_text().unwrap_or_default();
            if self.directory.get(name).is_some_and(|focus| here(focus, &user)) {
                continue;
            }
            if let Err(denied) = self.call_in(now, &actor, role, name, &uri.to_string()) {
                tracing::debug!(conference = %name, user, why = denied.why, "not called in");
            }
        }
    }

    /// Calls the devices of an account into a conference, on behalf of `by`. The calls, each of which
    /// is told by [`on_dialled`](Self::on_dialled); or why there are none.
    #[allow(clippy::too_many_arguments, reason = "all that the INVITEs take")]
    pub(crate) fn dial_out(
        &mut self,
        now: Instant,
        refer: ReferId,
        name: &ConferenceName,
        user: &str,
        by: Option<&NameAddr>,
        uri: &Uri,
        flow: &Flow,
    ) -> Result<BTreeSet<CallId>, Reject> {
        if !self.mixer.is_up() {
            return Err(Reject::new(503));
        }
        let focus = self.directory.get(name).ok_or_else(|| Reject::new(404))?;
        let room = focus.capacity(self.settings.max_members).saturating_sub(focus.len());
        if room == 0 {
            return Err(Reject::new(486));
        }
        let devices = by_preference(self.location.bindings(now, user));
        let first: Vec<Binding> =
            devices.into_iter().flatten().filter_map(|d| d.front().cloned()).take(room).collect();
        if first.is_empty() {
            return Err(Reject::new(480));
        }
        let calls = first.into_iter().map(|binding| {
            let toward = binding.flow.unwrap_or(*flow);
            let contact = self.conference_contact(name, uri, &toward);
            let dial = DialOut { refer, binding, by: by.map(|by| by.uri.clone()) };
            self.dial_device(now, name, user, contact, &toward, dial)
        });
        let calls: BTreeSet<CallId> = calls.flatten().collect();
        self.note_call_in(now, name, user, by);
        Ok(calls)
    }

    fn note_call_in(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        user: &str,
        by: Option<&NameAddr>,
    ) {
        let whom = self.person_of(&Actor::Account(user.to_owned()), None);
        let by = by.map(|by| {
            let name = by.uri.user_text().unwrap_or_default();
            let name = sanitise_display_name(by.display_name.as_deref(), &name);
            let verified = self.settings.accounts.contains(&name);
            Person { uri: by.uri.aor(), name, verified }
        });
        let Some(focus) = self.directory.get(name) else { return };
        let called = Record::new(self.clock.unix(now), focus, RecordKind::DialledOut).whom(whom);
        self.record(match by {
            Some(by) => called.by(by),
            None => called,
        });
        self.conference_changed(name);
    }

    fn dial_device(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        user: &str,
        contact: NameAddr,
        toward: &Flow,
        dial: DialOut,
    ) -> Option<CallId> {
        let call = self.endpoint.reserve_call();
        let session_id = u64::from_str_radix(&self.tokens.hex(7), 16).unwrap_or(1);
        let (leg, sdp) = (self.tokens.hex(8), DialogSdp::new("-", session_id, toward.local.ip()));
        let focus = self.directory.get_mut(name)?;
        let leg = LegRef { conference: focus.id().to_owned(), leg };
        let display_name = sanitise_display_name(None, user);
        let identity = Identity::Account(user.to_owned());
        // The Call-ID is chosen with the INVITE, when the mixer has made its offer.
        let provenance = Provenance::dialled(toward);
        let shown = display_name.clone();
        let aor = Uri::sip(Some(user), contact.uri.host.clone(), contact.uri.port).aor();
        let member = Member::new(leg.leg.clone(), identity, aor, provenance, shown, contact, sdp);
        // Whom the conference calls need not dial a PIN nor wait.
        let role = focus.meeting().role_of(user);
        focus.insert(call, Member { dial: Some(dial), called: true, role, ..member });
        self.roles.insert(call, Role::Member(name.clone()));
        let id = self.mixer.send(now, Purpose::Join, call, leg.clone());
        let join = JoinRequest {
            focus: self.focus_id.clone(),
            leg,
            display_name,
            offer: None,
            signalled_from: Some(toward.remote.ip()),
            lobby: false,
        };
        self.send_to_mixer(id, MixerRequest::Join(join));
        Some(call)
    }

    /// The mixer's offer for a device is there: calls it.
    pub(super) fn call_device(&mut self, now: Instant, call: CallId, offer: &SessionDescription) {
        let Some(member) = self.member_mut(call) else { return };
        let Some(dial) = &member.dial else { return };
        let mut from = NameAddr::new(member.contact.uri.clone());
        from.params.remove("isfocus");
        let body = Body::sdp(member.sdp.fit(offer).to_string());
        let package = ("Recv-Info".to_owned(), PACKAGE.to_owned());
        let by = dial.by.as_ref().map(|by| ("Referred-By".to_owned(), format!("<{by}>")));
        let invite = Invite {
            call: Some(call),
            contact: Some(member.contact.clone()),
            target: Some(dial.binding.target()),
            route: dial.binding.path.clone(),
            headers: by.into_iter().chain([package]).collect(),
            ..Invite::new(dial.binding.contact.uri.clone(), from, Some(body))
        };
        member.session = Session::Dialling;
        if self.endpoint.invite(now, invite).is_err() {
            self.on_call_over(now, call, "too many calls", None);
        }
    }

    /// A device rings.
    pub(crate) fn on_member_progress(&mut self, now: Instant, call: CallId, status: u16) {
        let refer = self.member_mut(call).and_then(|m| Some(m.dial.as_ref()?.refer));
        if let Some(refer) = refer {
            self.on_dialled(now, refer, call, status);
        }
    }

    /// A device has answered: it is a member now.
    pub(crate) fn on_member_answered(&mut self, now: Instant, call: CallId, response: &Response) {
        let answer = response.body_of_type("application/sdp");
        let answer = answer.and_then(|body| SessionDescription::from_bytes(&body).ok());
        let Some(answer) = answer else {
            self.end_call(now, call, Reason::sip(488, "no session description in the answer"));
            return;
        };
        let Some((leg, member)) = self.leg_and_member(call) else { return };
        member.session = Session::Accepting;
        member.joined = true;
        member.provenance.note_answer(&response.headers);
        member.reports = receives_reports(&response.headers);
        member.agreed = Some(answer.to_string());
        let dial = member.dial.take();
        self.note_join(now, call);
        let text = answer.to_string();
        let id = self.mixer.send(now, Purpose::Accept(text.clone()), call, leg.clone());
        self.send_to_mixer(id, MixerRequest::Accept(LegDescription { leg, sdp: text }));
        if let Some(dial) = dial {
            self.on_dialled(now, dial.refer, call, 200);
        }
    }

    /// A device has refused.
    pub(crate) fn on_member_rejected(&mut self, now: Instant, call: CallId, response: &Response) {
        if let Some(dial) = self.member_mut(call).and_then(|member| member.dial.take()) {
            self.forget_member(now, call, "refused", true);
            self.on_dialled(now, dial.refer, call, response.status);
        }
    }
}
