//! The media of one meeting as one value.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use mixer_control::MixerError;
use rtp_session::{Contributor, CsrcList, NtpClock, RtcpEvent, RtpPacket, Ssrc};
use sdp::negotiate::{self, Answer, Capabilities, OfferLine};
use sdp::{Direction, MediaKind};

use crate::audio::mixer::AudioMixer;
use crate::io::PortId;
use crate::join::{self, Change, Plan};
use crate::leg::{Leg, LegId, Line, Medium, PendingOffer};
use crate::output::{Event, Outbox, Output};
use crate::random::Random;
use crate::settings::{MAX_VOICES, Settings};
use crate::stats::{ConferenceStats, LegStats, LineStats};
use crate::tick::Tick;
use crate::transport::{Identity, Incoming, PortGrant};
use crate::video::LineId;
use crate::video::forward::{PicturePacket, VideoRouter};

/// Least time between two changes of the list of names on an audio line: each change is a report to everybody.
const NAMES_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// Who joins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewLeg {
    /// What others are shown; may be empty.
    pub display_name: String,
    /// Where the SIP request came from: media from there may latch (RFC 7362).
    pub signalled_from: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy)]
struct PortUse {
    line: LineId,
    rtcp: bool,
}

/// See the module's description, and the crate's for how a leg joins.
#[derive(Debug)]
pub struct Conference {
    settings: Settings,
    capabilities: Capabilities,
    clock: NtpClock,
    random: Random,
    tick: Tick,
    legs: BTreeMap<LegId, Leg>,
    names: BTreeMap<String, LegId>,
    next_leg: u32,
    /// By port number of the shell, which are small.
    ports: Vec<Option<PortUse>>,
    mixer: AudioMixer,
    video: VideoRouter,
    /// SSRCs by which members are known to others, so that no two are known by the same.
    public: BTreeMap<u32, LineId>,
    /// Whose names go with the mix, at most as many as a packet can name; see [`Self::name_speakers`].
    named: VecDeque<LegId>,
    names_changed: bool,
    names_sent: Option<Instant>,
    out: Outbox,
}

