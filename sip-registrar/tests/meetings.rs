//! Conferences from their creation to their end: by factory, by dialling, by an interface; how long they
//! stay; how they are cancelled; what outlives a restart.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod lab;

use std::time::Duration;

use lab::{GRACE, Lab, OFFER, Phone, SERVER, last_response, requests, settings, statuses};
use mixer_control::MixerEvent;
use sip_registrar::{
    Act, Actor, ConferenceName, FactoryAnswer, Guests, Meeting, MeetingState, MeetingWish, Pin,
    RecordKind, Schedule, Settings, StoreCommand, Visibility,
};
use sip_stack::message::{Message, Method, Response};

const UNIX: u64 = 1_800_000_000;
const NTP: u64 = 2_208_988_800;
const HOUR: u64 = 3600;

fn operator() -> Actor {
    Actor::Operator("ops".into())
}

fn user(name: &str) -> Actor {
    Actor::Account(name.into())
}

fn guest_actor(name: &str, secret: Option<&str>) -> Actor {
    let address = "127.0.0.1".parse().unwrap();
    Actor::Guest { address, user: name.into(), secret: secret.map(str::to_owned) }
}

fn name(text: &str) -> ConferenceName {
    ConferenceName::parse(text).unwrap()
}

fn wish(text: &str) -> MeetingWish {
    MeetingWish { name: Some(name(text)), subject: Some("Plan".into()), ..MeetingWish::default() }
}

fn create(lab: &mut Lab, actor: &Actor, wish: MeetingWish) -> Result<Option<String>, u16> {
    let made = lab.at_registrar(|r, now| r.create_meeting(now, actor, wish));
    made.map(|made| made.secret).map_err(|denied| denied.status)
}

fn act(lab: &mut Lab, actor: &Actor, conference: &str, act: Act) -> Result<(), u16> {
    let done = lab.at_registrar(|r, now| r.act(now, actor, &name(conference), act));
    done.map_err(|denied| denied.status)
}

fn alice(port: u16) -> Phone {
    Phone::new("alice", port).with_password("wonderland")
}

/// Dials a name and tells what the answer was.
fn dial(lab: &mut Lab, phone: &mut Phone, conference: &str) -> Response {
    phone.uri = format!("sip:{conference}@{SERVER}");
    let response = phone.ask(lab, "INVITE", "", OFFER);
    if response.status == 200 {
        phone.learn(&response);
        phone.ack(lab, "");
    } else {
        phone.ack_failure(lab, &response);
    }
    response
}

fn status_of(lab: &mut Lab, port: u16, conference: &str) -> u16 {
    dial(lab, &mut Phone::new("zoe", port), conference).status
}

fn contact(response: &Response) -> String {
    response.headers.get("Contact").unwrap().to_owned()
}

fn user_of(contact: &str) -> String {
    contact.trim_start_matches("<sip:").split('@').next().unwrap().to_owned()
}

/// The Reason of each BYE among what came to a port.
fn byes(lab: &mut Lab, port: u16) -> Vec<String> {
    let came = requests(&lab.take(port), &Method::Bye);
    came.iter().map(|bye| bye.headers.get("Reason").unwrap().to_owned()).collect()
}

/// An offer as Linphone sends it to plan: from `start` to `end` seconds after 1970, with a list of people.
fn plan(start: u64, end: u64, people: &[&str]) -> (String, String) {
    let time = match start {
        0 => "t=0 0".to_owned(),
        _ => format!("t={} {}", start + NTP, end + NTP),
    };
    let sdp = OFFER.replace("t=0 0", &time);
    if people.is_empty() {
        return ("Content-Type: application/sdp\r\nSubject: Weekly\r\n".into(), sdp);
    }
    let entries: String = people.iter().map(|uri| format!("<entry uri=\"{uri}\"/>")).collect();
    let body = format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b\r\n\
         Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n\
         <?xml version=\"1.0\"?><resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>\
         {entries}</list></resource-lists>\r\n--b--\r\n"
    );
    ("Content-Type: multipart/mixed;boundary=b\r\nSubject: Weekly\r\n".into(), body)
}

