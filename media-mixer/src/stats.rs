//! What a conference counts, as plain numbers for the shell to publish.

use std::time::Duration;

use crate::leg::{Leg, Medium};
use crate::tick::TickStats;
use crate::transport::LineCounters;

/// One conference.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConferenceStats {
    /// Its legs, in order of joining.
    pub legs: Vec<LegStats>,
    /// How punctual it is.
    pub ticks: TickStats,
    /// Voices in the mix of the last tick.
    pub voices: usize,
    /// Mixes that could not be encoded.
    pub encode_failures: u64,
}

/// One leg.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LegStats {
    /// As the focus names it.
    pub name: String,
    /// Its m-lines in use.
    pub lines: Vec<LineStats>,
}

/// One m-line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LineStats {
    /// Index of the m-line.
    pub index: usize,
    /// A picture, not a voice.
    pub video: bool,
    /// Packets and octets.
    pub counters: LineCounters,
    /// Packets from the member lost on the way.
    pub lost: u64,
    /// Interarrival jitter of what the member sends (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// Round trip to the member, zero when unknown.
    pub rtt: Duration,
    /// Delay of the jitter buffer (voices).
    pub buffered: Duration,
    /// Packets that came too late to be mixed (voices).
    pub late: u64,
    /// Packets that the decoder refused (voices).
    pub undecodable: u64,
    /// Key frames asked for (pictures).
    pub key_frame_requests: u64,
}

/// The numbers of one leg as they are.
pub(crate) fn leg_stats(leg: &Leg) -> LegStats {
    let lines = leg.live().map(|(index, line)| {
        let sources = line.transport.session().sources();
        let (lost, jitter) = sources.fold((0, Duration::ZERO), |(lost, jitter), source| {
            (lost + source.lost().max(0).cast_unsigned(), jitter.max(source.jitter()))
        });
        let mut stats = LineStats {
            index,
            counters: line.transport.counters(),
            lost,
            jitter,
            rtt: line.transport.session().rtt(),
            ..LineStats::default()
        };
        match &line.medium {
            Medium::Audio(audio) => {
                let playout = audio.inlet.stats();
                stats.buffered = playout.delay;
                stats.late = playout.late;
                stats.undecodable = playout.undecodable;
            }
            Medium::Video(video) => {
                stats.video = true;
                stats.key_frame_requests = video.source.key_frame_requests();
            }
        }
        stats
    });
    LegStats { name: leg.name.clone(), lines: lines.collect() }
}
