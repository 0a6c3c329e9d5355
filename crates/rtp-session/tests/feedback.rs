//! Retransmission, rate limits and changes of identity between two participants, on a virtual clock.
#![allow(clippy::disallowed_methods, reason = "the virtual clock needs one Instant to start from")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtp_session::rtcp::{
    self, BitRate, BitRates, Bye, Compound, Remb, ReportBlock, Rtcp, SdesChunk,
};
use rtp_session::{
    Arrival, Contributor, CsrcList, Dropped, History, LossConfig, LossDetector, NtpClock, Outbound,
    PayloadType, RtcpEvent, RtpPacket, RtpSession, RtxPair, RtxSender, SendStream, Seq,
    SessionConfig, Ssrc,
};

const MS: Duration = Duration::from_millis(1);
const VIDEO: u8 = 96;
const RTX: u8 = 97;

fn pt(value: u8) -> PayloadType {
    PayloadType::new(value).unwrap()
}

fn session(now: Instant, seed: u64) -> RtpSession {
    let config = SessionConfig {
        cname: format!("{seed}@x"),
        name: String::new(),
        clock: NtpClock::new(now, Duration::from_secs(1_700_000_000)),
        bandwidth: 1_000_000,
        feedback: true,
        payload_types: vec![(pt(VIDEO), 90_000), (PayloadType::PCMU, 8_000)],
        seed,
    };
    RtpSession::new(config, now)
}

fn pair() -> RtxPair {
    RtxPair { rtx: pt(RTX), apt: pt(VIDEO) }
}

fn wire(packet: &Outbound) -> RtpPacket {
    RtpPacket::parse(packet.to_bytes()).unwrap()
}

fn datagrams(session: &mut RtpSession, now: Instant) -> Vec<Bytes> {
    std::iter::from_fn(|| session.poll_rtcp(now)).collect()
}

fn packets(session: &mut RtpSession, now: Instant) -> Vec<Rtcp> {
    datagrams(session, now).iter().flat_map(|datagram| rtcp::parse(datagram)).collect()
}

fn one(packet: &Rtcp) -> Bytes {
    let mut compound = Compound::default();
    assert!(compound.push(packet));
    compound.finish()
}

/// Losses that are the same in every run.
struct Dice(u64);

impl Dice {
    fn lost(&mut self, percent: u64) -> bool {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % 100 < percent
    }
}

/// What came of a minute of video at 100 packets/s over a link of 30 ms that loses packets both ways.
struct Outcome {
    sent: usize,
    /// Numbers that got here, first or again.
    got: BTreeSet<u64>,
    /// Packets that did not come with the first sending.
    lost_at_first: usize,
    reported_lost: i32,
    again: usize,
    control: usize,
}

