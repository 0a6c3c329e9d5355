//! Our own senders, as reports need them (RFC 3550 §6.4.1).

use std::time::Instant;

use crate::clock::ticks_between;
use crate::rtcp::SenderInfo;
use crate::{NtpClock, Outbound, RtpTime, Ssrc};

/// A sender counts as such for two report intervals (RFC 3550 §6.4).
const ACTIVE_REPORTS: u8 = 2;

/// One sender of ours.
#[derive(Clone, Debug)]
pub(super) struct LocalSender {
    pub(super) ssrc: Ssrc,
    pub(super) clock_rate: u32,
    /// The sender whose packets it sends again (RFC 4588); its media are not its own.
    pub(super) repairs: Option<Ssrc>,
    packets: u32,
    octets: u32,
    /// Of the newest timestamp sent: its moment on our clock.
    last: Option<(Instant, RtpTime)>,
    active_reports: u8,
}

impl LocalSender {
    pub(super) const fn new(ssrc: Ssrc, clock_rate: u32, repairs: Option<Ssrc>) -> Self {
        Self { ssrc, clock_rate, repairs, packets: 0, octets: 0, last: None, active_reports: 0 }
    }

    /// Counts a packet whose first sample belongs to the moment `media_time`; whether it was the first.
    pub(super) fn count(&mut self, media_time: Instant, packet: &Outbound) -> bool {
        let first = self.last.is_none();
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.payload_octets() as u32);
        let timestamp = packet.timestamp();
        // The packets of one picture share a timestamp, which is the moment of the first; one sent again has
        // an old timestamp, which says nothing about now.
        if self.last.is_none_or(|(_, last)| timestamp.distance_from(last) > 0) {
            self.last = Some((media_time, timestamp));
        }
        self.active_reports = ACTIVE_REPORTS;
        first
    }

    /// A packet went out again as it was: counted, but it is nothing new.
    pub(super) fn count_again(&mut self, packet: &Outbound) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.payload_octets() as u32);
    }

    /// A report interval has passed.
    pub(super) const fn reported(&mut self) {
        self.active_reports = self.active_reports.saturating_sub(1);
    }

    pub(super) const fn is_active(&self) -> bool {
        self.active_reports > 0
    }

    pub(super) const fn has_sent(&self) -> bool {
        self.last.is_some()
    }

    /// What a sender report says at `now`; `None` for one that has not sent lately.
    pub(super) fn info(&self, now: Instant, clock: &NtpClock) -> Option<SenderInfo> {
        let (at, timestamp) = self.last.filter(|_| self.is_active())?;
        // A packet may be of a moment to come: what is mixed ahead, and the second half of a tick.
        let since = ticks_between(at, now, self.clock_rate) as u32;
        Some(SenderInfo {
            ntp: clock.at(now),
            rtp: timestamp.plus(since),
            packets: self.packets,
            octets: self.octets,
        })
    }
}
