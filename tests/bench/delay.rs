//! How long the mixer holds a sound: from the packet that brings it to the packet that carries it on.

use std::time::{Duration, Instant};

use anyhow::Result;
use system_tests::services::Services;

use crate::legs::{Control, header, join};
use crate::row;

/// Conferences, each with packets at another place between the mixer's ticks of 20 ms.
const CONFERENCES: usize = 10;

/// Sounds a conference.
const SOUNDS: usize = 40;

/// A sound every so many packets of 20 ms.
const EVERY: u32 = 10;

const SILENCE: u8 = 0xff;
/// G.711 µ-law, half of full scale, as a square wave of 4 kHz/5.
const LOUD: [u8; 10] = [0x90, 0x90, 0x90, 0x90, 0x90, 0x10, 0x10, 0x10, 0x10, 0x10];

pub fn run(services: &Services) -> Result<()> {
    let control = Control::connect(services)?;
    let mut delays = Vec::new();
    for conference in 0..CONFERENCES {
        let name = format!("delay{conference}");
        delays.extend(one(&control, &name, Duration::from_millis(2) * conference as u32)?);
        control.end(&name)?;
    }
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    row("added delay p50", at(0.5), "ms, PCMU on loopback");
    row("added delay p99", at(0.99), "ms, PCMU on loopback");
    if delays.len() < CONFERENCES * SOUNDS * 9 / 10 {
        println!("    only {} of {} sounds came through", delays.len(), CONFERENCES * SOUNDS);
    }
    Ok(())
}

/// The delays of one conference, in milliseconds; packets begin `phase` after its members have joined.
fn one(control: &Control, name: &str, phase: Duration) -> Result<Vec<f64>> {
    let media = [("audio", "RTP/AVP 0", "a=rtpmap:0 PCMU/8000\r\n")];
    let speaker = join(control, name, "speaker", &media)?;
    let listener = join(control, name, "listener", &media)?;
    std::thread::sleep(phase);
    let mut delays = Vec::new();
    let mut sounded: Option<Instant> = None;
    let begin = Instant::now();
    let warm_up = 100;
    for frame in 0..warm_up + EVERY * SOUNDS as u32 {
        let due = begin + Duration::from_millis(20) * frame;
        while Instant::now() < due {
            if let Some(at) = loud_packet(&listener[0].socket)
                && let Some(sent) = sounded.take()
            {
                delays.push(at.duration_since(sent).as_secs_f64() * 1000.0);
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        speaker[0].drain();
        let is_sound = frame >= warm_up && frame % EVERY == 0;
        let mut packet = header(0, false, frame as u16, frame * 160, 7).to_vec();
        packet.extend((0..160).map(|n| if is_sound { LOUD[n % LOUD.len()] } else { SILENCE }));
        speaker[0].socket.send_to(&packet, speaker[0].mixer)?;
        if is_sound {
            sounded = Some(Instant::now());
        }
        let mut packet = header(0, false, frame as u16, frame * 160, 8).to_vec();
        packet.extend([SILENCE; 160]);
        listener[0].socket.send_to(&packet, listener[0].mixer)?;
    }
    Ok(delays)
}

/// When a packet with something loud in it came; silent ones are passed over.
fn loud_packet(socket: &std::net::UdpSocket) -> Option<Instant> {
    let mut buffer = [0; 2048];
    while let Ok(size) = socket.recv(&mut buffer) {
        let at = Instant::now();
        let is_rtp = size > 12 && !(192..=223).contains(&buffer[1]);
        // µ-law: the lower seven bits fall as the level grows
        if is_rtp && buffer[12..size].iter().any(|byte| byte & 0x7f < 0x30) {
            return Some(at);
        }
    }
    None
}
