//! Who sees whom, and that a receiver sees one unbroken stream whoever is in it.

use std::time::Duration;

use bytes::Bytes;
use media_codec::AudioCodec::Pcmu;
use media_mixer::Event;
use rtp_session::rtcp::{Compound, Nack, Pli, Remb, Rtcp};
use rtp_session::vp8::{Descriptor, PictureId};
use rtp_session::{RtpPacket, Seq, Ssrc};

use crate::phone::{Got, Phone, VideoOffer};
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

fn phone(n: u8, tiles: usize) -> Phone {
    Phone::new(&format!("p{n}"), n, Pcmu, 200.0 + 210.0 * f64::from(n)).with_video(tiles)
}

fn meeting(members: u8, tiles: usize) -> World {
    let mut world = World::new();
    for n in 1..=members {
        world.join(phone(n, tiles)).unwrap();
    }
    world
}

/// Who is seen on a line, in order of appearance.
fn seen(world: &mut World, who: &str, line: usize) -> Vec<String> {
    let mut names: Vec<String> =
        world.phone(who).pictures(line).into_iter().map(|(name, _, _)| name).collect();
    names.dedup();
    names
}

/// Numbers without a hole, time that moves on, picture ids one by one, one SSRC.
fn assert_continuous(packets: &[&Got]) {
    let id =
        |packet: &RtpPacket| match Descriptor::parse(packet.payload_ref()).unwrap().0.picture_id {
            Some(PictureId::Long(id)) => id,
            other => panic!("{other:?}"),
        };
    for pair in packets.windows(2) {
        let (a, b) = (&pair[0].packet, &pair[1].packet);
        assert_eq!(b.seq(), a.seq().next());
        assert_eq!(b.ssrc(), a.ssrc());
        assert_eq!(b.payload_type(), a.payload_type());
        let step = b.timestamp().distance_from(a.timestamp());
        let next_picture = id(b).wrapping_sub(id(a)) & 0x7fff;
        if a.marker() {
            assert!(step > 0 && step < 15 * 90_000, "time moves on by {step}");
            assert_eq!(next_picture, 1);
        } else {
            assert_eq!((step, next_picture), (0, 0), "one picture");
        }
    }
}

#[test]
fn everybody_sees_everybody_else_each_in_one_tile() {
    let mut world = meeting(3, 3);
    world.run(SECOND * 2);
    for (who, first, second) in [("p1", "p2", "p3"), ("p2", "p1", "p3"), ("p3", "p1", "p2")] {
        assert_eq!(seen(&mut world, who, 1), [first], "{who}");
        assert_eq!(seen(&mut world, who, 2), [second], "{who}");
        assert_eq!(seen(&mut world, who, 3), [""; 0], "more tiles than people: silent");
        for line in [1, 2] {
            assert!(world.phone(who).pictures(line)[0].2, "the first is a key frame");
            assert_continuous(&world.phone(who).video_packets(line));
        }
        let csrcs = world.phone(who).csrcs.clone();
        assert!(!csrcs.contains(&world.phone(who).video_ssrc.0));
    }
    let one = world.phone("p1").video_packets(1)[0].packet.clone();
    let csrcs: Vec<Ssrc> = one.csrcs().collect();
    assert_eq!(csrcs, [world.phone("p2").video_ssrc], "whose picture it is");
}

#[test]
fn a_leavers_tile_is_free_for_the_next_and_the_stream_in_it_goes_on() {
    let mut world = meeting(3, 2);
    world.run(SECOND);
    world.leave("p2");
    world.run(SECOND);
    world.join(phone(4, 2)).unwrap();
    world.run(SECOND);
    assert_eq!(seen(&mut world, "p1", 1), ["p2", "p4"]);
    assert_eq!(seen(&mut world, "p1", 2), ["p3"], "the others stay where they are");
    assert_continuous(&world.phone("p1").video_packets(1));
    let first_of_p4 = world.phone("p1").pictures(1).into_iter().find(|(name, _, _)| name == "p4");
    assert!(first_of_p4.unwrap().2, "it begins with a key frame");
}

#[test]
fn with_one_tile_the_active_speaker_is_seen_and_nobody_sees_themselves() {
    let mut world = meeting(3, 0);
    for n in 1..=3 {
        world.phone(&format!("p{n}")).tone = 0.0;
    }
    world.run(SECOND);
    for (speaker, tone) in [("p3", 830.0), ("p2", 620.0), ("p1", 410.0)] {
        world.phone(speaker).tone = tone;
        world.run(SECOND * 3);
        world.phone(speaker).tone = 0.0;
        world.run(SECOND);
    }
    assert_eq!(seen(&mut world, "p1", 1), ["p2", "p3", "p2"], "first come, then who speaks");
    assert_eq!(seen(&mut world, "p2", 1), ["p1", "p3", "p1"]);
    assert_eq!(seen(&mut world, "p3", 1), ["p1", "p2", "p1"]);
    for who in ["p1", "p2", "p3"] {
        assert_continuous(&world.phone(who).video_packets(1));
    }
}

