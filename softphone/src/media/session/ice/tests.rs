//! Two phones, or a phone and something else, with ICE, on a virtual clock over a link with NATs.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rtp_session::{AudioLevel, NtpClock};
use sdp::attribute::candidate::Candidate;
use sdp::negotiate::LocalTransport;

use super::super::MediaConfig;
use super::*;
use crate::core::call::ice::IceConfig;
use crate::core::call::{Call, LocalPorts};
use crate::media::audio_line::AudioFrame;
use crate::media::ice::CandidateKind;

const DELAY: Duration = Duration::from_millis(10);

/// One phone with an audio line.
struct End {
    call: Call,
    media: MediaSession,
    host: SocketAddr,
    /// How it looks from outside; the host itself without a NAT.
    outside: SocketAddr,
    played: usize,
    /// Media it sent, by destination.
    sent: Vec<(SocketAddr, usize)>,
    events: Vec<IceEvent>,
    /// Nothing of it gets anywhere.
    cut: bool,
}

impl End {
    fn new(now: Instant, number: u8, ice: bool) -> Self {
        let host = SocketAddr::from(([10, 0, 0, number], 40_000));
        let ports = LocalPorts { audio: LocalTransport::pair(host), video: Vec::new() };
        let mut call = Call::new(u64::from(number), host.ip(), ports, false);
        if ice {
            let candidates = vec![vec![Candidate::host(host, 1, u16::MAX)]];
            call = call.with_ice(IceConfig { seed: [number; 32], candidates });
        }
        let config = MediaConfig {
            cname: format!("{number}@test"),
            name: number.to_string(),
            clock: NtpClock::new(now, Duration::from_secs(1_700_000_000)),
            seed: u64::from(number) * 7919,
            slots: 0,
            sip_host: None,
        };
        let (played, sent, events) = (0, Vec::new(), Vec::new());
        let media = MediaSession::new(now, config);
        Self { call, media, host, outside: host, played, sent, events, cut: false }
    }

    fn agree(&mut self, now: Instant) {
        self.media.set_ice(&self.call.ice());
        self.media.apply(now, self.call.lines());
    }

    fn selected(&self) -> Option<SelectedPath> {
        self.media.selected(0)
    }

    fn ufrag(&self) -> String {
        self.call.ice()[0].as_ref().unwrap().local.ufrag.clone()
    }

    /// How many media packets went there, of those sent since it was asked last.
    fn take_sent(&mut self) -> Vec<(SocketAddr, usize)> {
        std::mem::take(&mut self.sent)
    }
}

struct World {
    now: Instant,
    ends: Vec<End>,
    wire: Vec<(Instant, SocketAddr, SocketAddr, Bytes)>,
    tick: u32,
}

impl World {
    fn new(ice: &[bool]) -> Self {
        let now = Instant::now();
        let ends = (1..).zip(ice).map(|(number, ice)| End::new(now, number, *ice)).collect();
        Self { now, ends, wire: Vec::new(), tick: 0 }
    }

    /// Offer and answer between two of them.
    fn negotiate(&mut self, offerer: usize, answerer: usize, anew: bool) {
        let call = &mut self.ends[offerer].call;
        let offer = if anew { call.offer_anew() } else { call.offer() };
        let answer = self.ends[answerer].call.answer(&offer).unwrap();
        self.ends[offerer].call.answered(&answer).unwrap();
        for end in [offerer, answerer] {
            let now = self.now;
            self.ends[end].agree(now);
        }
    }

    fn drain(&mut self, end: usize) {
        let now = self.now;
        let End { media, sent, played, events, outside, cut, .. } = &mut self.ends[end];
        while let Some(output) = media.poll_output() {
            match output {
                Output::Send(datagram) => {
                    if classify(&datagram.bytes) == PacketKind::Rtp {
                        match sent.iter_mut().find(|(to, _)| *to == datagram.to) {
                            Some((_, count)) => *count += 1,
                            None => sent.push((datagram.to, 1)),
                        }
                    }
                    if !*cut {
                        self.wire.push((now + DELAY, *outside, datagram.to, datagram.bytes));
                    }
                }
                Output::Play(_) => *played += 1,
                _ => {}
            }
        }
        events.extend(std::iter::from_fn(|| media.poll_ice()));
    }

