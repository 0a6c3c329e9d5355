//! The list of conferences by SUBSCRIBE (RFC 4662): live, and as far as each may see it.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    missing_docs,
    reason = "tests"
)]

mod lab;

use std::time::Duration;

use conference_info::rlmi::{Conferences, List};
use conference_info::{Applied, ConferenceInfo};
use lab::{Lab, Phone, SERVER, requests, settings};
use mixer_control::MixerEvent;
use sip_registrar::{Actor, MeetingWish, Visibility};
use sip_stack::message::multipart::parts;
use sip_stack::message::{Message, Method, Request};

const LIST: &str = "Event: conference\r\nSupported: eventlist\r\nAccept: application/rlmi+xml, \
    application/conference-info+xml, multipart/related\r\n";

/// A laboratory with room for many conferences.
fn lab(many: usize) -> Lab {
    let mut settings = settings();
    settings.max_conferences = many;
    settings.max_conferences_per_creator = many;
    let mut lab = Lab::with(settings);
    lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
    lab.willing = true;
    lab
}

fn watcher(user: &str, port: u16) -> Phone {
    let mut phone = Phone::new(user, port);
    phone.call_id = format!("list-{user}-{port}");
    phone.uri = format!("sip:meetings@{SERVER}");
    phone
}

/// Subscribes as a guest; what is told at once has been answered.
fn watch(lab: &mut Lab, phone: &mut Phone) -> Vec<Request> {
    let came = phone.send(lab, "SUBSCRIBE", LIST, "");
    let Some(Message::Response(ok)) = came.first() else { panic!("{came:?}") };
    assert_eq!((ok.status, ok.headers.get("Require")), (200, Some("eventlist")));
    phone.learn(ok);
    answer(lab, phone, &came)
}

fn answer(lab: &mut Lab, phone: &Phone, came: &[Message]) -> Vec<Request> {
    let notifies = requests(came, &Method::Notify);
    for notify in &notifies {
        phone.respond(lab, notify, 200, "", "");
    }
    notifies
}

fn told(lab: &mut Lab, phone: &Phone) -> Vec<Request> {
    let mut all = Vec::new();
    loop {
        let came = lab.take(phone.port());
        let notifies = answer(lab, phone, &came);
        if notifies.is_empty() {
            return all;
        }
        all.extend(notifies);
    }
}

/// Takes a notification in, as a client does.
fn take(known: &mut Conferences, notify: &Request) -> List {
    assert_eq!(notify.headers.get("Require"), Some("eventlist"));
    let kind = notify.headers.content_type().unwrap().unwrap();
    assert_eq!((kind.kind.as_str(), kind.subtype.as_str()), ("multipart", "related"));
    let parts = parts(&kind, &notify.body).expect("parts");
    let list = List::parse(&parts[0].body).expect("a list");
    let document = |cid: &str| {
        let name = format!("<{cid}>");
        let part = parts.iter().find(|part| part.headers.get("Content-ID") == Some(&name));
        part.map(|part| &part.body[..])
    };
    assert_eq!(known.apply(&list, document), Applied::Done);
    list
}

fn titles(known: &Conferences) -> Vec<String> {
    let title = |info: &ConferenceInfo| info.description.clone()?.display_text;
    known.iter().map(|(_, info)| title(info).unwrap_or_default()).collect()
}

#[test]
fn the_list_is_live() {
    let mut lab = lab(9);
    Phone::new("ann", 7001).join(&mut lab, "weekly");
    let mut phone = watcher("eve", 7009);
    let mut known = Conferences::default();
    let first = watch(&mut lab, &mut phone);
    let list = take(&mut known, &first[0]);
    assert_eq!((list.version, list.full), (0, true));
    assert_eq!(titles(&known), ["weekly"]);
    let (uri, info) = known.iter().next().unwrap();
    assert_eq!((uri, info.entity.as_str()), (info.entity.as_str(), "sip:weekly@127.0.0.1:5060"));
    let state = info.conference_state.clone().unwrap();
    assert_eq!((state.user_count, state.media_path.as_deref()), (Some(1), Some("mixer")));
    assert_eq!(state.since, Some(Duration::from_secs(1_800_000_000)));
    assert!(info.users.is_none(), "who is in it is the business of its members");

    let mut ben = Phone::new("ben", 7002);
    ben.join(&mut lab, "standup");
    for notify in told(&mut lab, &phone) {
        assert!(!take(&mut known, &notify).full);
    }
    assert_eq!(titles(&known), ["standup", "weekly"]);

    ben.send(&mut lab, "BYE", "", "");
    lab.wait(Duration::from_secs(11));
    let later = told(&mut lab, &phone);
    // What was sent again for it had not been answered is the same.
    let mut versions: Vec<u32> = Vec::new();
    for notify in &later {
        let kind = notify.headers.content_type().unwrap().unwrap();
        let version = List::parse(&parts(&kind, &notify.body).unwrap()[0].body).unwrap().version;
        if !versions.contains(&version) {
            versions.push(version);
            take(&mut known, notify);
        }
    }
    lab.wait(Duration::from_secs(6));
    for notify in told(&mut lab, &phone) {
        take(&mut known, &notify);
    }
    assert_eq!(titles(&known), ["weekly"], "it is over");
}

