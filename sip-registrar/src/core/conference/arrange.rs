//! The organizer plans anew by INVITE, as Linphone does: an INVITE to the conference with times and a list
//! of people changes it, one with its times and without anybody cancels it. The caller is no member by
//! that; it hangs up when it has been answered.

use std::time::Instant;

use sip_stack::flow::Flow;
use sip_stack::message::Request;

use super::act::{Actor, MeetingWish};
use super::door::{Entry, Place};
use super::end::Ending;
use super::factory::Brief;
use super::meeting::MemberRole;
use super::name::ConferenceName;
use crate::core::registrar::Registrar;
use crate::core::reject::Reject;

impl Registrar {
    /// Carries out what an INVITE plans, if it plans something rather than to come in.
    pub(super) fn arrange(
        &mut self,
        now: Instant,
        request: &Request,
        brief: &Brief,
        actor: &Actor,
        name: &ConferenceName,
        flow: &Flow,
    ) -> Result<Option<Entry>, Reject> {
        // Some phones write times into every offer: what is not the plan of a conference is no plan.
        let Some(schedule) = brief.schedule else { return Ok(None) };
        let Some(focus) = self.directory.get(name) else { return Ok(None) };
        if focus.ending.is_some() || focus.role_for(actor, now) < MemberRole::Organizer {
            return Ok(None);
        }
        let planned = focus.meeting().schedule;
        let entry =
            Entry { place: Place::arranging(now), role: MemberRole::Organizer, secret: None };
        match &brief.people {
            Some(people) => {
                let wish = MeetingWish {
                    schedule: Some(Some(schedule)),
                    invited: Some(self.invitees(people, flow)),
                    ..MeetingWish::of_invite(&request.headers)?
                };
                self.check_wish(now, &wish)?;
                let by = self.person_of(actor, self.directory.get(name));
                self.change(now, name, wish, by);
            }
            None if planned.is_some_and(|planned| planned.start == schedule.start) => {
                let by = self.person_of(actor, self.directory.get(name));
                // It is closed when this call, too, is over.
                self.hang_up_all(now, name, Ending::Cancelled(by));
            }
            None => return Ok(None),
        }
        Ok(Some(entry))
    }
}
