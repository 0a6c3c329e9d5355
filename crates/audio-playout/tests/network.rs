//! Play-out over bad networks on a virtual clock: delay, gaps, made-up sound, pitch and clicks as a listener would notice.
//! Delays are in milliseconds on top of the path and of the packet itself.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod common;

use common::{Call, Heard, Random, tone, voice};
use media_codec::AudioCodec;

/// The largest step of the tone of 440 Hz: amplitude × angle per sample, and what a codec adds.
fn natural_step(rate: u32) -> i32 {
    (8000.0 * std::f64::consts::TAU * 440.0 / f64::from(rate) * 1.15) as i32 + 60
}

fn show(name: &str, heard: &Heard) {
    println!(
        "{name}: delay mean {:.1} p50 {:.1} p95 {:.1} max {:.1} ms, concealed {:.2} %, gap {:.0} ms, step {}, {:?}",
        heard.mean_delay(5.0),
        heard.delay_percentile(5.0, 0.5),
        heard.delay_percentile(5.0, 0.95),
        heard.delay_percentile(5.0, 1.0),
        heard.concealed() * 100.0,
        heard.longest_gap(1.0),
        heard.largest_step(),
        heard.stats,
    );
}

#[test]
fn a_clean_network_costs_no_more_than_the_wait_for_the_tick() {
    for codec in AudioCodec::ALL {
        for rate in [codec.sample_rate(), 48_000] {
            let heard = Call { codec, rate, sound: tone, ..Call::default() }.run();
            show(&format!("clean {codec:?} {rate}"), &heard);
            assert!(heard.delay_percentile(0.0, 1.0) < 21.0);
            assert_eq!(heard.stats.concealed_ms, 0);
            assert!(heard.largest_step() <= natural_step(rate));
            assert!((heard.pitch(1.0) - 440.0).abs() < 1.0);
        }
    }
}

#[test]
fn packet_lengths_may_change_from_packet_to_packet() {
    for codec in AudioCodec::ALL {
        let ptimes = &[10, 20, 60, 40, 20, 10, 60];
        let rate = codec.sample_rate();
        let heard = Call { codec, rate, ptimes, sound: tone, ..Call::default() }.run();
        show(&format!("mixed packet lengths {codec:?}"), &heard);
        // A long packet comes when its last sample is spoken: its first one waits for 60 ms.
        assert!(heard.delay_percentile(5.0, 1.0) < 70.0);
        assert!(heard.concealed() < 0.01 && heard.longest_gap(2.0) < 5.0);
        // Until the first long packet has told how late they come, some sound is made up.
        assert!(heard.largest_step() <= natural_step(rate) * 3 / 2);
    }
}

#[test]
fn the_delay_covers_the_jitter_and_little_more() {
    for (jitter, most_delay) in [(5.0, 26.0), (20.0, 41.0), (60.0, 82.0), (120.0, 145.0)] {
        let mut random = Random::new(3);
        let network = Box::new(move |_: u64, _: f64| vec![random.share() * jitter]);
        let heard = Call { sound: tone, network, ..Call::default() }.run();
        show(&format!("jitter {jitter}"), &heard);
        assert!(heard.delay_percentile(5.0, 0.95) < most_delay);
        assert!(heard.delay_percentile(5.0, 0.05) > jitter * 0.8);
        assert!(heard.concealed() < 0.01, "{}", heard.concealed());
        assert_eq!(heard.stats.late, 0);
        assert!(heard.largest_step() <= natural_step(8000) * 5 / 4);
    }
}

#[test]
fn jitter_that_ends_leaves_no_delay() {
    let mut random = Random::new(5);
    let network = move |_: u64, second: f64| {
        vec![if second < 10.0 { random.share() * 60.0 } else { random.share() }]
    };
    let heard = Call { seconds: 30, network: Box::new(network), ..Call::default() }.run();
    show("jitter until 10 s", &heard);
    let at = |second: f64| heard.delays.iter().find(|(s, _)| *s >= second).unwrap().1 - 60.0;
    assert!(at(9.5) > 50.0);
    assert!(at(17.0) < 27.0, "{}", at(17.0));
}

