//! Pictures of several senders forwarded to one receiver over lossy links: what is sent again arrives, and
//! the receiver sees one unbroken stream.
#![allow(clippy::disallowed_methods, reason = "the virtual clock needs one Instant to start from")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtp_session::vp8::{Assembler, AssemblerConfig, Descriptor, Packetizer, PictureId};
use rtp_session::{
    CsrcList, ExtSeq, History, LossConfig, LossDetector, PayloadType, Rewrite, RewriteKind,
    RtpPacket, SendStream, Seq, Source, Ssrc,
};
use str0m_netem::{Input, Netem, NetemConfig, Output, Probability, RandomLoss};

const MS: Duration = Duration::from_millis(1);

/// A camera: 25 pictures a second, key frames when asked.
struct Camera {
    stream: SendStream,
    packetizer: Packetizer,
    history: History,
    pictures: u32,
    key_wanted: bool,
}

impl Camera {
    fn new(ssrc: u32) -> Self {
        Self {
            stream: SendStream::new(Ssrc(ssrc), PayloadType::new(96).unwrap(), u64::from(ssrc)),
            packetizer: Packetizer::new(1200, u64::from(ssrc) * 77),
            history: History::default(),
            pictures: 0,
            key_wanted: true,
        }
    }

    fn picture(&mut self, now: Instant) -> Vec<Bytes> {
        let key = std::mem::take(&mut self.key_wanted);
        let mut frame = vec![0; if key { 9000 } else { 2500 }];
        frame[0] = u8::from(!key);
        let ticks = self.pictures * 3600;
        self.pictures += 1;
        let mut out = Vec::new();
        for part in self.packetizer.split(&frame.into()) {
            let packet = self.stream.packet_with_descriptor(
                part.last,
                ticks,
                part.descriptor(),
                part.payload.clone(),
                &CsrcList::EMPTY,
            );
            self.history.push(now, packet.clone());
            out.push(packet.to_bytes());
        }
        out
    }
}

fn link(seed: u64, loss: f32) -> Netem<Bytes> {
    let loss = RandomLoss::new(Probability::new(loss));
    Netem::new(NetemConfig::new().latency(20 * MS).jitter(3 * MS).loss(loss).seed(seed))
}

fn arrivals(link: &mut Netem<Bytes>, now: Instant) -> Vec<RtpPacket> {
    link.handle_input(Input::Timeout(now));
    std::iter::from_fn(|| link.poll_output())
        .filter_map(|output| match output {
            Output::Packet(bytes) => RtpPacket::parse(bytes).ok(),
            Output::Timeout(_) => None,
        })
        .collect()
}

struct Outcome {
    shown: usize,
    keys_asked: usize,
    asked_again: usize,
    resent: usize,
}

