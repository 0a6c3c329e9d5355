//! How media flows, for those who ask and, when it does not, for the log.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mixer_control::{LegHealth, MixerError};

use super::{Conference, PortUse};
use crate::doctor;
use crate::io::PortId;
use crate::leg::Leg;
use crate::output::Event;

/// The same leg is not told of again within this time.
const TELL_AGAIN: Duration = Duration::from_secs(300);

/// Legs told of per second: when the network is gone, everybody's media is, and one line says as much as five hundred.
const TOLD_AT_ONCE: usize = 3;

impl Conference {
    /// How the media of all legs is doing, or of one.
    ///
    /// # Errors
    /// [`MixerError::NotFound`] when there is no such leg.
    pub fn doctor(&self, now: Instant, leg: Option<&str>) -> Result<Vec<LegHealth>, MixerError> {
        match leg {
            Some(leg) => Ok(vec![health(now, self.find(leg)?.1)]),
            None => Ok(self.legs.values().map(|leg| health(now, leg)).collect()),
        }
    }

    /// The network says that a packet sent from `at` could not be brought to `to`; `error` is the operating system's
    /// number of it.
    pub fn handle_unreachable(&mut self, now: Instant, at: PortId, to: SocketAddr, error: i32) {
        let Some(&Some(PortUse { line: at, .. })) = self.ports.get(at.0 as usize) else { return };
        if let Some(line) = self.legs.get_mut(&at.leg).and_then(|leg| leg.line_mut(at.line)) {
            line.transport.unreachable(now, to, error);
        }
    }

    /// Tells, once, of legs whose media should come and does not. To be called once a second.
    pub(super) fn watch(&mut self, now: Instant) {
        let due = self.legs.values_mut().filter(|leg| {
            leg.told_of.is_none_or(|told| now.saturating_duration_since(told) >= TELL_AGAIN)
                && leg.live().any(|(_, line)| doctor::is_alarming(&doctor::gather(now, line)))
        });
        for leg in due.take(TOLD_AT_ONCE) {
            leg.told_of = Some(now);
            let alarming = |line: &_| doctor::is_alarming(&doctor::gather(now, line));
            let lines = leg.live().filter(|(_, line)| alarming(line));
            let why = lines
                .flat_map(|(index, line)| {
                    doctor::diagnose(index, &doctor::gather(now, line)).findings
                })
                .collect();
            self.out.event(Event::MediaMissing { leg: leg.name.clone(), why });
        }
    }
}

fn health(now: Instant, leg: &Leg) -> LegHealth {
    LegHealth {
        leg: leg.name.clone(),
        display_name: leg.display_name.clone(),
        lines: leg
            .live()
            .map(|(index, line)| doctor::diagnose(index, &doctor::gather(now, line)))
            .collect(),
    }
}
