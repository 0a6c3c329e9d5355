use super::*;
use crate::testing::{marked, packet};
use crate::vp8::PictureId;
use proptest::prelude::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

fn rewrite(kind: RewriteKind) -> Rewrite {
    let payload_type = PayloadType::new(100).unwrap();
    Rewrite::new(Ssrc(9), payload_type, kind, 90_000, 77)
}

fn read(outbound: &Outbound) -> (RtpPacket, Descriptor, Vec<u8>) {
    let packet = RtpPacket::parse(outbound.to_bytes()).unwrap();
    let (descriptor, len) = Descriptor::parse(packet.payload_ref()).unwrap();
    let rest = packet.payload_ref()[len..].to_vec();
    (packet, descriptor, rest)
}

/// One VP8 packet: key or not, first of its picture or not.
fn vp8(id: Option<PictureId>, tl0: Option<u8>, start: bool, key: bool) -> Vec<u8> {
    let mut octets = [0; 6];
    let len = Descriptor {
        start_of_partition: start,
        picture_id: id,
        tl0_pic_idx: tl0,
        temporal: tl0.map(|_| (0, false)),
        ..Descriptor::default()
    }
    .write(&mut octets);
    let mut payload = octets[..len].to_vec();
    payload.extend_from_slice(&[u8::from(!key), 2, 3]);
    payload
}

#[test]
fn opaque_media_switches_at_once() {
    let t = Instant::now();
    let mut rewrite = rewrite(RewriteKind::Opaque);
    assert!(rewrite.forward(t, &packet(1, 5, 0, b"a"), &CsrcList::EMPTY).is_none());
    rewrite.switch_to(Ssrc(1));
    assert!(!rewrite.is_waiting());
    let a = rewrite.forward(t, &marked(1, 5, 0, b"a", true), &CsrcList::EMPTY).unwrap();
    let b = rewrite.forward(t + 20 * MS, &packet(1, 6, 1800, b"b"), &CsrcList::EMPTY).unwrap();
    rewrite.switch_to(Ssrc(2));
    assert!(rewrite.forward(t, &packet(1, 7, 3600, b"x"), &CsrcList::EMPTY).is_none());
    let csrcs: CsrcList = [Ssrc(2)].into_iter().collect();
    let c = rewrite.forward(t + 60 * MS, &packet(2, 60000, 7, b"c"), &csrcs).unwrap();
    assert!(rewrite.forward(t + 61 * MS, &packet(2, 59999, 6, b"x"), &csrcs).is_none());
    let [a, b, c] = [a, b, c].map(|out| RtpPacket::parse(out.to_bytes()).unwrap());
    assert!(a.marker() && !b.marker());
    assert_eq!(b.seq(), a.seq().next());
    assert_eq!(c.seq(), b.seq().next());
    assert_eq!(b.timestamp().distance_from(a.timestamp()), 1800);
    assert_eq!(c.timestamp().distance_from(b.timestamp()), 3600);
    assert_eq!(c.csrcs().collect::<Vec<_>>(), [Ssrc(2)]);
    assert_eq!((c.ssrc(), c.payload_type().get()), (Ssrc(9), 100));
    assert_eq!(c.payload_ref(), b"c");
}

#[test]
fn the_payload_is_shared() {
    let mut rewrite = rewrite(RewriteKind::Vp8);
    rewrite.switch_to(Ssrc(1));
    let input = packet(1, 5, 0, &vp8(None, None, true, true));
    let output = rewrite.forward(Instant::now(), &input, &CsrcList::EMPTY).unwrap();
    assert_eq!(output.payload.as_ptr(), input.payload_ref()[1..].as_ptr());
}

