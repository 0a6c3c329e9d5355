//! Conference documents of every kind, and the schema of RFC 4575 §6 as a table.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test support, shared by several test programs"
)]

pub mod schema;

use std::time::Duration;

use conference_info::{
    AvailableMedium, CallInfo, ConfUri, ConferenceInfo, ConferenceState, Description,
    DisconnectionMethod, Endpoint, EndpointStatus, Execution, Host, JoiningMethod, Medium,
    MediumStatus, State, User, Users,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{1,8}", "[<>&\"'\\]é会 a]{1,6}"]
}

fn word() -> impl Strategy<Value = String> {
    "[a-z]{1,3}"
}

fn time() -> impl Strategy<Value = Duration> {
    (0..4_000_000_000_u64).prop_map(Duration::from_secs)
}

fn uri() -> impl Strategy<Value = ConfUri> {
    ("sip:[a-c]@x", of(text()), of(word())).prop_map(|(uri, display_text, purpose)| ConfUri {
        uri,
        display_text,
        purpose,
    })
}

fn medium_status() -> impl Strategy<Value = MediumStatus> {
    prop_oneof![
        Just(MediumStatus::SendRecv),
        Just(MediumStatus::SendOnly),
        Just(MediumStatus::RecvOnly),
        Just(MediumStatus::Inactive),
    ]
}

fn description() -> impl Strategy<Value = Description> {
    let medium = (word(), of(text()), word(), of(medium_status())).prop_map(
        |(label, display_text, kind, status)| AvailableMedium { label, display_text, kind, status },
    );
    (of(text()), of(text()), vec(uri(), 0..3), of(any::<u32>()), vec(medium, 0..3)).prop_map(
        |(display_text, subject, conf_uris, maximum_user_count, available_media)| Description {
            display_text,
            subject,
            free_text: None,
            conf_uris,
            maximum_user_count,
            available_media,
        },
    )
}

fn conference_state() -> impl Strategy<Value = ConferenceState> {
    let told = (of(any::<u32>()), of(any::<bool>()), of(any::<bool>()));
    let ours = (of(word()), of(time()), of(time()), of(time()), of(any::<bool>()));
    (told, ours).prop_map(|(told, ours)| ConferenceState {
        user_count: told.0,
        active: told.1,
        locked: told.2,
        media_path: ours.0,
        since: ours.1,
        starts: ours.2,
        ends: ours.3,
        needs_pin: ours.4,
        waiting_room: told.2,
    })
}

fn execution() -> impl Strategy<Value = Execution> {
    (of(time()), of(text()), of(word())).prop_map(|(when, reason, by)| Execution {
        when,
        reason,
        by,
    })
}

fn media() -> impl Strategy<Value = Vec<Medium>> {
    let medium = (of(word()), of(word()), of(any::<u32>()), of(medium_status()));
    btree_map("[1-4]", medium, 0..4).prop_map(|media| {
        let media = media.into_iter();
        media
            .map(|(id, (kind, label, src_id, status))| Medium { id, kind, label, src_id, status })
            .collect()
    })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let status = prop_oneof![
        Just(EndpointStatus::Connected),
        Just(EndpointStatus::OnHold),
        Just(EndpointStatus::MutedViaFocus),
        Just(EndpointStatus::DialingOut),
    ];
    let joining = prop_oneof![Just(JoiningMethod::DialedIn), Just(JoiningMethod::DialedOut)];
    let leaving =
        prop_oneof![Just(DisconnectionMethod::Departed), Just(DisconnectionMethod::Booted)];
    let call = (word(), word(), word()).prop_map(|(call_id, from_tag, to_tag)| CallInfo {
        call_id,
        from_tag,
        to_tag,
    });
    let came = (of(joining), of(execution()), of(leaving), of(execution()));
    (of(text()), of(status), came, media(), of(call)).prop_map(
        |(display_text, status, came, media, call_info)| Endpoint {
            entity: String::new(),
            state: State::Full,
            display_text,
            status,
            joining_method: came.0,
            joining_info: came.1,
            disconnection_method: came.2,
            disconnection_info: came.3,
            media,
            call_info,
            waiting: came.0.map(|_| true),
        },
    )
}

fn user() -> impl Strategy<Value = User> {
    let endpoints = btree_map("sip:[a-c]@y", endpoint(), 0..3).prop_map(|endpoints| {
        let endpoints = endpoints.into_iter();
        endpoints.map(|(entity, endpoint)| Endpoint { entity, ..endpoint }).collect()
    });
    (of(text()), vec(uri(), 0..2), vec(word(), 0..3), endpoints).prop_map(
        |(display_text, associated_aors, roles, endpoints)| User {
            entity: String::new(),
            state: State::Full,
            display_text,
            associated_aors,
            roles,
            endpoints,
        },
    )
}

/// People whose names are from a small set, so that two lists have some in common; in any order.
fn users() -> impl Strategy<Value = Users> {
    let list = btree_map("sip:[a-e]@x", user(), 0..5).prop_map(|users| {
        let users = users.into_iter().map(|(entity, user)| User { entity, ..user });
        users.collect::<Vec<_>>()
    });
    list.prop_shuffle().prop_map(|list| Users { state: State::Full, list })
}

/// A full document.
pub fn conference() -> impl Strategy<Value = ConferenceInfo> {
    let host =
        (of(text()), vec(uri(), 0..2)).prop_map(|(display_text, uris)| Host { display_text, uris });
    (of(description()), of(host), of(conference_state()), of(users())).prop_map(
        |(description, host, conference_state, users)| ConferenceInfo {
            entity: "sip:weekly@x".into(),
            state: State::Full,
            version: None,
            description,
            host,
            conference_state,
            users,
        },
    )
}

/// Two full documents of which the second often differs little from the first.
pub fn change() -> impl Strategy<Value = (ConferenceInfo, ConferenceInfo)> {
    (conference(), conference(), any::<[bool; 5]>(), any::<proptest::sample::Index>()).prop_map(
        |(old, other, take, index)| {
            let mut new = old.clone();
            if take[0] {
                new.description = other.description.clone();
            }
            if take[1] {
                new.host = other.host.clone();
            }
            if take[2] {
                new.conference_state = other.conference_state.clone();
            }
            if take[3] {
                new.users = other.users.clone();
            }
            if let (true, Some(users), Some(others)) = (take[4], &mut new.users, &other.users) {
                one_user_changes(users, others, index);
            }
            (old, new)
        },
    )
}

/// Somebody comes, changes or loses a device.
fn one_user_changes(users: &mut Users, others: &Users, index: proptest::sample::Index) {
    let Some(change) = (!others.list.is_empty()).then(|| index.get(&others.list)) else { return };
    match users.list.iter_mut().find(|user| user.entity == change.entity) {
        None => users.list.push(change.clone()),
        Some(user) if user.endpoints.len() > 1 => drop(user.endpoints.remove(0)),
        Some(user) => user.endpoints.clone_from(&change.endpoints),
    }
}
