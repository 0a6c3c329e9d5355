//! SUBSCRIBE to a conference: who may, what is told and when, and how it ends (RFC 4575, RFC 6665).
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

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use conference_info::{
    Applied, ConferenceInfo, EndpointStatus, JoiningMethod, MediumStatus, State,
};
use lab::{Lab, OFFER, Phone, SERVER, requests, statuses};
use mixer_control::{LegRef, LineDirection, MixerEvent, MixerRequest, SourceLine};
use sip_registrar::{Act, Actor, ConferenceName, Whom};
use sip_stack::message::{Message, Method, Request, Response};

static WATCHERS: AtomicU32 = AtomicU32::new(0);

/// A phone for subscriptions beside the one that calls.
fn watcher(user: &str, port: u16, name: &str) -> Phone {
    let mut phone = Phone::new(user, port);
    phone.call_id = format!("watch-{}", WATCHERS.fetch_add(1, Ordering::Relaxed));
    phone.uri = format!("sip:{name}@{SERVER}");
    phone
}

const CONFERENCE: &str = "Event: conference\r\nExpires: 600\r\n\
    Accept: application/conference-info+xml\r\nLast-Notify-Version: 0\r\n";

/// Subscribes; the response and the first NOTIFY, which has been answered.
fn subscribe(lab: &mut Lab, phone: &mut Phone, headers: &str) -> (Response, Vec<Request>) {
    let came = phone.send(lab, "SUBSCRIBE", headers, "");
    let response = came.iter().find_map(|message| match message {
        Message::Response(response) => Some(response.clone()),
        Message::Request(_) => None,
    });
    let response = response.expect("an answer");
    if response.status == 200 {
        phone.learn(&response);
    }
    (response, answer(lab, phone, &came))
}

/// Answers the NOTIFYs among what came.
fn answer(lab: &mut Lab, phone: &Phone, came: &[Message]) -> Vec<Request> {
    let notifies = requests(came, &Method::Notify);
    for notify in &notifies {
        phone.respond(lab, notify, 200, "", "");
    }
    notifies
}

/// What has been told since, and answered.
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

fn document(notify: &Request) -> ConferenceInfo {
    assert_eq!(notify.headers.get("Content-Type"), Some("application/conference-info+xml"));
    ConferenceInfo::parse(&notify.body).expect("a document")
}

fn names(info: &ConferenceInfo) -> Vec<String> {
    info.users().map(|user| user.display_text.clone().unwrap_or_default()).collect()
}

fn state_of(notify: &Request) -> String {
    notify.headers.get("Subscription-State").unwrap().to_owned()
}

/// Two members and one of them subscribed.
fn meeting() -> (Lab, Phone, Phone, ConferenceInfo) {
    let mut lab = Lab::new();
    Phone::new("ann", 7001).join(&mut lab, "weekly");
    Phone::new("ben", 7002).join(&mut lab, "weekly");
    let mut phone = watcher("ann", 7001, "weekly");
    let (_, notifies) = subscribe(&mut lab, &mut phone, CONFERENCE);
    let known = document(&notifies[0]);
    (lab, phone, Phone::new("cid", 7003), known)
}

