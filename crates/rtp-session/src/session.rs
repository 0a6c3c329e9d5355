//! All the streams of one transport as one value (RFC 3550 §3: an RTP session, seen from one participant).

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::rtcp::ReportBlock;
use crate::{ExtSeq, NtpClock, Outbound, PayloadType, RtpPacket, Seq, Source, Ssrc};

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
    /// AVPF was negotiated: feedback goes out at once (RFC 4585 §3.4).
    pub feedback: bool,
    /// What may come in, and at which clock rate. Empty: anything is dropped.
    pub payload_types: Vec<(PayloadType, u32)>,
    /// For our SSRCs and for the randomness of the report interval.
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
    sources: Vec<Source>,
}

impl RtpSession {
    /// A session without senders; it reports under an SSRC of its own until [`RtpSession::add_sender`].
    #[must_use]
    pub fn new(config: SessionConfig, now: Instant) -> Self {
        let _ = now;
        Self { config, sources: Vec::new() }
    }

    /// A new sender of ours, with timestamps at `clock_rate` Hz. The first one takes the SSRC the session
    /// reports under.
    pub fn add_sender(&mut self, clock_rate: u32) -> Ssrc {
        let _ = clock_rate;
        Ssrc(0)
    }

    /// What may come in, after a new answer.
    pub fn set_payload_types(&mut self, payload_types: Vec<(PayloadType, u32)>) {
        self.config.payload_types = payload_types;
    }

    /// A media packet came in.
    pub fn handle_rtp(&mut self, now: Instant, packet: &RtpPacket) -> Arrival {
        let _ = now;
        Arrival::Dropped(Dropped::PayloadType(packet.payload_type()))
    }

    /// A control packet came in.
    pub fn handle_rtcp(&mut self, now: Instant, datagram: &Bytes) -> Vec<RtcpEvent> {
        let _ = (now, datagram);
        Vec::new()
    }

    /// A media packet goes out: counted for our sender reports.
    pub fn sent(&mut self, now: Instant, packet: &Outbound) {
        let _ = (now, packet);
    }

    /// Asks `media` for packets again.
    pub fn request_nack(&mut self, now: Instant, media: Ssrc, seqs: &[Seq]) {
        let _ = (now, media, seqs);
    }

    /// Tells `media` that a picture was lost.
    pub fn request_pli(&mut self, now: Instant, media: Ssrc) {
        let _ = (now, media);
    }

    /// Commands `media` to send a key frame; `repeat` for one already commanded that has not come.
    pub fn request_fir(&mut self, now: Instant, media: Ssrc, repeat: bool) {
        let _ = (now, media, repeat);
    }

    /// Tells the peer how much it may send us, in bit/s, with the next report.
    pub fn set_receive_limit(&mut self, bitrate: Option<u64>) {
        let _ = bitrate;
    }

    /// Who is to be named in our SDES besides us; replaces the former list. Sent with the next report at once.
    pub fn set_contributors(&mut self, now: Instant, contributors: Vec<Contributor>) {
        let _ = (now, contributors);
    }

    /// A control datagram to send, if one is due. Call until `None`.
    pub fn poll_rtcp(&mut self, now: Instant) -> Option<Bytes> {
        let _ = now;
        None
    }

    /// When [`RtpSession::poll_rtcp`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The last datagram: a report and BYE for all our senders.
    pub fn bye(&mut self, now: Instant, reason: &str) -> Bytes {
        let _ = (now, reason);
        Bytes::new()
    }

    /// A remote source.
    #[must_use]
    pub fn source(&self, ssrc: Ssrc) -> Option<&Source> {
        self.sources.iter().find(|source| source.ssrc() == ssrc)
    }

    /// All valid remote sources.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.is_valid())
    }

    /// Round trip as last measured; zero before.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        Duration::ZERO
    }

    /// The SSRC the session reports under.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        Ssrc(0)
    }
}
