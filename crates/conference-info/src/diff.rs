//! What has changed between two full documents (RFC 4575 §4.3).

use std::collections::BTreeMap;

use super::document::{ConferenceInfo, Endpoint, State, User, Users};

/// The shortest document that turns `old` into `new`, both full: `None` if they say the same, a partial
/// one if the package can express the change, else all of `new`. Versions are not compared; the result
/// has none.
///
/// Linphone takes `state="full"` as "has just come": whoever was there before is told of as partial.
#[must_use]
pub fn difference(old: &ConferenceInfo, new: &ConferenceInfo) -> Option<ConferenceInfo> {
    let same = ConferenceInfo { version: old.version, ..new.clone() } == *old;
    (!same).then(|| {
        partial(old, new).unwrap_or_else(|| ConferenceInfo { version: None, ..new.clone() })
    })
}

/// `None` if the change cannot be expressed.
fn partial(old: &ConferenceInfo, new: &ConferenceInfo) -> Option<ConferenceInfo> {
    let users = match (&old.users, &new.users) {
        (Some(old), Some(new)) => changed_users(old, new)?,
        (None, new) => new.clone(),
        (Some(_), None) => return None,
    };
    (old.entity == new.entity).then_some(())?;
    Some(ConferenceInfo {
        entity: new.entity.clone(),
        state: State::Partial,
        version: None,
        description: changed(old.description.as_ref(), new.description.as_ref())?,
        host: changed(old.host.as_ref(), new.host.as_ref())?,
        conference_state: changed(old.conference_state.as_ref(), new.conference_state.as_ref())?,
        users,
    })
}

/// An element that is always told as a whole, if it has changed. `None` if it is gone, which cannot be
/// told: to leave it out means that it stays.
#[allow(clippy::option_option, reason = "what to tell, and whether it can be told")]
fn changed<T: Clone + PartialEq>(old: Option<&T>, new: Option<&T>) -> Option<Option<T>> {
    match (old, new) {
        (Some(_), None) => None,
        (old, new) if old == new => Some(None),
        (_, new) => Some(new.cloned()),
    }
}

#[allow(clippy::option_option, reason = "what to tell, and whether it can be told")]
fn changed_users(old: &Users, new: &Users) -> Option<Option<Users>> {
    let list = changed_list(
        &old.list,
        &new.list,
        |user| &user.entity,
        changed_user,
        |entity| User { entity, state: State::Deleted, ..User::default() },
    )?;
    Some((!list.is_empty()).then_some(Users { state: State::Partial, list }))
}

fn changed_user(old: &User, new: &User) -> User {
    let gone = |old: bool, new: bool| old && !new;
    let text = gone(old.display_text.is_some(), new.display_text.is_some())
        || gone(!old.roles.is_empty(), !new.roles.is_empty())
        || gone(!old.associated_aors.is_empty(), !new.associated_aors.is_empty());
    let endpoints = changed_list(
        &old.endpoints,
        &new.endpoints,
        |endpoint| &endpoint.entity,
        changed_endpoint,
        |entity| Endpoint { entity, state: State::Deleted, ..Endpoint::default() },
    );
    match endpoints {
        Some(endpoints) if !text => User { state: State::Partial, endpoints, ..new.clone() },
        _ => new.clone(),
    }
}

/// All of an endpoint, as partial if nothing of it has gone.
fn changed_endpoint(old: &Endpoint, new: &Endpoint) -> Endpoint {
    let fields = |endpoint: &Endpoint| {
        [
            endpoint.display_text.is_some(),
            endpoint.status.is_some(),
            endpoint.joining_method.is_some(),
            endpoint.joining_info.is_some(),
            endpoint.disconnection_method.is_some(),
            endpoint.disconnection_info.is_some(),
            endpoint.call_info.is_some(),
            endpoint.waiting.is_some(),
        ]
    };
    let kept = fields(old).iter().zip(fields(new)).all(|(old, new)| !old || new);
    // Media have no state, so none can be told to be gone; and those known stay in their order.
    let media = new.media.iter().map(|medium| &medium.id);
    let media = media.zip(&old.media).take_while(|(id, old)| **id == old.id).count();
    let state = if kept && media == old.media.len() { State::Partial } else { State::Full };
    Endpoint { state, ..new.clone() }
}

/// What has changed in a list of things with keys. `None` if their order has, which cannot be told.
fn changed_list<T: Clone + PartialEq>(
    old: &[T],
    new: &[T],
    key: impl Fn(&T) -> &String,
    change: impl Fn(&T, &T) -> T,
    gone: impl Fn(String) -> T,
) -> Option<Vec<T>> {
    let before: BTreeMap<&String, &T> = old.iter().map(|element| (key(element), element)).collect();
    let after: BTreeMap<&String, &T> = new.iter().map(|element| (key(element), element)).collect();
    // Whoever takes it in keeps the order and adds what is new at the end.
    let kept = old.iter().map(&key).filter(|k| after.contains_key(k));
    let added = new.iter().map(&key).filter(|k| !before.contains_key(k));
    if !kept.chain(added).eq(new.iter().map(&key)) {
        return None;
    }
    let deleted = old.iter().map(&key).filter(|k| !after.contains_key(k)).cloned().map(gone);
    let told = new.iter().filter_map(|element| match before.get(key(element)) {
        Some(old) if *old == element => None,
        Some(old) => Some(change(old, element)),
        None => Some(element.clone()),
    });
    Some(deleted.chain(told).collect())
}
