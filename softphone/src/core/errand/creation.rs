//! What a conference that is to be made shall be like, as the INVITE that asks for it (RFC 4579 §5.4).

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use sdp::negotiate::{Capabilities, LocalTransport, OfferLine, offer};
use sdp::{DialogSdp, Direction, MediaKind, Protocol, Time};
use sip_stack::endpoint::Body;
use sip_stack::message::Uri;

/// Seconds from 1900, where SDP counts from, to 1970 (RFC 8866 §5.9).
const NTP_OFFSET: u64 = 2_208_988_800;
/// The discard service (RFC 863): nothing is to be sent to a description that only makes a conference.
const NO_PORT: u16 = 9;

/// Who finds a conference in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Those who are in it or invited.
    Members,
    /// Its organizer alone.
    Hidden,
}

/// Which way media of a conference may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaPath {
    /// Directly while two are there and it works, else through the mixer.
    Automatic,
    /// Always through the mixer.
    Mixed,
    /// Directly while two are there, also if no client can tell whether it works.
    Direct,
}

/// A conference that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Creation {
    /// Its name; a random one otherwise.
    pub name: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// What has to be dialled to come in.
    pub pin: Option<String>,
    /// Who finds it in a list.
    pub visibility: Option<Visibility>,
    /// The most members.
    pub max_members: Option<u32>,
    /// Newcomers wait.
    pub waiting_room: bool,
    /// Which way media may go.
    pub media_path: Option<MediaPath>,
    /// When it begins, since 1970-01-01T00:00:00Z; a conference that begins now says so too, for that is
    /// what makes it stay while nobody is in it.
    pub start: Duration,
    /// When it ends.
    pub end: Option<Duration>,
    /// Who is invited.
    pub invite: Vec<Uri>,
}

impl Creation {
    /// The header fields. SIP has none for most of this; ours are in docs/decisions/0130.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let visibility = self.visibility.map(|visibility| match visibility {
            Visibility::Public => "public".to_owned(),
            Visibility::Members => "members".to_owned(),
            Visibility::Hidden => "hidden".to_owned(),
        });
        let media_path = self.media_path.map(|path| match path {
            MediaPath::Automatic => "automatic".to_owned(),
            MediaPath::Mixed => "mixed".to_owned(),
            MediaPath::Direct => "direct".to_owned(),
        });
        let all = [
            ("Conference-Name", self.name.clone()),
            ("Subject", self.subject.clone()),
            ("Conference-Pin", self.pin.clone()),
            ("Conference-Visibility", visibility),
            ("Conference-Max-Members", self.max_members.map(|most| most.to_string())),
            ("Conference-Media-Path", media_path),
            ("Conference-Waiting-Room", self.waiting_room.then(|| "1".to_owned())),
        ];
        let said = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let mut headers: Vec<_> = said.collect();
        if !self.invite.is_empty() {
            headers.push(("Require".to_owned(), "recipient-list-invite".to_owned()));
        }
        headers
    }

    /// The body: a description with the times and no media to speak of, and those who are invited
    /// (RFC 5366). `boundary` separates the two and must not occur in either.
    #[must_use]
    pub fn body(&self, session_id: u64, address: IpAddr, boundary: &str) -> Body {
        let sdp = self.description(session_id, address);
        if self.invite.is_empty() {
            return Body::sdp(sdp);
        }
        let list = resource_list(&self.invite);
        let text = format!(
            "--{boundary}\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n\
             --{boundary}\r\nContent-Type: application/resource-lists+xml\r\n\
             Content-Disposition: recipient-list\r\n\r\n{list}\r\n--{boundary}--\r\n"
        );
        let content_type = format!("multipart/mixed;boundary=\"{boundary}\"");
        Body { content_type, bytes: Bytes::from(text) }
    }

    fn description(&self, session_id: u64, address: IpAddr) -> String {
        let local = LocalTransport::pair((address, NO_PORT).into());
        let mut line = OfferLine::new(MediaKind::Audio, Direction::Inactive, local);
        line.profile = Protocol::RtpAvp;
        let description = offer(&[line], &Capabilities::standard(0));
        let mut description = DialogSdp::new("-", session_id, address).fit(&description);
        let seconds = |time: Duration| time.as_secs() + NTP_OFFSET;
        let stop = self.end.map_or(0, seconds);
        description.times = vec![Time { start: seconds(self.start), stop, repeats: Vec::new() }];
        description.to_string()
    }
}

/// Addresses as a recipient list (RFC 4826 §3, RFC 5366 §4).
fn resource_list(addresses: &[Uri]) -> String {
    let entry = |uri: &Uri| {
        let uri = uri.to_string().replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        format!("<entry uri=\"{uri}\"/>")
    };
    let entries: String = addresses.iter().map(entry).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
         <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>{entries}</list></resource-lists>"
    )
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use sdp::SessionDescription;

    use super::*;

    #[test]
    fn what_is_wanted_is_said_and_nothing_else() {
        let bare = Creation::default();
        assert!(bare.headers().is_empty());
        let creation = Creation {
            name: Some("standup".to_owned()),
            subject: Some("Plan B".to_owned()),
            pin: Some("4711".to_owned()),
            visibility: Some(Visibility::Members),
            max_members: Some(5),
            waiting_room: true,
            media_path: Some(MediaPath::Mixed),
            invite: vec![Uri::parse("sip:a@h?x=1&y=2").unwrap()],
            ..bare
        };
        let said: Vec<String> =
            creation.headers().iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let expected = [
            "Conference-Name: standup",
            "Subject: Plan B",
            "Conference-Pin: 4711",
            "Conference-Visibility: members",
            "Conference-Max-Members: 5",
            "Conference-Media-Path: mixed",
            "Conference-Waiting-Room: 1",
            "Require: recipient-list-invite",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn times_are_in_the_description_and_guests_in_a_list_beside_it() {
        let creation = Creation {
            start: Duration::from_secs(1_000),
            end: Some(Duration::from_secs(4_600)),
            invite: vec![Uri::parse("sip:a@h?x=1&y=2").unwrap()],
            ..Creation::default()
        };
        let body = creation.body(7, Ipv4Addr::LOCALHOST.into(), "cut");
        let sdp = body.of_type("application/sdp").unwrap();
        let sdp = SessionDescription::parse(std::str::from_utf8(&sdp).unwrap()).unwrap();
        let time = &sdp.times[0];
        assert_eq!((time.start, time.stop), (2_208_989_800, 2_208_993_400));
        assert_eq!(sdp.media[0].direction(), Direction::Inactive);
        let list = body.of_type("application/resource-lists+xml").unwrap();
        let list = std::str::from_utf8(&list).unwrap();
        assert!(list.contains("uri=\"sip:a@h?x=1&amp;y=2\""), "{list}");
        let alone = Creation::default().body(7, Ipv4Addr::LOCALHOST.into(), "cut");
        assert_eq!(alone.content_type, "application/sdp");
    }
}