#[test]
fn a_member_is_told_at_once_who_is_there() {
    let mut lab = Lab::new();
    Phone::new("ann", 7001).join(&mut lab, "weekly");
    let mut phone = watcher("ann", 7001, "weekly");
    let came = phone.send(&mut lab, "SUBSCRIBE", CONFERENCE, "");
    // JsSIP answers 481 to a NOTIFY that comes before the 200.
    let [Message::Response(ok), Message::Request(notify)] = &came[..] else { panic!("{came:?}") };
    assert_eq!((ok.status, ok.headers.get("Expires")), (200, Some("600")));
    assert!(ok.headers.get("Contact").unwrap().ends_with(";isfocus"));
    assert_eq!(state_of(notify), "active;expires=600");
    assert_eq!(notify.headers.get("Event"), Some("conference"));
    let info = document(notify);
    assert_eq!((info.state, info.version), (State::Full, Some(1)));
    assert_eq!(info.entity, format!("sip:weekly@{SERVER}"));
    assert_eq!(names(&info), ["ann"]);
    let user = info.users().next().unwrap();
    assert_eq!(user.entity, "sip:ann@127.0.0.1");
    let endpoint = &user.endpoints[0];
    assert_eq!(endpoint.status, Some(EndpointStatus::Connected));
    assert_eq!(endpoint.joining_method, Some(JoiningMethod::DialedIn));
    let joined = endpoint.joining_info.as_ref().unwrap().when;
    assert_eq!(joined, Some(Duration::from_secs(1_800_000_000)));
    assert_eq!(endpoint.call_info.as_ref().unwrap().call_id, "ann-7001", "its own dialog");
    let state = info.conference_state.unwrap();
    assert_eq!((state.user_count, state.active, state.locked), (Some(1), Some(true), Some(false)));
    assert_eq!(state.media_path.as_deref(), Some("mixer"));
    let description = info.description.unwrap();
    assert_eq!(description.conf_uris[0].uri, format!("sip:weekly@{SERVER}"));
    assert!(description.available_media.iter().all(|medium| medium.status.is_some()));
}

#[test]
fn linphone_subscribes_before_its_ack() {
    let mut lab = Lab::new();
    let mut ann = Phone::new("ann", 7001);
    ann.uri = format!("sip:weekly@{SERVER}");
    let ok = ann.ask(&mut lab, "INVITE", "", OFFER);
    let mut phone = watcher("ann", 7001, "weekly");
    let (response, notifies) = subscribe(&mut lab, &mut phone, CONFERENCE);
    assert_eq!(response.status, 200);
    let first = document(&notifies[0]);
    let status = |info: &ConferenceInfo| info.users().next().unwrap().endpoints[0].status;
    assert_eq!(status(&first), Some(EndpointStatus::DialingIn));
    ann.learn(&ok);
    let came = ann.send(&mut lab, "ACK 1", "", "");
    let notifies = answer(&mut lab, &phone, &came);
    let change = document(&notifies[0]);
    assert_eq!((change.state, change.version), (State::Partial, Some(2)));
    assert_eq!(status(&change), Some(EndpointStatus::Connected));
}

#[test]
fn who_knows_a_version_is_told_newer_ones() {
    let (mut lab, ..) = meeting();
    let mut phone = watcher("ben", 7002, "weekly");
    let headers = CONFERENCE.replace("Version: 0", "Version: 41");
    let (_, notifies) = subscribe(&mut lab, &mut phone, &headers);
    assert_eq!(document(&notifies[0]).version, Some(42));
}

#[test]
fn changes_are_told_as_such_and_add_up() {
    let (mut lab, phone, mut cid, mut known) = meeting();
    assert_eq!(names(&known), ["ann", "ben"]);
    cid.join(&mut lab, "weekly");
    for notify in told(&mut lab, &phone) {
        let change = document(&notify);
        assert_eq!(change.state, State::Partial);
        assert_eq!(known.apply(change), Applied::Done);
    }
    assert_eq!(names(&known), ["ann", "ben", "cid"]);
    assert_eq!(known.conference_state.as_ref().unwrap().user_count, Some(3));
    lab.wait(Duration::from_secs(6));
    cid.send(&mut lab, "BYE", "", "");
    for notify in told(&mut lab, &phone) {
        assert_eq!(known.apply(document(&notify)), Applied::Done);
    }
    assert_eq!(names(&known), ["ann", "ben"]);
    assert_eq!(known.conference_state.as_ref().unwrap().user_count, Some(2));
}

