//! Three conferences at once: no tone of one is ever in another.

use std::time::Duration;

use system_tests::clients::{Baresip, BaresipSetup, Softphone};
use system_tests::services::{Services, scratch};
use system_tests::signal::write_tone;

use crate::hearing::{assert_hears, frames_of};

/// Name of the conference, tone of its softphone, tone of its baresip, codec of its baresip.
const CONFERENCES: [(&str, f64, f64, &str); 3] = [
    ("red", 440.0, 570.0, "opus"),
    ("green", 730.0, 910.0, "pcmu"),
    ("blue", 1130.0, 1370.0, "pcma"),
];

#[test]
fn three_conferences_at_once_do_not_leak() {
    let directory = scratch("isolation").expect("a directory");
    let services = Services::start(&directory).expect("services");
    let mut phones = Vec::new();
    let mut guests = Vec::new();
    for (name, softphone_tone, baresip_tone, codec) in CONFERENCES {
        let uri = services.conference(name);
        let softphone_file = directory.join(format!("{name}-softphone-tone.wav"));
        let baresip_file = directory.join(format!("{name}-baresip-tone.wav"));
        write_tone(&softphone_file, softphone_tone, 48_000, 40).expect("a tone");
        write_tone(&baresip_file, baresip_tone, 48_000, 40).expect("a tone");
        let mic = format!("loop:{}", softphone_file.display());
        let arguments = ["--headless", "--mic", &mic, "--camera", "pattern", "--duration", "16"];
        phones.push(
            Softphone::join(&directory, &format!("{name}-phone"), &uri, &arguments)
                .expect("a softphone"),
        );
        let setup = BaresipSetup { codecs: codec.to_owned(), ..BaresipSetup::default() };
        let mut guest = Baresip::start(&directory, &format!("{name}-guest"), &baresip_file, &setup)
            .expect("baresip");
        guest.command(&format!("dial {uri}")).expect("dial");
        guests.push(guest);
    }
    std::thread::sleep(Duration::from_secs(9));
    for guest in &mut guests {
        guest.quit().expect("baresip ends");
    }
    let reports: Vec<_> = phones
        .iter_mut()
        .map(|phone| phone.report(Duration::from_secs(30)).expect("a report"))
        .collect();

    for (place, (name, softphone_tone, baresip_tone, _)) in CONFERENCES.into_iter().enumerate() {
        let foreign: Vec<f64> = CONFERENCES
            .iter()
            .filter(|other| other.0 != name)
            .flat_map(|other| [other.1, other.2])
            .collect();
        let mut absent_at_phone = foreign.clone();
        absent_at_phone.push(softphone_tone);
        assert_hears(name, &phones[place].recording(), &[baresip_tone], &absent_at_phone);
        let mut absent_at_guest = foreign;
        absent_at_guest.push(baresip_tone);
        let dump = guests[place].recording().expect("dump");
        assert_hears(name, &dump, &[softphone_tone], &absent_at_guest);
        for (other, _, _, _) in CONFERENCES {
            assert_eq!(
                frames_of(&reports[place], &format!("{other}-phone")),
                0,
                "a picture leaked"
            );
        }
    }
}
