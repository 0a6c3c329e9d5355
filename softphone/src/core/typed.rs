//! What is typed in the chat line: something to say, or a command after a slash.

use super::order::Role;

/// What somebody has typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// Nothing.
    Nothing,
    /// Something to say.
    Say(String),
    /// Something the conference as such is told.
    Meeting(MeetingDeed),
    /// Something about somebody: a name, a user or a URI.
    Person(PersonDeed, String),
    /// Digits to dial.
    Dial(String),
    /// Who is there?
    Who,
    /// Which commands are there?
    Help,
    /// Leave.
    Leave,
    /// No command, and why.
    Wrong(String),
}

/// Something the conference as such is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeetingDeed {
    /// Let nobody else in, or again.
    Lock(bool),
    /// Let newcomers wait, or not any more.
    WaitingRoom(bool),
    /// Mute all but the moderators, or let all talk.
    Mute(bool),
    /// End it for all.
    Cancel,
}

/// Something about somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonDeed {
    /// Mute, or let talk.
    Mute(bool),
    /// Remove.
    Kick,
    /// Call in.
    Invite,
    /// Let in from the waiting room.
    Admit,
    /// Give a role.
    Role(Role),
}

/// The commands, for people.
pub const HELP: [&str; 11] = [
    "/who                       who is there",
    "/mute NAME, /unmute NAME   one; without a name all but the moderators",
    "/kick NAME                 remove somebody",
    "/invite USER               call somebody in",
    "/admit NAME                let somebody in from the waiting room",
    "/moderator NAME, /participant NAME, /organizer NAME   hand over roles",
    "/lock, /unlock             let nobody else in, or again",
    "/waiting on, /waiting off  newcomers wait until they are admitted",
    "/pin DIGITS                dial a PIN or other keys",
    "/cancel                    end the conference for all",
    "/leave                     leave; what begins with // is said with one slash",
];

/// Reads what was typed.
#[must_use]
pub fn read(line: &str) -> Typed {
    let line = line.trim();
    let Some(command) = line.strip_prefix('/') else {
        return if line.is_empty() { Typed::Nothing } else { Typed::Say(line.to_owned()) };
    };
    if command.starts_with('/') {
        return Typed::Say(command.to_owned());
    }
    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    let person = |deed| match rest {
        "" => Typed::Wrong(format!("/{word} whom?")),
        name => Typed::Person(deed, name.to_owned()),
    };
    let alone = |typed| match rest {
        "" => typed,
        _ => Typed::Wrong(format!("/{word} takes nothing more")),
    };
    match (word.to_lowercase().as_str(), rest) {
        ("mute", "") => Typed::Meeting(MeetingDeed::Mute(true)),
        ("unmute", "") => Typed::Meeting(MeetingDeed::Mute(false)),
        ("mute", _) => person(PersonDeed::Mute(true)),
        ("unmute", _) => person(PersonDeed::Mute(false)),
        ("kick", _) => person(PersonDeed::Kick),
        ("invite", _) => person(PersonDeed::Invite),
        ("admit", _) => person(PersonDeed::Admit),
        ("moderator", _) => person(PersonDeed::Role(Role::Moderator)),
        ("participant", _) => person(PersonDeed::Role(Role::Participant)),
        ("organizer", _) => person(PersonDeed::Role(Role::Organizer)),
        ("lock", _) => alone(Typed::Meeting(MeetingDeed::Lock(true))),
        ("unlock", _) => alone(Typed::Meeting(MeetingDeed::Lock(false))),
        ("waiting", "on") => Typed::Meeting(MeetingDeed::WaitingRoom(true)),
        ("waiting", "off") => Typed::Meeting(MeetingDeed::WaitingRoom(false)),
        ("waiting", _) => Typed::Wrong("/waiting on or /waiting off".to_owned()),
        ("pin" | "dial", keys) if is_dialled(keys) => Typed::Dial(keys.to_owned()),
        ("pin" | "dial", _) => Typed::Wrong(format!("/{word} and digits")),
        ("cancel", _) => alone(Typed::Meeting(MeetingDeed::Cancel)),
        ("who", _) => alone(Typed::Who),
        ("help" | "?", _) => Typed::Help,
        ("leave" | "quit", _) => alone(Typed::Leave),
        _ => Typed::Wrong(format!("/{word} is no command; /help lists them")),
    }
}

fn is_dialled(keys: &str) -> bool {
    !keys.is_empty() && keys.bytes().all(|key| key.is_ascii_digit() || b"*#".contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_makes_a_command_and_two_do_not() {
        assert_eq!(read("  "), Typed::Nothing);
        assert_eq!(read(" hello there "), Typed::Say("hello there".to_owned()));
        assert_eq!(read("//mute me"), Typed::Say("/mute me".to_owned()));
        assert_eq!(read("/mute"), Typed::Meeting(MeetingDeed::Mute(true)));
        let zoe = "Zoé Müller".to_owned();
        assert_eq!(read("/MUTE  Zoé Müller "), Typed::Person(PersonDeed::Mute(true), zoe));
        assert_eq!(read("/waiting on"), Typed::Meeting(MeetingDeed::WaitingRoom(true)));
        assert_eq!(read("/pin 4711"), Typed::Dial("4711".to_owned()));
        for wrong in ["/kick", "/pin", "/pin x", "/waiting", "/lock it", "/dance", "/"] {
            assert!(matches!(read(wrong), Typed::Wrong(_)), "{wrong}");
        }
    }

    #[test]
    fn every_command_that_the_help_names_is_one() {
        for line in HELP {
            let names =
                line.split([' ', ',']).filter(|word| word.starts_with('/') && *word != "//");
            for name in names {
                let typed = [format!("{name} 1"), format!("{name} on"), name.to_owned()];
                let known = typed.iter().any(|typed| !matches!(read(typed), Typed::Wrong(_)));
                assert!(known, "{name}");
            }
        }
    }
}