#[test]
fn a_stall_leaves_no_delay() {
    // (length in seconds, longest gap in ms, share of the stall that is heard after all)
    for (length, longest_gap, heard_ms) in [(0.1, 60.0, 100), (0.2, 160.0, 60), (1.0, 960.0, 60)] {
        let network = move |_: u64, second: f64| {
            let end = 8.0 + length;
            vec![if (8.0..end).contains(&second) { (end - second) * 1000.0 } else { 0.0 }]
        };
        let heard = Call { sound: tone, network: Box::new(network), ..Call::default() }.run();
        show(&format!("stall of {length} s"), &heard);
        assert!(heard.longest_gap(1.0) < longest_gap);
        let after: Vec<f64> = heard
            .delays
            .iter()
            .filter(|(second, _)| *second > 8.0 + length + 2.0)
            .map(|(_, delay)| delay - 60.0)
            .collect();
        assert!(after.len() > 300 && after.iter().all(|delay| *delay < 25.0), "{after:?}");
        let lost = heard.stats.late * 20;
        assert!(lost + heard_ms <= (length * 1000.0) as u64 + 40, "{lost} ms not played");
        assert!(heard.largest_step() <= natural_step(8000) * 3 / 2);
    }
}

#[test]
fn a_path_that_becomes_longer_is_normal_within_seconds() {
    for longer in [50.0, 150.0, 400.0] {
        let network = move |_: u64, second: f64| vec![if second < 8.0 { 0.0 } else { longer }];
        let heard =
            Call { seconds: 20, sound: tone, network: Box::new(network), ..Call::default() }.run();
        show(&format!("path longer by {longer} ms"), &heard);
        assert!(heard.longest_gap(1.0) < longer + 150.0);
        let late = heard.delays.iter().filter(|(second, _)| *second > 13.0);
        let most = late.map(|(_, delay)| delay - 60.0 - longer).fold(0.0, f64::max);
        assert!(most < 30.0, "{most} ms of delay stay");
    }
}

#[test]
fn clocks_that_drift_apart_are_followed_for_ten_minutes() {
    for ppm in [-200.0, 200.0] {
        for (sound, is_tone) in [(tone as fn(f64) -> f64, true), (voice, false)] {
            let heard = Call { seconds: 600, sound, ppm, ..Call::default() }.run();
            show(&format!("drift of {ppm} ppm"), &heard);
            assert!(heard.delay_percentile(5.0, 1.0) < 35.0);
            assert!(heard.mean_delay(5.0) < 22.0);
            // The last packets of the fast sender end before the listener does.
            assert!(heard.stats.concealed_ms <= 100 && heard.stats.late == 0);
            let stretched = heard.stats.lengthened_ms as f64 - heard.stats.shortened_ms as f64;
            assert!((stretched.abs() - 120.0).abs() < 30.0, "{stretched} ms");
            if is_tone {
                assert!((heard.pitch(1.0) - 440.0).abs() < 0.2, "{} Hz", heard.pitch(1.0));
                assert!(heard.largest_step() <= natural_step(8000));
            }
        }
    }
}

#[test]
fn reordered_packets_are_played_in_order() {
    let network = |number: u64, _: f64| vec![if number % 10 == 3 { 45.0 } else { 0.0 }];
    let heard = Call { sound: tone, network: Box::new(network), ..Call::default() }.run();
    show("every tenth packet after the next two", &heard);
    assert!(heard.stats.reordered > 90);
    assert!(heard.stats.late <= 2 && heard.concealed() < 0.01);
    assert!(heard.delay_percentile(5.0, 1.0) < 70.0);
    assert!(heard.largest_step() <= natural_step(8000) * 5 / 4);
}

