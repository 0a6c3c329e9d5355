//! One m-line's way to and from its member: ports, gates, RTP session, counters.

pub(crate) mod check;
mod streams;

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use rtp_session::{
    Arrival, Dropped, NtpClock, Outbound, PacketKind, PayloadType, RtcpEvent, RtpPacket,
    RtpSession, RtxPair, SessionConfig, Ssrc, classify, rtcp,
};
use sdp::negotiate::NegotiatedMedia;
use sdp::{Direction, MediaKind, Protocol};

use self::streams::{agree_on_streams, payload_types};
use crate::address::{Family, canonical};
use crate::ice::{Credentials, LiteAgent};
use crate::io::{Datagram, PortId, Transmit};
use crate::ledger::{Ledger, Oddity};
use crate::output::Outbox;
use crate::source_gate::{Evidence, SourceGate, Standing};

/// Session bandwidth that RTCP takes 5 % of, bit/s (RFC 3550 §6.2).
const AUDIO_BANDWIDTH: u32 = 64_000;
const VIDEO_BANDWIDTH: u32 = 1_000_000;

/// The ports bound for one m-line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortGrant {
    /// For RTP, and RTCP when multiplexed.
    pub rtp: PortId,
    /// For RTCP when not multiplexed.
    pub rtcp: Option<PortId>,
    /// UDP port number of `rtp`; that of `rtcp` is one higher.
    pub number: u16,
    /// The family of the address it is bound to.
    pub family: Family,
}

impl PortGrant {
    /// The peer's address, if anything can be sent there from here. An answer of the other family than our offer is
    /// against RFC 6157 §3.1; then its packets tell where it is, or nothing is sent.
    fn reaches(self, peer: Option<SocketAddr>) -> Option<SocketAddr> {
        peer.map(canonical).filter(|peer| Family::of(peer.ip()) == self.family)
    }
}

/// Packet counters of one m-line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineCounters {
    /// Media packets accepted.
    pub packets_in: u64,
    /// Their octets, with RTP header.
    pub octets_in: u64,
    /// Media packets sent, retransmissions included.
    pub packets_out: u64,
    /// Their octets, with RTP header.
    pub octets_out: u64,
    /// Packets from nobody we know (RFC 7362), dropped unread.
    pub refused: u64,
    /// Packets that are no valid RTP or RTCP, or of a payload type not agreed.
    pub invalid: u64,
    /// Packets sent again because they were asked for.
    pub resent: u64,
    /// Packets that came again because we asked for them, in a stream of their own (RFC 4588).
    pub restored: u64,
}

/// What identifies us toward one member.
#[derive(Debug, Clone)]
pub struct Identity {
    /// CNAME of the mixer on this leg (RFC 7022).
    pub cname: String,
    /// Wall clock for reports.
    pub clock: NtpClock,
}

/// What a datagram turned out to be.
#[derive(Debug)]
pub enum Incoming {
    /// A media packet that counts.
    Rtp {
        /// The packet.
        packet: RtpPacket,
        /// What the session says about it.
        received: rtp_session::Received,
    },
    /// What a control packet says.
    Rtcp(Vec<RtcpEvent>),
    /// The member is there, more it does not say: a keep-alive in any of the forms of RFC 6263 §4 (an empty datagram,
    /// STUN, an unknown payload type), or something damaged.
    Life,
    /// A connectivity check (RFC 8445 §7.3), with what is to be sent back.
    Check(Bytes),
    /// Nothing to act on.
    Nothing,
}

/// See the module's description.
#[derive(Debug)]
pub struct Transport {
    ports: PortGrant,
    mux: bool,
    direction: Direction,
    rtp_gate: SourceGate,
    rtcp_gate: SourceGate,
    /// When the member does ICE.
    ice: Option<LiteAgent>,
    session: RtpSession,
    ssrc: Ssrc,
    /// Our SSRC for packets sent again.
    rtx_ssrc: Option<Ssrc>,
    receives: Vec<(PayloadType, u32)>,
    /// The payload type of packets that the member sends again, and whose packets those are.
    repairs: Option<RtxPair>,
    codec: String,
    counters: LineCounters,
    ledger: Ledger,
    /// Since when media from the member should be coming.
    awaited_since: Option<Instant>,
    /// Nothing is sent: the member's media go another way.
    parked: bool,
}

