//! What a moderator may tell a conference, as the REFER that says it (RFC 4579 §5.5, §5.11; the role
//! parameter as Linphone sends it, docs/decisions/0130).

use serde::Serialize;
use sip_stack::message::{NameAddr, Uri};

/// What somebody is in a conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Talks, sees, chats.
    Participant,
    /// Also locks, mutes, removes, calls in, admits.
    Moderator,
    /// Also cancels. One at a time: the old one stays moderator.
    Organizer,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Role::Participant => "participant",
            Role::Moderator => "moderator",
            Role::Organizer => "organizer",
        }
    }
}

/// Something that a conference is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// End it for all; later calls are told 410.
    Cancel,
    /// Let nobody else in, or let them in again.
    Lock(bool),
    /// Let newcomers wait, or not any more.
    WaitingRoom(bool),
    /// Mute all but the moderators, or let all talk again.
    MuteAll(bool),
    /// Mute somebody, or let them talk again.
    Mute(Uri, bool),
    /// Remove somebody.
    Kick(Uri),
    /// Call somebody in.
    Invite(Uri),
    /// Give somebody a role.
    Role(Uri, Role),
    /// Let somebody in from the waiting room.
    Admit(Uri),
}

impl Order {
    /// The Refer-To that says it to `conference`.
    #[must_use]
    pub fn refer_to(&self, conference: &Uri) -> NameAddr {
        let itself = || NameAddr::new(conference.clone());
        let of = |who: &Uri| NameAddr::new(who.clone());
        let bye = |uri: &Uri| NameAddr::new(uri.clone().with_param("method", "BYE"));
        match self {
            Order::Cancel => bye(conference),
            Order::Kick(who) => bye(who),
            Order::Lock(on) => itself().with_param("locked", digit(*on)),
            Order::WaitingRoom(on) => itself().with_param("waiting-room", digit(*on)),
            Order::MuteAll(on) => itself().with_param("muted", digit(*on)),
            Order::Mute(who, on) => of(who).with_param("muted", digit(*on)),
            Order::Invite(who) => of(who),
            Order::Role(who, Role::Participant) => of(who).with_param("admin", "0"),
            Order::Role(who, Role::Moderator) => of(who).with_param("admin", "1"),
            Order::Role(who, Role::Organizer) => of(who).with_param("organizer", "1"),
            Order::Admit(who) => of(who).with_param("admit", "1"),
        }
    }

    /// Whether what becomes of it takes time and is told by NOTIFY: only of calling somebody in. All else
    /// is done when it is answered.
    #[must_use]
    pub fn takes_time(&self) -> bool {
        matches!(self, Order::Invite(_))
    }

    /// What has happened when it was carried out, in words.
    #[must_use]
    pub fn done(&self) -> String {
        let who = |uri: &Uri| uri.user_text().unwrap_or_else(|| uri.to_string());
        match self {
            Order::Cancel => "cancelled".to_owned(),
            Order::Lock(true) => "locked: nobody else comes in".to_owned(),
            Order::Lock(false) => "unlocked".to_owned(),
            Order::WaitingRoom(true) => "newcomers wait until a moderator admits them".to_owned(),
            Order::WaitingRoom(false) => "newcomers come in at once".to_owned(),
            Order::MuteAll(true) => "all but the moderators are muted".to_owned(),
            Order::MuteAll(false) => "all may talk".to_owned(),
            Order::Mute(uri, true) => format!("{} is muted", who(uri)),
            Order::Mute(uri, false) => format!("{} may talk", who(uri)),
            Order::Kick(uri) => format!("{} is removed", who(uri)),
            Order::Invite(uri) => format!("{} is called", who(uri)),
            Order::Role(uri, role) => format!("{} is {}", who(uri), role.word()),
            Order::Admit(uri) => format!("{} is admitted", who(uri)),
        }
    }
}

fn digit(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}

/// Who is meant by `text`: a SIP URI, or the user part of one in the domain of `conference`.
#[must_use]
pub fn address_of(text: &str, conference: &Uri) -> Option<Uri> {
    match Uri::parse(text) {
        Some(uri) => uri.is_sip().then_some(uri),
        None if text.is_empty() || text.chars().any(char::is_whitespace) => None,
        None => match text.split_once('@') {
            Some(_) => Uri::parse(&format!("sip:{text}")),
            None => Some(Uri::sip(Some(text), conference.host.clone(), conference.port)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap()
    }

    #[test]
    fn every_order_is_a_refer_to() {
        let bob = || uri("sip:bob@h");
        for (order, header) in [
            (Order::Cancel, "<sip:room@h;method=BYE>"),
            (Order::Kick(bob()), "<sip:bob@h;method=BYE>"),
            (Order::Lock(true), "<sip:room@h>;locked=1"),
            (Order::WaitingRoom(false), "<sip:room@h>;waiting-room=0"),
            (Order::MuteAll(true), "<sip:room@h>;muted=1"),
            (Order::Mute(bob(), false), "<sip:bob@h>;muted=0"),
            (Order::Invite(bob()), "<sip:bob@h>"),
            (Order::Role(bob(), Role::Moderator), "<sip:bob@h>;admin=1"),
            (Order::Role(bob(), Role::Participant), "<sip:bob@h>;admin=0"),
            (Order::Role(bob(), Role::Organizer), "<sip:bob@h>;organizer=1"),
            (Order::Admit(bob()), "<sip:bob@h>;admit=1"),
        ] {
            assert_eq!(order.refer_to(&uri("sip:room@h")).to_string(), header);
            assert!(!order.done().is_empty());
        }
    }

    #[test]
    fn people_are_named_by_uri_or_by_user() {
        let conference = uri("sip:room@127.0.0.1:5070");
        let found = |text| address_of(text, &conference).map(|uri| uri.to_string());
        assert_eq!(found("bob").as_deref(), Some("sip:bob@127.0.0.1:5070"));
        assert_eq!(found("bob@example.org").as_deref(), Some("sip:bob@example.org"));
        assert_eq!(found("sip:bob@example.org").as_deref(), Some("sip:bob@example.org"));
        for wrong in ["", "two words", "tel:123", "@"] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }
}
