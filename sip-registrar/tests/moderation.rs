//! Who comes in and what is done to those who are in: PIN, lobby, lock, and REFER to the conference.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod lab;

use std::time::Duration;

use lab::{Lab, OFFER, Phone, SERVER, last_response, requests};
use mixer_control::{LegRef, MixerEvent, MixerRequest, Prompt};
use sip_registrar::{
    Act, Actor, ConferenceName, InvitePolicy, MeetingWish, MemberRole, MemberState, Pin,
    RecordKind, Settings, StoreCommand, Whom,
};
use sip_stack::message::{Method, Response};

const KEY: &str = "Content-Type: application/dtmf-relay\r\n";

fn operator() -> Actor {
    Actor::Operator("ops".into())
}

fn name(text: &str) -> ConferenceName {
    ConferenceName::parse(text).unwrap()
}

/// A laboratory with the conference `weekly` of alice, who is not in it.
fn weekly(change: impl FnOnce(&mut MeetingWish)) -> Lab {
    weekly_with(lab::settings(), change)
}

fn weekly_with(settings: Settings, change: impl FnOnce(&mut MeetingWish)) -> Lab {
    let mut lab = Lab::with(Settings { max_members: 10, ..settings });
    lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
    lab.willing = true;
    let mut wish = MeetingWish { name: Some(name("weekly")), ..MeetingWish::default() };
    change(&mut wish);
    let alice = Actor::Account("alice".into());
    lab.at_registrar(|r, now| r.create_meeting(now, &alice, wish)).unwrap();
    lab.kept.clear();
    lab
}

fn with_pin(wish: &mut MeetingWish) {
    wish.pin = Some(Pin::parse("4711"));
}

fn act(lab: &mut Lab, act: Act) -> Result<(), u16> {
    let done = lab.at_registrar(|r, now| r.act(now, &operator(), &name("weekly"), act));
    done.map_err(|denied| denied.status)
}

fn account(user: &str, port: u16) -> Phone {
    let password = if user == "alice" { "wonderland" } else { "builder" };
    Phone::new(user, port).with_password(password)
}

fn dial(lab: &mut Lab, phone: &mut Phone, headers: &str) -> Response {
    phone.uri = format!("sip:weekly@{SERVER}");
    let response = phone.ask(lab, "INVITE", headers, OFFER);
    if response.status == 200 {
        phone.learn(&response);
        phone.ack(lab, "");
    } else {
        phone.ack_failure(lab, &response);
    }
    response
}

/// REFER in the call of a phone; the answer, and what the NOTIFYs told in the end.
fn refer(lab: &mut Lab, phone: &mut Phone, target: &str) -> (u16, Option<String>) {
    let status = ask(lab, phone, &format!("Refer-To: {target}\r\n"));
    let told = requests(&lab.take(phone.port()), &Method::Notify);
    let last = told.last().map(|notify| String::from_utf8_lossy(&notify.body).trim().to_owned());
    for notify in told {
        phone.respond(lab, &notify, 200, "", "");
    }
    (status, last)
}

/// REFER, authenticated if need be; the NOTIFYs stay for others to look at.
fn ask(lab: &mut Lab, phone: &mut Phone, headers: &str) -> u16 {
    let text = phone.text("REFER", headers, "");
    lab.receive(phone.flow, &text);
    let response = last_response(lab.take_responses(phone.port()));
    if response.status != 401 {
        return response.status;
    }
    phone.ask_again(lab, &response, "REFER", headers, "");
    last_response(lab.take_responses(phone.port())).status
}

fn done() -> (u16, Option<String>) {
    (200, Some("SIP/2.0 200 OK".into()))
}

fn byes(lab: &mut Lab, port: u16) -> Vec<String> {
    let came = requests(&lab.take(port), &Method::Bye);
    came.iter().map(|bye| bye.headers.get("Reason").unwrap().to_owned()).collect()
}

/// The members as the operator sees them: name, role, state.
fn members(lab: &Lab) -> Vec<(String, MemberRole, MemberState)> {
    let view = lab.registrar.meeting(lab.now, &operator(), &name("weekly")).unwrap();
    let mut all: Vec<_> = view.members.iter().map(|m| (m.name.clone(), m.role, m.state)).collect();
    all.sort();
    all
}

fn leg(lab: &Lab, who: &str) -> LegRef {
    let view = lab.registrar.meeting(lab.now, &operator(), &name("weekly")).unwrap();
    let member = view.members.iter().find(|member| member.name == who).unwrap();
    LegRef { conference: view.id, leg: member.id.clone() }
}

