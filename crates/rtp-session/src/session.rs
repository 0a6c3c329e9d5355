//! All the streams of one transport as one value (RFC 3550 §3: an RTP session, seen from one participant).

mod outgoing;
mod peers;

use std::time::{Duration, Instant};

use self::outgoing::{LocalSender, Pending};
use self::peers::Peers;
use crate::random::Random;
use crate::receive::source::round_trip;
use crate::rtcp::{
    self, Fir, Population, ReportBlock, Rtcp, Schedule, ScheduleConfig, SdesChunk, SenderInfo,
};
use crate::{ExtSeq, NtpClock, Outbound, PayloadType, RtpPacket, Seq, Source, SourceError, Ssrc};

/// After a collision our own packets may still come back for a while; a second one so soon is an echo.
const ECHO_TIME: Duration = Duration::from_secs(10);
/// Senders of ours that one report can speak for within [`rtcp::MAX_COMPOUND`].
const MAX_SENDERS: usize = 8;

/// What a session is told at its start.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Canonical name of ours (RFC 7022); ties our audio to our video.
    pub cname: String,
    /// Display name of ours; empty for none.
    pub name: String,
    /// Wall clock for reports.
    pub clock: NtpClock,
    /// Session bandwidth in bit/s: RTCP takes 5 % of it.
    pub bandwidth: u32,
    /// A feedback profile (AVPF) was negotiated: reports may come more often than every 5 s. Feedback that is
    /// asked for goes out at once in any case (RFC 4585 §3.4, immediate mode).
    pub feedback: bool,
    /// What may come in, and at which clock rate in Hz. The first one is the medium itself: packets of another
    /// rate (telephone events) do not count for its jitter. Empty: everything is dropped.
    pub payload_types: Vec<(PayloadType, u32)>,
    /// For our SSRCs and the randomness of the report interval; different for every session.
    pub seed: u64,
}

/// A media packet that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub ssrc: Ssrc,
    /// Its number with cycles.
    pub ext_seq: ExtSeq,
    /// It came after one with a higher number, or twice.
    pub late: bool,
    /// The first packet of this source, or of a source that restarted: start play-out and loss detection afresh.
    pub first: bool,
}

/// Why a media packet does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Its payload type was not negotiated.
    PayloadType(PayloadType),
    /// A new source that must prove itself, or a sequence number far off (RFC 3550 §A.1).
    Unproven,
    /// More sources than the table holds.
    TooManySources,
    /// It has the SSRC of one of our senders, which now goes on under another (RFC 3550 §8.2): tell the
    /// stream by `set_ssrc`.
    Collision {
        /// No longer ours.
        old: Ssrc,
        /// Ours from now on.
        new: Ssrc,
    },
    /// Our own packets come back to us (RFC 3550 §8.2).
    Loop,
}

/// What [`RtpSession::handle_rtp`] makes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Take it.
    Received(Received),
    /// Drop it.
    Dropped(Dropped),
}

/// Somebody in our packets who is not us: named in our SDES, as a mixer does for its CSRCs (RFC 3550 §6.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contributor {
    /// The source as our CSRC lists name it.
    pub ssrc: Ssrc,
    /// Ties this person's sources together.
    pub cname: String,
    /// Display name.
    pub name: String,
}

/// What came by RTCP.
#[derive(Clone, Debug, PartialEq)]
pub enum RtcpEvent {
    /// The peer lost a picture of our sender `media`, or (FIR) needs a key frame of it. Repetitions of one FIR
    /// command are told once.
    KeyFrameWanted {
        /// Our sender.
        media: Ssrc,
    },
    /// The peer wants packets of our sender again.
    Nack {
        /// Our sender.
        media: Ssrc,
        /// Their numbers.
        seqs: Vec<Seq>,
    },
    /// How our sender is received.
    Report {
        /// Who reports.
        from: Ssrc,
        /// On which of our senders, and what.
        block: ReportBlock,
        /// Round trip, once it can be known.
        rtt: Option<Duration>,
    },
    /// A source mapped its timestamps to its wall clock; [`Source::ntp_of`] now uses it.
    SenderReport {
        /// The source.
        ssrc: Ssrc,
    },
    /// A source, or one mixed into it, has a name, or changed it.
    Named {
        /// The source or CSRC.
        ssrc: Ssrc,
        /// Canonical name, if sent.
        cname: Option<String>,
        /// Display name, if sent.
        name: Option<String>,
    },
    /// A source or CSRC left.
    Bye {
        /// The source.
        ssrc: Ssrc,
    },
    /// Somebody else uses the SSRC of one of our senders, which now goes on under another (RFC 3550 §8.2):
    /// tell the stream by `set_ssrc`.
    Collision {
        /// No longer ours.
        old: Ssrc,
        /// Ours from now on.
        new: Ssrc,
    },
    /// The most the peer believes it can receive, in bit/s.
    Remb {
        /// Bit per second.
        bitrate: u64,
    },
}

