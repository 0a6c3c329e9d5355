//! What a session sends: reports in time, feedback at once (RFC 3550 §6.1, RFC 4585 §3).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Contributor, RtpSession};
use crate::clock::ticks_between;
use crate::rtcp::{
    Bye, Compound, Fir, FirSender, MAX_COMPOUND, Nack, Pli, Remb, ReportBlock, Rtcp, SdesChunk,
    SenderInfo,
};
use crate::{NtpClock, Outbound, RtpTime, Seq, Ssrc};

/// Numbers in one NACK packet: even if none are neighbours they fit beside a report.
const NACK_CHUNK: usize = 128;
/// Requests waiting for one source; more are as good as a key frame.
const MAX_NACKS: usize = 512;
/// Compounds sent back to back when the names change (RFC 8108 §5.3 allows four).
const MAX_BURST: u8 = 4;
/// A sender counts as such for two report intervals (RFC 3550 §6.4).
const ACTIVE_REPORTS: u8 = 2;

/// One sender of ours, as reports need it.
#[derive(Clone, Debug)]
pub(super) struct LocalSender {
    pub(super) ssrc: Ssrc,
    pub(super) clock_rate: u32,
    packets: u32,
    octets: u32,
    last: Option<(Instant, RtpTime)>,
    active_reports: u8,
}

impl LocalSender {
    pub(super) const fn new(ssrc: Ssrc, clock_rate: u32) -> Self {
        Self { ssrc, clock_rate, packets: 0, octets: 0, last: None, active_reports: 0 }
    }

    /// Counts a packet; whether it was the first.
    pub(super) fn count(&mut self, now: Instant, packet: &Outbound) -> bool {
        let first = self.last.is_none();
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.payload_octets() as u32);
        let timestamp = packet.timestamp();
        // The packets of one picture share a timestamp, which is the moment of the first; one sent again has
        // an old timestamp, which says nothing about now.
        if self.last.is_none_or(|(_, last)| timestamp.distance_from(last) > 0) {
            self.last = Some((now, timestamp));
        }
        self.active_reports = ACTIVE_REPORTS;
        first
    }

    pub(super) const fn is_active(&self) -> bool {
        self.active_reports > 0
    }

    fn info(&self, now: Instant, clock: &NtpClock) -> Option<SenderInfo> {
        let (at, timestamp) = self.last.filter(|_| self.is_active())?;
        let since = ticks_between(at, now, self.clock_rate) as u32;
        Some(SenderInfo {
            ntp: clock.at(now),
            rtp: timestamp.plus(since),
            packets: self.packets,
            octets: self.octets,
        })
    }
}

/// What waits to be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    since: Option<Instant>,
    /// Left over from a compound that was full.
    packets: VecDeque<Rtcp>,
    nacks: BTreeMap<Ssrc, Vec<Seq>>,
    pictures: BTreeSet<Ssrc>,
    commands: BTreeMap<Ssrc, u8>,
    command_numbers: BTreeMap<Ssrc, FirSender>,
    /// SSRCs that were ours until they collided.
    pub(super) farewells: Vec<Ssrc>,
    /// Further compounds to send at once, until all names are told.
    burst: u8,
}

impl Pending {
    /// What waits, as packets.
    fn take_feedback(&mut self, sender: Ssrc) -> VecDeque<Rtcp> {
        let mut out = std::mem::take(&mut self.packets);
        for media in std::mem::take(&mut self.pictures) {
            out.push_back(Rtcp::Pli(Pli { sender, media }));
        }
        let entries: Vec<_> = std::mem::take(&mut self.commands).into_iter().collect();
        if !entries.is_empty() {
            out.push_back(Rtcp::Fir(Fir { sender, entries }));
        }
        for (media, seqs) in std::mem::take(&mut self.nacks) {
            for seqs in seqs.chunks(NACK_CHUNK) {
                let seqs = seqs.to_vec();
                out.push_back(Rtcp::Nack(Nack { sender, media, seqs }));
            }
        }
        out
    }
}

impl RtpSession {
    /// Asks `media` for packets again, with the next [`RtpSession::poll_rtcp`].
    pub fn request_nack(&mut self, now: Instant, media: Ssrc, seqs: &[Seq]) {
        if seqs.is_empty() {
            return;
        }
        let waiting = self.pending.nacks.entry(media).or_default();
        for seq in seqs {
            if waiting.len() < MAX_NACKS && !waiting.contains(seq) {
                waiting.push(*seq);
            }
        }
        self.pending.since.get_or_insert(now);
    }

    /// Tells `media` that a picture was lost, with the next [`RtpSession::poll_rtcp`].
    pub fn request_pli(&mut self, now: Instant, media: Ssrc) {
        self.pending.pictures.insert(media);
        self.pending.since.get_or_insert(now);
    }

    /// Commands `media` to send a key frame; `repeat` for one already commanded that has not come (RFC 5104
    /// §3.5.1: after two round trips).
    pub fn request_fir(&mut self, now: Instant, media: Ssrc, repeat: bool) {
        let numbers = self.pending.command_numbers.entry(media).or_default();
        let command = if repeat { numbers.repeat() } else { numbers.new_command() };
        self.pending.commands.insert(media, command);
        self.pending.since.get_or_insert(now);
    }

