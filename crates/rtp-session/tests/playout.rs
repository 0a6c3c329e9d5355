//! Play-out over an emulated network on a virtual clock: what a listener would notice.
#![allow(clippy::disallowed_methods, reason = "the virtual clock needs one Instant to start from")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use rtp_session::{
    AudioPayload, CsrcList, JitterBuffer, JitterConfig, JitterStats, PayloadType, Playout,
    RtpPacket, SendStream, Ssrc,
};
use str0m_netem::{GilbertElliot, Input, Netem, NetemConfig, Output, Probability, RandomLoss};

const MS: Duration = Duration::from_millis(1);
const RATE: u32 = 8000;

/// A call of one direction.
struct Call {
    link: NetemConfig,
    seconds: u64,
    /// Length of a frame in milliseconds.
    ptime: u32,
    /// The sender's clock is this much faster than ours.
    ppm: i64,
    /// Nothing arrives in these spans (milliseconds); all of it comes at their end.
    stalls: Vec<(u64, u64)>,
    /// The sender is silent in these spans (milliseconds).
    pauses: Vec<(u64, u64)>,
    /// From this moment on (milliseconds) packets take so much longer.
    longer: Option<(u64, Duration)>,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            link: NetemConfig::new().latency(30 * MS).seed(7),
            seconds: 20,
            ptime: 20,
            ppm: 0,
            stalls: Vec::new(),
            pauses: Vec::new(),
            longer: None,
        }
    }
}

/// What the listener heard.
struct Heard {
    /// (when played, from capture to play-out) of every frame.
    delays: Vec<(Duration, Duration)>,
    /// When something had to be concealed.
    missing: Vec<Duration>,
    /// When there was silence.
    empty: Vec<Duration>,
    with_fec: usize,
    sent: usize,
    stats: JitterStats,
}

impl Heard {
    /// The largest delay between two moments (seconds).
    fn worst_delay(&self, from: f64, to: f64) -> Duration {
        let within = self.delays.iter().filter(|(at, _)| (from..to).contains(&at.as_secs_f64()));
        within.map(|(_, delay)| *delay).max().expect("something played")
    }

    fn missing_between(&self, from: f64, to: f64) -> usize {
        let within = |at: &&Duration| (from..to).contains(&at.as_secs_f64());
        self.missing.iter().filter(within).count()
    }
}

impl Call {
    fn run(&self) -> Heard {
        let start = Instant::now();
        let mut link: Netem<Bytes> = Netem::new(self.link);
        let mut stream = SendStream::new(Ssrc(1), PayloadType::PCMU, 42);
        let mut buffer = JitterBuffer::new(JitterConfig::new(RATE, AudioPayload::PerOctet));
        let mut heard = Heard {
            delays: Vec::new(),
            missing: Vec::new(),
            empty: Vec::new(),
            with_fec: 0,
            sent: 0,
            stats: JitterStats::default(),
        };
        let ticks = self.ptime * RATE / 1000;
        // The frame number is written into the payload, to know when it was captured.
        let capture_of = |number: u32| {
            let micros = i64::from(number) * i64::from(self.ptime) * 1000;
            Duration::from_micros((micros - micros * self.ppm / 1_000_000) as u64)
        };
        let mut next_frame = 0u32;
        let mut held: Vec<(Duration, Bytes)> = Vec::new();
        let mut fifo = 0u32;
        let mut last_played = None;
        // 1 ms steps; the listener's tick is every 20 of them, out of step with the sender.
        for ms in 0..self.seconds * 1000 {
            let elapsed = Duration::from_millis(ms);
            let now = start + elapsed;
            let in_span =
                |spans: &[(u64, u64)]| spans.iter().find(|s| (s.0..s.1).contains(&ms)).copied();
            while capture_of(next_frame) <= elapsed {
                if in_span(&self.pauses).is_none() {
                    let mut payload = vec![0; ticks as usize];
                    payload[..4].copy_from_slice(&next_frame.to_be_bytes());
                    let packet =
                        stream.packet(false, next_frame * ticks, payload.into(), &CsrcList::EMPTY);
                    link.handle_input(Input::Packet(now, packet.to_bytes()));
                    heard.sent += 1;
                }
                next_frame += 1;
            }
            link.handle_input(Input::Timeout(now));
            while let Some(output) = link.poll_output() {
                if let Output::Packet(bytes) = output {
                    let mut at = elapsed;
                    if let Some((_, extra)) = self.longer.filter(|(from, _)| ms >= *from) {
                        at += extra;
                    }
                    held.push((at, bytes));
                }
            }
            if in_span(&self.stalls).is_none() {
                let due: Vec<_> = held.extract_if(.., |(at, _)| *at <= elapsed).collect();
                for (_, bytes) in due {
                    let packet = RtpPacket::parse(bytes).expect("our own packet");
                    buffer.insert(now, &packet);
                }
            }
            if ms % 20 != 13 {
                continue;
            }
            let tick = RATE / 50;
            while fifo < tick {
                let at =
                    elapsed + Duration::from_micros(u64::from(fifo) * 1_000_000 / u64::from(RATE));
                match buffer.pop(now) {
                    Playout::Frame(frame) => {
                        let number =
                            u32::from_be_bytes(frame.payload[..4].try_into().expect("four"));
                        assert!(Some(number) > last_played, "frame {number} after {last_played:?}");
                        last_played = Some(number);
                        heard.delays.push((at, at - capture_of(number)));
                        fifo += frame.duration;
                    }
                    Playout::Missing { duration, next } => {
                        heard.missing.push(at);
                        heard.with_fec += usize::from(next.is_some());
                        fifo += duration;
                    }
                    Playout::Empty { duration } => {
                        heard.empty.push(at);
                        fifo += duration;
                    }
                }
            }
            fifo -= tick;
        }
        heard.stats = buffer.stats();
        heard
    }
}