#[test]
fn a_switch_waits_for_a_key_frame_and_asks_for_it() {
    let mut world = meeting(3, 0);
    for n in 1..=3 {
        world.phone(&format!("p{n}")).tone = 0.0;
    }
    world.run(SECOND * 2);
    let before = world.phone("p3").key_requests.len();
    world.phone("p3").tone = 830.0;
    world.run(SECOND * 3);
    assert!(world.phone("p3").key_requests.len() > before);
    for who in ["p1", "p2"] {
        let pictures = world.phone(who).pictures(1);
        for pair in pictures.windows(2) {
            assert!(pair[0].0 == pair[1].0 || pair[1].2, "{who}: a new picture is a key frame");
        }
    }
}

#[test]
fn many_receivers_ask_and_the_source_is_asked_twice_a_second() {
    let mut world = meeting(6, 5);
    world.run(SECOND * 2);
    let before = world.phone("p1").key_requests.len();
    for _ in 0..100 {
        for n in 2..=6u8 {
            let name = format!("p{n}");
            let line = world.phone(&name).lines[1];
            let from = world.phone(&name).line_address(1);
            let media = world.phone(&name).video_packets(1)[0].packet.ssrc();
            let mut compound = Compound::default();
            assert!(compound.push(&Rtcp::Pli(Pli { sender: Ssrc(n.into()), media })));
            world.send(line, from, &compound.finish());
        }
        world.tick();
    }
    let asked = world.phone("p1").key_requests.len() - before;
    assert!((3..=5).contains(&asked), "{asked} requests in two seconds");
    let times = world.phone("p1").key_requests.clone();
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(500));
    }
}

#[test]
fn lost_packets_are_sent_again_under_the_numbers_the_receiver_knows() {
    let mut world = meeting(2, 0);
    world.run(SECOND);
    let got = world.phone("p1").video_packets(1)[10].packet.clone();
    let line = world.phone("p1").lines[1];
    let from = world.phone("p1").line_address(1);
    world.phone("p1").listen_anew();
    let nack =
        Nack { sender: Ssrc(1), media: got.ssrc(), seqs: vec![got.seq(), Seq(got.seq().0 + 1)] };
    let mut compound = Compound::default();
    assert!(compound.push(&Rtcp::Nack(nack)));
    let datagram = compound.finish();
    world.send(line, from, &datagram);
    let again: Vec<Bytes> = world
        .phone("p1")
        .video_packets(1)
        .iter()
        .map(|got| got.packet.as_bytes().clone())
        .collect();
    assert_eq!(again.len(), 2);
    assert_eq!(again[0], got.as_bytes(), "octet for octet");
    world.send(line, from, &datagram);
    assert_eq!(world.phone("p1").video_packets(1).len(), 2, "not again at once");
    assert_eq!(world.conference.stats().legs[0].lines[1].counters.resent, 2);
}

#[test]
fn gaps_of_a_sender_are_asked_for_and_given_up_for_a_key_frame() {
    let mut world = meeting(2, 0);
    world.run(SECOND);
    world.phone("p1").key_requests.clear();
    let name = "p1".to_owned();
    // Every tenth packet of p1's picture is lost.
    let mut count = 0;
    let mut lost = Vec::new();
    for _ in 0..50 {
        let now = world.now;
        for (to, from, bytes) in world.phone(&name).speak(now) {
            let video = to == world.phone(&name).lines[1];
            count += usize::from(video);
            if video && count % 10 == 0 {
                lost.push(RtpPacket::parse(bytes).unwrap().seq().0);
            } else {
                world.send(to, from, &bytes);
            }
        }
        world.now += media_mixer::TICK;
        world.conference.handle_timeout(world.now);
        world.deliver();
    }
    lost.pop();
    let nacks = world.phone(&name).nacks.clone();
    for seq in &lost {
        assert!(nacks.contains(seq), "{seq} was asked for");
    }
    assert!(nacks.iter().all(|seq| lost.contains(seq) || !lost.is_empty()));
    assert!(!world.phone(&name).key_requests.is_empty(), "what does not come costs a key frame");
}