/// The streams of one transport.
#[derive(Clone, Debug)]
pub struct RtpSession {
    config: SessionConfig,
    random: Random,
    own: Ssrc,
    senders: Vec<LocalSender>,
    peers: Peers,
    schedule: Schedule,
    pending: Pending,
    contributors: Vec<Contributor>,
    next_contributor: usize,
    receive_limit: Option<u64>,
    last_collision: Option<Instant>,
    rtt: Duration,
}

impl RtpSession {
    /// A session without senders; it reports under an SSRC of its own until [`RtpSession::add_sender`].
    #[must_use]
    pub fn new(config: SessionConfig, now: Instant) -> Self {
        let mut random = Random::new(config.seed);
        let own = Ssrc(random.next_u64() as u32);
        let timing = ScheduleConfig { bandwidth: config.bandwidth, feedback: config.feedback };
        let schedule = Schedule::new(timing, now, random.next_u64());
        Self {
            config,
            random,
            own,
            senders: Vec::new(),
            peers: Peers::default(),
            schedule,
            pending: Pending::default(),
            contributors: Vec::new(),
            next_contributor: 0,
            receive_limit: None,
            last_collision: None,
            rtt: Duration::ZERO,
        }
    }

    /// A new sender of ours, with timestamps at `clock_rate` Hz. The first one takes the SSRC the session
    /// reports under. At most 8: further ones share the last.
    pub fn add_sender(&mut self, clock_rate: u32) -> Ssrc {
        if let Some(last) = self.senders.last().filter(|_| self.senders.len() >= MAX_SENDERS) {
            return last.ssrc;
        }
        let ssrc = if self.senders.is_empty() { self.own } else { self.fresh_ssrc() };
        self.senders.push(LocalSender::new(ssrc, clock_rate));
        ssrc
    }

    /// An SSRC nobody uses (RFC 3550 §8.1).
    fn fresh_ssrc(&mut self) -> Ssrc {
        loop {
            let ssrc = Ssrc(self.random.next_u64() as u32);
            if ssrc.0 != 0 && !self.is_ours(ssrc) && !self.peers.knows(ssrc) {
                return ssrc;
            }
        }
    }

    fn is_ours(&self, ssrc: Ssrc) -> bool {
        ssrc == self.own || self.senders.iter().any(|sender| sender.ssrc == ssrc)
    }

    /// What may come in, after a new answer; see [`SessionConfig::payload_types`].
    pub fn set_payload_types(&mut self, payload_types: Vec<(PayloadType, u32)>) {
        self.config.payload_types = payload_types;
    }

    fn rate_of(&self, payload_type: PayloadType) -> Option<u32> {
        let types = &self.config.payload_types;
        let found = types.iter().find(|(known, _)| *known == payload_type)?;
        Some(found.1)
    }

    /// A media packet came in.
    pub fn handle_rtp(&mut self, now: Instant, packet: &RtpPacket) -> Arrival {
        match self.receive(now, packet) {
            Ok(received) => Arrival::Received(received),
            Err(dropped) => {
                tracing::trace!(ssrc = %packet.ssrc(), seq = %packet.seq(), ?dropped, "packet dropped");
                Arrival::Dropped(dropped)
            }
        }
    }

