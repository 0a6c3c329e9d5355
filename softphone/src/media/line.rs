//! What audio and video lines have in common: who we are, where the peer is, what was counted.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtp_session::rtcp::ReportBlock;
use rtp_session::{Outbound, PayloadType, Received, RtcpEvent, RtpSession, RtxPair, Source, Ssrc};
use sdp::negotiate::NegotiatedMedia;

use crate::core::report::{ReceivedReport, SentReport, ms, round};

/// Which of the two ports of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Media, and control too once it is multiplexed (RFC 5761).
    Rtp,
    /// Control.
    Rtcp,
}

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Index of the m= line.
    pub line: usize,
    /// From which of our two ports.
    pub from: Channel,
    /// Where to.
    pub to: SocketAddr,
    /// By way of our relay (RFC 8656), not straight.
    pub relayed: bool,
    /// Header and payload.
    pub bytes: Bytes,
}

/// Where a line sends to and takes from.
///
/// Packets are taken from the hosts the description names and from the one we talk SIP with. When
/// they come from somewhere else than the description says, as from behind a NAT, ours go there too
/// (symmetric RTP, RFC 4961), once for each agreement (RFC 7362 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    line: usize,
    rtp: Option<SocketAddr>,
    rtcp: Option<SocketAddr>,
    mux: bool,
    sip_host: Option<IpAddr>,
    latched: [bool; 2],
    /// Whoever was here before and is not any more: its last packets are of no use.
    former: Option<SocketAddr>,
    /// With ICE, which knows better, for RTP and RTCP.
    routes: [Option<Route>; 2],
}

/// Where ICE sends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Nowhere, when consent is lost.
    pub to: Option<SocketAddr>,
    /// By way of our relay.
    pub relayed: bool,
}

impl Path {
    /// What was agreed on the line with this index; `sip_host` is where the peer's SIP comes from.
    #[must_use]
    pub fn new(line: usize, media: &NegotiatedMedia, sip_host: Option<IpAddr>) -> Self {
        let (rtp, rtcp) = (media.remote.rtp, media.remote.rtcp);
        let (mux, latched, routes) = (media.rtcp_mux, [false; 2], [None; 2]);
        Self { line, rtp, rtcp, mux, sip_host, latched, former: None, routes }
    }

    /// What was agreed anew about the same line. When it names another peer, the one of before is heard until the new one
    /// is: whichever of the two is told first, nobody hears both or nothing.
    #[must_use]
    pub fn again(self, media: &NegotiatedMedia) -> Self {
        let moved = media.remote.rtp.is_some() && media.remote.rtp != self.rtp;
        let former = if moved { self.rtp } else { self.former };
        Self { former, ..Self::new(self.line, media, self.sip_host) }
    }

    /// Whether another peer is named than `before`.
    #[must_use]
    pub fn has_moved(&self, before: &Self) -> bool {
        self.rtp.is_some() && self.rtp != before.rtp
    }

    /// Whether this is the peer of the last agreement, as far as can be told.
    #[must_use]
    pub fn is_current(&self, from: SocketAddr) -> bool {
        self.former != Some(from)
    }

    /// Where the description says that the peer is, or where its packets came from since.
    #[must_use]
    pub fn signalled(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        (self.rtp, self.rtcp)
    }

    /// ICE knows where to send RTP and RTCP to; without, nothing is changed.
    pub fn set_routes(&mut self, rtp: Option<Route>, rtcp: Option<Route>) {
        self.routes = [rtp, rtcp];
    }

    /// Whether a datagram from there may belong to the line.
    #[must_use]
    pub fn accepts(&self, from: SocketAddr) -> bool {
        let hosts =
            [self.rtp.map(|peer| peer.ip()), self.rtcp.map(|peer| peer.ip()), self.sip_host];
        let arrived = self.latched[0] && !self.is_current(from);
        !arrived && hosts.iter().flatten().any(|host| *host == from.ip())
    }

    /// A good packet came from there.
    pub fn heard(&mut self, channel: Channel, from: SocketAddr) {
        let rtp = channel == Channel::Rtp;
        if self.routes[usize::from(!rtp)].is_some() || !self.is_current(from) {
            return;
        }
        let [first, second] = &mut self.latched;
        let (address, latched) =
            if rtp { (&mut self.rtp, first) } else { (&mut self.rtcp, second) };
        if !*latched && address.is_some() {
            *latched = true;
            *address = Some(from);
        }
        if self.mux && rtp && self.rtcp.is_some() {
            self.rtcp = self.rtp;
        }
    }

    /// A media packet, if there is somewhere to send it.
    #[must_use]
    pub fn rtp(&self, packet: &Outbound) -> Option<Datagram> {
        let (to, relayed) = self.way(0, self.rtp)?;
        let bytes = packet.to_bytes();
        Some(Datagram { line: self.line, from: Channel::Rtp, to, relayed, bytes })
    }

    /// A control packet, if there is somewhere to send it.
    #[must_use]
    pub fn rtcp(&self, bytes: Bytes) -> Option<Datagram> {
        let from = if self.mux { Channel::Rtp } else { Channel::Rtcp };
        let (to, relayed) = self.way(1, self.rtcp)?;
        Some(Datagram { line: self.line, from, to, relayed, bytes })
    }

    fn way(&self, at: usize, plain: Option<SocketAddr>) -> Option<(SocketAddr, bool)> {
        match self.routes.get(at).copied().flatten() {
            Some(route) => Some((route.to?, route.relayed)),
            None => Some((plain?, false)),
        }
    }
}