#[test]
fn sources_tell_the_labels_and_what_is_sent() {
    let (mut lab, phone, _, mut known) = meeting();
    lab.willing = false;
    let mut cid = Phone::new("cid", 7003);
    cid.uri = format!("sip:weekly@{SERVER}");
    cid.send(&mut lab, "INVITE", "", OFFER);
    let MixerRequest::Join(join) = lab.only_command().clone() else { panic!("no join") };
    lab.mixer_agrees();
    lab.willing = true;
    cid.learn(&lab::last_response(lab.take(7003)));
    cid.ack(&mut lab, "");
    let line = |index, medium: &str, ssrc, direction| SourceLine {
        index,
        medium: medium.to_owned(),
        ssrc,
        direction,
        label: format!("{medium}-{index}"),
    };
    let lines = vec![
        line(0, "audio", Some(7), LineDirection::SendOnly),
        line(1, "video", None, LineDirection::RecvOnly),
        line(2, "video", Some(9), LineDirection::SendRecv),
    ];
    let LegRef { conference, leg } = join.leg;
    lab.mixer_says(MixerEvent::Sources { leg: LegRef { conference, leg }, lines });
    for notify in told(&mut lab, &phone) {
        assert_eq!(known.apply(document(&notify)), Applied::Done);
    }
    let media = &known.users().find(|user| user.entity.contains("cid")).unwrap().endpoints[0].media;
    let shown: Vec<_> = media.iter().map(|m| (m.id.as_str(), m.src_id, m.status)).collect();
    let expected = [
        ("1", Some(7), Some(MediumStatus::SendOnly)),
        ("2", Some(9), Some(MediumStatus::SendRecv)),
    ];
    assert_eq!(shown, expected);
    assert_eq!(media[1].label.as_deref(), Some("video-2"));
}

#[test]
fn a_few_changes_are_told_at_once_and_then_one_in_five_seconds() {
    let (mut lab, phone, mut cid, mut known) = meeting();
    let mut at_once = Vec::new();
    for round in 0..8 {
        cid.call_id = format!("cid-{round}");
        cid.to.clear();
        cid.remote_target = None;
        cid.join(&mut lab, "weekly");
        at_once.extend(told(&mut lab, &phone));
        if round < 7 {
            cid.send(&mut lab, "BYE", "", "");
            at_once.extend(told(&mut lab, &phone));
        }
    }
    assert_eq!(at_once.len(), 3);
    lab.wait(Duration::from_secs(4));
    assert!(told(&mut lab, &phone).is_empty());
    lab.wait(Duration::from_millis(1200));
    let later = told(&mut lab, &phone);
    assert_eq!(later.len(), 1, "what has happened meanwhile is told together");
    for notify in at_once.iter().chain(&later) {
        assert_eq!(known.apply(document(notify)), Applied::Done);
    }
    assert_eq!(names(&known), ["ann", "ben", "cid"]);
    lab.wait(Duration::from_secs(60));
    assert!(told(&mut lab, &phone).is_empty(), "there was nothing more to tell");
}

#[test]
fn strangers_are_told_nothing() {
    let (mut lab, ..) = meeting();
    for (user, port, status) in [("eve", 7009, 403), ("alice", 7009, 401)] {
        let mut phone = watcher(user, port, "weekly");
        assert_eq!(subscribe(&mut lab, &mut phone, CONFERENCE).0.status, status, "{user}");
    }
    let mut nowhere = watcher("ann", 7001, "nowhere");
    assert_eq!(subscribe(&mut lab, &mut nowhere, CONFERENCE).0.status, 404);
}

