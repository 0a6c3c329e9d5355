//! Conference control (RFC 6503): conferences are listed, looked at, made, changed and cancelled by text.
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

use lab::{Lab, Phone};
use sip_registrar::{Actor, ConferenceName, StoreCommand};

fn alice() -> Actor {
    Actor::Account("alice".into())
}

fn bob() -> Actor {
    Actor::Account("bob".into())
}

/// Asks, and returns the code and the document.
fn ask(lab: &mut Lab, actor: &Actor, fields: &str, element: &str) -> (u16, String) {
    let text = format!(
        "<ccmp:ccmpRequest xmlns:ccmp=\"urn:ietf:params:xml:ns:xcon-ccmp\"><ccmpRequest>\
         <confUserID>xcon-userid:somebody@127.0.0.1</confUserID>{fields}{element}</ccmpRequest>\
         </ccmp:ccmpRequest>"
    );
    let answer = lab.registrar.ccmp(lab.now, actor, text.as_bytes()).body;
    while let Some(output) = lab.registrar.poll_output() {
        if let sip_registrar::Output::Store(command) = output {
            lab.kept.push(command);
        }
    }
    let answer = String::from_utf8(answer).unwrap();
    let code = between(&answer, "<response-code>", "</response-code>").parse().unwrap();
    (code, answer)
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}")).1;
    rest.split_once(end).unwrap().0
}

const CREATE: &str = "<confRequest><confInfo entity=\"xcon:AUTO_GENERATE_1@127.0.0.1\">\
    <conference-description><subject>Weekly</subject><conference-time><entry><base>BEGIN:VCALENDAR\n\
    BEGIN:VEVENT\nDTSTART:20270201T100000Z\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR</base></entry>\
    </conference-time></conference-description><users><allowed-users-list>\
    <target uri=\"sip:bob@127.0.0.1\" method=\"dial-in\"/></allowed-users-list></users></confInfo>\
    </confRequest>";

fn create(lab: &mut Lab) -> String {
    let (code, text) = ask(lab, &alice(), "<operation>create</operation>", CREATE);
    assert_eq!(code, 200, "{text}");
    between(&text, "<confObjID>", "</confObjID>").to_owned()
}

fn about(id: &str, operation: &str) -> String {
    format!("<confObjID>{id}</confObjID><operation>{operation}</operation>")
}

#[test]
fn a_conference_is_made_found_and_looked_at() {
    let mut lab = Lab::new();
    let id = create(&mut lab);
    assert!(id.starts_with("xcon:") && !id.contains("AUTO_GENERATE"), "{id}");
    let (code, text) = ask(&mut lab, &alice(), "", "<confsRequest/>");
    assert_eq!(code, 200);
    assert!(text.contains(&format!("<info:uri>{id}</info:uri>")), "{text}");
    assert!(text.contains("xsi:type=\"ccmp:ccmp-confs-response-message-type\""));
    let (code, text) = ask(&mut lab, &alice(), &about(&id, "retrieve"), "<confRequest/>");
    assert_eq!(code, 200);
    // What Linphone cannot do without.
    let uri = between(&text, "<info:conf-uris><info:entry><info:uri>", "<");
    assert_eq!(uri, format!("sip:{}", id.strip_prefix("xcon:").unwrap()));
    assert_eq!(text.matches("<info:conf-uris>").count(), 1);
    assert!(text.contains("DTSTART:20270201T100000Z"), "{text}");
    assert!(text.contains("DURATION:PT1H0M"), "{text}");
    assert!(text.contains("<xcon:target uri=\"sip:bob@127.0.0.1\""), "{text}");
    assert!(text.contains("<info:entry>organizer</info:entry>"), "{text}");
    assert!(text.contains("<info:status>sendrecv</info:status>"));
    assert!(between(&text, "<version>", "<").parse::<u32>().unwrap() >= 1);
}

