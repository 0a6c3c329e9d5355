//! `usersRequest` and `userRequest`: look at people, call them in, mute, raise or remove them (RFC 6503
//! §5.3.5, §5.3.6).

use std::time::Instant;

use conference_info::ccmp::{Answer, Code, Operation, Request};
use conference_info::{EndpointStatus, User, Users};

use super::{Done, Outcome, Refusal, user_of};
use crate::core::conference::{Act, Actor, MemberRole, Whom};
use crate::core::registrar::Registrar;

impl Registrar {
    pub(super) fn control_users(&self, actor: &Actor, request: &Request, changes: bool) -> Outcome {
        match request.operation {
            None => Err(Refusal::new(Code::BadRequest, "the operation is missing")),
            Some(Operation::Retrieve) => {
                let list = self.visible_people(actor, request)?;
                let answer = Answer::Users(Some(Users { list, ..Users::default() }));
                Ok(Done::new(answer))
            }
            Some(Operation::Update) if changes => {
                Err(Refusal::new(Code::NotImplemented, "change one user at a time: userRequest"))
            }
            Some(_) => Err(Refusal::new(Code::Forbidden, "people come and go one by one")),
        }
    }

    pub(super) fn control_user(
        &mut self,
        now: Instant,
        actor: &Actor,
        request: &Request,
        user: Option<&User>,
    ) -> Outcome {
        let (name, _) = self.meant_conference(actor, request)?;
        let missing = || Refusal::new(Code::BadRequest, "userInfo is missing");
        match request.operation {
            None => return Err(Refusal::new(Code::BadRequest, "the operation is missing")),
            Some(Operation::Retrieve) => {
                let found = self.meant_user(actor, request, user)?;
                return Ok(Done::new(Answer::User(Some(Box::new(found)))));
            }
            Some(Operation::Create) => {
                let uri = address_of(user.ok_or_else(missing)?);
                let uri =
                    uri.ok_or_else(|| Refusal::new(Code::BadRequest, "no SIP URI to call"))?;
                self.act(now, actor, &name, Act::DialOut(uri))?;
            }
            Some(Operation::Update) => {
                let changes = user.ok_or_else(missing)?;
                let whom = self.whom(actor, request, user)?;
                let acts = acts_of(changes, &whom);
                if acts.is_empty() {
                    let why = "only roles and muted-via-focus or connected can be changed";
                    return Err(Refusal::new(Code::Conflict, why));
                }
                for act in acts {
                    self.act(now, actor, &name, act)?;
                }
            }
            Some(Operation::Delete) => {
                let whom = self.whom(actor, request, user)?;
                self.act(now, actor, &name, Act::Kick(whom))?;
            }
        }
        let version = self.directory.get(&name).map(|focus| focus.revision);
        Ok(Done { answer: Answer::User(None), conference: Some(name), version, secret: None })
    }

    /// Those who are in the conference, told to those who may see them.
    fn visible_people(&self, actor: &Actor, request: &Request) -> Result<Vec<User>, Refusal> {
        let (_, focus) = self.meant_conference(actor, request)?;
        if !focus.may_watch(actor) {
            let why = "only its members may see who is in it";
            return Err(Refusal::new(Code::Unauthorized, why));
        }
        Ok(self.people(focus, actor))
    }

    /// Who is meant: the user named, or else the one who asks.
    fn meant_user(
        &self,
        actor: &Actor,
        request: &Request,
        user: Option<&User>,
    ) -> Result<User, Refusal> {
        let named = user.map_or_else(|| self.user_id(actor), |user| user.entity.clone());
        let none = || Refusal::new(Code::UserNotFound, "nobody of this name is in it");
        let wanted = user_of(&named).ok_or_else(none)?;
        let people = self.visible_people(actor, request)?;
        let found = people.into_iter().find(|known| user_of(&known.entity) == Some(wanted.clone()));
        found.ok_or_else(none)
    }

    fn whom(&self, actor: &Actor, request: &Request, user: Option<&User>) -> Result<Whom, Refusal> {
        let found = self.meant_user(actor, request, user)?;
        let address = found.associated_aors.into_iter().next();
        let none = || Refusal::new(Code::UserNotFound, "nobody of this name is in it");
        Ok(Whom::Uri(address.ok_or_else(none)?.uri))
    }
}

/// A SIP URI under which somebody can be called.
fn address_of(user: &User) -> Option<String> {
    let devices = user.endpoints.iter().map(|endpoint| &endpoint.entity);
    let addresses = user.associated_aors.iter().map(|address| &address.uri);
    let mut all = devices.chain(addresses).chain([&user.entity]);
    all.find(|uri| uri.starts_with("sip:")).cloned()
}

fn acts_of(changes: &User, whom: &Whom) -> Vec<Act> {
    let has = |role: &str| changes.roles.iter().any(|known| known.eq_ignore_ascii_case(role));
    let role = match () {
        () if has("organizer") => Some(MemberRole::Organizer),
        () if has("admin") || has("moderator") || has("administrator") => {
            Some(MemberRole::Moderator)
        }
        () if has("participant") || has("user") => Some(MemberRole::Participant),
        () => None,
    };
    let muted = changes.endpoints.iter().find_map(|endpoint| match endpoint.status? {
        EndpointStatus::MutedViaFocus => Some(true),
        EndpointStatus::Connected => Some(false),
        _ => None,
    });
    let role = role.map(|role| Act::Role(whom.clone(), role));
    let mute = muted.map(|muted| Act::Mute(whom.clone(), muted));
    role.into_iter().chain(mute).collect()
}