#[test]
fn duplicates_change_nothing() {
    let network = |number: u64, _: f64| match number % 3 {
        0 => vec![0.0, 0.0],
        1 => vec![0.0, 30.0, 300.0],
        _ => vec![0.0],
    };
    let clean = Call::default().run();
    let heard = Call { network: Box::new(network), ..Call::default() }.run();
    show("duplicates", &heard);
    assert_eq!(heard.sound, clean.sound);
    assert!(heard.stats.duplicates > 950);
}

#[test]
fn late_packets_cost_what_a_loss_costs_and_no_delay() {
    // Rare ones, later than any delay that would pay.
    let network = |number: u64, _: f64| vec![if number % 100 == 50 { 250.0 } else { 0.0 }];
    let heard = Call { sound: tone, network: Box::new(network), ..Call::default() }.run();
    show("one in a hundred is late", &heard);
    assert!(heard.stats.late >= 9);
    assert!(heard.delay_percentile(5.0, 0.95) < 25.0);
    assert!(heard.longest_gap(1.0) < 5.0 && heard.concealed() < 0.012);
}

#[test]
fn what_is_lost_at_random_is_made_up_for_without_clicks() {
    for share in [0.05, 0.10] {
        for codec in AudioCodec::ALL {
            let mut random = Random::new(9);
            let network =
                move |_: u64, _: f64| if random.share() < share { vec![] } else { vec![0.0] };
            let rate = codec.sample_rate();
            let heard =
                Call { codec, rate, sound: tone, network: Box::new(network), ..Call::default() }
                    .run();
            show(&format!("loss of {share} {codec:?}"), &heard);
            assert!(heard.concealed() < share * 1.3);
            assert!(heard.longest_gap(1.0) < 30.0);
            assert!(heard.delay_percentile(5.0, 1.0) < 30.0);
            assert!(heard.largest_step() <= natural_step(rate) * 3 / 2);
        }
    }
}

#[test]
fn losses_in_bursts_leave_short_gaps_and_no_delay() {
    // Gilbert's model: 5 % and 10 % lost in bursts of four on average.
    for (share, begins) in [(0.05, 0.0132), (0.10, 0.0278)] {
        let mut random = Random::new(21);
        let mut bad = false;
        let network = move |_: u64, _: f64| {
            bad = if bad { random.share() < 0.75 } else { random.share() < begins };
            if bad { vec![] } else { vec![0.0] }
        };
        let heard =
            Call { sound: tone, seconds: 60, network: Box::new(network), ..Call::default() }.run();
        show(&format!("loss of {share} in bursts"), &heard);
        assert!(heard.concealed() < share * 1.3);
        assert!(heard.longest_gap(1.0) < 300.0, "the longest burst, less what is made up");
        assert!(heard.delay_percentile(5.0, 1.0) < 30.0);
        assert!(heard.largest_step() <= natural_step(8000) * 3 / 2);
    }
}

/// Mean of the ratio of sound to error in frames of 20 ms in which there is sound, each between 0 and 30 dB.
fn segmental_snr(clean: &[i16], heard: &[i16]) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for (a, b) in clean.chunks_exact(960).zip(heard.chunks_exact(960)) {
        let energy: f64 = a.iter().map(|s| f64::from(*s).powi(2)).sum();
        let error: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a - *b).powi(2)).sum();
        if energy > 960.0 * 300.0 * 300.0 {
            sum += (10.0 * (energy / error.max(1.0)).log10()).clamp(0.0, 30.0);
            count += 1;
        }
    }
    sum / f64::from(count)
}

