//! Meetings as standard clients make them, steer them, write in them and end them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use system_tests::clients::{Baresip, BaresipSetup, Linphone, Sipp, Softphone};
use system_tests::services::{Services, binary, metric, scratch};
use system_tests::signal::{write_tone, write_ulaw_tone};

use crate::hearing::assert_hears;

const LIMIT: Duration = Duration::from_secs(40);

fn services(name: &str) -> (PathBuf, Services) {
    let directory = scratch(name).expect("a directory");
    write_ulaw_tone(&directory.join("tone.ul"), 440.0, 10).expect("a tone");
    let services = Services::start(&directory).expect("services");
    (directory, services)
}

fn run(directory: &Path, services: &Services, scenario: &str, user: &str) {
    Sipp::start_at(directory, scenario, services.address(), user, &[])
        .and_then(|mut sipp| sipp.passed(LIMIT))
        .unwrap_or_else(|error| panic!("{error:#}\n{}", services.registrar.output()));
}

/// Waits until a program has said something.
fn wait_for(what: &str, text: impl Fn() -> String, said: &str) {
    let end = Instant::now() + Duration::from_secs(15);
    while !text().contains(said) {
        assert!(Instant::now() < end, "{what} never says {said:?}:\n{}", text());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until so many are in conferences.
fn wait_for_members(services: &Services, count: u32) {
    let page = || services.registrar_metrics().unwrap_or_default();
    wait_for("the registrar", page, &format!("parley_members {count}\n"));
}

#[test]
fn its_organizer_ends_a_conference_and_nobody_else() {
    let (directory, services) = services("cancel-meeting");
    run(&directory, &services, "cancel_meeting", "planning");
    run(&directory, &services, "gone", "planning");
    let mut somebody = Sipp::start(&directory, "join", services.sip, "standup", &[]).expect("sipp");
    wait_for_members(&services, 1);
    run(&directory, &services, "not_mine", "standup");
    run(&directory, &services, "stranger", "standup");
    somebody.passed(LIMIT).expect("the conference has gone on");
}

#[test]
fn roster_and_list_are_told_to_who_asks() {
    let (directory, services) = services("roster");
    run(&directory, &services, "roster", "standup");
    let mut somebody = Sipp::start(&directory, "join", services.sip, "standup", &[]).expect("sipp");
    wait_for_members(&services, 1);
    run(&directory, &services, "list", "meetings");
    somebody.passed(LIMIT).expect("the conference has gone on");
}

#[test]
fn a_client_that_refuses_the_envelope_gets_plain_text() {
    let (directory, services) = services("chat-forms");
    run(&directory, &services, "chat", "alone");
    let mut hears =
        Sipp::start(&directory, "chat_hear", services.sip, "standup", &[]).expect("sipp");
    wait_for_members(&services, 1);
    let tone = directory.join("tone.wav");
    write_tone(&tone, 730.0, 48_000, 20).expect("a tone");
    let room = services.conference("standup");
    let setup = BaresipSetup { writes_to: room.clone(), ..BaresipSetup::default() };
    let mut baresip = Baresip::start(&directory, "bare", &tone, &setup).expect("baresip");
    baresip.command(&format!("dial {room}")).expect("dial");
    wait_for_members(&services, 2);
    baresip.command("message good morning").expect("message");
    hears
        .passed(LIMIT)
        .unwrap_or_else(|error| panic!("{error:#}\n{}", services.registrar.output()));
    assert!(hears.messages().contains("good morning"), "{}", hears.messages());
    baresip.quit().expect("baresip ends");
}

/// Runs our softphone until it ends, as `who` keeps its secrets: what it printed, and its exit code.
fn softphone(directory: &Path, who: &str, arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(binary("softphone").expect("the softphone"))
        .args(arguments)
        .env("XDG_STATE_HOME", directory.join(who))
        .stdin(Stdio::null())
        .output()
        .expect("the softphone runs");
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), output.status.code())
}