#[test]
fn a_created_conference_is_there_without_anybody_and_ends_when_nobody_comes() {
    let mut lab = Lab::new();
    assert_eq!(create(&mut lab, &user("alice"), wish("weekly")), Ok(None));
    assert!(matches!(&lab.kept[0], StoreCommand::Meeting(meeting) if meeting.subject == "Plan"));
    assert_eq!(lab.records(), [RecordKind::Created]);
    let seen = lab.registrar.meetings(lab.now, &user("bob"));
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].subject.as_str(), seen[0].organizer.as_str()), ("Plan", "alice"));
    assert_eq!(seen[0].state, MeetingState::Open);
    lab.wait(Duration::from_secs(24 * HOUR) - Duration::from_millis(1));
    assert_eq!(lab.counters().conferences, 1);
    lab.wait(Duration::from_millis(1));
    assert_eq!(lab.counters().conferences, 0);
    assert!(lab.kept.contains(&StoreCommand::MeetingOver(name("weekly"))));
    assert_eq!(lab.records(), [RecordKind::Ended]);
}

#[test]
fn after_people_were_in_it_a_created_conference_ends_when_all_have_left() {
    let mut lab = Lab::new();
    create(&mut lab, &user("alice"), wish("weekly")).unwrap();
    let mut zoe = Phone::new("zoe", 5071);
    zoe.join(&mut lab, "weekly");
    zoe.send(&mut lab, "BYE", "", "");
    lab.wait(GRACE / 2);
    let mut zoe = Phone::new("zoe", 5072);
    zoe.join(&mut lab, "weekly");
    lab.wait(GRACE * 2);
    assert_eq!(lab.counters().conferences, 1, "somebody is in it");
    zoe.send(&mut lab, "BYE", "", "");
    lab.wait(GRACE);
    assert_eq!(lab.counters().conferences, 0);
    let kinds = [RecordKind::Joined, RecordKind::Left];
    let kinds = [&[RecordKind::Created], &kinds[..], &kinds[..], &[RecordKind::Ended]].concat();
    assert_eq!(lab.records(), kinds);
}

#[test]
fn a_planned_conference_stays_until_its_end() {
    let mut lab = Lab::new();
    let end = Some(Duration::from_secs(UNIX + 2 * HOUR));
    let schedule = Schedule { start: Duration::from_secs(UNIX + HOUR), end };
    let wish = MeetingWish { schedule: Some(Some(schedule)), ..wish("weekly") };
    create(&mut lab, &user("alice"), wish).unwrap();
    let state = |lab: &Lab| lab.registrar.meetings(lab.now, &operator())[0].state;
    assert_eq!(state(&lab), MeetingState::Planned);
    let mut zoe = Phone::new("zoe", 5071);
    zoe.join(&mut lab, "weekly");
    assert_eq!(state(&lab), MeetingState::Running, "people may come earlier");
    zoe.send(&mut lab, "BYE", "", "");
    lab.wait(Duration::from_secs(2 * HOUR - 1));
    assert_eq!(state(&lab), MeetingState::Open, "its time still runs");
    let mut zoe = Phone::new("zoe", 5072);
    zoe.join(&mut lab, "weekly");
    lab.wait(Duration::from_secs(60));
    assert_eq!(state(&lab), MeetingState::Running, "nobody is thrown out at the end");
    zoe.send(&mut lab, "BYE", "", "");
    lab.wait(GRACE);
    assert_eq!(lab.counters().conferences, 0);
}

