//! What a session asks of the other side, until it goes out (RFC 4585 §6, RFC 5104 §4).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::RtpSession;
use crate::rtcp::{BitRates, Fir, FirSender, Nack, Pli, Rtcp, SenderInfo};
use crate::{Seq, Ssrc};

/// Numbers in one NACK packet: even if none are neighbours they fit beside a report.
const NACK_CHUNK: usize = 128;
/// Requests waiting for one source; more are as good as a key frame.
const MAX_NACKS: usize = 512;
/// Sources that feedback can wait for, and whose FIR commands are numbered. A session holds fewer.
const MAX_TARGETS: usize = 64;
/// T_max_fb_delay of RFC 4585 §3.4: a request older than this has no use for the sender any more. Whoever still
/// lacks the packet asks again.
const MAX_FEEDBACK_DELAY: Duration = Duration::from_millis(500);

/// An SSRC that leaves, with the last report about its stream when it was a sender of ours (RFC 7160 §4.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Farewell {
    pub(super) ssrc: Ssrc,
    pub(super) info: Option<SenderInfo>,
}

/// What waits to be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    pub(super) since: Option<Instant>,
    /// Left over from a compound that was full.
    pub(super) packets: VecDeque<Rtcp>,
    nacks: BTreeMap<Ssrc, Vec<(Instant, Seq)>>,
    pictures: BTreeSet<Ssrc>,
    commands: BTreeMap<Ssrc, u8>,
    command_numbers: BTreeMap<Ssrc, FirSender>,
    /// Our senders that owe a TMMBN.
    notifications: BTreeSet<Ssrc>,
    /// Our receive limit is to be told soon.
    pub(super) tell_limit: bool,
    pub(super) farewells: VecDeque<Farewell>,
    /// Further compounds to send at once, until all names are told.
    pub(super) burst: u8,
}

impl Pending {
    /// A sender of ours was asked to send less: the bounding set is told soon (RFC 5104 §4.2.2.2).
    pub(super) fn notify(&mut self, now: Instant, media: Ssrc) {
        self.notifications.insert(media);
        self.since.get_or_insert(now);
    }

    /// Feedback about somebody who left.
    pub(super) fn forget(&mut self, ssrc: Ssrc) {
        self.nacks.remove(&ssrc);
        self.pictures.remove(&ssrc);
        self.commands.remove(&ssrc);
        self.command_numbers.remove(&ssrc);
    }
}

impl RtpSession {
    /// Asks `media` for packets again, with the next [`RtpSession::poll_rtcp`].
    pub fn request_nack(&mut self, now: Instant, media: Ssrc, seqs: &[Seq]) {
        if seqs.is_empty() || !has_room(&self.pending.nacks, media) {
            return;
        }
        let waiting = self.pending.nacks.entry(media).or_default();
        for &seq in seqs {
            if waiting.len() < MAX_NACKS
                && !waiting.iter().any(|(_, known)| *known == seq)
                && self.repair.may_request(media, seq)
            {
                waiting.push((now, seq));
            }
        }
        self.pending.since.get_or_insert(now);
    }

    /// Tells `media` that a picture was lost, with the next [`RtpSession::poll_rtcp`].
    pub fn request_pli(&mut self, now: Instant, media: Ssrc) {
        if self.pending.pictures.len() < MAX_TARGETS {
            self.pending.pictures.insert(media);
            self.pending.since.get_or_insert(now);
        }
    }

    /// Commands `media` to send a key frame; `repeat` for one already commanded that has not come (RFC 5104
    /// §3.5.1: after two round trips).
    pub fn request_fir(&mut self, now: Instant, media: Ssrc, repeat: bool) {
        if !has_room(&self.pending.command_numbers, media) {
            self.pending.command_numbers.pop_first();
        }
        let numbers = self.pending.command_numbers.entry(media).or_default();
        let command = if repeat { numbers.repeat() } else { numbers.new_command() };
        self.pending.commands.insert(media, command);
        self.pending.since.get_or_insert(now);
    }

    /// What waits, as packets; requests too old to be of use are dropped.
    pub(super) fn take_feedback(&mut self, now: Instant) -> VecDeque<Rtcp> {
        let sender = self.own;
        let mut out = std::mem::take(&mut self.pending.packets);
        if std::mem::take(&mut self.pending.tell_limit) {
            out.extend(self.remb().map(Rtcp::Remb));
        }
        for media in std::mem::take(&mut self.pending.notifications) {
            let entries = self.limits.bounding(media).into_iter().collect();
            out.push_back(Rtcp::Tmmbn(BitRates { sender: media, entries }));
        }
        for media in std::mem::take(&mut self.pending.pictures) {
            out.push_back(Rtcp::Pli(Pli { sender, media }));
        }
        let entries: Vec<_> = std::mem::take(&mut self.pending.commands).into_iter().collect();
        if !entries.is_empty() {
            out.push_back(Rtcp::Fir(Fir { sender, entries }));
        }
        for (media, waiting) in std::mem::take(&mut self.pending.nacks) {
            let fresh = |at: Instant| now.saturating_duration_since(at) <= MAX_FEEDBACK_DELAY;
            let seqs: Vec<Seq> =
                waiting.into_iter().filter(|(at, _)| fresh(*at)).map(|(_, seq)| seq).collect();
            for seqs in seqs.chunks(NACK_CHUNK) {
                out.push_back(Rtcp::Nack(Nack { sender, media, seqs: seqs.to_vec() }));
            }
        }
        out
    }
}

fn has_room<T>(targets: &BTreeMap<Ssrc, T>, media: Ssrc) -> bool {
    targets.len() < MAX_TARGETS || targets.contains_key(&media)
}