#[test]
fn a_perfect_link_costs_little_more_than_the_least_delay() {
    let heard = Call::default().run();
    assert_eq!(heard.missing.len(), 0);
    assert!(heard.delays.len() + 3 >= heard.sent, "{} of {}", heard.delays.len(), heard.sent);
    // 30 ms of link, 20 ms of target, at most one tick of alignment.
    assert!(heard.worst_delay(0.0, 20.0) <= 72 * MS, "{:?}", heard.worst_delay(0.0, 20.0));
}

#[test]
fn every_packet_time_plays_smoothly() {
    for ptime in [10, 20, 30, 40, 60] {
        let link = NetemConfig::new().latency(30 * MS).jitter(5 * MS).seed(3);
        let heard = Call { ptime, link, ..Call::default() }.run();
        assert!(heard.missing.len() <= 2, "{ptime} ms: {} missing", heard.missing.len());
        assert!(
            heard.delays.len() * 100 >= heard.sent * 98,
            "{ptime} ms: {} of {}",
            heard.delays.len(),
            heard.sent
        );
        let worst = heard.worst_delay(2.0, 20.0);
        assert!(worst <= (100 + u32::from(ptime as u16)) * MS, "{ptime} ms: {worst:?}");
    }
}

#[test]
fn jitter_makes_the_delay_grow_until_little_is_lost() {
    let link = NetemConfig::new().latency(40 * MS).jitter(40 * MS).seed(11);
    let heard = Call { link, seconds: 60, ..Call::default() }.run();
    let late = heard.missing_between(10.0, 60.0);
    println!("{late} missing, {:?}", heard.stats);
    assert!(late * 100 <= 5 * 50 * 50, "{late} concealed in 50 s");
    assert!(heard.worst_delay(10.0, 60.0) <= 220 * MS, "{:?}", heard.worst_delay(10.0, 60.0));
}

#[test]
fn a_stall_leaves_no_lasting_delay() {
    for length in [60, 150, 300, 500, 1500] {
        let heard = Call { stalls: vec![(5000, 5000 + length)], ..Call::default() }.run();
        let before = heard.worst_delay(2.0, 5.0);
        let after = heard.worst_delay(12.0, 20.0);
        println!("stall {length} ms: before {before:?} after {after:?} {:?}", heard.stats);
        assert!(after <= before + 25 * MS, "stall {length} ms: {before:?} -> {after:?}");
        assert_eq!(heard.missing_between(7.0, 20.0), 0, "stall {length} ms");
        // Concealment fades into silence instead of droning on.
        assert!(heard.missing.len() <= 8, "stall {length} ms: {}", heard.missing.len());
    }
}

#[test]
fn repeated_bursts_are_survived() {
    // Every 200 ms a delivery of 100 ms at once, as a Wi-Fi in power save does it.
    let stalls = (10..200).map(|i| (i * 100, i * 100 + 80)).collect();
    let heard = Call { stalls, ..Call::default() }.run();
    println!("{:?}", heard.stats);
    assert!(heard.missing_between(5.0, 20.0) <= 10, "{}", heard.missing_between(5.0, 20.0));
    assert!(heard.worst_delay(5.0, 20.0) <= 180 * MS, "{:?}", heard.worst_delay(5.0, 20.0));
}