/// Payload types that may arrive on a line with their clock rates.
#[must_use]
pub fn receivable(media: &NegotiatedMedia) -> Vec<(PayloadType, u32)> {
    let known =
        |codec: &sdp::Codec| Some((PayloadType::new(codec.payload_type)?, codec.clock_rate));
    media.receive.iter().filter_map(known).collect()
}

/// Those of them that are no medium of their own but stand in another's stream: telephone events (RFC 4733), comfort
/// noise (RFC 3389).
#[must_use]
pub fn auxiliary(media: &NegotiatedMedia) -> Vec<PayloadType> {
    let auxiliary =
        |name: &str| ["telephone-event", "CN"].iter().any(|known| known.eq_ignore_ascii_case(name));
    let codecs = media.receive.iter().filter(|codec| auxiliary(&codec.name));
    codecs.filter_map(|codec| PayloadType::new(codec.payload_type)).collect()
}

/// Payload types of packets sent again (RFC 4588): those that come, and those we send.
#[must_use]
pub fn rtx_pairs(media: &NegotiatedMedia) -> Option<(RtxPair, RtxPair)> {
    let rtx = media.rtx?;
    let ours = media.receive.matching(&media.codec).unwrap_or(&media.codec);
    let pair =
        |rtx, apt| Some(RtxPair { rtx: PayloadType::new(rtx)?, apt: PayloadType::new(apt)? });
    Some((pair(rtx.receive, ours.payload_type)?, pair(rtx.send, media.codec.payload_type)?))
}

/// What was sent on a line, and how the peer says it arrives.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    packets: u64,
    bytes: u64,
    remote: Option<ReportBlock>,
    rtt: Option<Duration>,
}

impl Sent {
    /// A media packet went out.
    pub fn packet(&mut self, packet: &Outbound) {
        self.packets += 1;
        self.bytes += packet.payload_octets() as u64;
    }

    /// A report about our stream came; returns the fraction lost, 0.0 to 1.0.
    pub fn report(&mut self, block: ReportBlock, rtt: Option<Duration>) -> f64 {
        self.remote = Some(block);
        self.rtt = rtt.or(self.rtt);
        f64::from(block.fraction_lost) / 256.0
    }

    /// Round-trip time, once known.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Media packets sent.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// For the report of the call; `clock_rate` is that of the stream's timestamps.
    #[must_use]
    pub fn to_report(&self, clock_rate: u32) -> SentReport {
        let per_ms = f64::from(clock_rate) / 1000.0;
        SentReport {
            packets: self.packets,
            bytes: self.bytes,
            remote_lost: self.remote.map(|block| i64::from(block.lost)),
            remote_jitter_ms: self.remote.map(|block| round(f64::from(block.jitter) / per_ms)),
            rtt_ms: self.rtt.map(ms),
        }
    }
}

/// What came in on a line, all sources together. Kept apart from the sources themselves: those are forgotten when they
/// say good-bye or are silent for long, and what they sent has come all the same.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    packets: u64,
    bytes: u64,
    lost: i64,
    /// The source of the last packet, and its losses then.
    last: Option<(Ssrc, i64)>,
    jitter: Duration,
}

impl Tally {
    /// A packet of `source` with `payload` octets counts. Returns how many more are lost now; negative when a late
    /// packet closed a gap.
    pub fn packet(&mut self, received: &Received, source: &Source, payload: usize) -> i64 {
        self.packets += 1;
        self.bytes += payload as u64;
        self.jitter = source.jitter();
        let total = source.lost();
        let before = match self.last {
            _ if received.first => 0,
            Some((ssrc, before)) if ssrc == source.ssrc() => before,
            _ => total,
        };
        self.last = Some((source.ssrc(), total));
        self.lost += total - before;
        total - before
    }

    /// A packet with `payload` octets came in a stream of retransmissions, where the sources do not count it; `missed`
    /// when it had been lost. Returns how many more are lost now.
    pub fn restored(&mut self, payload: usize, missed: bool) -> i64 {
        self.packets += 1;
        self.bytes += payload as u64;
        self.lost -= i64::from(missed);
        -i64::from(missed)
    }

    /// For the report of the call.
    #[must_use]
    pub fn to_report(&self) -> ReceivedReport {
        ReceivedReport {
            packets: self.packets,
            bytes: self.bytes,
            lost: u64::try_from(self.lost).unwrap_or(0),
            jitter_ms: ms(self.jitter),
        }
    }
}

/// What an RTCP datagram means beyond the line it came on.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A source or contributor has a name.
    Named {
        /// The source.
        ssrc: Ssrc,
        /// SDES CNAME.
        cname: Option<String>,
        /// SDES NAME.
        name: Option<String>,
    },
    /// A source or contributor left.
    Gone(Ssrc),
}

/// Splits off the events that concern people from those that concern the line.
pub fn handle_rtcp(
    session: &mut RtpSession,
    now: Instant,
    datagram: &Bytes,
    news: &mut Vec<News>,
) -> Vec<RtcpEvent> {
    let mut rest = Vec::new();
    for event in session.handle_rtcp(now, datagram) {
        match event {
            RtcpEvent::Named { ssrc, cname, name } => news.push(News::Named { ssrc, cname, name }),
            RtcpEvent::Bye { ssrc } => news.push(News::Gone(ssrc)),
            other => rest.push(other),
        }
    }
    rest
}