/// A meeting from its beginning to its end by our command line, with clients that know nothing of it.
#[test]
fn the_softphone_makes_lists_moderates_and_cancels() {
    let (directory, services) = services("moderation");
    let server = format!("sip:{}", services.address());
    let room = services.conference("planning");
    let run = |who: &str, arguments: &[&str]| softphone(&directory, who, arguments);
    let fine = |arguments: &[&str]| {
        let (said, code) = run("anna", arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        said
    };
    let create = ["create", "planning", "--server", &server, "--subject", "Plan B"];
    assert!(fine(&create).contains("created"));
    let (said, code) = run("ben", &create);
    assert_eq!(code, Some(1), "the name is taken: {said}");
    assert!(fine(&["list", "--server", &server]).contains("Plan B"));

    let tone = directory.join("tone-bare.wav");
    write_tone(&tone, 730.0, 48_000, 60).expect("a tone");
    let mut baresip =
        Baresip::start(&directory, "bare", &tone, &BaresipSetup::default()).expect("baresip");
    baresip.command(&format!("dial {room}")).expect("dial");
    let mut sipp = Sipp::start(&directory, "kicked", services.sip, "planning", &[]).expect("sipp");
    wait_for_members(&services, 2);
    fine(&["kick", &room, "sipp"]);
    sipp.passed(LIMIT).expect("sipp is told why it is removed");
    let listen = |name: &str| {
        let arguments = ["--headless", "--mic", "none", "--camera", "none", "--duration", "4"];
        let mut ear = Softphone::join(&directory, name, &room, &arguments).expect("a softphone");
        ear.report(Duration::from_secs(20)).expect("a report");
        ear.recording()
    };
    let (said, code) = run("ben", &["mute", &room, "bare"]);
    assert_eq!(code, Some(4), "who has not made it may not mute: {said}");
    assert_hears("before", &listen("before"), &[730.0], &[]);
    fine(&["mute", &room, "bare"]);
    assert_hears("muted", &listen("muted"), &[], &[730.0]);
    fine(&["unmute", &room, "bare"]);
    assert_hears("unmuted", &listen("unmuted"), &[730.0], &[]);

    fine(&["lock", &room]);
    let late =
        ["join", &room, "--headless", "--mic", "none", "--camera", "none", "--speaker", "none"];
    let (said, code) = run("ben", &late);
    assert!(code != Some(0) && said.contains("lock"), "{code:?}: {said}");
    let (said, code) = run("ben", &["cancel", &room]);
    assert_eq!(code, Some(4), "{said}");
    fine(&["cancel", &room]);
    let (said, code) = run("ben", &late);
    assert_eq!(code, Some(5), "it is gone: {said}");
    assert!(!fine(&["list", "--server", &server]).contains("Plan B"));
    baresip.quit().expect("baresip ends");

    let history = Command::new(binary("sip-registrar").expect("the registrar"))
        .arg("--config")
        .arg(directory.join("registrar.toml"))
        .args(["history", "planning"])
        .output()
        .expect("the history");
    let history = String::from_utf8_lossy(&history.stdout).into_owned();
    for kind in ["created", "joined", "muted", "unmuted", "kicked", "locked", "cancelled"] {
        assert!(history.contains(kind), "{kind} is not in\n{history}");
    }
}

/// Linphone is the client that knows conferences: it makes one through the factory, is shown who is in it, and chats
/// with baresip, which knows nothing of them.
#[test]
fn linphone_makes_a_conference_sees_who_is_there_and_chats_with_baresip() {
    let directory = scratch("linphone-meeting").expect("a directory");
    let address = SocketAddr::from(([127, 0, 0, 60], 5060));
    let services = Services::start_at(&directory, address).expect("services");
    let tone = |name: &str, hertz: f64, rate: u32| {
        let file = directory.join(format!("tone-{name}.wav"));
        write_tone(&file, hertz, rate, 40).expect("a tone");
        file
    };
    let mut linphone = Linphone::start(&directory, "alice", &tone("alice", 910.0, 16_000), false)
        .expect("linphonec");
    linphone
        .register("alice", &services.address().to_string(), "wonderland")
        .expect("linphonec registers");
    let page = || services.registrar_metrics().unwrap_or_default();
    wait_for("the registrar", page, "parley_bindings 1");
    linphone.command(&format!("call {}", services.conference("conference"))).expect("call");
    let file = linphone.log.clone();
    let log = || std::fs::read_to_string(&file).unwrap_or_default();
    wait_for("liblinphone", log, "isfocus");
    wait_for("liblinphone", log, "application/conference-info+xml");
    let contact = log();
    let uri = contact
        .lines()
        .filter(|line| line.contains("isfocus"))
        .find_map(|line| line.split('<').nth(1)?.split('>').next())
        .expect("the Contact of the focus")
        .to_owned();

    let setup = BaresipSetup { writes_to: uri.clone(), ..BaresipSetup::default() };
    let mut baresip =
        Baresip::start(&directory, "bare", &tone("bare", 730.0, 48_000), &setup).expect("baresip");
    baresip.command(&format!("dial {uri}")).expect("dial");
    wait_for("liblinphone", log, "sip:bare@");
    baresip.command("message hello from baresip").expect("message");
    wait_for("liblinphone", log, "hello from baresip");
    linphone.command(&format!("chat {uri} \"hello from linphone\"")).expect("chat");
    wait_for("baresip", || baresip.output(), "hello from linphone");
    let messages = || metric(&page(), "parley_sip_requests_total", "MESSAGE");
    let before = messages();
    std::thread::sleep(Duration::from_secs(4));
    assert!(messages() - before < 4.0, "a storm: {before} to {}", messages());
    baresip.quit().expect("baresip ends");
    linphone.quit().expect("linphonec ends");
}