    /// For so long everybody talks.
    fn run(&mut self, time: Duration) {
        for _ in 0..time.as_millis() {
            let now = self.now;
            if self.tick.is_multiple_of(20) {
                for end in 0..self.ends.len() {
                    let frame = AudioFrame {
                        ticks: self.tick / 20 * 960,
                        marker: false,
                        level: AudioLevel { voice: true, level: 30 },
                        payload: Bytes::from_static(&[0xfc; 40]),
                    };
                    self.ends[end].media.send_audio(now, frame);
                    self.drain(end);
                }
            }
            let (arrived, waiting): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.wire).into_iter().partition(|entry| entry.0 <= now);
            self.wire = waiting;
            for (_, from, to, bytes) in arrived {
                let Some(end) = self.ends.iter().position(|end| end.outside == to) else {
                    continue;
                };
                self.ends[end].media.handle_datagram(now, 0, Channel::Rtp, from, bytes);
                self.drain(end);
            }
            for end in 0..self.ends.len() {
                if self.ends[end].media.poll_timeout().is_some_and(|due| due <= now) {
                    self.ends[end].media.handle_timeout(now);
                }
                self.drain(end);
            }
            self.tick += 1;
            self.now += Duration::from_millis(1);
        }
    }

    fn played_in(&mut self, time: Duration) -> Vec<usize> {
        let before: Vec<usize> = self.ends.iter().map(|end| end.played).collect();
        self.run(time);
        self.ends.iter().zip(before).map(|(end, before)| end.played - before).collect()
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn host(remote: SocketAddr) -> SelectedPath {
    SelectedPath { remote, kind: CandidateKind::Host, local: CandidateKind::Host }
}

#[test]
fn two_phones_choose_their_hosts_and_the_offerer_controls() {
    let mut world = World::new(&[true, true]);
    world.negotiate(0, 1, false);
    world.run(SECOND);
    let [first, second] = [&world.ends[0], &world.ends[1]];
    assert_eq!(first.selected(), Some(host(second.host)));
    assert_eq!(second.selected(), Some(host(first.host)));
    let report = [first.media.ice_report(), second.media.ice_report()];
    assert!(report[0][0].controlling && !report[1][0].controlling);
    assert!(report[0][0].rtt_ms.is_some_and(|rtt| (20.0..30.0).contains(&rtt)));
    assert!(matches!(first.events[..], [IceEvent::Selected { line: 0, .. }, ..]));
    assert_eq!(world.played_in(SECOND), [50, 50]);
}

#[test]
fn behind_a_nat_both_learn_where_it_is() {
    let mut world = World::new(&[true, true]);
    world.ends[0].outside = SocketAddr::from(([198, 51, 100, 9], 61_000));
    world.negotiate(0, 1, false);
    world.run(SECOND);
    let nat = world.ends[0].outside;
    let behind = world.ends[0].selected().unwrap();
    assert_eq!((behind.kind, behind.local), (CandidateKind::Host, CandidateKind::PeerReflexive));
    let seen = world.ends[1].selected().unwrap();
    assert_eq!((seen.remote, seen.kind), (nat, CandidateKind::PeerReflexive));
    assert_eq!(world.played_in(SECOND), [50, 50]);
}

#[test]
fn nothing_is_taken_from_where_no_check_came_from() {
    let mut world = World::new(&[true, true]);
    world.negotiate(0, 1, false);
    world.run(SECOND);
    // The same packets from another port of the very host that the description names.
    world.ends[0].outside.set_port(40_002);
    let played = world.played_in(Duration::from_millis(200));
    assert!(played[1] <= 1, "only what was under way: {played:?}");
}

#[test]
fn nothing_is_sent_before_a_check_was_answered_and_all_after_it() {
    let mut world = World::new(&[true, true]);
    world.negotiate(0, 1, false);
    world.run(DELAY);
    assert_eq!(world.ends[0].take_sent(), [], "the place may be somebody else's");
    world.run(3 * DELAY);
    world.ends[0].take_sent();
    world.run(SECOND);
    let to = world.ends[1].host;
    assert_eq!(world.ends[0].take_sent(), [(to, 50)]);
}

#[test]
fn a_peer_without_ice_is_treated_as_ever() {
    let mut world = World::new(&[true, false]);
    world.negotiate(0, 1, false);
    // it sends from elsewhere than it said: symmetric RTP
    world.ends[1].outside.set_port(41_000);
    world.run(SECOND);
    assert!(!world.ends[0].media.has_ice(0) && world.ends[0].selected().is_none());
    assert!(world.ends[0].events.is_empty());
    assert_eq!(world.played_in(SECOND), [50, 50]);
}

/// Both answered somebody else's offer, or both made one: as a third party in the middle does it (RFC 3725).
#[test]
fn two_who_both_control_come_to_terms() {
    for both in [true, false] {
        let mut world = World::new(&[true, true]);
        world.negotiate(0, 1, false);
        let now = world.now;
        for end in &mut world.ends {
            let mut terms = end.call.ice();
            terms.iter_mut().flatten().for_each(|terms| {
                terms.controlling = both;
                // another session than the one begun in `negotiate`
                terms.local.candidates.iter_mut().for_each(|own| own.foundation.push('x'));
            });
            end.media.set_ice(&terms);
            end.media.apply(now, end.call.lines());
        }
        world.run(2 * SECOND);
        let controls = |end: &End| end.media.ice_report()[0].controlling;
        assert_ne!(controls(&world.ends[0]), controls(&world.ends[1]), "both: {both}");
        assert!(world.ends.iter().all(|end| end.selected().is_some()), "both: {both}");
    }
}

#[test]
fn a_plain_offer_keeps_the_session_and_an_empty_reinvite_begins_it_anew() {
    let mut world = World::new(&[true, true]);
    world.negotiate(0, 1, false);
    world.run(SECOND);
    let before = [world.ends[0].ufrag(), world.ends[1].ufrag()];
    world.negotiate(1, 0, false);
    assert_eq!([world.ends[0].ufrag(), world.ends[1].ufrag()], before);
    assert!(world.ends.iter().all(|end| end.selected().is_some()), "nothing is checked again");
    world.negotiate(0, 1, true);
    let after = [world.ends[0].ufrag(), world.ends[1].ufrag()];
    assert!(after[0] != before[0] && after[1] != before[1], "both sides (RFC 8445 section 9)");
    assert!(world.ends.iter().all(|end| end.selected().is_none()));
    // The old way goes on until there is a new one: not one packet is missing.
    assert_eq!(world.played_in(SECOND), [50, 50]);
    assert!(world.ends.iter().all(|end| end.selected().is_some()));
}

#[test]
fn moved_to_another_peer_media_goes_there_with_its_first_answer() {
    let mut world = World::new(&[true, true, true]);
    world.negotiate(0, 1, false);
    world.run(SECOND);
    world.ends[0].take_sent();
    world.negotiate(0, 2, true);
    let now = world.now;
    world.run(Duration::from_millis(1));
    let third = world.ends[2].host;
    assert_eq!(world.ends[0].take_sent(), [], "not to the one before");
    let played = world.played_in(Duration::from_millis(200));
    assert!(played[0] >= 7 && played[2] >= 7, "{played:?} after {:?}", world.now - now);
    assert_eq!(world.ends[0].selected(), Some(host(third)));
}

/// RFC 7675 §5.1: after 30 s without an answer nothing is sent, and whoever shows the call is told.
#[test]
fn who_stops_answering_is_sent_nothing_after_half_a_minute() {
    let mut world = World::new(&[true, true]);
    world.negotiate(0, 1, false);
    world.run(SECOND);
    world.ends[1].cut = true;
    world.run(23 * SECOND);
    assert!(!world.ends[0].media.is_consent_lost(0));
    world.run(9 * SECOND);
    assert!(world.ends[0].media.is_consent_lost(0));
    assert_eq!(world.ends[0].events.last(), Some(&IceEvent::Lost { line: 0 }));
    world.ends[0].take_sent();
    world.run(SECOND);
    assert_eq!(world.ends[0].take_sent(), [], "not a single packet");
    assert!(world.ends[0].media.ice_report()[0].consent_lost);
}

#[test]
fn consent_is_kept_up_for_as_long_as_the_call_lasts() {
    let mut world = World::new(&[true, true]);
    world.negotiate(0, 1, false);
    world.run(90 * SECOND);
    assert!(world.ends.iter().all(|end| !end.media.is_consent_lost(0)));
    let checks = |world: &mut World, time: Duration| {
        let mut checks = 0;
        let until = world.now + time;
        while world.now < until {
            world.run(Duration::from_millis(1));
            let stun = |entry: &&(Instant, SocketAddr, SocketAddr, Bytes)| {
                entry.0 == world.now - Duration::from_millis(1) + DELAY
                    && entry.1 == world.ends[0].outside
                    && entry.3.starts_with(&[0, 1])
            };
            checks += world.wire.iter().filter(stun).count();
        }
        checks
    };
    let checks = checks(&mut world, 60 * SECOND);
    assert!((9..=16).contains(&checks), "every 4 to 6 s, {checks} in a minute");
}

#[test]
fn a_peer_that_never_answers_is_told_of() {
    let mut world = World::new(&[true, true]);
    world.negotiate(0, 1, false);
    world.ends[1].cut = true;
    world.run(31 * SECOND);
    assert_eq!(world.ends[0].events, [IceEvent::Lost { line: 0 }]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_stun_of_a_stranger_makes_it_panic(
        datagrams in proptest::collection::vec(
            (proptest::collection::vec(proptest::num::u8::ANY, 0..120), 0_u16..0x200), 0..40),
    ) {
        let mut world = World::new(&[true, true]);
        world.negotiate(0, 1, false);
        let stranger = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 5), 5000));
        for (mut bytes, kind) in datagrams {
            bytes.truncate(bytes.len() / 4 * 4);
            if bytes.len() >= 20 {
                let length = (bytes.len() - 20) as u16;
                bytes[..2].copy_from_slice(&kind.to_be_bytes());
                bytes[2..4].copy_from_slice(&length.to_be_bytes());
                bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
            }
            let now = world.now;
            let bytes = Bytes::from(bytes);
            world.ends[0].media.handle_datagram(now, 0, Channel::Rtp, stranger, bytes);
        }
        world.run(SECOND);
        proptest::prop_assert!(world.ends[0].selected().is_some());
    }
}
