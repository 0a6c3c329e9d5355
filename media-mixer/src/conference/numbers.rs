//! How loud, how well and how much, for who watches the meeting.

use std::time::Instant;

use mixer_control::{LegStats, LineStats};

use super::Conference;
use crate::leg::{Leg, Line};
use crate::meter::Reading;

impl Conference {
    /// How loud, how well and how much: all legs in order of joining. Cheap; meant to be asked once a second.
    pub fn leg_stats(&self) -> Vec<LegStats> {
        self.legs.values().map(leg_stats).collect()
    }

    /// Reads the meters; to be called once a second.
    pub(super) fn read_meters(&mut self, now: Instant) {
        for (_, line) in self.legs.values_mut().flat_map(Leg::live_mut) {
            let counters = line.transport.counters();
            let sources = line.transport.session().sources();
            let (received, lost) = sources.fold((0, 0), |(received, lost), source| {
                (received + source.received(), lost + source.lost())
            });
            let (octets_in, octets_out) = (counters.octets_in, counters.octets_out);
            line.meter.read(now, Reading { octets_in, octets_out, received, lost });
        }
    }
}

fn leg_stats(leg: &Leg) -> LegStats {
    let voice = leg.audio();
    LegStats {
        leg: leg.name.clone(),
        display_name: leg.display_name.clone(),
        muted: leg.muted,
        lobby: leg.lobby,
        level_dbov: voice.map_or(-127, |voice| -i32::from(voice.level.0)),
        speaking: leg.is_heard() && voice.is_some_and(|voice| voice.inlet.is_mixed()),
        lines: leg.live().map(|(index, line)| line_stats(index, line)).collect(),
    }
}

fn line_stats(index: usize, line: &Line) -> LineStats {
    let session = line.transport.session();
    let (kbit_in, kbit_out) = line.meter.kbit();
    let jitter = session.sources().map(rtp_session::Source::jitter).max().unwrap_or_default();
    LineStats {
        index: u32::try_from(index).unwrap_or(u32::MAX),
        medium: line.medium.name().to_owned(),
        codec: line.transport.codec().to_owned(),
        loss_percent: line.meter.loss_percent(),
        jitter_ms: jitter.as_secs_f64() * 1000.0,
        kbit_in,
        kbit_out,
        loss_out_percent: line.meter.loss_out_percent(),
        rtt_ms: session.rtt().as_secs_f64() * 1000.0,
    }
}