#[test]
fn a_phone_without_feedback_is_asked_by_the_signalling() {
    const PLAIN: VideoOffer =
        VideoOffer { profile: "RTP/AVP", direction: "sendrecv", feedback: &[] };
    let mut world = World::new();
    let mut plain = phone(1, 0);
    plain.video = vec![PLAIN];
    plain.want_key = false;
    world.join(plain).unwrap();
    world.join(phone(2, 0)).unwrap();
    world.run(SECOND * 3);
    let asked = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::KeyFrameWanted { leg } if leg == "p1"))
        .count();
    assert!((2..=4).contains(&asked), "{asked} times in three seconds");
    assert!(world.phone("p1").key_requests.is_empty());
    assert_eq!(world.phone("p2").pictures(1).len(), 0);
    world.phone("p1").want_key = true;
    world.run(SECOND);
    assert_eq!(seen(&mut world, "p2", 1), ["p1"]);
    // And the other way: it asks for a key frame of what it sees by INFO.
    let before = world.phone("p2").key_requests.len();
    world.conference.refresh_video(world.now, "p1").unwrap();
    world.deliver();
    assert_eq!(world.phone("p2").key_requests.len(), before + 1);
}

#[test]
fn more_senders_than_tiles_those_who_spoke_last() {
    let mut world = meeting(4, 1);
    for n in 1..=4 {
        world.phone(&format!("p{n}")).tone = 0.0;
    }
    world.run(SECOND);
    assert_eq!(seen(&mut world, "p1", 1), ["p2"]);
    assert_eq!(seen(&mut world, "p1", 2), ["p3"]);
    world.phone("p4").tone = 1040.0;
    world.run(SECOND * 3);
    world.phones.values_mut().for_each(Phone::listen_anew);
    world.run(SECOND);
    let both = [seen(&mut world, "p1", 1), seen(&mut world, "p1", 2)].concat();
    assert!(both.contains(&"p4".to_owned()), "{both:?}");
    assert_eq!(both.len(), 2);
}

#[test]
fn a_camera_switched_off_frees_its_tile_and_comes_back() {
    let mut world = meeting(3, 0);
    for n in 1..=3 {
        world.phone(&format!("p{n}")).tone = 0.0;
    }
    world.run(SECOND);
    assert_eq!(seen(&mut world, "p1", 1), ["p2"]);
    world.phone("p2").camera_on = false;
    world.run(SECOND * 12);
    assert_eq!(seen(&mut world, "p1", 1), ["p2", "p3"]);
    world.phone("p3").camera_on = false;
    world.phone("p2").camera_on = true;
    world.phone("p2").want_key = true;
    world.run(SECOND * 12);
    assert_eq!(seen(&mut world, "p1", 1), ["p2", "p3", "p2"]);
    assert_continuous(&world.phone("p1").video_packets(1));
}

#[test]
fn two_cameras_with_one_ssrc_are_told_apart() {
    let mut world = meeting(3, 0);
    for n in 1..=3 {
        world.phone(&format!("p{n}")).tone = 0.0;
    }
    world.run(Duration::from_millis(100));
    world.leave("p3");
    world.phones.remove("p3");
    let mut twin = Phone::new("p3", 2, Pcmu, 0.0).with_video(0);
    twin.address = "10.0.0.3:4000".parse().unwrap();
    world.join(twin).unwrap();
    world.run(SECOND);
    world.phone("p3").tone = 830.0;
    world.run(SECOND * 3);
    assert_eq!(seen(&mut world, "p1", 1), ["p2", "p3"]);
    assert_continuous(&world.phone("p1").video_packets(1));
    let csrcs: std::collections::BTreeSet<u32> = world
        .phone("p1")
        .video_packets(1)
        .iter()
        .flat_map(|got| got.packet.csrcs().map(|csrc| csrc.0))
        .collect();
    assert_eq!(csrcs.len(), 2, "receivers know them by different numbers");
}

/// The last estimate that p1 was told, bit/s.
fn limit_of_p1(world: &World) -> Option<u64> {
    world.phones["p1"].reports.iter().rev().find_map(|(_, packet)| match packet {
        Rtcp::Remb(remb) => Some(remb.bitrate),
        _ => None,
    })
}

fn estimate(world: &mut World, who: &str, bitrate: u64) {
    let (line, from) = (world.phone(who).lines[1], world.phone(who).line_address(1));
    let media = world.phone(who).video_packets(1)[0].packet.ssrc();
    let mut compound = Compound::default();
    assert!(compound.push(&Rtcp::Remb(Remb { sender: Ssrc(9), bitrate, media: vec![media] })));
    world.send(line, from, &compound.finish());
}