#[test]
fn what_cannot_be_subscribed_to_has_its_status() {
    let (mut lab, mut known, ..) = meeting();
    let mut phone = watcher("ann", 7001, "weekly");
    for (headers, status) in [
        ("", 489),
        ("Event: presence\r\n", 489),
        ("Event: refer\r\n", 403),
        ("Event: conference\r\nExpires: 10\r\n", 423),
        ("Event: conference\r\nExpires: never\r\n", 400),
        ("Event: conference\r\nRequire: telepathy\r\n", 420),
    ] {
        let (response, notifies) = subscribe(&mut lab, &mut phone, headers);
        assert_eq!((response.status, notifies.len()), (status, 0), "{headers}");
        match status {
            489 => assert!(response.headers.list_has("Allow-Events", "conference")),
            423 => assert_eq!(response.headers.get("Min-Expires"), Some("60")),
            _ => {}
        }
    }
    let mut stranger = watcher("ann", 7001, "weekly");
    stranger.to = format!("<sip:weekly@{SERVER}>;tag=unknown");
    assert_eq!(subscribe(&mut lab, &mut stranger, CONFERENCE).0.status, 481);
    assert_eq!(subscribe(&mut lab, &mut known, CONFERENCE).0.status, 200, "nothing has changed");
}

#[test]
fn a_refresh_tells_all_again_and_an_old_one_nothing() {
    let (mut lab, mut phone, ..) = meeting();
    lab.wait(Duration::from_secs(300));
    let longer = CONFERENCE.replace("600", "400");
    let (response, notifies) = subscribe(&mut lab, &mut phone, &longer);
    assert_eq!(response.status, 200);
    let info = document(&notifies[0]);
    assert_eq!((info.state, info.version), (State::Full, Some(2)));
    lab.wait(Duration::from_secs(350));
    assert_eq!(lab.counters().subscriptions, 1);
    let came = phone.send(&mut lab, "SUBSCRIBE 1", CONFERENCE, "");
    assert_eq!(statuses(&came), [500], "older than the last");
    lab.wait(Duration::from_secs(51));
    let last = told(&mut lab, &phone);
    assert_eq!(state_of(&last[0]), "terminated;reason=timeout");
    assert_eq!(lab.counters().subscriptions, 0);
}

#[test]
fn who_unsubscribes_is_told_a_last_time_how_it_stands() {
    let (mut lab, mut phone, ..) = meeting();
    let ending = "Event: conference\r\nExpires: 0\r\n";
    let (response, notifies) = subscribe(&mut lab, &mut phone, ending);
    assert_eq!((response.status, response.headers.get("Expires")), (200, Some("0")));
    assert_eq!(state_of(&notifies[0]), "terminated;reason=timeout");
    assert_eq!(document(&notifies[0]).state, State::Full);
    assert_eq!(lab.counters().subscriptions, 0);
    // Who only asks once is told once.
    let mut once = watcher("ben", 7002, "weekly");
    let (_, notifies) = subscribe(&mut lab, &mut once, ending);
    assert_eq!(names(&document(&notifies[0])), ["ann", "ben"]);
    assert_eq!(state_of(&notifies[0]), "terminated;reason=timeout");
    assert_eq!(lab.counters().subscriptions, 0);
}

#[test]
fn who_leaves_is_told_no_more_and_the_last_that_it_is_over() {
    let mut lab = Lab::new();
    let mut ann = Phone::new("ann", 7001);
    ann.join(&mut lab, "weekly");
    let mut ben = Phone::new("ben", 7002);
    ben.join(&mut lab, "weekly");
    let mut watches = watcher("ben", 7012, "weekly");
    subscribe(&mut lab, &mut watches, CONFERENCE);
    let mut stays = watcher("ann", 7011, "weekly");
    subscribe(&mut lab, &mut stays, CONFERENCE);
    ben.send(&mut lab, "BYE", "", "");
    let last = told(&mut lab, &watches);
    assert_eq!(state_of(last.last().unwrap()), "terminated;reason=rejected");
    told(&mut lab, &stays);
    ann.send(&mut lab, "BYE", "", "");
    lab.wait(Duration::from_secs(30));
    let last = told(&mut lab, &stays);
    assert!(state_of(last.last().unwrap()).starts_with("terminated;reason="));
    assert_eq!(lab.counters().subscriptions, 0);
}

