//! Media packets on their way in: do they count, and for whom (RFC 3550 §8, §A.1).

use std::time::Instant;

use super::{Arrival, Dropped, Received, RtpSession};
use crate::{RtpPacket, SourceError, Ssrc};

/// Report intervals for which a conflict is remembered (RFC 3550 §8.2): until then our SSRC in foreign packets is our
/// own traffic coming back.
const CONFLICT_INTERVALS: u32 = 10;

impl RtpSession {
    /// A media packet came in.
    pub fn handle_rtp(&mut self, now: Instant, packet: &RtpPacket) -> Arrival {
        let arrival = match self.repair.apt(packet.payload_type()) {
            Some(apt) => self.receive_repair(now, packet, apt),
            None => self.receive(now, packet).map(Arrival::Received),
        };
        arrival.unwrap_or_else(|dropped| {
            tracing::trace!(ssrc = %packet.ssrc(), seq = %packet.seq(), ?dropped, "packet dropped");
            Arrival::Dropped(dropped)
        })
    }

    fn receive(&mut self, now: Instant, packet: &RtpPacket) -> Result<Received, Dropped> {
        let payload_type = packet.payload_type();
        let rate = self.rate_of(payload_type).ok_or(Dropped::PayloadType(payload_type))?;
        self.refuse_our_own(now, packet)?;
        let auxiliary = self.auxiliary.contains(&payload_type);
        let medium_rate = self.config.payload_types.first().map_or(rate, |(_, rate)| *rate);
        let first_rate = if auxiliary { medium_rate } else { rate };
        let ssrc = packet.ssrc();
        let source = self.peers.source_for(now, ssrc, first_rate).ok_or(Dropped::TooManySources)?;
        let was_valid = source.is_valid();
        if !auxiliary {
            source.set_clock_rate(rate);
        }
        let reception = if rate == source.clock_rate() && !auxiliary {
            source.receive(now, packet)
        } else {
            source.receive_foreign_clock(now, packet)
        };
        match reception {
            Ok(reception) => Ok(Received {
                ssrc,
                ext_seq: reception.ext_seq,
                late: reception.late,
                first: reception.restarted || !was_valid,
            }),
            Err(SourceError::Probation | SourceError::OutOfRange) => Err(Dropped::Unproven),
        }
    }

    /// A packet with an SSRC of ours, or one that we are in, is a collision or a loop (RFC 3550 §8.2).
    pub(super) fn refuse_our_own(
        &mut self,
        now: Instant,
        packet: &RtpPacket,
    ) -> Result<(), Dropped> {
        let ssrc = packet.ssrc();
        if self.is_ours(ssrc) {
            return Err(match self.resolve_collision(now, ssrc) {
                Some(new) => Dropped::Collision { old: ssrc, new },
                None => Dropped::Loop,
            });
        }
        if packet.csrcs().any(|csrc| self.is_ours(csrc)) {
            return Err(Dropped::Loop);
        }
        Ok(())
    }

    /// Somebody else has our SSRC: says farewell under it and takes another. `None` when that has been done lately:
    /// then our own packets are coming back to us, and changing again would never end (RFC 3550 §8.2).
    pub(super) fn resolve_collision(&mut self, now: Instant, old: Ssrc) -> Option<Ssrc> {
        let remembered = self.last_interval * CONFLICT_INTERVALS;
        let before = self.last_conflict.replace(now);
        if before.is_some_and(|at| now.saturating_duration_since(at) < remembered) {
            return None;
        }
        let new = self.change_ssrc(now, old);
        tracing::debug!(%old, %new, "SSRC collision");
        Some(new)
    }
}