impl Conference {
    /// An empty conference. `clock` is for RTCP reports; all random numbers come out of `seed`.
    pub fn new(settings: Settings, now: Instant, clock: NtpClock, seed: u64) -> Self {
        Self {
            capabilities: join::capabilities(&settings),
            mixer: AudioMixer::new(settings.voices.clamp(1, MAX_VOICES)),
            settings,
            clock,
            random: Random::new(seed),
            tick: Tick::new(now),
            legs: BTreeMap::new(),
            names: BTreeMap::new(),
            next_leg: 1,
            ports: Vec::new(),
            video: VideoRouter::default(),
            public: BTreeMap::new(),
            named: VecDeque::new(),
            names_changed: false,
            names_sent: None,
            out: Outbox::default(),
        }
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    /// How many legs it has.
    pub fn len(&self) -> usize {
        self.legs.len()
    }

    /// Whether a line of some leg uses this port.
    pub fn uses(&self, port: PortId) -> bool {
        matches!(self.ports.get(port.0 as usize), Some(Some(_)))
    }

    /// What it takes to let a leg join: with an offer, or without one, to offer itself. Changes nothing.
    ///
    /// # Errors
    /// [`MixerError::Exhausted`] when the conference is full, [`MixerError::Invalid`] when the leg is here already or
    /// the offer cannot be read, [`MixerError::NoCommonMedia`] when nothing of it can be accepted.
    pub fn plan_join(&self, leg: &str, offer: Option<&str>) -> Result<Plan, MixerError> {
        if self.names.contains_key(leg) {
            return Err(MixerError::Invalid(format!("leg {leg} has joined already")));
        }
        if self.legs.len() >= self.settings.max_legs {
            let most = self.settings.max_legs;
            return Err(MixerError::Exhausted(format!("the conference has {most} members")));
        }
        match offer {
            Some(offer) => join::plan_answer(leg, None, offer, &self.capabilities),
            None => Ok(join::plan_first_offer(leg)),
        }
    }

    /// Lets the leg join with the ports bound for `plan`, in its order. Returns our answer, or our offer.
    ///
    /// # Errors
    /// When a codec cannot be set up; the conference is then as it was, and the ports are to be closed.
    pub fn join(
        &mut self,
        now: Instant,
        new: NewLeg,
        plan: Plan,
        granted: &[PortGrant],
    ) -> Result<String, MixerError> {
        let id = LegId(self.next_leg);
        let leg = Leg {
            name: plan.leg.clone(),
            display_name: new.display_name,
            cname: self.random.cname(),
            identity: Identity { cname: self.random.cname(), clock: self.clock },
            sip_source: new.signalled_from,
            last_heard: now,
            silence_told: false,
            lines: Vec::new(),
            pending: None,
            sync: None,
        };
        self.next_leg += 1;
        self.names.insert(plan.leg.clone(), id);
        self.legs.insert(id, leg);
        let done = self.carry_out(now, id, plan, granted);
        if done.is_err() {
            self.forget(id);
        }
        done
    }

    /// What it takes to answer a new offer of a leg. Changes nothing.
    ///
    /// # Errors
    /// [`MixerError::NotFound`], and those of [`Self::plan_join`] for the offer.
    pub fn plan_reoffer(&self, leg: &str, offer: &str) -> Result<Plan, MixerError> {
        let (_, state) = self.find(leg)?;
        join::plan_answer(leg, Some(state), offer, &self.capabilities)
    }

    /// What it takes to make a new offer to a leg. Changes nothing.
    ///
    /// # Errors
    /// [`MixerError::NotFound`].
    pub fn plan_offer(&self, leg: &str) -> Result<Plan, MixerError> {
        let (_, state) = self.find(leg)?;
        Ok(match (state.lines.is_empty(), state.pending.is_some()) {
            (false, _) => join::plan_offer_again(state),
            (true, true) => join::plan_first_offer_again(state),
            (true, false) => join::plan_first_offer(leg),
        })
    }

    /// Carries out a plan for a leg that exists. Returns our answer, which is in effect, or our offer, which takes effect
    /// with [`Self::accept`].
    ///
    /// # Errors
    /// [`MixerError::NotFound`]; [`MixerError::Unavailable`] when a codec cannot be set up: all is then as it was.
    pub fn renegotiate(
        &mut self,
        now: Instant,
        plan: Plan,
        granted: &[PortGrant],
    ) -> Result<String, MixerError> {
        let (id, _) = self.find(&plan.leg)?;
        self.carry_out(now, id, plan, granted)
    }

    /// The member's answer to our last offer.
    ///
    /// # Errors
    /// [`MixerError::NotFound`], [`MixerError::Invalid`] when there was no offer or the answer cannot be read,
    /// [`MixerError::NoCommonMedia`] when everything was refused. The leg is then as it was.
    pub fn accept(&mut self, now: Instant, leg: &str, answer: &str) -> Result<(), MixerError> {
        let (id, state) = self.find(leg)?;
        let Some(pending) = &state.pending else {
            return Err(MixerError::Invalid("there is no offer to be answered".to_owned()));
        };
        let answer = join::parse(answer)?;
        let lines = negotiate::accept(&pending.offer, &answer).map_err(join::no_common_media)?;
        let ports = pending.ports.clone();
        let leg = self.legs.get_mut(&id).ok_or(MixerError::NotFound)?;
        leg.agree(now, &lines, &ports, &self.settings, &mut self.random, &mut self.out)?;
        leg.drop_offer(&mut self.out);
        self.rewire(now);
        Ok(())
    }

    /// Lets a leg go. Returns whether it was there.
    pub fn leave(&mut self, now: Instant, leg: &str) -> bool {
        let Some(&id) = self.names.get(leg) else { return false };
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.drop_offer(&mut self.out);
            for (_, line) in leg.live_mut() {
                line.close(now, &mut self.out);
            }
        }
        self.forget(id);
        self.rewire(now);
        true
    }

    /// Lets everybody go.
    pub fn end(&mut self, now: Instant) {
        for leg in self.names.keys().cloned().collect::<Vec<_>>() {
            self.leave(now, &leg);
        }
    }

    /// The member asks, by its signalling, for a key frame of every picture it is shown (RFC 5168).
    ///
    /// # Errors
    /// [`MixerError::NotFound`].
    pub fn refresh_video(&mut self, now: Instant, leg: &str) -> Result<(), MixerError> {
        let (_, state) = self.find(leg)?;
        let shown: Vec<LineId> =
            state.live().filter_map(|(_, line)| line.video()?.slot.showing()).collect();
        for source in shown {
            VideoRouter::refresh(now, source, &mut self.legs, &mut self.out);
        }
        Ok(())
    }