#[test]
fn everybody_finds_what_they_may_find() {
    let mut lab = lab(9);
    let alice = Actor::Account("alice".into());
    for (subject, visibility) in [
        ("open", Visibility::Public),
        ("ours", Visibility::Members),
        ("secret", Visibility::Hidden),
    ] {
        let wish = MeetingWish {
            subject: Some(subject.into()),
            visibility: Some(visibility),
            ..MeetingWish::default()
        };
        lab.registrar.create_meeting(lab.now, &alice, wish).expect("made");
    }
    let mut phone = watcher("eve", 7009);
    let mut known = Conferences::default();
    take(&mut known, &watch(&mut lab, &mut phone)[0]);
    assert_eq!(titles(&known), ["open"]);
    let mut phone = watcher("alice", 7008).with_password("wonderland");
    let came = phone.send(&mut lab, "SUBSCRIBE", LIST, "");
    let Some(Message::Response(challenge)) = came.first() else { panic!("{came:?}") };
    phone.ask_again(&mut lab, challenge, "SUBSCRIBE", LIST, "");
    let came = lab.take(7008);
    let mut known = Conferences::default();
    take(&mut known, &answer(&mut lab, &phone, &came)[0]);
    let mut found = titles(&known);
    found.sort();
    assert_eq!(found, ["open", "ours", "secret"]);
}

#[test]
fn who_cannot_read_a_list_is_told_what_it_takes() {
    let mut lab = lab(9);
    for uri in ["meetings", "conference"] {
        let mut phone = watcher("eve", 7009);
        phone.call_id = format!("without-{uri}");
        phone.uri = format!("sip:{uri}@{SERVER}");
        let response = phone.ask(&mut lab, "SUBSCRIBE", "Event: conference\r\n", "");
        assert_eq!((response.status, response.headers.get("Require")), (421, Some("eventlist")));
    }
    // The factory is the other address of the list.
    let mut phone = watcher("eve", 7009);
    phone.uri = format!("sip:conference@{SERVER}");
    assert_eq!(watch(&mut lab, &mut phone).len(), 1, "an empty list is told, too");
    let mut phone = watcher("eve", 7009);
    phone.call_id = "call".into();
    let response = phone.ask(&mut lab, "INVITE", "", lab::OFFER);
    assert_eq!(response.status, 403);
}

#[test]
fn a_long_list_comes_in_portions() {
    let mut lab = lab(200);
    let operator = Actor::Operator("test".into());
    for number in 0..100 {
        let wish =
            MeetingWish { subject: Some(format!("meeting {number}")), ..MeetingWish::default() };
        lab.registrar.create_meeting(lab.now, &operator, wish).expect("made");
    }
    let mut phone = watcher("eve", 7009);
    let mut known = Conferences::default();
    for notify in watch(&mut lab, &mut phone).iter().chain(&told(&mut lab, &phone)) {
        assert!(notify.body.len() < 60_000, "{} bytes are too many", notify.body.len());
        take(&mut known, notify);
    }
    assert_eq!(known.iter().count(), 100);
}

#[test]
fn a_refresh_tells_the_whole_list_again() {
    let mut lab = lab(9);
    Phone::new("ann", 7001).join(&mut lab, "weekly");
    let mut phone = watcher("eve", 7009);
    let mut known = Conferences::default();
    take(&mut known, &watch(&mut lab, &mut phone)[0]);
    let again = watch(&mut lab, &mut phone);
    let list = take(&mut known, &again[0]);
    assert_eq!((list.version, list.full, list.resources.len()), (1, true, 1));
    let came = phone.send(&mut lab, "SUBSCRIBE", &format!("{LIST}Expires: 0\r\n"), "");
    let last = answer(&mut lab, &phone, &came);
    take(&mut known, &last[0]);
    let state = last[0].headers.get("Subscription-State");
    assert_eq!(state, Some("terminated;reason=timeout"));
}
