//! Two in a conference talk directly, and through the mixer while there are more or it does not work.

use std::path::Path;
use std::time::{Duration, Instant};

use system_tests::clients::{Baresip, BaresipSetup, Linphone, Softphone};
use system_tests::lab::{Capture, Host, Lab};
use system_tests::listen::Recording;
use system_tests::services::{Services, metric, scratch};
use system_tests::signal::write_tone;

use crate::hearing::{assert_hears, assert_picture, frames_of};

const ANNA: f64 = 440.0;
const BEN: f64 = 570.0;
const CAROL: f64 = 730.0;

const LIMIT: Duration = Duration::from_secs(20);

/// How the media of the only conference go, and why.
fn path(services: &Services) -> (String, String) {
    let list = services.meetings().expect("the conferences");
    let meeting = list.as_array().and_then(|all| all.first()).cloned().unwrap_or_default();
    let word = |key: &str| meeting[key].as_str().unwrap_or_default().to_owned();
    (word("mode"), word("mode_why"))
}

/// Legs that the mixer has.
fn legs(services: &Services) -> f64 {
    metric(&services.mixer_metrics().expect("metrics"), "parley_mixer_conference_legs", "")
}

/// Media packets that the mixer has received or sent in the conferences it has.
fn packets(services: &Services) -> f64 {
    let page = services.mixer_metrics().expect("metrics");
    let sum = |name: &str| metric(&page, name, "");
    sum("parley_mixer_conference_packets_in_total")
        + sum("parley_mixer_conference_packets_out_total")
}

fn members(services: &Services) -> f64 {
    metric(&services.registrar_metrics().expect("metrics"), "parley_members", "")
}

/// Whether this comes to be in time.
fn becomes(limit: Duration, is: impl Fn() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !is() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    true
}

fn is_direct(services: &Services) -> bool {
    path(services).0 == "direct" && legs(services) == 0.0
}

fn wait_direct(services: &Services) {
    let direct = becomes(Duration::from_secs(8), || is_direct(services));
    assert!(
        direct,
        "{:?}, {} legs\n{}",
        path(services),
        legs(services),
        services.registrar.output()
    );
}

fn tone(directory: &Path, name: &str, hertz: f64, rate: u32) -> std::path::PathBuf {
    let file = directory.join(format!("tone-{name}.wav"));
    write_tone(&file, hertz, rate, 60).expect("a tone");
    file
}

/// A softphone with a tone and a test picture, on this host of a laboratory if there is one.
fn softphone(
    host: Option<&Host>,
    directory: &Path,
    name: &str,
    uri: &str,
    hertz: f64,
    more: &[&str],
) -> Softphone {
    let microphone = format!("loop:{}", tone(directory, name, hertz, 48_000).display());
    let log = directory.join(format!("{name}.chat")).display().to_string();
    let mut arguments = vec!["--headless", "--mic", &microphone, "--camera", "pattern"];
    arguments.extend(["--chat-log", &log]);
    arguments.extend(more);
    match host {
        Some(host) => Softphone::join_in(host, directory, name, uri, &arguments),
        None => Softphone::join(directory, name, uri, &arguments),
    }
    .expect("a softphone")
}

/// Ends it as a person would, and reads its report.
fn leaves(phone: &mut Softphone) -> serde_json::Value {
    phone.program().terminate().expect("it ends");
    phone.report(LIMIT).expect("a report of a good end")
}

/// What was heard in the last seconds before the end, of which the very last do not count.
fn assert_hears_at_the_end(who: &str, file: &Path, present: f64, absent: f64) {
    let heard = Recording::read(file).expect("a recording");
    let heard = heard.last(Duration::from_secs(3), Duration::from_millis(1500));
    let (there, echo) = (heard.tone_level(present), heard.tone_longest(absent));
    assert!(there > -30.0, "{who} does not hear {present} Hz at the end ({there:.1} dB)");
    assert!(echo < -38.0, "{who} hears {absent} Hz at the end ({echo:.1} dB)");
}

fn read(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name)).unwrap_or_default()
}