/// What the mixer was told since it was last asked: `Control` as (muted, lobby), and prompts.
fn told(lab: &mut Lab) -> (Vec<(bool, bool)>, Vec<Vec<Prompt>>) {
    let commands = std::mem::take(&mut lab.asked);
    let (mut controls, mut prompts) = (Vec::new(), Vec::new());
    for command in commands {
        match command {
            MixerRequest::Control { muted, lobby, .. } => controls.push((muted, lobby)),
            MixerRequest::Play { prompts: some, .. } => prompts.push(some),
            _ => {}
        }
    }
    (controls, prompts)
}

fn press(lab: &mut Lab, who: &str, keys: &str) {
    let leg = leg(lab, who);
    for digit in keys.chars() {
        lab.mixer_says(MixerEvent::Digit { leg: leg.clone(), digit });
    }
}

fn refused(lab: &mut Lab) -> Vec<String> {
    let kept = std::mem::take(&mut lab.kept);
    let why = |command: StoreCommand| match command {
        StoreCommand::Record(r) if r.kind == RecordKind::Refused => Some(r.detail),
        _ => None,
    };
    kept.into_iter().filter_map(why).collect()
}

#[test]
fn who_dials_the_pin_comes_in_from_the_lobby() {
    let mut lab = weekly(with_pin);
    let mut zoe = Phone::new("zoe", 5071);
    assert_eq!(dial(&mut lab, &mut zoe, "").status, 200);
    let joined = lab.asked.iter().any(|c| matches!(c, MixerRequest::Join(join) if join.lobby));
    assert!(joined, "{:?}", lab.asked);
    assert_eq!(told(&mut lab), (vec![], vec![vec![Prompt::EnterPin]]));
    assert_eq!(lab.counters().members, 0);
    assert_eq!(members(&lab), [("zoe".into(), MemberRole::Participant, MemberState::Waiting)]);
    let other = Actor::Account("bob".into());
    let seen = lab.registrar.meeting(lab.now, &other, &name("weekly")).unwrap();
    assert!(seen.members.is_empty(), "the lobby is the moderators' business");
    press(&mut lab, "zoe", "47*4711");
    let (controls, prompts) = told(&mut lab);
    assert_eq!(controls, [(false, false)]);
    assert_eq!(prompts.last().unwrap(), &[Prompt::Admitted]);
    assert_eq!(lab.counters().members, 1);
    assert_eq!(lab.records(), [RecordKind::Joined]);
    press(&mut lab, "zoe", "4711#");
    assert_eq!(told(&mut lab), (vec![], vec![]), "keys mean nothing inside");
}

#[test]
fn digits_come_by_info_too() {
    let mut lab = weekly(with_pin);
    let mut zoe = Phone::new("zoe", 5071);
    dial(&mut lab, &mut zoe, "");
    for key in ["4", "7", "1", "1"] {
        let body = format!("Signal={key}\r\nDuration=160\r\n");
        assert_eq!(zoe.ask(&mut lab, "INFO", KEY, &body).status, 200);
    }
    assert_eq!(lab.counters().members, 1);
}

#[test]
fn three_wrong_pins_end_the_call() {
    let mut lab = weekly(with_pin);
    let mut zoe = Phone::new("zoe", 5071);
    dial(&mut lab, &mut zoe, "Conference-Pin: 0000\r\n");
    told(&mut lab);
    press(&mut lab, "zoe", "0000");
    assert_eq!(told(&mut lab).1.last().unwrap(), &[Prompt::WrongPin, Prompt::EnterPin]);
    press(&mut lab, "zoe", "47#");
    assert!(byes(&mut lab, 5071).is_empty());
    press(&mut lab, "zoe", "4712");
    assert_eq!(byes(&mut lab, 5071), ["SIP;cause=403;text=\"wrong PIN\""]);
    assert_eq!(refused(&mut lab), ["wrong PIN"]);
    assert!(members(&lab).is_empty());
}

#[test]
fn who_dials_no_pin_is_hung_up() {
    let mut lab = weekly(with_pin);
    let mut zoe = Phone::new("zoe", 5071);
    dial(&mut lab, &mut zoe, "");
    lab.wait(Duration::from_secs(59));
    press(&mut lab, "zoe", "4");
    lab.wait(Duration::from_secs(59));
    assert!(byes(&mut lab, 5071).is_empty());
    lab.wait(Duration::from_secs(1));
    assert_eq!(byes(&mut lab, 5071), ["SIP;cause=403;text=\"no PIN\""]);
}

