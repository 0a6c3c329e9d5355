//! CPU seconds of the mixer per participant-minute, everybody talking all the time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use media_codec::AudioCodec;
use system_tests::services::Services;

use crate::legs::{Control, Line, header, join};
use crate::{cpu, row};

/// Seconds before and of the measurement.
const WARM_UP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(20);

/// What a leg offers and sends.
struct Kind {
    name: &'static str,
    codec: AudioCodec,
    formats: &'static str,
    attributes: &'static str,
    payload_type: u8,
    clock: u32,
}

const PCMU: Kind = Kind {
    name: "pcmu",
    codec: AudioCodec::Pcmu,
    formats: "RTP/AVP 0",
    attributes: "a=rtpmap:0 PCMU/8000\r\n",
    payload_type: 0,
    clock: 8000,
};

const OPUS: Kind = Kind {
    name: "opus",
    codec: AudioCodec::Opus,
    formats: "RTP/AVP 96",
    attributes: "a=rtpmap:96 opus/48000/2\r\n",
    payload_type: 96,
    clock: 48_000,
};

pub fn run(services: &Services) -> Result<()> {
    for (kind, conferences, members) in
        [(&PCMU, 1, 100), (&PCMU, 10, 10), (&OPUS, 1, 50), (&OPUS, 10, 5)]
    {
        measure(services, kind, conferences, members)?;
    }
    Ok(())
}

/// A second of voice-like sound, encoded: twenty milliseconds a payload.
fn payloads(kind: &Kind) -> Result<Vec<Vec<u8>>> {
    let mut encoder = kind.codec.encoder()?;
    let rate = encoder.sample_rate();
    let samples = usize::try_from(rate / 50)?;
    let mut payload = vec![0; 1500];
    (0..50)
        .map(|frame| {
            let sound: Vec<i16> = (0..samples)
                .map(|n| {
                    let t = (frame * samples + n) as f64 / f64::from(rate);
                    let tone = |hertz: f64| (std::f64::consts::TAU * hertz * t).sin();
                    ((tone(150.0) + tone(420.0) + tone(1300.0) * tone(3.0)) * 2000.0) as i16
                })
                .collect();
            let size = encoder.encode(&sound, &mut payload)?;
            Ok(payload[..size].to_vec())
        })
        .collect()
}

fn measure(services: &Services, kind: &Kind, conferences: usize, members: usize) -> Result<()> {
    let control = Control::connect(services)?;
    let mut lines: Vec<Line> = Vec::new();
    for conference in 0..conferences {
        for member in 0..members {
            let media = [("audio", kind.formats, kind.attributes)];
            let name = format!("{}{conferences}-{conference}", kind.name);
            lines.extend(join(&control, &name, &format!("leg{member}"), &media)?);
        }
    }
    let payloads = payloads(kind)?;
    let begin = Instant::now();
    let (mut started, mut cpu_before, mut received) = (None, 0.0, 0);
    for frame in 0u32.. {
        // members are spread over the twenty milliseconds, as people are
        for (place, line) in lines.iter().enumerate() {
            let due = Duration::from_millis(20) * frame
                + Duration::from_micros(20_000 * place as u64 / lines.len() as u64);
            if let Some(wait) =
                due.checked_sub(begin.elapsed()).filter(|wait| *wait > Duration::from_micros(200))
            {
                std::thread::sleep(wait);
            }
            received += line.drain();
            let ssrc = 1000 + place as u32;
            let mut packet = header(
                kind.payload_type,
                frame == 0,
                frame as u16,
                frame.wrapping_mul(kind.clock / 50),
                ssrc,
            )
            .to_vec();
            packet.extend_from_slice(&payloads[(frame as usize + place * 7) % payloads.len()]);
            line.socket.send_to(&packet, line.mixer)?;
        }
        if started.is_none() && begin.elapsed() >= WARM_UP {
            started = Some(Instant::now());
            cpu_before = cpu::seconds(services.mixer.pid())?;
            received = 0;
        }
        if started.is_some_and(|at| at.elapsed() >= MEASURED) {
            break;
        }
    }
    let seconds = started.context("the measurement began")?.elapsed().as_secs_f64();
    let used = cpu::seconds(services.mixer.pid())? - cpu_before;
    let minutes = seconds / 60.0 * lines.len() as f64;
    row(
        &format!("{} {conferences}x{members}", kind.name),
        used / minutes,
        "CPU-s per participant-minute",
    );
    let expected = seconds * 50.0 * lines.len() as f64;
    if (received as f64) < expected * 0.98 {
        println!(
            "    only {received} of {expected:.0} packets came back: the mixer did not keep up"
        );
    }
    for conference in 0..conferences {
        control.end(&format!("{}{conferences}-{conference}", kind.name))?;
    }
    Ok(())
}