impl Transport {
    /// A line as just agreed on. With multiplexing the port for RTCP is not used, even if there is one.
    pub fn new(
        now: Instant,
        kind: &MediaKind,
        media: &NegotiatedMedia,
        ports: PortGrant,
        sip_source: Option<IpAddr>,
        identity: &Identity,
        seed: u64,
    ) -> Self {
        let bandwidth = if *kind == MediaKind::Video { VIDEO_BANDWIDTH } else { AUDIO_BANDWIDTH };
        let receives = payload_types(media);
        let mut session = RtpSession::new(
            SessionConfig {
                cname: identity.cname.clone(),
                name: String::new(),
                clock: identity.clock,
                bandwidth,
                feedback: media.profile == Protocol::RtpAvpf || !media.feedback.is_empty(),
                payload_types: receives.clone(),
                seed,
            },
            now,
        );
        let ssrc = session.add_sender(media.codec.clock_rate);
        let repairs = agree_on_streams(&mut session, media);
        let rtcp = ports.rtcp.filter(|_| !media.rtcp_mux);
        Self {
            ports: PortGrant { rtcp, ..ports },
            mux: media.rtcp_mux,
            direction: media.direction,
            rtp_gate: SourceGate::new(ports.reaches(media.remote.rtp), sip_source),
            rtcp_gate: SourceGate::new(ports.reaches(media.remote.rtcp), sip_source),
            ice: None,
            session,
            ssrc,
            rtx_ssrc: None,
            receives,
            repairs,
            codec: media.codec.name.clone(),
            awaited_since: media.direction.receives().then_some(now),
            counters: LineCounters::default(),
            ledger: Ledger::default(),
            parked: false,
        }
    }

    /// Sends nothing from now on, or goes on.
    pub fn park(&mut self, parked: bool) {
        self.parked = parked;
    }

    fn destination(&self) -> Option<SocketAddr> {
        self.rtp_gate.destination().filter(|_| !self.parked)
    }

    /// A new offer and answer for the same line. The RTP session goes on; returns an RTCP port that is not needed any
    /// more. `rtcp_port` is one bound anew in case multiplexing is given up.
    pub fn renegotiated(
        &mut self,
        now: Instant,
        media: &NegotiatedMedia,
        sip_source: Option<IpAddr>,
        rtcp_port: Option<PortId>,
        credentials: Option<Credentials>,
    ) -> Option<PortId> {
        let rtp = self.ports.reaches(media.remote.rtp);
        let rtcp = self.ports.reaches(media.remote.rtcp);
        self.mux = media.rtcp_mux;
        self.direction = media.direction;
        self.codec.clone_from(&media.codec.name);
        self.awaited_since = match self.awaited_since {
            _ if !media.direction.receives() => None,
            Some(since) if rtp == self.rtp_gate.signalled() => Some(since),
            _ => Some(now),
        };
        self.rtp_gate.renegotiated(rtp, sip_source);
        self.rtcp_gate.renegotiated(rtcp, sip_source);
        self.agree_on_ice(media, credentials);
        self.receives = payload_types(media);
        self.session.set_payload_types(self.receives.clone());
        self.repairs = agree_on_streams(&mut self.session, media);
        self.ssrc = self.session.change_clock_rate(now, self.ssrc, media.codec.clock_rate);
        if self.mux {
            return self.ports.rtcp.take();
        }
        self.ports.rtcp = self.ports.rtcp.or(rtcp_port);
        None
    }

    /// The ports in use.
    pub fn ports(&self) -> PortGrant {
        self.ports
    }

    /// Our SSRC on this line.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// How packets are sent to the member again, if in a stream of their own: under this SSRC, as this payload type.
    pub fn rtx(&mut self, media: &NegotiatedMedia) -> Option<(Ssrc, RtxPair)> {
        let rtx = PayloadType::new(media.rtx?.send)?;
        let apt = PayloadType::new(media.codec.payload_type)?;
        let ssrc = match self.rtx_ssrc {
            Some(ssrc) => ssrc,
            None => self.session.add_rtx_sender(self.ssrc),
        };
        self.rtx_ssrc = Some(ssrc);
        Some((ssrc, RtxPair { rtx, apt }))
    }

    /// Our SSRC for packets sent again, once there is one.
    pub fn rtx_ssrc(&self) -> Option<Ssrc> {
        self.rtx_ssrc
    }