#[test]
fn the_organizer_and_who_shows_the_pin_need_not_dial_it() {
    let mut lab = weekly(with_pin);
    dial(&mut lab, &mut account("alice", 5070), "");
    dial(&mut lab, &mut Phone::new("zoe", 5071), "Conference-Pin: 4711\r\n");
    assert_eq!(lab.counters().members, 2);
}

#[test]
fn newcomers_wait_until_they_are_admitted() {
    let mut lab = weekly(|wish| {
        with_pin(wish);
        wish.waiting_room = Some(true);
    });
    let mut alice = account("alice", 5070);
    dial(&mut lab, &mut alice, "");
    assert_eq!(lab.counters().members, 1, "moderators do not wait");
    let mut zoe = Phone::new("zoe", 5071);
    dial(&mut lab, &mut zoe, "");
    press(&mut lab, "zoe", "4711");
    assert_eq!(told(&mut lab).1.last().unwrap(), &[Prompt::NotAdmittedYet]);
    for port in [5072, 5073] {
        dial(&mut lab, &mut Phone::new("ann", port), "Conference-Pin: 4711\r\n");
    }
    assert_eq!(lab.counters().members, 1);
    assert_eq!(refer(&mut lab, &mut zoe, "<sip:zoe@127.0.0.1>;admit=1").0, 403);
    assert_eq!(refer(&mut lab, &mut alice, "<sip:zoe@127.0.0.1>;admit=1"), done());
    assert_eq!(told(&mut lab).0, [(false, false)]);
    assert_eq!(lab.counters().members, 2);
    let conference = format!("<sip:weekly@{SERVER}>");
    assert_eq!(refer(&mut lab, &mut alice, &format!("{conference};waiting-room=0")), done());
    assert_eq!(lab.counters().members, 4, "those who wait come in");
    assert_eq!(refer(&mut lab, &mut alice, &format!("{conference};waiting-room=1")), done());
    dial(&mut lab, &mut Phone::new("eve", 5074), "Conference-Pin: 4711\r\n");
    assert_eq!(lab.counters().members, 4);
    assert_eq!(refer(&mut lab, &mut alice, &format!("{conference};admit=1")), done());
    assert_eq!(lab.counters().members, 5);
}

#[test]
fn a_new_moderator_does_not_wait() {
    let mut lab = weekly(|wish| wish.waiting_room = Some(true));
    dial(&mut lab, &mut account("bob", 5072), "");
    assert_eq!(lab.counters().members, 0);
    let bob = Whom::Uri("sip:bob@127.0.0.1".into());
    assert_eq!(act(&mut lab, Act::Role(bob, MemberRole::Moderator)), Ok(()));
    assert_eq!(lab.counters().members, 1);
    assert!(matches!(
        lab.kept.iter().find(|command| matches!(command, StoreCommand::Meeting(_))),
        Some(StoreCommand::Meeting(meeting)) if meeting.moderators.contains("bob")
    ));
}

#[test]
fn a_lock_keeps_everybody_out_but_moderators() {
    let mut lab = weekly(|_| {});
    let mut alice = account("alice", 5070);
    dial(&mut lab, &mut alice, "");
    let conference = format!("<sip:weekly@{SERVER}>");
    assert_eq!(refer(&mut lab, &mut alice, &format!("{conference};locked=1")), done());
    let response = dial(&mut lab, &mut Phone::new("zoe", 5071), "");
    assert_eq!(response.status, 603);
    let text = "the conference is locked";
    let warning = response.headers.get("Warning").unwrap();
    assert_eq!(warning, format!("399 parley \"{text}\""));
    let reason = response.headers.get("Reason").unwrap();
    assert_eq!(reason, format!("SIP;cause=603;text=\"{text}\""));
    assert_eq!(refused(&mut lab), [text]);
    assert_eq!(dial(&mut lab, &mut account("alice", 5073), "").status, 200);
    assert_eq!(refer(&mut lab, &mut alice, &format!("{conference};locked=0")), done());
    assert_eq!(dial(&mut lab, &mut Phone::new("zoe", 5074), "").status, 200);
}