#[test]
fn what_cannot_be_granted_is_refused_and_changes_nothing() {
    let mut lab = Lab::new();
    let at = |seconds| Duration::from_secs(seconds);
    let planned = |start, end| MeetingWish {
        schedule: Some(Some(Schedule { start: at(start), end: Some(at(end)) })),
        ..wish("weekly")
    };
    let sized = |most| MeetingWish { max_members: Some(Some(most)), ..wish("weekly") };
    for (wish, status) in [
        (sized(0), 400),
        (sized(4), 400),
        (planned(UNIX + 10, UNIX + 10), 400),
        (planned(UNIX - 20, UNIX - 10), 400),
        (planned(UNIX, u64::MAX), 400),
        (wish("alice"), 409),
        (wish("ALICE"), 409),
        (wish("conference"), 409),
    ] {
        assert_eq!(create(&mut lab, &user("alice"), wish.clone()), Err(status), "{wish:?}");
    }
    assert!(lab.kept.is_empty());
    create(&mut lab, &user("alice"), wish("weekly")).unwrap();
    assert_eq!(create(&mut lab, &user("alice"), wish("weekly")), Err(409));
    // Bounds hold for conferences without anybody, too: 2 a creator, 3 in all; an operator has none.
    create(&mut lab, &user("alice"), MeetingWish::default()).unwrap();
    assert_eq!(create(&mut lab, &user("alice"), MeetingWish::default()), Err(503));
    create(&mut lab, &operator(), MeetingWish::default()).unwrap();
    assert_eq!(create(&mut lab, &operator(), MeetingWish::default()), Err(503));
}

#[test]
fn guests_create_only_where_they_may() {
    let mut lab = Lab::with(Settings { guests_create: false, ..settings() });
    lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
    lab.willing = true;
    assert_eq!(create(&mut lab, &guest_actor("zoe", None), wish("weekly")), Err(403));
    assert_eq!(status_of(&mut lab, 5071, "weekly"), 403);
    assert_eq!(status_of(&mut lab, 5072, "conference"), 403);
    create(&mut lab, &user("alice"), wish("weekly")).unwrap();
    assert_eq!(status_of(&mut lab, 5073, "weekly"), 200);
}

#[test]
fn where_everybody_is_a_guest_they_make_what_they_come_to() {
    let mut lab = Lab::with(Settings { guests: Guests::Anyone, ..settings() });
    lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
    lab.willing = true;
    assert_eq!(create(&mut lab, &guest_actor("zoe", None), wish("weekly")), Err(403));
    let mut zoe = Phone::new("zoe", 5071);
    zoe.uri = format!("sip:conference@{SERVER}");
    let (headers, body) = plan(UNIX + HOUR, UNIX + 2 * HOUR, &["sip:bob@127.0.0.1"]);
    let response = zoe.ask(&mut lab, "INVITE", &headers, &body);
    assert_eq!(response.status, 200);
    zoe.learn(&response);
    zoe.ack(&mut lab, "");
    assert_eq!(lab.registrar.meetings(lab.now, &operator())[0].schedule, None);
    let mut bob = Phone::new("bob", 5072).with_password("builder");
    bob.uri = zoe.uri.clone();
    assert_eq!(bob.ask(&mut lab, "INVITE", &headers, &body).status, 302, "accounts plan");
}