#[test]
fn redundancy_in_opus_makes_ten_percent_loss_sound_better() {
    let call = |fec: bool, loss: f64| {
        let mut random = Random::new(9);
        let network = move |_: u64, second: f64| {
            if second > 3.0 && random.share() < loss { vec![] } else { vec![0.0] }
        };
        let network = Box::new(network);
        let codec = AudioCodec::Opus;
        Call { codec, rate: 48_000, seconds: 30, fec, network, ..Call::default() }.run()
    };
    // Each against what is heard without a loss, from when the delay has settled on.
    let quality = |fec: bool| {
        let (whole, heard) = (call(fec, 0.0), call(fec, 0.1));
        show(&format!("Opus with 10 % loss, FEC {fec}"), &heard);
        let delays = [&whole, &heard].map(|heard| heard.delays.last().unwrap().1);
        let shift = ((delays[1] - delays[0]) * 48.0).round() as usize;
        let from = 10 * 48_000;
        let clean = &whole.sound[from..28 * 48_000];
        let near = shift.saturating_sub(8)..shift + 8;
        let snr = near.map(|shift| segmental_snr(clean, &heard.sound[from + shift..]));
        (snr.fold(0.0, f64::max), heard)
    };
    let (plain_snr, plain) = quality(false);
    let (restored_snr, restored) = quality(true);
    println!("segmental SNR: {plain_snr:.1} dB without, {restored_snr:.1} dB with FEC");
    assert!(restored.stats.recovered > 80);
    assert!(restored.concealed() < plain.concealed() / 2.0);
    assert!(restored_snr > plain_snr + 2.0);
}

#[test]
fn the_delay_grows_by_a_packet_where_redundancy_pays() {
    let mut random = Random::new(9);
    let network = move |_: u64, _: f64| if random.share() < 0.1 { vec![] } else { vec![0.0] };
    let codec = AudioCodec::Opus;
    let heard =
        Call { codec, rate: 48_000, fec: true, network: Box::new(network), ..Call::default() }
            .run();
    show("FEC without a delay to begin with", &heard);
    assert!(heard.stats.recovered > 60);
    assert!((20.0..45.0).contains(&heard.delay_percentile(5.0, 0.95)));
}

#[test]
fn pauses_are_no_losses() {
    fn speaks(second: f64) -> bool {
        second.rem_euclid(2.0) < 1.2
    }
    for codec in AudioCodec::ALL {
        let mut random = Random::new(4);
        let network = Box::new(move |_: u64, _: f64| vec![random.share() * 30.0]);
        let rate = codec.sample_rate();
        let heard =
            Call { codec, rate, seconds: 60, sound: tone, speaks, network, ..Call::default() }
                .run();
        show(&format!("pauses {codec:?}"), &heard);
        assert_eq!(heard.stats.late, 0);
        // Each time up to 100 ms are made up until it is clear that it is a pause; nobody said so.
        assert!(heard.stats.concealed_ms <= 30 * 110);
        assert!(heard.delay_percentile(5.0, 1.0) < 60.0);
        assert!(heard.largest_step() <= natural_step(rate) * 3 / 2);
    }
}

#[test]
fn who_was_left_is_followed_at_once_when_signalling_says_so() {
    use audio_playout::{Inserted, Playout, PlayoutConfig};
    use rtp_session::{CsrcList, PayloadType, RtpPacket, SendStream, Ssrc};
    let mut playout = Playout::new(PlayoutConfig::new(8000), AudioCodec::Pcmu).unwrap();
    let mut streams = [1, 2].map(|ssrc| SendStream::new(Ssrc(ssrc), PayloadType::PCMU, 9));
    let start = common::start();
    let mut time = 0;
    let mut insert = |playout: &mut Playout, who: usize| {
        time += 160;
        let payload = vec![0xff; 160].into();
        let packet = streams[who].packet(false, time, payload, &CsrcList::EMPTY).to_bytes();
        playout.insert(start, AudioCodec::Pcmu, &RtpPacket::parse(packet).unwrap())
    };
    assert_eq!(insert(&mut playout, 0), Inserted::Queued);
    assert_eq!(insert(&mut playout, 1), Inserted::Queued);
    assert_eq!(insert(&mut playout, 0), Inserted::Foreign, "two do not alternate");
    playout.expect_another();
    assert_eq!(insert(&mut playout, 0), Inserted::Queued);
    assert_eq!(insert(&mut playout, 1), Inserted::Foreign);
}
