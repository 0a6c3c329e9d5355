//! Two participants of one transport on a virtual clock.
#![allow(clippy::disallowed_methods, reason = "the virtual clock needs one Instant to start from")]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use rtp_session::rtcp::{self, Rtcp};
use rtp_session::{
    Arrival, Contributor, CsrcList, Dropped, NtpClock, PacketKind, PayloadType, RtcpEvent,
    RtpPacket, RtpSession, SendStream, Seq, SessionConfig, Ssrc, classify,
};

const MS: Duration = Duration::from_millis(1);

fn config(cname: &str, name: &str, now: Instant, seed: u64) -> SessionConfig {
    SessionConfig {
        cname: cname.into(),
        name: name.into(),
        clock: NtpClock::new(now, Duration::from_secs(1_700_000_000 + seed)),
        bandwidth: 64_000,
        feedback: true,
        payload_types: vec![(PayloadType::PCMU, 8000), (PayloadType::new(101).unwrap(), 48_000)],
        seed,
    }
}

/// A session that sends a packet every 20 ms.
struct Peer {
    session: RtpSession,
    stream: SendStream,
    sent: u32,
}

impl Peer {
    fn new(name: &str, now: Instant, seed: u64) -> Self {
        let mut session = RtpSession::new(config(&format!("{name}@x"), name, now, seed), now);
        let ssrc = session.add_sender(8000);
        Self { session, stream: SendStream::new(ssrc, PayloadType::PCMU, seed), sent: 0 }
    }

    fn send(&mut self, now: Instant) -> RtpPacket {
        let packet = self.stream.packet(
            false,
            self.sent * 160,
            Bytes::from_static(&[0; 160]),
            &CsrcList::EMPTY,
        );
        self.sent += 1;
        self.session.sent(now, &packet);
        RtpPacket::parse(packet.to_bytes()).unwrap()
    }

    fn ssrc(&self) -> Ssrc {
        self.stream.ssrc()
    }

    fn rtcp(&mut self, now: Instant) -> Vec<Bytes> {
        std::iter::from_fn(|| self.session.poll_rtcp(now)).collect()
    }
}

/// Every compound of ours: fits the path, is RTCP, begins with a report, has our CNAME (RFC 3550 §6.1).
fn check_compound(datagram: &Bytes) {
    assert!(datagram.len() <= rtcp::MAX_COMPOUND);
    assert_eq!(classify(datagram), PacketKind::Rtcp);
    let packets = rtcp::parse(datagram);
    assert!(matches!(packets[0], Rtcp::SenderReport { .. } | Rtcp::ReceiverReport { .. }));
    assert!(packets.iter().any(|packet| match packet {
        Rtcp::Sdes(chunks) => chunks[0].cname.is_some(),
        _ => false,
    }));
}

fn received(arrival: Arrival) -> bool {
    matches!(arrival, Arrival::Received(_))
}

