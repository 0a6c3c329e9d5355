//! What was agreed about a conference apart from who is in it just now: subject, organizer, PIN, times.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip_stack::auth::Algorithm;

use super::name::ConferenceName;
use super::path::PathPolicy;

/// Who finds a conference in a list. Whoever knows its name may dial it all the same: PIN, lock and
/// waiting room keep people out, not this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody who may call this server.
    #[default]
    Public,
    /// Those who are in it, its organizer and its moderators.
    Members,
    /// Its organizer and the operators alone.
    Hidden,
}

/// What somebody may do in a conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Talk, be seen, chat, leave.
    Participant,
    /// Also lock, mute, remove, call in, admit.
    Moderator,
    /// Also change and cancel the conference, and make moderators. One at a time.
    Organizer,
}

/// In whose hands a conference is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Organizer {
    /// An account of this server.
    Account(String),
    /// A guest, known again by a secret that it got when it created the conference.
    Guest(Secret),
    /// Nobody in particular; an operator made it.
    Operator,
}

/// The fingerprint of a secret that was given away once and can only be recognised.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Remembers `text` without keeping it. It must be too random to be guessed.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Secret(Algorithm::Sha256.hash(text))
    }

    /// Whether `text` is the secret. Hashes are compared, so the time it takes tells nothing about the
    /// secret.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        *self == Secret::of(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Digits that let people in (RFC 6503 `conference-password`).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin(String);

impl Pin {
    /// 4 to 16 decimal digits: what a phone can dial. `None` for anything else.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        let good = (4..=16).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        good.then(|| Pin(digits.to_owned()))
    }

    /// The digits, for the invitation. Never log them.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// Whether somebody has dialled it. The comparison takes as long whatever was dialled.
    #[must_use]
    pub fn is(&self, dialled: &str) -> bool {
        Secret::of(&self.0) == Secret::of(dialled)
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(…)")
    }
}

/// When a conference is planned; all times since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// When it is to begin. People may come earlier.
    pub start: Duration,
    /// When it is to end; `None` if nobody said. It goes on while somebody is in it.
    pub end: Option<Duration>,
}

/// What was agreed about a conference. It outlives a restart if it is [`lasting`](Self::lasting).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// The user part of its URI.
    pub name: ConferenceName,
    /// What it is about; at most [`MAX_SUBJECT`] characters, printable, may be empty.
    pub subject: String,
    /// In whose hands it is.
    pub organizer: Organizer,
    /// What its organizer is called on screens.
    pub organizer_name: String,
    /// Accounts that are moderators whenever they are in it.
    pub moderators: BTreeSet<String>,
    /// Accounts that were invited; they see it in lists.
    pub invited: BTreeSet<String>,
    /// Who finds it in a list.
    pub visibility: Visibility,
    /// What has to be dialled to come in.
    pub pin: Option<Pin>,
    /// The most members; `None` means the server's limit.
    pub max_members: Option<usize>,
    /// When it is planned.
    pub schedule: Option<Schedule>,
    /// Whether newcomers wait until a moderator admits them.
    pub waiting_room: bool,
    /// Whether nobody else comes in.
    pub locked: bool,
    /// Which way its media may go; what was kept before there was a choice says nothing of it.
    #[serde(default)]
    pub media_path: PathPolicy,
    /// Whether it stays when nobody is in it: it was planned, or created before anybody came. What was
    /// only dialled ends with its last member.
    pub lasting: bool,
    /// When it was created.
    pub created: Duration,
}

/// The longest subject, in characters.
pub const MAX_SUBJECT: usize = 200;

impl Meeting {
    /// A conference that somebody has just dialled, of which nothing was said.
    #[must_use]
    pub fn dialled(name: ConferenceName, organizer: Organizer, created: Duration) -> Self {
        Meeting {
            subject: String::new(),
            organizer,
            organizer_name: String::new(),
            moderators: BTreeSet::new(),
            invited: BTreeSet::new(),
            visibility: Visibility::Public,
            pin: None,
            max_members: None,
            schedule: None,
            waiting_room: false,
            locked: false,
            media_path: PathPolicy::default(),
            lasting: false,
            created,
            name,
        }
    }

    /// What an account may do in it.
    #[must_use]
    pub fn role_of(&self, account: &str) -> MemberRole {
        match &self.organizer {
            Organizer::Account(user) if user == account => MemberRole::Organizer,
            _ if self.moderators.contains(account) => MemberRole::Moderator,
            _ => MemberRole::Participant,
        }
    }
}

/// What may stand as a subject on a screen and in a header field: one line of at most [`MAX_SUBJECT`]
/// characters.
#[must_use]
pub fn sanitise_subject(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let printable = line.filter(|c| !c.is_control()).collect::<String>();
    printable.trim().chars().take(MAX_SUBJECT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_what_a_phone_can_dial() {
        for good in ["0000", "1234567890123456"] {
            assert!(Pin::parse(good).is_some_and(|pin| pin.is(good) && !pin.is("12345")));
        }
        for bad in ["", "123", "12345678901234567", "12a4", "12 4", "１２３４"] {
            assert!(Pin::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn secrets_and_pins_are_not_printed() {
        let shown = format!("{:?} {:?}", Secret::of("open sesame"), Pin::parse("4711"));
        assert!(!shown.contains("sesame") && !shown.contains("4711"), "{shown}");
        assert!(Secret::of("a").is("a") && !Secret::of("a").is("b"));
    }

    #[test]
    fn a_subject_is_one_printable_line() {
        assert_eq!(sanitise_subject("  Plan\r\nB\u{0} "), "Plan  B");
        assert_eq!(sanitise_subject(&"x".repeat(300)).chars().count(), MAX_SUBJECT);
    }
}
