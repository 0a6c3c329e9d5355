//! One line of chat, and how it is written for those who understand CPIM and those who do not.

use std::time::Duration;

use sip_stack::endpoint::Body;
use sip_stack::message::cpim::{Cpim, IMDN};
use sip_stack::message::date_time::to_rfc3339;
use sip_stack::message::{NameAddr, Uri};

use crate::core::history::Person;

/// What somebody has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Rises by one with each line of the room.
    pub(crate) seq: u64,
    /// Who, as the conference knows them: not what the message claims.
    pub(crate) by: Person,
    /// When it came to us, since 1970-01-01T00:00:00Z.
    pub(crate) at: Duration,
    /// What.
    pub(crate) text: String,
    /// Its Message-ID (RFC 5438 §6.3): the sender's, or ours if it gave none.
    pub(crate) id: String,
    /// For whom alone it is.
    pub(crate) to: Option<Person>,
}

const SECONDS_PER_DAY: u64 = 86_400;

impl Line {
    /// The line in its envelope (RFC 3862). No notification is asked for: each would come back to the
    /// conference from every device.
    pub(super) fn cpim(&self, room: &Uri) -> Body {
        let from = address(&self.by, room);
        let to = match &self.to {
            Some(person) => address(person, room),
            None => NameAddr::new(room.clone()),
        };
        let mut cpim = Cpim::text(&from, &to, &to_rfc3339(self.at), &self.text);
        cpim.headers.push(("NS".to_owned(), format!("imdn <{IMDN}>")));
        cpim.headers.push(("imdn.Message-ID".to_owned(), self.id.clone()));
        Body { content_type: "message/cpim".to_owned(), bytes: cpim.to_bytes() }
    }

    /// The line for a device that knows plain text only: it shows the conference as the sender and its
    /// own clock, so who and when stand in the text. `now` is since 1970; a line of another day says
    /// which.
    pub(super) fn plain(&self, now: Duration) -> Body {
        let stamp = to_rfc3339(self.at);
        let (date, time) = (stamp.get(..10).unwrap_or_default(), stamp.get(11..19));
        let time = time.unwrap_or_default();
        let same_day = now.as_secs() / SECONDS_PER_DAY == self.at.as_secs() / SECONDS_PER_DAY;
        let when = if same_day { format!("{time} UTC") } else { format!("{date} {time} UTC") };
        let aside = if self.to.is_some() { " (to you alone)" } else { "" };
        // A line of its own would look like somebody else's.
        let said = self.text.replace("\r\n", "\n").replace(['\r', '\n'], "\n    ");
        let text = format!("[{when}] {}{aside}: {said}", self.by.name);
        Body { content_type: "text/plain;charset=UTF-8".to_owned(), bytes: text.into() }
    }
}

fn address(person: &Person, room: &Uri) -> NameAddr {
    let uri = Uri::parse(&person.uri).unwrap_or_else(|| room.clone());
    NameAddr::new(uri).with_display_name(&person.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            seq: 1,
            by: Person {
                uri: "sip:zoe@example.org".into(),
                name: "Zoé \"Z\"".into(),
                verified: true,
            },
            at: Duration::from_secs(1_798_761_599),
            text: "grüß euch\r\n\r\nalle 👋".into(),
            id: "m1".into(),
            to: None,
        }
    }

    #[test]
    fn the_envelope_names_sender_time_and_id() {
        let room = Uri::parse("sip:room@example.org").unwrap();
        let cpim = Cpim::parse(&line().cpim(&room).bytes).unwrap();
        let from = cpim.from().unwrap();
        assert_eq!(from.display_name.as_deref(), Some("Zoé \"Z\""));
        assert_eq!(from.uri.to_string(), "sip:zoe@example.org");
        assert_eq!(cpim.to().unwrap().uri, room);
        assert_eq!(cpim.date_time(), Some("2026-12-31T23:59:59Z"));
        assert_eq!(cpim.namespaced(IMDN, "Message-ID"), Some("m1"));
        assert_eq!(cpim.namespaced(IMDN, "Disposition-Notification"), None);
        assert_eq!(&cpim.body[..], line().text.as_bytes());
    }

    #[test]
    fn plain_text_tells_who_and_when_in_words() {
        let text = |now: u64| {
            let bytes = line().plain(Duration::from_secs(now)).bytes;
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        // What follows a line break cannot be taken for a line of somebody else.
        let said = "Zoé \"Z\": grüß euch\n    \n    alle 👋";
        assert_eq!(text(1_798_761_599), format!("[23:59:59 UTC] {said}"));
        assert_eq!(text(1_798_761_600), format!("[2026-12-31 23:59:59 UTC] {said}"));
    }
}