#[test]
fn only_the_organizer_changes_and_cancels() {
    let mut lab = Lab::new();
    let id = create(&mut lab);
    let update = format!(
        "<confRequest><confInfo entity=\"{id}\"><conference-description><subject>Monthly</subject>\
         </conference-description><conference-state><locked>true</locked></conference-state>\
         </confInfo></confRequest>"
    );
    assert_eq!(ask(&mut lab, &bob(), &about(&id, "update"), &update).0, 401);
    assert_eq!(ask(&mut lab, &bob(), &about(&id, "delete"), "<confRequest/>").0, 401);
    let (_, text) = ask(&mut lab, &alice(), &about(&id, "retrieve"), "<confRequest/>");
    assert!(text.contains("<info:subject>Weekly</info:subject>"), "nothing has changed");
    let (code, _) = ask(&mut lab, &alice(), &about(&id, "update"), &update);
    assert_eq!(code, 200);
    let (_, text) = ask(&mut lab, &alice(), &about(&id, "retrieve"), "<confRequest/>");
    assert!(text.contains("<info:subject>Monthly</info:subject>"));
    assert!(text.contains("<info:locked>true</info:locked>"));
    let (code, text) = ask(&mut lab, &alice(), &about(&id, "delete"), "<confRequest/>");
    assert_eq!(code, 200);
    // Linphone needs both to believe it.
    assert!(text.contains(&format!("<confObjID>{id}</confObjID>")), "{text}");
    assert!(text.contains("<ccmp:confResponse>"), "{text}");
    assert_eq!(ask(&mut lab, &alice(), &about(&id, "retrieve"), "<confRequest/>").0, 404);
    let gone = |command: &StoreCommand| matches!(command, StoreCommand::MeetingGone { .. });
    assert!(lab.kept.iter().any(gone));
}

#[test]
fn what_cannot_be_done_has_its_code() {
    let mut lab = Lab::new();
    let id = create(&mut lab);
    let pin = "<confRequest><confInfo entity=\"x\"><conference-description><conf-uris><entry>\
        <uri>x</uri><conference-password>12</conference-password></entry></conf-uris>\
        </conference-description></confInfo></confRequest>";
    for (fields, element, code) in [
        ("", "<confRequest/>", 400),
        ("<operation>retrieve</operation>", "<confRequest/>", 400),
        (about("xcon:nowhere@x", "retrieve").as_str(), "<confRequest/>", 404),
        (about("nonsense", "delete").as_str(), "<confRequest/>", 404),
        (about(&id, "update").as_str(), "<confRequest/>", 400),
        (about(&id, "update").as_str(), pin, 400),
        (about(&id, "create").as_str(), "<confRequest/>", 501),
        ("<operation>retrieve</operation>", "<confsRequest/>", 400),
        ("", "<confsRequest><xpathFilter>/a</xpathFilter></confsRequest>", 501),
        ("", "<sidebarsByValRequest/>", 501),
        ("", "<optionsRequest/>", 200),
        ("", "<blueprintsRequest/>", 200),
        (about(&id, "retrieve").as_str(), "<userRequest/>", 420),
        (about(&id, "delete").as_str(), "<usersRequest/>", 403),
    ] {
        assert_eq!(ask(&mut lab, &alice(), fields, element).0, code, "{fields} {element}");
    }
    let answer = lab.registrar.ccmp(lab.now, &alice(), b"<html/>").body;
    assert!(String::from_utf8(answer).unwrap().contains("<response-code>400</response-code>"));
}

#[test]
fn people_are_seen_muted_and_removed_by_who_may() {
    let mut lab = Lab::new();
    let mut ann = Phone::new("alice", 7001).with_password("wonderland");
    ann.join(&mut lab, "weekly");
    Phone::new("ben", 7002).join(&mut lab, "weekly");
    let id = "xcon:weekly@127.0.0.1";
    let (code, text) = ask(&mut lab, &alice(), &about(id, "retrieve"), "<usersRequest/>");
    assert_eq!(code, 200);
    assert!(text.contains("entity=\"xcon-userid:ben@127.0.0.1\""), "{text}");
    assert!(text.contains("<info:uri>sip:ben@127.0.0.1</info:uri>"), "{text}");
    assert_eq!(ask(&mut lab, &bob(), &about(id, "retrieve"), "<usersRequest/>").0, 401);
    let muted = |lab: &Lab| {
        let name = ConferenceName::parse("weekly").unwrap();
        let meeting = lab.registrar.meeting(lab.now, &alice(), &name).unwrap();
        meeting.members.iter().any(|member| member.name == "ben" && member.muted)
    };
    let mute = "<userRequest><userInfo entity=\"xcon-userid:ben@127.0.0.1\"><endpoint>\
        <status>muted-via-focus</status></endpoint></userInfo></userRequest>";
    assert_eq!(ask(&mut lab, &bob(), &about(id, "update"), mute).0, 401);
    assert!(!muted(&lab));
    lab.willing = false;
    assert_eq!(ask(&mut lab, &alice(), &about(id, "update"), mute).0, 200);
    assert!(muted(&lab));
    let remove = "<userRequest><userInfo entity=\"xcon-userid:ben@127.0.0.1\"/></userRequest>";
    assert_eq!(ask(&mut lab, &alice(), &about(id, "delete"), remove).0, 200);
    assert_eq!(ask(&mut lab, &alice(), &about(id, "delete"), remove).0, 420);
}