#[test]
fn pictures_wait_for_a_key_frame() {
    let t = Instant::now();
    let mut rewrite = rewrite(RewriteKind::Vp8);
    let send = |rewrite: &mut Rewrite, seq, start, key| {
        let payload = vp8(Some(PictureId::Short(1)), None, start, key);
        rewrite.forward(t, &packet(1, seq, 0, &payload), &CsrcList::EMPTY).is_some()
    };
    rewrite.switch_to(Ssrc(1));
    assert!(rewrite.is_waiting());
    assert!(!send(&mut rewrite, 1, true, false));
    assert!(!send(&mut rewrite, 2, false, true));
    assert!(rewrite.is_waiting());
    assert!(send(&mut rewrite, 3, true, true));
    assert!(!rewrite.is_waiting());
    assert!(send(&mut rewrite, 4, true, false));
    rewrite.switch_to(Ssrc(1));
    assert!(send(&mut rewrite, 5, true, false), "no switch, no wait");
    rewrite.stop();
    assert!(!rewrite.is_waiting());
    assert!(!send(&mut rewrite, 6, true, true));
}

/// Rows of (source, sequence number, picture id, TL0PICIDX, key), and what they become relative to the
/// first that came out: (sequence number, picture, TL0PICIDX).
#[test]
fn picture_numbers_follow_each_other_across_sources() {
    use PictureId::{Long, Short};
    type Row = (u32, u16, Option<PictureId>, Option<u8>, bool, Option<(u16, u16, Option<u8>)>);
    let rows: &[Row] = &[
        (1, 10, Some(Short(126)), Some(254), true, Some((0, 0, Some(0)))),
        (1, 11, Some(Short(127)), Some(255), false, Some((1, 1, Some(1)))),
        (1, 13, Some(Short(1)), Some(1), false, Some((3, 3, Some(3)))),
        (1, 12, Some(Short(0)), Some(0), false, Some((2, 2, Some(2)))),
        // Another source with 15 bits.
        (2, 500, Some(Long(32766)), Some(7), false, None),
        (2, 501, Some(Long(32767)), Some(8), true, Some((4, 4, Some(4)))),
        (2, 502, Some(Long(0)), Some(9), false, Some((5, 5, Some(5)))),
        (2, 500, Some(Long(32766)), Some(7), false, None),
        // One without any numbers: counted by timestamp (the row index here).
        (3, 65535, None, None, true, Some((6, 6, None))),
        (3, 0, None, None, false, Some((7, 7, None))),
        (3, 1, None, None, false, Some((8, 8, None))),
        // And back, where the numbers have gone on meanwhile.
        (1, 900, Some(Short(50)), Some(100), true, Some((9, 9, Some(6)))),
        (1, 901, Some(Short(51)), Some(100), false, Some((10, 10, Some(6)))),
        // A source that restarts its sequence numbers is a new one.
        (1, 40000, Some(Short(90)), Some(1), false, None),
        (1, 40001, Some(Short(91)), Some(2), true, Some((11, 11, Some(7)))),
    ];
    let t = Instant::now();
    let mut rewrite = rewrite(RewriteKind::Vp8);
    let mut first: Option<(u16, u16, u8)> = None;
    for (i, &(source, seq, id, tl0, key, expected)) in rows.iter().enumerate() {
        rewrite.switch_to(Ssrc(source));
        let input = packet(source, seq, i as u32, &vp8(id, tl0, true, key));
        let output = rewrite.forward(t, &input, &CsrcList::EMPTY);
        let got = output.map(|output| {
            let (packet, descriptor, rest) = read(&output);
            assert_eq!(rest, [u8::from(!key), 2, 3]);
            let picture = match descriptor.picture_id {
                Some(Long(id)) => id,
                Some(Short(id)) => u16::from(id),
                None => panic!("row {i}: {descriptor:?}"),
            };
            // Seven bits until a source with fifteen comes, and then never less.
            assert_eq!(matches!(descriptor.picture_id, Some(Long(_))), i >= 5, "row {i}");
            let tl0 = descriptor.tl0_pic_idx;
            let base = *first.get_or_insert((packet.seq().0, picture, tl0.unwrap_or(0)));
            (
                packet.seq().0.wrapping_sub(base.0),
                picture.wrapping_sub(base.1) & if i >= 5 { 0x7fff } else { 0x7f },
                tl0.map(|tl0| tl0.wrapping_sub(base.2)),
            )
        });
        assert_eq!(got, expected, "row {i}");
    }
}

