//! Packets sent again in a stream of their own (RFC 4588), in both directions.

use std::time::Duration;

use bytes::Bytes;
use media_codec::AudioCodec::Pcmu;
use rtp_session::rtcp::{Compound, Nack, Rtcp};
use rtp_session::{RtpPacket, Seq, Ssrc};
use sdp::SessionDescription;

use crate::phone::Phone;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

fn meeting() -> World {
    let mut world = World::new();
    for n in 1..=2 {
        let mut phone =
            Phone::new(&format!("p{n}"), n, Pcmu, 200.0 + 210.0 * f64::from(n)).with_video(0);
        phone.rtx = true;
        world.join(phone).unwrap();
    }
    world
}

fn nack(media: Ssrc, seqs: Vec<Seq>) -> Bytes {
    let mut compound = Compound::default();
    assert!(compound.push(&Rtcp::Nack(Nack { sender: Ssrc(1), media, seqs })));
    compound.finish()
}

#[test]
fn a_receiver_gets_lost_packets_in_the_stream_it_was_told_of() {
    let mut world = meeting();
    world.run(SECOND);
    let original = world.phone("p1").video_packets(1)[10].packet.clone();
    let (line, from) = (world.phone("p1").lines[1], world.phone("p1").line_address(1));
    world.phone("p1").listen_anew();
    let asked = vec![original.seq(), original.seq().next()];
    world.send(line, from, &nack(original.ssrc(), asked));
    let again: Vec<RtpPacket> =
        world.phone("p1").video_packets(1).iter().map(|got| got.packet.clone()).collect();
    assert_eq!(again.len(), 2);
    for (n, packet) in again.iter().enumerate() {
        assert_eq!(packet.payload_type().get(), 97);
        assert_ne!(packet.ssrc(), original.ssrc());
        let osn = u16::from_be_bytes([packet.payload_ref()[0], packet.payload_ref()[1]]);
        assert_eq!(osn, original.seq().0.wrapping_add(n as u16), "the number the receiver saw");
    }
    assert_eq!(again[0].payload_ref()[2..], *original.payload_ref());
    assert_eq!(again[0].timestamp(), original.timestamp());
    assert_eq!(again[1].seq(), again[0].seq().next(), "numbers of its own");
    let group = format!("a=ssrc-group:FID {} {}", original.ssrc().0, again[0].ssrc().0);
    assert!(world.phones["p1"].answer.contains(&group), "{}", world.phones["p1"].answer);
    let parsed = SessionDescription::parse(&world.phones["p1"].answer).unwrap();
    assert_eq!(parsed.media[1].formats, ["96", "97"]);
}

#[test]
fn what_a_sender_sends_again_reaches_those_who_watch() {
    let mut world = meeting();
    world.run(SECOND);
    world.phones.values_mut().for_each(Phone::listen_anew);
    let mut lost = None;
    for _ in 0..25 {
        let now = world.now;
        for (to, from, bytes) in world.phone("p1").speak(now) {
            let packet = RtpPacket::parse(bytes.clone()).unwrap();
            if to == world.phones["p1"].lines[1] && lost.is_none() {
                lost = Some(packet);
            } else {
                world.send(to, from, &bytes);
            }
        }
        // p1 does as it is asked.
        if let Some(packet) = &lost
            && world.phones["p1"].nacks.contains(&packet.seq().0)
        {
            world.phone("p1").nacks.clear();
            let mut repair = packet.as_bytes()[..12].to_vec();
            repair[1] = packet.as_bytes()[1] & 0x80 | 97;
            repair[2..4].copy_from_slice(&7u16.to_be_bytes());
            repair[8..12].copy_from_slice(&0x7777u32.to_be_bytes());
            repair.extend(packet.seq().0.to_be_bytes());
            repair.extend(packet.payload_ref());
            let (to, from) = (world.phones["p1"].lines[1], world.phones["p1"].line_address(1));
            world.send(to, from, &Bytes::from(repair));
        }
        world.now += media_mixer::TICK;
        world.conference.handle_timeout(world.now);
        world.deliver();
    }
    assert_eq!(world.conference.stats().legs[0].lines[1].counters.restored, 1);
    let mut seqs: Vec<u16> =
        world.phone("p2").video_packets(1).iter().map(|got| got.packet.seq().0).collect();
    let in_order = seqs.clone();
    seqs.sort_by_key(|seq| seq.wrapping_sub(in_order[0]) as i16);
    assert_ne!(seqs, in_order, "it comes later than the one after it");
    for pair in seqs.windows(2) {
        assert_eq!(pair[1], pair[0].wrapping_add(1), "and there is no hole left");
    }
    assert!(world.phones["p1"].key_requests.is_empty());
}
