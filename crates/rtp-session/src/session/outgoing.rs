//! What a session sends: reports in time, feedback at once (RFC 3550 §6.1, RFC 4585 §3).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::feedback::Farewell;
use super::{Contributor, RtpSession};
use crate::Ssrc;
use crate::rtcp::{Bye, Compound, MAX_COMPOUND, Remb, ReportBlock, Rtcp, SdesChunk, SenderInfo};

/// Compounds sent back to back when the names change (RFC 8108 §5.3 allows four).
const MAX_BURST: u8 = 4;
/// Chunks in one SDES packet (RFC 3550 §6.5).
const MAX_CHUNKS: usize = 31;
/// Leavers one BYE can name: its count has five bits (RFC 3550 §6.6).
const MAX_FAREWELLS: usize = 31;
/// Farewells that wait; more than that nobody misses, as silence says the same.
const MAX_WAITING_FAREWELLS: usize = 4 * MAX_FAREWELLS;
/// Octets of a compound that reports may fill, so that our names and farewells always find room beside them.
const MAX_REPORTS: usize = 640;
/// Above so many members a BYE would need to wait for its turn; who cannot wait leaves without (RFC 3550 §6.3.7).
const MAX_MEMBERS_FOR_BYE: usize = 50;
/// Least interval that timeouts are reckoned with, also when reports come more often (RFC 3550 §6.2).
pub(super) const MIN_TIMEOUT_INTERVAL: Duration = Duration::from_secs(5);
/// Report intervals after which who is silent counts as gone, and as no sender (RFC 3550 §6.3.5).
const MEMBER_TIMEOUT: u32 = 5;
pub(super) const SENDER_TIMEOUT: u32 = 2;

impl RtpSession {
    /// Tells the peer how much it may send us, in bit/s, with every report (REMB); `None` says nothing.
    pub fn set_receive_limit(&mut self, bitrate: Option<u64>) {
        self.receive_limit = bitrate;
    }

    /// Tells the limit of [`RtpSession::set_receive_limit`] with the next [`RtpSession::poll_rtcp`]: it fell.
    pub fn hasten_receive_limit(&mut self, now: Instant) {
        self.pending.tell_limit = true;
        self.pending.since.get_or_insert(now);
    }

    /// Who is to be named in our SDES besides us; replaces the former list. When it changed, the names go out
    /// at once.
    pub fn set_contributors(&mut self, now: Instant, contributors: Vec<Contributor>) {
        if contributors == self.contributors {
            return;
        }
        self.contributors = contributors;
        self.next_contributor = 0;
        self.pending.burst = MAX_BURST;
        self.schedule.hasten(now);
    }

    /// A contributor has left for good, which its absence from [`set_contributors`](Self::set_contributors) does
    /// not say: a mixer passes its BYE on (RFC 3550 §7.1, §6.6). One that was not named is ignored.
    pub fn contributor_left(&mut self, now: Instant, ssrc: Ssrc) {
        let before = self.contributors.len();
        self.contributors.retain(|contributor| contributor.ssrc != ssrc);
        if self.contributors.len() < before {
            self.next_contributor = 0;
            self.say_farewell(now, ssrc, None);
        }
    }

    /// A control datagram to send, if one is due. Call until `None`.
    pub fn poll_rtcp(&mut self, now: Instant) -> Option<Bytes> {
        let population = self.population(now);
        if self.schedule.is_due(now, population) {
            let datagram = self.report(now);
            self.schedule.sent(now, datagram.len(), population);
            self.reported(now);
            return Some(datagram);
        }
        let due = self.schedule.early_at(self.pending.since?);
        if due > now {
            return None;
        }
        let datagram = self.early_feedback(now);
        self.spoken = true;
        self.schedule.sent_early(now, datagram.len());
        Some(datagram)
    }

    /// A report went out: what the passing of an interval brings (RFC 3550 §6.3.5, §6.3.8).
    fn reported(&mut self, now: Instant) {
        self.spoken = true;
        self.last_interval = self.schedule.interval(self.population(now)).max(MIN_TIMEOUT_INTERVAL);
        if self.peers.prune(now, self.last_interval * MEMBER_TIMEOUT) {
            self.schedule.members_left(now, self.population(now).members);
        }
        for sender in &mut self.senders {
            sender.reported();
        }
        let names_left = self.pending.burst > 0 && self.next_contributor > 0;
        self.pending.burst = if names_left { self.pending.burst - 1 } else { 0 };
        if names_left || !self.pending.farewells.is_empty() {
            self.schedule.hasten(now);
        }
    }

