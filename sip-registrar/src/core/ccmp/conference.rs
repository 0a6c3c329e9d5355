//! `confRequest`: look at a conference, make, change or cancel it (RFC 6503 §5.3.4).

use std::collections::BTreeSet;
use std::time::Instant;

use conference_info::ccmp::{Answer, Code, Conference, Operation, Planned, Request};

use super::{Done, Outcome, Refusal, user_of};
use crate::core::conference::{Act, Actor, MeetingWish, Pin, Schedule, sanitise_subject};
use crate::core::registrar::Registrar;

impl Registrar {
    pub(super) fn control_conference(
        &mut self,
        now: Instant,
        actor: &Actor,
        request: &Request,
        wish: Option<&Conference>,
    ) -> Outcome {
        match request.operation {
            None => Err(Refusal::new(Code::BadRequest, "the operation is missing")),
            Some(Operation::Retrieve) => {
                let (name, focus) = self.meant_conference(actor, request)?;
                let conference = Box::new(self.conference_document(focus, actor));
                let version = conference.info.version;
                let answer = Answer::Conference(Some(conference));
                Ok(Done { answer, conference: Some(name), version, secret: None })
            }
            Some(Operation::Create) => self.create_by_ccmp(now, actor, request, wish),
            Some(Operation::Update) => {
                let (name, _) = self.meant_conference(actor, request)?;
                let missing = || Refusal::new(Code::BadRequest, "confInfo is missing");
                let wish = wish.ok_or_else(missing)?;
                let changes = self.wish_of(wish, request)?;
                // All or nothing: who may change the conference may lock it, too.
                self.act(now, actor, &name, Act::Change(Box::new(changes)))?;
                if let Some(locked) = wish.info.conference_state.as_ref().and_then(|s| s.locked) {
                    self.act(now, actor, &name, Act::Lock(locked))?;
                }
                let version = self.directory.get(&name).map(|focus| focus.revision);
                Ok(Done {
                    answer: Answer::Conference(None),
                    conference: Some(name),
                    version,
                    secret: None,
                })
            }
            Some(Operation::Delete) => {
                let (name, _) = self.meant_conference(actor, request)?;
                self.act(now, actor, &name, Act::Cancel)?;
                let answer = Answer::Conference(None);
                Ok(Done { answer, conference: Some(name), version: None, secret: None })
            }
        }
    }

    fn create_by_ccmp(
        &mut self,
        now: Instant,
        actor: &Actor,
        request: &Request,
        wish: Option<&Conference>,
    ) -> Outcome {
        if request.conference_id.is_some() {
            return Err(Refusal::new(Code::NotImplemented, "conferences are not cloned here"));
        }
        let planned = match wish {
            Some(wish) => self.wish_of(wish, request)?,
            None => MeetingWish::default(),
        };
        let now_is_meant = planned.schedule.is_none();
        let created = self.create_meeting(now, actor, planned)?;
        let name = created.name;
        // Linphone has people called into a conference that begins now.
        let called = wish.into_iter().flat_map(|wish| &wish.allowed);
        for target in called.filter(|target| now_is_meant && target.method == "dial-out") {
            if let Err(denied) = self.act(now, actor, &name, Act::DialOut(target.uri.clone())) {
                tracing::debug!(conference = %name, why = %denied.why, "somebody was not called");
            }
        }
        let Some(focus) = self.directory.get(&name) else {
            return Err(Refusal::new(Code::ServerError, "it is over already"));
        };
        let mut conference = self.conference_document(focus, actor);
        // RFC 6503 §5.3.4: as it is made it has its first version.
        conference.info.version = Some(1);
        let answer = Answer::Conference(Some(Box::new(conference)));
        Ok(Done { answer, conference: Some(name), version: Some(1), secret: created.secret })
    }

    /// What a conference object asks for. What it does not say stays as it is.
    fn wish_of(&self, wish: &Conference, request: &Request) -> Result<MeetingWish, Refusal> {
        let description = wish.info.description.clone().unwrap_or_default();
        let domain = wish.info.entity.rsplit_once('@').map(|(_, domain)| domain.to_owned());
        if wish.info.entity.contains("AUTO_GENERATE")
            && !self.settings.domains.is_empty()
            && !domain.is_some_and(|domain| self.settings.domains.contains(&domain))
        {
            return Err(Refusal::new(Code::WrongDomain, "conferences are made in our domain only"));
        }
        let password = wish.password.as_deref().or(request.password.as_deref());
        let pin = match password.map(str::trim) {
            None => None,
            Some("") => Some(None),
            Some(digits) => Some(Some(
                Pin::parse(digits)
                    .ok_or_else(|| Refusal::new(Code::BadRequest, "a PIN has 4 to 16 digits"))?,
            )),
        };
        let subject = description.subject.or(description.display_text);
        let invited = wish.allowed.iter().filter_map(|target| user_of(&target.uri));
        let invited: BTreeSet<String> =
            invited.filter(|user| self.settings.accounts.contains(user)).collect();
        Ok(MeetingWish {
            subject: subject.map(|subject| sanitise_subject(&subject)),
            pin,
            max_members: description
                .maximum_user_count
                .map(|max| usize::try_from(max).ok().filter(|max| *max > 0)),
            schedule: wish.planned.map(|Planned { start, end }| Some(Schedule { start, end })),
            waiting_room: wish.info.conference_state.as_ref().and_then(|state| state.waiting_room),
            invited: (!wish.allowed.is_empty()).then_some(invited),
            ..MeetingWish::default()
        })
    }
}