    /// Tells the peer how much it may send us, in bit/s, with every report (REMB); `None` says nothing.
    pub fn set_receive_limit(&mut self, bitrate: Option<u64>) {
        self.receive_limit = bitrate;
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
            if self.pending.farewells.len() < MAX_FAREWELLS {
                self.pending.farewells.push(ssrc);
            }
            self.schedule.hasten(now);
        }
    }

    /// A control datagram to send, if one is due. Call until `None`.
    pub fn poll_rtcp(&mut self, now: Instant) -> Option<Bytes> {
        let population = self.population();
        if self.schedule.is_due(now, population) {
            let datagram = self.report(now);
            self.schedule.sent(now, datagram.len(), population);
            let timeout = self.schedule.interval(population).max(MIN_TIMEOUT / 5) * 5;
            self.peers.prune(now, timeout);
            for sender in &mut self.senders {
                sender.active_reports = sender.active_reports.saturating_sub(1);
            }
            if self.pending.burst > 0 && self.next_contributor > 0 {
                self.pending.burst -= 1;
                self.schedule.hasten(now);
            } else {
                self.pending.burst = 0;
            }
            return Some(datagram);
        }
        self.pending.since?;
        let datagram = self.early_feedback(now);
        self.schedule.count(datagram.len());
        Some(datagram)
    }

    /// When [`RtpSession::poll_rtcp`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = self.schedule.next();
        Some(self.pending.since.map_or(next, |since| since.min(next)))
    }

    /// The last datagram: a report, and BYE for all our senders (RFC 3550 §6.6).
    pub fn bye(&mut self, now: Instant, reason: &str) -> Bytes {
        let mut compound = Compound::default();
        self.push_reports(now, &mut compound);
        compound.push(&Rtcp::Sdes(self.own_names(false)));
        let mut ssrcs = vec![self.own];
        ssrcs.extend(self.senders.iter().map(|sender| sender.ssrc));
        ssrcs.sort();
        ssrcs.dedup();
        let reason = (!reason.is_empty()).then(|| reason.to_owned());
        compound.push(&Rtcp::Bye(Bye { ssrcs, reason }));
        compound.finish()
    }

    /// A whole report: our streams, what we receive, names in turn.
    fn report(&mut self, now: Instant) -> Bytes {
        let mut compound = Compound::default();
        self.push_reports(now, &mut compound);
        let own_names = self.own_names(true);
        let mut after = Compound::default();
        if let Some(bitrate) = self.receive_limit {
            let media = self.peers.valid_sources().map(crate::Source::ssrc).collect();
            after.push(&Rtcp::Remb(Remb { sender: self.own, bitrate, media }));
        }
        let farewells = std::mem::take(&mut self.pending.farewells);
        if !farewells.is_empty() {
            after.push(&Rtcp::Bye(Bye { ssrcs: farewells, reason: None }));
        }
        let room = MAX_COMPOUND.saturating_sub(compound.len() + after.len());
        let names = self.with_contributors(own_names, room);
        if !compound.push(&Rtcp::Sdes(names)) {
            // Names of ours as long as this do not fit beside all reports; the CNAME must be there.
            compound.push(&Rtcp::Sdes(vec![self.own_cname()]));
        }
        compound.append_compound(&after);
        compound.finish()
    }

    /// A minimal compound around feedback (RFC 4585 §3.1): an empty report, our CNAME, the feedback.
    fn early_feedback(&mut self, now: Instant) -> Bytes {
        let mut compound = Compound::default();
        let clock = self.config.clock;
        let info = self.senders.first().and_then(|s| s.info(now, &clock));
        compound.push(&report_packet(self.own, info, Vec::new()));
        compound.push(&Rtcp::Sdes(vec![self.own_cname()]));
        let bare = compound.len();
        let mut packets = self.pending.take_feedback(self.own);
        while let Some(packet) = packets.pop_front() {
            // A packet that does not even fit alone (it cannot be) must not block the others for ever.
            if !compound.push(&packet) && compound.len() > bare {
                packets.push_front(packet);
                break;
            }
        }
        if packets.is_empty() {
            self.pending.since = None;
        }
        self.pending.packets = packets;
        compound.finish()
    }

    fn push_reports(&mut self, now: Instant, compound: &mut Compound) {
        let clock = self.config.clock;
        let blocks: Vec<ReportBlock> = self.peers.reportable().map(|s| s.report(now)).collect();
        let own = self.senders.first().and_then(|s| s.info(now, &clock));
        compound.push(&report_packet(self.own, own, blocks));
        for sender in self.senders.iter().skip(1) {
            if let Some(info) = sender.info(now, &clock) {
                compound.push(&report_packet(sender.ssrc, Some(info), Vec::new()));
            }
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

/// Chunks in one SDES packet (RFC 3550 §6.5).
const MAX_CHUNKS: usize = 31;
/// Leavers one BYE can name: its count has five bits (RFC 3550 §6.6).
const MAX_FAREWELLS: usize = 31;
/// Nobody is forgotten sooner than this, however short the report interval is.
const MIN_TIMEOUT: Duration = Duration::from_secs(25);

fn report_packet(ssrc: Ssrc, info: Option<SenderInfo>, blocks: Vec<ReportBlock>) -> Rtcp {
    match info {
        Some(info) => Rtcp::SenderReport { ssrc, info, blocks },
        None => Rtcp::ReceiverReport { ssrc, blocks },
    }
}
