//! Reports, names and good-byes.

use std::collections::BTreeMap;
use std::time::Duration;

use media_codec::AudioCodec::{Opus, Pcmu};
use rtp_session::rtcp::{Compound, Rtcp, SenderInfo};
use rtp_session::{NtpTime, RtpTime};

use crate::phone::Phone;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

/// SSRC → (CNAME, NAME) as told on a line.
fn names(phone: &Phone, line: usize) -> BTreeMap<u32, (String, String)> {
    let mut names = BTreeMap::new();
    for (from, packet) in &phone.reports {
        let Rtcp::Sdes(chunks) = packet else { continue };
        if *from != phone.lines[line] {
            continue;
        }
        for chunk in chunks {
            let cname = chunk.cname.clone().unwrap_or_default();
            names.insert(chunk.ssrc.0, (cname, chunk.name.clone().unwrap_or_default()));
        }
    }
    names
}

#[test]
fn everybody_is_named_by_voice_and_by_picture_with_one_cname() {
    let mut world = World::new();
    for (n, name) in [(1, "anna"), (2, "bert"), (3, "zoé")] {
        let phone = Phone::new(name, n, Opus, 200.0 + 210.0 * f64::from(n)).with_video(2);
        world.join(phone).unwrap();
    }
    world.run(SECOND * 3);
    let (bert, zoe) = (world.phones["bert"].ssrc, world.phones["zoé"].ssrc);
    let (bert_video, zoe_video) = (world.phones["bert"].video_ssrc, world.phones["zoé"].video_ssrc);
    let anna = &world.phones["anna"];
    let voices = names(anna, 0);
    assert_eq!(voices[&bert.0].1, "BERT");
    assert_eq!(voices[&zoe.0].1, "ZOÉ");
    assert!(!voices.contains_key(&anna.ssrc.0), "not oneself");
    assert_eq!(names(anna, 1)[&bert_video.0], voices[&bert.0], "same CNAME and NAME");
    assert_eq!(names(anna, 2)[&zoe_video.0], voices[&zoe.0]);
    assert_ne!(voices[&bert.0].0, voices[&zoe.0].0);
    assert!(!voices[&bert.0].0.is_empty());
}

#[test]
fn a_leaver_is_said_good_bye_for_by_voice_and_by_picture() {
    let mut world = World::new();
    for (n, name) in [(1, "anna"), (2, "bert"), (3, "zoé")] {
        let phone = Phone::new(name, n, Opus, 200.0 + 210.0 * f64::from(n)).with_video(2);
        world.join(phone).unwrap();
    }
    world.run(SECOND * 3);
    let (voice, picture) = (world.phones["bert"].ssrc, world.phones["bert"].video_ssrc);
    world.leave("bert");
    world.run(SECOND / 5);
    for (line, ssrc) in [(0, voice), (1, picture)] {
        let anna = &world.phones["anna"];
        let told = anna.reports.iter().any(|(from, packet)| {
            *from == anna.lines[line] && matches!(packet, Rtcp::Bye(bye) if bye.ssrcs == [ssrc])
        });
        assert!(told, "line {line}");
    }
}

#[test]
fn sender_and_receiver_reports_are_right() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 610.0)).unwrap();
    world.run(SECOND * 20);
    let a = &world.phones["a"];
    let mut blocks = 0;
    let mut infos = Vec::new();
    for (_, packet) in &a.reports {
        let Rtcp::SenderReport { ssrc, info, blocks: some } = packet else { continue };
        assert_eq!(*ssrc, a.got[0].packet.ssrc());
        infos.push(*info);
        for block in some {
            assert_eq!(block.ssrc, a.ssrc);
            assert_eq!((block.fraction_lost, block.lost), (0, 0));
            blocks += 1;
        }
    }
    assert!(infos.len() >= 3 && blocks >= 3, "{} reports, {blocks} blocks", infos.len());
    for pair in infos.windows(2) {
        let seconds = (pair[1].ntp.0 - pair[0].ntp.0) as f64 / 4_294_967_296.0;
        let units = f64::from(pair[1].rtp.distance_from(pair[0].rtp));
        assert!((units - seconds * 8000.0).abs() < 161.0, "{units} units in {seconds} s");
        assert!(pair[1].packets > pair[0].packets);
        assert_eq!((pair[1].octets - pair[0].octets) / (pair[1].packets - pair[0].packets), 160);
    }
    assert_eq!(a.reports.iter().filter(|(_, packet)| matches!(packet, Rtcp::Bye(_))).count(), 0);
    world.leave("a");
    let byes = |name: &str| {
        world.phones[name]
            .reports
            .iter()
            .filter(|(_, packet)| matches!(packet, Rtcp::Bye(_)))
            .count()
    };
    assert_eq!((byes("a"), byes("b")), (1, 0));
}

/// A picture of the moment t and the voice of the moment t must come out at the same moment of the mixer's clock, though
/// they take different times through it (RFC 3550 §6.4.1).
#[test]
fn voice_and_picture_stay_together() {
    let mut world = World::new();
    world.join(Phone::new("a", 1, Pcmu, 400.0).with_video(0)).unwrap();
    world.join(Phone::new("b", 2, Pcmu, 0.0).with_video(0)).unwrap();
    // The camera of b is 300 ms late: a frame is sent when its voice of 300 ms later is.
    let late = Duration::from_millis(300);
    let mut said = false;
    for tick in 0..500 {
        world.tick();
        if tick >= 20 && !said {
            said = true;
            let b = &world.phones["b"];
            let (voice, picture) = (b.last_voice(), b.last_picture());
            let ntp = NtpTime(1_000 << 32);
            let since = |rtp: RtpTime, rate: f64, seconds: f64| {
                RtpTime(rtp.0.wrapping_add_signed((seconds * rate) as i32))
            };
            for (line, ssrc, rtp) in [
                (0, b.ssrc, voice),
                (1, b.video_ssrc, since(picture, 90_000.0, late.as_secs_f64())),
            ] {
                let info = SenderInfo { ntp, rtp, packets: 1, octets: 1 };
                let mut compound = Compound::default();
                assert!(compound.push(&Rtcp::SenderReport { ssrc, info, blocks: Vec::new() }));
                let (to, from) =
                    (world.phones["b"].lines[line], world.phones["b"].line_address(line));
                world.send(to, from, &compound.finish());
            }
        }
    }
    // On a's side: the moment of the mixer's clock at which a picture is to be seen, by the last report.
    let a = &world.phones["a"];
    let info = a
        .reports
        .iter()
        .rev()
        .find_map(|(line, packet)| match packet {
            Rtcp::SenderReport { info, .. } if *line == a.lines[1] => Some(*info),
            _ => None,
        })
        .expect("a report about the picture");
    let picture = a.video_packets(1).last().copied().unwrap().clone();
    let shown = info.ntp.0 as f64 / 4_294_967_296.0
        + f64::from(picture.packet.timestamp().distance_from(info.rtp)) / 90_000.0;
    let arrived = 2_208_988_800.0 + 1_700_000_000.0 + (picture.at - world.start).as_secs_f64();
    // It arrived now, but belongs to what was said 300 ms ago (the voice waits one tick in the mixer).
    let behind = arrived - shown;
    assert!((behind - 0.28).abs() < 0.05, "the picture is {behind} s behind");
}