#[test]
fn two_talk_directly_until_a_third_comes_and_again_when_it_has_left() {
    let directory = scratch("direct").expect("a directory");
    let services = Services::start_meeting(&directory, "direct_again = 1").expect("services");
    let uri = services.conference("direct");
    let join = |name: &str, hertz: f64, more: &[&str]| {
        softphone(None, &directory, name, &uri, hertz, more)
    };
    let mut anna = join("anna", ANNA, &["--say", "good morning ben", "--say-at", "5"]);
    let mut ben = join("ben", BEN, &[]);
    wait_direct(&services);
    let before = packets(&services);
    let read_it = || read(&directory, "ben.chat").contains("good morning ben");
    assert!(becomes(Duration::from_secs(8), read_it), "ben reads {}", read(&directory, "ben.chat"));
    let page = services.registrar_metrics().expect("metrics");
    assert_eq!(metric(&page, "parley_chat_lines_total", ""), 0.0, "it goes straight");
    assert_eq!(metric(&page, "parley_conferences_direct", ""), 1.0, "{page}");
    assert_eq!((legs(&services), packets(&services)), (0.0, before), "nothing passes the mixer");
    assert_eq!(path(&services), ("direct".into(), "two talk directly".into()));

    let mut carol = join("carol", CAROL, &[]);
    let three = || legs(&services) == 3.0 && path(&services).0 == "mixer";
    assert!(becomes(Duration::from_secs(5), three), "{}", services.registrar.output());
    std::thread::sleep(Duration::from_secs(4));
    let carol_report = leaves(&mut carol);
    wait_direct(&services);
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(members(&services), 2.0, "nobody's call has ended");
    let anna_report = leaves(&mut anna);
    let ben_report = leaves(&mut ben);

    assert_hears("anna", &anna.recording(), &[BEN], &[ANNA]);
    assert_hears("ben", &ben.recording(), &[ANNA], &[BEN]);
    assert_hears("carol", &carol.recording(), &[ANNA, BEN], &[CAROL]);
    assert_hears_at_the_end("anna", &anna.recording(), BEN, ANNA);
    for phone in [&anna, &ben] {
        let heard = Recording::read(&phone.recording()).expect("a recording");
        let level = heard.tone_longest(CAROL);
        assert!(level > -30.0, "{} never hears carol ({level:.1} dB)", phone.name);
    }
    for (report, other) in [(&anna_report, "ben"), (&ben_report, "anna")] {
        assert!(frames_of(report, other) > 150, "{report:#}");
        assert!(frames_of(report, "carol") > 20, "{report:#}");
    }
    assert!(frames_of(&carol_report, "anna") > 20 && frames_of(&carol_report, "ben") > 20);
    for report in [&anna_report, &ben_report, &carol_report] {
        assert_eq!(report["call"]["exit_code"], 0, "{report:#}");
    }
    let switches = |report: &serde_json::Value| report["call"]["media_switches"].clone();
    assert_eq!(switches(&anna_report), 3, "directly, mixed, directly: {anna_report:#}");
    assert_eq!(anna_report["call"]["media_path"], "direct");
    // Who is left alone is brought back to the mixer.
    assert!(switches(&ben_report).as_u64() >= Some(3), "{ben_report:#}");
}

#[test]
fn nothing_of_two_who_talk_directly_passes_the_server_nor_needs_the_mixer() {
    let directory = scratch("direct-proof").expect("a directory");
    let mut lab = Lab::new().expect("a laboratory");
    let server = lab.host("server").expect("a host");
    let [left, right] = ["left", "right"].map(|name| lab.host(name).expect("a host"));
    let mut services = Services::start_in(&server, &directory, "", "").expect("services");
    let uri = services.conference("proof");
    let join = |host: &Host, name: &str, hertz: f64, more: &[&str]| {
        softphone(Some(host), &directory, name, &uri, hertz, more)
    };
    let mut anna = join(&left, "anna", ANNA, &["--say", "between us", "--say-at", "6"]);
    let mut ben = join(&right, "ben", BEN, &[]);
    wait_direct(&services);
    let capture = Capture::start(&server).expect("a capture");
    let settled = Instant::now();
    let read_it = || read(&directory, "ben.chat").contains("between us");
    assert!(
        becomes(Duration::from_secs(10), read_it),
        "ben reads {}",
        read(&directory, "ben.chat")
    );
    std::thread::sleep(Duration::from_secs(3));
    let passed = capture.between(settled, Instant::now());
    let alien: Vec<_> = passed
        .iter()
        .filter(|packet| packet.is_media() || packet.is_stun() || packet.is_request("MESSAGE"))
        .collect();
    assert!(alien.is_empty(), "{} packets pass the server: {alien:#?}", alien.len());
    println!("{} packets at the server in {:?}", passed.len(), settled.elapsed());

    server.block("udp dport != 5060 udp sport != 5060").expect("nft");
    std::thread::sleep(Duration::from_secs(3));
    services.mixer.child().kill().expect("the mixer can be killed");
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(members(&services), 2.0, "{}", services.registrar.output());
    let reports = [leaves(&mut anna), leaves(&mut ben)];
    for report in &reports {
        assert_eq!(report["call"]["exit_code"], 0, "{report:#}");
    }
    assert_eq!(reports[0]["call"]["media_switches"], 1, "{:#}", reports[0]);
    let to = reports[0]["call"]["direct_to"].as_str().unwrap_or_default().to_owned();
    assert!(to.starts_with(&right.ip.to_string()), "{to}");
    assert_hears_at_the_end("anna", &anna.recording(), BEN, ANNA);
    for (phone, hertz, own) in [(&anna, BEN, ANNA), (&ben, ANNA, BEN)] {
        assert_hears(&phone.name, &phone.recording(), &[hertz], &[own]);
        let whole =
            Recording::read(&phone.recording()).expect("a recording").wholeness(hertz, -30.0);
        println!("{}: {whole:?}", phone.name);
        assert!(whole.seconds > 14.0, "{whole:?}");
        assert!(whole.longest_gap < Duration::from_secs(1), "{whole:?}");
    }
}