#[test]
fn a_conversation_measures_loss_and_round_trip() {
    let t = Instant::now();
    let (mut a, mut b) = (Peer::new("ann", t, 1), Peer::new("bob", t, 2));
    let delay = 40;
    let mut under_way: Vec<(u64, bool, Bytes)> = Vec::new();
    let mut reports = Vec::new();
    let mut names = Vec::new();
    let mut clocks = 0;
    for ms in 0..30_000u64 {
        let now = t + Duration::from_millis(ms);
        if ms % 20 == 0 {
            // Every tenth packet of Ann is lost.
            let packet = a.send(now);
            if a.sent % 10 != 0 {
                assert!(received(b.session.handle_rtp(now, &packet)));
            }
            let packet = b.send(now);
            assert!(received(a.session.handle_rtp(now, &packet)));
        }
        for datagram in a.rtcp(now) {
            check_compound(&datagram);
            under_way.push((ms + delay, true, datagram));
        }
        for datagram in b.rtcp(now) {
            check_compound(&datagram);
            under_way.push((ms + delay, false, datagram));
        }
        for (_, to_b, datagram) in under_way.extract_if(.., |(due, ..)| *due <= ms) {
            let peer = if to_b { &mut b } else { &mut a };
            for event in peer.session.handle_rtcp(now, &datagram) {
                match event {
                    RtcpEvent::Report { block, rtt, .. } if !to_b => reports.push((block, rtt)),
                    RtcpEvent::Named { ssrc, cname, name } => names.push((ssrc, cname, name)),
                    RtcpEvent::SenderReport { ssrc } => {
                        clocks += 1;
                        assert!(peer.session.source(ssrc).is_some());
                    }
                    RtcpEvent::Report { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert!(reports.len() >= 5, "{} reports", reports.len());
    assert!(clocks >= 10);
    let (last, rtt) = reports.last().unwrap();
    assert!((last.lost - 150).abs() < 30, "{last:?}");
    assert!((20..=31).contains(&last.fraction_lost), "{last:?}");
    let rtt = rtt.unwrap();
    assert!(rtt.abs_diff(80 * MS) < 2 * MS, "{rtt:?}");
    assert_eq!(a.session.rtt(), rtt);
    // Each name is told once.
    names.sort();
    let mut expected = vec![
        (a.ssrc(), Some("ann@x".to_owned()), Some("ann".to_owned())),
        (b.ssrc(), Some("bob@x".to_owned()), Some("bob".to_owned())),
    ];
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(b.session.name_of(a.ssrc()).unwrap().name.as_deref(), Some("ann"));
}

#[test]
fn feedback_goes_out_at_once_and_arrives() {
    let t = Instant::now();
    let (mut a, mut b) = (Peer::new("ann", t, 1), Peer::new("bob", t, 2));
    let packet = a.send(t);
    b.session.handle_rtp(t, &packet);
    a.rtcp(t);
    b.rtcp(t);
    let media = a.ssrc();
    let ask = |b: &mut Peer, a: &mut Peer| {
        assert_eq!(b.session.poll_timeout().map(|at| at <= t), Some(true));
        let mut events = Vec::new();
        for datagram in b.rtcp(t) {
            check_compound(&datagram);
            events.extend(a.session.handle_rtcp(t, &datagram));
        }
        events.retain(|event| !matches!(event, RtcpEvent::Named { .. }));
        assert_eq!(b.rtcp(t).len(), 0);
        events
    };
    let wanted = RtcpEvent::KeyFrameWanted { media };
    b.session.request_pli(t, media);
    assert_eq!(ask(&mut b, &mut a), std::slice::from_ref(&wanted));
    b.session.request_fir(t, media, false);
    assert_eq!(ask(&mut b, &mut a), std::slice::from_ref(&wanted));
    b.session.request_fir(t, media, true);
    assert_eq!(ask(&mut b, &mut a), [], "a repetition");
    b.session.request_fir(t, media, false);
    assert_eq!(ask(&mut b, &mut a), [wanted], "a new command");
    let seqs: Vec<Seq> = (0..1000).map(|i| Seq(i * 40)).collect();
    b.session.request_nack(t, media, &seqs);
    b.session.request_nack(t, media, &seqs[..3]);
    let mut asked = Vec::new();
    for event in ask(&mut b, &mut a) {
        let RtcpEvent::Nack { media: m, seqs } = event else { panic!("{event:?}") };
        assert_eq!(m, media);
        asked.extend(seqs);
    }
    assert_eq!(asked, seqs[..512], "bounded, in as many datagrams as it takes");
    // What is not about us is not told.
    b.session.request_pli(t, Ssrc(1));
    b.session.request_nack(t, Ssrc(1), &seqs[..1]);
    assert_eq!(ask(&mut b, &mut a), []);
    b.session.set_receive_limit(Some(500_000));
    let later = t + Duration::from_secs(10);
    let bitrates: Vec<_> = b
        .rtcp(later)
        .iter()
        .flat_map(|datagram| a.session.handle_rtcp(later, datagram))
        .filter(|event| matches!(event, RtcpEvent::Remb { bitrate: 500_000 }))
        .collect();
    assert_eq!(bitrates.len(), 1);
}

#[test]
fn all_contributors_are_named_at_once_and_then_in_turns() {
    let t = Instant::now();
    let (mut mixer, mut phone) = (Peer::new("mixer", t, 1), Peer::new("ann", t, 2));
    let people: Vec<Contributor> = (0..60)
        .map(|i| Contributor {
            ssrc: Ssrc(1000 + i),
            cname: format!("{i:020}@conference"),
            name: format!("Participant Number {i}"),
        })
        .collect();
    mixer.session.set_contributors(t, people.clone());
    let mut named = std::collections::BTreeMap::new();
    let mut hear = |phone: &mut Peer, datagrams: Vec<Bytes>, now| {
        for datagram in datagrams {
            check_compound(&datagram);
            for event in phone.session.handle_rtcp(now, &datagram) {
                if let RtcpEvent::Named { ssrc, name, .. } = event {
                    named.insert(ssrc, name);
                }
            }
        }
        named.len()
    };
    let burst = mixer.rtcp(t);
    assert!((2..=5).contains(&burst.len()), "{}", burst.len());
    assert_eq!(hear(&mut phone, burst, t), 61);
    // The same list again is no news.
    mixer.session.set_contributors(t, people);
    assert_eq!(mixer.rtcp(t).len(), 0);
    // A phone that missed the burst hears everybody in turn.
    let mut late = Peer::new("bob", t, 3);
    let mut known = 0;
    for second in 1..60 {
        let now = t + Duration::from_secs(second);
        for datagram in mixer.rtcp(now) {
            let events = late.session.handle_rtcp(now, &datagram);
            known += events.iter().filter(|e| matches!(e, RtcpEvent::Named { .. })).count();
        }
    }
    assert_eq!(known, 61);
}

#[test]
fn a_collision_changes_our_ssrc_once() {
    let t = Instant::now();
    let mut a = Peer::new("ann", t, 1);
    let old = a.ssrc();
    a.rtcp(t);
    let echo = a.send(t);
    let Arrival::Dropped(Dropped::Collision { old: said, new }) = a.session.handle_rtp(t, &echo)
    else {
        panic!("no collision");
    };
    assert_eq!(said, old);
    assert_ne!(new, old);
    assert_eq!(a.session.ssrc(), new);
    a.stream.set_ssrc(new);
    // The farewell of the old one goes out under the new one.
    let farewell = a
        .rtcp(t)
        .iter()
        .flat_map(|datagram| rtcp::parse(datagram))
        .any(|packet| matches!(packet, Rtcp::Bye(bye) if bye.ssrcs == [old]));
    assert!(farewell);
    // Whoever echoes us gets no second change.
    let echo = a.send(t);
    assert_eq!(a.session.handle_rtp(t, &echo), Arrival::Dropped(Dropped::Loop));
    // The old one is somebody else's now.
    let mut other = SendStream::new(old, PayloadType::PCMU, 9);
    let packet = other.packet(false, 0, Bytes::from_static(&[0]), &CsrcList::EMPTY);
    let packet = RtpPacket::parse(packet.to_bytes()).unwrap();
    assert!(received(a.session.handle_rtp(t, &packet)));
    // We in somebody's mix is a loop.
    let us: CsrcList = [new].into_iter().collect();
    let packet = other.packet(false, 160, Bytes::from_static(&[0]), &us);
    let packet = RtpPacket::parse(packet.to_bytes()).unwrap();
    assert_eq!(a.session.handle_rtp(t, &packet), Arrival::Dropped(Dropped::Loop));
}

fn from(ssrc: u32, count: u16) -> Vec<RtpPacket> {
    let mut stream = SendStream::new(Ssrc(ssrc), PayloadType::PCMU, 4);
    let packets = (0..count)
        .map(|_| stream.packet(false, 0, Bytes::from_static(&[0]), &CsrcList::EMPTY).to_bytes());
    packets.map(|bytes| RtpPacket::parse(bytes).unwrap()).collect()
}

#[test]
fn who_is_expected_has_nothing_to_prove_and_who_comes_back_is_counted_anew() {
    let t = Instant::now();
    let mut a = Peer::new("ann", t, 1);
    let is_first = |arrival| matches!(arrival, Arrival::Received(received) if received.first);
    assert!(is_first(a.session.handle_rtp(t, &from(1, 1)[0])));
    let refused = Arrival::Dropped(Dropped::Unproven);
    assert_eq!(a.session.handle_rtp(t, &from(2, 1)[0]), refused);
    a.session.expect_another(t);
    assert!(is_first(a.session.handle_rtp(t, &from(3, 1)[0])));
    assert_eq!(a.session.handle_rtp(t, &from(4, 1)[0]), refused, "one is expected");
    // The first comes back, far from where it stopped.
    let t = t + Duration::from_secs(2);
    a.session.expect_another(t);
    assert!(is_first(a.session.handle_rtp(t, &from(1, 300)[299])));
    assert_eq!(a.session.source(Ssrc(1)).map(|source| source.lost()), Some(0));
}

#[test]
fn strangers_cannot_fill_the_table() {
    let t = Instant::now();
    let mut a = Peer::new("ann", t, 1);
    let first = a.session.handle_rtp(t, &from(1, 1)[0]);
    assert!(matches!(first, Arrival::Received(received) if received.first));
    // Thousands that send one packet each come and go.
    for ssrc in 1000..5000 {
        assert_eq!(a.session.handle_rtp(t, &from(ssrc, 1)[0]), Arrival::Dropped(Dropped::Unproven));
    }
    // Those that prove themselves are kept, up to the limit.
    for ssrc in 2..33 {
        let packets = from(ssrc, 2);
        a.session.handle_rtp(t, &packets[0]);
        assert!(received(a.session.handle_rtp(t, &packets[1])), "{ssrc}");
    }
    assert_eq!(a.session.sources().count(), 32);
    let refused = a.session.handle_rtp(t, &from(99, 1)[0]);
    assert_eq!(refused, Arrival::Dropped(Dropped::TooManySources));
    for datagram in a.rtcp(t + Duration::from_secs(6)) {
        check_compound(&datagram);
    }
    // An unknown payload type, and one of another clock.
    let mut odd = SendStream::new(Ssrc(1), PayloadType::new(77).unwrap(), 4);
    let packet = odd.packet(false, 0, Bytes::from_static(&[0]), &CsrcList::EMPTY);
    let packet = RtpPacket::parse(packet.to_bytes()).unwrap();
    let dropped = Dropped::PayloadType(PayloadType::new(77).unwrap());
    assert_eq!(a.session.handle_rtp(t, &packet), Arrival::Dropped(dropped));
    // Silence for long frees the table.
    let much_later = t + Duration::from_secs(120);
    a.rtcp(much_later);
    assert_eq!(a.session.sources().count(), 0);
}

#[test]
fn a_farewell_is_told_once_and_ends_the_source() {
    let t = Instant::now();
    let (mut a, mut b) = (Peer::new("ann", t, 1), Peer::new("bob", t, 2));
    let packet = a.send(t);
    b.session.handle_rtp(t, &packet);
    let bye = a.session.bye(t, "done").unwrap();
    check_compound(&bye);
    let gone = |events: Vec<RtcpEvent>| {
        events.into_iter().filter(|e| matches!(e, RtcpEvent::Bye { .. })).count()
    };
    assert_eq!(gone(b.session.handle_rtcp(t, &bye)), 1);
    assert!(b.session.source(a.ssrc()).is_none());
    assert_eq!(b.session.handle_rtcp(t, &bye), [], "once");
    let own = b.session.clone().bye(t + 10_000 * MS, "");
    assert_eq!(own, None, "never sent anything (RFC 3550 §6.3.7)");
    let reports = b.rtcp(t + 10_000 * MS);
    assert!(!reports.is_empty());
    let own = b.session.clone().bye(t + 10_000 * MS, "").unwrap();
    check_compound(&own);
    assert_eq!(gone(b.session.handle_rtcp(t, &own)), 0, "our own");
}

#[test]
fn one_of_a_crowd_leaves_without_a_bye() {
    let t = Instant::now();
    let mut a = Peer::new("ann", t, 1);
    a.send(t);
    let report = |ssrc| {
        let mut compound = rtcp::Compound::default();
        compound.push(&Rtcp::ReceiverReport { ssrc: Ssrc(ssrc), blocks: Vec::new() });
        compound.finish()
    };
    for ssrc in 0..49 {
        a.session.handle_rtcp(t, &report(ssrc));
    }
    assert!(a.session.clone().bye(t, "").is_some(), "fifty with us");
    a.session.handle_rtcp(t, &report(49));
    assert_eq!(a.session.bye(t, ""), None);
}

#[test]
fn any_bytes_are_survived() {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    let t = Instant::now();
    let mut runner = TestRunner::new(Config::with_cases(10_000));
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let kinds = (0x80u8..0xc0, 199u8..208, 0u8..20);
    runner
        .run(&(bytes, kinds, any::<bool>()), |(mut bytes, (first, kind, words), likely)| {
            if likely && bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&[first, kind, 0, words]);
            }
            let mut a = Peer::new("ann", t, 1);
            a.session.handle_rtcp(t, &bytes);
            if let Ok(packet) = RtpPacket::parse(bytes.into()) {
                a.session.handle_rtp(t, &packet);
            }
            a.session.poll_rtcp(t + Duration::from_secs(9));
            Ok(())
        })
        .unwrap();
}