    /// A datagram came in on a port at the moment `now`.
    pub fn handle_datagram(&mut self, now: Instant, at: PortId, from: SocketAddr, bytes: &Bytes) {
        let Some(&Some(PortUse { line: at, rtcp })) = self.ports.get(at.0 as usize) else { return };
        let Some(leg) = self.legs.get_mut(&at.leg) else { return };
        let Some(line) = leg.line_mut(at.line) else { return };
        let ours = line.transport.ssrc();
        let incoming = line.transport.handle(now, from, bytes, rtcp);
        if line.transport.ssrc() != ours {
            line.change_ssrc();
        }
        match incoming {
            Incoming::Nothing => return,
            Incoming::Rtcp(events) => {
                if !events.is_empty() {
                    self.video.feedback(now, at, &events, &mut self.legs, &mut self.out);
                    self.forget_leaving_sources(at, &events);
                }
            }
            Incoming::Rtp { packet, received } => match &mut line.medium {
                Medium::Audio(audio) => {
                    let changed =
                        audio.receive(now, &packet, &received, line.transport.may_receive());
                    if changed {
                        self.publish_audio(at, received.ssrc);
                    }
                }
                Medium::Video(_) => self.handle_picture(now, at, &packet, &received),
            },
        }
        if let Some(leg) = self.legs.get_mut(&at.leg) {
            leg.last_heard = leg.last_heard.max(now);
            leg.silence_told = false;
        }
    }