#[test]
fn a_conference_is_full_when_it_says_so() {
    let mut lab = weekly(|wish| wish.max_members = Some(Some(1)));
    dial(&mut lab, &mut Phone::new("zoe", 5071), "");
    let response = dial(&mut lab, &mut Phone::new("ann", 5072), "");
    assert_eq!(response.status, 486);
    assert!(response.headers.get("Warning").unwrap().contains("the conference is full"));
    assert_eq!(refused(&mut lab), ["the conference is full"]);
}

#[test]
fn moderators_remove_people_and_nobody_removes_the_organizer() {
    let mut lab = weekly(|_| {});
    let (mut alice, mut bob) = (account("alice", 5070), account("bob", 5072));
    let mut zoe = Phone::new("zoe", 5071);
    for phone in [&mut alice, &mut bob, &mut zoe] {
        dial(&mut lab, phone, "");
    }
    let kick = |user: &str| format!("<sip:{user}@127.0.0.1;method=BYE>");
    assert_eq!(refer(&mut lab, &mut zoe, &kick("bob")).0, 403);
    assert_eq!(refer(&mut lab, &mut bob, &kick("zoe")).0, 403);
    assert_eq!(refer(&mut lab, &mut alice, &kick("nobody")).0, 404);
    assert_eq!(refer(&mut lab, &mut alice, "<sip:bob@127.0.0.1>;admin=1"), done());
    assert_eq!(refer(&mut lab, &mut bob, &kick("alice")).0, 403);
    lab.kept.clear();
    assert_eq!(refer(&mut lab, &mut bob, &kick("zoe")), done());
    assert_eq!(byes(&mut lab, 5071), ["SIP;cause=200;text=\"removed by bob\""]);
    let StoreCommand::Record(kicked) = &lab.kept[0] else { panic!("{:?}", lab.kept) };
    assert_eq!(kicked.by.as_ref().unwrap().name, "bob");
    assert_eq!(kicked.whom.as_ref().unwrap().name, "zoe");
    let StoreCommand::Record(left) = &lab.kept[1] else { panic!("{:?}", lab.kept) };
    assert_eq!((left.kind, left.detail.as_str()), (RecordKind::Left, "removed by bob"));
    assert_eq!(dial(&mut lab, &mut Phone::new("zoe", 5075), "").status, 200, "lock keeps out");

    // The same from outside of any call, and to one device by the name of its leg.
    let mut outside = account("alice", 5076);
    outside.uri = format!("sip:weekly@{SERVER}");
    let target = format!("<sip:zoe@127.0.0.1;gr={};method=BYE>", leg(&lab, "zoe").leg);
    assert_eq!(refer(&mut lab, &mut outside, &target).0, 200);
    assert_eq!(byes(&mut lab, 5075).len(), 1);
}

#[test]
fn people_are_muted_one_by_one_and_all() {
    let mut lab = weekly(|_| {});
    let mut alice = account("alice", 5070);
    dial(&mut lab, &mut alice, "");
    let mut zoe = Phone::new("zoe", 5071);
    dial(&mut lab, &mut zoe, "");
    dial(&mut lab, &mut Phone::new("ann", 5072), "");
    told(&mut lab);
    assert_eq!(refer(&mut lab, &mut zoe, "<sip:ann@127.0.0.1>;muted=1").0, 403);
    assert_eq!(refer(&mut lab, &mut alice, "<sip:zoe@127.0.0.1>;muted=1"), done());
    assert_eq!(told(&mut lab), (vec![(true, false)], vec![vec![Prompt::Muted]]));
    assert_eq!(refer(&mut lab, &mut zoe, "<sip:zoe@127.0.0.1>;muted=0").0, 403);
    let all = format!("<sip:weekly@{SERVER}>;muted=1");
    assert_eq!(refer(&mut lab, &mut alice, &all), done());
    let (controls, _) = told(&mut lab);
    assert_eq!(controls, [(true, false)], "who is muted stays so, who moderates is not");
    assert_eq!(refer(&mut lab, &mut alice, &all.replace("=1", "=0")), done());
    assert_eq!(told(&mut lab).0, [(false, false), (false, false)]);
    let kinds = lab.records().into_iter().filter(|kind| *kind == RecordKind::Unmuted);
    assert_eq!(kinds.count(), 2);
}