#[test]
fn the_organizer_cancels_and_nobody_else() {
    let mut lab = Lab::new();
    let secret = create(&mut lab, &guest_actor("zoe", None), wish("weekly")).unwrap();
    let mut ann = Phone::new("ann", 5071);
    ann.join(&mut lab, "weekly");
    for other in [user("alice"), guest_actor("zoe", None), guest_actor("zoe", Some("00"))] {
        assert_eq!(act(&mut lab, &other, "weekly", Act::Cancel), Err(403), "{other:?}");
    }
    assert_eq!(act(&mut lab, &user("alice"), "other", Act::Cancel), Err(404));
    let zoe = guest_actor("zoe", secret.as_deref());
    lab.records();
    assert_eq!(act(&mut lab, &zoe, "weekly", Act::Cancel), Ok(()));
    let why = ["SIP;cause=410;text=\"the conference was cancelled by zoe\""];
    assert_eq!(byes(&mut lab, 5071), why);
    assert_eq!(lab.counters().conferences, 0);
    let mut asks = Phone::new("ann", 5079);
    asks.uri = format!("sip:weekly@{SERVER}");
    assert_eq!(asks.ask(&mut lab, "OPTIONS", "", "").status, 410);
    let gone = |command: &StoreCommand| matches!(command, StoreCommand::MeetingGone { .. });
    assert!(lab.kept.iter().any(gone));
    assert_eq!(lab.records(), [RecordKind::Left, RecordKind::Cancelled]);
    assert_eq!(act(&mut lab, &zoe, "weekly", Act::Cancel), Err(410));
    assert_eq!(create(&mut lab, &user("alice"), wish("weekly")), Err(410));
    assert_eq!(status_of(&mut lab, 5072, "weekly"), 410);
    let mut again = Phone::new("zoe", 5075);
    again.uri = format!("sip:weekly@{SERVER}");
    let shown = format!("Organizer-Secret: {}\r\n", secret.clone().unwrap());
    assert_eq!(again.ask(&mut lab, "INVITE", &shown, OFFER).status, 410, "over for her as well");
    assert_eq!(create(&mut lab, &zoe, wish("weekly")).map(|s| s.is_some()), Ok(true));
    assert_eq!(status_of(&mut lab, 5073, "weekly"), 200, "its organizer has opened it again");
}

#[test]
fn a_cancelled_name_is_free_again_after_a_day() {
    let mut lab = Lab::new();
    create(&mut lab, &user("alice"), wish("weekly")).unwrap();
    act(&mut lab, &operator(), "weekly", Act::Cancel).unwrap();
    lab.wait(Duration::from_secs(24 * HOUR - 1));
    assert_eq!(status_of(&mut lab, 5071, "weekly"), 410);
    lab.wait(Duration::from_secs(1));
    assert_eq!(status_of(&mut lab, 5072, "weekly"), 200);
    assert_eq!(byes(&mut lab, 5072), Vec::<String>::new());
}

#[test]
fn a_caller_on_the_way_in_is_told_that_it_is_gone() {
    let mut lab = Lab::new();
    create(&mut lab, &user("alice"), wish("weekly")).unwrap();
    lab.willing = false;
    let mut ann = Phone::new("ann", 5071);
    ann.uri = format!("sip:weekly@{SERVER}");
    ann.send(&mut lab, "INVITE", "", OFFER);
    act(&mut lab, &user("alice"), "weekly", Act::Cancel).unwrap();
    assert_eq!(statuses(&lab.take(5071)), [410]);
}

#[test]
fn a_restart_keeps_what_was_created_and_what_was_cancelled() {
    let mut lab = Lab::new();
    create(&mut lab, &user("alice"), wish("weekly")).unwrap();
    alice(5070).join(&mut lab, "weekly");
    Phone::new("zoe", 5071).join(&mut lab, "dialled");
    lab.kept.retain(|command| matches!(command, StoreCommand::Meeting(_)));
    lab.input(sip_registrar::Input::Stop);
    assert!(byes(&mut lab, 5070)[0].contains("shutting down"));
    let kept: Vec<Meeting> = lab
        .kept
        .iter()
        .filter_map(|command| match command {
            StoreCommand::Meeting(meeting) => Some(Meeting::clone(meeting)),
            StoreCommand::MeetingOver(_) => panic!("a restart is no end"),
            _ => None,
        })
        .collect();
    assert_eq!(kept.len(), 1, "what was only dialled is gone");

    let mut lab = Lab::new();
    let text = serde_json::to_string(&kept[0]).unwrap();
    let meeting: Meeting = serde_json::from_str(&text).unwrap();
    let until = Duration::from_secs(UNIX + 60);
    lab.at_registrar(|r, now| r.restore_meeting(now, meeting));
    lab.at_registrar(|r, _| r.restore_gone(name("old"), until));
    assert_eq!(status_of(&mut lab, 5071, "old"), 410);
    assert_eq!(status_of(&mut lab, 5072, "weekly"), 200);
    assert_eq!(act(&mut lab, &user("bob"), "weekly", Act::Cancel), Err(403));
    assert_eq!(act(&mut lab, &user("alice"), "weekly", Act::Cancel), Ok(()));
    lab.wait(Duration::from_secs(60));
    assert_eq!(status_of(&mut lab, 5073, "old"), 200);
}