#[test]
fn a_source_without_picture_ids_gets_none() {
    let t = Instant::now();
    let mut rewrite = rewrite(RewriteKind::Vp8);
    rewrite.switch_to(Ssrc(1));
    for i in 0..3u16 {
        let input = packet(1, i, u32::from(i), &vp8(None, None, true, i == 0));
        let (_, descriptor, _) = read(&rewrite.forward(t, &input, &CsrcList::EMPTY).unwrap());
        assert_eq!(descriptor.picture_id, None);
    }
}

#[test]
fn the_start_of_a_key_frame_may_be_overtaken() {
    let t = Instant::now();
    let mut rewrite = rewrite(RewriteKind::Vp8);
    let csrcs: CsrcList = [Ssrc(4)].into_iter().collect();
    let id = Some(PictureId::Short(9));
    rewrite.switch_to(Ssrc(1));
    // Of an older picture, then the second and third packet of the key frame, then its first.
    for (seq, timestamp) in [(9, 0), (12, 3000), (11, 3000)] {
        let input = packet(1, seq, timestamp, &vp8(id, None, false, true));
        assert!(rewrite.forward(t, &input, &csrcs).is_none());
        assert!(rewrite.poll_held(t).is_none());
    }
    let start = packet(1, 10, 3000, &vp8(id, None, true, true));
    let (first, _, _) = read(&rewrite.forward(t + 40 * MS, &start, &csrcs).unwrap());
    let held: Vec<u16> = std::iter::from_fn(|| rewrite.poll_held(t + 40 * MS))
        .map(|out| {
            let (packet, _, _) = read(&out);
            assert_eq!(packet.timestamp(), first.timestamp());
            assert_eq!(packet.csrcs().collect::<Vec<_>>(), [Ssrc(4)]);
            packet.seq().0.wrapping_sub(first.seq().0)
        })
        .collect();
    assert_eq!(held, [2, 1]);
    let next = packet(1, 13, 6000, &vp8(Some(PictureId::Short(10)), None, true, false));
    let (next, _, _) = read(&rewrite.forward(t + 60 * MS, &next, &csrcs).unwrap());
    assert_eq!(next.seq().0.wrapping_sub(first.seq().0), 3);
}

#[test]
fn what_was_held_for_too_long_or_for_another_picture_is_dropped() {
    let t = Instant::now();
    let mut rewrite = rewrite(RewriteKind::Vp8);
    let none = CsrcList::EMPTY;
    rewrite.switch_to(Ssrc(1));
    let late = packet(1, 11, 3000, &vp8(None, None, false, true));
    assert!(rewrite.forward(t, &late, &none).is_none());
    let start = packet(1, 10, 3000, &vp8(None, None, true, true));
    assert!(rewrite.forward(t + 301 * MS, &start, &none).is_some());
    assert!(rewrite.poll_held(t + 301 * MS).is_none());
    // A stranger cannot fill the memory.
    rewrite.switch_to(Ssrc(2));
    for seq in 0..1000 {
        rewrite.forward(t, &packet(2, seq, 7, &vp8(None, None, false, true)), &none);
    }
    assert_eq!(rewrite.held.len(), MAX_HELD);
    rewrite.forward(t, &packet(2, 1, 8, &vp8(None, None, false, true)), &none);
    assert_eq!(rewrite.held.len(), 1);
}