#[test]
fn people_are_found_by_the_name_on_the_screen_if_that_is_one() {
    let mut lab = weekly(|_| {});
    let join = |lab: &mut Lab, user: &str, port: u16, shown: &str| {
        let mut phone = Phone::new(user, port);
        phone.from = phone.from.replacen('<', &format!("\"{shown}\" <"), 1);
        assert_eq!(dial(lab, &mut phone, "").status, 200);
    };
    join(&mut lab, "guest-1", 5070, "Ann");
    join(&mut lab, "guest-2", 5071, "Ben");
    join(&mut lab, "guest-3", 5072, "ben");
    let mute = |uri: &str| Act::Mute(Whom::Uri(format!("sip:{uri}@127.0.0.1")), true);
    assert_eq!(act(&mut lab, mute("ann")), Ok(()));
    assert_eq!(act(&mut lab, mute("Ben")), Err(404), "two are called so");
    assert_eq!(act(&mut lab, mute("guest-3")), Ok(()), "an address comes before a name");
    join(&mut lab, "guest-4", 5073, "Bob");
    assert_eq!(act(&mut lab, mute("bob")), Err(404), "bob is an account, and not here");
}

#[test]
fn the_organizer_hands_over() {
    let mut lab = weekly(|_| {});
    let (mut alice, mut bob) = (account("alice", 5070), account("bob", 5072));
    dial(&mut lab, &mut alice, "");
    dial(&mut lab, &mut bob, "");
    assert_eq!(refer(&mut lab, &mut bob, "<sip:bob@127.0.0.1>;organizer=1").0, 403);
    assert_eq!(refer(&mut lab, &mut alice, "<sip:alice@127.0.0.1>;admin=0").0, 409);
    assert_eq!(refer(&mut lab, &mut alice, "<sip:bob@127.0.0.1>;organizer=1"), done());
    let connected = MemberState::Connected;
    assert_eq!(
        members(&lab),
        [
            ("alice".into(), MemberRole::Moderator, connected),
            ("bob".into(), MemberRole::Organizer, connected)
        ]
    );
    let cancel = format!("<sip:weekly@{SERVER};method=BYE>");
    assert_eq!(refer(&mut lab, &mut alice, &cancel).0, 403);
    assert_eq!(refer(&mut lab, &mut bob, "<sip:alice@127.0.0.1>;admin=0"), done());
    assert_eq!(refer(&mut lab, &mut bob, &cancel).0, 200);
    assert_eq!(
        byes(&mut lab, 5070),
        ["SIP;cause=410;text=\"the conference was cancelled by bob\""]
    );
    assert_eq!(dial(&mut lab, &mut Phone::new("zoe", 5071), "").status, 410);
}

#[test]
fn a_guest_organizes_by_what_it_was_told() {
    let mut lab = Lab::new();
    let mut zoe = Phone::new("zoe", 5071);
    zoe.uri = format!("sip:club@{SERVER}");
    let response = zoe.ask(&mut lab, "INVITE", "", OFFER);
    let secret = response.headers.get("Organizer-Secret").unwrap().to_owned();
    zoe.learn(&response);
    zoe.ack(&mut lab, "");
    let mut ann = Phone::new("ann", 5072);
    ann.join(&mut lab, "club");
    // Somebody else at the same address who only says that it is zoe.
    let mut eve = Phone::new("zoe", 5078);
    eve.uri = format!("sip:club@{SERVER}");
    let forged = format!("Refer-To: <sip:club@{SERVER};method=BYE>\r\n");
    assert_eq!(ask(&mut lab, &mut eve, &forged), 403);
    // And somebody who dials in so.
    Phone::new("zoe", 5073).join(&mut lab, "club");
    let cancel = format!("Refer-To: <sip:club@{SERVER};method=BYE>\r\n");
    let outside = |lab: &mut Lab, port: u16, headers: &str| {
        let mut phone = Phone::new("zoe", port);
        phone.uri = format!("sip:club@{SERVER}");
        ask(lab, &mut phone, headers)
    };
    assert_eq!(ask(&mut lab, &mut ann, &cancel), 403);
    let lock = format!("Refer-To: <sip:club@{SERVER}>;locked=1\r\n");
    assert_eq!(ask(&mut lab, &mut zoe, &lock), 200, "its call tells it from the other");
    assert_eq!(outside(&mut lab, 5074, &cancel), 403);
    assert_eq!(outside(&mut lab, 5075, &format!("{cancel}Organizer-Secret: 00\r\n")), 403);
    let shown = format!("{cancel}Organizer-Secret: {secret}\r\nRefer-Sub: false\r\n");
    assert_eq!(outside(&mut lab, 5076, &shown), 200);
    assert!(requests(&lab.take(5076), &Method::Notify).is_empty(), "it wanted to be told nothing");
    assert_eq!(byes(&mut lab, 5072).len(), 1);
    let again = outside(&mut lab, 5077, &shown);
    assert_eq!(again, 410);
}