#[test]
fn a_plan_whose_end_has_passed_during_the_restart_is_over() {
    let mut lab = Lab::new();
    let end = Some(Duration::from_secs(UNIX + HOUR));
    let schedule = Schedule { start: Duration::from_secs(UNIX), end };
    let wish = MeetingWish { schedule: Some(Some(schedule)), ..wish("weekly") };
    create(&mut lab, &user("alice"), wish).unwrap();
    let StoreCommand::Meeting(mut meeting) = lab.kept.remove(0) else { panic!() };
    meeting.schedule = Some(Schedule { start: Duration::ZERO, end: Some(Duration::from_secs(1)) });
    let mut lab = Lab::new();
    lab.at_registrar(|r, now| r.restore_meeting(now, *meeting));
    lab.wait(GRACE);
    assert!(lab.kept.contains(&StoreCommand::MeetingOver(name("weekly"))));
    assert_eq!(lab.counters().conferences, 0);
}

#[test]
fn who_opens_a_conference_by_dialling_says_how_it_is_to_be() {
    let mut lab = Lab::new();
    let mut zoe = Phone::new("zoe", 5071);
    zoe.uri = format!("sip:weekly@{SERVER}");
    let headers = "Subject: Grüße\r\nConference-Pin: 4711\r\nConference-Visibility: hidden\r\n\
        Conference-Max-Members: 2\r\nConference-Waiting-Room: 1\r\n";
    let response = zoe.ask(&mut lab, "INVITE", headers, OFFER);
    assert_eq!(response.status, 200);
    let secret = response.headers.get("Organizer-Secret").unwrap().to_owned();
    zoe.learn(&response);
    zoe.ack(&mut lab, "");
    assert!(lab.registrar.meetings(lab.now, &user("alice")).is_empty(), "it is hidden");
    let seen = lab.registrar.meetings(lab.now, &guest_actor("zoe", Some(&secret)));
    let seen = &seen[0];
    assert_eq!((seen.subject.as_str(), seen.max_members), ("Grüße", 2));
    assert!(seen.has_pin && seen.waiting_room && seen.visibility == Visibility::Hidden);

    for (port, bad) in [
        "Conference-Pin: 12\r\n",
        "Conference-Visibility: all\r\n",
        "Conference-Max-Members: many\r\n",
        "Conference-Max-Members: 400\r\n",
        "Conference-Waiting-Room: perhaps\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let mut phone = Phone::new("ann", 5072 + u16::try_from(port).unwrap());
        phone.uri = format!("sip:other@{SERVER}");
        assert_eq!(phone.ask(&mut lab, "INVITE", bad, OFFER).status, 400, "{bad}");
    }
    assert_eq!(lab.counters().conferences, 1);
}

#[test]
fn an_account_is_told_no_secret() {
    let mut lab = Lab::new();
    let response = alice(5070).join(&mut lab, "weekly");
    assert!(!response.headers.has("Organizer-Secret"));
    assert_eq!(act(&mut lab, &user("alice"), "weekly", Act::Lock(true)), Ok(()));
}