    /// The RTP session, for feedback and statistics.
    pub fn session(&self) -> &RtpSession {
        &self.session
    }

    /// The RTP session, for feedback and statistics.
    pub fn session_mut(&mut self) -> &mut RtpSession {
        &mut self.session
    }

    /// Whether we send media: it was agreed, and it is known where to.
    pub fn may_send(&self) -> bool {
        self.direction.sends() && self.destination().is_some()
    }

    /// Whether media from the member is wanted.
    pub fn may_receive(&self) -> bool {
        self.direction.receives()
    }

    /// A datagram came in on one of our ports.
    pub fn handle(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &Bytes,
        rtcp_port: bool,
    ) -> Incoming {
        let kind = classify(bytes);
        if kind == PacketKind::Stun
            && let Some(incoming) = self.handle_check(from, bytes, rtcp_port)
        {
            if !matches!(incoming, Incoming::Nothing) {
                self.ledger.last_life = Some(now);
            }
            return incoming;
        }
        let gate = if rtcp_port { &self.rtcp_gate } else { &self.rtp_gate };
        let standing = gate.standing(from);
        if standing == Standing::Stranger {
            self.refuse(now, from);
            return Incoming::Nothing;
        }
        self.ledger.last_life = Some(now);
        match kind {
            PacketKind::Rtp if !rtcp_port => self.handle_rtp(now, from, bytes),
            PacketKind::Rtcp if rtcp_port || self.mux => {
                self.handle_rtcp(now, from, standing, bytes, rtcp_port)
            }
            PacketKind::Rtp | PacketKind::Rtcp => self.odd(now, Oddity::WrongPort),
            PacketKind::Stun => Incoming::Life,
            PacketKind::Dtls | PacketKind::Unknown if bytes.is_empty() => Incoming::Life,
            PacketKind::Dtls | PacketKind::Unknown => self.odd(now, Oddity::Malformed),
        }
    }

    fn refuse(&mut self, now: Instant, from: SocketAddr) {
        self.counters.refused += 1;
        self.ledger.refused.note(now, from);
    }

    /// A packet of the member that is of no use.
    fn odd(&mut self, now: Instant, oddity: Oddity) -> Incoming {
        self.counters.invalid += 1;
        self.ledger.odd.note(now, oddity);
        Incoming::Life
    }

    /// Only a packet of a payload type agreed on may latch: a stray datagram must not take the line.
    fn handle_rtp(&mut self, now: Instant, from: SocketAddr, bytes: &Bytes) -> Incoming {
        let Ok(packet) = RtpPacket::parse(bytes.clone()) else {
            return self.odd(now, Oddity::Malformed);
        };
        let payload_type = packet.payload_type();
        if !self.may_come(payload_type) {
            return self.odd(now, Oddity::PayloadType(payload_type.get()));
        }
        if !self.rtp_gate.admit(from, Evidence::Media) {
            self.refuse(now, from);
            return Incoming::Nothing;
        }
        match self.session.handle_rtp(now, &packet) {
            Arrival::Received(received) => {
                self.counters.packets_in += 1;
                self.counters.octets_in += bytes.len() as u64;
                self.ledger.last_media = Some(now);
                Incoming::Rtp { packet, received }
            }
            Arrival::Restored { packet, received } => {
                self.counters.packets_in += 1;
                self.counters.octets_in += bytes.len() as u64;
                self.counters.restored += 1;
                Incoming::Rtp { packet, received }
            }
            Arrival::Dropped(dropped) => self.dropped(now, dropped),
        }
    }

    fn may_come(&self, payload_type: PayloadType) -> bool {
        self.receives.iter().any(|(agreed, _)| *agreed == payload_type)
            || self.repairs.is_some_and(|pair| pair.rtx == payload_type)
    }

    fn dropped(&mut self, now: Instant, dropped: Dropped) -> Incoming {
        let oddity = match dropped {
            // Padding to probe for bandwidth, or an answer that came too late.
            Dropped::Retransmission => return Incoming::Life,
            Dropped::PayloadType(payload_type) => Oddity::PayloadType(payload_type.get()),
            Dropped::Unproven => Oddity::Unproven,
            Dropped::TooManySources => Oddity::TooManySources,
            Dropped::Loop => Oddity::Loop,
            Dropped::Collision { old, new } => {
                self.collided(old, new);
                Oddity::Loop
            }
        };
        self.odd(now, oddity)
    }