/// Two temporal layers, of which only the base is wanted for a while: no hole in any number the receiver sees.
#[test]
fn layers_left_out_leave_no_hole() {
    let t = Instant::now();
    let mut rewrite = rewrite(RewriteKind::Vp8);
    rewrite.switch_to(Ssrc(1));
    let mut out = Vec::new();
    for i in 0..40u16 {
        match i {
            8 => rewrite.set_max_temporal_layer(0),
            21 => rewrite.set_max_temporal_layer(1),
            _ => {}
        }
        let layer = (i % 2) as u8;
        let mut octets = [0; 6];
        let len = Descriptor {
            start_of_partition: true,
            picture_id: Some(PictureId::Long(i)),
            tl0_pic_idx: Some((i / 2) as u8),
            temporal: Some((layer, i == 31)),
            ..Descriptor::default()
        }
        .write(&mut octets);
        let mut payload = octets[..len].to_vec();
        payload.extend_from_slice(&[u8::from(i != 0), 0, 0]);
        let input = packet(1, i, u32::from(i) * 1500, &payload);
        if let Some(sent) = rewrite.forward(t, &input, &CsrcList::EMPTY) {
            let (packet, descriptor, _) = read(&sent);
            let Some(PictureId::Long(id)) = descriptor.picture_id else { panic!("no id") };
            out.push((i, packet.seq().0, id, descriptor.tl0_pic_idx.unwrap(), layer));
        }
    }
    for pair in out.windows(2) {
        assert_eq!(pair[1].1, pair[0].1.wrapping_add(1), "sequence number of {}", pair[1].0);
        assert_eq!(pair[1].2, (pair[0].2 + 1) & 0x7fff, "picture id of {}", pair[1].0);
        let base_step = u8::from(pair[1].4 == 0);
        assert_eq!(pair[1].3, pair[0].3.wrapping_add(base_step), "TL0PICIDX of {}", pair[1].0);
    }
    let upper: Vec<u16> = out.iter().filter(|row| row.4 == 1).map(|row| row.0).collect();
    assert_eq!(upper, [1, 3, 5, 7, 31, 33, 35, 37, 39], "back at the sync only");
}

#[test]
fn what_is_skipped_leaves_no_hole() {
    let t = Instant::now();
    let mut rewrite = rewrite(RewriteKind::Vp8);
    rewrite.switch_to(Ssrc(1));
    let mut last = None;
    for i in 0..50u16 {
        let id = Some(PictureId::Short((i % 128) as u8));
        let input = packet(1, 100 + i, u32::from(i) * 3000, &vp8(id, None, true, i == 0));
        // Padding to probe for bandwidth, and whole pictures on purpose.
        if i % 5 == 4 {
            let padding = packet(1, 100 + i, u32::from(i) * 3000, &[]);
            assert!(rewrite.forward(t, &padding, &CsrcList::EMPTY).is_none());
            continue;
        }
        if i % 3 == 2 {
            rewrite.skip(t, &input);
            continue;
        }
        let (packet, _, _) = read(&rewrite.forward(t, &input, &CsrcList::EMPTY).unwrap());
        if let Some(last) = last.replace(packet.seq()) {
            assert_eq!(packet.seq(), last.next(), "packet {i}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Any packets of any sources: no panic, only the chosen source, always the outgoing identity.
    #[test]
    fn any_packets(packets in prop::collection::vec(
        (0u32..3, any::<u16>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..10), 0u8..8), 0..30), vp8: bool)
    {
        let t = Instant::now();
        let mut rewrite = rewrite(if vp8 { RewriteKind::Vp8 } else { RewriteKind::Opaque });
        for (source, seq, timestamp, payload, action) in packets {
            let input = packet(source, seq, timestamp, &payload);
            match action {
                0 => rewrite.switch_to(Ssrc(source)),
                1 => rewrite.skip(t, &input),
                _ => {
                    let chosen = rewrite.source();
                    if let Some(output) = rewrite.forward(t, &input, &CsrcList::EMPTY) {
                        while rewrite.poll_held(t).is_some() {}
                        prop_assert_eq!(chosen, Some(Ssrc(source)));
                        prop_assert_eq!(output.ssrc(), Ssrc(9));
                        prop_assert!(RtpPacket::parse(output.to_bytes()).is_ok());
                    }
                }
            }
        }
    }
}
