//! A call between two registered users: signalling through the registrar, media between them.

use std::time::Duration;

use system_tests::clients::{Baresip, BaresipSetup, Linphone};
use system_tests::services::{Services, metric, scratch};
use system_tests::signal::write_tone;

use crate::hearing::assert_hears;

#[test]
fn linphone_calls_a_registered_baresip() {
    let directory = scratch("direct-call").expect("a directory");
    let services = Services::start(&directory).expect("services");
    let tone = |name: &str, hertz: f64, rate: u32| {
        let file = directory.join(format!("tone-{name}.wav"));
        write_tone(&file, hertz, rate, 30).expect("a tone");
        file
    };
    let host = format!("127.0.0.1:{}", services.sip);
    let setup = BaresipSetup {
        registrar: Some((host.clone(), "builder".to_owned())),
        ..BaresipSetup::default()
    };
    let mut bob =
        Baresip::start(&directory, "bob", &tone("bob", 730.0, 48_000), &setup).expect("baresip");
    let mut alice = Linphone::start(&directory, "alice", &tone("alice", 440.0, 16_000), false)
        .expect("linphonec");
    alice.register("alice", &host, "wonderland").expect("register");
    std::thread::sleep(Duration::from_secs(3));
    let page = services.registrar_metrics().expect("metrics");
    assert_eq!(metric(&page, "parley_bindings", ""), 2.0, "{page}\n{}", bob.output());

    alice.command(&format!("call sip:bob@{host}")).expect("call");
    std::thread::sleep(Duration::from_secs(7));
    alice.quit().expect("linphonec ends");
    bob.quit().expect("baresip ends");
    assert_hears("alice", alice.recording(), &[730.0], &[440.0]);
    assert_hears("bob", &bob.recording().expect("dump"), &[440.0], &[730.0]);
}
