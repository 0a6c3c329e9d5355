//! CPU of the mixer per 1000 forwarded VP8 packets: twenty senders, everybody sees everybody else.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use system_tests::services::Services;

use crate::legs::{Control, Line, header, join};
use crate::{cpu, row};

const MEMBERS: usize = 20;
const FRAMES_A_SECOND: u32 = 25;
const PACKETS_A_FRAME: u16 = 3;
const PAYLOAD: usize = 1100;
const KEY_FRAME_EVERY: u32 = 50;
const WARM_UP: Duration = Duration::from_secs(4);
const MEASURED: Duration = Duration::from_secs(15);

const FORMATS: &str = "RTP/AVPF 96";
const SEND: &str =
    "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=sendrecv\r\n";
const WATCH: &str =
    "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=recvonly\r\n";

pub fn run(services: &Services) -> Result<()> {
    let control = Control::connect(services)?;
    let mut media = vec![("video", FORMATS, SEND)];
    media.extend([("video", FORMATS, WATCH); MEMBERS - 2]);
    let mut members: Vec<Vec<Line>> = Vec::new();
    for member in 0..MEMBERS {
        members.push(join(&control, "mesh", &format!("leg{member}"), &media)?);
    }
    let begin = Instant::now();
    let (mut started, mut cpu_before, mut forwarded) = (None, 0.0, 0);
    for frame in 0u32.. {
        for (place, lines) in members.iter().enumerate() {
            let due = Duration::from_secs(1) / FRAMES_A_SECOND * frame
                + Duration::from_micros(
                    1_000_000 / u64::from(FRAMES_A_SECOND) * place as u64 / MEMBERS as u64,
                );
            if let Some(wait) =
                due.checked_sub(begin.elapsed()).filter(|wait| *wait > Duration::from_micros(200))
            {
                std::thread::sleep(wait);
            }
            for part in 0..PACKETS_A_FRAME {
                lines[0].socket.send_to(&packet(frame, part, place as u32), lines[0].mixer)?;
            }
            forwarded += lines.iter().map(Line::drain).sum::<u64>();
        }
        if started.is_none() && begin.elapsed() >= WARM_UP {
            started = Some(Instant::now());
            cpu_before = cpu::seconds(services.mixer.pid())?;
            forwarded = 0;
        }
        if started.is_some_and(|at| at.elapsed() >= MEASURED) {
            break;
        }
    }
    let seconds = started.context("the measurement began")?.elapsed().as_secs_f64();
    let used = cpu::seconds(services.mixer.pid())? - cpu_before;
    row(
        "vp8 mesh 20",
        used * 1000.0 / (forwarded as f64 / 1000.0),
        "CPU-ms per 1000 forwarded packets",
    );
    let sent = seconds * f64::from(FRAMES_A_SECOND) * f64::from(PACKETS_A_FRAME);
    let expected = sent * (MEMBERS * (MEMBERS - 1)) as f64;
    println!("    {:.1} % of the mesh was forwarded", forwarded as f64 / expected * 100.0);
    control.end("mesh")
}

/// A packet that looks like VP8 to whoever forwards it (RFC 7741 §4): a descriptor with a picture id of
/// 15 bits, and in the first packet of a key frame the frame header.
fn packet(frame: u32, part: u16, ssrc: u32) -> Vec<u8> {
    let last = part + 1 == PACKETS_A_FRAME;
    let seq = (frame as u16).wrapping_mul(PACKETS_A_FRAME).wrapping_add(part);
    let timestamp = frame.wrapping_mul(90_000 / FRAMES_A_SECOND);
    let mut packet = header(96, last, seq, timestamp, 5000 + ssrc).to_vec();
    let start = if part == 0 { 0x10 } else { 0 };
    packet.extend([0x80 | start, 0x80, 0x80 | (frame >> 8 & 0x7f) as u8, frame as u8]);
    if part == 0 {
        let inter = u8::from(!frame.is_multiple_of(KEY_FRAME_EVERY));
        packet.extend([0x10 | inter, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
    }
    packet.resize(12 + PAYLOAD, 0x55);
    packet
}
