//! Speech over a network that loses one media packet in twenty, each way.
//!
//! The test runs itself again in a network namespace of its own whose filter drops 5 % of all RTP and RTCP by chance.

use std::process::Command;
use std::time::Duration;

use system_tests::clients::{Baresip, BaresipSetup, Softphone};
use system_tests::listen::Recording;
use system_tests::services::{Services, scratch};
use system_tests::signal::write_tone;

/// Set inside the namespace.
const INSIDE: &str = "PARLEY_LOSSY_INSIDE";

/// Version 2 in the first two bits (RFC 3550 §5.1) is media; SIP and all else begin with letters. baresip wants a
/// network card, though nothing goes out by it.
const NETWORK: &str = "ip link set lo up && ip link add card type veth peer name wall \
    && ip addr add 10.9.8.7/24 dev card && ip link set card up && ip link set wall up \
    && ip route add default via 10.9.8.1 && nft add table inet lossy \
    && nft add chain inet lossy in '{ type filter hook input priority 0; }' \
    && nft add rule inet lossy in meta l4proto udp @th,64,2 2 numgen random mod 100 \\< 5 drop \
    && exec \"$0\" \"$@\"";

/// Tones are at −20 dB; where one is less than −38 dB for 20 ms is a hole. What is made up for a lost packet is weaker
/// than what was lost, a tone alone by up to 15 dB for some frames, but it is there.
const FLOOR: f64 = -38.0;

const ANNA: f64 = 400.0;
const OPUS: f64 = 600.0;
const PCMU: f64 = 900.0;

#[test]
fn speech_stays_whole_at_five_percent_loss() {
    if std::env::var_os(INSIDE).is_some() {
        return meet();
    }
    let outcome = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", NETWORK])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "lossy::speech_stays_whole_at_five_percent_loss", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare (util-linux)");
    assert!(
        outcome.success(),
        "see above; it needs nft, ip, and user namespaces for non-root users"
    );
}

fn meet() {
    let directory = scratch("lossy").expect("a directory");
    let services = Services::start(&directory).expect("services");
    let uri = services.conference("lossy");
    let tone = |name: &str, hertz: f64| {
        let file = directory.join(format!("tone-{name}.wav"));
        write_tone(&file, hertz, 48_000, 40).expect("a tone");
        file
    };
    let microphone = format!("loop:{}", tone("anna", ANNA).display());
    let arguments = ["--headless", "--mic", &microphone, "--camera", "none", "--duration", "18"];
    let mut anna = Softphone::join(&directory, "anna", &uri, &arguments).expect("a softphone");
    let start = |name: &str, hertz: f64| {
        let setup = BaresipSetup { codecs: name.to_owned(), ..BaresipSetup::default() };
        let mut baresip =
            Baresip::start(&directory, name, &tone(name, hertz), &setup).expect("baresip");
        baresip.command(&format!("dial {uri}")).expect("dial");
        baresip
    };
    let (mut opus, mut pcmu) = (start("opus", OPUS), start("pcmu", PCMU));
    std::thread::sleep(Duration::from_secs(12));
    opus.quit().expect("baresip ends");
    pcmu.quit().expect("baresip ends");
    anna.report(Duration::from_secs(20)).expect("a report");

    let recordings = [
        ("anna", anna.recording(), vec![OPUS, PCMU]),
        ("opus", opus.recording().expect("a recording"), vec![ANNA, PCMU]),
        ("pcmu", pcmu.recording().expect("a recording"), vec![ANNA, OPUS]),
    ];
    let (mut faults, mut missing) = (Vec::new(), Vec::new());
    for (who, file, tones) in recordings {
        let heard = Recording::read(&file).expect("a recording");
        for hertz in tones {
            let found = heard.wholeness(hertz, FLOOR);
            let line = format!(
                "{who} hears {hertz} Hz for {:.1} s, {:.2} % missing, longest gap {:?}",
                found.seconds,
                found.missing * 100.0,
                found.longest_gap
            );
            println!("{line}");
            missing.push(found.missing);
            if found.seconds < 8.0 || found.longest_gap > LONGEST_GAP {
                faults.push(line);
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let mean = missing.iter().sum::<f64>() / missing.len() as f64;
    println!("{:.2} % missing on average", mean * 100.0);
    assert!(mean < MISSING, "{missing:?}");
}

/// Mean of all who hear somebody. On two ways 9.75 % of the packets are lost: so much is missing if nobody makes up for
/// them. Measured in five runs: 1.8 to 3.3 %; chance decides what a single one of the six loses, up to 7 %.
const MISSING: f64 = 0.05;

/// Measured on a quiet machine: 40 ms. Programs that are not let run on a busy one make holes too.
const LONGEST_GAP: Duration = Duration::from_millis(200);