    /// Does what is due. Always safe, also early.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(skipped) = self.tick.take(now) {
            let speaker = self.mixer.tick(now, skipped, &mut self.legs, &mut self.out);
            if let Some(speaker) = speaker {
                self.video.spoke(speaker);
                self.video.arrange(now, &mut self.legs, &mut self.out);
                if let Some(leg) = self.legs.get(&speaker) {
                    self.out.event(Event::ActiveSpeaker { leg: leg.name.clone() });
                }
            }
            self.look_after(now);
        }
    }

    /// What is to be done, the oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    /// When [`Self::handle_timeout`] wants to be called. Audio that arrives before need not be handed over earlier.
    pub fn poll_timeout(&self) -> Instant {
        self.tick.deadline()
    }

    /// The counters as they are.
    pub fn stats(&self) -> ConferenceStats {
        ConferenceStats {
            legs: self.legs.values().map(leg_stats).collect(),
            ticks: self.tick.stats(),
            voices: self.mixer.mixed().len(),
            encode_failures: self.mixer.failed(),
        }
    }

    fn find(&self, leg: &str) -> Result<(LegId, &Leg), MixerError> {
        let id = *self.names.get(leg).ok_or(MixerError::NotFound)?;
        Ok((id, self.legs.get(&id).ok_or(MixerError::NotFound)?))
    }

    fn carry_out(
        &mut self,
        now: Instant,
        id: LegId,
        plan: Plan,
        granted: &[PortGrant],
    ) -> Result<String, MixerError> {
        let ports = match_ports(&plan, granted);
        match plan.change {
            Change::Answer(answer) => self.answer(now, id, &answer, &ports),
            Change::Offer(kinds) => self.offer(id, &kinds, ports),
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        id: LegId,
        answer: &Answer,
        ports: &BTreeMap<usize, PortGrant>,
    ) -> Result<String, MixerError> {
        let leg = self.legs.get_mut(&id).ok_or(MixerError::NotFound)?;
        // Spare RTCP ports of an offer of ours that is still open serve as well.
        let mut ports = ports.clone();
        for (index, grant) in leg.pending.iter().flat_map(|pending| &pending.ports) {
            if leg.line(*index).is_some() {
                ports.entry(*index).or_insert(*grant);
            }
        }
        leg.agree(now, answer.lines(), &ports, &self.settings, &mut self.random, &mut self.out)?;
        // That offer is void now: both sides offered, and theirs was taken.
        leg.drop_offer(&mut self.out);
        let settings = &self.settings;
        let description = answer.describe(|line| {
            let number = leg.line(line.index).map_or(0, |line| line.transport.ports().number);
            join::local_transport(number, settings)
        });
        self.rewire(now);
        Ok(description.to_string())
    }

    fn offer(
        &mut self,
        id: LegId,
        kinds: &[MediaKind],
        mut ports: BTreeMap<usize, PortGrant>,
    ) -> Result<String, MixerError> {
        let leg = self.legs.get_mut(&id).ok_or(MixerError::NotFound)?;
        // An offer that was never answered is replaced, and its ports are used again.
        ports.extend(leg.pending.take().into_iter().flat_map(|void| void.ports));
        let mut lines = join::lines_again(leg, &self.settings);
        for kind in kinds {
            let number = ports.get(&lines.len()).map_or(0, |grant| grant.number);
            let local = join::local_transport(number, &self.settings);
            lines.push(OfferLine::new(kind.clone(), Direction::SendRecv, local));
        }
        let offer = negotiate::offer(&lines, &self.capabilities);
        let text = offer.to_string();
        leg.pending = Some(PendingOffer { offer, ports });
        Ok(text)
    }

    /// Removes a leg from every table.
    fn forget(&mut self, id: LegId) {
        if let Some(leg) = self.legs.remove(&id) {
            self.names.remove(&leg.name);
        }
        self.mixer.remove(id);
        self.video.remove(id);
        self.public.retain(|_, line| line.leg != id);
        self.named.retain(|leg| *leg != id);
        self.names_changed = true;
    }

    /// After the lines of some leg changed: ports, and who is shown where.
    fn rewire(&mut self, now: Instant) {
        self.ports.clear();
        for (&leg, state) in &self.legs {
            for (index, live) in state.live() {
                let line = LineId { leg, line: index };
                let ports = live.transport.ports();
                for (port, rtcp) in [(Some(ports.rtp), false), (ports.rtcp, true)] {
                    let Some(port) = port else { continue };
                    let at = port.0 as usize;
                    if self.ports.len() <= at {
                        self.ports.resize(at + 1, None);
                    }
                    self.ports[at] = Some(PortUse { line, rtcp });
                }
            }
        }
        self.names_changed = true;
        self.video.arrange(now, &mut self.legs, &mut self.out);
    }

    /// A packet of a member's picture.
    fn handle_picture(
        &mut self,
        now: Instant,
        at: LineId,
        packet: &RtpPacket,
        received: &rtp_session::Received,
    ) {
        let Some(leg) = self.legs.get_mut(&at.leg) else { return };
        let sync = leg.sync;
        let Some((transport, video)) = leg.line_mut(at.line).and_then(Line::video_mut) else {
            return;
        };
        if !transport.may_receive() {
            return;
        }
        let news = video.source.receive(now, packet, received);
        if !news.current {
            return;
        }
        let media_time = video.source.media_time(now, packet, transport, sync);
        if news.appeared {
            let public = self.publish(at, received.ssrc);
            if let Some((_, video)) = self.video_line(at) {
                video.source.set_public(public);
            }
            self.video.arrange(now, &mut self.legs, &mut self.out);
        }
        let Some((_, video)) = self.video_line(at) else { return };
        let csrcs: CsrcList = std::iter::once(video.source.public()).collect();
        let picture = PicturePacket { packet, csrcs, media_time };
        let waiting = self.video.forward(now, at, &picture, &mut self.legs, &mut self.out);
        self.ask_source(now, at, waiting);
    }

    fn video_line(
        &mut self,
        at: LineId,
    ) -> Option<(&mut crate::transport::Transport, &mut crate::video::VideoLine)> {
        self.legs.get_mut(&at.leg)?.line_mut(at.line)?.video_mut()
    }

    fn ask_source(&mut self, now: Instant, at: LineId, key_frame: bool) {
        let Some(leg) = self.legs.get_mut(&at.leg) else { return };
        let Leg { name, lines, .. } = leg;
        let live = lines.get_mut(at.line).and_then(|line| line.live.as_mut());
        if let Some((transport, video)) = live.and_then(Line::video_mut) {
            if key_frame {
                video.source.want_key_frame();
            }
            video.source.ask(now, name, transport, &mut self.out);
        }
    }

    /// The SSRC by which a member's stream is known to others: its own, unless somebody has it already.
    fn publish(&mut self, line: LineId, ssrc: Ssrc) -> Ssrc {
        self.public.retain(|_, other| *other != line);
        let mut public = ssrc;
        while self.public.contains_key(&public.0) {
            public = self.random.ssrc();
        }
        self.public.insert(public.0, line);
        public
    }

    fn publish_audio(&mut self, at: LineId, ssrc: Ssrc) {
        let public = self.publish(at, ssrc);
        if let Some((_, audio)) = self.legs.get_mut(&at.leg).and_then(Leg::audio_mut) {
            audio.public = public;
        }
        if !self.named.contains(&at.leg) {
            self.named.push_back(at.leg);
        }
        self.names_changed = true;
    }

    /// A member said good-bye to its own stream: the next one, whatever its SSRC, is played at once.
    fn forget_leaving_sources(&mut self, at: LineId, events: &[RtcpEvent]) {
        for event in events {
            let RtcpEvent::Bye { ssrc: gone } = event else { continue };
            let line = self.legs.get_mut(&at.leg).and_then(|leg| leg.line_mut(at.line));
            if let Some((_, audio)) = line.and_then(Line::audio_mut)
                && audio.ssrc == Some(*gone)
            {
                audio.ssrc = None;
            }
        }
    }

    /// Everything that is looked at once per tick.
    fn look_after(&mut self, now: Instant) {
        self.name_speakers(now);
        let mut vanished = false;
        for leg in self.legs.values_mut() {
            let Leg { name, lines, last_heard, silence_told, .. } = leg;
            for live in lines.iter_mut().filter_map(|line| line.live.as_mut()) {
                match live.video_mut() {
                    Some((transport, video)) => {
                        vanished |= video.source.expire(now);
                        video.source.ask(now, name, transport, &mut self.out);
                    }
                    None => live.transport.poll_rtcp(now, &mut self.out),
                }
            }
            let silent = now.saturating_duration_since(*last_heard) >= self.settings.silence;
            if silent && !*silence_told {
                *silence_told = true;
                self.out.event(Event::LegSilent { leg: name.clone() });
            }
        }
        if vanished {
            self.video.arrange(now, &mut self.legs, &mut self.out);
        }
    }

    /// Keeps the list of names that go with the mix: everybody in a small meeting, who spoke last in a large one.
    fn name_speakers(&mut self, now: Instant) {
        for (speaker, _) in self.mixer.mixed() {
            if self.named.iter().take(MAX_VOICES).any(|leg| leg == speaker) {
                continue;
            }
            self.named.retain(|leg| leg != speaker);
            self.named.push_front(*speaker);
            self.names_changed = true;
        }
        let too_soon = self
            .names_sent
            .is_some_and(|sent| now.saturating_duration_since(sent) < NAMES_INTERVAL);
        if !self.names_changed || too_soon {
            return;
        }
        self.names_changed = false;
        self.names_sent = Some(now);
        let named: Vec<(LegId, Contributor)> = self
            .named
            .iter()
            .take(MAX_VOICES)
            .filter_map(|id| {
                let leg = self.legs.get_mut(id)?;
                let (cname, name) = (leg.cname.clone(), leg.display_name.clone());
                let ssrc = leg.audio_mut()?.1.public;
                Some((*id, Contributor { ssrc, cname, name }))
            })
            .collect();
        for (id, leg) in &mut self.legs {
            let Some((transport, _)) = leg.audio_mut() else { continue };
            let others =
                named.iter().filter(|(other, _)| other != id).map(|(_, named)| named.clone());
            transport.session_mut().set_contributors(now, others.collect());
        }
    }
}

/// Which granted port is for which m-line.
fn match_ports(plan: &Plan, granted: &[PortGrant]) -> BTreeMap<usize, PortGrant> {
    plan.needs.iter().map(|(index, _)| *index).zip(granted.iter().copied()).collect()
}

fn leg_stats(leg: &Leg) -> LegStats {
    let lines = leg.live().map(|(index, line)| {
        let sources = line.transport.session().sources();
        let (lost, jitter) =
            sources.fold((0, std::time::Duration::ZERO), |(lost, jitter), source| {
                (lost + source.lost().max(0).cast_unsigned(), jitter.max(source.jitter()))
            });
        let mut stats = LineStats {
            index,
            counters: line.transport.counters(),
            lost,
            jitter,
            rtt: line.transport.session().rtt(),
            ..LineStats::default()
        };
        match &line.medium {
            Medium::Audio(audio) => {
                let buffer = audio.inlet.jitter_stats();
                stats.buffered = buffer.delay;
                stats.late = buffer.late;
            }
            Medium::Video(video) => {
                stats.video = true;
                stats.key_frame_requests = video.source.key_frame_requests();
            }
        }
        stats
    });
    LegStats { name: leg.name.clone(), lines: lines.collect() }
}