#[test]
fn a_subscriber_that_does_not_know_its_subscription_loses_it() {
    for status in [481, 405, 489] {
        let (mut lab, phone, mut cid, _) = meeting();
        cid.join(&mut lab, "weekly");
        let came = lab.take(phone.port());
        let notify = requests(&came, &Method::Notify).remove(0);
        phone.respond(&mut lab, &notify, status, "", "");
        assert_eq!(lab.counters().subscriptions, 0, "{status}");
    }
    let (mut lab, _, mut cid, _) = meeting();
    cid.join(&mut lab, "weekly");
    lab.wait(Duration::from_secs(33));
    assert_eq!(lab.counters().subscriptions, 0, "it does not answer");
}

#[test]
fn one_notification_waits_for_the_answer_to_the_one_before() {
    let (mut lab, phone, mut cid, _) = meeting();
    cid.join(&mut lab, "weekly");
    let came = lab.take(phone.port());
    let notifies = requests(&came, &Method::Notify);
    assert_eq!(notifies.len(), 1);
    cid.send(&mut lab, "BYE", "", "");
    assert!(requests(&lab.take(phone.port()), &Method::Notify).is_empty());
    phone.respond(&mut lab, &notifies[0], 200, "", "");
    assert_eq!(requests(&lab.take(phone.port()), &Method::Notify).len(), 1, "that it has left");
}

#[test]
fn the_dialog_of_the_call_carries_a_subscription_too() {
    let mut lab = Lab::new();
    let mut ann = Phone::new("ann", 7001);
    ann.join(&mut lab, "weekly");
    let came = ann.send(&mut lab, "SUBSCRIBE", "Event: conference;id=7\r\n", "");
    assert_eq!(statuses(&came), [200]);
    let notifies = answer(&mut lab, &ann, &came);
    assert_eq!(notifies[0].headers.get("Event"), Some("conference;id=7"));
    assert_eq!(notifies[0].headers.call_id().unwrap(), "ann-7001");
    assert_eq!(names(&document(&notifies[0])), ["ann"]);
    Phone::new("ben", 7002).join(&mut lab, "weekly");
    assert!(!told(&mut lab, &ann).is_empty());
    ann.send(&mut lab, "BYE", "", "");
    assert_eq!(lab.counters().subscriptions, 0);
}