#[test]
fn the_factory_answers_plain_phones_at_once_and_who_plans_with_the_uri() {
    let mut lab = Lab::new();
    let mut phone = alice(5070);
    phone.uri = format!("sip:conference@{SERVER}");
    let (headers, body) = plan(UNIX + HOUR, UNIX + 2 * HOUR, &["sip:bob@127.0.0.1", "sip:x@y"]);
    let response = phone.ask(&mut lab, "INVITE", &headers, &body);
    phone.ack_failure(&mut lab, &response);
    assert_eq!(response.status, 302);
    assert!(contact(&response).ends_with("@127.0.0.1:5060>;isfocus"), "{}", contact(&response));
    let view = &lab.registrar.meetings(lab.now, &operator())[0];
    assert_eq!((view.subject.as_str(), view.state), ("Weekly", MeetingState::Planned));
    let schedule = view.schedule.unwrap();
    assert_eq!(schedule.start, Duration::from_secs(UNIX + HOUR));
    assert_eq!(schedule.end, Some(Duration::from_secs(UNIX + 2 * HOUR)));
    let StoreCommand::Meeting(meeting) = &lab.kept[0] else { panic!("{:?}", lab.kept) };
    assert_eq!(meeting.invited.iter().collect::<Vec<_>>(), ["bob"]);

    // The same call again, for whatever reason, is the same conference.
    let again = phone.ask(&mut lab, "INVITE", &headers, &body);
    assert_eq!((again.status, contact(&again)), (302, contact(&response)));
    assert_eq!(lab.counters().conferences, 1);

    let answered = Phone::new("zoe", 5071).join(&mut lab, "conference");
    assert_eq!(lab.counters().conferences, 2);
    assert!(answered.headers.has("Organizer-Secret"));
    assert_ne!(contact(&answered), contact(&response));
}

#[test]
fn who_asks_the_factory_for_a_name_gets_it_if_it_is_free() {
    let mut lab = Lab::new();
    // Whoever begins now says so in whole seconds, a moment ago.
    let (headers, body) = plan(UNIX - 1, UNIX - 1, &[]);
    let body = body.replace(&format!(" {}", UNIX - 1 + 2_208_988_800), " 0");
    for (port, wanted, status) in [
        (5070, "standup", 302),
        (5071, "standup", 409),
        (5072, "alice", 409),
        (5073, "two words", 400),
    ] {
        let mut phone = Phone::new("zoe", port);
        phone.uri = format!("sip:conference@{SERVER}");
        let headers = format!("Conference-Name: {wanted}\r\n{headers}");
        let response = phone.ask(&mut lab, "INVITE", &headers, &body);
        phone.ack_failure(&mut lab, &response);
        assert_eq!(response.status, status, "{wanted}");
        assert_eq!(response.headers.has("Organizer-Secret"), status == 302);
        if status == 302 {
            assert_eq!(user_of(&contact(&response)), wanted);
        }
    }
    assert_eq!(lab.counters().conferences, 1);
}

#[test]
fn the_factory_answers_as_it_is_told_to() {
    for (answer, plain) in [(FactoryAnswer::Redirect, 302), (FactoryAnswer::Direct, 200)] {
        let mut lab = Lab::with(Settings { factory_answer: answer, ..settings() });
        lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
        lab.willing = true;
        let mut zoe = Phone::new("zoe", 5071);
        let response = dial(&mut lab, &mut zoe, "conference");
        assert_eq!(response.status, plain);
        assert!(response.headers.has("Organizer-Secret"));
        if plain == 302 {
            // A phone that knows nothing of the secret is the organizer all the same.
            zoe.join(&mut lab, &user_of(&contact(&response)));
            let refer = "Refer-To: <sip:bob@127.0.0.1;method=BYE>\r\n";
            assert_eq!(zoe.ask(&mut lab, "REFER", refer, "").status, 404);
            let mut other = Phone::new("zoe", 5072);
            other.join(&mut lab, &user_of(&contact(&response)));
            assert_eq!(other.ask(&mut lab, "REFER", refer, "").status, 403, "she came before");
        }
    }
}

#[test]
fn a_bad_list_makes_no_conference() {
    let mut lab = Lab::new();
    let mut phone = alice(5070);
    phone.uri = format!("sip:conference@{SERVER}");
    let (headers, body) = plan(0, 0, &["sip:bob@127.0.0.1"]);
    let body = body.replace("</list>", "");
    assert_eq!(phone.ask(&mut lab, "INVITE", &headers, &body).status, 400);
    assert_eq!(lab.counters().conferences, 0);
}