    fn handle_rtcp(
        &mut self,
        now: Instant,
        from: SocketAddr,
        standing: Standing,
        bytes: &Bytes,
        rtcp_port: bool,
    ) -> Incoming {
        // Who is latched already has shown that it is no stray datagram.
        if standing == Standing::Candidate && rtcp::parse(bytes).is_empty() {
            return self.odd(now, Oddity::Malformed);
        }
        let gate = if rtcp_port { &mut self.rtcp_gate } else { &mut self.rtp_gate };
        if !gate.admit(from, Evidence::Control) {
            self.refuse(now, from);
            return Incoming::Nothing;
        }
        self.ledger.last_control = Some(now);
        let events = self.session.handle_rtcp(now, bytes);
        for event in &events {
            if let RtcpEvent::Collision { old, new } = event {
                self.collided(*old, *new);
            }
        }
        Incoming::Rtcp(events)
    }

    fn collided(&mut self, old: Ssrc, new: Ssrc) {
        if self.ssrc == old {
            self.ssrc = new;
        }
        if self.rtx_ssrc == Some(old) {
            self.rtx_ssrc = Some(new);
        }
    }

    /// Sends a media packet whose content belongs to the moment `media_time`, which our sender reports are based on.
    pub fn send(&mut self, media_time: Instant, packet: Outbound, out: &mut Outbox) {
        let Some(to) = self.destination() else { return };
        self.session.sent(media_time, &packet);
        self.counters.packets_out += 1;
        self.counters.octets_out += packet.len() as u64;
        out.transmit(Transmit { from: self.ports.rtp, to, datagram: Datagram::Rtp(packet) });
    }

    /// Sends a packet again that the member did not get, as it was or in the stream for that.
    pub fn resend(&mut self, now: Instant, packet: Outbound, out: &mut Outbox) {
        let Some(to) = self.destination() else { return };
        if Some(packet.ssrc()) == self.rtx_ssrc {
            self.session.sent(now, &packet);
        } else {
            self.session.sent_again(&packet);
        }
        self.counters.resent += 1;
        self.counters.packets_out += 1;
        self.counters.octets_out += packet.len() as u64;
        out.transmit(Transmit { from: self.ports.rtp, to, datagram: Datagram::Rtp(packet) });
    }

    /// Sends the control packets that are due.
    pub fn poll_rtcp(&mut self, now: Instant, out: &mut Outbox) {
        if self.session.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        while let Some(datagram) = self.session.poll_rtcp(now) {
            self.send_rtcp(datagram, out);
        }
    }

    /// Says good-bye to the member (RFC 3550 §6.6).
    pub fn bye(&mut self, now: Instant, out: &mut Outbox) {
        if let Some(datagram) = self.session.bye(now, "") {
            self.send_rtcp(datagram, out);
        }
    }

    fn send_rtcp(&self, datagram: Bytes, out: &mut Outbox) {
        let (port, gate) = match self.ports.rtcp {
            Some(port) if !self.mux => (port, &self.rtcp_gate),
            _ => (self.ports.rtp, &self.rtp_gate),
        };
        if let Some(to) = gate.destination().filter(|_| !self.parked) {
            out.transmit(Transmit { from: port, to, datagram: Datagram::Rtcp(datagram) });
        }
    }

    /// The network could not bring a packet of ours to `to`.
    pub fn unreachable(&mut self, now: Instant, to: SocketAddr, error: i32) {
        self.ledger.unreachable(now, to, error);
    }

    /// What was agreed on: both directions, seen from us.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Name of the codec agreed on.
    pub fn codec(&self) -> &str {
        &self.codec
    }

    /// Payload types that may come in.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + '_ {
        self.receives.iter().map(|(payload_type, _)| payload_type.get())
    }

    /// Who may send here.
    pub fn gate(&self) -> &SourceGate {
        &self.rtp_gate
    }

    /// Since when media from the member should be coming.
    pub fn awaited_since(&self) -> Option<Instant> {
        self.awaited_since
    }

    /// What is remembered for the doctor.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Counters.
    pub fn counters(&self) -> LineCounters {
        self.counters
    }
}