#[test]
fn one_person_has_a_bounded_number_of_subscriptions() {
    let (mut lab, ..) = meeting();
    let mut refused = 0;
    for _ in 0..20 {
        let mut phone = watcher("ben", 7002, "weekly");
        match subscribe(&mut lab, &mut phone, CONFERENCE).0.status {
            200 => {}
            503 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(refused, 12);
    let mut ann = watcher("ann", 7001, "weekly");
    assert_eq!(subscribe(&mut lab, &mut ann, CONFERENCE).0.status, 200, "others are not touched");
}

#[test]
fn the_end_of_the_server_ends_subscriptions() {
    let (mut lab, phone, ..) = meeting();
    lab.input(sip_registrar::Input::Stop);
    let last = told(&mut lab, &phone);
    assert_eq!(state_of(&last[0]), "terminated;reason=probation;retry-after=30");
    assert_eq!(lab.counters().subscriptions, 0);
}

#[test]
fn options_and_answers_say_which_events_there_are() {
    let mut lab = Lab::new();
    let ok = Phone::new("ann", 7001).join(&mut lab, "weekly");
    assert!(ok.headers.list_has("Allow-Events", "conference"));
    assert!(ok.headers.list_has("Supported", "eventlist"));
    let mut phone = watcher("ann", 7001, "weekly");
    let options = phone.ask(&mut lab, "OPTIONS", "", "");
    assert!(options.headers.list_has("Allow-Events", "conference"));
    assert!(options.headers.list_has("Accept", "application/conference-info+xml"));
}

/// Alice runs `weekly` and Ann is in it; both watch.
fn run_by_alice() -> (Lab, Phone, Phone) {
    let mut lab = Lab::new();
    Phone::new("alice", 7010).with_password("wonderland").join(&mut lab, "weekly");
    Phone::new("ann", 7001).join(&mut lab, "weekly");
    let mut alice = watcher("alice", 7010, "weekly").with_password("wonderland");
    let challenge = lab::last_response(alice.send(&mut lab, "SUBSCRIBE", CONFERENCE, ""));
    alice.ask_again(&mut lab, &challenge, "SUBSCRIBE", CONFERENCE, "");
    told(&mut lab, &alice);
    let mut ann = watcher("ann", 7001, "weekly");
    subscribe(&mut lab, &mut ann, CONFERENCE);
    (lab, alice, ann)
}

fn act(lab: &mut Lab, act: Act) {
    let name = ConferenceName::parse("weekly").unwrap();
    let alice = Actor::Account("alice".into());
    lab.at_registrar(|registrar, now| registrar.act(now, &alice, &name, act)).expect("done");
}

#[test]
fn who_is_muted_and_that_the_door_is_locked_is_told() {
    let (mut lab, alice, ann) = run_by_alice();
    act(&mut lab, Act::Mute(Whom::Uri("sip:ann@127.0.0.1".into()), true));
    for phone in [&alice, &ann] {
        let change = document(told(&mut lab, phone).last().expect("a change"));
        let user = change.users().find(|user| user.entity == "sip:ann@127.0.0.1").unwrap();
        assert_eq!(user.endpoints[0].status, Some(EndpointStatus::MutedViaFocus));
    }
    act(&mut lab, Act::Lock(true));
    let change = document(told(&mut lab, &ann).last().expect("a change"));
    assert_eq!(change.conference_state.unwrap().locked, Some(true));
    assert!(change.users.is_none(), "nobody has changed");
}

#[test]
fn who_waits_is_told_to_those_who_let_people_in() {
    let (mut lab, alice, ann) = run_by_alice();
    act(&mut lab, Act::WaitingRoom(true));
    told(&mut lab, &alice);
    told(&mut lab, &ann);
    lab.wait(Duration::from_secs(20));
    Phone::new("cid", 7003).join(&mut lab, "weekly");
    let seen: Vec<_> = told(&mut lab, &alice).iter().map(document).collect();
    let cid = seen.iter().flat_map(|info| info.users()).find(|user| user.entity.contains("cid"));
    assert_eq!(cid.unwrap().endpoints[0].waiting, Some(true));
    let seen: Vec<_> = told(&mut lab, &ann).iter().map(document).collect();
    assert!(!seen.iter().flat_map(|info| info.users()).any(|user| user.entity.contains("cid")));
    let mut waits = watcher("cid", 7003, "weekly");
    assert_eq!(subscribe(&mut lab, &mut waits, CONFERENCE).0.status, 403, "not in yet");
    lab.wait(Duration::from_secs(20));
    act(&mut lab, Act::Admit(Whom::Uri("sip:cid@127.0.0.1".into())));
    let seen: Vec<_> = told(&mut lab, &ann).iter().map(document).collect();
    assert!(seen.iter().flat_map(|info| info.users()).any(|user| user.entity.contains("cid")));
}

#[test]
fn a_cancelled_conference_has_nothing_more_to_tell() {
    let (mut lab, alice, ann) = run_by_alice();
    act(&mut lab, Act::Cancel);
    lab.wait(Duration::from_millis(100));
    for phone in [&alice, &ann] {
        let last = told(&mut lab, phone);
        assert!(state_of(last.last().unwrap()).starts_with("terminated;reason="));
    }
    lab.wait(Duration::from_secs(40));
    assert_eq!(lab.counters().subscriptions, 0);
    let mut late = watcher("ann", 7001, "weekly");
    assert_eq!(subscribe(&mut lab, &mut late, CONFERENCE).0.status, 410);
}
