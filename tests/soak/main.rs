//! Many calls on real sockets, and what they leave in the memory of the two services.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test program")]

use std::time::{Duration, Instant};

use system_tests::clients::Sipp;
use system_tests::process::Program;
use system_tests::services::{Services, metric, scratch};

/// Calls, and how many begin in a second.
const CALLS: u32 = 20_000;
const RATE: u32 = 100;

/// Transactions stay for 64·T1 = 32 s (RFC 3261 §17) and ports in quarantine as long: only after that is the
/// memory full that this rate of calls needs.
const WARM: Duration = Duration::from_secs(45);

/// What the allocator may take beside: less than 200 octets for each call after the warming.
const GROWTH_KIB: u64 = 3 * 1024;

/// Resident memory of a program in KiB.
fn resident(program: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid()));
    let status = status.expect("a running program");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    words.and_then(|kib| kib.parse().ok()).expect("VmRSS in KiB")
}

#[test]
fn memory_is_flat_over_many_calls() {
    let directory = scratch("soak").expect("a directory");
    let services = Services::start(&directory).expect("services");
    let (calls, rate) = (CALLS.to_string(), RATE.to_string());
    let arguments = ["-m", &calls, "-r", &rate, "-l", "400"];
    let mut sipp = Sipp::start(&directory, "join_brief", services.sip, "soak", &arguments)
        .expect("sipp (scripts/deps test)");
    let start = Instant::now();
    let mut warm = None;
    println!("seconds  registrar KiB  mixer KiB");
    while sipp.is_running() {
        std::thread::sleep(Duration::from_secs(5));
        let now = [resident(&services.registrar), resident(&services.mixer)];
        println!("{:7}  {:13}  {:9}", start.elapsed().as_secs(), now[0], now[1]);
        if start.elapsed() > WARM {
            warm.get_or_insert(now);
        }
        assert!(start.elapsed() < Duration::from_secs(1200), "the calls do not come to an end");
    }
    sipp.passed(Duration::from_secs(1)).expect("every call as its scenario says");
    let last = [resident(&services.registrar), resident(&services.mixer)];
    let warm = warm.expect("it takes longer than the warming");
    for ((name, last), warm) in ["registrar", "mixer"].into_iter().zip(last).zip(warm) {
        assert!(last <= warm + GROWTH_KIB, "{name} grew from {warm} to {last} KiB");
    }
    // calls that ended stay known for 64·T1 (RFC 3261 §17.2.3)
    std::thread::sleep(Duration::from_secs(35));
    let page = services.registrar_metrics().expect("metrics");
    assert_eq!(metric(&page, "parley_members", ""), 0.0, "{page}");
    let page = services.mixer_metrics().expect("metrics");
    assert_eq!(metric(&page, "parley_mixer_legs", ""), 0.0, "{page}");
}