#[test]
fn a_guest_takes_over_as_long_as_it_is_there() {
    let mut lab = weekly(|_| {});
    let mut zoe = Phone::new("zoe", 5071);
    dial(&mut lab, &mut zoe, "");
    let whom = Whom::Uri("sip:zoe@127.0.0.1".into());
    assert_eq!(act(&mut lab, Act::Role(whom, MemberRole::Organizer)), Ok(()));
    let lock = format!("<sip:weekly@{SERVER}>;locked=1");
    assert_eq!(refer(&mut lab, &mut zoe, &lock), done());
    let mut alice = account("alice", 5070);
    dial(&mut lab, &mut alice, "");
    assert_eq!(members(&lab)[0].1, MemberRole::Moderator, "who was the organizer is moderator");
}

#[test]
fn who_may_invite_is_a_rule() {
    for (invite, status) in [(InvitePolicy::Members, 200), (InvitePolicy::Moderators, 403)] {
        let mut lab = weekly_with(Settings { invite, ..lab::settings() }, |_| {});
        let mut bob = account("bob", 5072);
        dial(&mut lab, &mut bob, "");
        assert_eq!(refer(&mut lab, &mut bob, "<sip:alice@127.0.0.1>").0, status, "{invite:?}");
        let mut zoe = Phone::new("zoe", 5071);
        dial(&mut lab, &mut zoe, "");
        assert_eq!(refer(&mut lab, &mut zoe, "<sip:alice@127.0.0.1>").0, 403);
    }
}

#[test]
fn an_interface_calls_accounts_in_past_pin_and_waiting_room() {
    let mut lab = weekly(|wish| {
        with_pin(wish);
        wish.waiting_room = Some(true);
    });
    let mut bob = account("bob", 5072);
    bob.to = "<sip:bob@127.0.0.1>".into();
    let dial_out = |uri: &str| Act::DialOut(uri.into());
    assert_eq!(act(&mut lab, dial_out("sip:bob@127.0.0.1")), Err(480));
    assert_eq!(bob.ask(&mut lab, "REGISTER", "", "").status, 200);
    assert_eq!(act(&mut lab, dial_out("not a uri")), Err(400));
    assert_eq!(act(&mut lab, dial_out("sip:zoe@127.0.0.1")), Err(403));
    assert_eq!(act(&mut lab, dial_out("tel:+4930123456")), Err(403));
    assert_eq!(act(&mut lab, dial_out("sip:bob@127.0.0.1")), Ok(()));
    let invite = requests(&lab.take(5072), &Method::Invite).remove(0);
    bob.respond(&mut lab, &invite, 200, "b", OFFER);
    assert_eq!(lab.counters().members, 1);
    assert_eq!(lab.records(), [RecordKind::DialledOut, RecordKind::Joined]);
}

#[test]
fn nonsense_is_refused_and_changes_nothing() {
    let mut lab = weekly(|_| {});
    let mut alice = account("alice", 5070);
    dial(&mut lab, &mut alice, "");
    lab.kept.clear();
    for (target, status) in [
        (format!("<sip:weekly@{SERVER}>"), 403),
        (format!("<sip:weekly@{SERVER}>;locked=perhaps"), 400),
        (format!("<sip:weekly@{SERVER};method=SUBSCRIBE>"), 403),
        (format!("<sip:other@{SERVER};method=BYE>"), 404),
        ("<sip:zoe@127.0.0.1>;muted=1".into(), 404),
        ("<sip:zoe@127.0.0.1>;admin=7".into(), 400),
        ("<sip:zoe@127.0.0.1;gr=00;method=BYE>".into(), 404),
    ] {
        assert_eq!(refer(&mut lab, &mut alice, &target).0, status, "{target}");
    }
    assert!(lab.kept.is_empty());
    let everybody = Act::Role(Whom::Everybody, MemberRole::Moderator);
    assert_eq!(act(&mut lab, everybody), Err(400));
    assert_eq!(act(&mut lab, Act::Kick(Whom::Everybody)), Ok(()), "nobody but her is there");
    assert_eq!(lab.counters().members, 1);
}
