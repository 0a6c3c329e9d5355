//! What happens when something is not there or ends: the mixer, the registrar, the account.

use std::time::Duration;

use rustix::process::Signal;
use system_tests::clients::{Sipp, Softphone};
use system_tests::services::{Services, scratch};

const LIMIT: Duration = Duration::from_secs(40);

#[test]
fn a_lost_mixer_ends_calls_refuses_new_ones_and_is_used_again() {
    let directory = scratch("mixer-gone").expect("a directory");
    let mut services = Services::start(&directory).expect("services");
    let mut member =
        Sipp::start(&directory, "ended_by_server", services.sip, "doomed", &[]).expect("sipp");
    std::thread::sleep(Duration::from_secs(1));
    services.mixer.signal(Signal::KILL).expect("kill");
    member
        .passed(LIMIT)
        .unwrap_or_else(|error| panic!("{error:#}\n{}", services.registrar.output()));
    let run = |services: &Services, scenario: &str| {
        Sipp::start(&directory, scenario, services.sip, "again", &[])
            .and_then(|mut sipp| sipp.passed(LIMIT))
            .unwrap_or_else(|error| panic!("{error:#}\n{}", services.registrar.output()));
    };
    run(&services, "mixer_gone");
    services.restart_mixer().expect("a mixer");
    run(&services, "join_brief");
}

#[test]
fn sigterm_ends_calls_with_bye_and_a_clean_exit() {
    let directory = scratch("sigterm").expect("a directory");
    let mut services = Services::start(&directory).expect("services");
    let mut member =
        Sipp::start(&directory, "ended_by_server", services.sip, "closing", &[]).expect("sipp");
    std::thread::sleep(Duration::from_secs(1));
    let status = services.registrar.terminate().expect("the registrar ends");
    assert!(status.success(), "{status}\n{}", services.registrar.output());
    member
        .passed(LIMIT)
        .unwrap_or_else(|error| panic!("{error:#}\n{}", services.registrar.output()));
    let status = services.mixer.terminate().expect("the mixer ends");
    assert!(status.success(), "{status}\n{}", services.mixer.output());
}

#[test]
fn the_softphone_says_in_one_line_why_it_failed() {
    let directory = scratch("softphone-failures").expect("a directory");
    let services = Services::start(&directory).expect("services");
    let quiet = ["--headless", "--mic", "none", "--camera", "none", "--duration", "3"];
    let fails = |name: &str, uri: &str, more: &[&str]| {
        let arguments = [&quiet[..], more].concat();
        let mut phone = Softphone::join(&directory, name, uri, &arguments).expect("a softphone");
        let status = phone.program().wait(LIMIT).expect("an end");
        (status.code().expect("an exit code"), phone.program().output())
    };
    let meeting = services.conference("room");
    let alice = ["--user", "alice", "--password", "wrong"];
    let (code, output) = fails("wrong-password", &meeting, &alice);
    assert_eq!(code, 4, "{output}");
    let (code, output) = fails("nobody-there", "sip:room@127.0.0.1:9", &[]);
    assert_eq!(code, 3, "{output}");
    services.mixer.signal(Signal::KILL).expect("kill");
    std::thread::sleep(Duration::from_secs(1));
    let (code, output) = fails("no-mixer", &meeting, &[]);
    assert_eq!(code, 7, "{output}");
    assert!(output.contains("503"), "{output}");
}
