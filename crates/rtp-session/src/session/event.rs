//! What goes into a session and what comes out of it.

use std::time::Duration;

use crate::rtcp::ReportBlock;
use crate::{ExtSeq, NtpClock, PayloadType, RtpPacket, Seq, Ssrc};

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
    /// A retransmission without a packet in it (padding that probes for bandwidth), or of a packet of no stream we
    /// know.
    Retransmission,
}

/// What [`RtpSession::handle_rtp`](crate::RtpSession::handle_rtp) makes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Take it.
    Received(Received),
    /// It was a retransmission (RFC 4588): take this packet of the original stream instead. It does not count for the
    /// statistics of that stream, whose losses are to be reported as they were.
    Restored {
        /// The packet as it was sent first: SSRC, payload type and number of the original stream.
        packet: RtpPacket,
        /// What it means to that stream; `first` is never set.
        received: Received,
    },
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
    /// A source mapped its timestamps to its wall clock; `Source::ntp_of` now uses it.
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
    /// The most the peer believes it can receive, in bit/s. [`RtpSession::send_limit`](super::RtpSession::send_limit)
    /// knows how long that holds.
    Remb {
        /// Bit per second.
        bitrate: u64,
    },
    /// The peer asks our sender for at most so much (TMMBR, RFC 5104 §4.2.1); the notification it is owed (TMMBN) goes
    /// out by itself. As [`RtcpEvent::Remb`], it is part of
    /// [`RtpSession::send_limit`](super::RtpSession::send_limit).
    Tmmbr {
        /// Our sender.
        media: Ssrc,
        /// Bit per second; 0 asks it to pause.
        bitrate: u64,
    },
}
