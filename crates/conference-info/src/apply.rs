//! Taking in a further document of a subscription (RFC 4575 §4.3).

use super::document::{ConferenceInfo, Endpoint, Medium, State, User, Users};

/// What came of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was taken in.
    Done,
    /// It is no newer than what is known: nothing has changed.
    Old,
    /// One before it was lost, or it tells of somebody unknown: nothing has changed; a full document
    /// must be asked for, by subscribing anew.
    Gap,
    /// The conference is over; nothing else has changed.
    Over,
}

impl ConferenceInfo {
    /// Takes in the next document of the same subscription.
    pub fn apply(&mut self, update: ConferenceInfo) -> Applied {
        if let (Some(known), Some(version)) = (self.version, update.version) {
            if version <= known {
                return Applied::Old;
            }
            if update.state == State::Partial && version != known.wrapping_add(1) {
                return Applied::Gap;
            }
        }
        match update.state {
            State::Deleted => Applied::Over,
            State::Full => {
                *self = update;
                Applied::Done
            }
            State::Partial if self.lacks(&update) => Applied::Gap,
            State::Partial => {
                self.merge(update);
                Applied::Done
            }
        }
    }

    /// Whether a change is about somebody who is not known.
    fn lacks(&self, update: &ConferenceInfo) -> bool {
        let partial = |users: &Users| users.state == State::Partial;
        if !update.users.as_ref().is_some_and(partial) {
            return false;
        }
        update.users().filter(|user| user.state == State::Partial).any(|change| {
            let known = self.users().find(|user| user.entity == change.entity);
            known.is_none_or(|user| {
                let mut devices = change.endpoints.iter();
                devices.any(|device| {
                    device.state == State::Partial
                        && !user.endpoints.iter().any(|known| known.entity == device.entity)
                })
            })
        })
    }

    fn merge(&mut self, update: ConferenceInfo) {
        self.entity = update.entity;
        replace(&mut self.version, update.version);
        replace(&mut self.description, update.description);
        replace(&mut self.host, update.host);
        replace(&mut self.conference_state, update.conference_state);
        match update.users {
            Some(users) if users.state == State::Partial => {
                let known = &mut self.users.get_or_insert_default().list;
                merge_list(known, users.list, |user| (&user.entity, user.state), User::merge);
            }
            Some(users) if users.state == State::Deleted => self.users = None,
            Some(users) => self.users = Some(users),
            None => {}
        }
    }
}

impl User {
    fn merge(&mut self, update: User) {
        replace(&mut self.display_text, update.display_text);
        replace_list(&mut self.associated_aors, update.associated_aors);
        replace_list(&mut self.roles, update.roles);
        merge_list(
            &mut self.endpoints,
            update.endpoints,
            |endpoint| (&endpoint.entity, endpoint.state),
            Endpoint::merge,
        );
    }
}

impl Endpoint {
    fn merge(&mut self, update: Endpoint) {
        replace(&mut self.display_text, update.display_text);
        replace(&mut self.status, update.status);
        replace(&mut self.joining_method, update.joining_method);
        replace(&mut self.joining_info, update.joining_info);
        replace(&mut self.disconnection_method, update.disconnection_method);
        replace(&mut self.disconnection_info, update.disconnection_info);
        replace(&mut self.call_info, update.call_info);
        replace(&mut self.waiting, update.waiting);
        // A medium has no state: it is always told as a whole.
        let whole = |known: &mut Medium, update: Medium| *known = update;
        merge_list(&mut self.media, update.media, |medium| (&medium.id, State::Partial), whole);
    }
}

/// What is not told stays.
fn replace<T>(known: &mut Option<T>, update: Option<T>) {
    if update.is_some() {
        *known = update;
    }
}

fn replace_list<T>(known: &mut Vec<T>, update: Vec<T>) {
    if !update.is_empty() {
        *known = update;
    }
}

fn merge_list<T>(
    known: &mut Vec<T>,
    update: Vec<T>,
    key: impl Fn(&T) -> (&String, State),
    merge: impl Fn(&mut T, T),
) {
    for change in update {
        let (name, state) = key(&change);
        let at = known.iter().position(|element| key(element).0 == name);
        match (at, state) {
            (Some(at), State::Deleted) => drop(known.remove(at)),
            (None, State::Deleted) => {}
            (None, _) => known.push(change),
            (Some(at), state) => {
                let Some(element) = known.get_mut(at) else { continue };
                match state {
                    State::Partial => merge(element, change),
                    _ => *element = change,
                }
            }
        }
    }
}