#[test]
fn people_in_the_list_are_called_when_the_creator_is_there() {
    let mut lab = Lab::new();
    let mut bob = Phone::new("bob", 5072).with_password("builder");
    bob.to = "<sip:bob@127.0.0.1>".into();
    assert_eq!(bob.ask(&mut lab, "REGISTER", "", "").status, 200);
    let mut phone = alice(5070);
    phone.uri = format!("sip:conference@{SERVER}");
    let (headers, body) = plan(0, 0, &["sip:bob@127.0.0.1", "sip:alice@127.0.0.1"]);
    let response = phone.ask(&mut lab, "INVITE", &headers, &body);
    assert_eq!(response.status, 302);
    phone.ack_failure(&mut lab, &response);
    phone.uri = format!("sip:{}@{SERVER}", user_of(&contact(&response)));
    let response = phone.ask(&mut lab, "INVITE", &headers, &body);
    assert_eq!(response.status, 200);
    assert!(requests(&lab.take(5072), &Method::Invite).is_empty(), "not before she is there");
    phone.learn(&response);
    phone.ack(&mut lab, "");
    let called = requests(&lab.take(5072), &Method::Invite);
    assert_eq!(called.len(), 1);
    assert!(called[0].headers.get("Contact").unwrap().ends_with(";isfocus"));
    assert!(requests(&lab.take(5070), &Method::Invite).is_empty());
    let kinds = [RecordKind::Created, RecordKind::Joined, RecordKind::DialledOut];
    assert_eq!(lab.records(), kinds);
}

/// Sends an INVITE that plans, is answered 200 and hangs up as Linphone does.
fn replan(lab: &mut Lab, phone: &mut Phone, plan: (String, String)) -> u16 {
    let response = phone.ask(lab, "INVITE", &plan.0, &plan.1);
    if response.status != 200 {
        phone.ack_failure(lab, &response);
        return response.status;
    }
    assert!(contact(&response).ends_with(";isfocus"));
    let (to, target) = (phone.to.clone(), phone.remote_target.clone());
    phone.learn(&response);
    phone.ack(lab, "");
    assert_eq!(statuses(&phone.send(lab, "BYE", "", "")), [200]);
    (phone.to, phone.remote_target) = (to, target);
    200
}

#[test]
fn linphone_plans_changes_and_cancels_by_invite() {
    let mut lab = Lab::new();
    let mut phone = alice(5070);
    phone.uri = format!("sip:conference@{SERVER}");
    let first = plan(UNIX + HOUR, UNIX + 2 * HOUR, &["sip:bob@127.0.0.1"]);
    let response = phone.ask(&mut lab, "INVITE", &first.0, &first.1);
    phone.ack_failure(&mut lab, &response);
    let conference = user_of(&contact(&response));
    phone.uri = format!("sip:{conference}@{SERVER}");
    // It follows the 302 with the same request.
    assert_eq!(replan(&mut lab, &mut phone, first), 200);
    assert_eq!(lab.records(), [RecordKind::Created], "nothing new, and nobody was in it");
    let start = |lab: &Lab| lab.registrar.meetings(lab.now, &operator())[0].schedule.unwrap().start;

    let later = plan(UNIX + 3 * HOUR, UNIX + 4 * HOUR, &["sip:bob@127.0.0.1"]);
    phone.call_id = "change".into();
    assert_eq!(replan(&mut lab, &mut phone, later.clone()), 200);
    assert_eq!(start(&lab), Duration::from_secs(UNIX + 3 * HOUR));
    assert_eq!(lab.records(), [RecordKind::Changed]);

    // Somebody else comes in by that, and changes nothing.
    let mut bob = Phone::new("bob", 5072).with_password("builder");
    bob.uri = phone.uri.clone();
    let other = plan(UNIX + 5 * HOUR, UNIX + 6 * HOUR, &[]);
    let response = bob.ask(&mut lab, "INVITE", &other.0, &other.1);
    assert_eq!(response.status, 200);
    bob.learn(&response);
    bob.ack(&mut lab, "");
    assert_eq!(start(&lab), Duration::from_secs(UNIX + 3 * HOUR));
    // A phone of hers that writes any time into its offers comes in as well.
    phone.call_id = "join".into();
    assert_eq!(replan(&mut lab, &mut phone, other), 200);
    assert_eq!(lab.records(), [RecordKind::Joined, RecordKind::Joined, RecordKind::Left]);

    let nobody = plan(UNIX + 3 * HOUR, UNIX + 4 * HOUR, &[]);
    phone.call_id = "cancel".into();
    assert_eq!(replan(&mut lab, &mut phone, nobody), 200);
    let why = ["SIP;cause=410;text=\"the conference was cancelled by alice\""];
    assert_eq!(byes(&mut lab, 5072), why);
    assert_eq!(lab.counters().conferences, 0);
    assert_eq!(status_of(&mut lab, 5073, &conference), 410);
    assert_eq!(lab.records(), [RecordKind::Left, RecordKind::Cancelled]);
}