#[test]
fn drift_of_200_ppm_neither_starves_nor_swells() {
    for ppm in [200, -200] {
        let heard = Call { ppm, seconds: 600, ..Call::default() }.run();
        // 600 s at 200 ppm are 120 ms: six frames too many or too few.
        println!("{ppm}: {} missing, {:?}", heard.missing.len(), heard.stats);
        assert!(heard.missing.len() <= 8, "{ppm} ppm: {}", heard.missing.len());
        assert!(heard.stats.accelerated <= 8, "{ppm} ppm: {:?}", heard.stats);
        let worst = heard.worst_delay(30.0, 600.0);
        assert!(worst <= 100 * MS, "{ppm} ppm: {worst:?}");
    }
}

#[test]
fn losses_are_concealed_one_by_one_and_the_next_frame_is_at_hand() {
    let loss = RandomLoss::new(Probability::new(0.05));
    let link = NetemConfig::new().latency(30 * MS).loss(loss).seed(5);
    let heard = Call { link, seconds: 60, ..Call::default() }.run();
    let lost = heard.sent - heard.delays.len();
    println!("{lost} lost, {} concealed, {} with FEC", heard.missing.len(), heard.with_fec);
    assert!(lost > 50);
    assert!(heard.missing.len().abs_diff(lost) <= 5);
    // With 20 ms of target the frame after the hole has come for most of them.
    assert!(heard.with_fec * 2 >= lost, "{} of {lost}", heard.with_fec);
    assert!(heard.worst_delay(5.0, 60.0) <= 100 * MS);
}

#[test]
fn loss_in_bursts_never_reorders_or_swells() {
    let link = NetemConfig::new()
        .latency(30 * MS)
        .jitter(10 * MS)
        .loss(GilbertElliot::wifi_lossy())
        .seed(9);
    let heard = Call { link, seconds: 60, ..Call::default() }.run();
    assert!(heard.worst_delay(5.0, 60.0) <= 140 * MS, "{:?}", heard.worst_delay(5.0, 60.0));
}

#[test]
fn reordered_and_duplicated_packets_are_put_right() {
    let link = NetemConfig::new()
        .latency(30 * MS)
        .duplicate(Probability::new(0.1))
        .reorder_gap(10)
        .seed(2);
    let heard = Call { link, seconds: 60, ..Call::default() }.run();
    println!("{:?}", heard.stats);
    assert!(heard.stats.duplicates > 100, "{:?}", heard.stats);
    assert!(heard.stats.reordered > 100, "{:?}", heard.stats);
    // Each of the early packets lowers the base by the link's 30 ms: the target covers that.
    assert!(heard.missing_between(5.0, 60.0) <= 5, "{}", heard.missing_between(5.0, 60.0));
    assert!(heard.worst_delay(5.0, 60.0) <= 110 * MS, "{:?}", heard.worst_delay(5.0, 60.0));
}

#[test]
fn pauses_are_silence_and_play_out_starts_again_at_once() {
    let pauses = vec![(3000, 4000), (6000, 9000), (12000, 12400)];
    let heard = Call { pauses: pauses.clone(), ..Call::default() }.run();
    println!("{} missing {} empty", heard.missing.len(), heard.empty.len());
    // The sender's silence cannot be told from loss before it ends: a few frames are concealed.
    assert!(heard.missing.len() <= 6 * pauses.len());
    assert!(heard.delays.len() + 3 >= heard.sent, "{} of {}", heard.delays.len(), heard.sent);
    assert!(heard.worst_delay(0.0, 20.0) <= 95 * MS, "{:?}", heard.worst_delay(0.0, 20.0));
}

#[test]
fn a_longer_path_is_followed() {
    for extra in [50, 100, 400, 3000] {
        let call = Call { longer: Some((5000, extra * MS)), seconds: 30, ..Call::default() };
        let heard = call.run();
        println!("{extra}: {} missing, {:?}", heard.missing.len(), heard.stats);
        assert_eq!(heard.missing_between(10.0, 30.0), 0, "{extra} ms");
        let resumed = heard.delays.iter().filter(|(at, _)| at.as_secs() >= 10).count();
        assert!(resumed >= 50 * 20 - 3, "{extra} ms: {resumed}");
        assert!(heard.worst_delay(25.0, 30.0) <= (extra + 100) * MS);
    }
}