/// 60 s of three cameras, one forwarded at a time, another one every two seconds.
fn run(loss: f32, seed: u64) -> Outcome {
    let t = Instant::now();
    let mut cameras = [Camera::new(1), Camera::new(2), Camera::new(3)];
    let mut uplinks = [link(seed, loss), link(seed + 1, loss), link(seed + 2, loss)];
    let mut sources = [1, 2, 3].map(|ssrc| Source::new(Ssrc(ssrc), 90_000, 0));
    let mut up_losses = [0; 3].map(|_| LossDetector::new(LossConfig::default()));
    let mut rewrite =
        Rewrite::new(Ssrc(100), PayloadType::new(120).unwrap(), RewriteKind::Vp8, 90_000, seed);
    let mut history = History::default();
    let mut downlink = link(seed + 3, loss);
    let mut last_key_request = t;
    // The receiver.
    let mut source = Source::new(Ssrc(100), 90_000, 0);
    let mut losses = LossDetector::new(LossConfig::default());
    let mut assembler = Assembler::new(AssemblerConfig::default());
    let mut outcome = Outcome { shown: 0, keys_asked: 0, asked_again: 0, resent: 0 };
    // What the mixer put out, by number.
    let mut numbers: BTreeSet<ExtSeq> = BTreeSet::new();
    let mut newest: Option<ExtSeq> = None;
    let mut pictures: Option<(u16, u32)> = None;
    for ms in 0..60_000u64 {
        let now = t + Duration::from_millis(ms);
        rewrite.switch_to(Ssrc(1 + (ms / 2000 % 3) as u32));
        for i in 0..3 {
            if ms % 40 == i as u64 * 7 {
                for bytes in cameras[i].picture(now) {
                    uplinks[i].handle_input(Input::Packet(now, bytes));
                }
            }
            for packet in arrivals(&mut uplinks[i], now) {
                let reception = sources[i].receive(now, &packet).unwrap();
                up_losses[i].received(now, reception.ext_seq);
                let csrcs: CsrcList = [packet.ssrc()].into_iter().collect();
                let Some(out) = rewrite.forward(now, &packet, &csrcs) else { continue };
                let ext = newest.map_or(ExtSeq::first(out.seq()), |n| n.nearest(out.seq()));
                assert!(numbers.insert(ext), "{ext:?} came out twice");
                let out_packet = RtpPacket::parse(out.to_bytes()).unwrap();
                let (descriptor, _) = Descriptor::parse(out_packet.payload_ref()).unwrap();
                let Some(PictureId::Long(picture)) = descriptor.picture_id else {
                    panic!("no picture id")
                };
                if newest.is_none_or(|newest| ext > newest) {
                    if let Some((last_picture, last_timestamp)) = pictures {
                        let step = picture.wrapping_sub(last_picture) & 0x7fff;
                        let passed = out.timestamp().0.wrapping_sub(last_timestamp);
                        assert!(step <= 8, "picture {last_picture} -> {picture}");
                        assert!(passed < 90_000, "timestamps jump by {passed}");
                        assert_eq!(step == 0, passed == 0, "one picture, one timestamp");
                    }
                    pictures = Some((picture, out.timestamp().0));
                    newest = Some(ext);
                }
                history.push(now, out.clone());
                downlink.handle_input(Input::Packet(now, out.to_bytes()));
            }
            // Requests travel without loss here: another link would only slow the test down.
            for seq in up_losses[i].poll(now, 40 * MS).nack {
                if let Some(again) = cameras[i].history.resend(now, seq, 20 * MS) {
                    outcome.resent += 1;
                    uplinks[i].handle_input(Input::Packet(now, again.to_bytes()));
                }
            }
        }
        for packet in arrivals(&mut downlink, now) {
            let reception = source.receive(now, &packet).unwrap();
            losses.received(now, reception.ext_seq);
            assembler.push(now, reception.ext_seq, &packet);
        }
        while assembler.pop(now).is_some() {
            outcome.shown += 1;
        }
        let due = losses.poll(now, 40 * MS);
        outcome.asked_again += due.nack.len();
        for seq in due.nack {
            if let Some(again) = history.resend(now, seq, 20 * MS) {
                outcome.resent += 1;
                downlink.handle_input(Input::Packet(now, again.to_bytes()));
            }
        }
        let wanted = rewrite.is_waiting() || assembler.want_key_frame();
        if wanted && now - last_key_request > 200 * MS {
            last_key_request = now;
            outcome.keys_asked += 1;
            for camera in &mut cameras {
                camera.key_wanted |= Some(camera.stream.ssrc()) == rewrite.source();
            }
        }
    }
    // No holes but those of packets that never reached the mixer.
    let first = numbers.first().unwrap().0;
    let holes = (first..newest.unwrap().0).filter(|n| !numbers.contains(&ExtSeq(*n))).count();
    let never_came: i64 = sources.iter().map(Source::lost).sum();
    assert!(
        i64::try_from(holes).unwrap() <= never_came.max(0) + 30,
        "{holes} holes, {never_came} lost"
    );
    if loss == 0.0 {
        assert_eq!(holes, 0);
        assert_eq!(source.lost(), 0);
        assert_eq!(outcome.asked_again, 0);
    }
    outcome
}

#[test]
fn without_loss_every_switch_is_seamless() {
    let outcome = run(0.0, 1);
    // 1500 pictures, less the wait for a key frame at 30 switches.
    assert!(outcome.shown > 1300, "{} shown", outcome.shown);
    assert_eq!(outcome.resent, 0);
}

#[test]
fn what_is_lost_is_sent_again() {
    for seed in [10, 20, 30] {
        let outcome = run(0.05, seed);
        println!("{} shown, {} keys, {} resent", outcome.shown, outcome.keys_asked, outcome.resent);
        assert!(outcome.shown > 1250, "{} shown", outcome.shown);
        assert!(outcome.resent > 300, "{} resent", outcome.resent);
        // 30 switches, and few more: losses are mended without key frames.
        assert!(outcome.keys_asked < 60, "{} key frames", outcome.keys_asked);
    }
}

#[test]
fn numbers_wrap_without_a_trace() {
    let mut stream = SendStream::new(Ssrc(1), PayloadType::PCMU, 1);
    let mut rewrite = Rewrite::new(Ssrc(2), PayloadType::PCMU, RewriteKind::Opaque, 8000, 1);
    rewrite.switch_to(Ssrc(1));
    let t = Instant::now();
    let mut last: Option<Seq> = None;
    for i in 0..200_000u32 {
        let packet = stream.packet(
            false,
            i.wrapping_mul(160 * 1000),
            Bytes::from_static(&[0]),
            &CsrcList::EMPTY,
        );
        let packet = RtpPacket::parse(packet.to_bytes()).unwrap();
        let out = rewrite.forward(t, &packet, &CsrcList::EMPTY).unwrap();
        if let Some(last) = last.replace(out.seq()) {
            assert_eq!(out.seq(), last.next());
        }
    }
}
