//! From one sender to all who watch it, and back: pictures one way, feedback the other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rtp_session::{CsrcList, RtcpEvent, RtpPacket};

use super::{LineId, layout, slot};
use crate::leg::{Leg, LegId, Line};
use crate::output::Outbox;

/// Least time until one packet is sent again a second time.
const MIN_RESEND: Duration = Duration::from_millis(10);

/// Numbers of one control datagram that are looked for: more are as good as a key frame, and a datagram can hold
/// thousands, each of which costs a search.
const MAX_NACKED: usize = 256;

/// How many speakers are remembered; nobody has more slots than this filled by who spoke.
const REMEMBERED_SPEAKERS: usize = 64;

/// Bounds of what a sender is asked to send at most, bit/s: below, a picture is not worth it; above, nobody gains.
const SENDER_LIMIT: std::ops::RangeInclusive<u64> = 100_000..=2_500_000;

/// A packet of a member's picture on its way to those who watch it.
#[derive(Debug)]
pub(crate) struct PicturePacket<'a> {
    /// As it came in.
    pub(crate) packet: &'a RtpPacket,
    /// Whose it is.
    pub(crate) csrcs: CsrcList,
    /// When it is to be seen, on our clock.
    pub(crate) media_time: Instant,
}

/// Who watches whom in a conference.
#[derive(Debug, Default)]
pub struct VideoRouter {
    watchers: BTreeMap<LineId, Vec<LineId>>,
    /// Who had the floor, the latest first.
    spoke: Vec<LegId>,
}

impl VideoRouter {
    /// Somebody has the floor now.
    pub fn spoke(&mut self, leg: LegId) {
        self.spoke.retain(|other| *other != leg);
        self.spoke.insert(0, leg);
        self.spoke.truncate(REMEMBERED_SPEAKERS);
    }

    /// Forgets a leg that left.
    pub fn remove(&mut self, leg: LegId) {
        self.spoke.retain(|other| *other != leg);
    }

    /// Decides anew who is shown where, after anything that matters to it changed: a sender came or went, a line was
    /// agreed on, somebody else speaks. Pictures newly shown get a key frame and a name; that of `fresh` is not asked
    /// for one, because a packet of it is at hand that may be one.
    pub(crate) fn arrange(
        &mut self,
        now: Instant,
        fresh: Option<LineId>,
        legs: &mut BTreeMap<LegId, Leg>,
        out: &mut Outbox,
    ) {
        let senders: Vec<LineId> = legs
            .iter()
            .filter(|(_, state)| !state.lobby)
            .flat_map(|(&leg, state)| {
                state.live().filter_map(move |(line, live)| {
                    let active = live.video()?.source.is_active() && live.transport.may_receive();
                    active.then_some(LineId { leg, line })
                })
            })
            .collect();
        let cameras = without_thumbnails(&senders, legs);
        self.watchers.clear();
        let mut wanted = Vec::new();
        for leg in legs.keys().copied().collect::<Vec<_>>() {
            self.arrange_leg(now, leg, (&senders, &cameras), legs, &mut wanted);
        }
        for line in wanted.into_iter().filter(|line| Some(*line) != fresh) {
            let Some(leg) = legs.get_mut(&line.leg) else { continue };
            let name = leg.name.clone();
            if let Some((transport, video)) = leg.line_mut(line.line).and_then(Line::video_mut) {
                video.source.want_key_frame();
                video.source.ask(now, &name, transport, out);
            }
        }
        for source in senders {
            self.limit_sender(now, source, legs);
        }
    }

    /// The slots of one leg; adds to `wanted` whose key frame they need. Any of `senders` can be asked for by its
    /// label; other slots show `cameras`.
    fn arrange_leg(
        &mut self,
        now: Instant,
        id: LegId,
        (senders, cameras): (&[LineId], &[LineId]),
        legs: &mut BTreeMap<LegId, Leg>,
        wanted: &mut Vec<LineId>,
    ) {
        let others: Vec<LineId> = cameras.iter().copied().filter(|line| line.leg != id).collect();
        let Some(leg) = legs.get_mut(&id) else { return };
        let (mut slots, mut fixed) = (Vec::new(), Vec::new());
        let lobby = leg.lobby;
        for (index, live) in leg.live_mut() {
            let may_send = live.transport.may_send() && !lobby;
            let Some((transport, video)) = live.video_mut() else { continue };
            if let (true, Some(only)) = (may_send, video.wishes.only) {
                let there = only.leg != id && senders.contains(&only);
                fixed.push(((index, video.slot.showing()), there.then_some(only)));
            } else if may_send {
                slots.push((index, video.slot.showing()));
            } else if video.slot.showing().is_some() {
                video.slot.show(None);
                transport.session_mut().set_contributors(now, Vec::new());
            }
        }
        let shown: Vec<Option<LineId>> = slots.iter().map(|(_, showing)| *showing).collect();
        let filled = layout::fill(&shown, &others, &self.spoke);
        for ((index, before), after) in slots.into_iter().zip(filled).chain(fixed) {
            let source = after.and_then(|line| {
                let leg = legs.get(&line.leg)?;
                let source = &leg.line(line.line)?.video()?.source;
                let named = slot::contributor(source.public(), &leg.cname, &leg.display_name);
                Some((line, source.ssrc()?, named))
            });
            let Some(live) = legs.get_mut(&id).and_then(|leg| leg.line_mut(index)) else {
                continue;
            };
            let Some((transport, video)) = live.video_mut() else { continue };
            video.slot.show(source.as_ref().map(|(line, ssrc, _)| (*line, *ssrc)));
            if before != after {
                let named = source.into_iter().map(|(_, _, named)| named).collect();
                transport.session_mut().set_contributors(now, named);
            }
            if let Some(line) = after {
                self.watchers.entry(line).or_default().push(LineId { leg: id, line: index });
                if video.slot.is_waiting() {
                    wanted.push(line);
                }
            }
        }
    }