fn lossy_video(rtx: bool, loss: u64, seed: u64) -> Outcome {
    let t = Instant::now();
    let mut dice = Dice(seed);
    let (mut a, mut b) = (session(t, 2 * seed), session(t, 2 * seed + 1));
    let ssrc = a.add_sender(90_000);
    let mut stream = SendStream::new(ssrc, pt(VIDEO), seed);
    let mut repair = rtx.then(|| RtxSender::new(a.add_rtx_sender(ssrc), vec![pair()], seed));
    if rtx {
        b.set_rtx(vec![pair()]);
    }
    let mut history = History::default();
    let mut detector = LossDetector::new(LossConfig::default());
    // (arrival, at b, datagram)
    let mut under_way: Vec<(u64, bool, Bytes)> = Vec::new();
    let mut outcome = Outcome {
        sent: 0,
        got: BTreeSet::new(),
        lost_at_first: 0,
        reported_lost: 0,
        again: 0,
        control: 0,
    };
    let mut media = None;
    for ms in 0..62_000u64 {
        let now = t + Duration::from_millis(ms);
        if ms % 10 == 0 && ms < 60_000 {
            let ticks = (ms * 90) as u32;
            let payload = Bytes::copy_from_slice(&(outcome.sent as u64).to_be_bytes());
            let packet = stream.packet(false, ticks, payload, &CsrcList::EMPTY);
            a.sent(now, &packet);
            history.push(now, packet.clone());
            // The first and the last come, so that there is something to compare.
            if outcome.sent > 0 && ms < 59_990 && dice.lost(loss) {
                outcome.lost_at_first += 1;
            } else {
                under_way.push((ms + 30, true, packet.to_bytes()));
            }
            outcome.sent += 1;
        }
        let due: Vec<_> = under_way.extract_if(.., |(at, _, _)| *at == ms).collect();
        for (_, at_b, datagram) in due {
            match rtp_session::classify(&datagram) {
                rtp_session::PacketKind::Rtp => {
                    let packet = RtpPacket::parse(datagram).unwrap();
                    let (packet, received) = match b.handle_rtp(now, &packet) {
                        Arrival::Received(received) => (packet, received),
                        Arrival::Restored { packet, received } => (packet, received),
                        Arrival::Dropped(dropped) => panic!("{dropped:?}"),
                    };
                    assert_eq!((packet.ssrc(), packet.payload_type()), (ssrc, pt(VIDEO)));
                    media = Some(received.ssrc);
                    detector.received(now, received.ext_seq);
                    let number = packet.payload_ref().try_into().unwrap();
                    outcome.got.insert(u64::from_be_bytes(number));
                }
                _ if at_b => drop(b.handle_rtcp(now, &datagram)),
                _ => {
                    for event in a.handle_rtcp(now, &datagram) {
                        match event {
                            RtcpEvent::Nack { media, seqs } => {
                                assert_eq!(media, ssrc);
                                for seq in seqs {
                                    let rtt = a.rtt().max(20 * MS);
                                    let Some(packet) = history.resend(now, seq, rtt) else {
                                        continue;
                                    };
                                    let again = match &mut repair {
                                        Some(repair) => {
                                            let again = repair.wrap(&packet).unwrap();
                                            a.sent(now, &again);
                                            again
                                        }
                                        None => {
                                            a.sent_again(&packet);
                                            packet
                                        }
                                    };
                                    outcome.again += 1;
                                    if !dice.lost(loss) {
                                        under_way.push((ms + 30, true, again.to_bytes()));
                                    }
                                }
                            }
                            RtcpEvent::Report { block, .. } if block.ssrc == ssrc => {
                                outcome.reported_lost = block.lost;
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
        if let Some(media) = media {
            let due = detector.poll(now, b.rtt());
            b.request_nack(now, media, &due.nack);
        }
        for datagram in datagrams(&mut b, now) {
            outcome.control += datagram.len() + 28;
            if !dice.lost(loss) {
                under_way.push((ms + 30, false, datagram));
            }
        }
        for datagram in datagrams(&mut a, now) {
            if !dice.lost(loss) {
                under_way.push((ms + 30, true, datagram));
            }
        }
    }
    outcome
}

#[test]
fn what_is_lost_comes_again_in_a_stream_of_its_own() {
    for (loss, seed, least) in [(1, 1, 0.9999), (5, 2, 0.999), (20, 3, 0.99)] {
        let outcome = lossy_video(true, loss, seed);
        let rate = outcome.got.len() as f64 / outcome.sent as f64;
        assert!(rate >= least, "{loss} % lost: {rate} recovered");
        assert!(outcome.lost_at_first as u64 >= outcome.sent as u64 * loss / 130);
        // The statistics of the stream are those of the first sending (RFC 4588 §6.3), as far as reports went.
        let reported = outcome.reported_lost as usize;
        assert!(reported.abs_diff(outcome.lost_at_first) <= outcome.lost_at_first / 10 + 3);
        // 5 % of 1 Mbit/s for a minute, and the burst that may go at once.
        assert!(outcome.control < 6_250 * 62 + 6_000, "{} octets of RTCP", outcome.control);
        assert!(outcome.again < outcome.lost_at_first * 2 + 10);
    }
}

#[test]
fn without_one_the_same_packets_come_again() {
    for (loss, seed, least) in [(5, 5, 0.999), (20, 6, 0.99)] {
        let outcome = lossy_video(false, loss, seed);
        let rate = outcome.got.len() as f64 / outcome.sent as f64;
        assert!(rate >= least, "{loss} % lost: {rate} recovered");
    }
}

#[test]
fn a_retransmission_tells_its_stream_by_what_was_asked_for() {
    let t = Instant::now();
    let mut a = session(t, 1);
    let mut b = session(t, 2);
    b.set_rtx(vec![pair()]);
    let (one, two) = (a.add_sender(90_000), a.add_sender(90_000));
    let repair_ssrc = a.add_rtx_sender(two);
    let mut repair = RtxSender::new(repair_ssrc, vec![pair()], 3);
    let mut streams = [SendStream::new(one, pt(VIDEO), 1), SendStream::new(two, pt(VIDEO), 2)];
    let mut sent = Vec::new();
    for stream in &mut streams {
        for i in 0..4 {
            let packet = stream.packet(false, i * 900, Bytes::from_static(b"x"), &CsrcList::EMPTY);
            if i != 2 {
                b.handle_rtp(t, &wire(&packet));
            }
            sent.push(packet);
        }
    }
    let lost = &sent[4 + 2];
    let again = repair.wrap(lost).unwrap();
    let unasked = b.handle_rtp(t, &wire(&again));
    assert_eq!(unasked, Arrival::Dropped(Dropped::Retransmission), "nobody asked for it");
    b.request_nack(t, two, &[lost.seq()]);
    let Arrival::Restored { packet, received } = b.handle_rtp(t, &wire(&again)) else {
        panic!("not restored");
    };
    assert_eq!((packet.ssrc(), packet.seq(), received.ssrc), (two, lost.seq(), two));
    assert!(received.late && !received.first);
    // From now on it is known.
    let other = repair.wrap(&sent[4 + 1]).unwrap();
    assert!(matches!(b.handle_rtp(t, &wire(&other)), Arrival::Restored { .. }));
    // Retransmissions have their report block, but are no stream to look at.
    assert!(b.sources().all(|source| source.ssrc() != repair_ssrc));
    let reports = packets(&mut b, t + 10_000 * MS);
    let blocks: Vec<Ssrc> = reports
        .iter()
        .flat_map(|packet| match packet {
            Rtcp::ReceiverReport { blocks, .. } => blocks.clone(),
            _ => Vec::new(),
        })
        .map(|block| block.ssrc)
        .collect();
    assert!(blocks.contains(&repair_ssrc) && blocks.contains(&two));
    // Until it is known whose they are, two streams are not asked for the same number (§5.3).
    let mut c = session(t, 3);
    c.set_rtx(vec![pair()]);
    c.request_nack(t, one, &[Seq(7)]);
    c.request_nack(t, two, &[Seq(7), Seq(8)]);
    let asked: Vec<_> = packets(&mut c, t)
        .into_iter()
        .filter_map(|packet| match packet {
            Rtcp::Nack(nack) => Some((nack.media, nack.seqs)),
            _ => None,
        })
        .collect();
    assert!(asked.contains(&(one, vec![Seq(7)])) && asked.contains(&(two, vec![Seq(8)])));
    // What signalling says needs no guess.
    c.associate_rtx(repair_ssrc, two);
    c.handle_rtp(t, &wire(&sent[4]));
    c.handle_rtp(t, &wire(&sent[5]));
    assert!(matches!(c.handle_rtp(t, &wire(&again)), Arrival::Restored { .. }));
}

#[test]
fn requests_that_are_too_old_are_dropped() {
    let t = Instant::now();
    let mut b = session(t, 1);
    let nacks = |packets: Vec<Rtcp>| {
        packets.into_iter().filter(|packet| matches!(packet, Rtcp::Nack(_))).count()
    };
    b.request_nack(t, Ssrc(1), &[Seq(1)]);
    assert_eq!(nacks(packets(&mut b, t)), 1, "at once (RFC 4585 §3.5.2)");
    b.request_nack(t, Ssrc(1), &[Seq(2)]);
    assert_eq!(nacks(packets(&mut b, t + 501 * MS)), 0, "T_max_fb_delay");
}

#[test]
fn a_request_for_less_is_kept_and_answered() {
    let t = Instant::now();
    let mut a = session(t, 1);
    let ssrc = a.add_sender(90_000);
    let request = |who: u32, bitrate| {
        one(&Rtcp::Tmmbr(BitRates {
            sender: Ssrc(who),
            entries: vec![BitRate { ssrc, bitrate, overhead: 40 }],
        }))
    };
    let notified = |a: &mut RtpSession, now| -> Vec<Vec<BitRate>> {
        let packets = packets(a, now).into_iter();
        packets
            .filter_map(|packet| match packet {
                Rtcp::Tmmbn(set) => Some(set.entries),
                _ => None,
            })
            .collect()
    };
    assert_eq!(a.send_limit(t), None);
    let events = a.handle_rtcp(t, &request(7, 512_000));
    assert_eq!(events, [RtcpEvent::Tmmbr { media: ssrc, bitrate: 512_000 }]);
    assert_eq!(a.send_limit(t), Some(512_000));
    let owner = |who: u32, bitrate| vec![BitRate { ssrc: Ssrc(who), bitrate, overhead: 40 }];
    assert_eq!(notified(&mut a, t), [owner(7, 512_000)]);
    // Another asks for less: its tuple binds.
    a.handle_rtcp(t, &request(8, 256_000));
    assert_eq!(notified(&mut a, t), [owner(8, 256_000)]);
    // It asks for more, and leaves; requests hold without being repeated.
    a.handle_rtcp(t, &request(8, 1_024_000));
    assert_eq!(notified(&mut a, t), [owner(7, 512_000)]);
    let later = t + Duration::from_secs(60);
    assert_eq!(a.send_limit(later), Some(512_000));
    a.handle_rtcp(t, &one(&Rtcp::Bye(Bye { ssrcs: vec![Ssrc(7)], reason: None })));
    assert_eq!(a.send_limit(later), Some(1_024_000));
    // About somebody else's stream.
    let foreign = BitRates { sender: Ssrc(7), entries: vec![BitRate::default()] };
    assert_eq!(a.handle_rtcp(t, &one(&Rtcp::Tmmbr(foreign))), []);
}

#[test]
fn an_estimate_holds_for_a_while_only() {
    let t = Instant::now();
    let mut a = session(t, 1);
    let ssrc = a.add_sender(90_000);
    let remb = one(&Rtcp::Remb(Remb { sender: Ssrc(7), bitrate: 300_000, media: vec![ssrc] }));
    a.handle_rtcp(t, &remb);
    assert_eq!(a.send_limit(t + Duration::from_secs(14)), Some(300_000));
    assert_eq!(a.send_limit(t + Duration::from_secs(15)), None);
}

/// The moment a sender report gives to a timestamp, in seconds after the start.
fn mapped(report: &Rtcp, timestamp: u32, rate: f64) -> f64 {
    let Rtcp::SenderReport { info, .. } = report else { panic!("{report:?}") };
    let wall = info.ntp.0 as f64 / 2f64.powi(32) - (1_700_000_000.0 + 2_208_988_800.0);
    wall + f64::from(timestamp.wrapping_sub(info.rtp.0).cast_signed()) / rate
}

#[test]
fn reports_map_timestamps_whatever_the_packet_time() {
    for ptime in [10u32, 20, 30, 40, 60] {
        let t = Instant::now();
        let mut a = session(t, u64::from(ptime));
        let ssrc = a.add_sender(8_000);
        let mut stream = SendStream::new(ssrc, PayloadType::PCMU, 7);
        let mut first = None;
        let mut reports = 0;
        for i in 0..1000u32 {
            // The packet goes when its last sample is there, and belongs to the moment of its first. From 20 s to
            // 40 s nothing goes (DTX): timestamps go on with time.
            let begins = i * ptime;
            let now = t + (begins + ptime) * MS;
            if !(20_000..40_000).contains(&begins) {
                let payload = Bytes::from_static(&[0; 80]);
                let packet = stream.packet(false, begins * 8, payload, &CsrcList::EMPTY);
                first.get_or_insert(packet.timestamp().0);
                a.sent(t + begins * MS, &packet);
            }
            for report in packets(&mut a, now) {
                if let (Rtcp::SenderReport { .. }, Some(first)) = (&report, first) {
                    let error = mapped(&report, first, 8_000.0);
                    assert!(error.abs() < 0.001, "ptime {ptime}: {error} s off");
                    reports += 1;
                }
            }
        }
        assert!(reports > 3, "ptime {ptime}");
    }
}

#[test]
fn another_clock_rate_takes_another_ssrc() {
    let t = Instant::now();
    let (mut a, mut b) = (session(t, 1), session(t, 2));
    let ssrc = a.add_sender(90_000);
    assert_eq!(a.change_clock_rate(t, ssrc, 48_000), ssrc, "nothing sent yet");
    assert_eq!(a.change_clock_rate(t, ssrc, 90_000), ssrc);
    let mut stream = SendStream::new(ssrc, pt(VIDEO), 1);
    for i in 0..50u32 {
        let packet = stream.packet(false, i * 1800, Bytes::from_static(b"x"), &CsrcList::EMPTY);
        a.sent(t + i * 20 * MS, &packet);
        b.handle_rtp(t + i * 20 * MS, &wire(&packet));
    }
    let change = t + 1000 * MS;
    packets(&mut a, change);
    assert_eq!(a.change_clock_rate(change, ssrc, 90_000), ssrc, "the same rate");
    let new = a.change_clock_rate(change, ssrc, 8_000);
    assert_ne!(new, ssrc);
    let mut stream = SendStream::new(new, PayloadType::PCMU, 9);
    let packet = stream.packet(true, 0, Bytes::from_static(b"x"), &CsrcList::EMPTY);
    a.sent(change, &packet);
    let told = packets(&mut a, change);
    let senders: Vec<Ssrc> = told
        .iter()
        .filter_map(|packet| match packet {
            Rtcp::SenderReport { ssrc, .. } => Some(*ssrc),
            _ => None,
        })
        .collect();
    assert_eq!(senders, [new, ssrc], "both maps in one compound (RFC 7160 §4.1)");
    assert!(mapped(&told[0], packet.timestamp().0, 8_000.0) - 1.0 < 0.001);
    assert!(matches!(told.last(), Some(Rtcp::Bye(bye)) if bye.ssrcs == [ssrc]));
    // The receiver: a source whose codec changes without a new SSRC gets no jitter out of it.
    let mut same = SendStream::new(ssrc, PayloadType::PCMU, 4);
    for i in 0..50u32 {
        let now = change + i * 20 * MS;
        let packet = same.packet(false, i * 160, Bytes::from_static(b"x"), &CsrcList::EMPTY);
        b.handle_rtp(now, &wire(&packet));
    }
    let source = b.sources().find(|source| source.ssrc() == ssrc).unwrap();
    assert_eq!(source.clock_rate(), 8_000);
    assert!(source.jitter() < 2 * MS, "{:?}", source.jitter());
}

#[test]
fn farewells_find_room_in_every_compound() {
    let t = Instant::now();
    let mut a = session(t, 1);
    let people: Vec<Contributor> = (0..100)
        .map(|i| Contributor {
            ssrc: Ssrc(1000 + i),
            cname: format!("{i:060}@conference"),
            name: format!("Participant with a very long name number {i:060}"),
        })
        .collect();
    a.set_contributors(t, people);
    for sender in 0..8 {
        let ssrc = a.add_sender(90_000);
        let mut stream = SendStream::new(ssrc, pt(VIDEO), sender);
        let packet = stream.packet(false, 0, Bytes::from_static(b"x"), &CsrcList::EMPTY);
        a.sent(t, &packet);
    }
    for i in 0..40u32 {
        let mut stream = SendStream::new(Ssrc(i), pt(VIDEO), u64::from(i));
        for _ in 0..3 {
            let packet = stream.packet(false, 0, Bytes::from_static(b"x"), &CsrcList::EMPTY);
            a.handle_rtp(t, &wire(&packet));
        }
    }
    a.set_receive_limit(Some(100_000));
    a.request_nack(t, Ssrc(1), &(0..500).map(|i| Seq(i * 20)).collect::<Vec<_>>());
    for i in 0..100 {
        a.contributor_left(t, Ssrc(1000 + i));
    }
    let mut gone = BTreeSet::new();
    for ms in 0..20_000 {
        for datagram in datagrams(&mut a, t + ms * MS) {
            assert!(datagram.len() <= rtcp::MAX_COMPOUND);
            for packet in rtcp::parse(&datagram) {
                if let Rtcp::Bye(bye) = packet {
                    gone.extend(bye.ssrcs);
                }
            }
        }
    }
    assert_eq!(gone, (1000..1100).map(Ssrc).collect());
}

/// A peer that takes a new SSRC with every second packet, and makes us say so each time.
#[test]
fn a_peer_that_changes_its_ssrc_for_ever_gets_no_storm() {
    let t = Instant::now();
    let mut a = session(t, 1);
    a.add_sender(90_000);
    let mut octets = 0;
    let mut heard = 0;
    for ms in 0..30_000u32 {
        let now = t + ms * MS;
        if ms % 10 == 0 {
            let ssrc = Ssrc(0x10_0000 + ms / 40);
            let seq = Seq((ms / 10) as u16);
            let mut stream = SendStream::new(ssrc, pt(VIDEO), 5);
            let packet = wire(&stream.packet(false, 0, Bytes::from_static(b"x"), &CsrcList::EMPTY));
            let mut bytes = packet.as_bytes().to_vec();
            bytes[2..4].copy_from_slice(&seq.0.to_be_bytes());
            let packet = RtpPacket::parse(bytes.into()).unwrap();
            if let Arrival::Received(received) = a.handle_rtp(now, &packet) {
                heard += 1;
                a.request_fir(now, received.ssrc, false);
                a.request_nack(now, received.ssrc, &[Seq(1), Seq(30)]);
                let name = Contributor { ssrc, cname: format!("{ms}@x"), name: "N".repeat(200) };
                a.set_contributors(now, vec![name]);
            }
        }
        for datagram in datagrams(&mut a, now) {
            octets += datagram.len() + 28;
        }
    }
    // 750 streams came, at least those that began with two packets in a row while the table had room.
    assert!(heard > 100, "{heard}");
    assert!(octets < 6_250 * 30 + 6_000 + 20 * 1_200, "{octets} octets in 30 s");
}

#[test]
fn what_is_reported_stays_within_one_datagram() {
    let t = Instant::now();
    let mut a = session(t, 1);
    for i in 0..60u32 {
        let mut stream = SendStream::new(Ssrc(i), pt(VIDEO), u64::from(i));
        for _ in 0..3 {
            let packet = stream.packet(false, 0, Bytes::from_static(b"x"), &CsrcList::EMPTY);
            a.handle_rtp(t, &wire(&packet));
        }
    }
    let sources = a.sources().count();
    assert_eq!(sources, 32);
    let mut reported: BTreeSet<Ssrc> = BTreeSet::new();
    for second in 1..30 {
        for packet in packets(&mut a, t + second * 1000 * MS) {
            if let Rtcp::ReceiverReport { blocks, .. } = packet {
                assert!(blocks.len() <= 31);
                reported.extend(blocks.iter().map(|block: &ReportBlock| block.ssrc));
            }
        }
    }
    assert_eq!(reported.len(), sources, "all in turn (RFC 3550 §6.1)");
}

#[test]
fn names_of_many_senders_are_all_told() {
    let t = Instant::now();
    let mut a = session(t, 1);
    let ours: BTreeSet<Ssrc> = (0..3).map(|_| a.add_sender(90_000)).collect();
    let named: BTreeSet<Ssrc> = packets(&mut a, t + 5000 * MS)
        .into_iter()
        .filter_map(|packet| match packet {
            Rtcp::Sdes(chunks) => Some(chunks),
            _ => None,
        })
        .flatten()
        .filter(|chunk: &SdesChunk| chunk.cname.as_deref() == Some("1@x"))
        .map(|chunk| chunk.ssrc)
        .collect();
    assert_eq!(named, ours);
}

/// Our packets come back for minutes: one new SSRC, and no second (RFC 3550 §8.2).
#[test]
fn an_echo_is_remembered_for_ten_intervals() {
    let t = Instant::now();
    let mut a = session(t, 1);
    let mut stream = SendStream::new(a.add_sender(90_000), pt(VIDEO), 1);
    let mut changes = 0;
    for i in 0..300u32 {
        let now = t + i * 1000 * MS;
        let packet = stream.packet(false, i * 90_000, Bytes::from_static(b"x"), &CsrcList::EMPTY);
        a.sent(now, &packet);
        packets(&mut a, now);
        match a.handle_rtp(now, &wire(&packet)) {
            Arrival::Dropped(Dropped::Collision { old, new }) => {
                assert_eq!(old, stream.ssrc());
                stream.set_ssrc(new);
                changes += 1;
            }
            arrival => assert_eq!(arrival, Arrival::Dropped(Dropped::Loop)),
        }
    }
    assert_eq!(changes, 1);
}