    /// When [`RtpSession::poll_rtcp`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = self.schedule.next();
        let early = self.pending.since.map(|since| self.schedule.early_at(since));
        Some(early.map_or(next, |early| early.min(next)))
    }

    /// The last datagram: a report, and BYE for all our senders (RFC 3550 §6.6). `None` when nobody has heard of us
    /// yet, or when so many are there that our BYE would have to wait for its turn (RFC 3550 §6.3.7).
    pub fn bye(&mut self, now: Instant, reason: &str) -> Option<Bytes> {
        let heard_of = self.spoken || self.senders.iter().any(|sender| sender.has_sent());
        if !heard_of || self.population(now).members > MAX_MEMBERS_FOR_BYE {
            return None;
        }
        let mut compound = Compound::default();
        self.push_reports(now, &mut compound);
        self.push_names(&mut compound, self.own_names(false));
        let mut ssrcs = vec![self.own];
        ssrcs
            .extend(self.senders.iter().map(|sender| sender.ssrc).filter(|ssrc| *ssrc != self.own));
        ssrcs.extend(self.pending.farewells.drain(..).map(|farewell| farewell.ssrc));
        ssrcs.truncate(MAX_FAREWELLS);
        let reason = (!reason.is_empty()).then(|| reason.to_owned());
        if !compound.push(&Rtcp::Bye(Bye { ssrcs: ssrcs.clone(), reason })) {
            compound.push(&Rtcp::Bye(Bye { ssrcs, reason: None }));
        }
        Some(compound.finish())
    }

    /// An SSRC of ours, or one mixed into our packets, is no more: told with the next report, which comes now.
    pub(super) fn say_farewell(&mut self, now: Instant, ssrc: Ssrc, info: Option<SenderInfo>) {
        if self.pending.farewells.len() < MAX_WAITING_FAREWELLS {
            self.pending.farewells.push_back(Farewell { ssrc, info });
        }
        self.schedule.hasten(now);
    }

    /// A whole report: our streams, what we receive, names in turn, what is asked for, farewells.
    fn report(&mut self, now: Instant) -> Bytes {
        let mut compound = Compound::default();
        self.push_reports(now, &mut compound);
        let farewells = self.take_farewells(&mut compound);
        let mut after = Compound::default();
        self.pending.tell_limit = false;
        if let Some(remb) = self.remb() {
            after.push(&Rtcp::Remb(remb));
        }
        let mut bye = Compound::default();
        if !farewells.is_empty() {
            bye.push(&Rtcp::Bye(Bye { ssrcs: farewells, reason: None }));
        }
        let taken = compound.len() + after.len() + bye.len();
        let names =
            self.with_contributors(self.own_names(true), MAX_COMPOUND.saturating_sub(taken));
        self.push_names(&mut compound, names);
        compound.append_compound(&after);
        self.push_feedback(now, &mut compound, bye.len());
        compound.append_compound(&bye);
        compound.finish()
    }

    /// The limit we set for the sources we hear.
    pub(super) fn remb(&self) -> Option<Remb> {
        let media = self.peers.valid_sources().map(crate::Source::ssrc).collect();
        Some(Remb { sender: self.own, bitrate: self.receive_limit?, media })
    }

    /// Those whose farewell this compound brings. A sender's last report comes with it (RFC 7160 §4.1).
    fn take_farewells(&mut self, compound: &mut Compound) -> Vec<Ssrc> {
        let count = self.pending.farewells.len().min(MAX_FAREWELLS);
        let leaving: Vec<Farewell> = self.pending.farewells.drain(..count).collect();
        for farewell in &leaving {
            if let Some(info) = farewell.info
                && compound.len() < MAX_REPORTS
            {
                compound.push(&report_packet(farewell.ssrc, Some(info), Vec::new()));
            }
        }
        leaving.into_iter().map(|farewell| farewell.ssrc).collect()
    }

    /// A minimal compound around feedback (RFC 4585 §3.1): an empty report, our CNAME, the feedback.
    fn early_feedback(&mut self, now: Instant) -> Bytes {
        let mut compound = Compound::default();
        let clock = self.config.clock;
        let info = self.senders.first().and_then(|s| s.info(now, &clock));
        compound.push(&report_packet(self.own, info, Vec::new()));
        compound.push(&Rtcp::Sdes(vec![self.own_cname()]));
        self.push_feedback(now, &mut compound, 0);
        compound.finish()
    }

    /// Adds the feedback that waits, as much as fits beside `reserved` octets still to come (RFC 4585 §3.5.2 step 2a:
    /// it goes with whatever compound is next).
    fn push_feedback(&mut self, now: Instant, compound: &mut Compound, reserved: usize) {
        if self.pending.since.is_none() {
            return;
        }
        let before = compound.len();
        let mut packets = self.take_feedback(now);
        while let Some(packet) = packets.pop_front() {
            let fits = compound.push_within(&packet, MAX_COMPOUND.saturating_sub(reserved));
            // A packet that does not even fit alone (it cannot be) must not block the others for ever.
            if !fits && (compound.len() > before || reserved > 0) {
                packets.push_front(packet);
                break;
            }
        }
        if packets.is_empty() {
            self.pending.since = None;
        }
        self.pending.packets = packets;
    }

    /// Our reports: each SSRC of ours on its own stream, and on what we receive as long as there is room. The first one
    /// always says all (RFC 8108 §5).
    fn push_reports(&mut self, now: Instant, compound: &mut Compound) {
        let clock = self.config.clock;
        let blocks: Vec<ReportBlock> = self.peers.reportable().map(|s| s.report(now)).collect();
        let own = self.senders.first().and_then(|s| s.info(now, &clock));
        compound.push(&report_packet(self.own, own, blocks.clone()));
        for sender in self.senders.iter().skip(1) {
            let info = sender.info(now, &clock);
            let whole = report_packet(sender.ssrc, info, blocks.clone());
            if (info.is_some() || sender.has_sent())
                && !compound.push_within(&whole, MAX_REPORTS)
                && info.is_some()
            {
                compound.push_within(&report_packet(sender.ssrc, info, Vec::new()), MAX_REPORTS);
            }
        }
    }

    fn push_names(&self, compound: &mut Compound, names: Vec<SdesChunk>) {
        if !compound.push(&Rtcp::Sdes(names)) {
            // Names of ours as long as this do not fit beside all reports; the CNAME must be there.
            compound.push(&Rtcp::Sdes(vec![self.own_cname()]));
        }
    }

    fn own_cname(&self) -> SdesChunk {
        SdesChunk { ssrc: self.own, cname: Some(self.config.cname.clone()), name: None }
    }

    fn own_names(&self, with_name: bool) -> Vec<SdesChunk> {
        let name = Some(self.config.name.clone()).filter(|name| with_name && !name.is_empty());
        let chunk =
            |ssrc| SdesChunk { ssrc, cname: Some(self.config.cname.clone()), name: name.clone() };
        let others = self.senders.iter().skip(1).map(|sender| chunk(sender.ssrc));
        std::iter::once(chunk(self.own)).chain(others).collect()
    }

    /// Adds as many contributors as fit into `room` octets, going on where the last report stopped.
    fn with_contributors(&mut self, mut chunks: Vec<SdesChunk>, room: usize) -> Vec<SdesChunk> {
        let mut size = 4 + chunks.iter().map(SdesChunk::wire_size).sum::<usize>();
        let start = self.next_contributor.min(self.contributors.len());
        self.next_contributor = 0;
        for (index, contributor) in self.contributors.iter().enumerate().skip(start) {
            let chunk = SdesChunk {
                ssrc: contributor.ssrc,
                cname: Some(contributor.cname.clone()),
                name: Some(contributor.name.clone()).filter(|name| !name.is_empty()),
            };
            size += chunk.wire_size();
            if size > room || chunks.len() >= MAX_CHUNKS {
                self.next_contributor = index;
                break;
            }
            chunks.push(chunk);
        }
        chunks
    }
}

fn report_packet(ssrc: Ssrc, info: Option<SenderInfo>, blocks: Vec<ReportBlock>) -> Rtcp {
    match info {
        Some(info) => Rtcp::SenderReport { ssrc, info, blocks },
        None => Rtcp::ReceiverReport { ssrc, blocks },
    }
}
