//! What is known about the way of media from one member, on one m-line: plain values with ages instead of moments.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use sdp::Direction;

use crate::ledger::{Oddity, Sighting, Sightings};
use crate::leg::{Line, Medium};

/// Sightings older than this do not explain the present.
const RECENT: Duration = Duration::from_secs(60);

/// Something seen lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<K> {
    /// What.
    pub what: K,
    /// How often.
    pub count: u64,
    /// How long ago last.
    pub ago: Duration,
}

/// See the module's description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineFacts {
    /// A picture, not a voice.
    pub video: bool,
    /// What we do by the agreement: `RecvOnly` = the member only sends.
    pub direction: Direction,
    /// Name of the codec agreed on.
    pub codec: String,
    /// Payload types agreed on for what comes in.
    pub payload_types: Vec<u8>,
    /// Where the member's description says it is; `None` when it never named an address.
    pub signalled: Option<SocketAddr>,
    /// Where its SIP requests came from.
    pub sip_source: Option<IpAddr>,
    /// Where its media comes from, once a packet was taken.
    pub latched: Option<SocketAddr>,
    /// Where we send to.
    pub destination: Option<SocketAddr>,
    /// Our UDP port.
    pub port: u16,
    /// For how long media should have been coming; `None` when none is awaited.
    pub awaited: Option<Duration>,
    /// How long ago media came.
    pub media: Option<Duration>,
    /// How long ago a control packet came.
    pub control: Option<Duration>,
    /// How long ago anything came from the member, keep-alives included.
    pub life: Option<Duration>,
    /// Media packets taken.
    pub packets_in: u64,
    /// Media packets sent.
    pub packets_out: u64,
    /// Senders refused by the gate, the busiest first.
    pub refused: Vec<Seen<SocketAddr>>,
    /// Packets of the member that were of no use, the most frequent first.
    pub odd: Vec<Seen<Oddity>>,
    /// Where our packets did not arrive: with the operating system's number of the error.
    pub unreachable: Option<Seen<(SocketAddr, i32)>>,
    /// Packets the decoder refused.
    pub undecodable: u64,
}

/// The facts of a line at the moment `now`.
pub(crate) fn gather(now: Instant, line: &Line) -> LineFacts {
    let transport = &line.transport;
    let ledger = transport.ledger();
    let gate = transport.gate();
    let ago = |at: Instant| now.saturating_duration_since(at);
    let (video, undecodable) = match &line.medium {
        Medium::Audio(audio) => (false, audio.inlet.stats().undecodable),
        Medium::Video(_) => (true, 0),
    };
    LineFacts {
        video,
        direction: transport.direction(),
        codec: transport.codec().to_owned(),
        payload_types: transport.payload_types().collect(),
        signalled: gate.signalled(),
        sip_source: gate.sip_source(),
        latched: gate.latched(),
        destination: gate.destination(),
        port: transport.ports().number,
        awaited: transport.awaited_since().map(ago),
        media: ledger.last_media.map(ago),
        control: ledger.last_control.map(ago),
        life: ledger.last_life.map(ago),
        packets_in: transport.counters().packets_in,
        packets_out: transport.counters().packets_out,
        refused: seen(now, &ledger.refused),
        odd: seen(now, &ledger.odd),
        unreachable: ledger
            .unreachable
            .filter(|unreachable| ago(unreachable.last) < RECENT)
            .map(|it| Seen { what: (it.to, it.error), count: it.count, ago: ago(it.last) }),
        undecodable,
    }
}

fn seen<K: PartialEq + Copy>(now: Instant, sightings: &Sightings<K>) -> Vec<Seen<K>> {
    let ago = |at: Instant| now.saturating_duration_since(at);
    let with_age = |Sighting { what, count, last }| Seen { what, count, ago: ago(last) };
    sightings.recent(now, RECENT).into_iter().map(with_age).collect()
}
