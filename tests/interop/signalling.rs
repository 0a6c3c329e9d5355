//! SIPp scenarios: each step of each must happen as its file says.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use system_tests::clients::Sipp;
use system_tests::ports::free;
use system_tests::services::{Services, metric, scratch};
use system_tests::signal::write_ulaw_tone;

const LIMIT: Duration = Duration::from_secs(40);

fn services(name: &str) -> (PathBuf, Services) {
    let directory = scratch(name).expect("a directory");
    write_ulaw_tone(&directory.join("tone.ul"), 440.0, 10).expect("a tone");
    let services = Services::start(&directory).expect("services");
    (directory, services)
}

fn run(directory: &Path, services: &Services, scenario: &str, user: &str, arguments: &[&str]) {
    Sipp::start_at(directory, scenario, services.address(), user, arguments)
        .and_then(|mut sipp| sipp.passed(LIMIT))
        .unwrap_or_else(|error| panic!("{error:#}\n{}", services.registrar.output()));
}

#[test]
fn register_with_digest() {
    let (directory, services) = services("register");
    run(&directory, &services, "register", "alice", &["-au", "alice", "-ap", "wonderland"]);
    run(&directory, &services, "register_wrong", "alice", &["-au", "alice", "-ap", "guess"]);
    run(&directory, &services, "register_wrong", "nobody", &["-au", "nobody", "-ap", "guess"]);
}

#[test]
fn invite_over_udp_and_tcp() {
    let (directory, services) = services("invite");
    run(&directory, &services, "join", "udp", &["-t", "u1"]);
    run(&directory, &services, "join", "tcp", &["-t", "t1"]);
    run(&directory, &services, "factory", "conference", &[]);
    run(&directory, &services, "options", "lobby", &[]);
    services.wait_empty().expect("the last member has left");
}

#[test]
fn hold_resume_and_video_by_reinvite() {
    let (directory, services) = services("reinvite");
    run(&directory, &services, "reinvite", "hold", &[]);
    run(&directory, &services, "reinvite", "hold", &["-t", "t1"]);
}

#[test]
fn every_way_to_hold() {
    let (directory, services) = services("hold");
    run(&directory, &services, "hold_variants", "hold-udp", &["-t", "u1"]);
    run(&directory, &services, "hold_variants", "hold-tcp", &["-t", "t1"]);
}

#[test]
fn session_timers_of_both_sides() {
    let (directory, services) = services("timers");
    run(&directory, &services, "session_timer", "timer-udp", &["-t", "u1"]);
    run(&directory, &services, "session_timer", "timer-tcp", &["-t", "t1"]);
    let start =
        |scenario| Sipp::start(&directory, scenario, services.sip, scenario, &[]).expect("sipp");
    let mut refreshed = start("session_timer_theirs");
    let mut lapses = start("session_timer_lapse");
    for sipp in [&mut refreshed, &mut lapses] {
        sipp.passed(Duration::from_secs(80)).unwrap_or_else(|error| panic!("{error:#}"));
    }
}

#[test]
fn early_media_in_reliable_responses() {
    let (directory, services) = services("prack");
    let port = free().expect("a port").to_string();
    run(&directory, &services, "register", "bob", &["-au", "bob", "-ap", "builder", "-p", &port]);
    let mut callee =
        Sipp::start(&directory, "prack_callee", services.sip, "bob", &["-p", &port]).expect("sipp");
    std::thread::sleep(Duration::from_millis(500));
    run(&directory, &services, "prack_caller", "bob", &["-au", "alice", "-ap", "wonderland"]);
    callee.passed(LIMIT).unwrap_or_else(|error| panic!("{error:#}"));
}

#[test]
fn ipv6() {
    let directory = scratch("ipv6").expect("a directory");
    write_ulaw_tone(&directory.join("tone.ul"), 440.0, 10).expect("a tone");
    let services = Services::start_on(&directory, Ipv6Addr::LOCALHOST.into()).expect("services");
    run(&directory, &services, "join", "six-udp", &["-t", "u1"]);
    run(&directory, &services, "join", "six-tcp", &["-t", "t1"]);
}

#[test]
fn late_offer() {
    let (directory, services) = services("late-offer");
    run(&directory, &services, "late_offer", "late", &[]);
}

#[test]
fn update_and_info() {
    let (directory, services) = services("update");
    run(&directory, &services, "update_and_info", "update", &[]);
}

#[test]
fn cancel_while_the_mixer_is_slow() {
    let (directory, services) = services("cancel");
    services.mixer.signal(Signal::STOP).expect("stop");
    let outcome = Sipp::start(&directory, "cancel", services.sip, "cancel", &[])
        .and_then(|mut sipp| sipp.passed(LIMIT));
    services.mixer.signal(Signal::CONT).expect("continue");
    outcome.unwrap_or_else(|error| panic!("{error:#}\n{}", services.registrar.output()));
    std::thread::sleep(Duration::from_secs(1));
    let page = services.mixer_metrics().expect("metrics");
    assert_eq!(metric(&page, "parley_mixer_legs", ""), 0.0, "the cancelled leg is gone\n{page}");
}

#[test]
fn refusals_name_their_cause() {
    let (directory, services) = services("refusals");
    run(&directory, &services, "no_common_codec", "g729", &[]);
    run(&directory, &services, "unknown_method", "dance", &[]);
    run(&directory, &services, "merged", "twice", &[]);
    run(&directory, &services, "bad_input", "wrong", &[]);
}

#[test]
fn many_calls_leave_nothing_behind() {
    let (directory, services) = services("many");
    run(&directory, &services, "join_brief", "many", &["-m", "200", "-l", "20", "-r", "50"]);
    std::thread::sleep(Duration::from_millis(500));
    let page = services.mixer_metrics().expect("metrics");
    assert_eq!(metric(&page, "parley_mixer_legs", ""), 0.0, "{page}");
    services.wait_empty().expect("the last member has left");
}