#[test]
fn who_plans_and_does_not_hang_up_is_hung_up() {
    let mut lab = Lab::new();
    create(&mut lab, &user("alice"), wish("weekly")).unwrap();
    let mut phone = alice(5070);
    phone.uri = format!("sip:weekly@{SERVER}");
    let (headers, body) = plan(UNIX + HOUR, UNIX + 2 * HOUR, &["sip:bob@127.0.0.1"]);
    let response = phone.ask(&mut lab, "INVITE", &headers, &body);
    phone.learn(&response);
    phone.ack(&mut lab, "");
    assert_eq!(lab.counters().members, 0);
    lab.wait(Duration::from_secs(60));
    assert_eq!(byes(&mut lab, 5070).len(), 1);
}

#[test]
fn the_organizer_changes_what_was_agreed() {
    let mut lab = Lab::new();
    create(&mut lab, &user("alice"), wish("weekly")).unwrap();
    lab.kept.clear();
    let change = MeetingWish {
        subject: Some("Better\nplan".into()),
        pin: Some(Pin::parse("4711")),
        ..MeetingWish::default()
    };
    assert_eq!(act(&mut lab, &user("bob"), "weekly", Act::Change(change.clone().into())), Err(403));
    let bad = MeetingWish { max_members: Some(Some(0)), ..change.clone() };
    assert_eq!(act(&mut lab, &user("alice"), "weekly", Act::Change(bad.into())), Err(400));
    assert!(lab.kept.is_empty());
    assert_eq!(act(&mut lab, &user("alice"), "weekly", Act::Change(change.clone().into())), Ok(()));
    let view = &lab.registrar.meetings(lab.now, &operator())[0];
    assert!(view.subject == "Better plan" && view.has_pin);
    let StoreCommand::Record(record) = &lab.kept[0] else { panic!("{:?}", lab.kept) };
    assert_eq!((record.kind, record.detail.as_str()), (RecordKind::Changed, "subject, PIN"));
    assert!(matches!(&lab.kept[1], StoreCommand::Meeting(_)));
    lab.kept.clear();
    assert_eq!(act(&mut lab, &user("alice"), "weekly", Act::Change(change.into())), Ok(()));
    assert!(lab.kept.is_empty(), "nothing has changed");
}

#[test]
fn an_invite_that_is_refused_opens_nothing() {
    let mut lab = Lab::with(settings());
    assert_eq!(status_of(&mut lab, 5071, "weekly"), 503, "there is no mixer");
    assert_eq!(lab.counters().conferences, 0);
    assert!(lab.kept.is_empty());
    let came = lab.take(5071);
    assert!(came.iter().all(|message| matches!(message, Message::Response(_))));
    assert!(came.is_empty() || last_response(came).status == 503);
}
