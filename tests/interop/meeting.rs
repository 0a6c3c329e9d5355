//! One conference with two softphones, baresip, Linphone and SIPp: everybody hears everybody else and
//! not themselves, and sees a picture.

use std::time::Duration;

use system_tests::clients::{Baresip, BaresipSetup, Linphone, Sipp, Softphone};
use system_tests::services::{Services, metric, scratch};
use system_tests::signal::{write_tone, write_ulaw_tone};

use crate::hearing::{assert_hears, assert_picture, frames_of};

const ANNA: f64 = 440.0;
const BEN: f64 = 570.0;
const BARESIP: f64 = 730.0;
const LINPHONE: f64 = 910.0;
const SIPP: f64 = 1130.0;

#[test]
fn softphones_baresip_linphone_and_sipp_meet() {
    let directory = scratch("meeting").expect("a directory");
    let services = Services::start(&directory).expect("services");
    let uri = services.conference("meeting");
    let tone = |name: &str, hertz: f64, rate: u32| {
        let file = directory.join(format!("tone-{name}.wav"));
        write_tone(&file, hertz, rate, 40).expect("a tone");
        file
    };
    let anna_tone = format!("loop:{}", tone("anna", ANNA, 48_000).display());
    let ben_tone = format!("loop:{}", tone("ben", BEN, 48_000).display());
    write_ulaw_tone(&directory.join("tone.ul"), SIPP, 40).expect("a tone");

    let join = |name: &str, mic: &str| {
        let arguments = ["--headless", "--mic", mic, "--camera", "pattern", "--duration", "24"];
        Softphone::join(&directory, name, &uri, &arguments).expect("a softphone")
    };
    let mut anna = join("anna", &anna_tone);
    let mut ben = join("ben", &ben_tone);
    let setup = BaresipSetup { video: true, ..BaresipSetup::default() };
    let mut baresip = Baresip::start(&directory, "bare", &tone("bare", BARESIP, 48_000), &setup)
        .expect("baresip");
    baresip.command(&format!("dial {uri}")).expect("dial");
    let mut linphone = Linphone::start(&directory, "lin", &tone("lin", LINPHONE, 16_000), true)
        .expect("linphonec");
    linphone.command(&format!("call {uri}")).expect("call");
    let mut sipp = Sipp::start(&directory, "join", services.sip, "meeting", &[]).expect("sipp");

    std::thread::sleep(Duration::from_secs(6));
    let page = services.registrar_metrics().expect("metrics");
    assert_eq!(metric(&page, "parley_members", ""), 5.0, "{page}");
    linphone.snapshot(&directory.join("lin.jpg")).expect("snapshot");
    baresip.snapshot(&directory.join("bare.png")).expect("snapshot");
    sipp.passed(Duration::from_secs(20)).expect("sipp");
    std::thread::sleep(Duration::from_secs(1));
    linphone.quit().expect("linphonec ends");
    baresip.quit().expect("baresip ends");
    let anna_report = anna.report(Duration::from_secs(30)).expect("a report");
    let ben_report = ben.report(Duration::from_secs(30)).expect("a report");

    // the recordings of those who stayed longer are mostly without the others: what they heard is
    // judged at those who were there all the time with them
    assert_hears("anna", &anna.recording(), &[BEN], &[ANNA]);
    assert_hears("ben", &ben.recording(), &[ANNA], &[BEN]);
    assert_hears(
        "baresip",
        &baresip.recording().expect("dump"),
        &[ANNA, BEN, LINPHONE],
        &[BARESIP],
    );
    assert_hears("linphone", linphone.recording(), &[ANNA, BEN, BARESIP], &[LINPHONE]);
    for (who, recording) in [("anna", anna.recording()), ("ben", ben.recording())] {
        let heard = system_tests::listen::Recording::read(&recording).expect("a recording");
        for tone in [BARESIP, LINPHONE, SIPP] {
            let peak = heard.tone_longest(tone);
            assert!(peak > -30.0, "{who} never hears {tone} Hz ({peak:.1} dB)");
        }
    }

    assert!(frames_of(&anna_report, "ben") > 100, "{anna_report:#}");
    assert!(frames_of(&ben_report, "anna") > 100, "{ben_report:#}");
    assert!(frames_of(&anna_report, "bare") > 30, "{anna_report:#}");
    // linphonec's camera is a still picture, sent once a second
    assert!(frames_of(&anna_report, "lin") >= 2, "{anna_report:#}");
    assert_picture("anna", &anna.snapshot());
    assert_picture("linphone", &directory.join("lin.jpg"));
    assert_picture("baresip", &directory.join("bare.png"));

    services.wait_empty().expect("the last member has left");
}