    /// Sends a packet of `source` to everybody who watches it. Returns whether somebody waits for a key frame.
    pub(crate) fn forward(
        &self,
        now: Instant,
        source: LineId,
        picture: &PicturePacket<'_>,
        legs: &mut BTreeMap<LegId, Leg>,
        out: &mut Outbox,
    ) -> bool {
        let mut waiting = false;
        for watcher in self.watchers.get(&source).map_or(&[][..], Vec::as_slice) {
            let live = legs.get_mut(&watcher.leg).and_then(|leg| leg.line_mut(watcher.line));
            let Some((transport, video)) = live.and_then(Line::video_mut) else { continue };
            match video.slot.forward(now, picture.packet, &picture.csrcs) {
                Some(packet) => {
                    transport.send(picture.media_time, packet, out);
                    while let Some(held) = video.slot.poll_held(now) {
                        transport.send(picture.media_time, held, out);
                    }
                }
                None => waiting |= video.slot.is_waiting(),
            }
        }
        waiting
    }

    /// What a member says about the picture it is shown at `at`.
    pub(crate) fn feedback(
        &self,
        now: Instant,
        at: LineId,
        events: &[RtcpEvent],
        legs: &mut BTreeMap<LegId, Leg>,
        out: &mut Outbox,
    ) {
        let live = legs.get_mut(&at.leg).and_then(|leg| leg.line_mut(at.line));
        let Some((transport, video)) = live.and_then(Line::video_mut) else { return };
        let mut refresh = None;
        let mut limited = false;
        let mut searches = MAX_NACKED;
        for event in events {
            match event {
                RtcpEvent::KeyFrameWanted { .. } => refresh = video.slot.showing(),
                RtcpEvent::Nack { seqs, .. } => {
                    let rtt = transport.session().rtt().max(MIN_RESEND);
                    let looked_for = seqs.len().min(searches);
                    searches -= looked_for;
                    for &seq in seqs.iter().take(looked_for) {
                        if let Some(packet) = video.slot.resend(now, seq, rtt) {
                            transport.resend(now, packet, out);
                        }
                    }
                }
                RtcpEvent::Remb { .. } | RtcpEvent::Tmmbr { .. } => limited = true,
                RtcpEvent::Report { .. }
                | RtcpEvent::SenderReport { .. }
                | RtcpEvent::Named { .. }
                | RtcpEvent::Collision { .. }
                | RtcpEvent::Bye { .. } => {}
            }
        }
        let showing = video.slot.showing();
        if let Some(source) = refresh {
            Self::refresh(now, source, legs, out);
        }
        if let Some(source) = showing.filter(|_| limited) {
            self.limit_sender(now, source, legs);
        }
    }

    /// Looks at all limits again: some may have expired.
    pub(crate) fn refresh_limits(&self, now: Instant, legs: &mut BTreeMap<LegId, Leg>) {
        for &source in self.watchers.keys() {
            self.limit_sender(now, source, legs);
        }
    }

    /// Asks for a key frame of one source.
    pub(crate) fn refresh(
        now: Instant,
        source: LineId,
        legs: &mut BTreeMap<LegId, Leg>,
        out: &mut Outbox,
    ) {
        let Some(leg) = legs.get_mut(&source.leg) else { return };
        let name = leg.name.clone();
        let live = leg.line_mut(source.line).and_then(Line::video_mut);
        if let Some((transport, video)) = live {
            video.source.want_key_frame();
            video.source.ask(now, &name, transport, out);
        }
    }

    /// A sender is told what its weakest watcher can take (RFC 7667 §3.7: terminated here, never passed on).
    fn limit_sender(&self, now: Instant, source: LineId, legs: &mut BTreeMap<LegId, Leg>) {
        let least = self
            .watchers
            .get(&source)
            .into_iter()
            .flatten()
            .filter_map(|at| legs.get(&at.leg)?.line(at.line)?.transport.session().send_limit(now))
            .min();
        let live = legs.get_mut(&source.leg).and_then(|leg| leg.line_mut(source.line));
        if let Some((transport, video)) = live.and_then(Line::video_mut)
            && video.source.takes_limit()
        {
            let most = *SENDER_LIMIT.end();
            let limit = least.map(|least| least.clamp(*SENDER_LIMIT.start(), most));
            if let Some(limit) = video.source.limit(limit, most) {
                transport.session_mut().set_receive_limit(Some(limit));
            }
        }
    }
}

/// The senders without those that show a camera once more.
fn without_thumbnails(senders: &[LineId], legs: &BTreeMap<LegId, Leg>) -> Vec<LineId> {
    let is_thumbnail = |line: &LineId| {
        let line = legs.get(&line.leg).and_then(|leg| leg.line(line.line));
        line.and_then(Line::video).is_some_and(|video| video.wishes.thumbnail)
    };
    // Agreed on, if it has sent nothing yet: both begin together, and not in an order to rely on.
    let has_another = |line: &LineId| {
        legs.get(&line.leg).into_iter().flat_map(Leg::live).any(|(_, live)| {
            let camera = live.video().is_some_and(|video| !video.wishes.thumbnail);
            camera && live.transport.may_receive()
        })
    };
    senders.iter().copied().filter(|line| !(is_thumbnail(line) && has_another(line))).collect()
}