    fn receive(&mut self, now: Instant, packet: &RtpPacket) -> Result<Received, Dropped> {
        let payload_type = packet.payload_type();
        let rate = self.rate_of(payload_type).ok_or(Dropped::PayloadType(payload_type))?;
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
        let medium_rate = self.config.payload_types.first().map_or(rate, |(_, rate)| *rate);
        let source =
            self.peers.source_for(now, ssrc, medium_rate).ok_or(Dropped::TooManySources)?;
        let was_valid = source.is_valid();
        let reception = if rate == source.clock_rate() {
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

    /// Somebody else has our SSRC: says farewell under it and takes another. `None` when that has just been
    /// done: then our own packets are coming back to us, and changing again would never end (RFC 3550 §8.2).
    fn resolve_collision(&mut self, now: Instant, old: Ssrc) -> Option<Ssrc> {
        if self.last_collision.is_some_and(|at| now.saturating_duration_since(at) < ECHO_TIME) {
            return None;
        }
        self.last_collision = Some(now);
        let new = self.fresh_ssrc();
        if self.own == old {
            self.own = new;
        }
        for sender in self.senders.iter_mut().filter(|sender| sender.ssrc == old) {
            *sender = LocalSender::new(new, sender.clock_rate);
        }
        self.pending.farewells.push(old);
        self.schedule.hasten(now);
        tracing::debug!(%old, %new, "SSRC collision");
        Some(new)
    }

    /// A control datagram came in.
    pub fn handle_rtcp(&mut self, now: Instant, datagram: &[u8]) -> Vec<RtcpEvent> {
        let mut events = Vec::new();
        self.schedule.count(datagram.len());
        let packets = rtcp::parse(datagram);
        // Who leaves with this very datagram gets no new entry in any table.
        let leaving: Vec<Ssrc> = packets
            .iter()
            .filter_map(|packet| match packet {
                Rtcp::Bye(bye) => Some(&bye.ssrcs),
                _ => None,
            })
            .flatten()
            .copied()
            .collect();
        for packet in packets {
            if let Rtcp::SenderReport { ssrc, .. } | Rtcp::ReceiverReport { ssrc, .. } = packet {
                if self.is_ours(ssrc) {
                    // An echo, or somebody with our SSRC: the rest of the datagram is about nobody else.
                    let new = self.resolve_collision(now, ssrc);
                    events.extend(new.map(|new| RtcpEvent::Collision { old: ssrc, new }));
                    return events;
                }
                if !leaving.contains(&ssrc) {
                    self.peers.heard_from(now, ssrc);
                }
            }
            match packet {
                Rtcp::SenderReport { ssrc, info, blocks } => {
                    self.sender_report(now, ssrc, info, &mut events);
                    self.report_blocks(now, ssrc, &blocks, &mut events);
                }
                Rtcp::ReceiverReport { ssrc, blocks } => {
                    self.report_blocks(now, ssrc, &blocks, &mut events);
                }
                Rtcp::Sdes(mut chunks) => {
                    chunks.retain(|chunk| !leaving.contains(&chunk.ssrc));
                    self.names(now, chunks, &mut events);
                }
                Rtcp::Bye(bye) => self.farewells(now, &bye.ssrcs, &mut events),
                Rtcp::Nack(nack) if self.is_ours(nack.media) => {
                    events.push(RtcpEvent::Nack { media: nack.media, seqs: nack.seqs })
                }
                Rtcp::Pli(pli) if self.is_ours(pli.media) => {
                    events.push(RtcpEvent::KeyFrameWanted { media: pli.media });
                }
                Rtcp::Fir(fir) => self.key_frame_commands(&fir, &mut events),
                Rtcp::Remb(remb) => events.push(RtcpEvent::Remb { bitrate: remb.bitrate }),
                Rtcp::Nack(_) | Rtcp::Pli(_) => {}
            }
        }
        events
    }

    fn sender_report(
        &mut self,
        now: Instant,
        ssrc: Ssrc,
        info: SenderInfo,
        events: &mut Vec<RtcpEvent>,
    ) {
        if let Some(source) = self.peers.source_mut(ssrc) {
            source.sender_report(now, info);
            events.push(RtcpEvent::SenderReport { ssrc });
        }
    }

    fn report_blocks(
        &mut self,
        now: Instant,
        from: Ssrc,
        blocks: &[ReportBlock],
        events: &mut Vec<RtcpEvent>,
    ) {
        let ntp = self.config.clock.at(now);
        for &block in blocks {
            if self.is_ours(block.ssrc) {
                let rtt = round_trip(ntp, &block);
                self.rtt = rtt.unwrap_or(self.rtt);
                events.push(RtcpEvent::Report { from, block, rtt });
            }
        }
    }

    fn names(&mut self, now: Instant, chunks: Vec<SdesChunk>, events: &mut Vec<RtcpEvent>) {
        for chunk in chunks {
            if !self.is_ours(chunk.ssrc) && self.peers.named(now, &chunk) {
                events.push(RtcpEvent::Named {
                    ssrc: chunk.ssrc,
                    cname: chunk.cname,
                    name: chunk.name,
                });
            }
        }
    }

    fn farewells(&mut self, now: Instant, ssrcs: &[Ssrc], events: &mut Vec<RtcpEvent>) {
        for &ssrc in ssrcs {
            if self.peers.left(ssrc) {
                events.push(RtcpEvent::Bye { ssrc });
            }
        }
        self.schedule.members_left(now, self.population().members);
    }

    fn key_frame_commands(&mut self, fir: &Fir, events: &mut Vec<RtcpEvent>) {
        for &(media, command) in &fir.entries {
            if self.is_ours(media) && self.peers.is_new_command(fir.sender, media, command) {
                events.push(RtcpEvent::KeyFrameWanted { media });
            }
        }
    }

    fn population(&self) -> Population {
        let we_sent = self.senders.iter().any(LocalSender::is_active);
        Population {
            members: self.senders.len().max(1) + self.peers.members(),
            senders: self.peers.valid_sources().count() + usize::from(we_sent),
            we_sent,
        }
    }

    /// A media packet goes out: counted for our sender reports. The first of a sender brings a report with it,
    /// so that the peer can map its timestamps soon.
    pub fn sent(&mut self, now: Instant, packet: &Outbound) {
        let ssrc = packet.ssrc();
        let sender = self.senders.iter_mut().find(|sender| sender.ssrc == ssrc);
        if sender.is_some_and(|sender| sender.count(now, packet)) {
            self.schedule.hasten(now);
        }
    }

    /// A remote source, also one on probation.
    #[must_use]
    pub fn source(&self, ssrc: Ssrc) -> Option<&Source> {
        self.peers.source(ssrc)
    }

    /// All valid remote sources.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.peers.valid_sources()
    }

    /// What SDES said about a source or CSRC.
    #[must_use]
    pub fn name_of(&self, ssrc: Ssrc) -> Option<&SdesChunk> {
        self.peers.name_of(ssrc)
    }

    /// Round trip as last measured; zero before.
    #[must_use]
    pub const fn rtt(&self) -> Duration {
        self.rtt
    }

    /// The SSRC the session reports under.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.own
    }
}
