//! INVITE to the factory URI: a conference with a name of its own (RFC 4579 §5.4), now or planned, with a
//! list of people or without (RFC 5366).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use conference_info::resource_lists;
use sdp::SessionDescription;
use sip_stack::auth::Algorithm;
use sip_stack::endpoint::CallId;
use sip_stack::flow::Flow;
use sip_stack::message::{NameAddr, Request, Uri};

use super::act::{Actor, MeetingWish};
use super::join::description_of;
use super::meeting::{MemberRole, Organizer, Schedule};
use super::name::{ConferenceName, sanitise_display_name};
use crate::core::identity::{Identity, ORGANIZER_SECRET};
use crate::core::register::bad_request;
use crate::core::registrar::Registrar;
use crate::core::reject::Reject;
use crate::core::settings::{FactoryAnswer, Guests};

/// From 1900, where the times of SDP begin (RFC 8866 §5.9), to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

/// Who was told the URI dials it within this time.
const FOLLOWS: Duration = Duration::from_secs(32);

/// What an INVITE says about the conference that it makes or changes.
#[derive(Debug, Default)]
pub(super) struct Brief {
    /// `t=` of the description, unless it says nothing (`0 0`).
    pub(super) schedule: Option<Schedule>,
    /// The addresses in its list of recipients; `None` without a list.
    pub(super) people: Option<Vec<Uri>>,
}

impl Brief {
    /// Reads what is in the body. A list that cannot be read is a bad request: who brings one wants
    /// it done.
    pub(super) fn of(
        request: &Request,
        offer: Option<&SessionDescription>,
    ) -> Result<Self, Reject> {
        let list = request.body_of_type(resource_lists::MEDIA_TYPE);
        let people = list.map(|list| resource_lists::parse(&list)).transpose();
        let people = people.map_err(|error| Reject::new(400).because(&error.to_string()))?;
        let people =
            people.map(|list| list.iter().filter_map(|entry| Uri::parse(&entry.uri)).collect());
        let schedule = offer.and_then(|offer| offer.times.first()).and_then(|time| {
            let start = time.start.checked_sub(NTP_EPOCH).map(Duration::from_secs)?;
            let end = time.stop.checked_sub(NTP_EPOCH).map(Duration::from_secs);
            Some(Schedule { start, end })
        });
        Ok(Brief { schedule, people })
    }
}

impl Registrar {
    /// An INVITE to the factory.
    pub(crate) fn on_factory(
        &mut self,
        now: Instant,
        call: CallId,
        request: &Request,
        from: &NameAddr,
        flow: &Flow,
        identity: Identity,
    ) -> Result<(), Reject> {
        let offer = description_of(&request.headers, &request.body)?;
        let brief = Brief::of(request, offer.as_ref())?;
        let call_id = request.headers.call_id().map_err(bad_request)?;
        // The same call makes the same conference: an INVITE sent again makes no second one.
        let made_of = format!("{}\n{identity:?}\n{call_id}", self.factory_seed);
        let chosen = request.headers.get("Conference-Name").map(|name| {
            ConferenceName::parse(name.trim())
                .ok_or_else(|| Reject::new(400).because("Conference-Name: no name"))
        });
        let chosen = chosen.transpose()?;
        let made = || ConferenceName::parse(&digest(&made_of, 16));
        let name = chosen.clone().or_else(made).ok_or_else(|| Reject::new(500))?;
        let listed = request.headers.list_has("Require", "recipient-list-invite");
        // Where everybody is a guest a guest makes nothing that it does not come to.
        let strange = matches!(identity, Identity::Guest { .. })
            && self.settings.guests == Guests::Anyone
            && chosen.is_none();
        let redirected = match self.settings.factory_answer {
            _ if strange => false,
            FactoryAnswer::Redirect => true,
            FactoryAnswer::Direct => brief.schedule.is_some(),
            FactoryAnswer::Auto => brief.schedule.is_some() || brief.people.is_some() || listed,
        };
        if !redirected && chosen.is_none() {
            return self.join(now, call, request, from, flow, identity, name, None);
        }
        let actor = identity.actor(&request.headers);
        let shown = digest(&format!("secret\n{made_of}"), 32);
        let secret = matches!(actor, Actor::Guest { .. }).then_some(shown);
        // a name that somebody has chosen may be taken
        if chosen.is_some() || self.directory.get(&name).is_none() {
            let wish = MeetingWish {
                name: Some(name.clone()),
                organizer_name: Some(shown_name(from)),
                schedule: Some(brief.schedule),
                invited: brief.people.map(|people| self.invitees(&people, flow)),
                ..MeetingWish::of_invite(&request.headers)?
            };
            self.create(now, &actor, wish, secret.clone())?;
        }
        let mut contact = self.conference_contact(&name, &request.uri, flow);
        contact.uri.params.remove("method");
        let focus = self.directory.get_mut(&name).ok_or_else(|| Reject::new(410))?;
        // Its next INVITE will not show what it is told here, unless it is a program of ours.
        // Only as long as it organizes it: it may have handed the conference over since.
        let proven = match actor {
            Actor::Guest { address, user, .. } => {
                Actor::Guest { address, user, secret: secret.clone() }
            }
            proven => proven,
        };
        if focus.entitled(&proven) == MemberRole::Organizer {
            focus.expected = Some((identity, now + FOLLOWS));
        }
        let reject = Reject::new(302).with("Contact", contact.to_string());
        let told = secret.filter(|secret| match &focus.meeting().organizer {
            Organizer::Guest(kept) => kept.is(secret),
            _ => false,
        });
        Err(match told {
            Some(secret) => reject.with(ORGANIZER_SECRET, secret),
            None => reject,
        })
    }

    /// The accounts among some addresses: nobody else can be invited.
    pub(super) fn invitees(&self, people: &[Uri], flow: &Flow) -> BTreeSet<String> {
        let ours = people.iter().filter(|uri| uri.is_sip() && self.is_ours(uri, flow));
        let users = ours.filter_map(Uri::user_text);
        users.filter(|user| self.settings.accounts.contains(user)).collect()
    }
}

/// The first `length` hexadecimal digits of a hash.
fn digest(text: &str, length: usize) -> String {
    Algorithm::Sha256.hash(text).chars().take(length).collect()
}

/// What the creator is called on screens.
fn shown_name(from: &NameAddr) -> String {
    let user = from.uri.user_text().unwrap_or_default();
    sanitise_display_name(from.display_name.as_deref(), &user)
}