/// A client of whichever kind, in a conference with a tone and a camera.
enum Client {
    Softphone(Softphone),
    Baresip(Baresip),
    Linphone(Linphone),
}

/// What it saw and heard.
struct Saw {
    recording: std::path::PathBuf,
    picture: std::path::PathBuf,
}

impl Client {
    fn join(kind: &str, directory: &Path, uri: &str, hertz: f64) -> Self {
        match kind {
            "softphone" => Self::Softphone(softphone(None, directory, kind, uri, hertz, &[])),
            "baresip" => {
                let setup = BaresipSetup { video: true, ..BaresipSetup::default() };
                let tone = tone(directory, kind, hertz, 48_000);
                let mut client = Baresip::start(directory, kind, &tone, &setup).expect("baresip");
                client.command(&format!("dial {uri}")).expect("dial");
                Self::Baresip(client)
            }
            _ => {
                let tone = tone(directory, kind, hertz, 16_000);
                let mut client = Linphone::start(directory, kind, &tone, true).expect("linphonec");
                client.command(&format!("call {uri}")).expect("call");
                Self::Linphone(client)
            }
        }
    }

    /// Asks for a picture of what it sees now; our own makes one when it ends.
    fn look(&mut self, directory: &Path) {
        match self {
            Self::Softphone(_) => {}
            Self::Baresip(client) => {
                client.snapshot(&directory.join("baresip.png")).expect("a snapshot");
            }
            Self::Linphone(client) => {
                client.snapshot(&directory.join("linphone.jpg")).expect("a snapshot");
            }
        }
    }

    fn leave(&mut self, directory: &Path) -> Saw {
        match self {
            Self::Softphone(phone) => {
                let report = leaves(phone);
                assert_eq!(report["call"]["exit_code"], 0, "{report:#}");
                println!("    {}", report["call"]);
                Saw { recording: phone.recording(), picture: phone.snapshot() }
            }
            Self::Baresip(client) => {
                client.quit().expect("baresip ends");
                let recording = client.recording().expect("a recording");
                Saw { recording, picture: directory.join("baresip.png") }
            }
            Self::Linphone(client) => {
                client.quit().expect("linphonec ends");
                let recording = client.recording().to_owned();
                Saw { recording, picture: directory.join("linphone.jpg") }
            }
        }
    }
}

/// Two of these kinds in a conference that goes like this; `direct`: whether media go directly, for which reason.
fn pair(kinds: [&str; 2], policy: &str, direct: bool, why: &str) {
    let [one, other] = kinds;
    let directory = scratch(&format!("direct-{one}-{other}-{policy}")).expect("a directory");
    let services = Services::start_meeting(&directory, &format!("media_path = \"{policy}\""))
        .expect("services");
    let uri = services.conference("pair");
    let mut first = Client::join(one, &directory, &uri, ANNA);
    assert!(becomes(Duration::from_secs(8), || members(&services) == 1.0));
    let mut second = Client::join(other, &directory, &uri, BEN);
    let both = becomes(Duration::from_secs(8), || members(&services) == 2.0);
    assert!(both, "{}", services.registrar.output());
    let switched =
        becomes(Duration::from_secs(if direct { 20 } else { 4 }), || is_direct(&services));
    let (mode, reason) = path(&services);
    println!("{one} and {other}, {policy}: {mode}, {reason}; {} legs", legs(&services));
    std::thread::sleep(Duration::from_secs(6));
    first.look(&directory);
    second.look(&directory);
    std::thread::sleep(Duration::from_secs(3));
    let (later, still) = path(&services);
    println!(
        "    then: {later}, {still}; {} legs, {} members",
        legs(&services),
        members(&services)
    );
    let stayed = members(&services);
    let saw = [(one, &mut first, BEN, ANNA), (other, &mut second, ANNA, BEN)]
        .map(|(name, client, hears, own)| (name, client.leave(&directory), hears, own));
    assert_eq!(stayed, 2.0, "nobody's call has ended\n{}", services.registrar.output());
    assert_eq!((switched, mode.as_str()), (direct, if direct { "direct" } else { "mixer" }));
    assert_eq!((reason.as_str(), later, still.as_str()), (why, mode, why));
    for (name, saw, hears, own) in saw {
        if name == one {
            assert_hears_at_the_end(name, &saw.recording, hears, own);
        }
        assert_hears(name, &saw.recording, &[hears], &[own]);
        assert_picture(name, &saw.picture);
    }
}

const DIRECTLY: &str = "two talk directly";

#[test]
fn baresip_and_our_softphone() {
    pair(["baresip", "softphone"], "automatic", true, DIRECTLY);
    pair(["baresip", "softphone"], "direct", true, DIRECTLY);
}

#[test]
fn linphone_and_our_softphone() {
    pair(["linphone", "softphone"], "automatic", true, DIRECTLY);
    pair(["linphone", "softphone"], "direct", true, DIRECTLY);
}

#[test]
fn baresip_and_linphone() {
    pair(["baresip", "linphone"], "automatic", false, "neither client tells whether media arrive");
    pair(["baresip", "linphone"], "direct", true, DIRECTLY);
}
