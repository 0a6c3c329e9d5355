//! One conference in which everybody speaks another codec: all that baresip and we have in common, over UDP and TCP.

use std::path::Path;
use std::time::Duration;

use system_tests::clients::{Baresip, BaresipSetup};
use system_tests::services::{Services, scratch};
use system_tests::signal::write_tone;

use crate::hearing::assert_hears;

/// Name, codec as baresip writes it, transport of its signalling, its tone.
const CLIENTS: [(&str, &str, &str, f64); 4] = [
    ("opus", "opus", "udp", 440.0),
    ("pcmu", "pcmu", "tcp", 570.0),
    ("pcma", "pcma", "udp", 730.0),
    ("g722", "g722", "tcp", 910.0),
];

fn start(directory: &Path, uri: &str, client: (&str, &str, &str, f64)) -> Baresip {
    let (name, codec, transport, hertz) = client;
    let tone = directory.join(format!("{name}-tone.wav"));
    write_tone(&tone, hertz, 48_000, 30).expect("a tone");
    let (codecs, transport) = (codec.to_owned(), transport.to_owned());
    let setup = BaresipSetup { codecs, transport, ..BaresipSetup::default() };
    let mut baresip = Baresip::start(directory, name, &tone, &setup).expect("baresip");
    let uri = format!("{uri};transport={}", setup.transport);
    baresip.command(&format!("dial {uri}")).expect("dial");
    baresip
}

#[test]
fn baresips_of_all_codecs_hear_each_other() {
    let directory = scratch("codecs").expect("a directory");
    let services = Services::start(&directory).expect("services");
    let uri = services.conference("codecs");
    let mut all = CLIENTS.map(|client| start(&directory, &uri, client));
    std::thread::sleep(Duration::from_secs(7));
    for baresip in &mut all {
        baresip.quit().expect("baresip ends");
    }
    // Those who stay longest hear the others a part of the time only; the first to leave hears all of them always.
    for (index, (name, .., own)) in CLIENTS.iter().enumerate() {
        let others: Vec<f64> =
            CLIENTS.iter().skip(index + 1).map(|(.., hertz)| *hertz).take(2).collect();
        let recording = all[index].recording().expect("a recording");
        assert_hears(name, &recording, &others, &[*own]);
    }
}