#[test]
fn a_sender_is_limited_to_what_its_weakest_watcher_takes() {
    let mut world = meeting(3, 1);
    world.run(SECOND);
    assert_eq!(seen(&mut world, "p2", 1), ["p1"]);
    assert_eq!(seen(&mut world, "p3", 1), ["p1"]);
    for (who, bitrate, told) in
        [("p2", 900_000, 900_000), ("p3", 400_000, 400_000), ("p3", 10_000_000_000, 900_000)]
    {
        estimate(&mut world, who, bitrate);
        world.run(SECOND * 4);
        let limit = limit_of_p1(&world).unwrap();
        // The format has a mantissa of 18 bits.
        assert!(limit.abs_diff(told) < told / 1000, "{who}: {limit}");
    }
    estimate(&mut world, "p3", 300_000);
    estimate(&mut world, "p2", 900_000);
    world.leave("p3");
    world.run(SECOND * 6);
    assert!(limit_of_p1(&world).unwrap().abs_diff(900_000) < 900, "who left limits nobody");
    world.run(SECOND * 14);
    let limit = limit_of_p1(&world).unwrap();
    assert!(limit > 2_000_000, "an old estimate says nothing, and the sender is told so: {limit}");
}

/// The line of a phone with its second m-line under other payload types and feedback.
fn reoffer_picture(world: &mut World, who: &str, payload_type: u8, feedback: &[&str]) {
    let mut offer = String::new();
    for line in world.phones[who].offer().lines() {
        let line = line.replace("RTP/AVPF 96", &format!("RTP/AVPF {payload_type}"));
        let line = line.replace("a=rtpmap:96", &format!("a=rtpmap:{payload_type}"));
        if !line.starts_with("a=rtcp-fb:") {
            offer += &format!("{line}\r\n");
        }
    }
    for kind in feedback {
        offer += &format!("a=rtcp-fb:{payload_type} {kind}\r\n");
    }
    world.reoffer_text(who, &offer).unwrap();
}

#[test]
fn another_payload_type_goes_on_with_the_same_stream() {
    let mut world = meeting(2, 0);
    world.run(SECOND);
    // From p2's camera nothing changes; p1 is sent another number from now on.
    reoffer_picture(&mut world, "p1", 120, &["nack"]);
    world.run(SECOND);
    let got = world.phone("p1").video_packets(1).into_iter().cloned().collect::<Vec<_>>();
    let (old, new): (Vec<&Got>, Vec<&Got>) =
        got.iter().partition(|got| got.packet.payload_type().get() == 96);
    assert!(old.len() > 20 && new.len() > 20);
    assert!(new.iter().all(|got| got.packet.payload_type().get() == 120));
    let (last, first) = (&old[old.len() - 1].packet, &new[0].packet);
    assert_eq!(first.seq(), last.seq().next());
    assert_eq!(first.ssrc(), last.ssrc());
    assert_eq!(world.phones["p1"].pictures(1).iter().filter(|(_, _, key)| *key).count(), 1);
}

#[test]
fn retransmission_is_taken_up_and_given_up_with_an_offer() {
    let mut world = meeting(2, 0);
    for (feedback, resent) in [(&[][..], 0), (&["nack"], 1), (&[], 1)] {
        reoffer_picture(&mut world, "p1", 96, feedback);
        world.run(SECOND);
        let packets = world.phone("p1").video_packets(1);
        let last = packets.last().unwrap().packet.clone();
        nack(&mut world, "p1", last.ssrc(), last.seq());
        let counters = world.conference.stats().legs[0].lines[1].counters;
        assert_eq!(counters.resent, resent, "{feedback:?}");
    }
}

fn nack(world: &mut World, who: &str, media: Ssrc, seq: Seq) {
    let (line, from) = (world.phone(who).lines[1], world.phone(who).line_address(1));
    let mut compound = Compound::default();
    assert!(compound.push(&Rtcp::Nack(Nack { sender: Ssrc(9), media, seqs: vec![seq] })));
    world.send(line, from, &compound.finish());
}

/// Each change of who is in a picture is told by RTCP to everybody who watches, and asks for a key frame.
#[test]
fn a_member_that_changes_its_ssrc_all_the_time_costs_the_others_little() {
    let mut world = meeting(4, 0);
    world.run(SECOND);
    let before: usize = world.phones.values().map(|phone| phone.reports.len()).sum();
    let (line, from) = (world.phone("p1").lines[1], world.phone("p1").line_address(1));
    let template = world.phone("p2").video_packets(1)[0].packet.as_bytes().to_vec();
    for n in 0..2_000u32 {
        for seq in 0..2u16 {
            let mut bytes = template.clone();
            bytes[2..4].copy_from_slice(&seq.to_be_bytes());
            bytes[8..12].copy_from_slice(&(1_000_000 + n).to_be_bytes());
            world.send(line, from, &Bytes::from(bytes));
        }
        if n % 20 == 0 {
            world.tick();
        }
    }
    let after: usize = world.phones.values().map(|phone| phone.reports.len()).sum();
    // Two seconds: a handful of reports of every line, not thousands.
    assert!(after - before < 400, "{} packets of RTCP", after - before);
}
