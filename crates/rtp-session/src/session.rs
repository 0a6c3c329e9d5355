//! All the streams of one transport as one value (RFC 3550 §3: an RTP session, seen from one participant).

mod control;
mod event;
mod feedback;
mod incoming;
mod limit;
mod local;
mod outgoing;
mod peers;
mod repair;

use std::time::{Duration, Instant};

pub use self::event::{Arrival, Contributor, Dropped, Received, RtcpEvent, SessionConfig};
use self::feedback::Pending;
use self::limit::Limits;
use self::local::LocalSender;
use self::outgoing::{MIN_TIMEOUT_INTERVAL, SENDER_TIMEOUT};
use self::peers::Peers;
use self::repair::Repair;
use crate::random::Random;
use crate::rtcp::{Population, Schedule, ScheduleConfig, SdesChunk};
use crate::{Outbound, PayloadType, Source, Ssrc};

/// Senders of ours that one report can speak for within [`crate::rtcp::MAX_COMPOUND`].
const MAX_SENDERS: usize = 8;

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
    limits: Limits,
    repair: Repair,
    /// Payload types that are no medium of their own; see [`RtpSession::set_auxiliary_types`].
    auxiliary: Vec<PayloadType>,
    last_conflict: Option<Instant>,
    /// Report interval that timeouts are reckoned with.
    last_interval: Duration,
    /// A control packet of ours went out.
    spoken: bool,
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
            limits: Limits::default(),
            repair: Repair::default(),
            auxiliary: Vec::new(),
            last_conflict: None,
            last_interval: MIN_TIMEOUT_INTERVAL,
            spoken: false,
            rtt: Duration::ZERO,
        }
    }

    /// A new sender of ours, with timestamps at `clock_rate` Hz. The first one takes the SSRC the session
    /// reports under. At most 8: further ones share the last.
    pub fn add_sender(&mut self, clock_rate: u32) -> Ssrc {
        self.add(clock_rate, None)
    }

    /// The stream in which packets of our sender `media` are sent again (RFC 4588): an SSRC for
    /// [`RtxSender`](crate::RtxSender), reported on under the same CNAME. Tell [`RtpSession::sent`] of its packets too.
    pub fn add_rtx_sender(&mut self, media: Ssrc) -> Ssrc {
        let known = self.senders.iter().find(|sender| sender.ssrc == media);
        let clock_rate = known.map_or(90_000, |sender| sender.clock_rate);
        self.add(clock_rate, Some(media))
    }

    fn add(&mut self, clock_rate: u32, repairs: Option<Ssrc>) -> Ssrc {
        if let Some(last) = self.senders.last().filter(|_| self.senders.len() >= MAX_SENDERS) {
            return last.ssrc;
        }
        let ssrc = if self.senders.is_empty() { self.own } else { self.fresh_ssrc() };
        self.senders.push(LocalSender::new(ssrc, clock_rate, repairs));
        ssrc
    }

    /// The codec of our sender `ssrc` changed. With another clock rate it goes on under another SSRC, which is
    /// returned, and the old one says farewell: no receiver could map the timestamps of both (RFC 7160 §4.1). A sender
    /// that has sent nothing yet, or whose clock rate is the same, keeps its SSRC.
    pub fn change_clock_rate(&mut self, now: Instant, ssrc: Ssrc, clock_rate: u32) -> Ssrc {
        let Some(sender) = self.senders.iter_mut().find(|sender| sender.ssrc == ssrc) else {
            return ssrc;
        };
        if sender.clock_rate == clock_rate {
            return ssrc;
        }
        if !sender.has_sent() {
            sender.clock_rate = clock_rate;
            return ssrc;
        }
        // In this order: the farewell reports on the old timestamps.
        let new = self.change_ssrc(now, ssrc);
        if let Some(sender) = self.senders.iter_mut().find(|sender| sender.ssrc == new) {
            sender.clock_rate = clock_rate;
        }
        new
    }

    /// Our sender `old` goes on under another SSRC.
    fn change_ssrc(&mut self, now: Instant, old: Ssrc) -> Ssrc {
        let new = self.fresh_ssrc();
        let mut info = None;
        if self.own == old {
            self.own = new;
        }
        for sender in &mut self.senders {
            if sender.ssrc == old {
                info = sender.info(now, &self.config.clock);
                *sender = LocalSender::new(new, sender.clock_rate, sender.repairs);
            }
            if sender.repairs == Some(old) {
                sender.repairs = Some(new);
            }
        }
        self.say_farewell(now, old, info);
        new
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

    /// One that sends media of its own, and not those of another again.
    fn is_media_of_ours(&self, ssrc: Ssrc) -> bool {
        self.senders.iter().any(|sender| sender.ssrc == ssrc && sender.repairs.is_none())
    }

    /// The line was agreed on with another peer: the next new source is the one that was meant, and has to prove nothing.
    /// Else its first packet would be lost (RFC 3550 §A.1), and with it perhaps a key frame.
    pub fn expect_another(&mut self, now: Instant) {
        self.peers.expect_another(now);
    }

    /// What may come in, after a new answer; see [`SessionConfig::payload_types`].
    pub fn set_payload_types(&mut self, payload_types: Vec<(PayloadType, u32)>) {
        self.config.payload_types = payload_types;
    }

    /// Which of the payload types that may come in are no medium of their own but stand in another's stream: telephone
    /// events (RFC 4733), comfort noise (RFC 3389). They say nothing about jitter, and their clock rate is not that of
    /// the stream.
    pub fn set_auxiliary_types(&mut self, types: Vec<PayloadType>) {
        self.auxiliary = types;
    }

    fn rate_of(&self, payload_type: PayloadType) -> Option<u32> {
        let types = &self.config.payload_types;
        let found = types.iter().find(|(known, _)| *known == payload_type)?;
        Some(found.1)
    }

    fn population(&self, now: Instant) -> Population {
        let we_sent = self.senders.iter().any(LocalSender::is_active);
        let since = self.last_interval * SENDER_TIMEOUT;
        Population {
            members: self.senders.len().max(1) + self.peers.members(),
            senders: self.peers.senders(now, since) + usize::from(we_sent),
            we_sent,
        }
    }

    /// A media packet goes out: counted for our sender reports. `media_time` is the moment its first sample belongs to,
    /// on which those reports are based; for sound that was collected for 60 ms it lies before now. The first packet of
    /// a sender brings a report with it, so that the peer can map its timestamps soon.
    pub fn sent(&mut self, media_time: Instant, packet: &Outbound) {
        let ssrc = packet.ssrc();
        let sender = self.senders.iter_mut().find(|sender| sender.ssrc == ssrc);
        if sender.is_some_and(|sender| sender.count(media_time, packet)) {
            self.schedule.hasten(media_time);
        }
    }

    /// A media packet goes out again as it was, because it was asked for.
    pub fn sent_again(&mut self, packet: &Outbound) {
        let ssrc = packet.ssrc();
        if let Some(sender) = self.senders.iter_mut().find(|sender| sender.ssrc == ssrc) {
            sender.count_again(packet);
        }
    }

    /// The most we may send on this session now, in bit/s, as the peer's REMB (which expires after 15 s) and TMMBR say;
    /// `None` when it sets no limit. 0 asks for a pause.
    #[must_use]
    pub fn send_limit(&self, now: Instant) -> Option<u64> {
        self.limits.least(now)
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
