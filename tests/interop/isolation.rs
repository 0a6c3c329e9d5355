//! Many conferences at once: no tone, picture or line of chat of one is ever in another.

use std::time::Duration;

use system_tests::clients::{Baresip, BaresipSetup, Softphone};
use system_tests::services::{Services, scratch};
use system_tests::signal::{write_colour, write_tone};

use crate::hearing::{assert_hears, colour_of, frames_of};

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

/// Their pictures: red, green, blue, yellow, cyan, magenta, white, orange, violet, dark (Y, U, V).
const COLOURS: [[u8; 3]; 10] = [
    [76, 85, 255],
    [150, 44, 21],
    [29, 255, 107],
    [226, 1, 149],
    [179, 171, 1],
    [105, 212, 235],
    [235, 128, 128],
    [151, 44, 201],
    [60, 190, 160],
    [40, 128, 128],
];

/// What the one with the camera and the one without say in conference `number`, in Hz.
fn tones(number: usize) -> [f64; 2] {
    [2 * number, 2 * number + 1].map(|place| 350.0 + 137.0 * place as f64)
}

/// Each conference has a tone of its own from each of two members, a picture of its own colour, and a text of its own from each.
#[test]
fn ten_conferences_at_once_are_islands() {
    let directory = scratch("islands").expect("a directory");
    let services = Services::start(&directory).expect("services");
    let names = |number: usize| [format!("camera-{number}"), format!("viewer-{number}")];
    let text = |name: &str| format!("only for those with {name}");
    let mut phones = Vec::new();
    for (number, colour) in COLOURS.into_iter().enumerate() {
        let uri = services.conference(&format!("island-{number}"));
        let camera = directory.join(format!("colour-{number}.y4m"));
        write_colour(&camera, colour).expect("a picture");
        // Who has the camera stays until the other one has gone.
        let kinds = [(camera.display().to_string(), "24"), ("none".to_owned(), "18")];
        for ((name, hertz), (camera, seconds)) in
            names(number).iter().zip(tones(number)).zip(&kinds)
        {
            let tone = directory.join(format!("{name}-tone.wav"));
            write_tone(&tone, hertz, 48_000, 20).expect("a tone");
            let mic = format!("loop:{}", tone.display());
            let log = directory.join(format!("{name}.chat"));
            let (log, said) = (log.display().to_string(), text(name));
            let arguments = [
                ["--mic", &mic],
                ["--camera", camera],
                ["--video-slots", "2"],
                ["--duration", seconds],
                ["--chat-log", &log],
                ["--say", &said],
                ["--say-at", "10"],
            ];
            let mut arguments = arguments.concat();
            arguments.push("--headless");
            let phone = Softphone::join(&directory, name, &uri, &arguments);
            phones.push(phone.expect("a softphone"));
        }
    }
    let reports: Vec<_> = phones
        .iter_mut()
        .map(|phone| phone.report(Duration::from_secs(60)).expect("a report"))
        .collect();

    for (number, colour) in COLOURS.into_iter().enumerate() {
        for (own, other) in [(0, 1), (1, 0)] {
            let (name, partner) = (&names(number)[own], &names(number)[other]);
            let phone = &phones[2 * number + own];
            let heard = tones(number)[other];
            let every = (0..COLOURS.len()).flat_map(tones);
            let foreign: Vec<f64> = every.filter(|hertz| *hertz != heard).collect();
            assert_hears(name, &phone.recording(), &[heard], &foreign);
            let chat = std::fs::read_to_string(directory.join(format!("{name}.chat")));
            let chat = chat.expect("a log of the chat");
            let read = |name: &str| chat.contains(&text(name));
            assert!(read(partner), "{name} has not read {partner}: {chat}");
            for number in (0..COLOURS.len()).filter(|other| *other != number) {
                assert!(!names(number).iter().any(|name| read(name)), "{name} reads {chat}");
            }
        }
        let report = &reports[2 * number + 1];
        for (other, _) in COLOURS.iter().enumerate() {
            let frames = frames_of(report, &names(other)[0]);
            assert_eq!(frames > 20, other == number, "viewer {number}, camera {other}: {frames}");
        }
        // The camera is the upper one of two tiles.
        let seen = colour_of(&phones[2 * number + 1].snapshot(), 640, 180);
        let meant = rgb(colour);
        let apart = seen.iter().zip(meant).map(|(a, b)| a.abs_diff(b)).max();
        assert!(apart < Some(24), "viewer {number} sees {seen:?} and not {meant:?}");
    }
}

/// BT.601 in the range of television, as cameras and the softphone use it.
fn rgb([y, u, v]: [u8; 3]) -> [u8; 3] {
    let [y, u, v] = [(f64::from(y) - 16.0) * 1.164, f64::from(u) - 128.0, f64::from(v) - 128.0];
    [y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u].map(|c| c.clamp(0.0, 255.0) as u8)
}
